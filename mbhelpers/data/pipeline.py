"""From files to batches: decoded once to uint8, then shuffled, augmented and prefetched by tf.data."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from mbhelpers.data.augment import Augmentation, augment
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import Preprocessing

if TYPE_CHECKING:
    import tensorflow as tf


def load_images(root: Path, paths: Sequence[str] | np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Decode files once, in parallel; this array is the cache that all epochs and stages share.

    Args:
        root: the folder that `paths` are relative to.
        paths: N file names.
        preprocessing: size and resize method.

    Returns:
        uint8 RGB, (N, resolution, resolution, 3).

    Raises:
        ValueError: a file is missing or unreadable, or there are none.
    """
    if len(paths) == 0:
        raise ValueError(f"no images to load from {root}; check the split")
    side = preprocessing.resolution
    images = np.empty((len(paths), side, side, 3), np.uint8)

    def load(i: int) -> None:
        images[i] = preprocessing.load(root / paths[i])

    with ThreadPoolExecutor(8) as pool:
        done = pool.map(load, range(len(paths)))
        for _ in tqdm(done, "decoding", len(paths), unit="img", disable=len(paths) < 5000):
            pass
    return images


def training_batches(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    batch_size: int,
    seed: int,
    epochs: int,
    first_epoch: int = 0,
    augmentation: Augmentation | None = None,
) -> "tf.data.Dataset":
    """Shuffled, augmented batches for all epochs from `first_epoch` on, one after another.

    Order and augmentation depend on the seed, the epoch and the step alone: a resumed run sees the batches that
    an unbroken one would have seen. The last, smaller batch of an epoch is dropped unless it is the only one.

    Args:
        images: uint8, (N, H, W, 3).
        labels: integers, (N,).
        batch_size: images per step.
        seed: of order and augmentation.
        epochs: the epoch to stop before.
        first_epoch: the epoch to begin with.
        augmentation: None feeds the images as they are.

    Returns:
        Batches of uint8 (B, H, W, 3) and int64 (B,), `steps_per_epoch` of them an epoch.
    """
    load_tensorflow()
    import tensorflow as tf

    check_pixels(images)
    steps = steps_per_epoch(len(images), batch_size)
    labels = np.asarray(labels, np.int64)

    @cache
    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng([seed, epoch]).permutation(len(images))

    def take(number: np.int64) -> tuple[np.ndarray, np.ndarray]:
        epoch, step = divmod(int(number), steps)
        here = np.sort(order(epoch)[step * batch_size : (step + 1) * batch_size])
        return images[here], labels[here]

    def batch(number: "tf.Tensor") -> tuple["tf.Tensor", "tf.Tensor"]:
        pixels, classes = tf.numpy_function(take, [number], (tf.uint8, tf.int64), stateful=False)
        pixels = tf.ensure_shape(pixels, (None, *images.shape[1:]))
        if augmentation:
            pixels = augment(pixels, tf.stack([tf.constant(seed, tf.int64), number]), augmentation)
        return pixels, tf.ensure_shape(classes, (None,))

    dataset = tf.data.Dataset.range(first_epoch * steps, epochs * steps)
    dataset = dataset.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset.prefetch(tf.data.AUTOTUNE)


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Full batches in n images, at least one."""
    return max(1, n // batch_size)


def check_pixels(images: np.ndarray, resolution: int | None = None) -> None:
    """Hold the image contract: uint8 RGB, (N, H, W, 3).

    Raises:
        ValueError: another dtype or shape; the message says what came.
    """
    side = "H, W" if resolution is None else f"{resolution}, {resolution}"
    right_shape = images.ndim == 4 and images.shape[3] == 3
    if resolution is not None:
        right_shape = right_shape and images.shape[1:3] == (resolution, resolution)
    if images.dtype != np.uint8 or not right_shape:
        raise ValueError(
            f"images must be uint8 pixels 0..255 of shape (N, {side}, 3), not {images.dtype} {images.shape}; "
            "load files with Preprocessing.load, and don't scale them: the model does"
        )
