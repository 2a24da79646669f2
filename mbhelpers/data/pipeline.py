"""From files to batches: decoded once to uint8, then shuffled, augmented and prefetched by tf.data."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL
from tqdm import tqdm

from mbhelpers import settings
from mbhelpers.data.augment import Augmentation, augment
from mbhelpers.data.augment_boxes import augment_boxes
from mbhelpers.data.augment_mix import mix
from mbhelpers.files import locked, replacing
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import Preprocessing

if TYPE_CHECKING:
    import tensorflow as tf

_AT_ONCE = 256
"""Images that are decoded before they are written to the cache: at 224 px, 38 MB."""


def load_images(
    root: Path, paths: Sequence[str] | np.ndarray, preprocessing: Preprocessing, cache: Path | None = None
) -> np.ndarray:
    """Decode files once, in parallel; this array is the cache that all epochs and stages share.

    Args:
        root: the folder that `paths` are relative to.
        paths: N file names.
        preprocessing: size, resize method, aspect and central share.
        cache: None keeps the images in memory. A folder keeps them in a file there, which is found again as long as
            the files keep their names, sizes and times, and of which memory holds only what is being read: at 224 px
            food-101 takes 15 GB. The folder can be deleted at any time.

    Returns:
        uint8 RGB, (N, resolution, resolution, 3); read-only from a cache.

    Raises:
        ValueError: a file is missing or unreadable, there are none, or the cache can't be written.
    """
    if len(paths) == 0:
        raise ValueError(f"no images to load from {root}; check the split")
    side = preprocessing.resolution
    shape = (len(paths), side, side, 3)
    if cache is None:
        images = np.empty(shape, np.uint8)
        for k, image in enumerate(_decode(root, paths, preprocessing)):
            images[k] = image
        return images
    path = cache / f"{_cache_key(root, paths, preprocessing)}.npy"
    try:
        with locked(cache):
            found = _read_cache(path, shape)
            if found is None:
                _write_cache(path, shape, _decode(root, paths, preprocessing))
                found = _read_cache(path, shape)
    except OSError as error:
        size = np.prod(shape) / 1e9
        raise ValueError(
            f"cannot keep {size:.2f} GB of images in {cache} ({error.strerror or error}); "
            "make room, choose another folder, or do without a cache"
        ) from error
    if found is None:
        raise ValueError(f"{path} was changed while it was read; let one process at a time write there")
    return found


def _decode(root: Path, paths: Sequence[str] | np.ndarray, preprocessing: Preprocessing) -> Iterator[np.ndarray]:
    """Fitted images in order, decoded a little ahead by as many threads as there are cores."""
    bar = tqdm(desc="decoding", total=len(paths), unit="img", disable=len(paths) < 5000)
    # Pillow decodes without the interpreter's lock; what holds it keeps more than about eight threads waiting.
    with bar, ThreadPoolExecutor(min(8, max(2, settings.threads()))) as pool:
        for first in range(0, len(paths), _AT_ONCE):
            for image in pool.map(lambda name: preprocessing.load(root / name), paths[first : first + _AT_ONCE]):
                yield image
                bar.update()


def _cache_key(root: Path, paths: Sequence[str] | np.ndarray, preprocessing: Preprocessing) -> str:
    """A hash of all that decides the pixels, without reading the files."""
    fill = preprocessing.fill if preprocessing.aspect == "pad" else None
    contract = [preprocessing.resolution, preprocessing.resize, preprocessing.aspect, preprocessing.central, fill]
    digest = hashlib.sha256(json.dumps([PIL.__version__, *contract]).encode())
    for name in paths:
        try:
            status = os.stat(root / name)
        except FileNotFoundError:
            raise ValueError(f"no image at {root / name}; check the path") from None
        digest.update(json.dumps([str(name), status.st_size, status.st_mtime_ns]).encode())
    return digest.hexdigest()[:32]


def _read_cache(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """The images of a cache file, mapped; None where there is none, or no whole one."""
    if not path.is_file():
        return None
    try:
        images = np.load(path, mmap_mode="r")
    except (ValueError, EOFError):  # cut short, or damaged at the beginning
        images = None
    if images is None or images.shape != shape or images.dtype != np.uint8:
        print(f"{path} is damaged; decoding the images again")
        return None
    return images


def _write_cache(path: Path, shape: tuple[int, ...], images: Iterator[np.ndarray]) -> None:
    # Written, not mapped: a full disk is an error then, where a mapped file would end the process.
    with replacing(path) as temporary, temporary.open("wb") as stream:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for image in images:
            stream.write(image.tobytes())


def training_batches(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    batch_size: int,
    seed: int,
    epochs: int,
    first_epoch: int = 0,
    augmentation: Augmentation | None = None,
    classes: int | None = None,
    passes: int = 0,
) -> "tf.data.Dataset":
    """Shuffled, augmented batches for all epochs from `first_epoch` on, one after another.

    Order and augmentation depend on the seed, the epoch and the step alone: a resumed run sees the batches that
    an unbroken one would have seen. The last, smaller batch of an epoch is dropped unless it is the only one.

    Args:
        images: uint8, (N, H, W, 3); mapped from a file, only what a batch needs is read.
        labels: integers, (N,).
        batch_size: images per step.
        seed: of order and augmentation.
        epochs: the epoch to stop before.
        first_epoch: the epoch to begin with.
        augmentation: None feeds the images as they are.
        classes: how many there are; needed by an augmentation that mixes images, and used by no other.
        passes: after so many epochs the same batches come again; 0 makes every epoch anew.

    Returns:
        Batches of uint8 (B, H, W, 3) and int64 (B,), `steps_per_epoch` of them an epoch. Where images are mixed, the
        labels are float32 (B, classes), the share of each class.

    Raises:
        ValueError: the images are no pixels, or images are to be mixed without `classes`.
    """
    how = augmentation or Augmentation()
    if how.mixes and classes is None:
        raise ValueError("mixup and cutmix need to know how many classes there are; pass classes")

    def finish(pixels: "tf.Tensor", labels: "tf.Tensor", key: "tf.Tensor") -> tuple["tf.Tensor", "tf.Tensor"]:
        pixels = augment(pixels, key, how)
        return mix(pixels, labels, key, how, classes=classes) if how.mixes and classes else (pixels, labels)

    arrays = (images, np.asarray(labels, np.int64))
    return _batches(
        arrays, finish, batch_size=batch_size, seed=seed, epochs=epochs, first_epoch=first_epoch, passes=passes
    )


def ordered_batches(images: np.ndarray, labels: np.ndarray, *, batch_size: int = 64) -> "tf.data.Dataset":
    """All images as they are, in order, the last batch smaller; of mapped images one batch is read at a time.

    Args:
        images: uint8, (N, H, W, 3).
        labels: integers, (N,).
        batch_size: images per step.

    Returns:
        Batches of uint8 (B, H, W, 3) and int64 (B,).
    """
    load_tensorflow()
    import tensorflow as tf

    check_pixels(images)
    arrays = (images, np.asarray(labels, np.int64))

    def batch(first: "tf.Tensor") -> tuple["tf.Tensor", ...]:
        return _fetch(arrays, lambda k: slice(int(k), int(k) + batch_size), first)

    starts = tf.data.Dataset.range(0, len(images), batch_size)
    return starts.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)


def detection_batches(
    images: np.ndarray,
    boxes: np.ndarray,
    labels: np.ndarray,
    valid: np.ndarray,
    *,
    batch_size: int,
    seed: int,
    epochs: int,
    first_epoch: int = 0,
    augmentation: Augmentation | None = None,
) -> "tf.data.Dataset":
    """The same as `training_batches` for images with boxes, of which each image has room for K.

    Args:
        images: uint8, (N, H, W, 3).
        boxes: float32, (N, K, 4), xyxy, shares of the square, as `Preprocessing.boxes_to_input` gives them.
        labels: integers, (N, K).
        valid: bool, (N, K); the rest is padding.
        batch_size: images per step.
        seed: of order and augmentation.
        epochs: the epoch to stop before.
        first_epoch: the epoch to begin with.
        augmentation: None feeds the images as they are; see `augment_boxes` for what it does to boxes.

    Returns:
        Batches of uint8 (B, H, W, 3), float32 (B, K, 4), int64 (B, K) and bool (B, K).

    Raises:
        ValueError: the images are no pixels, or the augmentation mixes them.
    """
    how = augmentation or Augmentation()

    def finish(pixels, boxes, labels, valid, key):
        pixels, boxes, valid = augment_boxes(pixels, boxes, valid, key, how)
        return pixels, boxes, labels, valid

    arrays = (images, np.asarray(boxes, np.float32), np.asarray(labels, np.int64), np.asarray(valid, bool))
    return _batches(arrays, finish, batch_size=batch_size, seed=seed, epochs=epochs, first_epoch=first_epoch)


def _batches(
    arrays: tuple[np.ndarray, ...],
    finish: Callable[..., Any],
    *,
    batch_size: int,
    seed: int,
    epochs: int,
    first_epoch: int,
    passes: int = 0,
) -> "tf.data.Dataset":
    """Batches of all arrays in one shuffled order; `finish` gets each batch with a key of two integers."""
    load_tensorflow()
    import tensorflow as tf

    check_pixels(arrays[0])
    n = len(arrays[0])
    steps = steps_per_epoch(n, batch_size)

    @lru_cache(maxsize=4)  # batches made side by side are of two epochs at most
    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng([seed, epoch]).permutation(n)

    def where(number: np.int64) -> np.ndarray:
        epoch, step = divmod(int(number), steps)
        return np.sort(order(epoch)[step * batch_size : (step + 1) * batch_size])  # a file is read front to back

    def batch(number: "tf.Tensor") -> tuple["tf.Tensor", ...]:
        return finish(*_fetch(arrays, where, number), tf.stack([tf.constant(seed, tf.int64), number]))

    dataset = tf.data.Dataset.range(first_epoch * steps, epochs * steps)
    if passes:
        dataset = dataset.map(lambda number: number % (passes * steps))
    dataset = dataset.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset.prefetch(tf.data.AUTOTUNE)


def _fetch(arrays: tuple[np.ndarray, ...], where: Callable[..., Any], number: "tf.Tensor") -> tuple["tf.Tensor", ...]:
    """Rows `where(number)` of each array, as tensors."""
    import tensorflow as tf

    def take(number: np.int64) -> list[np.ndarray]:
        rows = where(number)
        return [np.asarray(array[rows]) for array in arrays]

    taken = tf.numpy_function(take, [number], [array.dtype for array in arrays], stateful=False)
    for part, array in zip(taken, arrays, strict=True):
        part.set_shape((None, *array.shape[1:]))
    return tuple(taken)


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
