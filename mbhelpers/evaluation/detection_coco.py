"""COCO's own evaluation, by pycocotools: the reference that our protocols are tested against."""

import contextlib
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from mbhelpers.data.detections import Detections
from mbhelpers.data.predictions import Predictions
from mbhelpers.evaluation.detection import COCO
from mbhelpers.evaluation.detection_match import pair, to_spans

if TYPE_CHECKING:
    from pycocotools.cocoeval import COCOeval

_STATS = ("ap", "ap50", "ap75", "small", "medium", "large", "ar_1", "ar_10", "ar_100")


def coco_evaluate(found: Detections, predictions: Predictions) -> dict[str, Any]:
    """What the COCO challenge reports of detections.

    Args:
        found: ground truth of N images with C categories.
        predictions: of the same images in the same order.

    Returns:
        ap (of IoU 0.5 to 0.95), ap50, ap75, by object size small, medium and large; mean recall ar_1, ar_10, ar_100
        of the best 1, 10 and 100 predictions in an image and class; and per_class (class, ap, ap50). All 0..1, and
        None where there is no truth.

    Raises:
        ModuleNotFoundError: pycocotools is not installed.
        ValueError: the predictions don't fit the truth.
    """
    run = coco_eval(found, predictions)
    with contextlib.redirect_stdout(io.StringIO()):
        run.evaluate()
        run.accumulate()
        run.summarize()
    precision = run.eval["precision"][:, :, :, 0, -1]  # (T, R, C): all sizes, 100 predictions
    return {
        **{name: _defined(value) for name, value in zip(_STATS, run.stats, strict=False)},
        "per_class": [
            {"class": name, "ap": _defined(precision[:, :, k].mean()), "ap50": _defined(precision[0, :, k].mean())}
            for k, name in enumerate(found.categories)
        ],
    }


def coco_eval(found: Detections, predictions: Predictions) -> "COCOeval":
    """Pycocotools' evaluation, ready to run; images, categories and boxes are numbered from 1 in our order.

    Raises:
        ModuleNotFoundError: pycocotools is not installed.
        ValueError: the predictions don't fit the truth.
    """
    try:
        from pycocotools.coco import COCO as Index
        from pycocotools.cocoeval import COCOeval
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("COCO's evaluation needs pycocotools: pip install pycocotools") from error
    pair(found, predictions, COCO)  # the same demands as ours
    images = [{"id": k + 1} for k in range(len(found))]
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(found.categories)]
    begin, side = to_spans(predictions.boxes, found.sizes[predictions.image_of])
    truth = _entries(found.image_of, found.labels, *to_spans(found.boxes, found.sizes[found.image_of]))
    guess = _entries(predictions.image_of, predictions.labels, begin, side)
    for entry, area, crowd in zip(truth, found.areas.tolist(), found.crowd.tolist(), strict=True):
        entry |= {"area": area, "iscrowd": int(crowd)}
    for entry, area, score in zip(guess, side.prod(axis=1).tolist(), predictions.scores.tolist(), strict=True):
        entry |= {"area": area, "iscrowd": 0, "score": score}
    indices = []
    with contextlib.redirect_stdout(io.StringIO()):
        for annotations in (truth, guess):
            index = Index()
            index.dataset = {"images": images, "categories": categories, "annotations": annotations}
            index.createIndex()
            indices.append(index)
        return COCOeval(*indices, "bbox")


def _entries(image: np.ndarray, label: np.ndarray, begin: np.ndarray, side: np.ndarray) -> list[dict[str, Any]]:
    boxes = np.concatenate([begin, side], axis=1).tolist()
    rows = zip((image + 1).tolist(), (label + 1).tolist(), boxes, strict=True)
    return [{"id": k, "image_id": i, "category_id": c, "bbox": box} for k, (i, c, box) in enumerate(rows, start=1)]


def _defined(value: float) -> float | None:
    return None if value < 0 else float(value)  # pycocotools says -1 where there is no truth
