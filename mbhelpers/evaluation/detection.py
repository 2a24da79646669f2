"""Average precision of object detectors by named protocols, with curves, sizes and a threshold to deploy with.

The protocols are data: `ST` is that of the model zoo whose cards we compare with, `COCO` that of the COCO challenge.
Their numbers must not be compared with each other.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mbhelpers.data.detections import Detections
from mbhelpers.data.predictions import Predictions
from mbhelpers.evaluation.detection_match import EVERY, SPANS, Match, Pairs, Protocol, match, pair

ST = Protocol(thresholds=(0.4,), matching="best")
"""Of ST's cards, but for one pixel that their boxes are wider: see `st_exact`."""
COCO = Protocol(tuple(np.linspace(0.5, 0.95, 10).tolist()), matching="greedy", points=101, most=100)
COCO50 = replace(COCO, thresholds=(0.5,))
"""AP50, which is also close to what PASCAL VOC counts."""


def st_exact(width: int, height: int) -> Protocol:
    """ST's protocol with the one pixel added to every width and height, in pixels of the network's input."""
    return replace(ST, plus_one=True, grid=(width, height))


@dataclass(frozen=True)
class Curve:
    """What a score threshold gives, from the highest score on.

    Attributes:
        scores: (K,) of the predictions that count, falling.
        precision: (K,) of all predictions up to this one.
        recall: (K,) of all predictions up to this one.
        truths: number of true boxes, one or more.
    """

    scores: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    truths: int


def evaluate(found: Detections, predictions: Predictions, protocol: Protocol = ST) -> dict[str, Any]:
    """Average precision: the mean over the classes that have a true box, and its parts.

    Args:
        found: ground truth of N images with C categories.
        predictions: of the same images in the same order.
        protocol: how to count.

    Returns:
        images, truths, predictions (numbers of those that count), ap, by_threshold (IoU to AP), by_size (small,
        medium, large), and per_class (class, truths, predictions, ap). AP is 0..1, and None where there is no truth.

    Raises:
        ValueError: there is no truth at all, or the predictions don't fit the truth.
    """
    pairs = pair(found, predictions, protocol)
    parts = {span: class_aps(found, pairs, protocol, span) for span in (EVERY, *SPANS.values())}
    every = parts[EVERY]  # (T, C)
    final = match(found, pairs, protocol, protocol.thresholds[0])
    truths = np.bincount(found.labels[final.wanted], minlength=len(found.categories))
    predicted = np.bincount(pairs.label[final.counts], minlength=len(found.categories))
    if not truths.any():
        raise ValueError(f"no true box in {len(found)} images: AP is not defined; check categories and crowds")
    aps = every.mean(axis=0)
    return {
        "images": len(found),
        "truths": int(truths.sum()),
        "predictions": int(predicted.sum()),
        "ap": _mean(every),
        "by_threshold": dict(zip(protocol.thresholds, map(_mean, every), strict=True)),
        "by_size": {name: _mean(parts[span]) for name, span in SPANS.items()},
        "per_class": [
            {"class": name, "truths": int(truths[k]), "predictions": int(predicted[k]), "ap": _mean(aps[k : k + 1])}
            for k, name in enumerate(found.categories)
        ],
    }


def class_aps(found: Detections, pairs: Pairs, protocol: Protocol, span: tuple[float, float] = EVERY) -> np.ndarray:
    """(T, C) average precision by threshold and class; NaN for a class without truth in the span."""
    aps = np.full((len(protocol.thresholds), len(found.categories)), np.nan)
    parts = np.searchsorted(pairs.label, np.arange(len(found.categories) + 1))
    for row, threshold in zip(aps, protocol.thresholds, strict=True):
        done = match(found, pairs, protocol, threshold, span)
        truths = np.bincount(found.labels[done.wanted], minlength=len(row))
        hit = done.hit
        for k in np.flatnonzero(truths):
            part = slice(parts[k], parts[k + 1])
            row[k] = average_precision(hit[part][done.counts[part]], int(truths[k]), protocol.points)
    return aps


