"""Two detectors on the same images, such as float and int8: the difference of AP and how far it can be trusted."""

from typing import Any

import numpy as np

from mbhelpers.data.detections import Detections
from mbhelpers.data.predictions import Predictions
from mbhelpers.evaluation.detection import ST, class_aps
from mbhelpers.evaluation.detection_match import Pairs, Protocol, match, pair

_BLOCK = 1 << 22  # weights of predictions at a time


def compare_detections(
    found: Detections,
    first: Predictions,
    second: Predictions,
    protocol: Protocol = ST,
    *,
    repeats: int = 1000,
    seed: int = 2026,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Difference of AP with an interval by drawing images again, the same ones for both.

    Args:
        found: ground truth of N images.
        first: predictions of the one, such as float.
        second: predictions of the other, such as int8.
        protocol: how to count AP.
        repeats: sets of N images that are drawn, with replacement.
        seed: of the draws.
        confidence: of the interval.

    Returns:
        n (images), repeats, seed, first and second (AP), difference (second minus first), its percentile interval,
        and whether the interval holds zero (inside_noise). A class counts in those sets that hold a truth of it.

    Raises:
        ValueError: there is no truth, no repeat, or predictions don't fit the truth.

    Source: B. Efron, Bootstrap methods: another look at the jackknife, 1979.
    """
    if repeats < 1:
        raise ValueError(f"{repeats} repeats give no interval; pass 1000")
    both = [pair(found, predictions, protocol) for predictions in (first, second)]
    aps = [class_aps(found, pairs, protocol) for pairs in both]
    if np.isnan(aps[0]).all():
        raise ValueError(f"no true box in {len(found)} images: AP is not defined; check categories and crowds")
    weights = np.random.default_rng(seed).multinomial(len(found), np.full(len(found), 1 / len(found)), repeats)
    drawn = [resampled_aps(found, pairs, protocol, weights) for pairs in both]
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(drawn[1] - drawn[0], (tail, 1 - tail)).tolist()
    one, two = (float(np.nanmean(ap)) for ap in aps)
    return {
        "n": len(found),
        "repeats": repeats,
        "seed": seed,
        "first": one,
        "second": two,
        "difference": two - one,
        "interval": (low, high),
        "inside_noise": low <= 0 <= high,
    }


def resampled_aps(found: Detections, pairs: Pairs, protocol: Protocol, weights: np.ndarray) -> np.ndarray:
    """AP of images that count several times, or not at all. Nothing is matched again: images don't touch each other.

    Args:
        found: ground truth of N images with C categories.
        pairs: of the predictions, as `pair` gives them.
        protocol: that they were made by.
        weights: (R, N) integers, how often each image counts in each of R sets.

    Returns:
        (R,) the mean over thresholds and over the classes with truth; NaN where a set has no truth.
    """
    classes = len(found.categories)
    parts = np.searchsorted(pairs.label, np.arange(classes + 1))
    total, number = np.zeros(len(weights)), np.zeros(len(weights))
    for threshold in protocol.thresholds:
        done = match(found, pairs, protocol, threshold)
        groups = (found.image_of * classes + found.labels)[done.wanted]
        truths = weights @ np.bincount(groups, minlength=len(found) * classes).reshape(-1, classes)  # (R, C)
        for k in np.flatnonzero(truths.any(axis=0)):
            counted = np.arange(parts[k], parts[k + 1])[done.counts[parts[k] : parts[k + 1]]]
            hits, images = done.hit[counted], pairs.image[counted]
            for part in np.array_split(np.arange(len(weights)), 1 + len(weights) * len(counted) // _BLOCK):
                total[part] += _weighted_ap(hits, weights[part][:, images], truths[part, k], protocol.points)
        number += (truths > 0).sum(axis=1)
    return np.divide(total, number, out=np.full(len(weights), np.nan), where=number > 0)


def _weighted_ap(hits: np.ndarray, weights: np.ndarray, truths: np.ndarray, points: int | None) -> np.ndarray:
    """`average_precision` where each of K predictions counts (R, K) times and there are (R,) truths; 0 for none."""
    at = np.flatnonzero(hits)
    right, every = weights[:, at], weights.cumsum(axis=1)[:, at]
    found = right.cumsum(axis=1)
    precision = np.divide(found, every, out=np.zeros(found.shape), where=every > 0)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    truths = np.maximum(truths, 1)
    if points is None:
        return (right * envelope).sum(axis=1) / truths
    recall = np.linspace(0, 1, points)
    padded = np.pad(envelope, ((0, 0), (0, 1)))
    rows = zip(padded, found / truths[:, None], strict=True)
    return np.array([row[np.searchsorted(reached, recall)].mean() for row, reached in rows])
