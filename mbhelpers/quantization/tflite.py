"""Float and int8 TFLite files from a Keras classifier; the rescaling becomes the input's quantization."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mbhelpers.data.pipeline import check_pixels
from mbhelpers.models.families import without_rescaling
from mbhelpers.native import load_tensorflow, quietly, reason, tflite_converters
from mbhelpers.preprocessing import Preprocessing
from mbhelpers.quantization.bias import correct_biases
from mbhelpers.quantization.grid import keep_grid, keeps_grid, pack
from mbhelpers.quantization.ranges import with_ranges
from mbhelpers.quantization.repair import REPAIRS, repaired
from mbhelpers.records import Record, add_to_tflite

if TYPE_CHECKING:
    import keras

TYPES = ("uint8", "int8", "float32")

DEFAULT_REPAIRS = {"channel": ("biases",), "tensor": REPAIRS}
"""What is done against rounding, by granularity; `results/flowers/int8.json` says what each repair gives."""


def to_float(model: "keras.Model", record: Record, *, weights: str = "float32") -> bytes:
    """A .tflite file that computes in float, from values on: its input is `Preprocessing.normalize(pixels)`.

    Args:
        model: a classifier, with or without its Rescaling layer.
        record: classes and preprocessing of the model; goes into the file.
        weights: "float32", "float16", or "int8", which quantizes activations on the fly, as each image needs it
            (TFLite's dynamic range).

    Raises:
        ValueError: an unknown type, weights that are no numbers, model and record that disagree, or an operator that
            TFLite lacks.
    """
    if weights not in ("float32", "float16", "int8"):
        raise ValueError(f"unknown type of weights {weights!r}; choose from float32, float16, int8")
    load_tensorflow()
    import tensorflow as tf

    check_finite(model)
    making = _converters(model, record.preprocessing)()
    if weights != "float32":
        making.optimizations = [tf.lite.Optimize.DEFAULT]
    if weights == "float16":
        making.target_spec.supported_types = [tf.float16]
    return add_to_tflite(_named(_convert(making.convert), model), record)


def to_int8(
    model: "keras.Model",
    record: Record,
    calibration: np.ndarray,
    *,
    input_type: str = "uint8",
    output_type: str = "float32",
    granularity: str = "channel",
    repairs: tuple[str, ...] | None = None,
    allow_float: bool = False,
) -> bytes:
    """A full-integer .tflite file: int8 weights and activations, int32 biases.

    With a value range of (pixel - 128) / 128 the input's scale is 1/128 and its zero-point the pixel 128, so raw
    pixels are, bit for bit, what calibration saw. Weights that lie on an 8-bit grid already, as those read back from a
    file with one scale a tensor do, keep their integers where int8 can hold them (`keeps_grid`); then nothing is
    repaired.

    Args:
        model: a classifier, with or without its Rescaling layer.
        record: classes and preprocessing of the model; goes into the file, with made["int8"]: granularity, and how
            many channels kept their integers or which repairs changed how much.
        calibration: uint8 training images, (N, H, W, 3); 100 to 300 are plenty.
        input_type: "uint8" takes pixels, "int8" pixels - 128, "float32" normalized values.
        output_type: "float32" gives scores; the integer types are to be dequantized by the reader.
        granularity: "channel" gives each output channel of a convolution a scale of its own; "tensor" gives a layer
            one, as some accelerators need it.
        repairs: of `REPAIRS`, what is done against rounding; None takes `DEFAULT_REPAIRS` of the granularity.
        allow_float: lets operators that have no integer form stay in float; by default they are refused.

    Raises:
        ValueError: an unknown type, granularity or repair, weights that are no numbers, images of another dtype, shape
            or range, an operator that would stay in float, or an input quantization that does not match the
            preprocessing, or could not.
    """
    _check_types(record.preprocessing, input_type, output_type)
    asked, repairs = repairs, chosen_repairs(granularity, repairs)
    check_calibration(calibration, record.preprocessing)
    load_tensorflow()
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize  # what the converter calls behind its own calibrator

    check_finite(model)
    pixels = span(calibration)
    told: dict[str, Any] = {"granularity": granularity}
    keeps = keeps_grid(model, granularity)
    if keeps:
        if asked:
            raise ValueError("the weights lie on an 8-bit grid and are kept as they are; leave repairs out")
        repairs = ()
    if {"silence", "equalize"} & {*repairs}:
        model, done = repaired(model, record.preprocessing, calibration, repairs)
        told |= done
    way_out = "" if allow_float else ", or allow float fallback (--allow-float)"
    reference = _convert(_converters(model, record.preprocessing)().convert, way_out)
    calibrated = with_ranges(reference, pixels, record.preprocessing)
    content = _convert(
        lambda: mlir_quantize(
            calibrated,
            disable_per_channel=granularity == "tensor",
            input_data_type=getattr(tf, input_type),
            output_data_type=getattr(tf, output_type),
        ),
        way_out,
    )
    content, kept = keep_grid(content, model) if keeps else (content, 0)
    if not allow_float and (left := float_operators(content)):
        raise ValueError(
            f"{', '.join(left)} would stay in float; replace them, or allow float fallback (--allow-float)"
        )
    _check_input(content, record.preprocessing, input_type)
    if kept:
        told["kept_channels"] = kept
    if "biases" in repairs:
        content, told["corrected_layers"] = correct_biases(content, reference, pixels, record.preprocessing)
    return add_to_tflite(_named(content, model), replace(record, made=record.made | {"int8": told}))


def float_operators(content: bytes) -> list[str]:
    """Operators of a .tflite file that compute in float32, QUANTIZE and DEQUANTIZE aside; sorted names."""
    from ai_edge_litert import schema_py_generated as schema

    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    graph = schema.ModelT.InitFromPackedBuf(content, 0)
    found = set()
    for part in graph.subgraphs:
        for operator in part.operators:
            code = graph.operatorCodes[operator.opcodeIndex]
            name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
            outputs = [part.tensors[k].type for k in operator.outputs]
            if name not in ("QUANTIZE", "DEQUANTIZE") and schema.TensorType.FLOAT32 in outputs:
                found.add(name)
    return sorted(found)


def quantized_tensors(content: bytes) -> list[dict[str, Any]]:
    """Name, shape, type, scales, zero-points and their axis of every quantized tensor of a .tflite file."""
    from ai_edge_litert import schema_py_generated as schema

    types = {v: k.lower() for k, v in vars(schema.TensorType).items() if isinstance(v, int)}
    found = []
    for part in schema.ModelT.InitFromPackedBuf(content, 0).subgraphs:
        for tensor in part.tensors:
            told = tensor.quantization
            if told is not None and told.scale is not None and len(told.scale):
                found.append(
                    {
                        "name": tensor.name.decode(),
                        "shape": [int(n) for n in tensor.shape] if tensor.shape is not None else [],
                        "type": types[tensor.type],
                        "scales": [float(f"{scale:.7g}") for scale in told.scale],
                        "zero_points": sorted({int(n) for n in told.zeroPoint}),
                        "axis": int(told.quantizedDimension) if len(told.scale) > 1 else None,
                    }
                )
    return found


def _converters(model: "keras.Model", preprocessing: Preprocessing) -> Callable[[], Any]:
    """Makes converters of the model's graph from values on."""
    side = preprocessing.resolution
    return tflite_converters(without_rescaling(model, preprocessing), (1, side, side, 3))


def _convert(convert: Callable[[], bytes], way_out: str = "") -> bytes:
    """Run a conversion without its chatter.

    Raises:
        ValueError: it has no form for one of the operators.
    """
    try:
        with quietly():
            return convert()
    except Exception as error:  # the converter's own error is a plain Exception
        raise ValueError(
            f"the model has an operator that TFLite cannot express so ({reason(error)}); replace it{way_out}"
        ) from error


def _named(content: bytes, model: "keras.Model") -> bytes:
    """The same file; the outputs of a model with several have the names of its layers, where all were "Identity"."""
    from ai_edge_litert import schema_py_generated as schema

    if len(model.outputs) == 1:
        return content
    graph = schema.ModelT.InitFromPackedBuf(content, 0)
    for output, name in zip(graph.subgraphs[0].outputs, model.output_names, strict=True):
        graph.subgraphs[0].tensors[output].name = name.encode()
    return pack(graph)


def chosen_repairs(granularity: str, repairs: tuple[str, ...] | None) -> tuple[str, ...]:
    """The repairs to do, the default ones of a granularity where none are named."""
    if granularity not in DEFAULT_REPAIRS:
        raise ValueError(f"unknown granularity {granularity!r}; choose from {', '.join(DEFAULT_REPAIRS)}")
    if repairs is None:
        return DEFAULT_REPAIRS[granularity]
    if strange := sorted({*repairs} - {*REPAIRS}):
        raise ValueError(f"unknown repair {strange[0]!r}; choose from {', '.join(REPAIRS)}")
    return tuple(repairs)


def check_finite(model: "keras.Model") -> None:
    """Refuse weights that are no numbers: they would become integers all the same."""
    broken = [weight.path for weight in model.weights if not np.isfinite(np.asarray(weight)).all()]
    if broken:
        raise ValueError(
            f"the model has weights that are NaN or infinite ({broken[0]}, {len(broken)} in all); its training broke "
            "down: train it again, with a lower learning rate"
        )


def _check_types(preprocessing: Preprocessing, input_type: str, output_type: str) -> None:
    """Refuse types that TFLite hasn't, and a value range that no integer input can have."""
    for kind in (input_type, output_type):
        if kind not in TYPES:
            raise ValueError(f"unknown type {kind!r}; choose from {', '.join(TYPES)}")
    by_channel = any(np.ptp(value) for value in (preprocessing.mean, preprocessing.std))
    if input_type != "float32" and by_channel:
        raise ValueError(
            f"{preprocessing.formula} differs from channel to channel, but an input of integers has one scale and one "
            "zero-point for all three; let the file take float values (input_type='float32', --input-type float32), "
            "or train with one mean and one std"
        )


def check_calibration(images: np.ndarray, preprocessing: Preprocessing) -> None:
    """Refuse calibration images that are no pixels 0..255, or hold nothing."""
    check_pixels(images, preprocessing.resolution)
    if len(images) == 0:
        raise ValueError("calibration needs one image or more")
    if images.max() <= 1:
        raise ValueError(
            f"the calibration images' pixels reach from {images.min()} to {images.max()}, not 0..255: they are black, "
            "or were divided by 255 before; pass them as they are, the model rescales"
        )


def span(images: np.ndarray) -> np.ndarray:
    """Make the images reach from 0 to 255, so that the input's range is the pixel's.

    Photographs do by themselves. Where a set does not, two corner pixels of one image are set to black and white.
    """
    if images.min() == 0 and images.max() == 255:
        return images
    images = images.copy()
    images[0, 0, 0], images[0, 0, -1] = 0, 255
    return images


def _check_input(content: bytes, preprocessing: Preprocessing, input_type: str) -> None:
    """Refuse a file whose input scale is not the one that the preprocessing promises."""
    from ai_edge_litert.interpreter import Interpreter

    if input_type == "float32":
        return
    scale, zero_point = Interpreter(model_content=content).get_input_details()[0]["quantization"]
    pixel_zero = zero_point if input_type == "uint8" else zero_point + 128
    mean, std = np.max(preprocessing.mean), np.max(preprocessing.std)  # the same for all channels, see _check_types
    if not np.isclose(scale, 1 / std, rtol=1e-5) or abs(pixel_zero - mean) > 0.5:
        raise ValueError(
            f"the converter chose input scale {scale} and zero-point {pixel_zero}, the preprocessing means "
            f"{1 / std} and {mean}; the calibration images don't span 0..255"
        )
