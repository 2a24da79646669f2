"""How many images calibration needs, and what taking few of them saves.

    .venv/bin/python benchmarks/calibration.py [ROW ...]

Data: `flowers` in the folder that MBHELPERS_REAL names, or `--data`. Models: `results/<row>/model.keras`.

- `sweep`: int8 by the number of calibration images, three draws each, on validation images: on how many int8 gives
  float's answer, how far scores are off, how long the conversion takes. No label is used, and no test image.
- `whole`: the way of common scripts, TFLite's converter on the Keras model, fed with every training image, read one at
  a time; against `mbhelpers quantize` with its default number of images, from the files on too. Both are run once in
  this order, then once in the other; the seconds are the means. Accuracy is of the test images, paired.

Results go to `benchmarks/results/calibration.json`; a row's results replace its older ones there.
"""

import argparse
import io
import shlex
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from training_step import rounded

from mbhelpers import settings, stages
from mbhelpers.data import source
from mbhelpers.data.pipeline import load_images
from mbhelpers.evaluation.classification import compare
from mbhelpers.files import read_json, write_json
from mbhelpers.inference.predictor import Predictor
from mbhelpers.models.families import without_rescaling
from mbhelpers.models.load import load_keras
from mbhelpers.native import load_tensorflow, quietly
from mbhelpers.quantization.calibration import calibration_set, sweep
from mbhelpers.quantization.tflite import to_int8
from mbhelpers.records import Record, add_to_tflite, read_record
from mbhelpers.runs import Run, machine, open_run, versions

RESULT = Path(__file__).parent / "results" / "calibration.json"
ROWS = [f"flowers/mobilenet_v2_0.35_{name}" for name in ("128_tl", "224_fft")]
SIZES = (1, 4, 16, 64, 256, 1024, 1_000_000)
SEEDS = (1, 2, 3)


def whole_split(model: Any, record: Record, root: Path, paths: list[str]) -> bytes:
    """Calibrate on every training image, one at a time."""
    import tensorflow as tf

    def images():
        for path in paths:
            pixels = load_images(root, [path], record.preprocessing)
            yield [record.preprocessing.normalize(pixels)]

    converter = tf.lite.TFLiteConverter.from_keras_model(without_rescaling(model, record.preprocessing))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = images
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    with quietly(), redirect_stdout(io.StringIO()):
        return add_to_tflite(converter.convert(), record)


def timed(function: Callable[[], bytes]) -> tuple[bytes, float]:
    """A file, and how long it took."""
    start = time.perf_counter()
    return function(), time.perf_counter() - start


def scores_of(content: bytes, images: np.ndarray) -> np.ndarray:
    """What a file says of images."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(content)
        return Predictor(path).predict(images)


def measure(run: Run) -> dict[str, Any]:
    """Both parts for one row."""
    path = settings.results_folder() / str(run.row) / "model.keras"
    model, record = load_keras(path), read_record(path)
    if record is None:
        raise ValueError(f"{path} was not made by this collection; run the row first")
    split, root = stages.prepare(run), source.locate(run.row.dataset, run.data_dir)
    paths, labels = list(split.paths["train"]), split.labels["train"]
    images = {part: load_images(root, split.paths[part], record.preprocessing) for part in ("train", "validation")}
    found = []
    for each in sweep(model, record, (images["train"], labels), images["validation"], SIZES, seeds=SEEDS):
        found.append(each)
        print(f"{run.row}: {rounded(each)}", flush=True)

    def few() -> bytes:
        chosen = calibration_set(labels, settings.CALIBRATION_IMAGES, run.seed)
        return to_int8(model, record, load_images(root, [paths[k] for k in chosen], record.preprocessing))

    ways = {"default": few, "whole": lambda: whole_split(model, record, root, paths)}
    made: dict[str, bytes] = {}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for order in (list(ways), list(ways)[::-1]):
        for name in order:
            made[name], took = timed(ways[name])
            seconds[name].append(took)
    test = load_images(root, split.paths["test"], record.preprocessing)
    scores = {name: scores_of(content, test) for name, content in made.items()}
    mean = {name: float(np.mean(each)) for name, each in seconds.items()}
    told = {
        "images": {"default": settings.CALIBRATION_IMAGES, "whole": len(paths)},
        "seconds": mean,
        "each": seconds,
        "ratio": mean["whole"] / mean["default"],
        "paired": compare(scores["whole"], scores["default"], split.labels["test"]),
    }
    print(f"{run.row}: {rounded(told)}", flush=True)
    return {"n_validation": len(images["validation"]), "sweep": found, "whole": told}


def main() -> None:
    """Measure rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", default=ROWS)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seed", type=int, default=settings.DEFAULT_SEED)
    parser.add_argument("--work", type=Path, default=Path("runs") / "int8")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    real = settings.real_folder()
    data = given.data or (real and real / "flowers")
    if data is None:
        parser.error("no real flowers here: pass --data")
    load_tensorflow()
    for name in given.rows:
        run = open_run(name, data_dir=data, weights="none", out_dir=given.work, seed=given.seed)
        found = rounded(measure(run))
        before = read_json(given.out) if given.out.is_file() else {"rows": {}}
        write_json(
            given.out,
            {
                "command": shlex.join([".venv/bin/python", "benchmarks/calibration.py"]),
                "data": Path(data).name,
                "seed": given.seed,
                "machine": machine(),
                "versions": versions(),
                "rows": before["rows"] | {name: found},
            },
        )


if __name__ == "__main__":
    main()
