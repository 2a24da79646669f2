"""ONNX files from a Keras classifier: float, and int8 in the two forms that ONNX Runtime knows.

Without batch norms: they are folded first, since what an exporter leaves of them would be quantized by itself.
"""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mbhelpers.models.families import without_rescaling
from mbhelpers.models.fold import fold_batch_norms
from mbhelpers.native import load_tensorflow, quietly, reason
from mbhelpers.preprocessing import Preprocessing
from mbhelpers.quantization.grid import keeps_grid
from mbhelpers.quantization.repair import REPAIRS, repaired, settle
from mbhelpers.quantization.tflite import check_calibration, check_finite, span
from mbhelpers.records import Record, add_to_onnx

if TYPE_CHECKING:
    import keras
    import onnx

LAYOUTS = ("nchw", "nhwc")

OPSETS = range(7, 19)
"""What tf2onnx can write."""

PER_CHANNEL_SINCE = 13
"""The opset from which a DequantizeLinear may have a scale for each channel."""

INPUT, OUTPUT = "image", "scores"

_BATCH = 25

_MOVES = ("Pad", "Squeeze", "Transpose", "Reshape")
"""Operators that only move integers."""

_ENDS = ("QuantizeLinear", "DequantizeLinear")


def to_onnx(model: "keras.Model", record: Record, *, opset: int = 18, layout: str = "nchw") -> bytes:
    """A float32 .onnx file, any batch: its input is `Preprocessing.normalize(pixels)`.

    Args:
        model: a classifier, with or without its Rescaling layer.
        record: classes and preprocessing of the model; goes into the file.
        opset: 7 to 18.
        layout: of the input: "nchw", (N, 3, H, W), or "nhwc".

    Raises:
        ValueError: an unknown layout or opset, weights that are no numbers, model and record that disagree, a batch
            norm that can't be folded, or an operator that ONNX lacks.
    """
    return add_to_onnx(_exported(model, record.preprocessing, opset, layout), record)


def to_qoperator(
    model: "keras.Model", record: Record, calibration: np.ndarray, *, opset: int = 12, layout: str = "nchw"
) -> bytes:
    """An int8 .onnx file of integer operators (QLinearConv and such), one scale a tensor.

    The input and the output are float32; the first operator quantizes, the last one dequantizes.

    Args:
        model: a classifier, with or without its Rescaling layer.
        record: classes and preprocessing of the model; goes into the file.
        calibration: uint8 training images, (N, H, W, 3).
        opset: 10 to 18; integer operators begin at 10.
        layout: as `to_onnx` takes it.

    Raises:
        ValueError: as `to_onnx`, an opset without integer operators, or calibration images of another dtype, shape or
            range.
    """
    if opset < 10:
        raise ValueError(f"opset {opset} has no integer operators; take 10 or more")
    return _quantized(model, record, calibration, opset, layout, "QOperator", per_channel=False)


def to_qdq(
    model: "keras.Model",
    record: Record,
    calibration: np.ndarray,
    *,
    per_channel: bool = False,
    opset: int | None = None,
    layout: str = "nchw",
) -> bytes:
    """An int8 .onnx file of float operators between QuantizeLinear and DequantizeLinear, which runtimes fuse.

    Args:
        model: a classifier, with or without its Rescaling layer.
        record: classes and preprocessing of the model; goes into the file.
        calibration: uint8 training images, (N, H, W, 3).
        per_channel: a scale for each output channel of a convolution.
        opset: None is 12, and 18 with a scale for each channel, which needs 13 or more.
        layout: as `to_onnx` takes it.

    Raises:
        ValueError: as `to_qoperator`, or a scale for each channel at an opset that has none.
    """
    opset = opset or (18 if per_channel else 12)
    if opset < 10:
        raise ValueError(f"opset {opset} has no QuantizeLinear; take 10 or more")
    if per_channel and opset < PER_CHANNEL_SINCE:
        raise ValueError(
            f"opset {opset} has one scale a tensor only; a scale for each channel needs {PER_CHANNEL_SINCE} or more"
        )
    return _quantized(model, record, calibration, opset, layout, "QDQ", per_channel=per_channel)


