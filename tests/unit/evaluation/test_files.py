"""The part that needs no model file; `evaluate_file` itself is tested in tests/contract."""

import numpy as np
import pytest

from mbhelpers.evaluation.files import better_order


def scores_for(meaning: tuple[int, ...], labels: np.ndarray, right: float, seed: int = 0) -> np.ndarray:
    """Scores of a model whose output k means label `meaning[k]`, right on that share of the images."""
    rng = np.random.default_rng(seed)
    classes = len(meaning)
    output_of = np.argsort(meaning)
    guess = output_of[labels]
    wrong = rng.permutation(len(labels))[round(right * len(labels)) :]
    guess[wrong] = (guess[wrong] + rng.integers(1, classes, len(wrong))) % classes
    return np.eye(classes, dtype=np.float32)[guess]


def labels_of(classes: int, each: int = 40) -> np.ndarray:
    return np.tile(np.arange(classes), each)


@pytest.mark.parametrize(
    ("meaning", "right", "expected", "why"),
    [
        ((0, 1), 0.9, None, "binary, in the order assumed"),
        ((1, 0), 0.9, (1, 0), "binary, the other way round"),
        ((1, 0), 0.55, None, "10 points more are no proof"),
        ((0, 1), 0.5, None, "a coin"),
        ((0, 1, 2, 3, 4), 0.9, None, "five classes in the order assumed"),
        ((4, 3, 2, 1, 0), 0.9, (4, 3, 2, 1, 0), "back to front, the middle one right"),
        ((1, 2, 3, 4, 0), 0.9, (1, 2, 3, 4, 0), "turned: an order that is not its own inverse"),
        ((0, 2, 1, 3, 4), 0.9, (0, 2, 1, 3, 4), "only two swapped"),
        ((1, 2, 3, 4, 0), 0.4, None, "a poor model in any order is a poor model"),
        ((0, 1, 2, 3, 4), 0.25, None, "a poor model in the order assumed"),
    ],
)
def test_better_order(meaning, right, expected, why):
    labels = labels_of(len(meaning))
    assert better_order(scores_for(meaning, labels, right), labels) == expected, why


def test_the_order_named_is_the_one_that_is_right():
    labels = labels_of(5)
    scores = scores_for((1, 2, 3, 4, 0), labels, right=0.9)
    meant = better_order(scores, labels)
    assert meant is not None
    assert (np.array(meant)[scores.argmax(axis=1)] == labels).mean() == pytest.approx(0.9)
