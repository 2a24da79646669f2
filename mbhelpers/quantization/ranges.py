"""Ranges: of every activation, by calibration; and whether a model was trained in the one that it is calibrated in."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mbhelpers.models.families import without_rescaling
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import Preprocessing
from mbhelpers.quantization.grid import pack
from mbhelpers.quantization.layers import outputs

if TYPE_CHECKING:
    import keras

USUAL_SPREAD = (0.6, 1.5)
"""What `input_spread` gives where the range is right: measured 0.71 to 1.11 for Keras', ST's and our MobileNetV2 on
ImageNet, flowers, leaves and drawn pictures. With pixels / 255 in place of pixels / 127.5 - 1 it was 0.36 to 0.58, with
ImageNet's mean and std of each channel 1.57 to 2.43, with raw pixels 90 and more."""

ANY_SPREAD = (0.1, 10.0)
"""Beyond these no other kind of pictures is an explanation."""

_ENOUGH = 64


def with_ranges(content: bytes, images: np.ndarray, preprocessing: Preprocessing) -> bytes:
    """A float .tflite file that knows the smallest and largest value of each of its activations: a calibrated one.

    In place of TensorFlow's calibrator, which is slower and reads a value after the step that
    takes it: where a sum is written into the memory of one of its terms, the term gets the range of the sum, which
    made scales before residual sums up to 40 % coarser.

    Args:
        content: the float file.
        images: uint8 pixels, (N, H, W, 3).
        preprocessing: turns them into the values that its input takes.
    """
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.ModelT.InitFromPackedBuf(content, 0)
    part, signatures = graph.subgraphs[0], graph.signatureDefs
    ends = part.outputs
    part.outputs = watched = [int(n) for operator in part.operators for n in operator.outputs]
    graph.signatureDefs = None  # they name other outputs
    lows, highs = np.full((2, len(watched)), [[np.inf], [-np.inf]])
    for found in outputs(pack(graph), watched, images, preprocessing):
        lows = np.minimum(lows, [values.min() for values in found])
        highs = np.maximum(highs, [values.max() for values in found])
    pixels = preprocessing.normalize(images)
    reach = [(part.inputs[0], pixels.min(), pixels.max()), *zip(watched, lows, highs, strict=True)]
    for n, low, high in reach:
        part.tensors[n].quantization = schema.QuantizationParametersT()
        part.tensors[n].quantization.min, part.tensors[n].quantization.max = [float(low)], [float(high)]
    part.outputs, graph.signatureDefs = ends, signatures
    return pack(graph)


def input_spread(model: "keras.Model", preprocessing: Preprocessing, images: np.ndarray) -> float | None:
    """How widely the first convolution's outputs spread on these images, as a multiple of their spread in training.

    Args:
        model: a classifier, with or without its Rescaling layer.
        preprocessing: turns pixels into the values that the model is to be fed.
        images: uint8 pixels, (N, H, W, 3); the first 64 serve.

    Returns:
        Median over the channels of their standard deviation, divided by the one that the batch norm after them has
        kept; 1 is as in training. None for a model that does not begin with a convolution and a batch norm: one that
        was read back from a .tflite file has folded it away.

    Raises:
        ValueError: the model's own rescaling contradicts `preprocessing`.
    """
    load_tensorflow()
    import keras

    layers = list(_in_order(without_rescaling(model, preprocessing)))
    values = preprocessing.normalize(images[:_ENOUGH])
    if isinstance(layers[0], keras.layers.ZeroPadding2D):
        values = layers.pop(0)(values)
    convolution, norm = layers[:2]
    if not isinstance(convolution, keras.layers.Conv2D) or not isinstance(norm, keras.layers.BatchNormalization):
        return None
    seen, kept = np.var(convolution(values), axis=(0, 1, 2)), np.asarray(norm.moving_variance)
    alive = kept > 0.01 * kept.max()  # MobileNets have stem channels that training has switched off
    return float(np.sqrt(np.median(seen[alive] / kept[alive])))


def _in_order(model: "keras.Model") -> Iterator["keras.Layer"]:
    """The layers that compute, from the input on, those of models inside the model too."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _in_order(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            yield layer