def quantized_tensors(content: bytes) -> list[dict[str, Any]]:
    """Name, shape, type, scales, zero-points and their axis of every quantized tensor of an .onnx file.

    Not among them are the 32-bit biases of integer operators, whose scale is that of input times weights.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_from_string(content).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    found: dict[str, dict[str, Any]] = {}
    for node in graph.node:
        names = list(node.input)
        # (x, x_scale, x_zero_point), as often as an operator takes quantized tensors
        for name, scale, zero in zip(names, names[1:], names[2:], strict=False):
            if not (scale.endswith("_scale") and zero.endswith("_zero_point")) or scale not in constants:
                continue
            scales = numpy_helper.to_array(constants[scale])
            zeros = numpy_helper.to_array(constants[zero])
            held = constants.get(name)
            found[scale.removesuffix("_scale")] = {
                "name": scale.removesuffix("_scale"),
                "shape": list(held.dims) if held is not None else None,
                "type": str(zeros.dtype),
                "scales": [float(f"{value:.7g}") for value in scales.ravel()],
                "zero_points": sorted({int(value) for value in zeros.ravel()}),
                "axis": next((a.i for a in node.attribute if a.name == "axis"), None) if scales.size > 1 else None,
            }
    return list(found.values())


def _exported(model: "keras.Model", preprocessing: Preprocessing, opset: int, layout: str) -> "onnx.ModelProto":
    """The checked graph from values on, with names a reader understands."""
    if layout not in LAYOUTS:
        raise ValueError(f"unknown layout {layout!r}; choose from {', '.join(LAYOUTS)}")
    if opset not in OPSETS:
        raise ValueError(f"opset {opset} cannot be written; choose from {OPSETS[0]} to {OPSETS[-1]}")
    load_tensorflow()
    import onnx
    import tensorflow as tf

    check_finite(model)
    graph, side = without_rescaling(fold_batch_norms(model), preprocessing), preprocessing.resolution
    function = tf.function(
        lambda image: graph(image, training=False),
        input_signature=[tf.TensorSpec((None, side, side, 3), tf.float32, name=INPUT)],
    )
    with quietly():
        import tf2onnx
    try:
        with quietly():
            found, _ = tf2onnx.convert.from_function(
                function,
                input_signature=function.input_signature,
                opset=opset,
                inputs_as_nchw=[INPUT] if layout == "nchw" else None,
            )
        _rename(found.graph)
        onnx.checker.check_model(found, full_check=True)
    except Exception as error:  # tf2onnx' own errors are of many kinds, and it lets through what it doesn't know
        raise ValueError(
            f"the model has an operator that ONNX opset {opset} cannot express ({reason(error)}); "
            "take a higher opset, or replace it"
        ) from error
    return found


def _rename(graph: Any) -> None:
    """Call the output `OUTPUT` and the batch "N" in place of the exporter's numbers."""
    old = graph.output[0].name
    for node in graph.node:
        node.input[:] = [OUTPUT if name == old else name for name in node.input]
        node.output[:] = [OUTPUT if name == old else name for name in node.output]
    graph.output[0].name = OUTPUT
    del graph.value_info[:]
    # Before opset 9 constants are listed as inputs too.
    for end in (*(end for end in graph.input if end.name == INPUT), *graph.output):
        end.type.tensor_type.shape.dim[0].dim_param = "N"


