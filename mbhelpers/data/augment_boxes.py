"""Random changes of images that objects are marked in: the boxes move along."""

from typing import TYPE_CHECKING

from mbhelpers.data.augment import Augmentation, draw_changes
from mbhelpers.data.augment_pixels import render
from mbhelpers.native import load_tensorflow

if TYPE_CHECKING:
    import tensorflow as tf


def augment_boxes(
    images: "tf.Tensor",
    boxes: "tf.Tensor",
    valid: "tf.Tensor",
    key: "tf.Tensor",
    how: Augmentation,
    *,
    visible: float = 0.25,
) -> tuple["tf.Tensor", "tf.Tensor", "tf.Tensor"]:
    """Change each image of a batch at random, and its boxes with it.

    Rotated or slanted, a box becomes the upright one around it, which is larger than the object: keep both small
    (0.02 of a turn) or leave them out where tight boxes count. What comes in from outside the picture is grey, not
    its mirror image, in which there would be objects without boxes. Erasing leaves boxes as they are.

    Args:
        images: uint8, (B, H, W, 3).
        boxes: float32, (B, K, 4), xyxy, normalized.
        valid: bool, (B, K); the rest is padding.
        key: two integers; the same key gives the same changes.
        how: the limits; mixing is refused.
        visible: the share of a box's area that must stay within the picture.

    Returns:
        Images; boxes, clipped to 0..1, all zero where not valid; and which of them are valid.

    Raises:
        ValueError: `how` mixes images.
    """
    load_tensorflow()
    import tensorflow as tf

    if how.mixes:
        raise ValueError("mixup and cutmix give an image the shares of two classes, boxes have none; set both to 0")
    changes = draw_changes(images, key, how)
    moved = boxes
    if "matrix" in changes:
        shape = tf.cast(tf.shape(images), tf.float32)
        moved = _move(boxes, changes["matrix"], shape[1], shape[2])
    clipped = tf.clip_by_value(moved, 0.0, 1.0)
    kept = valid & (_area(clipped) > 0) & (_area(clipped) >= visible * _area(moved))
    pixels = render(images, changes, interpolation=how.interpolation, outside="grey")
    return pixels, tf.where(kept[..., None], clipped, 0.0), kept


def _move(boxes: "tf.Tensor", matrix: "tf.Tensor", height: "tf.Tensor", width: "tf.Tensor") -> "tf.Tensor":
    """The upright boxes around where the corners go; a matrix says where pixels come from, so it is inverted."""
    import tensorflow as tf

    left, top, right, bottom = tf.unstack(boxes, axis=-1)
    # The first pixel's centre is the origin of the matrix, its outer edge that of the box.
    u = tf.stack([left, right, right, left], axis=-1) * width - 0.5  # (B, K, 4)
    v = tf.stack([top, top, bottom, bottom], axis=-1) * height - 0.5
    a, b, c, d, e, f = (matrix[:, k, None, None] for k in range(6))
    scale = 1 / (a * e - b * d)
    x = ((e * (u - c) - b * (v - f)) * scale + 0.5) / width
    y = ((a * (v - f) - d * (u - c)) * scale + 0.5) / height
    lows, highs = [tf.reduce_min(p, axis=-1) for p in (x, y)], [tf.reduce_max(p, axis=-1) for p in (x, y)]
    return tf.stack([*lows, *highs], axis=-1)


def _area(boxes: "tf.Tensor") -> "tf.Tensor":
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