def average_precision(hits: np.ndarray, truths: int, points: int | None = None) -> float:
    """The area under the curve of precision over recall, where precision is the best at this recall or more.

    Args:
        hits: (K,) bool, true positives among the predictions of one class, by falling score.
        truths: true boxes of the class, one or more.
        points: recall levels from 0 to 1 whose mean is taken; None for every point, the exact area.
    """
    at = np.flatnonzero(hits)
    number = np.arange(1, len(at) + 1)
    envelope = np.maximum.accumulate((number / (at + 1))[::-1])[::-1]  # between hits precision only falls
    if points is None:
        return float(envelope.sum() / truths)
    levels = np.searchsorted(number / truths, np.linspace(0, 1, points))
    return float(np.append(envelope, 0.0)[levels].mean())


def curves(found: Detections, predictions: Predictions, protocol: Protocol = ST) -> dict[str, Curve]:
    """Precision and recall by class, at the first threshold of the protocol; of classes that have a true box.

    Raises:
        ValueError: the predictions don't fit the truth.
    """
    pairs, done = _matched(found, predictions, protocol)
    truths = np.bincount(found.labels[done.wanted], minlength=len(found.categories))
    return {
        found.categories[k]: _curve(predictions, pairs, done, pairs.label == k, int(truths[k]))
        for k in np.flatnonzero(truths)
    }


def pooled_curve(found: Detections, predictions: Predictions, protocol: Protocol = ST) -> Curve:
    """Precision and recall of all classes together, for one score threshold that they share.

    Raises:
        ValueError: there is no truth, or the predictions don't fit it.
    """
    pairs, done = _matched(found, predictions, protocol)
    if not done.wanted.any():
        raise ValueError(f"no true box in {len(found)} images: recall is not defined; check categories and crowds")
    return _curve(predictions, pairs, done, np.ones(len(pairs.order), bool), int(done.wanted.sum()))


def best_f1(curve: Curve) -> dict[str, float]:
    """The score threshold with the highest F1: predictions with this score or more are kept.

    Of equally good ones the highest, which keeps fewer boxes.

    Returns:
        threshold, precision, recall and f1.

    Raises:
        ValueError: no prediction is right, so that no threshold is better than another.
    """
    if not curve.recall[-1:].sum():
        raise ValueError(f"no prediction finds one of {curve.truths} truths; there is no threshold to pick")
    f1 = f1_scores(curve)
    # Equal scores are kept or dropped together, so only the last of them is a choice.
    f1 = np.where(np.append(np.diff(curve.scores) != 0, True), f1, -1)
    k = int(f1.argmax())
    return {
        "threshold": float(curve.scores[k]),
        "precision": float(curve.precision[k]),
        "recall": float(curve.recall[k]),
        "f1": float(f1[k]),
    }


def f1_scores(curve: Curve) -> np.ndarray:
    """(K,) harmonic means of precision and recall."""
    total = curve.precision + curve.recall
    return np.divide(2 * curve.precision * curve.recall, total, out=np.zeros_like(total), where=total > 0)


def verdicts(found: Detections, predictions: Predictions, protocol: Protocol = ST) -> np.ndarray:
    """(M,) int64: the truth that each prediction finds, -1 if none, at the first threshold of the protocol.

    A prediction's verdict depends on those with higher scores only, so that a score threshold may come afterwards.

    Raises:
        ValueError: the predictions don't fit the truth.
    """
    pairs, done = _matched(found, predictions, protocol)
    finds = np.full(len(predictions.scores), -1, np.int64)
    finds[pairs.order] = done.truth
    return finds


def _matched(found: Detections, predictions: Predictions, protocol: Protocol) -> tuple[Pairs, Match]:
    pairs = pair(found, predictions, protocol)
    return pairs, match(found, pairs, protocol, protocol.thresholds[0])


def _curve(predictions: Predictions, pairs: Pairs, done: Match, among: np.ndarray, truths: int) -> Curve:
    kept = np.flatnonzero(among & done.counts)
    scores = predictions.scores[pairs.order[kept]]
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(done.hit[kept][order])
    return Curve(scores[order], hits / np.arange(1, len(hits) + 1), hits / truths, truths)


def _mean(aps: np.ndarray) -> float | None:
    """Of those that are defined; None if none is."""
    defined = aps[~np.isnan(aps)]
    return float(defined.mean()) if len(defined) else None
