"""What a detector found in images, as arrays: the counterpart of `Detections`, which holds what is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mbhelpers.files import replacing

_FIELDS = ("first", "boxes", "scores", "labels")


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
        ValueError: the arrays don't fit each other, scores are integers, a number is not finite, or a box ends
            before it begins.
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
        if not np.issubdtype(self.scores.dtype, np.floating):
            raise ValueError(f"scores must be floats, not {self.scores.dtype}; undo the quantization first")
        if self.first.ndim != 1 or self.first[:1].tolist() != [0] or self.first[-1] != number:
            raise ValueError(f"first must be (N + 1,) and go from 0 to {number}, the number of boxes")
        if (np.diff(self.first) < 0).any():
            raise ValueError("first must not fall: it says where the boxes of each image begin")
        _refuse(~np.isfinite(self.scores), "has a score that is not finite; the model is broken")
        left, top, right, bottom = self.boxes.T  # a column at a time: NumPy is slow along rows of four
        finite = np.isfinite(left) & np.isfinite(top) & np.isfinite(right) & np.isfinite(bottom)
        _refuse(~finite, "has a corner that is not finite; the model is broken")
        _refuse((right < left) | (bottom < top), "ends before it begins; the order is left, top, right, bottom")

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


def save_predictions(path: Path, paths: np.ndarray, found: Mapping[str, Predictions]) -> None:
    """Keep what several detectors, by name, found in the same images, and the names of these, in one .npz file."""
    arrays = {f"{name}_{field}": getattr(one, field) for name, one in found.items() for field in _FIELDS}
    with replacing(path) as temporary:
        np.savez_compressed(temporary, paths=paths, **arrays)  # type: ignore[arg-type]


def load_predictions(path: Path, name: str) -> Predictions:
    """What `save_predictions` kept of one detector."""
    with np.load(path) as kept:
        return Predictions(**{field: kept[f"{name}_{field}"] for field in _FIELDS})


def _refuse(wrong: np.ndarray, what: str) -> None:
    if wrong.any():
        raise ValueError(f"predicted box {int(wrong.argmax())} {what} ({int(wrong.sum())} of {len(wrong)} boxes)")
