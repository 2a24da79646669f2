"""Mixtures of two images of a batch, and of their labels: mixup and cutmix."""

from functools import cache
from typing import TYPE_CHECKING, Any

from mbhelpers.data.augment import Augmentation, Draws, rectangles
from mbhelpers.data.augment_pixels import inside
from mbhelpers.native import load_tensorflow

if TYPE_CHECKING:
    import tensorflow as tf


def mix(
    images: "tf.Tensor", labels: "tf.Tensor", key: "tf.Tensor", how: Augmentation, *, classes: int
) -> tuple["tf.Tensor", "tf.Tensor"]:
    """Mix each image with another one of the batch, taken at random, and the labels in the same shares.

    Args:
        images: uint8, (B, H, W, 3).
        labels: integers, (B,).
        key: two integers; the same key gives the same mixtures.
        how: its `mixup` and `cutmix` count.
        classes: how many there are.

    Returns:
        uint8 (B, H, W, 3), and float32 (B, classes): the share of each class, which sum to 1.
    """
    load_tensorflow()
    import tensorflow as tf

    shape = tf.shape(images)
    draws = Draws(key, shape[0])
    # Neighbours in a batch are often of one class, since a batch keeps the order of the files.
    other = tf.argsort(draws.share(30))
    share, boxes = tf.ones((shape[0],)), tf.zeros((shape[0], 4), tf.int32)
    if how.mixup:
        share = _beta(draws, 31, how.mixup)
    if how.cutmix:
        stays = _beta(draws, 33, how.cutmix)
        boxes = rectangles(shape, 1 - stays, tf.ones_like(stays), draws.share(35), draws.share(36))
    if how.mixup and how.cutmix:
        cut = draws.share(37) < 0.5
        share, boxes = tf.where(cut, 1.0, share), tf.where(cut[:, None], boxes, 0)
    mixed = _compiled()(images, other, share, boxes)
    taken = tf.cast((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), tf.float32)
    share = (share * (1 - taken / tf.cast(shape[1] * shape[2], tf.float32)))[:, None]
    targets = tf.one_hot(labels, classes)
    return mixed, share * targets + (1 - share) * tf.gather(targets, other)


def _beta(draws: Draws, stream: int, alpha: float) -> "tf.Tensor":
    """Numbers from a symmetric beta distribution, (B,); uses two streams."""
    import tensorflow as tf

    # In float64, where even the powers that a small alpha leads to don't underflow.
    wide = tf.constant(alpha, tf.float64)
    one, two = (tf.random.stateless_gamma(draws.shape, draws.key(stream + k), wide, dtype=tf.float64) for k in (0, 1))
    return tf.cast(one / (one + two), tf.float32)


@cache
def _compiled() -> Any:
    import tensorflow as tf

    return tf.function(_blend, jit_compile=True)


def _blend(images, other, share, boxes):
    import tensorflow as tf

    mine, theirs = tf.cast(images, tf.float32), tf.cast(tf.gather(images, other), tf.float32)
    weight = tf.where(inside(boxes, tf.shape(images)), 0.0, share[:, None, None])[..., None]
    return tf.cast(tf.round(weight * mine + (1 - weight) * theirs), tf.uint8)
