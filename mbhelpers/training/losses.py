"""What the scores are compared with: labels, shares of labels, a teacher's scores."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mbhelpers.training.recipes import Recipe

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

_LEAST = 1e-7


def make_targets(labels: "tf.Tensor", outputs: int) -> "tf.Tensor":
    """What the loss compares scores with.

    Args:
        labels: integers (B,) or, of mixed images, shares of classes (B, classes).
        outputs: of the model; 1 is the probability of the second of two classes.

    Returns:
        float32, (B, outputs).
    """
    import keras

    if len(labels.shape) == 2:
        return labels[:, 1:] if outputs == 1 else labels
    if outputs == 1:
        return keras.ops.cast(keras.ops.reshape(labels, (-1, 1)), "float32")
    return keras.ops.one_hot(labels, outputs)


def labels_loss(recipe: Recipe, outputs: int) -> "keras.losses.Loss":
    """Cross-entropy with the labels."""
    import keras

    loss = keras.losses.BinaryCrossentropy if outputs == 1 else keras.losses.CategoricalCrossentropy
    return loss(label_smoothing=recipe.label_smoothing)


def make_loss(recipe: Recipe, outputs: int) -> "keras.losses.Loss | Callable[[Any, Any], Any]":
    """The recipe's loss, of targets (B, outputs), or (B, 2 * outputs) where a teacher's scores stand behind them.

    Validation has no teacher: its loss is that of the labels, so that epochs are chosen by what is known to be true.
    The teacher's part is the Kullback-Leibler divergence of the student's probabilities from the teacher's, both
    at the recipe's temperature T, times T squared, which keeps the gradient's size.

    Source: Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015.
    """
    import keras

    usual = labels_loss(recipe, outputs)
    if not recipe.distillation:
        return usual
    share, temperature = recipe.distillation, recipe.temperature

    def loss(targets, scores):
        by_labels = usual.call(targets[:, :outputs], scores)  # (B,)
        if targets.shape[1] == outputs:
            return by_labels
        student = _log_probabilities(scores, temperature)  # (B, classes)
        teacher = _log_probabilities(keras.ops.cast(targets[:, outputs:], scores.dtype), temperature)
        divergence = keras.ops.sum(keras.ops.exp(teacher) * (teacher - student), axis=1)
        return (1 - share) * by_labels + share * temperature**2 * divergence

    return loss


def _log_probabilities(scores: Any, temperature: float) -> Any:
    """Logarithms of probabilities (B, classes) at a temperature, from those at 1, or from one sigmoid (B, 1)."""
    import keras

    if scores.shape[1] == 1:
        scores = keras.ops.concatenate([1 - scores, scores], axis=1)
    return keras.ops.log_softmax(keras.ops.log(keras.ops.maximum(scores, _LEAST)) / temperature, axis=1)


def accuracy(targets: Any, scores: Any) -> Any:
    """Whether the larger share of each image's labels is the class with the highest score, (B,).

    Keras' own takes every score of one output for wrong whose target, of a mixed image, is neither 0 nor 1.
    """
    import keras

    targets = targets[:, : scores.shape[1]]
    if scores.shape[1] == 1:
        return keras.metrics.binary_accuracy(keras.ops.round(targets), scores)
    return keras.metrics.categorical_accuracy(targets, scores)
