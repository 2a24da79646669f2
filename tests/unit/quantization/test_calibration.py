import numpy as np
import pytest

from mbhelpers.quantization.calibration import calibration_set, list_images


def labels_of(*counts: int) -> np.ndarray:
    """So many labels of each class, well mixed."""
    return np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))


@pytest.mark.parametrize(
    ("counts", "n", "expected", "why"),
    [
        ((50, 50, 50), 30, (10, 10, 10), "as many of each"),
        ((100, 20, 30), 30, (10, 10, 10), "whatever the classes' sizes"),
        ((100, 2, 100), 42, (20, 2, 20), "a class that runs out leaves its share to the others"),
        ((1, 1, 100), 50, (1, 1, 48), "two of them"),
        ((4, 5), 100, (4, 5), "all there are"),
        ((4, 5), 9, (4, 5), "exactly all"),
        ((7,), 3, (3,), "a single class"),
    ],
)
def test_classes_are_balanced(counts, n, expected, why):
    labels = labels_of(*counts)
    chosen = calibration_set(labels, n, seed=1)
    assert np.bincount(labels[chosen], minlength=len(counts)).tolist() == list(expected), why
    assert len(set(chosen.tolist())) == len(chosen) == min(n, len(labels)), "none twice"
    assert (np.diff(chosen) > 0).all(), "sorted"


def test_a_number_that_does_not_divide():
    labels = labels_of(30, 30, 30)
    counts = np.bincount(labels[calibration_set(labels, 10, seed=1)])
    assert sorted(counts.tolist()) == [3, 3, 4]


def test_the_seed_decides():
    labels = labels_of(50, 50)
    first, again, other = (calibration_set(labels, 10, seed).tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_every_image_can_be_chosen():
    labels = labels_of(5, 5)
    seen = {int(k) for seed in range(60) for k in calibration_set(labels, 2, seed)}
    assert seen == set(range(10))


@pytest.mark.parametrize(("labels", "n"), [([0, 1], 0), ([0, 1], -3), ([], 5)])
def test_errors(labels, n):
    with pytest.raises(ValueError, match=f"one image or more, not {n} of {len(labels)}"):
        calibration_set(np.array(labels, np.int64), n, seed=1)


@pytest.mark.parametrize(
    ("names", "groups", "why"),
    [
        (["b/1.jpg", "a/2.PNG", "a/deep/3.jpeg"], [0, 0, 1], "class folders, however deep"),
        (["2.jpg", "1.webp", "notes.txt", ".hidden.jpg"], [0, 0], "one folder of images, and what is none"),
        (["n02_x.jpg", "n00000002_a.JPEG", "n00000001_b.JPEG", "n00000002_c.JPEG"], [1, 2, 2, 0], "wnids in the names"),
        (["n00000001/n00000001_1.jpg", "n00000002/1.jpg"], [0, 1], "folders named by wnid"),
    ],
)
def test_images_are_listed_in_groups(names, groups, why, tmp_path):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    listed, found = list_images(tmp_path)
    assert listed == sorted(name for name in names if not name.startswith((".", "notes"))), why
    assert found.tolist() == groups, why


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"has no images \(\.jpg, "):
        list_images(tmp_path)
    with pytest.raises(ValueError, match="no folder at"):
        list_images(tmp_path / "none")
