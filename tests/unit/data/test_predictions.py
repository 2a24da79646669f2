import numpy as np
import pytest

from mbhelpers.data.predictions import Predictions, load_predictions, save_predictions

BOXES = np.array([[0.1, 0.2, 0.3, 0.4], [-0.1, 0.0, 1.2, 1.0], [0.5, 0.5, 0.5, 0.5]])
THREE = Predictions.from_images(
    [
        (BOXES[:2], np.array([0.9, 0.2]), np.array([1, 0])),
        ([], [], []),
        (BOXES[2:], np.array([0.5]), np.array([2])),
    ]
)


def test_images_are_joined():
    assert len(THREE) == 3
    assert THREE.first.tolist() == [0, 2, 2, 3]
    assert THREE.image_of.tolist() == [0, 0, 2]
    assert (THREE.boxes.dtype, THREE.labels.dtype) == (np.float32, np.int64)
    np.testing.assert_array_equal(THREE.boxes, BOXES.astype(np.float32))
    np.testing.assert_array_equal(THREE.scores, [0.9, 0.2, 0.5])
    assert THREE.labels[THREE.of(2)].tolist() == [2]


@pytest.mark.parametrize("images", [[], [([], [], [])]], ids=["no image", "an image without a box"])
def test_nothing_at_all(images):
    none = Predictions.from_images(images)
    assert (len(none), none.boxes.shape, none.scores.shape) == (len(images), (0, 4), (0,))
    assert len(none.image_of) == 0


def test_integer_scores_of_images_become_floats():
    assert Predictions.from_images([(BOXES[:1], np.array([1]), np.array([0]))]).scores.dtype == np.float64


def test_select():
    some = THREE.select(np.array([2, 1, 0, 2]))
    assert some.first.tolist() == [0, 1, 1, 3, 4]
    assert some.labels.tolist() == [2, 1, 0, 2]
    np.testing.assert_array_equal(some.boxes, THREE.boxes[[2, 0, 1, 2]])


def passed(**changed) -> dict:
    fields = {
        "first": np.array([0, 1, 2]),
        "boxes": BOXES[:2].astype(np.float32),
        "scores": np.array([0.9, 0.2]),
        "labels": np.array([0, 1]),
    }
    return fields | changed


@pytest.mark.parametrize(
    ("changed", "says", "why"),
    [
        ({"scores": np.array([0.9, np.nan])}, "box 1 has a score that is not finite", "a NaN would sort anywhere"),
        ({"scores": np.array([np.inf, 0.1])}, "box 0 has a score that is not finite", "an overflow"),
        ({"boxes": np.array([[0, 0, 1, 1], [0, np.nan, 1, 1]])}, "box 1 has a corner that is not", "a NaN corner"),
        ({"boxes": np.array([[0, 0, 1, 1], [-np.inf, 0, np.inf, 1]])}, "box 1 has a corner", "infinite ones"),
        ({"boxes": np.array([[0.5, 0, 0.4, 1], [0, 0, 1, 1]])}, "box 0 ends before it begins", "xywh, or y before x"),
        (
            {"boxes": np.array([[0, 0.5, 1, 0.4], [0, 0, 1, 1]])},
            r"left, top, right, bottom \(1 of 2 boxes",
            "upside down",
        ),
        ({"boxes": BOXES}, r"boxes \(3, 4\), scores \(2,\)", "one box too many"),
        ({"scores": np.array([[0.9], [0.2]])}, r"scores \(2, 1\)", "a column"),
        ({"scores": np.array([200, 7], np.uint8)}, "must be floats, not uint8", "minus 0 would be first of all"),
        ({"labels": np.array([0])}, r"labels \(1,\)", "a label is missing"),
        ({"first": np.array([0, 1])}, "from 0 to 2", "the last image is missing"),
        ({"first": np.array([1, 2])}, "from 0 to 2", "the first offset is"),
        ({"first": np.array([], int)}, "from 0 to 2", "not even one offset"),
        ({"first": np.array([0, 2, 1, 2])}, "must not fall", "an image of -1 boxes"),
    ],
)
def test_what_does_not_fit_is_refused(changed, says, why):
    with pytest.raises(ValueError, match=says):
        Predictions(**passed(**changed))
    Predictions(**passed())


def test_what_is_kept_comes_back(tmp_path):
    other = THREE.select([2, 1, 0])
    save_predictions(tmp_path / "found.npz", np.array(["a", "b", "c"]), {"float": THREE, "int8": other})
    for name, wanted in (("float", THREE), ("int8", other)):
        found = load_predictions(tmp_path / "found.npz", name)
        for field in ("first", "boxes", "scores", "labels"):
            np.testing.assert_array_equal(getattr(found, field), getattr(wanted, field))
