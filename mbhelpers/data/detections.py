"""Images with boxes, as arrays: what every annotation format is read into, and written from."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers.detection.boxes import xywh_to_xyxy

BORDER = 0.01
"""Pixels that a box may reach over the border unreported: COCO rounds left and width, each by up to 0.005."""


@dataclass(frozen=True)
class Detections:
    """N images with M boxes; those of image i are `boxes[first[i]:first[i + 1]]`.

    Attributes:
        root: the folder that `paths` are relative to.
        categories: names, in the order of the labels.
        category_ids: (C,) int64, the number of each category in the annotation file.
        paths: (N,) file names relative to `root`, with forward slashes, sorted.
        image_ids: (N,) int64, the number of each image in the annotation file.
        sizes: (N, 2) int64, width and height in pixels.
        first: (N + 1,) int64, where the boxes of each image begin.
        boxes: (M, 4) float32, xyxy, normalized: left, top, right, bottom as shares of width and height, in 0..1.
        labels: (M,) int64, index into `categories`.
        areas: (M,) float64, of the object itself (its segment) in pixels, where the file says so, else of the box.
        crowd: (M,) bool, boxes around groups whose members are not told apart.
        problems: what was left out or clipped: where and why.
        box_ids: (M,) int64, the number of each box in the annotation file; None where nothing is known of it.
    """

    root: Path
    categories: tuple[str, ...]
    category_ids: np.ndarray
    paths: np.ndarray
    image_ids: np.ndarray
    sizes: np.ndarray
    first: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    problems: tuple[tuple[str, str], ...] = ()
    box_ids: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def of(self, image: int) -> slice:
        """Where the boxes of one image lie in `boxes`, `labels`, `areas` and `crowd`."""
        return slice(int(self.first[image]), int(self.first[image + 1]))

    @property
    def image_of(self) -> np.ndarray:
        """(M,) int64: the image that each box belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.first))

    @property
    def fingerprint(self) -> str:
        """One hash for names, categories and boxes."""
        digest = hashlib.sha256("\n".join([*self.categories, "", *self.paths.tolist()]).encode())
        for array in (self.first, self.boxes, self.labels, self.crowd):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def counts(self) -> dict[str, int]:
        """Boxes per category, crowds included."""
        numbers = np.bincount(self.labels, minlength=len(self.categories))
        return dict(zip(self.categories, numbers.tolist(), strict=True))

    def select(self, images: np.ndarray) -> "Detections":
        """The same with only these images, in this order.

        Args:
            images: (K,) integer indices.
        """
        images = np.asarray(images, np.int64)
        lengths = np.diff(self.first)[images]
        first = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        picked = np.repeat(self.first[images] - first[:-1], lengths) + np.arange(first[-1])
        return replace(
            self,
            paths=self.paths[images],
            image_ids=self.image_ids[images],
            sizes=self.sizes[images],
            first=first,
            **self._boxes_at(picked),
        )

    def only(self, names: tuple[str, ...]) -> "Detections":
        """The same images with only the boxes of these categories, which get the labels 0, 1, ... in this order.

        Raises:
            ValueError: a category is not there; the message lists those that are.
        """
        if strange := [name for name in names if name not in self.categories]:
            raise ValueError(f"no category {', '.join(strange)}; choose from {', '.join(self.categories)}")
        old = np.array([self.categories.index(name) for name in names], np.int64)
        new = np.full(len(self.categories), -1, np.int64)
        new[old] = np.arange(len(names))
        keep = new[self.labels] >= 0
        kept = np.bincount(self.image_of[keep], minlength=len(self))
        fields = self._boxes_at(np.nonzero(keep)[0])
        return replace(
            self,
            categories=tuple(names),
            category_ids=self.category_ids[old],
            first=np.concatenate([[0], np.cumsum(kept)]).astype(np.int64),
            **fields | {"labels": new[fields["labels"]]},
        )

    def pixel_boxes(self, picked: np.ndarray | slice = slice(None)) -> np.ndarray:
        """(M, 4) float64: left, top, width, height in pixels, as an annotation file gives them; of all or some boxes.

        A float32 share has more digits than the file had. So each box gets the fewest decimals, two at least, that
        give the very same shares again: a COCO file's own numbers come back as they were.
        """
        boxes, sizes = self.boxes[picked], self.sizes[self.image_of[picked]]
        exact = boxes * np.tile(sizes, 2).astype(np.float64)
        exact[:, 2:] -= exact[:, :2]
        result = exact.copy()
        left = np.arange(len(exact))
        for decimals in range(2, 8):
            if not len(left):
                break
            trial = exact[left].round(decimals)
            same = (_shares(to_corners(trial), sizes[left]) == boxes[left]).all(axis=1)
            result[left[same]] = trial[same]
            left = left[~same]
        return result

    def _boxes_at(self, picked: np.ndarray) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in ("boxes", "labels", "areas", "crowd", "box_ids")}
        return {name: array[picked] for name, array in fields.items() if array is not None}


