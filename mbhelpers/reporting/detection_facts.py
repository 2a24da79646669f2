"""What `benchmarks/ssd_coco.py` and `ssd_scenes.py` measured, as lines of a table."""

from pathlib import Path
from typing import Any

from mbhelpers.files import read_json

_FILES = {
    "float": "float",
    "int8": "`int8`",
    "int8_per_tensor": "`int8_per_tensor`",
    "int8_per_tensor_as_converted": "the same, as TFLite converts it",
}


def detector_lines(results: Path) -> list[dict[str, str]]:
    """AP of each file of the two detectors, in percent, and on COCO what int8 loses against float, paired.

    Args:
        results: the folder that holds `coco2017_person/detectors.json` and `drawn_persons/detectors.json`.
    """
    sources = {"coco2017_person": "ssd_coco.py", "drawn_persons": "ssd_scenes.py"}
    for name, benchmark in sources.items():
        if not (path := results / name / "detectors.json").is_file():
            raise ValueError(f"{path} is missing; `.venv/bin/python benchmarks/{benchmark}` makes it")
    photographs, drawn = (read_json(results / name / "detectors.json") for name in sources)
    pooled = photographs["pooled"]
    on_coco = f"persons in photographs, AP at IoU 0.4 (n = {pooled['images']} images, {pooled['persons']})"
    on_scenes = f"persons in drawn scenes, AP at IoU 0.5 (n = {drawn['float']['images']}, {drawn['float']['persons']})"
    return [
        {
            "file": name,
            on_coco: _percent(pooled[file]["ap"], pooled[file]["interval"]),
            "against float": _change(pooled[file]),
            on_scenes: f"{100 * drawn[file]['ap50']:.1f}",
        }
        for file, name in _FILES.items()
    ]


def _percent(value: float, interval: list[float]) -> str:
    low, high = (100 * bound for bound in interval)
    return f"{100 * value:.1f} ({low:.1f} to {high:.1f})"


def _change(told: dict[str, Any]) -> str:
    if "against_float" not in told:
        return ""
    pair = told["against_float"]
    low, high = (100 * bound for bound in pair["interval"])
    return f"{100 * pair['difference']:+.1f} ({low:+.1f} to {high:+.1f})"
