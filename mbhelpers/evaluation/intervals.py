"""How far a figure can be trusted: intervals and the paired test."""

import math
from typing import Any

import numpy as np
from scipy import stats
from scipy.sparse import csr_array


def wilson(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion.

    Args:
        correct: successes, 0..n.
        n: trials, one or more.
        confidence: of the interval.

    Returns:
        Lower and upper bound, 0..1.

    Raises:
        ValueError: n is zero or correct is outside 0..n.
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"{correct} of {n} is no proportion; there must be one trial or more")
    interval = stats.binomtest(correct, n).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def paired_difference(only_first: int, only_second: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the difference of two accuracies measured on the same n images, second minus first.

    Args:
        only_first: images that only the first model got right.
        only_second: images that only the second got right.
        n: images in all.
        confidence: of the interval.

    Returns:
        Lower and upper bound, -1..1.

    Raises:
        ValueError: n is zero, or the counts don't fit in it.

    Source: D. G. Bonett and R. M. Price, Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data, 2012.
    """
    if n < 1 or min(only_first, only_second) < 0 or only_first + only_second > n:
        raise ValueError(f"{only_first} and {only_second} of {n} images cannot be discordant pairs")
    first, second = (only_first + 1) / (n + 2), (only_second + 1) / (n + 2)
    difference = second - first
    reach = stats.norm.ppf((1 + confidence) / 2) * math.sqrt((first + second - difference**2) / (n + 2))
    return max(-1.0, float(difference - reach)), min(1.0, float(difference + reach))


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p of the hypothesis that both models are equally often right; 1 if they never differ."""
    discordant = only_first + only_second
    return float(stats.binomtest(only_first, discordant).pvalue) if discordant else 1.0


def drawn_again(counts: np.ndarray, repeats: int, rng: np.random.Generator) -> np.ndarray:
    """The bootstrap's draws: as many images again, with replacement.

    Args:
        counts: (K,) how many images there are of each kind, whatever the kinds are; ones for images one by one.
        repeats: R sets to draw.
        rng: makes the draws.

    Returns:
        integers, (R, K): how many of each kind are in each set.

    Raises:
        ValueError: no repeat, or no image.

    Source: B. Efron, Bootstrap methods: another look at the jackknife, 1979.
    """
    n = counts.sum()
    if repeats < 1 or n < 1:
        raise ValueError(f"{repeats} sets of {n:g} images give no interval; pass 1000 repeats and one image or more")
    return rng.multinomial(int(n), counts / n, repeats)


def f1_intervals(
    labels: np.ndarray,
    predicted: np.ndarray,
    classes: int,
    *,
    repeats: int = 1000,
    seed: int = 2026,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """F1 with percentile intervals by drawing the images again; it is no proportion, so that Wilson's don't apply.

    Args:
        labels: (N,) integers from 0.
        predicted: (N,) likewise.
        classes: how many there are.
        repeats: sets of N images.
        seed: of the draws.
        confidence: of the intervals.

    Returns:
        `macro`, the mean over the classes that have images, its `interval`, and `per_class`: low and high for each
        class. A class counts in those sets that hold an image of it. An interval is None where there are no images, or
        where all sets are alike, as after answers without a mistake: drawing again says nothing there.
    """
    cells, counts = np.unique(np.stack([labels, predicted]), axis=1, return_counts=True)
    drawn = np.vstack([counts, drawn_again(counts.astype(float), repeats, np.random.default_rng(seed))])
    each = np.arange(cells.shape[1])

    def sums(which: np.ndarray, kept: np.ndarray) -> np.ndarray:  # (R + 1, C), of the cells that are kept
        chosen = csr_array((kept.astype(float), (each, which)), shape=(len(each), classes))
        return drawn @ chosen

    everywhere = np.ones(len(each))
    true, answers = sums(cells[0], everywhere), sums(cells[1], everywhere)
    hits = sums(cells[0], cells[0] == cells[1])
    f1 = np.divide(2 * hits, true + answers, out=np.full(true.shape, np.nan), where=true > 0)
    tail = (1 - confidence) / 2
    macro = np.nanmean(f1, axis=1)

    def bounds(values: np.ndarray) -> tuple[float, float] | None:
        values = values[~np.isnan(values)]
        if len(values) == 0 or values.min() == values.max():
            return None
        low, high = np.quantile(values, (tail, 1 - tail)).tolist()
        return low, high

    return {
        "macro": float(macro[0]),
        "interval": bounds(macro[1:]),
        "per_class": [bounds(column) for column in f1[1:].T],
    }
