import math
from functools import cache

import numpy as np
import pytest
from sklearn.metrics import f1_score

from mbhelpers.evaluation.intervals import drawn_again, f1_intervals, mcnemar, paired_difference, wilson


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


class TestDrawingAgain:
    def test_as_many_images_again(self):
        drawn = drawn_again(np.array([3.0, 0, 7]), 500, np.random.default_rng(0))
        assert drawn.shape == (500, 3) and (drawn.sum(axis=1) == 10).all() and not drawn[:, 1].any()
        assert drawn[:, 0].mean() == pytest.approx(3, abs=0.3)

    @pytest.mark.parametrize(("counts", "repeats"), [([1.0], 0), ([0.0, 0.0], 10)])
    def test_nothing_to_draw(self, counts, repeats):
        with pytest.raises(ValueError, match="give no interval; pass 1000 repeats and one image or more"):
            drawn_again(np.array(counts), repeats, np.random.default_rng(0))


class TestF1:
    def test_macro_is_scikit_learns(self):
        rng = np.random.default_rng(0)
        labels, predicted = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
        found = f1_intervals(labels, predicted, 3)
        assert found["macro"] == pytest.approx(f1_score(labels, predicted, average="macro"))
        assert found["interval"][0] < found["macro"] < found["interval"][1]
        each = f1_score(labels, predicted, average=None)
        assert all(low < f1 < high for f1, (low, high) in zip(each, found["per_class"], strict=True))

    def test_the_interval_is_that_of_drawing_images_one_by_one(self):
        rng = np.random.default_rng(1)
        labels = rng.integers(0, 2, 150)
        predicted = np.where(rng.random(150) < 0.8, labels, 1 - labels)
        drawn = (rng.integers(0, 150, 150) for _ in range(1500))
        values = [f1_score(labels[k], predicted[k], average="macro") for k in drawn]
        expected = np.quantile(values, (0.025, 0.975))
        assert f1_intervals(labels, predicted, 2)["interval"] == pytest.approx(expected, abs=0.015)

    def test_it_holds_the_truth(self):
        """Two classes, right in 80 %: F1 is 0.8 in the long run."""
        held = 0
        for seed in range(60):
            rng = np.random.default_rng(seed)
            labels = rng.integers(0, 2, 300)
            predicted = np.where(rng.random(300) < 0.8, labels, 1 - labels)
            low, high = f1_intervals(labels, predicted, 2, repeats=300)["interval"]
            held += low <= 0.8 <= high
        assert held >= 52

    def test_classes_without_images_and_answers_without_mistakes(self):
        labels = np.array([0, 0, 1, 1])
        whole = f1_intervals(labels, labels, 3)
        assert (whole["macro"], whole["interval"], whole["per_class"]) == (1.0, None, [None, None, None])
        strayed = f1_intervals(labels, np.array([0, 2, 1, 1]), 3)
        assert strayed["macro"] == pytest.approx((2 / 3 + 1) / 2), "class 2 has no image, so it has no F1"
        assert strayed["per_class"][0] is not None and strayed["per_class"][1:] == [None, None]
