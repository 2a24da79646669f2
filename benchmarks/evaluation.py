"""How fast an int8 .tflite file is evaluated on image files, decoding included, against a plain loop.

    .venv/bin/python benchmarks/evaluation.py

Cases: our MobileNetV2 0.35 at 128 px on flower_photos, and a MobileNetV2 1.0 at 224 px: Coral's file on ImageNet's
images where the folder that MBHELPERS_REAL names has them, else one of our own, untrained, which takes as long.
Without real images the drawn sample serves.

Ways, by turns, after a round that doesn't count; each opens the file and ends with the scores of all images:

- `loop`: one image at a time, `Interpreter(model_path)` with LiteRT's default threads; the same decoding and resizing.
- `ours`: `mbhelpers.inference.scoring.score_files` on all cores.
- `ours_one_thread`: the same with one worker.
- `whole`: `evaluate_file` or `evaluate_imagenet`: the folder listed and checked, and all figures with their intervals.

In every round the scores of `ours` must equal those of `loop` bit for bit, or the benchmark stops. `to_loop` is the
median over the rounds of the time of the loop by that of another way, with the quartiles and the extremes.
Results go to `benchmarks/results/evaluation.json`.
"""

import argparse
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers import settings
from mbhelpers.data.folder import list_images
from mbhelpers.data.imagenet import read_imagenet
from mbhelpers.evaluation.files import evaluate_file
from mbhelpers.evaluation.imagenet import evaluate_imagenet
from mbhelpers.files import write_json
from mbhelpers.inference.predictor import Predictor
from mbhelpers.inference.scoring import score_files
from mbhelpers.native import quietly
from mbhelpers.preprocessing import preset
from mbhelpers.records import Record

RESULT = Path(__file__).parent / "results" / "evaluation.json"
SMALL = "flowers/mobilenet_v2_0.35_128_fft"
ROUNDS = 9
Case = tuple[str, Path, list[Path], dict[str, Any], Callable[[], Any]]


def loop(model: Path, files: list[Path], options: dict[str, Any]) -> np.ndarray:
    """Scores as a first script would get them."""
    from ai_edge_litert.interpreter import Interpreter

    contract = Predictor(model, **options).preprocessing
    with quietly():
        interpreter = Interpreter(model_path=str(model))
        interpreter.allocate_tensors()
    [entry], [end] = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero = end["quantization"]
    scores = []
    for file in files:
        interpreter.set_tensor(entry["index"], contract.load(file)[None])
        interpreter.invoke()
        raw = interpreter.get_tensor(end["index"])[0]
        scores.append(raw if raw.dtype == np.float32 else (raw.astype(np.float32) - zero) * scale)
    return np.stack(scores)


def ours(model: Path, files: list[Path], options: dict[str, Any], threads: int | None = None) -> np.ndarray:
    """The same by the package."""
    found = score_files([Predictor(model, **options)], files, threads=threads, progress=False)
    if not found.read.all():
        raise SystemExit(f"{found.unread[0]} can't be read; both ways need all images")
    return found.scores[0]


def cases(folder: Path) -> list[Case]:
    """Name, model, files, options of the predictor, and the whole evaluation; a model made here lies in `folder`."""
    real = settings.real_folder()
    root = (real or settings.sample_folder()) / ("flowers/flower_photos" if real else "flower_photos")
    small = settings.results_folder() / SMALL / "model_int8.tflite"
    flowers = [root / name for name in list_images(root).paths.tolist()]
    found: list[Case] = [("0.35 at 128 px", small, flowers, {}, lambda: evaluate_file(small, root, progress=False))]
    coral = real and real / "peer_models" / "coral_imagenet" / "mobilenet_v2_1.0_224_quant.tflite"
    if real and coral and coral.is_file():
        images, how = read_imagenet(real / "imagenet"), {"preset": "slim"}
        whole = lambda: evaluate_imagenet(coral, images, progress=False, **how)  # noqa: E731
        return [*found, ("1.0 at 224 px", coral, images.files(), how, whole)]
    large = own_model(folder, root)
    return [*found, ("1.0 at 224 px", large, flowers, {}, lambda: evaluate_file(large, root, progress=False))]


def own_model(folder: Path, root: Path) -> Path:
    """An untrained MobileNetV2 1.0 at 224 px for the classes of a folder, in int8."""
    from mbhelpers.models.families import build_classifier
    from mbhelpers.quantization.tflite import to_int8

    listed, contract = list_images(root), preset("mbhelpers", 224)
    model = build_classifier(len(listed.classes), 1.0, contract, weights="none")
    seen = np.stack([contract.load(root / name) for name in listed.paths[:: max(1, len(listed.paths) // 20)]])
    path = folder / "mobilenet_v2_1.0_224_int8.tflite"
    path.write_bytes(to_int8(model, Record(listed.classes, contract, {"by": "benchmarks/evaluation"}), seen))
    return path


def measure(case: Case, rounds: int) -> dict[str, Any]:
    """Seconds of each way by rounds, and how they compare."""
    name, model, files, options, whole = case
    ways: dict[str, Callable[[], Any]] = {
        "loop": lambda: loop(model, files, options),
        "ours": lambda: ours(model, files, options),
        "ours_one_thread": lambda: ours(model, files, options, threads=1),
        "whole": whole,
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(rounds + 1):
        given = {}
        for way, run in ways.items():
            start = time.perf_counter()
            given[way] = run()
            if turn:
                seconds[way].append(time.perf_counter() - start)
        if not all(np.array_equal(given["loop"], given[way]) for way in ("ours", "ours_one_thread")):
            raise SystemExit(f"{model.name}: the scores differ from those of the loop")
        if turn:
            told = ", ".join(f"{way} {len(files) / times[-1]:.0f}" for way, times in seconds.items())
            print(f"{name}, images a second: {told}", flush=True)
    base = np.array(seconds["loop"])
    return {
        "model": model.name,
        "images": len(files),
        "identical": True,
        "images_per_second": {way: len(files) / float(np.median(times)) for way, times in seconds.items()},
        "to_loop": {way: _spread(base / times) for way, times in seconds.items() if way != "loop"},
        "seconds_by_rounds": seconds,
    }


def _spread(ratios: np.ndarray) -> dict[str, float]:
    names = ("least", "lower_quartile", "median", "upper_quartile", "most")
    return dict(zip(names, np.quantile(ratios, (0, 0.25, 0.5, 0.75, 1)).tolist(), strict=True))


def _rounded(content: Any) -> Any:
    """Four significant digits: more would be noise."""
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_rounded(value) for value in content]
    return float(f"{content:.4g}") if isinstance(content, float) else content


def _machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": settings.cores(),
        "system": platform.system(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    machine = _machine()
    if machine["load_before"] > 0.5:
        print(f"other programs are at work (load {machine['load_before']}): the figures will say so", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        found = {case[0]: measure(case, given.rounds) for case in cases(Path(folder))}
    result = {
        "command": shlex.join([".venv/bin/python", "benchmarks/evaluation.py", *sys.argv[1:]]),
        "machine": machine | {"load_after": round(os.getloadavg()[0], 2)},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("ai-edge-litert", "pillow", "numpy")},
        },
        "rounds": given.rounds,
        "cases": found,
    }
    write_json(given.out, _rounded(result))


if __name__ == "__main__":
    main()
