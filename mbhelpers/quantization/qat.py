"""Quantization-aware training: a copy of a classifier that rounds as its int8 file will, and learns to live with it.

Nothing of a legacy framework: rounding is TensorFlow's fake quantization, whose gradient passes through where nothing
is clipped, in layers that stand for the model's own. What has learned is copied back into plain layers and is
quantized like any other model.

While it learns, its teacher is the float model itself, on the same pictures: what it is to come back to.

Source: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", section 3; batch norms are folded before, and stay so.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mbhelpers.models.fold import consumers, is_convolution
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import Preprocessing
from mbhelpers.quantization.repair import repaired, settle, trunks
from mbhelpers.training.fit import fit
from mbhelpers.training.recipes import RECIPES, Recipe
from mbhelpers.training.views import view_outputs

if TYPE_CHECKING:
    import keras

_BATCH = 25


RECIPE = Recipe(
    learning_rate=3e-5,
    epochs=4,
    min_steps=100,
    monitor="none",
    passes=4,
    teacher="itself",
    distillation=1.0,
    augmentation=RECIPES["tl"].augmentation,
)
"""Ours: nothing but the float model's scores is learned, at a small rate, on pictures that are moved and mirrored."""


def learn(
    model: "keras.Model",
    preprocessing: Preprocessing,
    training: tuple[np.ndarray, np.ndarray],
    calibration: np.ndarray,
    folder: Path,
    *,
    granularity: str = "tensor",
    recipe: Recipe = RECIPE,
    seed: int,
) -> tuple["keras.Model", list[dict[str, float]]]:
    """Train a model's `rounding_copy`; a killed training goes on behind its last whole epoch.

    Args:
        model: a trained classifier of the family; it stays as it is, and teaches.
        preprocessing: makes its values.
        training: uint8 images (N, H, W, 3) and integer labels (N,).
        calibration: uint8 images, (M, H, W, 3), that show the ranges of activations.
        folder: where state, history and logs go while it trains.
        granularity: "channel" or "tensor", as the file is to have it.
        recipe: with a share of distillation, the float model's scores are learned, else the labels alone.
        seed: of order and augmentation.

    Returns:
        A float model whose weights bear rounding, batch norms folded; quantize it with `repairs=()`. And the history,
        as `fit` gives it, whose loss and accuracy are of the rounded network.

    Raises:
        ValueError: as `rounding_copy` and `fit`.
    """
    import keras

    learner, folded = rounding_copy(model, preprocessing, calibration, granularity)
    mended = keras.models.clone_model(folded)
    mended.set_weights(folded.get_weights())
    settle(mended, preprocessing, calibration, granularity)
    _carry(mended, learner, biases_only=True)
    recipe = recipe.fitted(len(training[0]))
    taught = None
    if recipe.distillation:
        classes, cache = max(2, model.output_shape[1]), folder / "views"
        taught, _ = view_outputs(model, *training, recipe, seed=seed, classes=classes, cache=cache)
    history = fit(learner, training, None, recipe, folder, seed=seed, taught=taught)
    return plain(learner, folded), history


def rounding_copy(
    model: "keras.Model", preprocessing: Preprocessing, images: np.ndarray, granularity: str = "channel"
) -> tuple["keras.Model", "keras.Model"]:
    """A copy that computes with rounded weights and activations, to be trained, and the float model under it.

    Activations are those of the convolutional part; what pooling gives stays as it is, and so do the scores.

    Args:
        model: a classifier of the family; it stays as it is.
        preprocessing: makes its values.
        images: uint8 calibration images, (N, H, W, 3): the ranges of activations, which training keeps.
        granularity: "channel" or "tensor", of the weights; the latter is repaired before (`repaired`).

    Returns:
        The copy, from pixels to scores, all of whose weights are trainable; and the float model that
        `plain` copies them back into, batch norms folded.

    Raises:
        ValueError: an unknown granularity, or a model that is no functional classifier of the family.
    """
    if granularity not in ("channel", "tensor"):
        raise ValueError(f"unknown granularity {granularity!r}; choose from channel, tensor")
    load_tensorflow()
    import keras

    folded, _ = repaired(model, preprocessing, images, ("silence", "equalize") if granularity == "tensor" else ())
    [(network, values)] = trunks(folded, preprocessing, images)
    ranges = _ranges(network, values)

    def copied(layer: Any) -> Any:
        if isinstance(layer, keras.Model):
            return cloned(layer)
        config = layer.get_config()
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            return _layers()["depthwise"].from_config(config | {"per_channel": granularity == "channel"})
        if is_convolution(layer):
            return _layers()["convolution"].from_config(config | {"per_channel": granularity == "channel"})
        if isinstance(layer, keras.layers.Dense):
            return _layers()["dense"].from_config(config | {"per_channel": granularity == "channel"})
        return type(layer).from_config(config)

    def called(layer: Any, *inputs: Any, **options: Any) -> Any:
        result = layer(*inputs, **options)
        if layer.name in ranges:
            low, high = ranges[layer.name]
            result = _layers()["range"](low, high, name=f"{layer.name}_range")(result)
        return result

    def cloned(part: "keras.Model") -> "keras.Model":
        return keras.models.clone_model(part, clone_function=copied, call_function=called)

    if isinstance(folded, keras.Sequential):
        raise ValueError("a Sequential model can't be given roundings between its layers; build it as a functional one")
    learner = cloned(folded)
    for layer in learner._flatten_layers():
        layer.trainable = True  # a model of transfer learning comes with a frozen backbone, layer by layer
    _carry(folded, learner)
    return learner, folded


