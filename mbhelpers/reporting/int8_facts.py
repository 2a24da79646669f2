"""What `benchmarks/int8.py` and `int8_imagenet.py` measured, as lines of tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mbhelpers.files import read_json

_SMALL = "flowers/mobilenet_v3_small_1.0_128_tfs"
_FILES = {
    "`int8`": ("channel", "int8"),
    "`int8_per_tensor`": ("tensor", "int8_per_tensor"),
    "the same, as TFLite converts it": ("tensor, not repaired", ""),
    "the same, trained with rounding": ("tensor, trained", ""),
    "`onnx_qoperator`": ("onnx_qoperator", "onnx_qoperator"),
    "`onnx_qdq`": ("onnx_qdq", "onnx_qdq"),
    "`onnx_qdq_per_channel`": ("onnx_qdq_per_channel", "onnx_qdq_per_channel"),
}
"""What a file is called in the two results."""


def cost_lines(results: Path) -> list[dict[str, str]]:
    """What each int8 file loses against float, in points of top-1, paired: on flowers and on ImageNet."""
    flowers, imagenet = (read_json(results / name / "int8.json") for name in ("flowers", "imagenet"))
    small = flowers["rows"][_SMALL]["test"]
    columns = [
        (f"MobileNetV2 0.35, {len(flowers['rows']) - 1} flower rows", flowers["pooled"], 0),
        ("MobileNetV3-small, flowers", small, 0),
        ("MobileNetV2 1.0, ImageNet", imagenet["paired"], 1),
    ]
    counts = [next(iter(found.values()))["n"] for _, found, _ in columns]
    return [
        {"file": file}
        | {
            f"{title} (n = {n:,})": _change(found[names[k]]) if names[k] else ""
            for (title, found, k), n in zip(columns, counts, strict=True)
        }
        for file, names in _FILES.items()
    ]


def _change(pair: Mapping[str, Any]) -> str:
    low, high = (100 * bound for bound in pair["interval"])
    return f"{100 * pair['difference']:+.2f} ({low:+.1f} to {high:+.1f})"


def pooled_lines(measured: Mapping[str, Any], names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Over all rows of MobileNetV2: a file's accuracy against float's, by the file's name.

    Args:
        measured: `results/flowers/int8.json`.
        names: of its `pooled`.
    """
    return {name: _line(measured["pooled"][name]) for name in names}


def row_lines(measured: Mapping[str, Any], name: str) -> dict[str, dict[str, str]]:
    """The same for one file of each row, by the row's name."""
    return {row: _line(told["test"][name]) for row, told in measured["rows"].items()}


def _line(pair: Mapping[str, Any]) -> dict[str, str]:
    low, high = (100 * bound for bound in pair["interval"])
    return {
        "points of top-1": f"{100 * pair['difference']:+.2f}",
        "95 % interval": f"{low:+.2f} to {high:+.2f}",
        "McNemar p": f"{pair['mcnemar_p']:.2f}",
        "n": str(pair["n"]),
    }
