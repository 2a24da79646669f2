"""What a network needs before one scale can serve a whole layer: no useless channel, and none far larger than the rest.

One scale a tensor is set by the largest weight of all channels. In a MobileNet that is often the weight of a channel
that says nothing: its batch norm divides by a variance of next to nothing. And of those that do say something, a few
are much larger than the others. Both can be mended in float, and on pictures like those of calibration the network
computes what it did:

- `silence`: channels that are 0 on all calibration images get weights of 0.
- `equalize`: a channel that leaves one convolution s times as large, and enters the next divided by s, is the same to
  everything behind; s is chosen so that the channels of both become alike. ReLU6 lets only those be scaled that stay
  below 6, before and after.

Source: Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", sections 4.1 and
5.1.1; there ReLU6 is replaced by ReLU, which changes what the network computes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mbhelpers.models.fold import consumers, fold_batch_norms, is_convolution
from mbhelpers.preprocessing import Preprocessing
from mbhelpers.quantization.bias import IMAGES

if TYPE_CHECKING:
    import keras

REPAIRS = ("silence", "equalize", "biases")
"""All there are, in the order of their work; "biases" is `correct_biases`, on the converted file."""

_BATCH = 25

_ROUNDS = 4
"""Each pair changes what its neighbours see, so all pairs take their turn several times."""

_HEADROOM = 1.2
"""How much higher than on the calibration images a channel may become elsewhere without meeting the 6 of a ReLU6."""


_MOST = 64.0
"""By how much a channel is scaled at most at once: one that is next to silent would take every factor."""


@dataclass
class Stage:
    """A convolution with its activation.

    Attributes:
        convolution: a Conv2D or DepthwiseConv2D with a bias.
        limit: at which its activation clips, infinite for none or ReLU; None for one that a scale can't pass.
        output: the tensor behind the activation.
        before: the tensor in front of it.
        next: the stage that alone reads it, if there is such a one.
        largest: of each channel in front of the activation, on the calibration images; scales multiply it.
        silent: which channels are 0 behind it, on all of them.
    """

    convolution: Any
    limit: float | None
    output: Any
    before: Any
    next: "Stage | None" = None
    largest: np.ndarray = field(default_factory=lambda: np.zeros(0))
    silent: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    @property
    def sizes(self) -> np.ndarray:
        """The largest weight of each channel that leaves the convolution."""
        return _reach(self.convolution, leaving=True)


def repaired(
    model: "keras.Model", preprocessing: Preprocessing, images: np.ndarray, repairs: tuple[str, ...] = REPAIRS
) -> tuple["keras.Model", dict[str, int]]:
    """A copy of a network, its batch norms folded, that bears one scale a tensor.

    Args:
        model: a classifier or detector of the family, from pixels or from values on; it stays as it is.
        preprocessing: makes the values.
        images: uint8 calibration images, (N, H, W, 3).
        repairs: which of "silence" and "equalize" to do.

    Returns:
        The copy, and how many channels were silenced and how many pairs of layers equalized.

    Raises:
        ValueError: convolutions that are not where a network of the family has them.
    """
    copy = fold_batch_norms(model)
    stages = observed(copy, preprocessing, images)
    done = {}
    if "silence" in repairs:
        done["silenced_channels"] = sum(silence(stage) for stage in stages)
    if "equalize" in repairs:
        pairs = [stage for stage in stages if stage.next is not None and stage.limit is not None]
        for _ in range(_ROUNDS):
            for stage in pairs:
                equalize(stage)
        done["equalized_pairs"] = len(pairs)
    return copy, done


def observed(folded: "keras.Model", preprocessing: Preprocessing, images: np.ndarray) -> list[Stage]:
    """The convolutions of a network without batch norms, and what their channels were on some images.

    Args:
        folded: from `fold_batch_norms`; what is done to a stage is done to it.
        preprocessing: makes its values.
        images: uint8 pixels, (N, H, W, 3).

    Raises:
        ValueError: convolutions that are not where a network of the family has them.
    """
    stages = []
    for network, values in trunks(folded, preprocessing, images):
        here = _stages(network)
        _observe(network, here, values)
        stages += here
    return stages


def silence(stage: Stage) -> int:
    """Zero the weights of channels that were never heard, and those that would read them; returns how many."""
    if stage.silent.any():
        alive = np.where(stage.silent, 0.0, 1.0)
        _scale_outputs(stage.convolution, alive)
        if stage.next is not None:
            _scale_inputs(stage.next.convolution, alive)
    return int(stage.silent.sum())


def equalize(stage: Stage) -> None:
    """Share the sizes of channels between a stage and the next, so that both have channels of much the same size.

    With r1 the largest weight of a channel as it leaves, r2 as it enters, and no limit, s = sqrt(r2 / r1) makes them
    equal. A limit pins those channels that reach it, s = 1, and the others go along with them as far as they may.
    """
    if stage.next is None or stage.limit is None:
        raise ValueError(
            f"{stage.convolution.name!r} shares no sizes: no convolution alone follows it, or no scale passes"
        )
    leaving, entering = _reach(stage.convolution, leaving=True), _reach(stage.next.convolution, leaving=False)
    live = (leaving > 0) & (entering > 0)
    if not live.any():
        return
    highest = np.maximum(stage.largest * _HEADROOM, 1e-6)
    pinned = ~live | stage.silent | (highest >= stage.limit)
    ceiling = np.where(pinned, 1.0, np.minimum(stage.limit / highest, _MOST))
    even = np.sqrt(np.where(live, entering, 1.0) / np.where(live, leaving, 1.0))
    best, smallest = np.ones_like(even), np.inf
    # How large the one layer is against the other is free, but for the pinned channels; from no change outwards.
    for factor in sorted(np.geomspace(1 / 50, 50, 69), key=lambda value: abs(np.log(value))):
        scale = np.where(pinned, 1.0, np.clip(even * factor, 1 / _MOST, ceiling))
        product = (leaving * scale)[live].max() * (entering / scale)[live].max()
        if product < 0.999 * smallest:
            best, smallest = scale, product
    _scale_outputs(stage.convolution, best)
    _scale_inputs(stage.next.convolution, 1 / best)
    stage.largest = stage.largest * best


def settle(
    model: "keras.Model", preprocessing: Preprocessing, images: np.ndarray, granularity: str
) -> tuple["keras.Model", int]:
    """Round a repaired copy's weights as int8 will, and take what that shifts out of the biases.

    For runtimes whose files `correct_biases` can't read. A channel's shift is what the rounding errors of its weights
    make of the layer's inputs, on average over the calibration images.

    Args:
        model: from `repaired`; it is changed.
        preprocessing: makes its values.
        images: uint8 calibration images, (N, H, W, 3); at most `IMAGES` of them, evenly spaced, serve.
        granularity: "channel" or "tensor".

    Returns:
        The model, and how many layers' biases moved.
    """
    seen = images[np.linspace(0, len(images) - 1, min(len(images), IMAGES)).astype(int)]
    done = sum(_settle(network, values, granularity) for network, values in trunks(model, preprocessing, seen))
    return model, done


def _settle(network: "keras.Model", values: np.ndarray, granularity: str) -> int:
    """The same for one network, from what enters it; returns how many layers' biases moved."""
    import keras

    stages = _stages(network)
    entering = keras.Model(network.inputs[0], [stage.convolution.input for stage in stages])
    sums = [np.zeros(stage.convolution.output.shape[-1]) for stage in stages]
    trained = [stage.convolution.get_weights() for stage in stages]
    rounded = [_rounded(stage.convolution, granularity) for stage in stages]
    for k in range(0, len(values), _BATCH):
        inputs = keras.tree.flatten(entering(values[k : k + _BATCH], training=False))  # one alone comes bare
        for stage, total, (kernel, bias), grid, given in zip(stages, sums, trained, rounded, inputs, strict=True):
            convolution, activation = stage.convolution, stage.convolution.activation
            convolution.set_weights([grid - kernel, np.zeros_like(bias)])
            convolution.activation = keras.activations.linear
            shift = np.asarray(convolution(given))  # (B, h, w, C)
            total += shift.mean((1, 2), dtype=np.float64).sum(0)
            convolution.set_weights([kernel, bias])
            convolution.activation = activation
    for stage, total, (_, bias), grid in zip(stages, sums, trained, rounded, strict=True):
        stage.convolution.set_weights([grid, (bias - total / len(values)).astype(np.float32)])
    return len(stages)


