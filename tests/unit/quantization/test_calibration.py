import numpy as np
import pytest

from mbhelpers.quantization.calibration import calibration_set


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
