"""Which predicted box finds which true one: the part in which protocols of average precision differ most.

Predictions are sorted once, by class and falling score, and compared with the truths of their class in their image.
All images and classes are matched at the same time, in NumPy.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mbhelpers.data.detections import Detections
from mbhelpers.data.predictions import Predictions

SPANS = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""COCO's sizes of objects, areas in pixels of the original image, both ends included."""
EVERY: tuple[float, float] = (0.0, np.inf)
_BLOCK = 1 << 21  # pairs compared at a time: bounds the memory where every image is full of one class


@dataclass(frozen=True)
class Protocol:
    """How average precision is counted.

    Attributes:
        thresholds: IoU from which on a prediction finds a truth; AP is the mean over them.
        matching: "best", where each prediction looks at the truth that it overlaps best, and is false if that is
            found already; or "greedy", where it takes the best of those that are still free.
        points: recall levels at which precision is read, or None for the exact area under the curve.
        most: predictions that count in an image and class, those with the highest scores; None for all.
        plus_one: a box from pixel 3 to 5 is three pixels wide, not two.
        grid: width and height of the image in pixels where `plus_one` is counted, such as a network's input; None
            is the image's own size. Without `plus_one` IoU does not depend on it.

    "best" knows no crowds: a box around a group is a truth like others. "greedy" leaves them out of recall, and out of
    precision what lies in them.
    """

    thresholds: tuple[float, ...]
    matching: Literal["best", "greedy"]
    points: int | None = None
    most: int | None = None
    plus_one: bool = False
    grid: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not self.thresholds or not all(0 < threshold <= 1 for threshold in self.thresholds):
            raise ValueError(f"thresholds of IoU must be above 0 and at most 1, not {self.thresholds}")
        if self.matching not in ("best", "greedy"):
            raise ValueError(f"unknown matching {self.matching!r}; choose best or greedy")


@dataclass(frozen=True)
class Pairs:
    """D predictions in order of class and falling score, ties by image; and the truths that they overlap enough.

    Attributes:
        order: (D,) int64, where each of them stood.
        label: (D,) int64, its class.
        image: (D,) int64, its image.
        area: (D,) float64, in pixels of the image.
        prediction: (P,) int64, of each pair, rising; index into the above.
        truth: (P,) int64, of each pair, index into the boxes of the ground truth.
        iou: (P,) float64, of each pair; for a crowd, under "greedy", the share of the prediction that lies in it.
    """

    order: np.ndarray
    label: np.ndarray
    image: np.ndarray
    area: np.ndarray
    prediction: np.ndarray
    truth: np.ndarray
    iou: np.ndarray


@dataclass(frozen=True)
class Match:
    """What became of D predictions and M truths at one threshold.

    Attributes:
        truth: (D,) int64, the truth that each prediction finds, in the order of `Pairs`; -1 if none.
        counts: (D,) bool, whether the prediction counts, as true or as false.
        wanted: (M,) bool, whether the truth counts.
    """

    truth: np.ndarray
    counts: np.ndarray
    wanted: np.ndarray

    @property
    def hit(self) -> np.ndarray:
        """(D,) bool: true positives."""
        return self.counts & (self.truth >= 0)


def pair(found: Detections, predictions: Predictions, protocol: Protocol) -> Pairs:
    """Sort predictions and compare them with the truths of their class and image.

    Raises:
        ValueError: the predictions are of other images or classes than the ground truth.
    """
    classes = len(found.categories)
    if len(found) != len(predictions):
        raise ValueError(f"predictions of {len(predictions)} images, but truth of {len(found)}; predict every image")
    if (wrong := (predictions.labels < 0) | (predictions.labels >= classes)).any():
        raise ValueError(
            f"predicted label {predictions.labels[wrong.argmax()]} is no category; the {classes} labels of the truth "
            "begin at 0 and leave the background out"
        )
    image = predictions.image_of
    order = np.argsort(-predictions.scores, kind="stable")
    # NumPy's stable sort of small integers is by digits: several times as fast as `lexsort`.
    order = order[np.argsort(predictions.labels[order].astype(np.min_scalar_type(classes)), kind="stable")]
    group = (image * classes + predictions.labels)[order]
    if protocol.most is not None and np.diff(predictions.first).max(initial=0) > protocol.most:
        kept = _rank(group) < protocol.most
        order, group = order[kept], group[kept]
    groups = found.image_of * classes + found.labels
    by_group = np.argsort(groups, kind="stable")
    ends = np.concatenate([[0], np.cumsum(np.bincount(groups, minlength=len(found) * classes))])
    start, number = ends[group], ends[group + 1] - ends[group]
    parts = []
    for block in _blocks(number):
        ours = np.repeat(block, number[block])
        within = np.arange(len(ours)) - np.repeat(np.cumsum(number[block]) - number[block], number[block])
        theirs = by_group[start[ours] + within]
        iou = _iou(found, predictions, order[ours], theirs, protocol)
        near = iou >= _at_least(min(protocol.thresholds))
        parts.append((ours[near], theirs[near], iou[near]))
    prediction, truth, iou = (np.concatenate(part) for part in zip(*parts, strict=True))
    spans = (predictions.boxes[:, 2:] - predictions.boxes[:, :2]).astype(np.float64) * found.sizes[image]
    area = (spans[:, 0] * spans[:, 1])[order]
    return Pairs(order, predictions.labels[order], image[order], area, prediction, truth, iou)


