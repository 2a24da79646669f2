"""Non-maximum suppression: of boxes that overlap much, only the one with the best score stays."""

import numpy as np

from mbhelpers.detection.boxes import planes, signed_iou

_BLOCK = 64
"""Boxes that are decided on together: few enough to waste little, enough to keep NumPy busy."""


def nms(
    boxes: np.ndarray,
    scores: np.ndarray,
    *,
    score_threshold: float = 0.001,
    iou_threshold: float = 0.5,
    limit: int | None = 100,
) -> tuple[np.ndarray, np.ndarray]:
    """Greedy suppression, each class by itself.

    The box with the best score is kept, those that overlap it by more than the threshold are dropped, and so on with
    the best of the rest. Of equal scores the lower index comes first, of one box's equal scores the lower class.

    Args:
        boxes: (NA, 4) xyxy, shared by all classes.
        scores: (NA, C) float, without background.
        score_threshold: a score must be above it.
        iou_threshold: two boxes of a class may overlap up to it.
        limit: detections of all classes together, the best ones; None keeps them all.

    Returns:
        (K,) int64 indices into `boxes` and (K,) int64 classes, by falling score.

    Raises:
        ValueError: shapes that don't fit, a score that is not a number, a box above the score threshold that is not
            finite, a threshold outside 0..1 or a limit below one.
    """
    _check(boxes, scores, iou_threshold, limit)
    number_of_classes = scores.shape[1]
    found = np.flatnonzero(scores > score_threshold)
    values = scores.ravel()[found]
    found = found[np.argsort(-values, kind="stable")]  # row by row, so equal scores stay in the order asked for
    anchors, labels = np.divmod(found, number_of_classes)
    candidates = boxes[anchors]  # (K, 4), best first
    if not np.isfinite(candidates).all():
        raise ValueError("a box with a score above the threshold is not finite; train or convert the model again")
    kept = []
    for label in np.flatnonzero(np.bincount(labels, minlength=number_of_classes)):
        mine = np.flatnonzero(labels == label)
        kept.append(mine[_greedy(candidates[mine], iou_threshold, limit)])
    best = np.sort(np.concatenate(kept))[:limit] if kept else np.zeros(0, np.int64)
    return anchors[best], labels[best]


def _greedy(boxes: np.ndarray, threshold: float, limit: int | None) -> np.ndarray:
    """Positions of the boxes that stay, out of (N, 4) of one class, best first.

    Greedy is one after the other by its nature. But those that have outlived everything better can be decided on a
    block at a time: first among themselves, then all that stay of them against all the rest.
    """
    left, shapes = np.arange(len(boxes)), planes(boxes)  # (N,), (5, N)
    kept: list[np.ndarray] = []
    number = 0
    while len(left) and (limit is None or number < limit):
        block, rest = shapes[:, :_BLOCK], shapes[:, _BLOCK:]
        stay = _first_ones(signed_iou(block, block) > threshold)
        kept.append(left[stay])
        number += len(stay)
        free = np.flatnonzero(~(signed_iou(block[:, stay], rest) > threshold).any(axis=0))
        left, shapes = left[_BLOCK:][free], rest.take(free, axis=1)
    return np.concatenate(kept)


def _first_ones(over: np.ndarray) -> list[int]:
    """Who stays, out of (B, B) that says who drops whom, when the earlier ones choose first."""
    bits = np.packbits(over, axis=1, bitorder="little")
    rows, width = bits.tobytes(), bits.shape[1]
    dropped, stay = 0, []
    for k in range(len(over)):
        if not dropped >> k & 1:
            stay.append(k)
            dropped |= int.from_bytes(rows[k * width : (k + 1) * width], "little")
    return stay


def _check(boxes: np.ndarray, scores: np.ndarray, iou_threshold: float, limit: int | None) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.ndim != 2 or len(scores) != len(boxes):
        raise ValueError(f"boxes must be (NA, 4) and scores (NA, C), not {boxes.shape} and {scores.shape}")
    if np.isnan(np.min(scores, initial=0)):  # a minimum is NaN if anything is, at a fraction of the cost of isnan
        raise ValueError("a score is not a number (NaN); train or convert the model again")
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"iou_threshold is a share, 0 to 1, not {iou_threshold}")
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be one or more, or None for all detections, not {limit}")
