"""A detector's file measured on an annotated folder of images, whoever made either."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers.data import coco
from mbhelpers.data.class_names import few
from mbhelpers.data.detections import Detections
from mbhelpers.data.predictions import Predictions
from mbhelpers.evaluation.detection import COCO, ST, evaluate
from mbhelpers.evaluation.detection_compare import ap_interval
from mbhelpers.evaluation.detection_match import Protocol
from mbhelpers.inference.detector import Detector

PROTOCOLS = ("st", "coco")


def evaluate_detector(
    model: Detector | Path,
    annotations: Path,
    images: Path,
    *,
    classes: tuple[str, ...] = (),
    protocol: str = "st",
    iou: float | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Measure one detector on one annotated set.

    Args:
        model: .tflite or .keras, or a detector of one.
        annotations: in COCO's format.
        images: the folder of the images that it names.
        classes: its categories in the model's order, for a file that names none; of a model of one class, or where
            the numbers agree, they need not be passed.
        protocol: "st" or "coco", see `evaluation.detection`.
        iou: of the protocol st; 0.4 by default, as on ST's cards.
        **options: of `Detector`, such as preset; only with a file.

    Returns:
        What `evaluate` gives, with interval (95 %, from drawing the images again), model, resolution, preprocessing,
        protocol and warnings.

    Raises:
        ValueError: an unknown protocol, a category that the annotations lack, another number of classes than the
            model's, images that are missing, or a set without any object of the classes.
    """
    how = named_protocol(protocol, iou)
    detector = model if isinstance(model, Detector) else Detector(model, classes=classes, **options)
    found = _of_classes(coco.read(annotations, images), detector)
    predictions = predict(detector, found, limit=how.most)
    return evaluate(found, predictions, how) | {
        "interval": ap_interval(found, predictions, how),
        "model": detector.path.name,
        "resolution": detector.resolution,
        "preprocessing": str(detector.preprocessing),
        "protocol": f"ST's, IoU {how.thresholds[0]:g}" if protocol == "st" else "COCO's, IoU 0.50 to 0.95",
        "warnings": detector.warnings,
    }


def named_protocol(name: str, iou: float | None = None) -> Protocol:
    """A protocol by its name, at another IoU threshold if one is given.

    Raises:
        ValueError: an unknown name, a threshold outside 0..1, or one for COCO's, which has ten.
    """
    if name not in PROTOCOLS:
        raise ValueError(f"unknown protocol {name!r}; choose from {', '.join(PROTOCOLS)}")
    if iou is None:
        return ST if name == "st" else COCO
    if name == "coco":
        raise ValueError("COCO's protocol has ten IoU thresholds; leave --iou out, or choose --protocol st")
    if not 0 < iou <= 1:
        raise ValueError(f"an IoU threshold is more than 0 and at most 1, not {iou}")
    return replace(ST, thresholds=(iou,))


def predict(detector: Detector, found: Detections, *, limit: int | None = None) -> Predictions:
    """All that a detector finds in the images of a set with a score above 0.001, overlaps suppressed at IoU 0.5."""
    predictions, sizes = detector.detect_files(found.root, found.paths.tolist(), limit=limit)
    if (wrong := np.flatnonzero((sizes != found.sizes).any(axis=1))).size:
        k = int(wrong[0])
        raise ValueError(
            f"{found.paths[k]} is {sizes[k][0]} x {sizes[k][1]} pixels, the annotations say {found.sizes[k][0]} x "
            f"{found.sizes[k][1]} ({len(wrong)} such images); they belong to other images"
        )
    return predictions


def _of_classes(found: Detections, detector: Detector) -> Detections:
    """The boxes of the detector's classes, with its labels."""
    names = detector.classes or (found.categories if len(found.categories) == detector.class_count else ())
    if len(names) != detector.class_count:
        raise ValueError(
            f"{detector.path} finds {detector.class_count} classes, the annotations have {len(found.categories)} "
            f"({few(found.categories)}); name the model's in its order with --classes"
        )
    return found.only(names)
