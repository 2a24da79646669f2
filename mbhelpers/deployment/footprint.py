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

_VALID = 1
"""The schema's number for a convolution that pads nothing."""


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
        biases: integer constants of 32 bits; those of a float file are among `weights`.
        arena: RAM for the activations, by the plan.
        peak: what no plan of the same rules can go below.
        ends: inputs and outputs that lie outside the arena.
        traffic: bytes that all operators together read and write, constants included; what memory speed costs.
        integer: whether it computes in 8 bits: all that its convolutions and dense layers read is of that type.
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
    and a QUANTIZE of the same size is done in place if nothing else needs what was there.

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
    outer = {home.get(k, k) for name in outside for k in getattr(graph, name) if k not in folded}
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
        integer=_integer(graph),
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
        if any(size < 1 for size in (*tensor.shape, *tensor.signature[1:])):
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


def _integer(graph: Graph) -> bool:
    """Whether convolutions and dense layers read activations of 8 bits, which 8-bit weights alone don't say."""
    read = [op.inputs[0] for op in graph.operators if op.kind in (*_PADDED, "FULLY_CONNECTED")]
    return bool(read) and all(graph.tensors[k].type in ("INT8", "UINT8") for k in read)


def _folded(graph: Graph, dequantized: bool) -> set[int]:
    """Tensors that are known before the network runs: its constants, and what is computed from them or from shapes.

    Integers that become floats are left as they are, in the hope that they need not (`dequantized`); weights of half
    precision are not, as their operators read them.
    """
    known = {k for k, tensor in enumerate(graph.tensors) if tensor.content is not None}
    for operator in graph.operators:
        half = graph.tensors[operator.inputs[0]].type == "FLOAT16" if operator.inputs else False
        stays = operator.kind == "DEQUANTIZE" and not (dequantized or half)
        if operator.kind == "SHAPE" or (not stays and all(k in known for k in operator.inputs if k >= 0)):
            known |= set(operator.outputs)
    return known


def _homes(graph: Graph, operators: list[Operator]) -> dict[int, int]:
    """Of each tensor that needs no memory of its own, the one whose memory it shares."""
    home: dict[int, int] = {}
    for step, operator in enumerate(operators):
        source, result = operator.inputs[0], operator.outputs[0]
        if operator.kind == "PAD":
            shares = _padded_by_its_reader(graph, operator, [op for op in operators if result in op.inputs])
        elif operator.kind in _SAME_BYTES and _size(graph.tensors[source]) == _size(graph.tensors[result]):
            shares = operator.kind != "QUANTIZE" or not _needed_after(graph, operators, home, source, step)
        else:
            shares = False
        if shares:
            home[result] = home.get(source, source)
    return home


def _padded_by_its_reader(graph: Graph, pad: Operator, readers: list[Operator]) -> bool:
    """Whether a PAD can be left to the one convolution behind it: of rows and columns, which that pads no more."""
    result = pad.outputs[0]
    around = graph.tensors[pad.inputs[1]].content
    if len(readers) != 1 or readers[0].kind not in _PADDED or result in graph.outputs or around is None:
        return False
    shape = len(around) == 4 and not around[[0, 3]].any()
    return shape and readers[0].inputs[0] == result and readers[0].options.padding == _VALID


def _needed_after(graph: Graph, operators: list[Operator], home: dict[int, int], tensor: int, step: int) -> bool:
    """Whether a tensor, or another name of its memory, is read behind an operator, or is an output."""
    place = home.get(tensor, tensor)
    names = {place, *(k for k, where in home.items() if where == place)}
    return bool(names & set(graph.outputs)) or any(names & set(op.inputs) for op in operators[step + 1 :])


def _constants(graph: Graph, operators: list[Operator], folded: set[int]) -> dict[int, int]:
    """Constants that are in flash, and their bytes: what operators read, less the shapes that are settled by then.

    An output that is known beforehand is a constant too.
    """
    settled = {k for op in operators if op.kind in ("PAD", *_SAME_BYTES) for k in op.inputs[1:]}
    # Weights of half precision are stored as such, whatever becomes of them when they are read
    half = {op.outputs[0]: op.inputs[0] for op in graph.operators if op.kind == "DEQUANTIZE"}
    half = {k: source for k, source in half.items() if graph.tensors[source].type == "FLOAT16"}
    read = {half.get(k, k) for op in operators for k in op.inputs if k in folded}
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