def match(
    found: Detections, pairs: Pairs, protocol: Protocol, threshold: float, span: tuple[float, float] = EVERY
) -> Match:
    """Decide about each prediction at one threshold of IoU.

    Args:
        found: the ground truth that `pairs` was made from.
        pairs: as `pair` gives them.
        protocol: that they were made by.
        threshold: IoU from which on a prediction finds a truth, not below those of the protocol.
        span: areas that count, in pixels of the image. What finds a truth of another area, and what finds nothing
            and has another area, is neither true nor false.
    """
    outside = (found.areas < span[0]) | (found.areas > span[1])
    if protocol.matching == "greedy":
        outside |= found.crowd
    near = pairs.iou >= _at_least(threshold)
    prediction, truth, iou = pairs.prediction[near], pairs.truth[near], pairs.iou[near]
    finds = np.full(len(pairs.order), -1, np.int64)
    counts = (pairs.area >= span[0]) & (pairs.area <= span[1])
    if protocol.matching == "greedy":
        prediction, truth = _greedy(prediction, truth, iou, outside, found.crowd)
        finds[prediction] = truth
    else:
        prediction, truth = _best(prediction, truth, iou)
        first = np.unique(truth, return_index=True)[1]  # predictions rise, so that this one has the highest score
        finds[prediction[first]] = truth[first]
    counts[prediction] = ~outside[truth]
    return Match(finds, counts, ~outside)


def _best(prediction: np.ndarray, truth: np.ndarray, iou: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The predictions that are in a pair, and which truth each overlaps best; the first of equals."""
    order = np.lexsort((truth, -iou, prediction))
    first = np.unique(prediction[order], return_index=True)[1]
    return prediction[order][first], truth[order][first]


def _greedy(
    prediction: np.ndarray, truth: np.ndarray, iou: np.ndarray, outside: np.ndarray, crowd: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The predictions that get a truth, by falling score, and which: the best free one, the last of equals.

    One that doesn't count is taken only where no other is left; a crowd has room for all.

    No loop over predictions: all ask for their best truth at once, each truth keeps who has the highest score, the
    others ask for their next best, until nobody is sent away. As all truths prefer the same, the result is the one of
    taking turns.

    Source: D. Gale and L. S. Shapley, College admissions and the stability of marriage, 1962.
    """
    order = np.lexsort((-truth, -iou, outside[truth], prediction))
    prediction, truth = prediction[order], truth[order]
    wish = np.unique(prediction, return_index=True)[1]
    last = np.append(wish[1:], len(truth))
    holder = np.full(len(outside), np.iinfo(np.int64).max)
    while True:
        np.minimum.at(holder, truth[wish], prediction[wish])
        refused = (holder[truth[wish]] != prediction[wish]) & ~crowd[truth[wish]]
        if not refused.any():
            return prediction[wish], truth[wish]
        wish = wish + refused
        left = wish < last
        wish, last = wish[left], last[left]


def _iou(
    found: Detections, predictions: Predictions, ours: np.ndarray, theirs: np.ndarray, protocol: Protocol
) -> np.ndarray:
    """(P,) of predictions `ours` with truths `theirs`, in the operations and their order that pycocotools has."""
    size = found.sizes[found.image_of[theirs]] if protocol.grid is None else np.array(protocol.grid)
    begin, side = to_spans(predictions.boxes[ours], size)
    their_begin, their_side = to_spans(found.boxes[theirs], size)
    common = np.minimum(begin + side, their_begin + their_side) - np.maximum(begin, their_begin)
    apart = (common < 0).any(axis=1)
    common, side, their_side = (sides + float(protocol.plus_one) for sides in (common, side, their_side))
    inner = np.where(apart, 0.0, common[:, 0] * common[:, 1])
    area = side[:, 0] * side[:, 1]
    union = area + their_side[:, 0] * their_side[:, 1] - inner
    if protocol.matching == "greedy":
        union = np.where(found.crowd[theirs], area, union)
    return np.divide(inner, union, out=np.zeros_like(union), where=union > 0)


def to_spans(boxes: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(K, 4) xyxy, normalized, become (K, 2) left and top, and (K, 2) width and height, float64, in pixels."""
    exact = boxes.astype(np.float64)
    return exact[:, :2] * sizes, (exact[:, 2:] - exact[:, :2]) * sizes


def _at_least(threshold: float) -> float:
    """As COCO has it: the IoU of equal boxes may be a little below 1."""
    return min(threshold, 1 - 1e-10)


def _rank(group: np.ndarray) -> np.ndarray:
    """(D,) how many of the same group stand before each."""
    order = np.argsort(group, kind="stable")
    _, first, number = np.unique(group[order], return_index=True, return_counts=True)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order)) - np.repeat(first, number)
    return rank


def _blocks(number: np.ndarray) -> list[np.ndarray]:
    """Indices of those with a number, in parts that have about `_BLOCK` together."""
    some = np.flatnonzero(number)
    total = np.cumsum(number[some])
    return np.split(some, np.searchsorted(total, np.arange(_BLOCK, total[-1:].sum(), _BLOCK)))