def _quantized(
    model: "keras.Model",
    record: Record,
    calibration: np.ndarray,
    opset: int,
    layout: str,
    form: str,
    *,
    per_channel: bool,
) -> bytes:
    """Repair, export, calibrate, quantize, check."""
    check_calibration(calibration, record.preprocessing)
    load_tensorflow()
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    check_finite(model)
    granularity = "channel" if per_channel else "tensor"
    mended, done = model, dict[str, Any]()
    if not keeps_grid(model, granularity):  # else rounding would move what was rounded before
        mended, done = repaired(model, record.preprocessing, calibration, () if per_channel else REPAIRS)
        mended, done["corrected_layers"] = settle(mended, record.preprocessing, calibration, granularity)
    exported = _exported(mended, record.preprocessing, opset, layout)
    with tempfile.TemporaryDirectory() as folder, quietly(), _without_advice():
        quantize_static(
            exported,
            Path(folder) / "int8.onnx",
            _Reader(span(calibration), record.preprocessing, layout),
            quant_format=QuantFormat[form],
            per_channel=per_channel,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            extra_options={"WeightSymmetric": True, "ActivationSymmetric": False},
        )
        made = onnx.load(Path(folder) / "int8.onnx")
    onnx.checker.check_model(made, full_check=True)
    if left := float_operators(made):
        raise ValueError(f"{', '.join(left)} would stay in float in the form {form}; replace them")
    _check_input(made, record.preprocessing)
    told = {"form": form, "granularity": granularity, "opset": opset} | done
    return add_to_onnx(made, replace(record, made=record.made | {"int8": told}))


def float_operators(made: "onnx.ModelProto") -> list[str]:
    """Operators of an int8 model that compute in float; sorted names.

    In the form QOperator, all but those that take integers. In QDQ, those between which values stay in float: that are
    not dequantized right before, or not quantized right behind.
    """
    nodes = made.graph.node
    makers = {name: node for node in nodes for name in node.output}

    def comes_from(name: str) -> str:
        """The operator that computed it, "" for a constant or the input."""
        node = makers.get(name)
        return "" if node is None else comes_from(node.input[0]) if node.op_type in _MOVES else node.op_type

    def goes_to(name: str) -> set[str]:
        """The operators that compute with it, none for an output."""
        readers = [node for node in nodes if name in node.input]
        return set().union(*(goes_to(each.output[0]) if each.op_type in _MOVES else {each.op_type} for each in readers))

    qoperator = any(node.op_type.startswith("QLinear") for node in nodes)
    found = set()
    for node in nodes:
        if node.op_type in (*_MOVES, *_ENDS) or node.op_type.startswith("QLinear"):
            continue
        before = {comes_from(name) for name in node.input} - {"", "DequantizeLinear"}
        behind = set().union(*(goes_to(name) for name in node.output)) - {"QuantizeLinear"}
        if qoperator or before or behind:
            found.add(node.op_type)
    return sorted(found)


def _check_input(made: "onnx.ModelProto", preprocessing: Preprocessing) -> None:
    """Refuse a file whose input has no room for every pixel."""
    entry = next(told for told in quantized_tensors(made.SerializeToString()) if told["name"] == INPUT)
    low, high = ((end - entry["zero_points"][0]) * entry["scales"][0] for end in (-128, 127))
    values = preprocessing.normalize(np.array([[0] * 3, [255] * 3], np.uint8))
    if values.min() < low - 1e-4 or values.max() > high + entry["scales"][0]:
        raise ValueError(
            f"ONNX Runtime chose an input range of {low:.4g} to {high:.4g}, pixels become {values.min():.4g} to "
            f"{values.max():.4g}; the calibration images don't span 0..255"
        )


@contextmanager
def _without_advice() -> Iterator[None]:
    """Hold back what ONNX Runtime logs on the way: to fold batch norms, which is done, and that QDQ is faster."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


class _Reader:
    """Hands calibration images to ONNX Runtime, as values, some at a time."""

    def __init__(self, images: np.ndarray, preprocessing: Preprocessing, layout: str):
        self._batches = self._read(images, preprocessing, layout)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next images; None behind the last."""
        return next(self._batches, None)

    def _read(self, images: np.ndarray, preprocessing: Preprocessing, layout: str) -> Iterator[dict[str, np.ndarray]]:
        for k in range(0, len(images), _BATCH):
            values = preprocessing.normalize(images[k : k + _BATCH])  # (N, H, W, 3)
            yield {INPUT: np.ascontiguousarray(values.transpose(0, 3, 1, 2)) if layout == "nchw" else values}
