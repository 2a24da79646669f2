"""Small sets of true and predicted boxes for the tests of average precision."""

from pathlib import Path

import numpy as np

from mbhelpers.data.detections import Detections
from mbhelpers.data.predictions import Predictions

Box = tuple[float, float, float, float]


def truth(*images: list[tuple[Box, int]], classes: int = 2, size: tuple[int, int] = (128, 128), crowd=()) -> Detections:
    """Ground truth from each image's boxes, xyxy in pixels, and labels; `crowd` are indices of boxes."""
    boxes = [box for image in images for box, _ in image]
    corners = np.array(boxes, float).reshape(-1, 4)
    number = len(images)
    return Detections(
        root=Path("none"),
        categories=tuple("abcdefgh"[:classes]),
        category_ids=np.arange(classes) + 1,
        paths=np.array([f"{k}.jpg" for k in range(number)], str),
        image_ids=np.arange(number),
        sizes=np.tile(size, (number, 1)),
        first=np.concatenate([[0], np.cumsum([len(image) for image in images])]).astype(np.int64),
        boxes=(corners / np.tile(size, 2)).astype(np.float32),
        labels=np.array([label for image in images for _, label in image], np.int64),
        areas=(corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1]),
        crowd=np.isin(np.arange(len(boxes)), list(crowd)),
    )


def guess(*images: list[tuple[Box, int, float]], size: tuple[int, int] = (128, 128)) -> Predictions:
    """Predictions from each image's boxes, xyxy in pixels, labels and scores."""
    return Predictions.from_images(
        [
            (
                np.array([box for box, _, _ in image], float).reshape(-1, 4) / np.tile(size, 2),
                np.array([score for _, _, score in image]),
                np.array([label for _, label, _ in image], np.int64),
            )
            for image in images
        ]
    )


def draw(seed: int, images: int = 12, classes: int = 3, *, crowds: bool = True, ties: bool = True, side: int = 256):
    """Truth and predictions near it and anywhere, on a grid of 4 pixels so that overlaps and scores are often equal."""
    rng = np.random.default_rng(seed)

    def boxes(number: int) -> np.ndarray:
        begin = rng.integers(0, side // 4 - 2, (number, 2)) * 4
        spans = np.minimum(rng.integers(1, 40, (number, 2)) * 4, side - begin)
        return np.concatenate([begin, begin + spans], axis=1)

    there, here = [], []
    for _ in range(images):
        true = boxes(int(rng.integers(0, 7)))
        labels = rng.integers(0, classes, len(true))
        there.append([(tuple(box), int(label)) for box, label in zip(true, labels, strict=True)])
        near = np.repeat(true, 2, axis=0) + 4 * rng.integers(-2, 3, (2 * len(true), 4))
        near = np.concatenate([np.minimum(near[:, :2], near[:, 2:]), np.maximum(near[:, :2], near[:, 2:])], axis=1)
        all_boxes = np.concatenate([near, boxes(int(rng.integers(0, 6)))])
        all_labels = np.concatenate([np.repeat(labels, 2), rng.integers(0, classes, len(all_boxes) - len(near))])
        scores = rng.integers(0, 12, len(all_boxes)) / 16 if ties else rng.random(len(all_boxes))
        order = rng.permutation(len(all_boxes))
        rows = zip(all_boxes[order], all_labels[order], scores[order], strict=True)
        here.append([(tuple(box), int(label), float(score)) for box, label, score in rows])
    total = sum(map(len, there))
    crowd = np.flatnonzero(rng.random(total) < 0.15) if crowds else ()
    size = (side, side)
    return truth(*there, classes=classes, size=size, crowd=crowd), guess(*here, size=size)