def plain(learner: "keras.Model", folded: "keras.Model") -> "keras.Model":
    """Copy what a `rounding_copy` has learned into the float model that came with it; returns that.

    Quantize it with `repairs=()`: its biases were learned with the rounding, and corrected to the means of the float
    model they would lose that.
    """
    _carry(learner, folded)
    return folded


def _carry(source: "keras.Model", target: "keras.Model", *, biases_only: bool = False) -> None:
    """Copy the weights of layers of the same name, inner models' too."""
    import keras

    for layer in source.layers:
        if isinstance(layer, keras.Model):
            _carry(layer, target.get_layer(layer.name), biases_only=biases_only)
        elif biases_only and is_convolution(layer):
            target.get_layer(layer.name).bias.assign(layer.bias)
        elif layer.weights and not biases_only:
            target.get_layer(layer.name).set_weights(layer.get_weights())


def _ranges(network: "keras.Model", values: np.ndarray) -> dict[str, tuple[float, float]]:
    """The smallest and largest output, 0 among them, of each layer that an int8 file stores, by the layer's name."""
    import keras

    readers = consumers(network)
    activations = keras.layers.ReLU | keras.layers.Activation
    moves = keras.layers.InputLayer | keras.layers.ZeroPadding2D | keras.layers.Rescaling | keras.layers.Dropout

    def fused(layer: Any) -> bool:
        """Whether an activation or a folded batch norm alone reads it: the file stores what comes behind that."""
        after = readers.get(id(layer.output), [])
        return len(after) == 1 and isinstance(after[0], activations | keras.layers.Identity)

    stored = [layer for layer in network.layers if not isinstance(layer, moves | keras.Model) and not fused(layer)]
    ends = [end(layer.output) for layer in stored for end in (keras.ops.min, keras.ops.max)]
    watched = keras.Model(network.inputs[0], ends)
    found = [
        [float(value) for value in watched(values[k : k + _BATCH], training=False)]
        for k in range(0, len(values), _BATCH)
    ]
    reach = np.array(found)  # (batches, 2 a layer)
    return {
        layer.name: (min(0.0, reach[:, 2 * k].min()), max(0.0, reach[:, 2 * k + 1].max()))
        for k, layer in enumerate(stored)
        if reach[:, 2 * k + 1].max() > reach[:, 2 * k].min()
    }


def _layers() -> dict[str, Any]:
    """The layers that round, made once TensorFlow is there."""
    if not _MADE:
        import keras
        import tensorflow as tf

        def rounded(kernel: Any, per_channel: bool) -> Any:
            """A kernel (..., C) on the grid of symmetric int8."""
            if per_channel:
                reach = tf.stop_gradient(tf.reduce_max(tf.abs(kernel), tuple(range(len(kernel.shape) - 1))))
                reach = tf.maximum(reach, 1e-8)
                return tf.quantization.fake_quant_with_min_max_vars_per_channel(
                    kernel, -reach, reach, narrow_range=True
                )
            reach = tf.maximum(tf.stop_gradient(tf.reduce_max(tf.abs(kernel))), 1e-8)
            return tf.quantization.fake_quant_with_min_max_vars(kernel, -reach, reach, narrow_range=True)

        class RoundedConvolution(keras.layers.Conv2D):
            def __init__(self, *args: Any, per_channel: bool = True, **options: Any):
                super().__init__(*args, **options)
                self.per_channel = per_channel

            def call(self, inputs: Any) -> Any:
                result = keras.ops.conv(
                    inputs,
                    rounded(tf.convert_to_tensor(self.kernel), self.per_channel),
                    strides=list(self.strides),
                    padding=self.padding,
                    dilation_rate=self.dilation_rate,
                )
                return self.activation(result + self.bias)

        class RoundedDepthwise(keras.layers.DepthwiseConv2D):
            def __init__(self, *args: Any, per_channel: bool = True, **options: Any):
                super().__init__(*args, **options)
                self.per_channel = per_channel

            def call(self, inputs: Any) -> Any:
                kernel = tf.convert_to_tensor(self.kernel)  # (kh, kw, in, multiplier)
                flat = tf.reshape(kernel, (*kernel.shape[:2], -1))
                result = keras.ops.depthwise_conv(
                    inputs,
                    tf.reshape(rounded(flat, self.per_channel), kernel.shape),
                    strides=self.strides,
                    padding=self.padding,
                    dilation_rate=self.dilation_rate,
                )
                return self.activation(result + self.bias)

        class RoundedDense(keras.layers.Dense):
            def __init__(self, *args: Any, per_channel: bool = True, **options: Any):
                super().__init__(*args, **options)
                self.per_channel = per_channel

            def call(self, inputs: Any, training: Any = None) -> Any:
                kernel = rounded(tf.convert_to_tensor(self.kernel), self.per_channel)
                result = keras.ops.matmul(inputs, kernel)
                return self.activation(result if self.bias is None else result + self.bias)

        class Range(keras.layers.Layer):
            def __init__(self, low: float, high: float, **options: Any):
                super().__init__(**options)
                self.low, self.high = low, high

            def call(self, inputs: Any) -> Any:
                return tf.quantization.fake_quant_with_min_max_args(inputs, self.low, self.high)

            def compute_output_spec(self, inputs: Any) -> Any:
                return keras.KerasTensor(inputs.shape, inputs.dtype)

        _MADE.update(convolution=RoundedConvolution, depthwise=RoundedDepthwise, dense=RoundedDense, range=Range)
    return _MADE


_MADE: dict[str, Any] = {}
