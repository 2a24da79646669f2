"""Which anchor answers for which object: what a detector is to say of every anchor."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

OVERLAP = 0.5
"""IoU with an object from which on an anchor answers for it."""


def assign(
    anchors: np.ndarray,
    boxes: "tf.Tensor",
    labels: "tf.Tensor",
    valid: "tf.Tensor",
    *,
    overlap: float = OVERLAP,
) -> tuple["tf.Tensor", "tf.Tensor"]:
    """Match the objects of a batch with the anchors.

    First each object gets an anchor of its own: of all pairs of object and anchor that are left, the one that overlaps
    most is taken, again and again; of equals the first object, then the first anchor. Then each anchor that is left
    takes the object that it overlaps most, if by `overlap` or more. The rest is background.

    Args:
        anchors: (NA, 4) float32, xyxy, normalized.
        boxes: (B, K, 4) float32, likewise.
        labels: (B, K) integers, from 0 on.
        valid: (B, K) bool; the rest is padding. An object that no anchor overlaps stays without one.
        overlap: IoU.

    Returns:
        int32 (B, NA), 0 for background, else 1 + label; and float32 (B, NA, 4), the offsets from anchor to box, corner
        by corner, in widths (x) and heights (y) of the anchor; 0 for background.
    """
    import tensorflow as tf

    overlaps = tf.where(valid[..., None], _iou(boxes, anchors), -1.0)  # (B, K, NA)
    best = tf.argmax(overlaps, axis=1, output_type=tf.int32)  # (B, NA)
    found = tf.where(tf.reduce_max(overlaps, axis=1) >= overlap, best, -1)
    own = _one_each(overlaps)  # (B, K)
    rows = tf.reshape(tf.range(tf.shape(boxes)[0]), (-1, 1)) + tf.zeros_like(own)
    objects = tf.range(tf.shape(boxes)[1])[None] + tf.zeros_like(own)
    matched = tf.where(own >= 0)
    places = tf.gather_nd(tf.stack([rows, own], axis=-1), matched)
    found = tf.tensor_scatter_nd_update(found, places, tf.gather_nd(objects, matched))
    chosen = tf.maximum(found, 0)
    classes = tf.where(found >= 0, tf.gather(tf.cast(labels, tf.int32), chosen, batch_dims=1) + 1, 0)
    sides = np.tile(anchors[:, 2:] - anchors[:, :2], 2)  # (NA, 4)
    offsets = (tf.gather(boxes, chosen, batch_dims=1) - anchors) / sides
    return classes, tf.where(found[..., None] >= 0, offsets, 0.0)


def _one_each(overlaps: "tf.Tensor") -> "tf.Tensor":
    """(B, K, NA) to (B, K) int32: the anchor of each object by greedy bipartite matching, -1 for none.

    Others can take at most K - 1 anchors away from an object, so the K that it overlaps most are enough.
    """
    import tensorflow as tf

    batch, objects, total = tf.unstack(tf.shape(overlaps))
    few = tf.minimum(objects, total)
    values, anchors = tf.math.top_k(overlaps, few)  # (B, K, few), of equals the first anchor
    numbers = tf.range(objects)[None]

    def step(k, values, own):
        flat = tf.reshape(values, (batch, objects * few))
        pair = tf.argmax(flat, axis=1, output_type=tf.int32)  # (B,)
        there = tf.reduce_max(flat, axis=1) > 0
        which = numbers == (pair // few)[:, None]  # (B, K)
        anchor = tf.gather(tf.reshape(anchors, (batch, -1)), pair, batch_dims=1)  # (B,)
        own = tf.where(which & there[:, None], anchor[:, None], own)
        gone = which[..., None] | (anchors == anchor[:, None, None])
        return k + 1, tf.where(gone, -1.0, values), own

    start = (0, values, -tf.ones((batch, objects), tf.int32))
    return tf.while_loop(lambda k, *_: k < objects, step, start)[2]


def _iou(boxes: "tf.Tensor", anchors: np.ndarray) -> "tf.Tensor":
    """(B, K, 4) and (NA, 4) to (B, K, NA); 0 where there is no area."""
    import tensorflow as tf

    left, top, right, bottom = tf.unstack(boxes[..., None], axis=2)  # (B, K, 1) each
    width = tf.maximum(tf.minimum(right, anchors[:, 2]) - tf.maximum(left, anchors[:, 0]), 0.0)
    height = tf.maximum(tf.minimum(bottom, anchors[:, 3]) - tf.maximum(top, anchors[:, 1]), 0.0)
    shared = width * height
    own = (anchors[:, 2] - anchors[:, 0]) * (anchors[:, 3] - anchors[:, 1])
    return shared / tf.maximum((right - left) * (bottom - top) + own - shared, 1e-12)
