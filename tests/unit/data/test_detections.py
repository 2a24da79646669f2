"""Images with boxes, as arrays."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mbhelpers.data.detections import assemble, to_corners


def test_images_are_sorted_and_keep_their_boxes(scene):
    assert scene.paths.tolist() == ["a.png", "b.png", "c é.png", "d.png", "e.png"]
    assert scene.image_ids.tolist() == [8, 3, 2, 5, 1]
    assert np.diff(scene.first).tolist() == [20, 0, 6, 3, 1]
    assert scene.boxes[scene.of(3)].shape == (3, 4)
    assert scene.image_of.tolist() == [0] * 20 + [2] * 6 + [3] * 3 + [4]
    assert scene.boxes.dtype == np.float32
    assert (scene.boxes[:, 2:] > scene.boxes[:, :2]).all()
    assert scene.boxes.min() >= 0
    assert scene.boxes.max() <= 1


def test_areas_that_nobody_gave_are_those_of_the_boxes(scene):
    np.testing.assert_allclose(scene.areas, scene.pixel_boxes()[:, 2:].prod(axis=1), rtol=1e-4)


def test_two_categories_of_one_name_are_refused():
    none = np.zeros((0, 4))
    with pytest.raises(ValueError, match="two categories named 'dog'"):
        assemble(
            root=Path(),
            categories=("dog", "cat", "dog"),
            category_ids=np.arange(3),
            paths=["a.jpg"],
            image_ids=np.array([1]),
            sizes=np.array([[8, 8]]),
            image_of=np.zeros(0, np.int64),
            corners=none,
            labels=np.zeros(0, np.int64),
            areas=none[:, 0],
            crowd=np.zeros(0, bool),
            box_ids=np.zeros(0, np.int64),
        )


def test_counts(scene):
    assert sum(scene.counts().values()) == 30
    assert scene.counts()["dog"] == (scene.labels == 1).sum()


def test_select(scene):
    some = scene.select(np.array([3, 1, 2]))
    assert some.paths.tolist() == ["d.png", "b.png", "c é.png"]
    assert some.first.tolist() == [0, 3, 3, 9]
    for name in ("boxes", "labels", "areas", "crowd", "box_ids"):
        whole = getattr(scene, name)
        np.testing.assert_array_equal(getattr(some, name), np.concatenate([whole[scene.of(3)], whole[scene.of(2)]]))
    assert len(scene.select(np.array([], np.int64)).boxes) == 0


def test_only(scene):
    some = scene.only(("traffic light", "person"))
    assert some.categories == ("traffic light", "person")
    assert some.category_ids.tolist() == [10, 1]
    assert len(some) == len(scene), "images stay"
    kept = scene.labels != 1
    assert some.image_of.tolist() == scene.image_of[kept].tolist()
    assert some.box_ids.tolist() == scene.box_ids[kept].tolist()
    assert some.counts() == {k: v for k, v in scene.counts().items() if k != "dog"}
    with pytest.raises(ValueError, match="no category cat; choose from person, dog, traffic light"):
        scene.only(("cat",))


def test_boxes_without_numbers(scene):
    nameless = replace(scene, box_ids=None)
    assert nameless.only(("dog",)).select(np.array([0])).box_ids is None


def test_the_fingerprint_tells_contents_apart(scene):
    moved = replace(scene, boxes=scene.boxes * np.float32(0.5))
    renamed = replace(scene, categories=("person", "dog", "light"))
    prints = {scene.fingerprint, moved.fingerprint, renamed.fingerprint, scene.select(np.arange(4)).fingerprint}
    assert len(prints) == 4
    assert scene.select(np.arange(5)).fingerprint == scene.fingerprint


@pytest.mark.parametrize("decimals", [0, 2, 3, 4])
def test_pixels_come_back_with_the_digits_they_had(scene, decimals):
    given = scene.pixel_boxes().round(decimals)
    sizes = np.tile(scene.sizes[scene.image_of], 2)
    shares = (to_corners(given) / sizes).clip(0, 1).astype(np.float32)
    np.testing.assert_array_equal(replace(scene, boxes=shares).pixel_boxes(), given)


def test_pixels_give_the_same_shares_again(scene):
    """Also where no short number does."""
    odd = replace(scene, boxes=np.nextafter(scene.boxes, np.float32(0.5)))
    sizes = np.tile(odd.sizes[odd.image_of], 2)
    np.testing.assert_array_equal((to_corners(odd.pixel_boxes()) / sizes).astype(np.float32), odd.boxes)
