"""Offsets by hand, and the way there and back for any boxes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mbhelpers.detection.anchors import make_anchors
from mbhelpers.detection.codec import CODECS, decode, encode

few = settings(max_examples=25, derandomize=True, deadline=None)


@pytest.mark.parametrize(
    ("codec", "box", "wanted", "why"),
    [
        ("corners", [2, 1, 6, 3], [0, 0, 0, 0], "the anchor itself"),
        ("centre", [2, 1, 6, 3], [0, 0, 0, 0], "the anchor itself"),
        ("corners", [3, 1, 5, 4], [0.25, 0, -0.25, 0.5], "x over a width of 4, y over a height of 2"),
        ("centre", [3, 1, 7, 3], [0.25 / 0.1, 0, 0, 0], "moved by a quarter of the width"),
        ("centre", [2, 0, 6, 4], [0, 0, 0, math.log(2) / 0.2], "twice as high"),
        ("centre", [2, 2, 6, 4], [0, 0.5 / 0.1, 0, 0], "moved by half of the height"),
        ("corners", [3, 2, 3, 2], [0.25, 0.5, -0.75, -0.5], "a point has corners too"),
    ],
)
def test_offsets_by_hand(codec, box, wanted, why):
    anchor, box = np.array([2, 1, 6, 3], np.float32), np.array(box, np.float32)
    np.testing.assert_allclose(encode(box, anchor, codec), wanted, atol=1e-6, err_msg=why)
    np.testing.assert_allclose(decode(np.array(wanted, np.float32), anchor, codec), box, atol=1e-5, err_msg=why)


@pytest.mark.parametrize("codec", CODECS)
@few
@given(seed=st.integers(0, 2**32 - 1), resolution=st.sampled_from([32, 192, 416]))
def test_there_and_back(codec, seed, resolution):
    anchors = make_anchors(resolution)
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(-0.2, 1, (2, 3, len(anchors), 2))
    boxes = np.concatenate([corner, corner + np.abs(size) + 1e-3], axis=-1).astype(np.float32)
    offsets = encode(boxes, anchors, codec)  # two images in a batch, or three: one set of anchors for all
    assert offsets.shape == boxes.shape
    assert offsets.dtype == np.float32
    back = decode(offsets, anchors, codec)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, boxes, atol=1e-5)


@pytest.mark.parametrize("codec", CODECS)
def test_anchors_without_area_are_refused(codec):
    box = np.array([0, 0, 1, 1], np.float32)
    with pytest.raises(ValueError, match="an anchor has no area"):
        encode(box, np.array([[0, 0, 1, 1], [0.5, 0, 0.5, 1]], np.float32), codec)


def test_the_logarithm_of_nothing_is_refused():
    with pytest.raises(ValueError, match="a box has no area"):
        encode(np.array([0, 0, 1, 0], np.float32), np.array([0, 0, 1, 1], np.float32), "centre")


def test_unknown_codecs():
    box = np.array([0, 0, 1, 1], np.float32)
    for function in (encode, decode):
        with pytest.raises(ValueError, match="unknown codec 'center'; choose from corners, centre"):
            function(box, box, "center")
