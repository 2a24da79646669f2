"""Average precision of half a million drawn predictions, against pycocotools counting the same by the same protocol.

    taskset -c 0 python benchmarks/detection_ap.py -o benchmarks/results/detection_ap.json

5,000 drawn images, 80 classes or one, 7.4 true boxes an image on average as in COCO val2017, one in eighty a crowd; 100
predictions an image: two beside each true box, moved by a normal number, the others anywhere, all with random scores.
Both count AP at IoU 0.5 of all sizes, with 100 predictions at most, and must agree. Timed are, by turns: ours from
arrays to AP; pycocotools' `evaluate` and `accumulate`, its index being built before. ST's protocol and COCO's ten
thresholds with object sizes are timed for ours alone, as is the paired bootstrap of 1,000 sets. The least time counts,
in processor seconds: both keep to one thread, and on a machine with other work these say more than those on the wall.
"""

import argparse
import contextlib
import io
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers.data.detections import Detections
from mbhelpers.data.predictions import Predictions
from mbhelpers.evaluation.detection import COCO, COCO50, ST, class_aps, evaluate
from mbhelpers.evaluation.detection_coco import coco_eval
from mbhelpers.evaluation.detection_compare import compare_detections
from mbhelpers.evaluation.detection_match import pair
from mbhelpers.files import write_json
from mbhelpers.runs import machine, versions

IMAGES, EACH, MEAN_TRUTHS = 5_000, 100, 7.4
SEED = 2026


def draw(seed: int, classes: int) -> tuple[Detections, Predictions]:
    """The data that the docstring describes."""
    rng = np.random.default_rng(seed)
    number = np.minimum(rng.poisson(MEAN_TRUTHS, IMAGES), EACH // 2)
    image_of = np.repeat(np.arange(IMAGES), number)
    sizes = np.where(rng.random((IMAGES, 1)) < 0.75, (640, 480), (480, 640))
    boxes, labels = _boxes(rng, len(image_of)), rng.integers(0, classes, len(image_of))
    found = Detections(
        root=Path("drawn"),
        categories=tuple(f"class {k}" for k in range(classes)),
        category_ids=np.arange(classes) + 1,
        paths=np.array([f"{k:05d}.jpg" for k in range(IMAGES)]),
        image_ids=np.arange(IMAGES),
        sizes=sizes,
        first=np.concatenate([[0], np.cumsum(number)]),
        boxes=boxes,
        labels=labels,
        areas=np.prod((boxes[:, 2:] - boxes[:, :2]) * sizes[image_of], axis=1, dtype=np.float64),
        crowd=rng.random(len(boxes)) < 1 / 80,
    )
    images = []
    for k in range(IMAGES):
        beside = np.repeat(boxes[found.of(k)], 2, axis=0)
        beside = np.sort((beside + rng.normal(0, 0.03, beside.shape)).reshape(-1, 2, 2), axis=1).reshape(-1, 4)
        rest = EACH - len(beside)
        guessed = np.concatenate([np.repeat(labels[found.of(k)], 2), rng.integers(0, classes, rest)])
        images.append((np.concatenate([beside, _boxes(rng, rest)]), rng.random(EACH).astype(np.float32), guessed))
    return found, Predictions.from_images(images)


def _boxes(rng: np.random.Generator, number: int) -> np.ndarray:
    span = rng.beta(1, 4, (number, 2)) + 0.01
    begin = rng.random((number, 2)) * (1 - np.minimum(span, 1))
    return np.concatenate([begin, np.minimum(begin + span, 1)], axis=1).astype(np.float32)


def ours(found: Detections, predictions: Predictions) -> float:
    """AP50 by our code."""
    return float(np.nanmean(class_aps(found, pair(found, predictions, COCO50), COCO50)))


def prepared(found: Detections, predictions: Predictions) -> Callable[[], float]:
    """AP50 by pycocotools, whose index is built here."""
    run = coco_eval(found, predictions)
    run.params.iouThrs = np.array([0.5])
    run.params.areaRng, run.params.areaRngLbl = [[0, 1e10]], ["all"]
    run.params.maxDets = [100]

    def theirs() -> float:
        with contextlib.redirect_stdout(io.StringIO()):
            run.evaluate()
            run.accumulate()
        precision = run.eval["precision"]
        return float(precision[precision > -1].mean())

    return theirs


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds, and what came out."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def measure(seed: int, classes: int, repeats: int) -> dict[str, Any]:
    """Everything of so many classes, in this process."""
    found, predictions = draw(seed, classes)
    index_s, theirs = timed(lambda: prepared(found, predictions))
    pairs_of_times = [(timed(lambda: ours(found, predictions)), timed(theirs)) for _ in range(repeats)]  # by turns
    mine, other = (min(times) for times in zip(*pairs_of_times, strict=True))
    if abs(mine[1] - other[1]) > 1e-12:
        raise ValueError(f"AP differs: ours is {mine[1]}, pycocotools' is {other[1]}")
    moved = Predictions(predictions.first, predictions.boxes, predictions.scores[::-1], predictions.labels)
    alone = {
        "st_s": lambda: class_aps(found, pair(found, predictions, ST), ST),
        "coco_with_sizes_s": lambda: evaluate(found, predictions, COCO),
        "bootstrap_1000_s": lambda: compare_detections(found, predictions, moved, ST),
    }
    return {
        "truths": len(found.boxes),
        "predictions": len(predictions.boxes),
        "ap50": mine[1],
        "ap50_differs_by": abs(mine[1] - other[1]),
        "ours_s": mine[0],
        "pycocotools_s": other[0],
        "pycocotools_index_s": index_s,
        "times_as_fast": other[0] / mine[0],
        "ours_alone": {name: min(timed(work)[0] for _ in range(repeats)) for name, work in alone.items()},
    }


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=SEED, help="of the drawn boxes")
    parser.add_argument("--repeats", type=int, default=3, help="of each measurement")
    parser.add_argument("-o", "--out", type=Path, help="JSON file; default: print only")
    given = parser.parse_args()
    cases = {
        "80 classes" if classes > 1 else "one class": measure(given.seed, classes, given.repeats) for classes in (80, 1)
    }
    for name, case in cases.items():
        print(
            f"{name}: {case['ours_s']:.3f} s, pycocotools {case['pycocotools_s']:.2f} s: {case['times_as_fast']:.1f} x"
        )
    result = {
        "command": " ".join(["taskset -c 0 python benchmarks/detection_ap.py", *sys.argv[1:]]),
        "data": f"drawn: {IMAGES} images, {EACH} predictions an image",
        "seed": given.seed,
        "repeats": given.repeats,
        "machine": machine(),
        "versions": versions() | {"pycocotools": version("pycocotools")},
        "cases": cases,
    }
    if given.out:
        write_json(given.out, result)


if __name__ == "__main__":
    main()
