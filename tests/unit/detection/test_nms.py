"""Suppression by hand, and against the same thing written as two loops."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mbhelpers.detection.boxes import iou
from mbhelpers.detection.nms import nms

few = settings(max_examples=40, derandomize=True, deadline=None)

SQUARE, NEAR, FAR = [0, 0, 4, 4], [0, 1, 4, 5], [6, 6, 8, 8]  # NEAR overlaps SQUARE by 12 of 20


def run(boxes, scores, **options):
    kept, labels = nms(np.array(boxes, np.float32), np.array(scores, np.float32), **options)
    assert kept.dtype == labels.dtype == np.int64
    return kept.tolist(), labels.tolist()


@pytest.mark.parametrize(
    ("boxes", "scores", "options", "kept", "labels", "why"),
    [
        ([SQUARE, NEAR, FAR], [[0.8], [0.9], [0.3]], {}, [1, 2], [0, 0], "the better of two that overlap"),
        ([SQUARE, NEAR], [[0.8], [0.9]], {"iou_threshold": 0.6}, [1, 0], [0, 0], "up to the threshold is allowed"),
        ([SQUARE, NEAR], [[0.8], [0.9]], {"iou_threshold": 0.59}, [1], [0], "above it is not"),
        ([SQUARE, NEAR], [[0.5], [0.5]], {}, [0], [0], "equal scores: the lower index"),
        ([FAR, SQUARE], [[0.5], [0.5]], {}, [0, 1], [0, 0], "equal scores: in order of the index"),
        ([SQUARE, NEAR], [[0.8, 0.1], [0.2, 0.9]], {}, [1, 0], [1, 0], "classes don't suppress each other"),
        ([SQUARE], [[0.5, 0.5]], {}, [0, 0], [0, 1], "one box may be of two classes, the lower first"),
        ([SQUARE, FAR], [[0.5], [0.2]], {"score_threshold": 0.2}, [0], [0], "a score must be above the threshold"),
        ([SQUARE, FAR], [[0.0005], [0.0]], {}, [], [], "no detections"),
        ([SQUARE, FAR], [[0.2], [0.5]], {"limit": 1}, [1], [0], "the best ones only"),
        ([SQUARE, FAR], [[0.2, 0.7], [0.5, 0]], {"limit": 2}, [0, 1], [1, 0], "the limit is for all classes together"),
        ([[2, 2, 2, 2]] * 2, [[0.2], [0.5]], {}, [1, 0], [0, 0], "boxes without area overlap nothing"),
        ([[4, 4, 0, 0], SQUARE], [[0.2], [0.5]], {}, [1, 0], [0, 0], "nor do those inside out"),
        (np.zeros((0, 4)), np.zeros((0, 3)), {}, [], [], "no anchors"),
        ([SQUARE], np.zeros((1, 0)), {}, [], [], "no classes"),
        (
            [[0, 0, 4, 4], [0, 1, 4, 5], [0, 2, 4, 6]],
            [[0.9], [0.8], [0.7]],
            {},
            [0, 2],
            [0, 0],
            "what was dropped drops nothing",
        ),
    ],
)
def test_by_hand(boxes, scores, options, kept, labels, why):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run(boxes, scores, **options) == (kept, labels), why


def plain(boxes, scores, score_threshold, iou_threshold, limit):
    found = []
    for label in range(scores.shape[1]):
        order = [k for k in np.argsort(-scores[:, label], kind="stable") if scores[k, label] > score_threshold]
        while order:
            best = order.pop(0)
            found.append((-scores[best, label], best, label))
            order = [k for k in order if iou(boxes[best, None], boxes[k, None])[0, 0] <= iou_threshold]
    found = sorted(found)[:limit]
    return [int(k) for _, k, _ in found], [label for _, _, label in found]


@few
@given(
    seed=st.integers(0, 2**32 - 1),
    number=st.sampled_from([1, 5, 63, 64, 65, 200]),  # around the size of a block
    classes=st.integers(1, 3),
    ties=st.booleans(),
    iou_threshold=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    limit=st.sampled_from([None, 1, 7, 70]),
)
def test_the_same_boxes_as_two_loops(seed, number, classes, ties, iou_threshold, limit):
    rng = np.random.default_rng(seed)
    corner, size = rng.random((2, number, 2))
    boxes = np.concatenate([corner, corner + 0.5 * size], axis=1).astype(np.float32)
    scores = rng.random((number, classes)).astype(np.float32)
    if ties:
        boxes, scores = boxes.round(1), scores.round(1)
    wanted = plain(boxes, scores, 0.05, iou_threshold, limit)
    assert run(boxes, scores, score_threshold=0.05, iou_threshold=iou_threshold, limit=limit) == wanted


@pytest.mark.parametrize(
    ("boxes", "scores", "options", "message"),
    [
        ([SQUARE], [[np.nan]], {}, r"a score is not a number \(NaN\)"),
        ([SQUARE, FAR], [[0.5, 0.1], [0.2, np.nan]], {}, r"a score is not a number \(NaN\)"),
        ([[0, 0, np.nan, 1]], [[0.5]], {}, "a box with a score above the threshold is not finite"),
        ([[0, 0, np.inf, 1]], [[0.5]], {}, "a box with a score above the threshold is not finite"),
        ([SQUARE], [0.5], {}, r"must be \(NA, 4\) and scores \(NA, C\), not \(1, 4\) and \(1,\)"),
        ([SQUARE, FAR], [[0.5]], {}, r"not \(2, 4\) and \(1, 1\)"),
        ([[0, 0, 1]], [[0.5]], {}, r"not \(1, 3\) and \(1, 1\)"),
        ([SQUARE], [[0.5]], {"iou_threshold": 50}, "iou_threshold is a share, 0 to 1, not 50"),
        ([SQUARE], [[0.5]], {"limit": 0}, "limit must be one or more, or None for all detections, not 0"),
    ],
)
def test_refusals(boxes, scores, options, message):
    with pytest.raises(ValueError, match=message):
        run(boxes, scores, **options)


def test_inputs_stay_as_they_were():
    rng = np.random.default_rng(1)
    boxes, scores = np.sort(rng.random((300, 4)), axis=1).astype(np.float32), rng.random((300, 2))
    copies = boxes.copy(), scores.copy()
    nms(boxes, scores)
    np.testing.assert_array_equal(boxes, copies[0])
    np.testing.assert_array_equal(scores, copies[1])
