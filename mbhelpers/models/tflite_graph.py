"""A .tflite file as operators and tensors, its constants dequantized; no runtime is involved."""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_TYPES: dict[str, Any] = {
    "FLOAT32": np.float32,
    "FLOAT16": np.float16,
    "UINT8": np.uint8,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "BOOL": np.bool_,
}
"""The types that a constant may have; 4-bit ones are packed two a byte, and are refused by name."""

SAME_NUMBERS = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE")
"""Operators that change no number of a float network."""


@dataclass(frozen=True)
class Tensor:
    """One tensor of the file.

    Attributes:
        name: as the file has it.
        shape: with the batch, as the file has it.
        type: TFLite's name, as "INT8".
        scale: (1,) for the whole tensor or (C,) one a channel, float32; empty for a tensor that is not quantized.
        zero_point: int64, as long as `scale`.
        axis: which axis the channels of `scale` lie along.
        content: the stored numbers of a constant, in `shape`; None for what is computed.
        signature: `shape` with -1 where any size is taken; empty if none is free.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    scale: np.ndarray
    zero_point: np.ndarray
    axis: int
    content: np.ndarray | None = None
    signature: tuple[int, ...] = ()

    def values(self) -> np.ndarray:
        """A constant as real numbers, float32: `scale * (stored - zero_point)`, rounded once.

        Raises:
            ValueError: no constant, an integer without a scale, or scales that don't fit the shape.
        """
        if self.content is None:
            raise ValueError(f"tensor {self.name!r} is computed, where weights that the file holds were expected")
        if self.type in ("FLOAT32", "FLOAT16"):
            return self.content.astype(np.float32)
        if not len(self.scale):
            raise ValueError(f"tensor {self.name!r} is {self.type} without a scale, so its real values are unknown")
        shape = [1] * len(self.shape)
        if len(self.scale) > 1:
            if self.axis >= len(shape) or self.shape[self.axis] != len(self.scale):
                raise ValueError(
                    f"tensor {self.name!r} of shape {self.shape} has {len(self.scale)} scales along axis {self.axis}"
                )
            shape[self.axis] = len(self.scale)
        # In double precision, since biases are 32-bit integers
        scale, zero = self.scale.astype(np.float64).reshape(shape), self.zero_point.reshape(shape)
        return ((self.content.astype(np.int64) - zero) * scale).astype(np.float32)

    def limits(self) -> tuple[float, float] | None:
        """The lowest and highest real value that a quantized tensor can take; None if it is not, or by channels."""
        if len(self.scale) != 1 or self.type not in ("UINT8", "INT8", "INT16"):
            return None
        held, scale, zero = np.iinfo(self.type.lower()), float(self.scale[0]), int(self.zero_point[0])
        return (held.min - zero) * scale, (held.max - zero) * scale


@dataclass(frozen=True)
class Operator:
    """One step of the graph.

    Attributes:
        index: its place in the order of execution.
        kind: TFLite's name, as "CONV_2D"; of a custom one "CUSTOM <name>".
        inputs: tensor indices; -1 stands for an optional one that is absent.
        outputs: tensor indices.
        activation: what follows inside the operator: "NONE", "RELU6", ...
        options: the schema's object for its kind, None for kinds without any.
    """

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    activation: str
    options: Any

    def __str__(self) -> str:
        return f"operator {self.index} ({self.kind})"


@dataclass(frozen=True)
class Graph:
    """The one graph of a file, in the order of execution."""

    operators: tuple[Operator, ...]
    tensors: tuple[Tensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def after(self, operator: Operator) -> Operator | None:
        """The operator that takes another's result, those aside that change no number; None at the end."""
        takers = [other for other in self.operators if operator.outputs[0] in other.inputs]
        if len(takers) == 1 and takers[0].kind in SAME_NUMBERS and takers[0].index > operator.index:
            return self.after(takers[0])
        return takers[0] if takers else None


