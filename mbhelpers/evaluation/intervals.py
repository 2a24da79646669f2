"""How far a count can be trusted: intervals and the paired test."""

import math

from scipy import stats


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
