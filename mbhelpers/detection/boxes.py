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
    width, height = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    return np.maximum(width, 0) * np.maximum(height, 0)


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of every box of one set with every box of the other.

    Args:
        a: (N, 4) xyxy.
        b: (M, 4) xyxy, in the same units.

    Returns:
        (N, M), 0..1. A box without area overlaps nothing, itself included: 0.
    """
    return np.maximum(signed_iou(planes(a), planes(b)), 0)


def planes(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) xyxy as (5, N): lefts, tops, rights, bottoms and areas, a contiguous row of each; at least float32.

    NumPy is fastest on long rows: a form to keep boxes in where their overlaps are asked for again and again.
    """
    boxes = boxes.astype(np.result_type(boxes, np.float32), copy=False)
    # The smallest number makes 0 / 0 of two boxes without area a 0, and changes no other area.
    return np.vstack([boxes.T, area(boxes) + np.finfo(boxes.dtype).tiny])


def signed_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`iou` of (5, N) and (5, M) `planes`, for those who only ask whether it is above something.

    Boxes that lie apart may get a number below 0 instead of 0: one pass over (N, M) less.
    """
    left, top, right, bottom, size = a[:, :, None]  # (N, 1) each
    shared = np.minimum(right, b[2])
    shared -= np.maximum(left, b[0])
    height = np.minimum(bottom, b[3])
    height -= np.maximum(top, b[1])
    shared *= np.maximum(height, 0, out=height)
    union = size + b[4]
    union -= shared
    shared /= union
    return shared
