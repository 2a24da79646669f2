"""Boxes of one shape: each image's own, in their order, padded; crowds and what a crop cuts away are left out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mbhelpers.data.boxed import BoxedImages, load_boxed
from mbhelpers.data.detections import Detections, assemble
from mbhelpers.preprocessing import Preprocessing

CORNERS = np.array(
    [[0, 0, 40, 40], [60, 10, 80, 30], [30, 0, 70, 40], [0, 0, 10, 40], [5, 5, 35, 35], [0, 0, 80, 40]], np.float64
)
IMAGE_OF = np.array([0, 0, 0, 2, 2, 2])
CROWD = np.array([False, False, False, False, False, True])


@pytest.fixture
def found(tmp_path: Path) -> Detections:
    """Three pictures, 80 x 40: one with three boxes, one with none, one with two and a crowd."""
    for name in "abc":
        Image.new("RGB", (80, 40)).save(tmp_path / f"{name}.png")
    return assemble(
        root=tmp_path,
        categories=("cat", "dog"),
        category_ids=np.array([1, 2]),
        paths=["a.png", "b.png", "c.png"],
        image_ids=np.arange(3),
        sizes=np.tile([80, 40], (3, 1)),
        image_of=IMAGE_OF,
        corners=CORNERS,
        labels=np.array([0, 1, 0, 1, 0, 1]),
        areas=np.full(6, np.nan),
        crowd=CROWD,
        box_ids=np.arange(6),
    )


@pytest.mark.parametrize(
    ("aspect", "kept", "why"),
    [
        ("stretch", ([0, 1, 2], [], [3, 4]), "all but the crowd"),
        ("crop", ([0, 2], [], [4]), "of the middle 40 pixels; boxes 1 and 3 lie outside"),
    ],
)
def test_boxes_are_each_images_own(found, aspect, kept, why):
    boxed = load_boxed(found, Preprocessing(32, aspect=aspect))
    assert len(boxed) == 3
    assert boxed.images.shape == (3, 32, 32, 3)
    assert boxed.valid.sum(axis=1).tolist() == [len(which) for which in kept], why
    scale = np.array([80, 40] * 2) if aspect == "stretch" else np.array([40, 40] * 2)
    shift = 0 if aspect == "stretch" else np.array([20, 0, 20, 0])
    for k, which in enumerate(kept):
        wanted = np.clip((CORNERS[which] - shift) / scale, 0, 1).reshape(-1, 4)
        np.testing.assert_allclose(boxed.boxes[k, : len(which)], wanted, atol=1e-6, err_msg=why)
        np.testing.assert_array_equal(boxed.labels[k, : len(which)], np.array([0, 1, 0, 1, 0, 1])[which])
        assert not boxed.boxes[k, len(which) :].any()


def test_without_any_box_there_is_room_for_one(found):
    boxed = load_boxed(found.select(np.array([1])), Preprocessing(32))
    assert boxed.valid.tolist() == [[False]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.zeros((2, 4), int)}, "don't belong together"),
        ({"boxes": np.zeros((2, 3, 2))}, "don't belong together"),
        ({"images": np.zeros((1, 8, 8, 3), np.uint8)}, "1 images, boxes of 2"),
        ({"images": np.zeros((2, 8, 8, 3))}, "must be uint8"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, message):
    whole = {
        "images": np.zeros((2, 8, 8, 3), np.uint8),
        "boxes": np.zeros((2, 3, 4), np.float32),
        "labels": np.zeros((2, 3), int),
        "valid": np.zeros((2, 3), bool),
    }
    assert len(BoxedImages(**whole)) == 2
    with pytest.raises(ValueError, match=message):
        BoxedImages(**(whole | change))
