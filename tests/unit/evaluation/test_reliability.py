import json

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import f1_score, precision_score, recall_score

from mbhelpers.evaluation import reliability
from mbhelpers.evaluation.intervals import wilson
from mbhelpers.evaluation.reliability import (
    BINS,
    calibration,
    calibration_of,
    confidences,
    reliability_bins,
    score_summary,
    threshold_curve,
)


def summary_of(shares: np.ndarray) -> np.ndarray:
    """Of two classes, the first of which is the answer."""
    return score_summary(np.stack([shares, 1 - shares], axis=1))


def outcomes(shares: np.ndarray, off: float, seed: int = 0) -> np.ndarray:
    """Right as often as the shares say, less `off`."""
    return np.random.default_rng(seed).random(len(shares)) < shares - off


def some_shares(n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5, 1, n)


LOGITS = np.array([[2.0, -1.0, 0.5], [0.1, 0.2, 3.0]])


@pytest.mark.parametrize(
    ("scores", "sure", "origin", "why"),
    [
        ([[0.7, 0.2, 0.1]], [0.7], "the scores", "a softmax"),
        ([[255 / 256, 0, 0]], [255 / 256], "the scores", "8 bits never say 1"),
        (LOGITS, [np.exp(2) / np.exp(LOGITS[0]).sum(), np.exp(3) / np.exp(LOGITS[1]).sum()], "softmax", "logits"),
        (np.log([[0.7, 0.2, 0.1]]), [0.7], "softmax", "logarithms"),
        ([[1e4, -1e4]], [1.0], "softmax", "no overflow"),
        ([[0.9, 0.8, 0.7]], None, "add up to 2.4 to 2.4", "three sigmoids"),
        ([[200.0, 30.0, 20.0]], None, "neither shares of 1 nor logits", "raw bytes"),
    ],
)
def test_confidences(scores, sure, origin, why):
    found, said = confidences(score_summary(np.array(scores)))
    assert origin in said, why
    if sure is None:
        assert found is None, why
        told = calibration(np.array(scores), np.array([0]))
        assert told == {"n": 1, "ece": None, "reason": said}
    else:
        assert found == pytest.approx(sure), why


def test_bins_are_scikit_learns():
    shares = np.append(some_shares(300), [0.6, 1.0, 0.8])  # two lie on edges
    right = outcomes(shares, 0.1)
    accuracy, sure = calibration_curve(right, shares, n_bins=BINS)
    found = reliability_bins(shares, right)
    assert [entry["accuracy"] for entry in found] == pytest.approx(accuracy.tolist())
    assert [entry["confidence"] for entry in found] == pytest.approx(sure.tolist())
    assert sum(entry["n"] for entry in found) == 303
    assert all(entry["low"] <= entry["confidence"] <= entry["high"] for entry in found)
    first = found[0]
    assert first["interval"] == wilson(round(first["accuracy"] * first["n"]), first["n"])


def test_ece_by_hand():
    shares = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    right = np.array([True, True, True, False, True, True])
    # four at 0.95, three of them right: off by 0.20; two at 0.55, both right: off by 0.45
    found = calibration_of(summary_of(shares), right)
    assert found["ece"] == pytest.approx((4 * 0.20 + 2 * 0.45) / 6)
    assert (found["n"], found["accuracy"], found["mean_confidence"]) == (
        6,
        pytest.approx(5 / 6),
        pytest.approx(4.9 / 6),
    )
    assert [entry["n"] for entry in found["bins"]] == [2, 4]
    json.dumps(found, allow_nan=False)


def test_a_calibrated_model_is_not_told_off():
    shares = some_shares(3000)
    accused = [calibration_of(summary_of(shares), outcomes(shares, 0, seed), repeats=200) for seed in range(20)]
    assert sum(found["interval"][0] > 0 for found in accused) <= 3, "5 % of 20 is one"
    assert all(found["ece"] > 0.005 for found in accused), "chance alone makes an ECE"
    assert 0.015 < np.mean([found["by_chance"] for found in accused]) < 0.05


