from dataclasses import replace

import numpy as np
import pytest

from mbhelpers.evaluation import detection_compare
from mbhelpers.evaluation.detection import COCO, COCO50, ST, evaluate, st_exact
from mbhelpers.evaluation.detection_compare import ap_interval, compare_detections, resampled_aps
from mbhelpers.evaluation.detection_match import pair

from .boxes import draw, guess, truth

A, B = (0, 0, 40, 40), (60, 60, 100, 100)


@pytest.mark.parametrize("protocol", [ST, COCO50, COCO, st_exact(96, 96)], ids=["st", "coco50", "coco", "st exact"])
def test_a_weight_is_an_image_that_counts_so_often(protocol):
    found, predicted = draw(4, ties=False)
    weights = np.random.default_rng(0).integers(0, 4, (len(found), 8))
    got = resampled_aps(found, pair(found, predicted, protocol), protocol, weights)
    for column, ap in zip(weights.T, got, strict=True):
        images = np.repeat(np.arange(len(found)), column)
        wanted = evaluate(found.select(images), predicted.select(images), protocol)["ap"]
        assert ap == pytest.approx(wanted, abs=1e-12)


def test_blocks_change_nothing(monkeypatch):
    found, predicted = draw(4)
    weights = np.random.default_rng(0).integers(0, 4, (len(found), 9))
    whole = resampled_aps(found, pair(found, predicted, ST), ST, weights)
    monkeypatch.setattr(detection_compare, "_BLOCK", 30)
    np.testing.assert_array_equal(resampled_aps(found, pair(found, predicted, ST), ST, weights), whole)


def test_sets_without_truth_are_not_defined():
    found, predicted = truth([(A, 0)], []), guess([(A, 0, 0.9)], [])
    got = resampled_aps(found, pair(found, predicted, ST), ST, np.array([[2, 0], [0, 2]]))
    np.testing.assert_array_equal(got, [1, np.nan])


def test_a_model_differs_from_itself_by_nothing():
    found, predicted = draw(5)
    result = compare_detections(found, predicted, predicted, repeats=50)
    assert (result["difference"], result["interval"], result["inside_noise"]) == (0, (0, 0), True)
    assert result["first"] == evaluate(found, predicted)["ap"]
    assert (result["n"], result["repeats"], result["seed"]) == (12, 50, 2026)


def shaken(predicted, pixels: float, seed: int = 0):
    """Corners moved by a normal number of pixels of 256."""
    moved = predicted.boxes + np.random.default_rng(seed).normal(0, pixels / 256, predicted.boxes.shape)
    ordered = np.concatenate([np.minimum(moved[:, :2], moved[:, 2:]), np.maximum(moved[:, :2], moved[:, 2:])], axis=1)
    return replace(predicted, boxes=ordered.astype(np.float32))


def test_a_clear_loss_is_outside_the_noise_and_a_slight_one_inside():
    found, predicted = draw(6, images=60, ties=False)
    clear = compare_detections(found, predicted, shaken(predicted, 16), COCO50, repeats=200)
    assert clear["difference"] < 0
    assert clear["interval"][0] < clear["difference"] < clear["interval"][1] < 0
    assert not clear["inside_noise"]
    slight = compare_detections(found, predicted, shaken(predicted, 1), COCO50, repeats=200)
    assert slight["inside_noise"]
    back = compare_detections(found, shaken(predicted, 16), predicted, COCO50, repeats=200)
    assert back["interval"] == pytest.approx((-clear["interval"][1], -clear["interval"][0])), "second minus first"


def test_pairing_narrows_the_interval():
    """The same images for both: what is hard for one is hard for the other."""
    found, predicted = draw(7, images=60, ties=False)
    other = shaken(predicted, 2)
    weights = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60), (2, 300)).transpose(0, 2, 1)
    pairs = [pair(found, one, ST) for one in (predicted, other)]
    apart = resampled_aps(found, pairs[1], ST, weights[1]) - resampled_aps(found, pairs[0], ST, weights[0])
    low, high = compare_detections(found, predicted, other, repeats=300)["interval"]
    assert high - low < 0.8 * np.diff(np.quantile(apart, (0.025, 0.975)))[0]


def test_the_seed_decides():
    found, predicted = draw(8)
    other = shaken(predicted, 6)
    runs = [compare_detections(found, predicted, other, repeats=40, seed=seed)["interval"] for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_the_interval_covers():
    """Of many sets of 100 images of one kind, about 95 % of the intervals hold the difference over all sets."""
    found, predicted = draw(9, images=4000, classes=1, ties=False)
    other = shaken(predicted, 5)
    whole = evaluate(found, other)["ap"] - evaluate(found, predicted)["ap"]
    inside = 0
    for some in np.arange(4000).reshape(40, 100):
        parts = (part.select(some) for part in (found, predicted, other))
        low, high = compare_detections(*parts, repeats=200)["interval"]
        inside += low <= whole <= high
    assert 34 <= inside <= 40


@pytest.mark.parametrize(
    ("arguments", "says", "why"),
    [
        ((truth([], []), guess([], []), guess([], [])), "no true box in 2 images", "no truth"),
        ((truth([(A, 0)]), guess([]), guess([], [])), "of 2 images, but truth of 1", "the second is of other images"),
        ((truth([(A, 0)]), guess([(A, 5, 0.1)]), guess([])), "label 5 is no category", "the first has other classes"),
    ],
)
def test_what_cannot_be_compared(arguments, says, why):
    with pytest.raises(ValueError, match=says):
        compare_detections(*arguments)


def test_no_repeats():
    with pytest.raises(ValueError, match="0 repeats"):
        compare_detections(truth([(A, 0)]), guess([]), guess([]), repeats=0)


def test_the_interval_of_one_is_around_its_ap():
    found, predicted = draw(10, images=80)
    low, high = ap_interval(found, predicted, repeats=300)
    assert low < evaluate(found, predicted)["ap"] < high
    assert ap_interval(found, predicted, repeats=300, confidence=0.5)[0] > low
    with pytest.raises(ValueError, match="no true box in 2 images"):
        ap_interval(truth([], []), guess([], []))
