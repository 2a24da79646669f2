"""Boxes as arrays: between their formats, and how they overlap.

A box is `xyxy` (left, top, right, bottom) unless a name says otherwise; the others are `xywh` (left, top, width,
height, as annotation files write it), `cxcywh` (centre, width, height) and `yxyx` (as TensorFlow's own operations
write it). All functions work on the last axis and keep the ones before it. Normalized or pixels is all the same here.
"""

import numpy as np


def xywh_to_xyxy(boxes: np.ndarray) -> np.ndarray:
    """(..., 4) left, top, width, height become left, top, right, bottom."""
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)


def xyxy_to_xywh(boxes: np.ndarray) -> np.ndarray:
    """(..., 4) left, top, right, bottom become left, top, width, height."""
    return np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], axis=-1)


def cxcywh_to_xyxy(boxes: np.ndarray) -> np.ndarray:
    """(..., 4) centre x and y, width, height become left, top, right, bottom."""
    half = boxes[..., 2:] / 2
    return np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], axis=-1)


def xyxy_to_cxcywh(boxes: np.ndarray) -> np.ndarray:
    """(..., 4) left, top, right, bottom become centre x and y, width, height."""
    return np.concatenate([(boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]], axis=-1)


def swap_xy(boxes: np.ndarray) -> np.ndarray:
    """(..., 4) xyxy become yxyx, and yxyx become xyxy."""
    return boxes[..., [1, 0, 3, 2]]


def clip(boxes: np.ndarray, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """(..., 4) xyxy, cut at the borders of the picture; a box beyond them keeps no area."""
    return np.clip(boxes, low, high)


def area(boxes: np.ndarray) -> np.ndarray:
    """(..., 4) xyxy to (...): width times height; 0 for a box whose right is left of its left, or likewise in y."""
    spans = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    return spans[..., 0] * spans[..., 1]


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of every box of one set with every box of the other.

    Args:
        a: (N, 4) xyxy.
        b: (M, 4) xyxy, in the same units.

    Returns:
        (N, M), 0..1. A box without area overlaps nothing, itself included: 0.
    """
    # Four planes of (N, M) rather than (N, M, 2) arrays: NumPy's inner loop then runs over M, several times as fast.
    left, top, right, bottom = a.T[:, :, None]
    width = np.minimum(right, b[:, 2]) - np.maximum(left, b[:, 0])
    height = np.minimum(bottom, b[:, 3]) - np.maximum(top, b[:, 1])
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    union = area(a)[:, None] + area(b) - shared
    nothing = np.zeros(shared.shape, np.result_type(shared, np.float32))
    return np.divide(shared, union, out=nothing, where=shared > 0)