def read_graph(path: Path) -> Graph:
    """Read a file's operators and tensors.

    Args:
        path: a file that begins as .tflite files do, as `records.read_record` makes sure of.

    Raises:
        ValueError: the file is cut off or damaged, has several graphs, or a constant of a type that isn't read.

    Source: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs
    """
    from ai_edge_litert import schema_py_generated as schema

    try:
        model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
        if len(model.subgraphs) != 1:
            raise _Refused(f"it has {len(model.subgraphs)} graphs, where one was expected")
        part = model.subgraphs[0]
        tensors = tuple(_tensor(t, model.buffers[t.buffer].data, schema) for t in part.tensors)
        operators = tuple(_operator(k, op, model.operatorCodes, schema) for k, op in enumerate(part.operators))
        ends = tuple(map(int, part.inputs)), tuple(map(int, part.outputs))
        pointed = {k for op in operators for k in op.inputs + op.outputs} | set(ends[0] + ends[1])
        if max(pointed) >= len(tensors):
            raise _Refused(f"it uses tensor {max(pointed)} of {len(tensors)}, so it is damaged")
    except _Refused as error:
        raise ValueError(f"{path} cannot be read back: {error}; choose another file") from None
    except (struct.error, ValueError, TypeError, AttributeError, LookupError, OverflowError, MemoryError) as error:
        # Offsets that lead out of the file
        raise ValueError(
            f"{path} is not a whole .tflite file ({type(error).__name__}: {error}); get or make it again"
        ) from error
    return Graph(operators, tensors, *ends)


class _Refused(ValueError):
    """A file that could be read, and is none of those that are understood."""


def _names(enumeration: Any) -> dict[int, str]:
    return {number: name for name, number in vars(enumeration).items() if isinstance(number, int)}


def _tensor(packed: Any, data: Any, schema: Any) -> Tensor:
    """A tensor from the schema's object and the bytes of its buffer."""
    name = packed.name.decode(errors="replace")
    kind = _names(schema.TensorType)[packed.type]
    shape = tuple(int(n) for n in (packed.shape if packed.shape is not None else ()))
    quantized = packed.quantization
    has_scale = quantized is not None and quantized.scale is not None
    scale = np.array(quantized.scale if has_scale else (), np.float32)
    zeros = quantized.zeroPoint if has_scale and quantized.zeroPoint is not None else np.zeros(len(scale))
    zero_point = np.array(zeros, np.int64)
    content = None
    if data is not None and len(data):
        if kind not in _TYPES:
            raise _Refused(f"tensor {name!r} is {kind}; constants are read from {', '.join(_TYPES)}")
        raw = np.asarray(data, np.uint8)
        wanted = math.prod(shape) * np.dtype(_TYPES[kind]).itemsize
        if raw.size != wanted:
            raise ValueError(f"tensor {name!r} needs {wanted} bytes, {raw.size} are there")
        content = np.frombuffer(raw.tobytes(), _TYPES[kind]).reshape(shape)
    axis = int(quantized.quantizedDimension) if has_scale else 0
    free = packed.shapeSignature if packed.shapeSignature is not None else ()
    return Tensor(name, shape, kind, scale, zero_point, axis, content, tuple(int(n) for n in free))


def _operator(index: int, packed: Any, codes: Any, schema: Any) -> Operator:
    """An operator from the schema's object."""
    code = codes[packed.opcodeIndex]
    # Files older than 2020 have the first, later ones both
    kind = _names(schema.BuiltinOperator)[max(code.builtinCode, code.deprecatedBuiltinCode)]
    if kind == "CUSTOM":
        kind = f"CUSTOM {(code.customCode or b'without a name').decode(errors='replace')}"

    def indices(listed: Any) -> tuple[int, ...]:
        return tuple(int(k) for k in (listed if listed is not None else ()))

    options = packed.builtinOptions
    number = getattr(options, "fusedActivationFunction", schema.ActivationFunctionType.NONE)
    activation = _names(schema.ActivationFunctionType)[number]
    return Operator(index, kind, indices(packed.inputs), indices(packed.outputs), activation, options)
