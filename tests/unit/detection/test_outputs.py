"""Every layout, told by names, shapes and contents; whatever could be read in two ways is refused."""

from itertools import permutations

import numpy as np
import pytest

from mbhelpers.detection.anchors import make_anchors
from mbhelpers.detection.codec import encode
from mbhelpers.detection.outputs import Found, Raw, detect, read, suppress

ANCHORS = make_anchors(32)  # 115
ROWS = [7, 60, 114]
BOXES = np.array([[0.1, 0.1, 0.3, 0.5], [0.1, 0.12, 0.3, 0.5], [0.6, 0.5, 0.9, 0.9]], np.float32)
NAMELESS = ["Call:0", "Call:1", "Call:2"]


def tensors(classes=2, codec="corners"):
    """Scores, offsets and anchors of three certain boxes; the first two are all but the same one."""
    scores = np.zeros((1, len(ANCHORS), 1 + classes), np.float32)
    scores[0, :, 0] = 1
    scores[0, ROWS] = 0
    scores[0, ROWS, [1, 1, classes]] = [0.8, 0.9, 0.7]
    offsets = np.zeros((1, len(ANCHORS), 4), np.float32)
    offsets[0, :, 0] = 2  # the rest is inside out
    offsets[0, ROWS] = encode(BOXES, ANCHORS[ROWS], codec)
    return [scores, offsets, ANCHORS[None]]


def processed(names=("boxes", "classes", "scores", "num_detections"), count=2):
    boxes = np.array([[[0.5, 0.6, 0.9, 0.9], [0.1, 0.1, 0.5, 0.3], [9, 9, 9, 9]]], np.float32)  # yxyx
    contents = [boxes, [[1.0, 0.0, 0.0]], [[0.7, 0.9, 0.0]], [float(count)]]
    return [(name, np.array(content, np.float32)) for name, content in zip(names, contents, strict=True)]


def assert_reads(raw, classes=2):
    assert isinstance(raw, Raw)
    assert raw.scores.shape == (115, classes)
    assert raw.boxes.dtype == raw.scores.dtype == np.float32
    np.testing.assert_allclose(raw.boxes[ROWS], BOXES, atol=1e-6)
    np.testing.assert_array_equal(raw.scores[ROWS].max(axis=1), np.array([0.8, 0.9, 0.7], np.float32))
    np.testing.assert_array_equal(raw.anchors, ANCHORS)


@pytest.mark.parametrize("order", permutations(range(3)))
@pytest.mark.parametrize("classes", [1, 2, 80])
def test_three_tensors_in_any_order(order, classes):
    made = tensors(classes)
    assert_reads(read([(NAMELESS[k], made[k]) for k in order]), classes)


@pytest.mark.parametrize("order", permutations(range(3)))
def test_names_decide_where_all_have_four_columns(order):
    made, names = tensors(3), ["class_scores", "box_offsets", "anchor_boxes"]
    assert_reads(read([(names[k], made[k]) for k in order]), 3)


@pytest.mark.parametrize("classes", [1, 2, 3, 80])
def test_one_tensor(classes):
    assert_reads(read([("detections", np.concatenate(tensors(classes), axis=2))]), classes)


@pytest.mark.parametrize("layout", ["three", "one"])
def test_scores_without_background_where_the_number_of_classes_says_so(layout):
    scores, offsets, anchors = tensors(2)
    made = [scores[:, :, 1:], offsets, anchors]
    outputs = list(zip(NAMELESS, made, strict=True))
    if layout == "one":
        outputs = [("detections", np.concatenate(made, axis=2))]
    assert_reads(read(outputs, classes=2))


def test_other_codecs_and_other_anchors():
    made = tensors(codec="centre")
    made[1][0, [0, 1], 2] = 0.1
    names = ["scores", "offsets", "anchors"]
    assert_reads(read(list(zip(names, made, strict=True)), codec="centre"))
    rounded = [*tensors()[:2], ANCHORS[None].round(2)]
    outputs = list(zip(names, rounded, strict=True))
    assert_reads(read(outputs, anchors=ANCHORS))
    assert np.abs(read(outputs).boxes[ROWS] - BOXES).max() > 1e-3


