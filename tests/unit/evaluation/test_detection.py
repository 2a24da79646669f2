"""Average precision: by hand, by a plain loop, and at the edges."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mbhelpers.evaluation import detection_match
from mbhelpers.evaluation.detection import (
    COCO,
    COCO50,
    ST,
    Curve,
    average_precision,
    best_f1,
    curves,
    evaluate,
    f1_scores,
    pooled_curve,
    st_exact,
    verdicts,
)
from mbhelpers.evaluation.detection_match import Protocol

from .boxes import draw, guess, truth

A, B, FAR = (0, 0, 40, 40), (60, 60, 100, 100), (100, 0, 120, 20)
NEAR_A = (0, 0, 40, 30)  # IoU 0.75 with A


@pytest.mark.parametrize(
    ("boxes", "ap", "why"),
    [
        ([(A, 0, 0.9), (B, 0, 0.8)], 1, "both found"),
        ([(A, 0, 0.9)], 1 / 2, "one of two, nothing false"),
        ([], 0, "nothing predicted"),
        ([(FAR, 0, 0.9)], 0, "nothing found"),
        ([(FAR, 0, 0.9), (A, 0, 0.8), (B, 0, 0.7)], 2 / 3, "recall 1/2 at 1/2, but 2/3 comes later"),
        ([(A, 0, 0.9), (FAR, 0, 0.8), (B, 0, 0.7)], 1 / 2 + 1 / 2 * 2 / 3, "recall 1/2 at 1, then 2/3"),
        ([(A, 0, 0.9), (FAR, 0, 0.1), (B, 0, 0.7)], 1, "false, but after both: order is by score"),
        ([(A, 0, 0.9), (NEAR_A, 0, 0.8), (B, 0, 0.7)], 5 / 6, "a double is false"),
        ([(NEAR_A, 0, 0.9), (A, 0, 0.8), (B, 0, 0.7)], 5 / 6, "the surer is true, although the other fits better"),
        ([(A, 1, 0.9), (B, 0, 0.7)], 1 / 2, "of another class"),
    ],
)
def test_st_by_hand(boxes, ap, why):
    result = evaluate(truth([(A, 0), (B, 0)]), guess(boxes), ST)
    assert result["ap"] == pytest.approx(ap, abs=1e-12), why
    assert result["per_class"][0]["ap"] == result["ap"]
    assert result["per_class"][1] == {"class": "b", "truths": 0, "predictions": sum(c for _, c, _ in boxes), "ap": None}


def test_the_mean_is_over_classes_that_have_a_truth():
    found = truth([(A, 0)], [(B, 1)], classes=3)
    result = evaluate(found, guess([(A, 0, 0.9)], [(B, 2, 0.9)]))
    assert [one["ap"] for one in result["per_class"]] == [1, 0, None]
    assert result["ap"] == 0.5
    assert (result["images"], result["truths"], result["predictions"]) == (2, 2, 2)


def test_scores_are_ordered_over_all_images_and_equals_stay_in_order():
    found = truth([(A, 0)], [(A, 0)])
    late = guess([(FAR, 0, 0.9), (A, 0, 0.5)], [(A, 0, 0.7)])
    assert evaluate(found, late)["ap"] == pytest.approx(2 / 3)
    equal = guess([(A, 0, 0.5), (FAR, 0, 0.5)], [(A, 0, 0.5)])
    assert evaluate(found, equal)["ap"] == pytest.approx(1 / 2 + 1 / 2 * 2 / 3), "true, false, true"


@pytest.mark.parametrize(
    ("protocol", "finds", "why"),
    [
        (ST, [0, -1], "both overlap the first best, so the second prediction is a double"),
        (COCO50, [0, 1], "the second takes what is left"),
    ],
)
def test_best_and_greedy_part_where_two_want_one(protocol, finds, why):
    found = truth([((0, 0, 40, 40), 0), ((8, 0, 48, 40), 0)])  # IoU 2/3
    predicted = guess([((0, 0, 40, 40), 0, 0.9), ((2, 0, 42, 40), 0, 0.8)])
    assert verdicts(found, predicted, protocol).tolist() == finds, why


def test_verdicts_stand_where_the_predictions_stood():
    found = truth([(A, 0), (B, 1)], [(A, 0)])
    predicted = guess([(FAR, 0, 0.99), (B, 1, 0.2), (A, 0, 0.5)], [(A, 0, 0.7)])
    assert verdicts(found, predicted).tolist() == [-1, 1, 0, 2]


@pytest.mark.parametrize(
    ("box", "protocol", "hit", "why"),
    [
        ((0, 0, 10, 4), replace(ST, thresholds=(0.4,)), True, "IoU 4/10 is enough"),
        ((0, 0, 10, 4), replace(ST, thresholds=(0.41,)), False, "and no more than that"),
        ((0, 0, 10, 4), replace(ST, thresholds=(0.45,), plus_one=True), True, "11 * 5 of 11 * 11 is 0.4545"),
        ((0, 0, 10, 4), replace(ST, thresholds=(0.46,), plus_one=True), False, "and no more than that"),
        ((0, 0, 10, 4), replace(st_exact(64, 64), thresholds=(0.45,)), True, "6 * 3 of 6 * 6, in pixels of the input"),
        ((0, 0, 10, 4), replace(st_exact(64, 64), thresholds=(0.501,)), False, "which is half"),
        ((10, 0, 20, 10), replace(ST, thresholds=(0.04,), plus_one=True), True, "touching: 11 of 231 are common"),
        ((10.5, 0, 20, 10), replace(ST, thresholds=(0.001,), plus_one=True), False, "half a pixel apart"),
        ((10, 0, 20, 10), replace(ST, thresholds=(0.001,)), False, "touching is nothing without the pixel"),
        ((0, 0, 10, 10), replace(ST, thresholds=(1.0,)), True, "the same box"),
    ],
)
def test_overlap(box, protocol, hit, why):
    found = truth([((0, 0, 10, 10), 0)])
    assert (verdicts(found, guess([(box, 0, 0.5)]), protocol)[0] == 0) == hit, why


def plain_st(found, predicted, protocol) -> list[float | None]:
    """ST's protocol in words: one prediction after the other, by falling score."""
    size, extra = np.array(protocol.grid if protocol.grid else found.sizes[0]), float(protocol.plus_one)

    def iou(a, b):
        a, b = (box.astype(float) * np.tile(size, 2) for box in (a, b))
        sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
        common = (sides + extra).prod() if (sides >= 0).all() else 0
        union = (a[2:] - a[:2] + extra).prod() + (b[2:] - b[:2] + extra).prod() - common
        return common / union if union else 0

    aps = []
    for k in range(len(found.categories)):
        total, taken, hits = int((found.labels == k).sum()), set(), []
        mine = np.flatnonzero(predicted.labels == k)
        for p in sorted(mine, key=lambda p: -predicted.scores[p]):
            there = found.of(predicted.image_of[p])
            rivals = [(iou(predicted.boxes[p], found.boxes[t]), -t) for t in range(there.start, there.stop)
                      if found.labels[t] == k]  # fmt: skip
            best, minus = max(rivals, default=(0, 0))
            hits.append(best >= protocol.thresholds[0] and minus not in taken)
            if hits[-1]:
                taken.add(minus)
        area, level = 0.0, 0.0
        for at in reversed(range(len(hits))):
            level = max(level, sum(hits[: at + 1]) / (at + 1))
            area += level * hits[at]
        aps.append(area / total if total else None)
    return aps


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), exact=st.booleans())
def test_st_equals_a_plain_loop(seed, exact):
    found, predicted = draw(seed)
    protocol = st_exact(192, 224) if exact else ST
    got = [one["ap"] for one in evaluate(found, predicted, protocol)["per_class"]]
    assert got == [
        one if one is None else pytest.approx(one, abs=1e-12) for one in plain_st(found, predicted, protocol)
    ]


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), protocol=st.sampled_from([ST, COCO50]))
def test_what_must_hold_of_any_ap(seed, protocol):
    found, predicted = draw(seed, ties=False)
    ap = evaluate(found, predicted, protocol)["ap"]
    assert 0 <= ap <= 1
    scaled = replace(predicted, scores=predicted.scores**3 / 7)
    assert evaluate(found, scaled, protocol)["ap"] == ap, "only the order of scores counts"
    order = np.random.default_rng(seed).permutation(len(found))
    mixed = evaluate(found.select(order), predicted.select(order), protocol)["ap"]
    assert mixed == pytest.approx(ap, abs=1e-12), "nor does the order of images"
    worse = replace(predicted, labels=predicted.labels.copy())
    hit = verdicts(found, predicted, protocol) >= 0
    worse.labels[hit] = (worse.labels[hit] + 1) % 3
    if hit.any() and protocol is ST:
        assert evaluate(found, worse, protocol)["ap"] < ap