def _rounded(convolution: Any, granularity: str) -> np.ndarray:
    """A kernel on the grid of symmetric int8, -127 to 127."""
    kernel = np.asarray(convolution.kernel)
    reach = _reach(convolution, leaving=True)
    reach = np.full_like(reach, reach.max()) if granularity == "tensor" else reach
    step = np.where(reach > 0, reach, 1.0) / 127
    by_channel = step.reshape(kernel.shape[2:]) if _is_depthwise(convolution) else step
    return (np.round(kernel / by_channel) * by_channel).astype(np.float32)


def trunks(
    model: "keras.Model", preprocessing: Preprocessing, images: np.ndarray
) -> list[tuple["keras.Model", np.ndarray]]:
    """The networks of a model that have convolutions, inner ones first, and what enters each.

    A classifier has one, its backbone; a detector's head is another, around it.

    Raises:
        ValueError: there is none, or an inner one that something else than the image enters.
    """
    import keras

    found = list(_networks(model))
    if strange := [n for n in found if n.input_shape[1:] != model.input_shape[1:]]:
        raise ValueError(
            f"{strange[0].name!r} takes {strange[0].input_shape[1:]}, not the image; rebuild the model with its head's "
            "layers in the model itself"
        )
    if not found:
        raise ValueError(
            "the model has no convolutions behind its input; one scale a tensor is for networks of the family"
        )
    values = preprocessing.normalize(images)
    rescaled = [any(isinstance(layer, keras.layers.Rescaling) for layer in network.layers) for network in found]
    return [(n, images.astype(np.float32) if own else values) for n, own in zip(found, rescaled, strict=True)]