def test_the_interval_holds_the_truth():
    """The truth is 0.1 exactly: every image is right as often as it says, less a tenth."""
    shares = some_shares(1500)
    found = [calibration_of(summary_of(shares), outcomes(shares, 0.1, seed), repeats=200) for seed in range(20)]
    assert sum(one["interval"][0] <= 0.1 <= one["interval"][1] for one in found) >= 16
    assert all(one["interval"][0] <= one["ece"] <= one["interval"][1] for one in found)


def test_equal_scores_are_one_kind():
    """As 8-bit outputs have them; the figures are those of images one by one."""
    shares = np.round(256 * some_shares(500)) / 256
    right = outcomes(shares, 0.1)
    found = calibration_of(summary_of(shares), right)
    place = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], shares)
    assert found["ece"] == pytest.approx(np.abs(np.bincount(place, right - shares)).sum() / 500)


def test_blocks_bound_the_memory(monkeypatch):
    shares = some_shares(400)
    whole = calibration_of(summary_of(shares), outcomes(shares, 0.1), repeats=400)
    monkeypatch.setattr(reliability, "_BLOCK", 4000)
    parts = calibration_of(summary_of(shares), outcomes(shares, 0.1), repeats=400)
    assert parts["ece"] == whole["ece"]
    assert parts["interval"] == pytest.approx(whole["interval"], abs=0.01), "other draws, of the same kind"


CLASSES = ("notperson", "person")


def binary(n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, n)
    shares = np.clip(rng.normal(0.3 + 0.25 * labels, 0.15), 0, 1).astype(np.float32)
    return np.stack([1 - shares, shares], axis=1), labels


def test_thresholds_are_scikit_learns():
    scores, labels = binary()
    found = threshold_curve(scores, labels, CLASSES)
    assert (found["positive"], found["n"], found["positives"]) == ("person", 400, int(labels.sum()))
    usual, best, curve = found["default"], found["best"], found["curve"]
    for point, answer in ((usual, scores[:, 1] > 0.5), (best, scores[:, 1] >= best["threshold"])):
        assert point["precision"] == pytest.approx(precision_score(labels, answer))
        assert point["recall"] == pytest.approx(recall_score(labels, answer))
        assert point["f1"] == pytest.approx(f1_score(labels, answer))
    every = [f1_score(labels, scores[:, 1] >= cut) for cut in np.unique(scores[:, 1])]
    assert best["f1"] == pytest.approx(max(every)) and best["f1"] > usual["f1"]
    assert max(curve["f1"]) == best["f1"] and len(curve["f1"]) <= 201
    assert curve["threshold"] == sorted(curve["threshold"]) and curve["recall"][0] == 1
    json.dumps(found, allow_nan=False)


def test_thresholds_of_logits_are_those_of_their_softmax():
    scores, labels = binary()
    scores = np.clip(scores, 0.01, 0.99)
    from_logits = threshold_curve(np.log(scores), labels, CLASSES)
    assert from_logits["best"] == pytest.approx(threshold_curve(scores, labels, CLASSES)["best"], abs=1e-6)


@pytest.mark.parametrize(
    ("scores", "labels", "reason", "why"),
    [
        ([[0.4, 0.6], [0.3, 0.7]], [1, 1], "all of one class", "no precision to speak of"),
        ([[3.0, 9.0], [8.0, 1.0]], [1, 0], "neither shares of 1 nor logits", "counts of votes"),
    ],
)
def test_where_there_is_no_curve(scores, labels, reason, why):
    found = threshold_curve(np.array(scores), np.array(labels), CLASSES)
    assert reason in found["reason"] and "curve" not in found, why


def test_thresholds_are_for_two_classes():
    with pytest.raises(ValueError, match="a threshold parts two classes, not 3"):
        threshold_curve(np.eye(3), np.arange(3), ("a", "b", "c"))