def test_blocks_change_nothing(monkeypatch):
    found, predicted = draw(3, images=30)
    whole = evaluate(found, predicted, COCO)
    for size in (1, 7):
        monkeypatch.setattr(detection_match, "_BLOCK", size)
        assert evaluate(found, predicted, COCO) == whole


def test_only_the_best_of_an_image_and_class_count():
    found = truth([(A, 0), (B, 1)])
    predicted = guess([(FAR, 0, 0.9), (A, 0, 0.8), (B, 1, 0.7)])
    assert evaluate(found, predicted, replace(ST, most=1))["ap"] == 0.5, "A is second in its class"
    assert evaluate(found, predicted, replace(ST, most=2))["ap"] == pytest.approx(0.75)
    assert verdicts(found, predicted, replace(ST, most=1)).tolist() == [-1, -1, 1]


@pytest.mark.parametrize(
    ("protocol", "ap", "truths", "why"),
    [
        (
            ST,
            1 / 2 + 1 / 2 * 1 / 2,
            2,
            "a truth like others: the small box in it is false, found at last by the large one",
        ),
        (COCO50, 1, 1, "not asked for, and what lies in it is not false"),
    ],
)
def test_crowds(protocol, ap, truths, why):
    found = truth([(A, 0), ((60, 60, 120, 120), 0)], crowd=[1])
    boxes = [(A, 0, 0.9), ((60, 60, 80, 80), 0, 0.8), ((80, 80, 100, 100), 0, 0.7), ((60, 60, 120, 120), 0, 0.6)]
    result = evaluate(found, guess(boxes), protocol)
    assert (result["ap"], result["truths"]) == (pytest.approx(ap), truths), why