def _networks(model: "keras.Model") -> "Iterator[keras.Model]":
    """The model and those in it, inner ones first, that have convolutions of their own."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _networks(layer)
    if any(is_convolution(layer) for layer in model.layers):
        yield model


def _stages(network: "keras.Model") -> list[Stage]:
    """The convolutions of a network in its order, each with what follows it."""
    import keras

    readers = consumers(network)
    found: dict[int, Stage] = {}
    follows: dict[int, list[Any]] = {}
    for layer in network.layers:
        if not is_convolution(layer):
            continue
        before, after = _past(layer.output, readers, keras.layers.Identity)
        limit, output = _clip(layer.activation), before
        if len(after) == 1 and isinstance(after[0], keras.layers.ReLU | keras.layers.Activation):
            limit = _limit(after[0]) if limit == np.inf else None
            output, after = after[0].output, readers.get(id(after[0].output), [])
        found[id(layer)] = Stage(layer, limit, output, before)
        follows[id(layer)] = _past(output, readers, keras.layers.ZeroPadding2D)[1]
    for key, stage in found.items():
        if len(follows[key]) == 1:
            stage.next = found.get(id(follows[key][0]))
    return list(found.values())


def _past(tensor: Any, readers: dict[int, list[Any]], kind: Any) -> tuple[Any, list[Any]]:
    """What a tensor has become behind layers of a kind that alone read it, and who reads that."""
    after = readers.get(id(tensor), [])
    while len(after) == 1 and isinstance(after[0], kind):
        tensor = after[0].output
        after = readers.get(id(tensor), [])
    return tensor, after


def _limit(layer: Any) -> float | None:
    """Where an activation layer clips; None for one that a scale can't pass."""
    import keras

    if isinstance(layer, keras.layers.ReLU):
        plain = not layer.negative_slope and not layer.threshold
        return (np.inf if layer.max_value is None else float(layer.max_value)) if plain else None
    return _clip(layer.activation)


def _clip(activation: Any) -> float | None:
    """The same of an activation function."""
    import keras

    limits = {keras.activations.linear: np.inf, keras.activations.relu: np.inf, keras.activations.relu6: 6.0}
    return limits.get(activation)


def _observe(network: "keras.Model", stages: list[Stage], values: np.ndarray) -> None:
    """Run the images and note each channel's largest value, and whether it is ever anything but 0."""
    import keras

    over = (0, 1, 2)
    told = [keras.ops.max(stage.before, over) for stage in stages]
    told += [keras.ops.max(keras.ops.abs(stage.output), over) for stage in stages]
    watched = keras.Model(network.inputs[0], told)
    batches = [watched(values[k : k + _BATCH], training=False) for k in range(0, len(values), _BATCH)]
    most = [np.max([np.asarray(batch[k]) for batch in batches], axis=0) for k in range(len(told))]
    for k, stage in enumerate(stages):
        stage.largest, stage.silent = most[k], most[len(stages) + k] == 0


def _reach(convolution: Any, *, leaving: bool) -> np.ndarray:
    """The largest weight of each channel that leaves a convolution, or enters it."""
    kernel = np.abs(np.asarray(convolution.kernel))  # (kh, kw, in, out), of a depthwise one (kh, kw, in, multiplier)
    if _is_depthwise(convolution):
        return kernel.max((0, 1)).ravel() if leaving else kernel.max((0, 1, 3))
    return kernel.max((0, 1, 2) if leaving else (0, 1, 3))


def _scale_outputs(convolution: Any, scale: np.ndarray) -> None:
    kernel, bias = convolution.get_weights()
    by_channel = scale.reshape(kernel.shape[2:]) if _is_depthwise(convolution) else scale
    convolution.set_weights([kernel * by_channel, bias * scale])


def _scale_inputs(convolution: Any, scale: np.ndarray) -> None:
    kernel, bias = convolution.get_weights()
    convolution.set_weights([kernel * scale[:, None], bias])


def _is_depthwise(convolution: Any) -> bool:
    import keras

    return isinstance(convolution, keras.layers.DepthwiseConv2D)
