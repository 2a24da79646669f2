"""What is counted about boxes before anyone trains a detector on them."""

import re
from collections import Counter
from typing import Any

import numpy as np

from mbhelpers.data.detections import Detections
from mbhelpers.reporting.data_facts import FEW

SMALL, LARGE = 32**2, 96**2
"""COCO's limits of small and large objects, in square pixels."""
INPUTS = (192, 224, 256, 416)
"""Input sides in pixels that a detector of this collection may have."""
LIMITS = (4, 8)
"""Shorter sides in input pixels below which a box is all but impossible, or hard, to find."""


def measured(found: Detections) -> tuple[np.ndarray, np.ndarray]:
    """The boxes whose size means something: those of single objects, not of crowds, with an area.

    Returns:
        (K, 4) xyxy, normalized, and (K, 2) width and height of their images in pixels.
    """
    boxes = found.boxes
    keep = ~found.crowd & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return boxes[keep], found.sizes[found.image_of[keep]]


def aspects(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Width by height in pixels, (K,), of what `measured` gives."""
    width, height = ((boxes[:, 2:] - boxes[:, :2]).astype(np.float64) * sizes).T
    return width / height


def shorter_sides(boxes: np.ndarray) -> np.ndarray:
    """The shorter side of boxes (K, 4) in an image stretched to a square, as a share of that square's side."""
    return (boxes[:, 2:] - boxes[:, :2]).min(axis=1)


def touching_border(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Which boxes end within half a pixel of the border of their image; arguments as `measured` gives them."""
    half = 0.5 / sizes
    return np.any((boxes[:, :2] <= half) | (boxes[:, 2:] >= 1 - half), axis=1)


def coverage(boxes: np.ndarray, cells: int) -> np.ndarray:
    """The share of boxes (K, 4) xyxy that cover the middle of each cell; (cells, cells), rows from the top."""
    steps = np.zeros((cells + 1, cells + 1))
    left, top, right, bottom = np.ceil(boxes.astype(np.float64) * cells - 0.5).astype(np.int64).T
    for rows, columns, sign in ((top, left, 1), (top, right, -1), (bottom, left, -1), (bottom, right, 1)):
        np.add.at(steps, (rows, columns), sign)
    return steps.cumsum(axis=0).cumsum(axis=1)[:cells, :cells] / max(1, len(boxes))


def box_facts(found: Detections) -> dict[str, Any]:
    """Counts, sizes, shapes and places of the boxes; groups marked as crowds are counted, not measured."""
    per_image, counts = np.diff(found.first), found.counts()
    boxes, sizes = measured(found)
    shape, shorter, areas = aspects(boxes, sizes), shorter_sides(boxes), found.areas[~found.crowd]
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    reasons = Counter(re.sub(r"\d[\d.]*", "#", why) for _, why in found.problems)
    return {
        "images": len(found),
        "boxes": len(found.boxes),
        "empty_images": int((per_image == 0).sum()),
        "per_image": {"median": _at(per_image, 50), "most": int(per_image.max(initial=0))},
        "categories": counts,
        "without_boxes": [name for name, n in counts.items() if n == 0],
        "few": [name for name, n in counts.items() if 0 < n < FEW],
        "crowd": _share(found.crowd),
        "small": _share(areas < SMALL),
        "medium": _share((areas >= SMALL) & (areas < LARGE)),
        "large": _share(areas >= LARGE),
        "aspect": {"low": _at(shape, 10), "median": _at(shape, 50), "high": _at(shape, 90)},
        "middle": {"x": _at(middle[:, 0], 50), "y": _at(middle[:, 1], 50)},
        "touching_border": _share(touching_border(boxes, sizes)),
        "below": {str(side): {str(px): _share(shorter * side < px) for px in LIMITS} for side in INPUTS},
        "problems": {
            "count": len(found.problems),
            "kinds": dict(reasons.most_common()),
            "first": [{"where": where, "why": why} for where, why in found.problems[:50]],
        },
    }


def _share(which: np.ndarray) -> float:
    return float(which.mean()) if len(which) else 0.0


def _at(values: np.ndarray, percentile: float) -> float:
    return float(np.percentile(values, percentile)) if len(values) else 0.0
