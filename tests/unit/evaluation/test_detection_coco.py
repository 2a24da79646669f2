"""COCO's evaluation, and ours of the same protocol: the same numbers."""

import builtins
import contextlib
import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mbhelpers.evaluation.detection import COCO, COCO50, average_precision, curves, evaluate
from mbhelpers.evaluation.detection_coco import coco_eval, coco_evaluate

from .boxes import draw, guess, truth

A, B = (0, 0, 40, 40), (60, 60, 100, 100)


def same(got: float | None, wanted: float | None) -> bool:
    return got is wanted if got is None or wanted is None else abs(got - wanted) < 1e-12


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), crowds=st.booleans(), ties=st.booleans())
def test_ours_equals_pycocotools(seed, crowds, ties):
    """Ties of overlap and score, crowds, sizes and doubles included."""
    found, predicted = draw(seed, crowds=crowds, ties=ties)
    ours, theirs = evaluate(found, predicted, COCO), coco_evaluate(found, predicted)
    assert same(ours["ap"], theirs["ap"])
    assert same(ours["by_threshold"]["0.5"], theirs["ap50"])
    assert same(ours["by_threshold"]["0.75"], theirs["ap75"])
    for size, ap in ours["by_size"].items():
        assert same(ap, theirs[size]), size
    for mine, other in zip(ours["per_class"], theirs["per_class"], strict=True):
        assert mine["class"] == other["class"]
        assert same(mine["ap"], other["ap"])


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), threshold=st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_curves_are_those_of_pycocotools(seed, threshold):
    """At one threshold: our curve read at their 101 levels of recall, and the last recall."""
    found, predicted = draw(seed)
    run = coco_eval(found, predicted)
    run.params.iouThrs = np.array([threshold])
    with contextlib.redirect_stdout(io.StringIO()):
        run.evaluate()
        run.accumulate()
    for name, curve in curves(found, predicted, replace(COCO50, thresholds=(threshold,))).items():
        k = found.categories.index(name)
        envelope = np.append(np.maximum.accumulate(curve.precision[::-1])[::-1], 0)
        scores = np.append(curve.scores, 0)
        at = np.searchsorted(curve.recall, run.params.recThrs)
        np.testing.assert_allclose(envelope[at], run.eval["precision"][0, :, k, 0, -1], atol=1e-12)
        np.testing.assert_array_equal(scores[at][1:], run.eval["scores"][0, 1:, k, 0, -1])
        assert curve.recall[-1:].sum() == run.eval["recall"][0, k, 0, -1]


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_101_points_are_near_the_exact_area(seed):
    rng = np.random.default_rng(seed)
    hits = rng.random(300) < np.linspace(0.95, 0.1, 300)
    exact, points = (average_precision(hits, 200, points) for points in (None, 101))
    assert points == pytest.approx(exact, abs=1 / 101), "a step of recall is read at its better end"


def test_more_than_a_hundred_predictions():
    found, _ = draw(1, images=1, classes=1)
    rng = np.random.default_rng(1)
    begin = rng.integers(0, 200, (150, 2))
    boxes = np.concatenate([begin, begin + rng.integers(4, 50, (150, 2))], axis=1)
    rows = [(tuple(box), 0, float(score)) for box, score in zip(boxes, rng.random(150), strict=True)]
    true = [(tuple(box), 0) for box in boxes[:40]]
    found, predicted = truth(true, classes=1, size=(256, 256)), guess(rows, size=(256, 256))
    assert evaluate(found, predicted, COCO)["predictions"] == 100
    assert evaluate(found, predicted, COCO)["ap"] == pytest.approx(coco_evaluate(found, predicted)["ap"], abs=1e-12)
    assert evaluate(found, predicted, replace(COCO, most=None))["ap"] != evaluate(found, predicted, COCO)["ap"]


def test_by_hand():
    found = truth([(A, 0), (B, 0)], [(A, 1)], classes=3)
    result = coco_evaluate(found, guess([(A, 0, 0.9)], [((0, 0, 40, 30), 1, 0.5)]))
    half = 51 / 101  # of 101 levels of recall
    assert result["ap50"] == pytest.approx((half + 1) / 2)
    assert result["ap"] == pytest.approx((half + 6 / 10) / 2), "IoU 0.75 is enough for 0.5 to 0.75"
    assert result["per_class"][2] == {"class": "c", "ap": None, "ap50": None}
    assert (result["small"], result["large"]) == (None, None)
    assert result["ar_100"] == pytest.approx((1 / 2 + 6 / 10) / 2)


def test_without_predictions():
    result = coco_evaluate(truth([(A, 0)]), guess([]))
    assert (result["ap"], result["ar_100"]) == (0, 0)
    assert evaluate(truth([(A, 0)]), guess([]), COCO)["ap"] == 0


def test_without_truth():
    assert coco_evaluate(truth([], []), guess([(A, 0, 0.5)], []))["ap"] is None


def test_predictions_of_something_else():
    with pytest.raises(ValueError, match="of 2 images, but truth of 1"):
        coco_evaluate(truth([(A, 0)]), guess([], []))


def test_pycocotools_missing_says_what_to_install(monkeypatch):
    original = builtins.__import__

    def without(name, *rest, **kwargs):
        if name.startswith("pycocotools"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return original(name, *rest, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match="pip install pycocotools"):
        coco_evaluate(truth([(A, 0)]), guess([]))
