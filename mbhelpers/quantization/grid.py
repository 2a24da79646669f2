"""Weights that came from an 8-bit file keep its integers when they are quantized again.

A converter picks each channel's scale from its largest weight. Weights that lie on a grid already, as those of a
quantized file that was read back do, are then rounded a second time, to another grid: an error as large as that of
the first quantization, which a network trained with its quantization has not learned to bear. Where the old grid
fits into int8, it is put back, and nothing is rounded.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

_STEPS = 255
"""From the lowest to the highest of 8 bits."""

_OFF = 1e-3
"""How far from an integer a weight on the grid may be, in steps: float32 leaves 255 * 2**-24 or so."""


def grid_step(weights: np.ndarray) -> float | None:
    """The step of the grid that weights lie on: `weights = step * integers`, none of them beyond 255.

    Args:
        weights: float32, of any shape.

    Returns:
        The step; None for weights that are on no grid, as trained ones are, or too few to tell: they need eight
        levels, two of them neighbours.
    """
    levels = np.unique(np.append(weights.astype(np.float64).ravel(), 0.0))
    if not 8 <= len(levels) <= 2 * _STEPS + 1:
        return None
    step = float(np.diff(levels).min())
    for _ in range(2):  # the difference of two rounded numbers is rough; all levels together give the step exactly
        numbers = np.round(levels / step)
        if np.abs(numbers).max() > _STEPS:
            return None
        step = float(numbers @ levels / (numbers @ numbers))
    return step if np.abs(levels / step - numbers).max() < _OFF else None


def keeps_grid(model: "keras.Model", granularity: str) -> bool:
    """Whether int8 can keep the 8-bit grids that weights read back from a quantized file lie on.

    With a scale for each channel ("channel") it can wherever there are some: a channel that does not fit is rounded
    finely anyway. With one scale a layer ("tensor") only if all integers fit into -127 to 127: weights that were uint8,
    with a zero-point, may need twice the room, and rounding them anew loses as much as it does for a trained model.
    """
    kernels = _kernels(model)
    steps = [grid_step(kernel) for kernel in kernels]
    if granularity == "channel":
        return any(steps)
    return all(step and np.abs(kernel).max() < 127.5 * step for kernel, step in zip(kernels, steps, strict=True))


def keep_grid(content: bytes, model: "keras.Model") -> tuple[bytes, int]:
    """Put the integers back into a freshly converted int8 file.

    Args:
        content: a .tflite file that was made from `model`.
        model: its convolutions and dense layers are looked at; those on no grid are left as they were converted.

    Returns:
        The file, and how many channels of it now have their old integers; without any, the file is the same.
    """
    gridded = [(kernel, step) for kernel in _kernels(model) if (step := grid_step(kernel))]
    if not gridded:
        return content, 0
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.ModelT.InitFromPackedBuf(content, 0)
    kept = 0
    for part in graph.subgraphs:
        for operator in part.operators:
            tensors = [part.tensors[k] for k in operator.inputs if k >= 0]
            if len(tensors) > 1 and tensors[1].type == schema.TensorType.INT8:
                kept += _restore(tensors, graph, gridded)
    return pack(graph), kept


def pack(graph: Any) -> bytes:
    """The file of a graph (`schema.ModelT`)."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(graph.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def constant(tensor: Any, graph: Any, dtype: Any) -> np.ndarray:
    """What a tensor of a graph holds, flat."""
    return np.frombuffer(np.asarray(graph.buffers[tensor.buffer].data, np.uint8).tobytes(), dtype)


def _kernels(model: "keras.Model") -> list[np.ndarray]:
    """Kernels of the layers that have such, in TFLite's order of axes."""
    import keras

    found = []
    for layer in model._flatten_layers(include_self=False, recursive=True):
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            kernel = layer.get_weights()[0]
            found.append(kernel.reshape(1, *kernel.shape[:2], -1))
        elif isinstance(layer, keras.layers.Conv2D):
            found.append(layer.get_weights()[0].transpose(3, 0, 1, 2))
        elif isinstance(layer, keras.layers.Dense):
            found.append(layer.get_weights()[0].T)
    return found


def _restore(tensors: list[Any], graph: Any, gridded: list[tuple[np.ndarray, float]]) -> int:
    """Rewrite one operator's weights where they are those of a kernel; returns how many channels."""
    weights = tensors[1]
    told = weights.quantization
    if graph.buffers[weights.buffer].data is None or told is None or told.scale is None:
        return 0
    shape = tuple(int(n) for n in weights.shape)
    stored = constant(weights, graph, np.int8).reshape(shape)
    scale, axis = np.array(told.scale, np.float32), int(told.quantizedDimension)
    spread = [-1 if k == axis else 1 for k in range(len(shape))]
    for kernel, step in gridded:
        if kernel.shape != shape or np.abs(stored * scale.reshape(spread) - kernel).max() > scale.max() * 0.51:
            continue  # another layer's
        numbers = np.round(kernel / step).astype(np.int64)
        others = tuple(k for k in range(len(shape)) if k != axis) if len(scale) > 1 else None
        fits = np.atleast_1d(np.abs(numbers).max(axis=others) <= 127)
        restored = np.where(fits.reshape(spread), numbers, stored).astype(np.int8)
        store(restored, weights, graph)
        told.scale = np.where(fits, step, scale).astype(np.float32)
        if len(tensors) > 2:
            _rescale_bias(tensors[2], graph, told.scale / scale)
        return int(fits.sum())
    return 0


def _rescale_bias(bias: Any, graph: Any, growth: np.ndarray) -> None:
    """Give a 32-bit bias the scale that its weights' new ones ask for: input scale times weight scale."""
    numbers = constant(bias, graph, np.int32)
    store(np.round(numbers / growth).astype(np.int32), bias, graph)
    bias.quantization.scale = (np.array(bias.quantization.scale) * growth).astype(np.float32)


def store(numbers: np.ndarray, tensor: Any, graph: Any) -> None:
    """Write a constant's content; where several tensors share it, as equal ones do, only for this one."""
    from ai_edge_litert import schema_py_generated as schema

    if sum(other.buffer == tensor.buffer for part in graph.subgraphs for other in part.tensors) > 1:
        tensor.buffer = len(graph.buffers)
        graph.buffers.append(schema.BufferT())
    graph.buffers[tensor.buffer].data = np.frombuffer(numbers.tobytes(), np.uint8)