def to_corners(boxes: np.ndarray) -> np.ndarray:
    """(M, 4) left, top, width, height become left, top, right, bottom."""
    with np.errstate(invalid="ignore"):  # of infinite ones, which `assemble` leaves out
        return xywh_to_xyxy(boxes)


def assemble(
    *,
    root: Path,
    categories: Sequence[str],
    category_ids: np.ndarray,
    paths: Sequence[str],
    image_ids: np.ndarray,
    sizes: np.ndarray,
    image_of: np.ndarray,
    corners: np.ndarray,
    labels: np.ndarray,
    areas: np.ndarray,
    crowd: np.ndarray,
    box_ids: np.ndarray,
    problems: Sequence[tuple[str, str]] = (),
) -> Detections:
    """Sort images by path and boxes by image, clip the boxes, and drop and report those of which nothing is left.

    What is named as in `Detections` is the same here, but in any order. `image_of` is (M,) integer, the index in
    `paths` of each box's image; `corners` is (M, 4) float64, xyxy in pixels, 0 being the left edge of the image;
    `areas` may be NaN, which stands for the area of the clipped box.

    Raises:
        ValueError: two categories have one name.
    """
    if twins := [name for name, number in Counter(categories).items() if number > 1]:
        raise ValueError(f"there are two categories named {twins[0]!r}; rename one")
    order = np.array(sorted(range(len(paths)), key=paths.__getitem__), np.int64)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    around = sizes.take(image_of, axis=0)  # several times as fast as indexing with the array
    boxes = _shares(corners, around)
    empty = ~((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]) & np.isfinite(corners).all(axis=1))
    beyond = [-corners[:, 0], -corners[:, 1], corners[:, 2] - around[:, 0], corners[:, 3] - around[:, 1]]
    over = np.maximum(np.maximum(beyond[0], beyond[1]), np.maximum(beyond[2], beyond[3]))
    notes = list(problems)
    for box in np.nonzero(empty | (over > BORDER + 1e-6))[0].tolist():
        numbers = ", ".join(f"{number:.2f}" for number in corners[box])
        fate = (
            "has no area inside the image: left out" if empty[box] else f"{over[box]:.2f} px over the border: clipped"
        )
        notes.append((paths[image_of[box]], f"box {box_ids[box]}, corners {numbers}: {fate}"))
    kept = np.nonzero(~empty)[0]
    kept = kept[np.argsort(rank[image_of[kept]], kind="stable")]
    lengths = np.bincount(rank[image_of[kept]], minlength=len(paths))
    areas = areas[kept]
    silent = np.nonzero(np.isnan(areas))[0]
    spans = (boxes[kept[silent], 2:] - boxes[kept[silent], :2]).astype(np.float64) * around[kept[silent]]
    areas[silent] = spans.prod(axis=1)
    return Detections(
        root=root,
        categories=tuple(categories),
        category_ids=np.asarray(category_ids, np.int64),
        paths=np.array(paths, str)[order],
        image_ids=image_ids[order],
        sizes=sizes[order],
        first=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        boxes=boxes.take(kept, axis=0),
        labels=labels[kept],
        areas=areas,
        crowd=crowd[kept],
        problems=tuple(notes),
        box_ids=box_ids[kept],
    )


def _shares(corners: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(M, 4) xyxy in pixels, as float32 shares of (M, 2) width and height, clipped to 0..1."""
    shares = corners / np.tile(sizes, 2)
    return np.clip(shares, 0, 1, out=shares).astype(np.float32)
