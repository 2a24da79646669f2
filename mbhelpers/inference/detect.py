"""What a detector's file finds in a few pictures, by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers.inference.detector import Detector


def detect_images(
    model: Detector | Path | str,
    images: Sequence[Path | str],
    *,
    threshold: float = 0.5,
    iou_threshold: float = 0.5,
    limit: int = 100,
    **options: Any,
) -> dict[str, Any]:
    """Find objects in some images.

    Args:
        model: .tflite or .keras, or a detector of one.
        images: files that Pillow can read.
        threshold: the lowest score to tell of, 0 to 1.
        iou_threshold: of two boxes of a class that overlap by more than this, the less sure one is dropped; 0 to 1.
            Files that have suppressed overlaps themselves have their own.
        limit: boxes of an image, at most.
        **options: of `Detector`, such as classes; only with a file.

    Returns:
        model, resolution, preprocessing, warnings; and results, for each image its file and found: dicts of class,
        score and box (left, top, right, bottom in pixels of the upright picture), the likeliest first.

    Raises:
        ValueError: the model or an image is missing or broken, or a threshold or the limit is none.
    """
    if isinstance(model, Detector) and options:
        raise ValueError(f"the detector has its options already; pass {', '.join(options)} to Detector")
    for name, share in (("score", threshold), ("overlap (IoU)", iou_threshold)):
        if not 0 <= share <= 1:
            raise ValueError(f"the threshold of the {name} is from 0 to 1, not {share}")
    if limit < 1:
        raise ValueError(f"the limit is one box or more, not {limit}")
    detector = model if isinstance(model, Detector) else Detector(model, **options)
    names = detector.classes or tuple(f"class {k}" for k in range(detector.class_count))
    results = []
    for file in map(str, images):
        found, sizes = detector.detect_files(
            Path(), [file], score_threshold=threshold, iou_threshold=iou_threshold, limit=limit
        )
        boxes = found.boxes * np.tile(sizes[0], 2)
        results.append(
            {
                "image": file,
                "found": [
                    {"class": names[label], "score": float(score), "box": [round(float(end), 1) for end in box]}
                    for label, score, box in zip(found.labels, found.scores, boxes, strict=True)
                ],
            }
        )
    return {
        "model": detector.path.name,
        "resolution": detector.resolution,
        "preprocessing": str(detector.preprocessing),
        "warnings": detector.warnings,
        "results": results,
    }
