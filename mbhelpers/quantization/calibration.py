"""Which images show the converter the range of every activation."""

import numpy as np


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
