"""Images with boxes as arrays of one shape each, as training takes them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mbhelpers.data.detections import Detections
from mbhelpers.data.pipeline import check_pixels, load_images
from mbhelpers.detection.boxes import area, clip
from mbhelpers.preprocessing import Preprocessing

VISIBLE = 0.25
"""The share of a box that a cropped picture must still show; as in `augment_boxes`."""


@dataclass(frozen=True)
class BoxedImages:
    """N images with room for K boxes each.

    Attributes:
        images: uint8, (N, H, W, 3).
        boxes: float32, (N, K, 4), xyxy, normalized; 0 where there is none.
        labels: int64, (N, K), from 0 on.
        valid: bool, (N, K); the rest is padding.
    """

    images: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    valid: np.ndarray

    def __post_init__(self):
        check_pixels(self.images)
        shape = self.valid.shape
        if self.boxes.shape != (*shape, 4) or self.labels.shape != shape or len(shape) != 2:
            raise ValueError(
                f"boxes {self.boxes.shape}, labels {self.labels.shape} and valid {shape} don't belong together; "
                "give (N, K, 4), (N, K) and (N, K)"
            )
        if len(self.images) != shape[0] or shape[0] == 0:
            raise ValueError(f"{len(self.images)} images, boxes of {shape[0]}; give both, for one image at least")

    def __len__(self) -> int:
        return len(self.images)

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Images, boxes, labels, valid: what `pipeline.detection_batches` begins with."""
        return self.images, self.boxes, self.labels, self.valid


def load_boxed(found: Detections, preprocessing: Preprocessing, cache: Path | None = None) -> BoxedImages:
    """Decode the images of a detection set, and give each the same number of places for boxes.

    Boxes around crowds, whose members are not told apart, are left out; so are boxes of which a cropped picture shows
    less than `VISIBLE`.

    Args:
        found: the images and their boxes.
        preprocessing: how an image becomes a square; the boxes move along.
        cache: as for `pipeline.load_images`.

    Raises:
        ValueError: as `pipeline.load_images`.
    """
    images = load_images(found.root, found.paths, preprocessing, cache)
    image_of, number = found.image_of, np.arange(len(found.boxes))
    moved = np.empty_like(found.boxes)
    for size in np.unique(found.sizes, axis=0):
        these = (found.sizes[image_of] == size).all(axis=1)
        moved[these] = preprocessing.boxes_to_input(found.boxes[these], *size.tolist())
    boxes = clip(moved)
    kept = number[~found.crowd & (area(boxes) > 0) & (area(boxes) >= VISIBLE * area(moved))]
    lengths = np.bincount(image_of[kept], minlength=len(found))
    place = np.arange(len(kept)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    shape = len(found), max(1, lengths.max(initial=0))
    rows = image_of[kept], place
    padded = np.zeros((*shape, 4), np.float32), np.zeros(shape, np.int64), np.zeros(shape, bool)
    for array, values in zip(padded, (boxes[kept], found.labels[kept], True), strict=True):
        array[rows] = values
    return BoxedImages(images, *padded)