@pytest.mark.parametrize(
    ("options", "labels", "scores"),
    [
        ({}, [0, 1], [0.9, 0.7]),
        ({"iou_threshold": 0.99}, [0, 0, 1], [0.9, 0.8, 0.7]),
        ({"limit": 1}, [0], [0.9]),
        ({"score_threshold": 0.75}, [0], [0.9]),
        ({"score_threshold": 0.95}, [], []),
    ],
)
def test_detect(options, labels, scores):
    found = detect(list(zip(NAMELESS, tensors(), strict=True)), **options)
    assert found.labels.tolist() == labels
    np.testing.assert_allclose(found.scores, scores)
    assert found.boxes.shape == (len(found), 4) == (len(labels), 4)
    if "iou_threshold" not in options:
        np.testing.assert_allclose(found.boxes, BOXES[1:][: len(found)], atol=1e-6)


@pytest.mark.parametrize("order", permutations(range(4)))
@pytest.mark.parametrize(
    "names",
    [
        ("detection_boxes", "detection_classes", "detection_scores", "num_detections"),
        tuple(f"TFLite_Detection_PostProcess{tail}" for tail in ("", ":1", ":2", ":3")),
        ("Call:3", "Call:2", "Call:1", "Call:0"),
    ],
)
def test_post_processed(order, names):
    outputs = processed(names)
    found = read([outputs[k] for k in order])
    assert isinstance(found, Found)
    np.testing.assert_allclose(found.boxes, BOXES[[0, 2]])
    np.testing.assert_allclose(found.scores, [0.9, 0.7])
    assert found.labels.tolist() == [0, 1]
    assert detect(outputs, limit=1, classes=2).labels.tolist() == [0]
    assert len(detect(outputs, score_threshold=0.8)) == 1


@pytest.mark.parametrize("names", [("boxes", "classes", "scores", "count"), ("a", "b", "c", "d")])
def test_no_detections(names):
    outputs = processed(names, count=0)
    for found in (read(outputs), detect(outputs)):
        assert found.boxes.shape == (0, 4)
        assert len(found) == len(found.labels) == 0
    scores, offsets, anchors = tensors()
    empty = detect(list(zip(NAMELESS, [scores * [1, 0, 0], offsets, anchors], strict=True)))
    assert empty.boxes.shape == (0, 4)


def test_boxes_without_area_are_found():
    """They overlap nothing, so nothing suppresses them."""
    scores, offsets, anchors = tensors()
    offsets[0, ROWS] = encode(BOXES[[0, 0, 0]][:, [0, 1, 0, 1]], ANCHORS[ROWS])
    assert len(detect(list(zip(NAMELESS, [scores, offsets, anchors], strict=True)))) == 3


def change(which, row, value):
    made = [array.copy() for array in tensors()]
    made[which][0, row] = value
    return list(zip(["scores", "offsets", "anchors"], made, strict=True))


def named(arrays, names=NAMELESS):
    return list(zip(names, arrays, strict=True))


def replaced(which, value):
    """Post-processed outputs with one of them changed."""
    return [(name, np.array(value, np.float32) if k == which else array) for k, (name, array) in enumerate(processed())]


TWINS = [tensors()[0], ANCHORS[None], ANCHORS[None]]
TIED = [(f"t{k}", array) for k, (_, array) in enumerate(replaced(2, [[1, 1, 0]]))]


