"""The teacher's share of the loss, against the formula in NumPy."""

from dataclasses import replace

import numpy as np
import pytest

from mbhelpers.training.losses import accuracy, make_loss, make_targets
from mbhelpers.training.recipes import Recipe

TAUGHT = Recipe(learning_rate=1.0, epochs=1, min_steps=0, passes=1, teacher="mobilenet_v2_1.0_224_tl", distillation=0.7)


def probabilities(seed: int, n: int, classes: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(classes), n).astype(np.float32)


def value(recipe: Recipe, targets: np.ndarray, scores: np.ndarray) -> float:
    """The loss of a batch as training computes it."""
    import keras

    model = keras.Sequential([keras.Input((scores.shape[1],)), keras.layers.Identity()])
    model.compile(loss=make_loss(recipe, scores.shape[1]))
    return float(model.evaluate(scores, targets, verbose=0))


def at(p: np.ndarray, temperature: float) -> np.ndarray:
    powers = p ** (1 / temperature)
    return powers / powers.sum(1, keepdims=True)


def cross_entropy(targets: np.ndarray, scores: np.ndarray) -> float:
    return float(-(targets * np.log(scores)).sum(1).mean())


def divergence(teacher: np.ndarray, student: np.ndarray) -> float:
    return float((teacher * np.log(teacher / student)).sum(1).mean())


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_softmax(temperature):
    recipe = replace(TAUGHT, temperature=temperature)
    targets, student, teacher = np.eye(4, dtype=np.float32)[[0, 1, 3]], probabilities(1, 3, 4), probabilities(2, 3, 4)
    wanted = 0.3 * cross_entropy(targets, student)
    wanted += 0.7 * temperature**2 * divergence(at(teacher, temperature), at(student, temperature))
    assert value(recipe, np.hstack([targets, teacher]), student) == pytest.approx(wanted, rel=1e-4)
    assert value(recipe, targets, student) == pytest.approx(cross_entropy(targets, student), rel=1e-4), "validation"


def test_sigmoid_is_the_softmax_of_two():
    recipe = replace(TAUGHT, temperature=2.0)
    student, teacher, label = (probabilities(seed, 5, 2)[:, 1:] for seed in (1, 2, 3))
    both = [np.hstack([1 - p, p]) for p in (label.round(), student, teacher)]
    wanted = value(recipe, np.hstack([both[0], both[2]]), both[1])
    assert value(recipe, np.hstack([label.round(), teacher]), student) == pytest.approx(wanted, rel=1e-4)


def test_only_the_teacher_counts_at_one():
    recipe = replace(TAUGHT, distillation=1.0)
    scores = probabilities(1, 3, 4)
    targets = np.hstack([np.eye(4, dtype=np.float32)[[0, 1, 3]], scores])
    assert value(recipe, targets, scores) == pytest.approx(0, abs=1e-6), "it agrees with its teacher"


def test_sure_scores_stay_finite():
    targets = np.array([[1, 0, 0, 1], [1, 0, 1, 0]], np.float32)
    assert np.isfinite(value(TAUGHT, targets, np.array([[0, 1], [1, 0]], np.float32)))
    sure = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    assert np.isfinite(value(TAUGHT, sure, np.array([[0.0], [1.0]], np.float32)))


def test_label_smoothing_stays():
    recipe = replace(TAUGHT, label_smoothing=0.2)
    targets, student = np.eye(4, dtype=np.float32)[[0, 1, 3]], probabilities(1, 3, 4)
    smooth = 0.8 * targets + 0.2 / 4
    assert value(recipe, targets, student) == pytest.approx(cross_entropy(smooth, student), rel=1e-4)


@pytest.mark.parametrize(
    ("labels", "outputs", "wanted", "why"),
    [
        ([1, 0], 3, [[0, 1, 0], [1, 0, 0]], "one of three"),
        ([1, 0], 1, [[1], [0]], "of two, the second"),
        ([[0.25, 0.75]], 2, [[0.25, 0.75]], "shares as they are"),
        ([[0.25, 0.75]], 1, [[0.75]], "the second's share"),
    ],
)
def test_targets(labels, outputs, wanted, why):
    import tensorflow as tf

    np.testing.assert_allclose(make_targets(tf.constant(labels), outputs), wanted, err_msg=why)


@pytest.mark.parametrize(
    ("targets", "scores", "wanted", "why"),
    [
        ([[1, 0, 0], [0, 1, 0]], [[0.6, 0.2, 0.2], [0.5, 0.4, 0.1]], [1, 0], "the highest score"),
        ([[0.3, 0.7]], [[0.4, 0.6]], [1], "the larger share"),
        ([[0.7], [0.2]], [[0.9], [0.6]], [1, 0], "one output, shares"),
        ([[1, 0, 0.1, 0.9]], [[0.6, 0.4]], [1], "a teacher behind counts for nothing"),
    ],
)
def test_accuracy(targets, scores, wanted, why):
    import tensorflow as tf

    found = accuracy(tf.constant(targets, tf.float32), tf.constant(scores, tf.float32))
    np.testing.assert_array_equal(np.ravel(found), wanted, err_msg=why)
