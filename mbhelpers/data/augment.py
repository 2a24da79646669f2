"""Random changes that keep the label, as stateless functions of a key, so that every run can be repeated."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class Augmentation:
    """How far each random change may go; 0 or False leaves it out.

    Attributes:
        flip_horizontal: mirror half of the images.
        flip_vertical: turn half of them upside down.
        rotate: up to this share of a full turn, either way.
        zoom: the side shown changes by up to this share, in or out.
        translate: shift by up to this share of the side.
        shear: slant by up to this ratio.
        contrast: factor between 1 - contrast and 1 + contrast about the mean.
        brightness: shift by up to this share of the 0..255 range.
    """

    flip_horizontal: bool = False
    flip_vertical: bool = False
    rotate: float = 0.0
    zoom: float = 0.0
    translate: float = 0.0
    shear: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0


def augment(images: "tf.Tensor", key: "tf.Tensor", how: Augmentation) -> "tf.Tensor":
    """Change each image of a batch at random.

    Args:
        images: uint8, (B, H, W, 3).
        key: two integers; the same key gives the same changes.
        how: the limits.

    Returns:
        uint8, (B, H, W, 3); what comes in from outside the picture is its mirror image.
    """
    import tensorflow as tf

    shape = tf.shape(images)
    n, height, width = shape[0], tf.cast(shape[1], tf.float32), tf.cast(shape[2], tf.float32)
    draws = iter(range(100))

    def uniform(limit: float) -> "tf.Tensor":
        return tf.random.stateless_uniform((n,), key + [0, next(draws) << 32], -limit, limit)

    def sign(wanted: bool) -> "tf.Tensor":
        draw = uniform(1.0)
        return tf.where(draw < 0, -1.0, 1.0) if wanted else tf.ones_like(draw)

    angle = uniform(2 * math.pi * how.rotate)
    zoom_x, zoom_y = 1 + uniform(how.zoom), 1 + uniform(how.zoom)
    slant = uniform(how.shear)
    flip_x, flip_y = sign(how.flip_horizontal), sign(how.flip_vertical)
    shift_x, shift_y = uniform(how.translate) * width, uniform(how.translate) * height
    cos, sin = tf.cos(angle), tf.sin(angle)
    # Output pixel to input pixel, about the centre: flip and zoom, then slant, then rotate.
    a, b = zoom_x * flip_x * cos, zoom_y * flip_y * (slant * cos - sin)
    c, d = zoom_x * flip_x * sin, zoom_y * flip_y * (slant * sin + cos)
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    zero = tf.zeros_like(a)
    transforms = tf.stack(
        [
            a, b, centre_x - a * centre_x - b * centre_y + shift_x,
            c, d, centre_y - c * centre_x - d * centre_y + shift_y,
            zero, zero,
        ],
        axis=1,
    )  # (B, 8)  # fmt: skip
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(images, tf.float32),
        transforms=transforms,
        output_shape=shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )
    factor = (1 + uniform(how.contrast))[:, None, None, None]
    shift = (255 * uniform(how.brightness))[:, None, None, None]
    mean = tf.reduce_mean(moved, axis=(1, 2), keepdims=True)
    lit = (moved - mean) * factor + mean + shift
    return tf.cast(tf.clip_by_value(tf.round(lit), 0, 255), tf.uint8)
