"""Batch norm as one fused operation while a model trains.

Keras' BatchNormalization trains as some fifteen element-wise operations, each of which reads and writes the whole
activation; on two cores they took half of a training step of MobileNetV2. TensorFlow has all of it as one operation
and one gradient.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@contextmanager
def fused_batch_norm(model: "keras.Model") -> Iterator[None]:
    """While the block runs, the model's batch norms compute in one operation.

    The layers are the same objects with the same weights; after the block they are plain Keras again, and so is what
    is saved. Outputs, gradients and moving statistics are Keras' but for rounding.

    Args:
        model: layers of models inside it are included. Normalizations over another axis than the last of four, with
            a mask, renormalized or synchronized stay as they are, and so do frozen ones behind a layer that trains:
            there the operation's gradient is the slower one.
    """
    import keras

    layers = list(flat_layers(model))
    first = next((k for k, layer in enumerate(layers) if layer.trainable_variables), len(layers))
    norms = [
        layer
        for k, layer in enumerate(layers)
        if type(layer) is keras.layers.BatchNormalization and _fits(layer) and (layer.trainable or k < first)
    ]
    for layer in norms:
        layer.__class__ = _fused_class()
    try:
        yield
    finally:
        for layer in norms:
            layer.__class__ = keras.layers.BatchNormalization


def flat_layers(model: "keras.Model") -> Iterator["keras.layers.Layer"]:
    """All layers of a model and of models inside it, in order."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from flat_layers(layer)
        else:
            yield layer


def _fits(layer: "keras.layers.BatchNormalization") -> bool:
    axes = layer.input_spec.axes or {}
    least = 1.001e-5  # TensorFlow's operation takes no smaller epsilon
    plain = not getattr(layer, "renorm", False) and not layer.synchronized and layer.epsilon >= least
    return plain and layer.input_spec.ndim == 4 and set(axes) <= {-1, 3} and layer.scale and layer.center


@cache
def _fused_class() -> type:
    import keras
    import tensorflow as tf

    class FusedBatchNormalization(keras.layers.BatchNormalization):
        """One operation in place of many."""

        def call(self, inputs, training=None, mask=None):
            if mask is not None:
                return super().call(inputs, training=training, mask=mask)
            scale, shift = tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
            mean, variance = tf.convert_to_tensor(self.moving_mean), tf.convert_to_tensor(self.moving_variance)
            norm = tf.compat.v1.nn.fused_batch_norm
            if not (training and self.trainable):
                return norm(inputs, scale, shift, mean, variance, epsilon=self.epsilon, is_training=False)[0]
            outputs, batch_mean, unbiased = norm(inputs, scale, shift, epsilon=self.epsilon, is_training=True)
            n = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), tf.float32)
            # The operation divides by n - 1, Keras by n.
            batch_variance = unbiased * (tf.maximum(n - 1, 1) / n)
            keep = self.momentum
            self.moving_mean.assign(mean * keep + batch_mean * (1 - keep))
            self.moving_variance.assign(variance * keep + batch_variance * (1 - keep))
            return outputs

    return FusedBatchNormalization
