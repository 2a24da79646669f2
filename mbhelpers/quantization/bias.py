"""Biases that take back what rounding adds to a channel on average.

Rounded weights, and activations rounded or clipped to 8 bits, shift the mean of a channel's outputs. In a network as
thin as MobileNetV2 0.35 those shifts add up from layer to layer. They are known, though: run the float file and the
int8 file on the same images, and the difference of a channel's means goes into its 32-bit bias. Layer by layer, from
the input on, since a layer's shift depends on those before it.

Source: empirical bias correction, Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias
Correction", section 4.2; here the means are taken behind the activation that TFLite fuses into a layer.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mbhelpers.preprocessing import Preprocessing
from mbhelpers.quantization.grid import constant, pack, store
from mbhelpers.quantization.layers import outputs, same_layers

IMAGES = 64
"""Calibration images that the means are taken over."""

_HIGHEST = 2**30
"""A bias beyond it might overflow the 32 bits of a sum."""


def correct_biases(
    content: bytes, reference: bytes, images: np.ndarray, preprocessing: Preprocessing
) -> tuple[bytes, int]:
    """Move the biases of an int8 file so that every channel has the float file's mean.

    Args:
        content: an int8 .tflite file.
        reference: the float one of the same model.
        images: uint8 calibration images (N, H, W, 3); at most `IMAGES` of them, evenly spaced, serve.
        preprocessing: turns their pixels into the values that a float input takes.

    Returns:
        The file, of which nothing but biases is changed, and how many layers of it were corrected.

    Raises:
        ValueError: the two files don't have the same layers.
    """
    from ai_edge_litert import schema_py_generated as schema

    seen = images[np.linspace(0, len(images) - 1, min(len(images), IMAGES)).astype(int)]
    graph = schema.ModelT.InitFromPackedBuf(content, 0)
    float_graph = schema.ModelT.InitFromPackedBuf(reference, 0)
    part, layers = graph.subgraphs[0], same_layers(float_graph, graph)
    targets = [float_graph.subgraphs[0].operators[k].outputs[0] for k, _ in layers]
    wanted = _means(outputs(reference, targets, seen, preprocessing, inner=True))
    corrected = 0
    operators, ends, signatures = part.operators, part.outputs, graph.signatureDefs
    graph.signatureDefs = None  # they name outputs that a part of the graph hasn't
    for (_, k), mean in zip(layers, wanted, strict=True):
        bias = _bias(part, operators[k])
        if bias is None:
            continue
        part.operators, part.outputs = operators[: k + 1], [operators[k].outputs[0]]
        (found,) = _means(outputs(pack(graph), part.outputs, seen, preprocessing))
        numbers = constant(bias, graph, np.int32).astype(np.float64)
        limit = np.maximum(np.abs(numbers), _HIGHEST)
        moved = np.round(numbers + (mean - found) / np.array(bias.quantization.scale, np.float64))
        store(np.clip(moved, -limit, limit).astype(np.int32), bias, graph)
        corrected += 1
    part.operators, part.outputs, graph.signatureDefs = operators, ends, signatures
    return (pack(graph) if corrected else content), corrected


def _bias(part: Any, operator: Any) -> Any | None:
    """An operator's 32-bit bias; None where it has none, as one that stayed in float."""
    from ai_edge_litert import schema_py_generated as schema

    if len(operator.inputs) < 3 or operator.inputs[2] < 0:
        return None
    bias = part.tensors[operator.inputs[2]]
    return bias if bias.type == schema.TensorType.INT32 else None


def _means(found: Iterator[list[np.ndarray]]) -> list[np.ndarray]:
    """What each channel of some tensors is on average over the images."""
    by_image = [[values.mean(tuple(range(values.ndim - 1)), dtype=np.float64) for values in each] for each in found]
    return [np.mean(means, axis=0) for means in zip(*by_image, strict=True)]
