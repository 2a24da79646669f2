"""Two detectors on the same images, such as float and int8: the difference of AP and how far it can be trusted."""

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from mbhelpers.data.detections import Detections
from mbhelpers.data.predictions import Predictions
from mbhelpers.evaluation.detection import ST, class_aps, recall_steps
from mbhelpers.evaluation.detection_match import Pairs, Protocol, match, pair
from mbhelpers.evaluation.intervals import drawn_again

_BLOCK = 1 << 22  # numbers at a time, a hit and a set each: bounds the memory


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

    The interval is somewhat too narrow for few images: on drawn boxes "95 %" held the truth in 88 to 92 % of sets of 40
    images, and in 92 to 95 % of sets of 160 and of 320.

    Raises:
        ValueError: there is no truth, no repeat, or predictions don't fit the truth.

    Source: B. Efron, Bootstrap methods: another look at the jackknife, 1979.
    """
    weights = _drawn(found, repeats, seed)
    both = [pair(found, predictions, protocol) for predictions in (first, second)]
    aps = [class_aps(found, pairs, protocol) for pairs in both]
    if np.isnan(aps[0]).all():
        raise ValueError(f"no true box in {len(found)} images: AP is not defined; check categories and crowds")
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


def ap_interval(
    found: Detections,
    predictions: Predictions,
    protocol: Protocol = ST,
    *,
    repeats: int = 1000,
    seed: int = 2026,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """The percentile interval of one detector's AP by drawing images again; arguments, errors: `compare_detections`."""
    aps = resampled_aps(found, pair(found, predictions, protocol), protocol, _drawn(found, repeats, seed))
    if np.isnan(aps).all():
        raise ValueError(f"no true box in {len(found)} images: AP is not defined; check categories and crowds")
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(aps, (tail, 1 - tail)).tolist()
    return low, high


def _drawn(found: Detections, repeats: int, seed: int) -> np.ndarray:
    """(N, repeats): how often each image is in each set drawn from them."""
    return drawn_again(np.ones(len(found)), repeats, np.random.default_rng(seed)).T


def resampled_aps(found: Detections, pairs: Pairs, protocol: Protocol, weights: np.ndarray) -> np.ndarray:
    """AP of images that count several times, or not at all. Nothing is matched again: images don't touch each other.

    Args:
        found: ground truth of N images with C categories.
        pairs: of the predictions, as `pair` gives them.
        protocol: that they were made by.
        weights: (N, R), how often each image counts in each of R sets.

    Returns:
        (R,) the mean over thresholds and over the classes with truth; NaN where a set has no truth.
    """
    classes = len(found.categories)
    weights = np.ascontiguousarray(weights, np.float64)
    parts = np.searchsorted(pairs.label, np.arange(classes + 1))
    total, number = np.zeros((2, weights.shape[1]))
    for threshold in protocol.thresholds:
        done = match(found, pairs, protocol, threshold)
        groups = (found.labels * len(found) + found.image_of)[done.wanted]
        truths = np.bincount(groups, minlength=len(found) * classes).reshape(classes, -1) @ weights  # (C, R)
        for k in np.flatnonzero(truths.any(axis=1)):
            counted = np.arange(parts[k], parts[k + 1])[done.counts[parts[k] : parts[k + 1]]]
            hits, images = done.hit[counted], pairs.image[counted]
            step = 1 + _BLOCK // (1 + int(hits.sum()))
            for some in (slice(start, start + step) for start in range(0, len(total), step)):
                total[some] += _weighted_ap(hits, images, weights[:, some], truths[k, some], protocol.points)
        number += (truths > 0).sum(axis=0)
    return np.divide(total, number, out=np.full(len(total), np.nan), where=number > 0)


def _weighted_ap(
    hits: np.ndarray, images: np.ndarray, weights: np.ndarray, truths: np.ndarray, points: int | None
) -> np.ndarray:
    """`average_precision` in each of R sets: of (K,) predictions in these images, with (R,) truths; 0 where none."""
    at = np.flatnonzero(hits)
    ends = np.append(0, at + 1)
    # Row h sums the weights of the predictions after hit h - 1 up to hit h, so that only hits are kept for each set.
    steps = csr_array((np.ones(ends[-1]), images[: ends[-1]], ends), shape=(len(at), len(weights)))
    every = (steps @ weights).cumsum(axis=0)  # (H, R)
    right = weights[images[at]]
    found = right.cumsum(axis=0)
    precision = np.divide(found, every, out=np.zeros(every.shape), where=every > 0)
    envelope = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    return (recall_steps(found / np.maximum(truths, 1), points) * envelope).sum(axis=0)
