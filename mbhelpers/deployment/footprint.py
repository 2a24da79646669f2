"""What a .tflite file needs of a board without one: flash for its constants, RAM for its activations."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mbhelpers.deployment.arena import Buffer, live_bytes, plan
from mbhelpers.models.tflite_graph import Graph, Operator, Tensor, read_graph
from mbhelpers.records import read_record

BYTES = {"FLOAT32": 4, "FLOAT16": 2, "UINT8": 1, "INT8": 1, "INT16": 2, "INT32": 4, "INT64": 8, "BOOL": 1}
"""Size of an element of each type that an activation may have."""

KIB = 1024

ENDS = ("inputs", "outputs")

_SAME_BYTES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "QUANTIZE")
"""Operators whose result may lie where their input lies: no byte moves, or each is written once it was read."""

_PADDED = ("CONV_2D", "DEPTHWISE_CONV_2D")
"""Operators that can pad their input themselves, so that a PAD before them needs no memory."""


@dataclass(frozen=True)
class Step:
    """One operator, and the activations that are in memory while it runs.

    Attributes:
        index: its place in the file.
        kind: TFLite's name, as "CONV_2D".
        shape: of its result, with the batch.
        live: bytes of activations needed at it.
    """

    index: int
    kind: str
    shape: tuple[int, ...]
    live: int


@dataclass(frozen=True)
class Footprint:
    """Memory of a model file, in bytes; the runtime's own code and state come on top.

    Attributes:
        file: size of the file itself.
        weights: constants of 8 bits, or of floats in a float file.
        biases: constants of 32 bits.
        arena: RAM for the activations, by the plan.
        peak: what no plan of the same rules can go below.
        ends: inputs and outputs that lie outside the arena.
        traffic: bytes that all operators together read and write, constants included; what memory speed costs.
        integer: whether most of its constants are of 8 bits.
        steps: operators in order.
        buffers: where each tensor lies.
    """

    file: int
    weights: int
    biases: int
    arena: int
    peak: int
    ends: int
    traffic: int
    integer: bool
    steps: tuple[Step, ...]
    buffers: tuple[Buffer, ...]

    @property
    def flash(self) -> int:
        """Weights and biases."""
        return self.weights + self.biases

    @property
    def ram(self) -> int:
        """The arena, and the inputs and outputs that lie beside it."""
        return self.arena + self.ends

    def to_json(self) -> dict[str, Any]:
        """The sums in bytes, and `steps` with the bytes live at each operator."""
        sums = {name: getattr(self, name) for name in ("file", "weights", "biases", "flash", "arena", "peak", "ends")}
        steps = [{"index": s.index, "kind": s.kind, "shape": s.shape, "live": s.live} for s in self.steps]
        return sums | {"ram": self.ram, "traffic": self.traffic, "steps": steps}


def footprint(
    path: Path | str,
    *,
    overlap: bool = True,
    outside: Sequence[Literal["inputs", "outputs"]] = (),
    dequantized: bool = False,
) -> Footprint:
    """Count the memory of a .tflite file, as a tool that makes code for a microcontroller lays it out.

    Such tools fold what depends on constants alone, and a PAD into the convolution behind it; a RESHAPE moves nothing,
    and an input is turned from uint8 into int8 in its place.

    Args:
        path: the file, of fixed shapes.
        overlap: a depthwise convolution writes over its input, channel by channel, if nothing else needs it. ST's tool
            does.
        outside: "inputs", "outputs" or both: they lie in buffers of the application's own, all the time. In the arena
            others may use their room before and after.
        dequantized: constants that go into an output as floats are stored as floats, as STM32Cube.AI 10 does; else
            as they are in the file.

    Raises:
        ValueError: the file is missing, damaged, no .tflite file, or takes inputs of any size.

    Source: `tests/real/test_footprint.py` holds it to the figures of ST's model cards.
    """
    path = Path(path)
    if path.suffix != ".tflite":
        raise ValueError(f"{path.name} is no .tflite file, whose memory can be counted; `mbhelpers quantize` makes one")
    if strange := [name for name in outside if name not in ENDS]:
        raise ValueError(f"outside of the arena may lie {' and '.join(ENDS)}, not {strange[0]!r}")
    read_record(path)  # refuses what is no .tflite file
    graph = read_graph(path)
    _check_fixed(graph, path)
    folded = _folded(graph, dequantized)
    operators = [operator for operator in graph.operators if operator.outputs[0] not in folded]
    home = _homes(graph, operators)
    constants = _constants(graph, operators, folded)
    buffers = _lives(graph, operators, home, folded, overlap=overlap)
    outer = {home.get(k, k) for name in outside for k in getattr(graph, name)}
    placed = plan(buffer for k, buffer in buffers.items() if k not in outer)
    live = live_bytes(placed, len(operators))
    sizes = {k: _size(tensor) for k, tensor in enumerate(graph.tensors)}
    working = [op for op in operators if not home.keys() & set(op.outputs)]
    return Footprint(
        file=path.stat().st_size,
        weights=sum(size for k, size in constants.items() if graph.tensors[k].type not in ("INT32", "INT64")),
        biases=sum(size for k, size in constants.items() if graph.tensors[k].type in ("INT32", "INT64")),
        arena=max((buffer.end for buffer in placed), default=0),
        peak=max(live, default=0),
        ends=sum(sizes[k] for k in outer),
        traffic=sum(constants.values())
        + sum(sizes[k] for op in working for k in (*op.inputs, *op.outputs) if k >= 0 and k not in constants),
        integer=sum(n if graph.tensors[k].type in ("INT8", "UINT8") else -n for k, n in constants.items()) > 0,
        steps=tuple(
            Step(op.index, op.kind, graph.tensors[op.outputs[0]].shape, n)
            for op, n in zip(operators, live, strict=True)
        ),
        buffers=placed,
    )


def _check_fixed(graph: Graph, path: Path) -> None:
    """Refuse shapes that are only known when the network runs; a free batch counts as one image."""
    for k in graph.inputs:
        tensor = graph.tensors[k]
        if any(size < 1 for size in (*tensor.shape, *tensor.signature[1:])) or tensor.shape[1:3] == (1, 1):
            raise ValueError(
                f"{path} takes inputs of any size ({tensor.name!r} is {tensor.signature or tensor.shape}), so its "
                "memory is not known; convert it with a fixed one"
            )


def _size(tensor: Tensor) -> int:
    """Bytes of a tensor.

    Raises:
        ValueError: a type without a known size.
    """
    if tensor.type not in BYTES:
        raise ValueError(f"tensor {tensor.name!r} is {tensor.type}; sizes are known of {', '.join(BYTES)}")
    return math.prod(tensor.shape) * BYTES[tensor.type]


def _folded(graph: Graph, dequantized: bool) -> set[int]:
    """Tensors that are known before the network runs: its constants, and what is computed from them or from shapes."""
    known = {k for k, tensor in enumerate(graph.tensors) if tensor.content is not None}
    for operator in graph.operators:
        stays = operator.kind == "DEQUANTIZE" and not dequantized
        if operator.kind == "SHAPE" or (not stays and all(k in known for k in operator.inputs if k >= 0)):
            known |= set(operator.outputs)
    return known


def _homes(graph: Graph, operators: list[Operator]) -> dict[int, int]:
    """Of each tensor that needs no memory of its own, the one whose memory it shares."""
    home: dict[int, int] = {}
    for operator in operators:
        source, result = operator.inputs[0], operator.outputs[0]
        takers = [other for other in operators if result in other.inputs]
        padding = operator.kind == "PAD" and len(takers) == 1 and takers[0].kind in _PADDED
        same = operator.kind in _SAME_BYTES and _size(graph.tensors[source]) == _size(graph.tensors[result])
        alone = all(other is operator or source not in other.inputs for other in operators)
        if padding or (same and (alone or operator.kind != "QUANTIZE")):
            home[result] = home.get(source, source)
    return home


def _constants(graph: Graph, operators: list[Operator], folded: set[int]) -> dict[int, int]:
    """Constants that are in flash, and their bytes: what operators read, less the shapes that are settled by then.

    An output that is known beforehand is a constant too.
    """
    settled = {k for op in operators if op.kind in ("PAD", *_SAME_BYTES) for k in op.inputs[1:]}
    read = {k for op in operators for k in op.inputs if k in folded}
    return {k: _size(graph.tensors[k]) for k in (read - settled) | (set(graph.outputs) & folded)}


def _lives(
    graph: Graph, operators: list[Operator], home: dict[int, int], folded: set[int], *, overlap: bool
) -> dict[int, Buffer]:
    """From the operator that writes it to the last that reads it, for every tensor with memory of its own."""
    first = {k: -1 for k in graph.inputs}
    last: dict[int, int] = {}
    for step, operator in enumerate(operators):
        for k in operator.outputs:
            first.setdefault(home.get(k, k), step)
        for k in operator.inputs:
            if k >= 0 and k not in folded:
                last[home.get(k, k)] = step
    last |= {home.get(k, k): len(operators) for k in graph.outputs if k not in folded}
    group = {k: k for k in first}
    for step, operator in enumerate(operators) if overlap else ():
        source, result = (home.get(k, k) for k in (operator.inputs[0], operator.outputs[0]))
        fits = source in first and _size(graph.tensors[result]) <= _size(graph.tensors[source])
        if operator.kind == "DEPTHWISE_CONV_2D" and fits and last[source] == step:
            group[result] = group[source]
    return {
        k: Buffer(graph.tensors[k].name, _size(graph.tensors[k]), first[k], last.get(k, first[k]), group[k])
        for k in first
    }