@pytest.mark.parametrize(
    ("outputs", "options", "message", "why"),
    [
        (change(0, 5, np.nan), {}, r"a score is not a number \(NaN\)", "a broken network"),
        (change(0, 5, 1.5), {}, "scores of 0 to 1.5 are no probabilities; apply the softmax", "logits"),
        (change(0, 5, -2), {}, "scores of -2 to 1 are no probabilities", "logits"),
        (change(1, 5, np.inf), {}, "an offset or anchor is not finite", "overflow"),
        (change(2, 5, np.nan), {}, "an offset or anchor is not finite", "broken anchors"),
        (named(tensors()), {"anchors": make_anchors(64)}, "the model has 115 anchors, not", "another resolution"),
        (named(tensors()), {"classes": 80}, r"columns \(3\) are not a background and 80 classes", "another model"),
        (
            named([tensors(1)[0][:, :, 1:], *tensors()[1:]]),
            {},
            r"columns \(1\) are not a background and one or more",
            "one sigmoid",
        ),
        (named(tensors()), {"codec": "x"}, "unknown codec 'x'", "passed on"),
        (named(TWINS), {}, r"cannot tell scores, .* apart.*Call:2 \(1, 115, 4\)", "two tensors of proper boxes"),
        (named(tensors(3)), {}, "cannot tell scores, offsets and anchors apart", "three of four columns"),
        (named([ANCHORS[None, :, :3]] * 3), {}, "cannot tell scores, offsets", "no offsets at all"),
        (named(tensors(), ["offsets", "scores", "anchors"]), {}, "must have four columns", "names that lie"),
        (named(tensors()[:2], ["a", "b"]), {}, r"expected scores, .*a \(1, 115, 3\), b \(1, 115, 4\)", "no anchors"),
        ([], {}, "expected scores, offsets and anchors", "nothing"),
        ([("a", ANCHORS)], {}, r"expected scores.*a \(115, 4\)", "no axis of images"),
        ([("a", np.zeros((1, 9, 8), np.float32))], {}, r"expected columns of scores.*\(1, 9, 8\)", "no scores"),
        (named([np.repeat(array, 2, axis=0) for array in tensors()]), {}, "of one image", "two images"),
        (named([*tensors()[:2], ANCHORS[None, :9]]), {}, "expected scores", "fewer anchors than scores"),
        ([("a", np.zeros((1, 9, 10), np.int8))], {}, r"dequantize first.*a int8", "raw int8"),
        (processed(count=4), {}, "a count of 4 detections in 3 places", "more than there is room for"),
        (processed(count=-1), {}, "a count of -1", "fewer than none"),
        (processed(count=1.5), {}, "a count of 1.5", "no whole number"),
        (processed(count=np.nan), {}, "a count of nan", "not a number"),
        (processed("abcd", count=np.nan), {}, "a count of nan", "nor without names"),
        (processed(), {"classes": 1}, "whole numbers from 0, below 1, not", "another model"),
        (replaced(1, [[0.5, 0, 0]]), {}, r"whole numbers from 0, below any, not \[0. +0.5\]", "half a class"),
        (replaced(1, [[-1, 0, 0]]), {}, "whole numbers from 0", "no class"),
        (replaced(2, [[np.nan, 0.5, 0]]), {}, r"a score is not a number \(NaN\)", "a broken network"),
        (replaced(0, np.full((1, 3, 4), np.nan)), {}, "a box is not finite", "a broken network"),
        (replaced(0, np.zeros((1, 5, 4))), {}, r"expected boxes \(1, K, 4\)", "another number of boxes"),
        (replaced(3, [[1]]), {}, r"expected boxes \(1, K, 4\)", "a count with an axis too many"),
        (TIED, {}, "cannot tell boxes, classes, scores and count apart", "both are whole"),
        (named([ANCHORS[None]] * 4, "abcd"), {}, "cannot tell boxes, classes", "four of something else"),
    ],
)
def test_refusals(outputs, options, message, why):
    with pytest.raises(ValueError, match=message):
        read(outputs, **options)
    with pytest.raises(ValueError, match=message):
        detect(outputs, **options)


def test_suppress_refuses_scores_that_are_no_numbers():
    scores, offsets, anchors = (array[0] for array in tensors())
    scores[5, 2] = np.nan
    with pytest.raises(ValueError, match="a score is not a number"):
        suppress(Raw(scores[:, 1:], offsets, anchors, "corners"))


def test_padding_after_the_count_may_be_anything():
    outputs = [
        (name, array if array.ndim == 1 else np.concatenate([array[:, :2], np.full_like(array[:, 2:], np.nan)], axis=1))
        for name, array in processed()
    ]
    np.testing.assert_allclose(read(outputs).scores, [0.9, 0.7])
