"""Box formats and overlap: by hand, and what must hold for any boxes."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mbhelpers.detection import boxes as b

few = settings(max_examples=30, derandomize=True, deadline=None)


def some_boxes(dtype=np.float32):
    """(N, 4) xyxy in -1..2, some without area, some inside out."""
    corner = st.integers(-16, 32).map(lambda sixteenths: sixteenths / 16)
    return arrays(dtype, st.tuples(st.integers(0, 6), st.just(4)), elements=corner)


@pytest.mark.parametrize(
    ("function", "given", "wanted"),
    [
        (b.xywh_to_xyxy, [1, 2, 3, 5], [1, 2, 4, 7]),
        (b.xyxy_to_xywh, [1, 2, 4, 7], [1, 2, 3, 5]),
        (b.cxcywh_to_xyxy, [3, 4, 2, 6], [2, 1, 4, 7]),
        (b.xyxy_to_cxcywh, [2, 1, 4, 7], [3, 4, 2, 6]),
        (b.swap_xy, [1, 2, 4, 7], [2, 1, 7, 4]),
    ],
)
def test_formats_by_hand(function, given, wanted):
    many = np.broadcast_to(np.array(given, np.float32), (2, 3, 4))
    got = function(many)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, np.broadcast_to(np.array(wanted), (2, 3, 4)))


@few
@given(some_boxes(np.float64))
def test_formats_lead_back(boxes):
    np.testing.assert_allclose(b.xywh_to_xyxy(b.xyxy_to_xywh(boxes)), boxes, atol=1e-12)
    np.testing.assert_allclose(b.cxcywh_to_xyxy(b.xyxy_to_cxcywh(boxes)), boxes, atol=1e-12)
    np.testing.assert_array_equal(b.swap_xy(b.swap_xy(boxes)), boxes)


def test_clip_keeps_what_is_inside():
    boxes = np.array([[-0.5, 0.2, 0.5, 1.5], [1.2, 0.1, 1.4, 0.3], [0.1, 0.2, 0.3, 0.4]], np.float32)
    clipped = b.clip(boxes)
    np.testing.assert_allclose(clipped, [[0, 0.2, 0.5, 1], [1, 0.1, 1, 0.3], [0.1, 0.2, 0.3, 0.4]], rtol=1e-6)
    np.testing.assert_allclose(b.area(clipped), [0.4, 0, 0.04], rtol=1e-6)
    np.testing.assert_array_equal(b.clip(100 * boxes, high=30)[0], [0, 20, 30, 30])


@pytest.mark.parametrize(
    ("one", "other", "wanted", "why"),
    [
        ([0, 0, 2, 2], [0, 0, 2, 2], 1, "the same box"),
        ([0, 0, 2, 2], [1, 1, 3, 3], 1 / 7, "one of four and four"),
        ([0, 0, 2, 2], [0, 0, 1, 1], 1 / 4, "one inside the other"),
        ([0, 0, 2, 2], [2, 0, 4, 2], 0, "they share an edge"),
        ([0, 0, 2, 2], [5, 5, 6, 6], 0, "far apart in both directions, where two negatives would make a plus"),
        ([0, 0, 2, 2], [1, 0, 1, 2], 0, "a box without width"),
        ([1, 1, 1, 1], [1, 1, 1, 1], 0, "a point and itself: not 0 / 0"),
        ([0, 0, 2, 2], [2, 2, 0, 0], 0, "a box that is inside out"),
        ([0, 0, 1e-30, 1e-30], [0, 0, 1e-30, 1e-30], 0, "an area too small for float32"),
    ],
)
def test_iou_by_hand(one, other, wanted, why):
    pair = np.array([one], np.float32), np.array([other], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert b.iou(*pair) == pytest.approx(wanted), why
        assert b.iou(*pair[::-1]) == pytest.approx(wanted), why


def test_iou_takes_whole_pixels():
    pixels = np.array([[0, 0, 2, 2], [1, 1, 3, 3]])
    np.testing.assert_allclose(b.iou(pixels, pixels), [[1, 1 / 7], [1 / 7, 1]])


@few
@given(some_boxes(), some_boxes())
def test_iou_is_a_symmetric_share(one, other):
    got = b.iou(one, other)
    assert got.shape == (len(one), len(other))
    assert got.dtype == np.float32
    assert ((got >= 0) & (got <= 1)).all()
    np.testing.assert_array_equal(got, b.iou(other, one).T)
    own = np.diagonal(b.iou(one, one))
    np.testing.assert_array_equal(own, b.area(one) > 0)
