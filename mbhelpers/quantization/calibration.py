"""Which images show the converter the range of every activation."""

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mbhelpers.data.folder import SUFFIXES, files_below
from mbhelpers.quantization.formats import convert
from mbhelpers.records import Record

if TYPE_CHECKING:
    import keras

_WNID = re.compile(r"n\d{8}(?=_)")


def list_images(folder: Path) -> tuple[list[str], np.ndarray]:
    """The images of a folder, however deep, in the groups that calibration keeps in balance.

    Args:
        folder: with class folders, or with images alone; those named `<wnid>_*` are grouped by it.

    Returns:
        N names relative to the folder, sorted, and the number of each one's group, (N,).

    Raises:
        ValueError: no folder, or no images in it.
    """
    if not folder.is_dir():
        raise ValueError(f"no folder at {folder}; check the path")
    names = [name for name in files_below(folder) if name.lower().endswith(SUFFIXES)]
    if not names:
        raise ValueError(f"{folder} has no images ({', '.join(SUFFIXES)}); calibration needs some")
    found = [(name.rpartition("/")[0].partition("/")[0], _WNID.match(name)) for name in names]
    return names, np.unique([place or (wnid[0] if wnid else "") for place, wnid in found], return_inverse=True)[1]


def calibration_set(labels: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Choose n images, as many from each class as can be, at random.

    Args:
        labels: integers, (N,); take them from the training part.
        n: how many; all N if there are fewer.
        seed: another seed, another choice.

    Returns:
        Sorted indices, (min(n, N),).

    Raises:
        ValueError: n is not positive, or there are no images.
    """
    labels = np.asarray(labels)
    if n < 1 or len(labels) == 0:
        raise ValueError(f"calibration needs one image or more, not {n} of {len(labels)}")
    mixed = np.random.default_rng(seed).permutation(len(labels))
    # Rank within its class, then take all first ones, all second ones, ...: a class that runs out leaves its share.
    rank = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = mixed[labels[mixed] == label]
        rank[members] = np.arange(len(members))
    by_turn = mixed[np.argsort(rank[mixed], kind="stable")]
    return np.sort(by_turn[:n])


def sweep(
    model: "keras.Model",
    record: Record,
    training: tuple[np.ndarray, np.ndarray],
    held: np.ndarray,
    sizes: Iterable[int],
    *,
    seeds: Sequence[int],
    format: str = "int8",
    **options: Any,
) -> Iterator[dict[str, float]]:
    """Quantize with few calibration images and with many, and compare with float. No label of `held` is needed.

    Args:
        model: a classifier.
        record: its classes and preprocessing.
        training: uint8 images (N, H, W, 3) to choose from, and their labels (N,).
        held: uint8 images (M, H, W, 3) that are never chosen.
        sizes: how many images to calibrate with; all N where there are no more.
        seeds: of the choice, one conversion each; one alone where all are taken.
        format: a calibrated format of `FORMATS`.
        **options: of the format's function.

    Yields:
        images, seed, seconds of the conversion, agreement (share of `held` with float's answer), points_off (mean
        difference of a score from float's, in points).
    """
    images, labels = training
    float_scores = convert(model, record, "float32").predict(held)
    for size in sizes:
        for seed in seeds if size < len(images) else seeds[:1]:
            chosen = calibration_set(labels, min(size, len(images)), seed)
            start = time.perf_counter()
            made = convert(model, record, format, images[chosen], **options)
            seconds = time.perf_counter() - start
            scores = made.predict(held)
            yield {
                "images": len(chosen),
                "seed": seed,
                "seconds": seconds,
                "agreement": float((scores.argmax(1) == float_scores.argmax(1)).mean()),
                "points_off": 100 * float(np.abs(scores - float_scores).mean()),
            }
