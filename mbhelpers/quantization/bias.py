"""Biases that take back what rounding adds to a channel on average.

Rounded weights, and activations rounded or clipped to 8 bits, shift the mean of a channel's outputs. In a network as
thin as MobileNetV2 0.35 those shifts add up from layer to layer. They are known, though: run the float file and the
int8 file on the same images, and the difference of a channel's means goes into its 32-bit bias. Layer by layer, from
the input on, since a layer's shift depends on those before it.

Source: empirical bias correction, Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias
Correction", section 4.2; here the means are taken behind the activation that TFLite fuses into a layer.
"""

from copy import copy
from typing import Any

import numpy as np

from mbhelpers.inference.raw import as_input
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
    float_graph.subgraphs[0].outputs = targets = [float_graph.subgraphs[0].operators[k].outputs[0] for k, _ in layers]
    float_graph.signatureDefs = None  # they name other outputs
    by_image = [
        [_channel_means(values) for values in each] for each in outputs(pack(float_graph), targets, seen, preprocessing)
    ]
    wanted = [np.mean(means, axis=0) for means in zip(*by_image, strict=True)]
    given = {int(part.inputs[0]): _as_inputs(content, seen, preprocessing)}  # by tensor, an array for each image
    corrected = start = 0
    for (_, k), mean in zip(layers, wanted, strict=True):
        bias, end = _bias(part, part.operators[k]), int(part.operators[k].outputs[0])
        if bias is None:
            continue
        # No more is run than from the layer corrected last to this one.
        later = {n for operator in part.operators[k:] for n in operator.inputs}
        made = [n for operator in part.operators[start:k] for n in operator.outputs if n in later]
        found = _run(graph, slice(start, k + 1), [end, *made], given)
        reached = _mean(found.pop(end), part.tensors[end])
        numbers = constant(bias, graph, np.int32).astype(np.float64)
        limit = np.maximum(np.abs(numbers), _HIGHEST)
        moved = np.round(numbers + (mean - reached) / np.array(bias.quantization.scale, np.float64))
        store(np.clip(moved, -limit, limit).astype(np.int32), bias, graph)
        given = {n: values for n, values in (given | found).items() if n in later}
        corrected, start = corrected + 1, k
    return (pack(graph) if corrected else content), corrected


def _bias(part: Any, operator: Any) -> Any | None:
    """An operator's 32-bit bias; None where it has none, as one that stayed in float."""
    from ai_edge_litert import schema_py_generated as schema

    if len(operator.inputs) < 3 or operator.inputs[2] < 0:
        return None
    bias = part.tensors[operator.inputs[2]]
    return bias if bias.type == schema.TensorType.INT32 else None


def _as_inputs(content: bytes, images: np.ndarray, preprocessing: Preprocessing) -> list[np.ndarray]:
    """Images as the file takes them, (1, H, W, 3) each."""
    from ai_edge_litert.interpreter import Interpreter

    dtype = Interpreter(model_content=content).get_input_details()[0]["dtype"]
    return [as_input(image, dtype, preprocessing)[None] for image in images]


def _run(
    graph: Any, operators: slice, wanted: list[int], given: dict[int, list[np.ndarray]]
) -> dict[int, list[np.ndarray]]:
    """Tensors of a graph for each image, by their number, from others: some of its operators are run, alone."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.interpreter import Interpreter

    whole = graph.subgraphs[0]
    chosen = [copy(operator) for operator in whole.operators[operators]]
    kept = sorted({int(n) for operator in chosen for n in (*operator.inputs, *operator.outputs) if n >= 0})
    place = {n: k for k, n in enumerate(kept)} | {-1: -1}
    for operator in chosen:
        operator.inputs, operator.outputs = ([place[n] for n in each] for each in (operator.inputs, operator.outputs))
    part = schema.SubGraphT()
    part.tensors, part.operators = [whole.tensors[n] for n in kept], chosen
    entries = [n for n in given if n in place]
    part.inputs, part.outputs = ([place[n] for n in each] for each in (entries, wanted))
    alone = copy(graph)
    alone.subgraphs, alone.signatureDefs = [part], None
    interpreter = Interpreter(model_content=pack(alone))
    interpreter.allocate_tensors()
    found: dict[int, list[np.ndarray]] = {n: [] for n in wanted}
    for values in zip(*(given[n] for n in entries), strict=True):
        for n, value in zip(entries, values, strict=True):
            interpreter.set_tensor(place[n], value)
        interpreter.invoke()
        for n in wanted:
            found[n].append(interpreter.get_tensor(place[n]))
    return found


def _mean(found: list[np.ndarray], tensor: Any) -> np.ndarray:
    """What each channel of a tensor is on average over the images, in real numbers."""
    mean = np.mean([_channel_means(values) for values in found], axis=0)
    if np.issubdtype(found[0].dtype, np.floating):
        return mean
    return (mean - tensor.quantization.zeroPoint[0]) * tensor.quantization.scale[0]


def _channel_means(values: np.ndarray) -> np.ndarray:
    """(..., C) to (C,)."""
    return values.mean(tuple(range(values.ndim - 1)), dtype=np.float64)
