"""What a detector found in images, as arrays: the counterpart of `Detections`, which holds what is there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Predictions:
    """N images with M predicted boxes; those of image i are `boxes[first[i]:first[i + 1]]`, in any order.

    Attributes:
        first: (N + 1,) int64, where the boxes of each image begin.
        boxes: (M, 4) float32, xyxy, normalized: left, top, right, bottom as shares of width and height. They may
            reach beyond 0..1; they may have no area.
        scores: (M,) float32 or float64, larger is surer.
        labels: (M,) int64, index into the categories of the ground truth.

    Raises:
        ValueError: the arrays don't fit each other, a number is not finite, or a box ends before it begins.
    """

    first: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        number = len(self.scores)
        if self.boxes.shape != (number, 4) or self.scores.shape != (number,) or self.labels.shape != (number,):
            raise ValueError(
                f"boxes {self.boxes.shape}, scores {self.scores.shape} and labels {self.labels.shape} don't fit; "
                "pass (M, 4), (M,) and (M,)"
            )
        if self.first.ndim != 1 or self.first[:1].tolist() != [0] or self.first[-1] != number:
            raise ValueError(f"first must be (N + 1,) and go from 0 to {number}, the number of boxes")
        if (np.diff(self.first) < 0).any():
            raise ValueError("first must not fall: it says where the boxes of each image begin")
        _refuse(~np.isfinite(self.scores), "has a score that is not finite; the model is broken")
        _refuse(~np.isfinite(self.boxes).all(axis=1), "has a corner that is not finite; the model is broken")
        backwards = (self.boxes[:, 2:] < self.boxes[:, :2]).any(axis=1)
        _refuse(backwards, "ends left of or above its beginning; the order is left, top, right, bottom")

    def __len__(self) -> int:
        return len(self.first) - 1

    @classmethod
    def from_images(cls, images: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> "Predictions":
        """Join what was predicted for one image after the other.

        Args:
            images: boxes (K, 4), scores (K,) and labels (K,) of each image; K may differ, and be zero.
        """
        lengths = [len(scores) for _, scores, _ in images]
        boxes, scores, labels = zip(*images, strict=True) if images else ((), (), ())
        return cls(
            first=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            boxes=np.concatenate([np.zeros((0, 4)), *(np.reshape(part, (-1, 4)) for part in boxes)]).astype(np.float32),
            scores=np.concatenate([np.zeros(0, np.float32), *scores]),
            labels=np.concatenate([np.zeros(0, np.int64), *labels]).astype(np.int64),
        )

    def of(self, image: int) -> slice:
        """Where the boxes of one image lie in `boxes`, `scores` and `labels`."""
        return slice(int(self.first[image]), int(self.first[image + 1]))

    @property
    def image_of(self) -> np.ndarray:
        """(M,) int64: the image that each box belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.first))

    def select(self, images: np.ndarray) -> "Predictions":
        """The same for only these images, in this order.

        Args:
            images: (K,) integer indices.
        """
        parts = [self.of(image) for image in np.asarray(images).tolist()]
        return self.from_images([(self.boxes[part], self.scores[part], self.labels[part]) for part in parts])


def _refuse(wrong: np.ndarray, what: str) -> None:
    if wrong.any():
        raise ValueError(f"predicted box {int(wrong.argmax())} {what} ({int(wrong.sum())} of {len(wrong)} boxes)")
