"""A test of the data, not of a model: how much the background gives away."""

from typing import Any

import numpy as np

from mbhelpers.evaluation.intervals import wilson

_HEIGHT = np.array([0, 0, 0, 1, 1, 2, 2, 2])
_WIDTH = np.array([0, 1, 2, 0, 2, 0, 1, 2])


def border_pixels(pixels: np.ndarray) -> np.ndarray:
    """The four corners and the middles of the four sides, where the object seldom is.

    Args:
        pixels: uint8 RGB, (N, H, W, 3).

    Returns:
        uint8, (N, 24): eight pixels row by row, each as red, green, blue.

    Raises:
        ValueError: another dtype or shape, or a side of less than three pixels.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3 or min(pixels.shape[1:3]) < 3:
        raise ValueError(
            f"pixels must be uint8 RGB, (N, H, W, 3) with 3 pixels or more a side, not {pixels.dtype} {pixels.shape}"
        )
    height, width = pixels.shape[1:3]
    rows = np.array([0, height // 2, height - 1])[_HEIGHT]
    columns = np.array([0, width // 2, width - 1])[_WIDTH]
    return pixels[:, rows, columns].reshape(len(pixels), 24)


def border_pixel_score(
    pixels: np.ndarray, labels: np.ndarray, train: np.ndarray, test: np.ndarray, *, seed: int = 0
) -> dict[str, Any]:
    """How often a random forest names the class from eight border pixels alone.

    Far above chance means that the background tells the class: a network may learn the studio instead of the
    object, and its test accuracy, measured in the same studio, won't say so.

    Args:
        pixels: uint8 RGB, (N, H, W, 3).
        labels: (N,) integers.
        train: indices to learn from.
        test: indices to measure on, none of which is in `train`.
        seed: of the forest.

    Returns:
        accuracy on the test images, chance (what the best constant answer gets on them), n test images, and the
        95 % Wilson interval of the accuracy. Shares are 0..1.

    Raises:
        ValueError: pixels and labels don't fit, a part is empty, or an image is in both.

    Source: M. A. Noyan, Uncovering bias in the PlantVillage dataset, 2022.
    """
    from sklearn.ensemble import RandomForestClassifier

    labels, train, test = np.asarray(labels), np.asarray(train, np.int64), np.asarray(test, np.int64)
    if len(labels) != len(pixels):
        raise ValueError(f"{len(pixels)} images and {len(labels)} labels; there must be one label an image")
    if len(train) == 0 or len(test) == 0:
        raise ValueError(f"{len(train)} images to learn from and {len(test)} to measure on; both need some")
    if len(both := np.intersect1d(train, test)):
        raise ValueError(f"{len(both)} images are in train and in test; the score would measure memory")
    seen = border_pixels(pixels)
    forest = RandomForestClassifier(100, min_samples_leaf=2, random_state=seed).fit(seen[train], labels[train])
    correct = int((forest.predict(seen[test]) == labels[test]).sum())
    return {
        "accuracy": correct / len(test),
        "chance": float(np.unique(labels[test], return_counts=True)[1].max() / len(test)),
        "n": len(test),
        "interval": wilson(correct, len(test)),
    }