def test_sizes():
    small, medium = (0, 0, 20, 20), (30, 30, 80, 80)
    found = truth([(small, 0), (medium, 0)])
    predicted = guess([(small, 0, 0.5), ((90, 90, 127, 127), 0, 0.9)])
    result = evaluate(found, predicted)
    assert result["by_size"] == {"small": 1, "medium": 0, "large": None}
    assert result["ap"] == pytest.approx(1 / 2 * 1 / 2)
    spoilt = guess([(small, 0, 0.5), ((100, 100, 120, 120), 0, 0.9)])
    assert evaluate(found, spoilt)["by_size"]["small"] == 0.5, "a false box of its size"
    segment = replace(found, areas=np.array([400.0, 1000.0]))
    assert evaluate(segment, predicted)["by_size"]["small"] == 0.5, "the object's area counts, not its box's"


@pytest.mark.parametrize(
    ("hits", "truths", "points", "ap", "why"),
    [
        ([], 3, None, 0, "no prediction"),
        ([], 3, 101, 0, "no prediction"),
        ([True], 1, None, 1, "found"),
        ([True], 2, 101, 51 / 101, "levels 0 to 0.5 are reached, both included"),
        ([True], 2, 11, 6 / 11, "PASCAL VOC's eleven"),
        ([False, True, True, False], 2, None, 2 / 3, "2/3 at recall 1 covers all"),
        ([False, True, True, False], 2, 11, 2 / 3, "in levels, too"),
    ],
)
def test_average_precision(hits, truths, points, ap, why):
    assert average_precision(np.array(hits, bool), truths, points) == pytest.approx(ap), why


def test_curves():
    found = truth([(A, 0), (B, 0)], [(A, 1)], classes=3)
    predicted = guess([(A, 0, 0.9), (FAR, 0, 0.8), (B, 0, 0.7)], [(B, 2, 0.95)])
    got = curves(found, predicted)
    assert list(got) == ["a", "b"], "c has no truth"
    np.testing.assert_allclose(got["a"].precision, [1, 1 / 2, 2 / 3])
    np.testing.assert_allclose(got["a"].recall, [1 / 2, 1 / 2, 1])
    assert got["a"].scores.tolist() == [0.9, 0.8, 0.7]
    assert (len(got["b"].scores), got["b"].truths) == (0, 1)
    aps = {one["class"]: one["ap"] for one in evaluate(found, predicted)["per_class"]}
    assert [got[name].ap for name in "ab"] == pytest.approx([aps["a"], aps["b"]])
    pooled = pooled_curve(found, predicted)
    assert pooled.scores.tolist() == [0.95, 0.9, 0.8, 0.7]
    np.testing.assert_allclose(pooled.precision, [0, 1 / 2, 1 / 3, 1 / 2])
    np.testing.assert_allclose(pooled.recall, [0, 1 / 3, 1 / 3, 2 / 3])


def test_a_curve_leaves_out_what_lies_in_a_crowd():
    found = truth([(A, 0), (B, 0)], crowd=[1])
    curve = curves(found, guess([(B, 0, 0.9), (A, 0, 0.5)]), COCO50)["a"]
    assert (curve.scores.tolist(), curve.precision.tolist(), curve.truths) == ([0.5], [1.0], 1)


