import math
from functools import cache

import numpy as np
import pytest

from mbhelpers.evaluation.intervals import mcnemar, paired_difference, wilson


@pytest.mark.parametrize(
    ("correct", "n", "low", "high", "why"),
    [
        # R. G. Newcombe, Two-sided confidence intervals for the single proportion, 1998, table I, method 3
        (81, 263, 0.2553, 0.3662, "a middling share"),
        (15, 148, 0.0624, 0.1605, "a small share"),
        (0, 20, 0.0, 0.1611, "no success at all"),
        (1, 29, 0.0061, 0.1718, "a single one"),
        (20, 20, 1 - 0.1611, 1.0, "no failure: the mirror image"),
        (1, 1, 0.2065, 1.0, "one trial: 1 / (1 + z^2)"),
    ],
)
def test_wilson(correct, n, low, high, why):
    assert wilson(correct, n) == pytest.approx((low, high), abs=5e-5), why


def test_wilson_by_its_formula():
    z = 2.5758293035489004  # 99 %
    share, n = 88 / 120, 120
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    assert wilson(88, 120, 0.99) == pytest.approx((middle - reach, middle + reach), abs=1e-12)


@pytest.mark.parametrize(("correct", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_proportion(correct, n):
    with pytest.raises(ValueError, match=f"{correct} of {n} is no proportion"):
        wilson(correct, n)


@pytest.mark.parametrize(
    ("only_first", "only_second", "n", "low", "high", "why"),
    [
        # (1 + 1) / 23 and (7 + 1) / 23: -0.26087 -+ 1.95996 * sqrt((0.434783 - 0.068053) / 23)
        (7, 1, 21, -0.50836, -0.01338, "by hand from the paper's formula"),
        (1, 7, 21, 0.01338, 0.50836, "the other way round: second minus first"),
        # (1 / 102, 1 / 102): 0 -+ 1.95996 * sqrt(2 / 102 / 102)
        (0, 0, 100, -0.027174, 0.027174, "two models that never differ are not proven equal"),
        # (2 / 3, 1 / 3): -0.33333 -+ 1.95996 * sqrt((1 - 1 / 9) / 3)
        (1, 0, 1, -1.0, 0.73354, "one image: cut at -1"),
    ],
)
def test_paired_difference(only_first, only_second, n, low, high, why):
    assert paired_difference(only_first, only_second, n) == pytest.approx((low, high), abs=5e-5), why


@pytest.mark.parametrize(
    ("only_first", "only_second", "n"),
    [(0, 0, 0), (-1, 0, 5), (0, -1, 5), (3, 3, 5)],
)
def test_paired_difference_refuses_what_cannot_be(only_first, only_second, n):
    with pytest.raises(ValueError, match=f"of {n} images cannot be discordant pairs"):
        paired_difference(only_first, only_second, n)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p", "why"),
    [
        (0, 0, 1.0, "they never differ"),
        (3, 3, 1.0, "evenly"),
        (0, 5, 2 / 32, "five coins on one side: 2 / 2^5"),
        (5, 0, 2 / 32, "the same on the other"),
        (1, 5, 14 / 64, "2 (1 + 6) / 2^6"),
        (2, 10, 158 / 4096, "2 (1 + 12 + 66) / 2^12"),
        (0, 1, 1.0, "one image says nothing"),
    ],
)
def test_mcnemar_is_exact(only_first, only_second, p, why):
    assert mcnemar(only_first, only_second) == pytest.approx(p, abs=1e-12), why


@pytest.mark.parametrize(("share", "n"), [(0.5, 40), (0.9, 40), (0.9, 200), (0.97, 100)])
def test_wilson_covers(share, n):
    cached = cache(wilson)
    inside = 0
    for correct in np.random.default_rng(1).binomial(n, share, 2000):
        low, high = cached(int(correct), n)
        inside += low <= share <= high
    assert 0.92 < inside / 2000 < 0.99


@pytest.mark.parametrize(("first", "second", "n"), [(0.05, 0.05, 100), (0.10, 0.04, 100), (0.02, 0.01, 700)])
def test_paired_difference_covers(first, second, n):
    draws = np.random.default_rng(2).multinomial(n, (first, second, 1 - first - second), 2000)
    cached = cache(paired_difference)
    inside = 0
    for only_first, only_second, _ in draws:
        low, high = cached(int(only_first), int(only_second), n)
        inside += low <= second - first <= high
    assert 0.92 < inside / 2000 < 0.99
