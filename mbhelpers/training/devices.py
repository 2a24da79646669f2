"""What a training runs on: one device or several, and the precision that suits it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from mbhelpers.native import load_tensorflow
from mbhelpers.training.fused_norm import flat_layers

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


@cache  # a second one in a process would take the first one's collective operations for its own, and fail
def strategy() -> "tf.distribute.Strategy":
    """All GPUs of this machine, each taking its part of every batch; without two, the one device there is.

    Build the model within its `scope()`; `fit` then uses it.
    """
    load_tensorflow()
    import tensorflow as tf

    several = len(tf.config.list_logical_devices("GPU")) > 1
    return tf.distribute.MirroredStrategy() if several else tf.distribute.get_strategy()


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU."""
    load_tensorflow()
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


@contextmanager
def half_precision(model: "keras.Model", wanted: bool) -> Iterator[None]:
    """While the block runs, compute in float16 what can be: Keras' policy `mixed_float16`.

    Weights, batch-norm statistics and the scores stay float32; after the block so does everything, and what is saved.

    Args:
        model: a classifier, whose last layer gives the scores.
        wanted: False changes nothing.
    """
    before = {layer: layer.dtype_policy for layer in flat_layers(model)} if wanted else {}
    for layer in before:
        if layer is not model.layers[-1]:
            layer.dtype_policy = "mixed_float16"
    try:
        yield
    finally:
        for layer, policy in before.items():
            layer.dtype_policy = policy