@pytest.mark.parametrize(
    ("scores", "hits", "threshold", "f1", "why"),
    [
        ([0.9, 0.8, 0.7], [1, 1, 0], 0.8, 2 * 1 * (2 / 3) / (5 / 3), "before the false one"),
        ([0.9, 0.8, 0.7], [0, 1, 1], 0.7, 2 / 3, "all"),
        ([0.9, 0.8, 0.8, 0.8], [1, 1, 0, 0], 0.8, 4 / 7, "equal scores stay together: two false ones come along"),
        ([0.9, 0.5, 0.4, 0.3], [1, 0, 0, 1], 0.3, 4 / 7, "1/2 at the first, 4/7 at the last"),
        ([0.9, 0.6, 0.5, 0.4, 0.3], [1, 0, 0, 0, 1], 0.9, 1 / 2, "equal F1: the higher score, with fewer boxes"),
    ],
)
def test_best_f1(scores, hits, threshold, f1, why):
    true = np.cumsum(hits)
    curve = Curve(np.array(scores), true / np.arange(1, len(hits) + 1), true / 3, 3)
    got = best_f1(curve)
    assert (got["threshold"], got["f1"]) == (threshold, pytest.approx(f1)), why
    kept = np.array(scores) >= threshold
    assert got["precision"] == pytest.approx(np.array(hits)[kept].mean())
    assert got["recall"] == pytest.approx(np.array(hits)[kept].sum() / 3)


def test_f1_is_zero_before_the_first_hit():
    curve = Curve(np.array([0.9, 0.8]), np.array([0, 0.5]), np.array([0, 1.0]), 1)
    assert f1_scores(curve).tolist() == [0, pytest.approx(2 / 3)]


# ---- The edges

NOTHING = guess([], [])


def test_no_prediction_is_ap_zero_not_an_error():
    found = truth([(A, 0)], [(B, 1)])
    for protocol in (ST, COCO, st_exact(192, 192)):
        result = evaluate(found, NOTHING, protocol)
        assert (result["ap"], result["predictions"]) == (0, 0)
        assert [one["ap"] for one in result["per_class"]] == [0, 0]


@pytest.mark.parametrize("ask", [evaluate, pooled_curve])
@pytest.mark.parametrize(
    ("found", "protocol", "why"),
    [
        (truth([], []), ST, "two images without a box"),
        (truth([(A, 0)], [], crowd=[0]), COCO, "nothing but a crowd, which doesn't count"),
    ],
)
def test_no_truth_is_an_error(ask, found, protocol, why):
    with pytest.raises(ValueError, match=r"no true box in 2 images.*check categories and crowds"):
        ask(found, guess([(A, 0, 0.5)], []), protocol)
    assert curves(found, NOTHING, protocol) == {}, why


def test_no_image_at_all():
    with pytest.raises(ValueError, match="no true box in 0 images"):
        evaluate(truth(), guess())


@pytest.mark.parametrize("protocol", [ST, COCO50], ids=["st", "coco"])
def test_boxes_without_area_find_nothing_and_are_not_found(protocol):
    point, line = (10, 10, 10, 10), (0, 0, 40, 0)
    found = truth([(point, 0), (A, 0)])
    predicted = guess([(point, 0, 0.9), (line, 0, 0.8), (A, 0, 0.7)])
    assert verdicts(found, predicted, protocol).tolist() == [-1, -1, 1]
    assert verdicts(found, predicted, st_exact(128, 128)).tolist() == [0, -1, 1], "one pixel with one pixel added"


@pytest.mark.parametrize(
    ("predicted", "says", "why"),
    [
        (guess([(A, 2, 0.5)], []), "label 2 is no category; the 2 labels", "counted with the background"),
        (guess([(A, -1, 0.5)], []), "label -1 is no category", "a gap in a table of labels"),
        (guess([]), "of 1 images, but truth of 2; predict every image", "one image too few"),
        (guess([], [], []), "of 3 images, but truth of 2", "one too many"),
    ],
)
@pytest.mark.parametrize("ask", [evaluate, curves, pooled_curve, verdicts])
def test_predictions_of_something_else(ask, predicted, says, why):
    with pytest.raises(ValueError, match=says):
        ask(truth([(A, 0)], [(B, 1)]), predicted)


@pytest.mark.parametrize("predicted", [guess([]), guess([(FAR, 0, 0.9)])], ids=["none", "all false"])
def test_no_threshold_without_a_hit(predicted):
    with pytest.raises(ValueError, match="no prediction finds one of 1 truths"):
        best_f1(pooled_curve(truth([(A, 0)]), predicted))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"thresholds": ()}, "thresholds of IoU"),
        ({"thresholds": (0.5, 0.0)}, "above 0 and at most 1"),
        ({"thresholds": (50.0,)}, "above 0 and at most 1"),
        ({"matching": "hungarian"}, "unknown matching 'hungarian'; choose best or greedy"),
    ],
)
def test_a_protocol_that_cannot_be(fields, says):
    with pytest.raises(ValueError, match=says):
        Protocol(**{"thresholds": (0.5,), "matching": "best"} | fields)
