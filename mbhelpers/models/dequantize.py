"""A MobileNetV2 .tflite file, quantized or float, read back into a float Keras model that can be trained again."""

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mbhelpers.files import sha256
from mbhelpers.models.tflite_graph import Graph, read_graph
from mbhelpers.models.tflite_layers import Builder
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import Preprocessing
from mbhelpers.records import Record, read_record

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Report:
    """What became of each part of a file that was read back; whatever has no place in Keras is an error instead.

    Attributes:
        stored: how the file stores its weights: sorted pairs of type and "one scale", "scales by channel" or "float".
        mapped: (operator, layer) for each operator that became a layer, or part of one.
        passed_over: operators that change no number in a float model, such as QUANTIZE.
        implied: layers after which the file names no activation, but its output range begins at 0, and so clamps.
            Files of TOCO, the first converter, keep their ReLU6 in this way alone.
        parameters: numbers read from the file into weights and biases.
        lost: what the file knows, or once knew, that a float Keras model cannot hold.
    """

    stored: tuple[str, ...]
    mapped: tuple[tuple[str, str], ...]
    passed_over: tuple[str, ...]
    implied: tuple[str, ...]
    parameters: int
    lost: tuple[str, ...]

    def lines(self) -> list[str]:
        """The report in sentences."""
        kinds = Counter(operator.partition("(")[2].rstrip(")") for operator, _ in self.mapped)
        told = [
            f"read {self.parameters:,} parameters, stored as {', '.join(self.stored)}",
            f"mapped {', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}",
        ]
        if self.passed_over:
            told.append(f"passed over {', '.join(self.passed_over)}: they change no number of a float model")
        if self.implied:
            told.append(f"activations taken from output ranges that begin at 0: {', '.join(self.implied)}")
        return told + [f"lost: {line}" for line in self.lost]


def read_tflite(
    path: Path | str, *, classes: tuple[str, ...] = (), preprocessing: Preprocessing | None = None
) -> tuple["keras.Model", Record, Report]:
    """Read a classifier back from its .tflite file, with every weight as the file means it.

    The model is laid out as `families.build_classifier` lays it out (rescaling, backbone, pool, dropout, scores), so
    it can be exported, quantized again or trained further. Batch norm stays folded into the convolutions.

    Args:
        path: a .tflite file of the convolutions, depthwise convolutions, additions, paddings, pools and dense layers
            that MobileNetV2 consists of; weights float, or quantized in whole or in part.
        classes: names in the order of the outputs, for a file without a record of ours.
        preprocessing: likewise; by default the value range is what the input's quantization says, and the resize
            method that of `Preprocessing`. A float input says nothing, and needs it.

    Returns:
        The model, from pixels 0..255, (B, H, W, 3), to float scores; a record to save or convert it with; the report.

    Raises:
        ValueError: no whole .tflite file; an operator or a tensor that cannot be mapped, which is named; or a
            contract or classes that contradict the file.
    """
    path = Path(path)
    if path.suffix != ".tflite":
        raise ValueError(f"{path.name} is no .tflite file; a .keras or .h5 file needs no reading back: load it")
    record = read_record(path)
    graph = read_graph(path)
    contract = _contract(path, graph, record, preprocessing)
    load_tensorflow()
    builder = Builder(path, graph, contract)
    model = builder.build()
    outputs = model.output_shape[1]
    if record and classes and tuple(classes) != record.classes:
        raise ValueError(f"{path} carries its own classes, {', '.join(record.classes)}; pass no others")
    names = record.classes if record else tuple(classes)
    if names and len(names) != max(2, outputs):
        raise ValueError(f"{path} tells {max(2, outputs)} classes apart, not {len(names)}; pass one name an output")
    made = (record.made if record else {}) | {"read_back": {"file": path.name, "sha256": sha256(path)}}
    return model, Record(names, contract, made), _report(graph, builder)


def _contract(path: Path, graph: Graph, record: Record | None, passed: Preprocessing | None) -> Preprocessing:
    """Input size and value range, from the file's record, the caller, or the input's quantization, in this order."""
    ends = [[graph.tensors[k].shape for k in listed] for listed in (graph.inputs, graph.outputs)]
    shape = ends[0][0] if len(ends[0]) == 1 else ()
    if len(ends[1]) != 1 or len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3:
        raise ValueError(f"{path} maps {ends[0]} to {ends[1]}; a classifier maps (1, side, side, 3) to (1, classes)")
    if record and "preprocessing" not in record.assumed and passed not in (None, record.preprocessing):
        raise ValueError(f"{path} carries its own preprocessing, {record.preprocessing}; pass no other")
    contract = passed or (record.preprocessing if record else None)
    given = graph.tensors[graph.inputs[0]]
    if contract and contract.resolution != shape[1]:
        raise ValueError(f"{path} takes {shape[1]} px images, its preprocessing says {contract.resolution}")
    if given.type == "FLOAT32":
        if contract is None:
            raise ValueError(
                f"{path} takes float values and doesn't say how pixels become such; pass the preprocessing that it "
                "was trained with, such as preset('keras', side)"
            )
        return contract
    if given.type not in ("UINT8", "INT8") or len(given.scale) != 1:
        raise ValueError(f"{path} takes {given.type} with {len(given.scale)} scales; expected uint8, int8 or float32")
    scale = float(given.scale[0])
    zero = int(given.zero_point[0]) + (128 if given.type == "INT8" else 0)
    if contract is None:
        # The file has the inverse as a float32: 127.49999 means 127.5
        return Preprocessing(shape[1], mean=float(zero), std=round(1 / scale, 4))
    ends_of_range = np.array([[0] * 3, [255] * 3], np.uint8)
    if np.abs(scale * (ends_of_range.astype(float) - zero) - contract.normalize(ends_of_range)).max() > scale * 1.01:
        raise ValueError(
            f"{path} reads pixels as (pixel - {zero}) / {1 / scale:g}, its preprocessing as {contract.formula}; "
            "pass the one it was trained with"
        )
    return contract


def _report(graph: Graph, builder: Builder) -> Report:
    """What a builder did, in plain data."""
    stored = {
        f"{t.type.lower()}{'' if not len(t.scale) else ' by channel' if len(t.scale) > 1 else ' with one scale'}"
        for t in builder.weights
    }
    ranges = sum(tensor.limits() is not None and tensor.content is None for tensor in graph.tensors)
    lost = ["batch norm, folded into weights and biases: the convolutions train without it"]
    if ranges:
        lost.append(
            f"the ranges of {ranges} quantized activations, where the file rounds and clamps: the float model does "
            "neither, and quantizing it again takes calibration images"
        )
    return Report(
        stored=tuple(sorted(stored)),
        mapped=tuple(builder.mapped),
        passed_over=tuple(builder.passed_over),
        implied=tuple(builder.implied),
        parameters=sum(math.prod(tensor.shape) for tensor in builder.weights),
        lost=tuple(lost),
    )
