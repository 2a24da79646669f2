"""Which images show the converter the range of every activation."""

import re
from pathlib import Path

import numpy as np

from mbhelpers.data.folder import SUFFIXES, files_below

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
