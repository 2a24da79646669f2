"""Batch norms folded into the convolutions before them, as every int8 file has them."""

from typing import TYPE_CHECKING, Any

import numpy as np

from mbhelpers.native import load_tensorflow

if TYPE_CHECKING:
    import keras


def fold_batch_norms(model: "keras.Model") -> "keras.Model":
    """A copy of a model in which every convolution has a bias, and no batch norm is left.

    Args:
        model: a functional or sequential model, models inside it too; it stays as it is. It computes as in inference.

    Returns:
        The copy: same layers, same names, same outputs but for float32 rounding. Where a batch norm was stands an
        Identity.

    Raises:
        ValueError: a batch norm that follows no convolution, or whose convolution something else reads too.
    """
    load_tensorflow()
    import keras

    if isinstance(model, keras.Sequential):
        # The inner tensors of one that was loaded from a file are not connected.
        parts = [type(layer).from_config(layer.get_config()) for layer in model.layers]
        connected = keras.Sequential([keras.Input(model.input_shape[1:]), *parts])
        connected.set_weights(model.get_weights())
        model = connected
    norms = dict(_norms(model))

    def copied(layer: Any) -> Any:
        if isinstance(layer, keras.Model):
            return cloned(layer)
        config = layer.get_config()
        if isinstance(layer, keras.layers.BatchNormalization):
            return keras.layers.Identity(name=layer.name)
        if is_convolution(layer):
            config["use_bias"] = True
        return type(layer).from_config(config)

    def called(layer: Any, *inputs: Any, **options: Any) -> Any:
        return layer(*inputs) if isinstance(layer, keras.layers.Identity) else layer(*inputs, **options)

    def cloned(part: "keras.Model") -> "keras.Model":
        if isinstance(part, keras.Sequential):
            return keras.models.clone_model(part, clone_function=copied)
        return keras.models.clone_model(part, clone_function=copied, call_function=called)

    copy = cloned(model)
    for old, new in _pairs(model, copy):
        if is_convolution(old):
            new.set_weights(_folded(old, norms.get(id(old))))
        elif not isinstance(old, keras.layers.BatchNormalization):
            new.set_weights(old.get_weights())
    return copy


def is_convolution(layer: Any) -> bool:
    """Whether a layer is a Conv2D or DepthwiseConv2D, of the kinds that a MobileNet has."""
    import keras

    return isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)


def consumers(network: "keras.Model") -> dict[int, list[Any]]:
    """What reads a tensor of a network, by the tensor's id: layers, operations that are no layers, and its outputs.

    Models inside the model are not among the readers; what enters them is a tensor of their own.
    """
    import keras

    readers: dict[int, list[Any]] = {}
    for reader in getattr(network, "operations", network.layers):
        if isinstance(reader, keras.layers.InputLayer | keras.Model):
            continue
        for tensor in reader.input if isinstance(reader.input, list | tuple) else [reader.input]:
            readers.setdefault(id(tensor), []).append(reader)
    for tensor in network.outputs:
        readers.setdefault(id(tensor), []).append("output")
    return readers


def _norms(model: "keras.Model") -> Any:
    """Pairs of a convolution's id and the batch norm behind it."""
    import keras

    readers = consumers(model)
    makers = {id(layer.output): layer for layer in model.layers if is_convolution(layer)}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _norms(layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            maker = makers.get(id(layer.input))
            if maker is None or len(readers[id(layer.input)]) > 1 or maker.activation is not keras.activations.linear:
                raise ValueError(
                    f"batch norm {layer.name!r} does not follow a convolution of its own, so it can't be folded; "
                    "rebuild the model with the norm right behind the convolution"
                )
            yield id(maker), layer


def _pairs(model: "keras.Model", copy: "keras.Model") -> Any:
    """Layers of a model with those of its copy, inner models' too."""
    import keras

    for old in model.layers:
        if isinstance(old, keras.Model):
            yield from _pairs(old, copy.get_layer(old.name))
        elif not isinstance(old, keras.layers.InputLayer):
            yield old, copy.get_layer(old.name)


def _folded(convolution: Any, norm: Any) -> list[np.ndarray]:
    """Kernel and bias of a convolution, with those of its batch norm in them."""
    import keras

    kernel, *rest = convolution.get_weights()
    channels = convolution.output.shape[-1]
    bias = rest[0] if rest else np.zeros(channels, np.float32)
    if norm is None:
        return [kernel, bias]
    mean, variance = np.asarray(norm.moving_mean, np.float64), np.asarray(norm.moving_variance, np.float64)
    gain = (np.asarray(norm.gamma, np.float64) if norm.scale else 1.0) / np.sqrt(variance + norm.epsilon)
    shift = (np.asarray(norm.beta, np.float64) if norm.center else 0.0) + (bias - mean) * gain
    depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)
    by_channel = gain.reshape(kernel.shape[2:]) if depthwise else gain
    return [(kernel * by_channel).astype(np.float32), shift.astype(np.float32)]
