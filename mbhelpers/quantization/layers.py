"""What the layers of a .tflite file give, and how far an int8 file's are from the float one's."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mbhelpers.inference.raw import as_input
from mbhelpers.preprocessing import Preprocessing
from mbhelpers.quantization.grid import constant


@dataclass(frozen=True)
class LayerError:
    """One layer of an int8 file, beside the same layer of the float file.

    Attributes:
        name: of the Keras layer that its output comes from.
        kind: "CONV_2D", "DEPTHWISE_CONV_2D" or "FULLY_CONNECTED".
        sqnr: signal to quantization noise at its output in dB, 10 log10(power of the float values / power of the
            difference); noise of the layers before it is in it. 20 dB is a tenth of the signal's size, 40 a hundredth.
        shift: the largest absolute difference of a channel's means, as a share of the float output's standard
            deviation.
    """

    name: str
    kind: str
    sqnr: float
    shift: float


def layer_errors(
    content: bytes, reference: bytes, images: np.ndarray, preprocessing: Preprocessing
) -> tuple[LayerError, ...]:
    """Compare an int8 file with the float one, layer by layer.

    Args:
        content: an int8 .tflite file.
        reference: the float one of the same model.
        images: uint8 pixels, (N, H, W, 3); a dozen tell enough.
        preprocessing: turns them into the values that a float input takes.

    Returns:
        An error for each layer that has weights, from the input on.

    Raises:
        ValueError: the two files don't have the same layers.
    """
    from ai_edge_litert import schema_py_generated as schema

    graphs = [schema.ModelT.InitFromPackedBuf(each, 0) for each in (reference, content)]
    layers = same_layers(*graphs)
    part = graphs[0].subgraphs[0]
    tensors = [[graph.subgraphs[0].operators[pair[k]].outputs[0] for pair in layers] for k, graph in enumerate(graphs)]
    runs = [
        outputs(each, found, images, preprocessing, inner=True)
        for each, found in zip((reference, content), tensors, strict=True)
    ]
    power, total, noise = (np.zeros(len(layers)) for _ in range(3))
    shifts: list[Any] = [0.0] * len(layers)
    for wanted, found in zip(*runs, strict=True):
        for k, (one, other) in enumerate(zip(wanted, found, strict=True)):
            power[k] += np.mean(one**2, dtype=np.float64)
            total[k] += np.mean(one, dtype=np.float64)
            noise[k] += np.mean((other - one) ** 2, dtype=np.float64)
            shifts[k] = shifts[k] + (other - one).mean(tuple(range(one.ndim - 1)), dtype=np.float64)
    spread = np.sqrt(np.maximum(power / len(images) - (total / len(images)) ** 2, 1e-20))
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    told = []
    for k, (layer, _) in enumerate(layers):
        code = graphs[0].operatorCodes[part.operators[layer].opcodeIndex]
        told.append(
            LayerError(
                _short(part.tensors[tensors[0][k]].name.decode()),
                names[max(code.builtinCode, code.deprecatedBuiltinCode)],
                float(10 * np.log10(max(power[k], 1e-20) / max(noise[k], 1e-20))),
                float(np.abs(shifts[k]).max() / len(images) / spread[k]),
            )
        )
    return tuple(told)


@dataclass(frozen=True)
class Levels:
    """How often one layer of an int8 file uses each of the 256 integers, -128 to 127.

    Attributes:
        name: of the Keras layer that its output comes from.
        weights: counts, (256,).
        outputs: counts over all images, places and channels, (256,).
        scale: of the output.
        zero_point: of the output.
    """

    name: str
    weights: np.ndarray
    outputs: np.ndarray
    scale: float
    zero_point: int


def level_counts(content: bytes, images: np.ndarray, preprocessing: Preprocessing) -> tuple[Levels, ...]:
    """Count the integers that the layers of an int8 file consist of and give.

    Args:
        content: an int8 .tflite file.
        images: uint8 pixels, (N, H, W, 3); a dozen tell enough.
        preprocessing: turns them into the values that a float input takes.

    Returns:
        Counts of each layer that has int8 weights and an int8 output, from the input on.
    """
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.ModelT.InitFromPackedBuf(content, 0)
    part, int8 = graph.subgraphs[0], schema.TensorType.INT8
    operators = [part.operators[k] for k in _layers(graph)]
    pairs = [(operator.inputs[1], operator.outputs[0]) for operator in operators]
    pairs = [pair for pair in pairs if all(part.tensors[k].type == int8 for k in pair)]
    ends = [part.tensors[end] for _, end in pairs]
    scales = [(float(end.quantization.scale[0]), int(end.quantization.zeroPoint[0])) for end in ends]
    seen = np.zeros((len(pairs), 256), np.int64)
    for found in outputs(content, [end for _, end in pairs], images, preprocessing, inner=True):
        for counts, values, (scale, zero_point) in zip(seen, found, scales, strict=True):
            counts += _levels(values / scale + zero_point)
    return tuple(
        Levels(
            _short(end.name.decode()),
            _levels(constant(part.tensors[weights], graph, np.int8)),
            counts,
            scale,
            zero_point,
        )
        for (weights, _), end, counts, (scale, zero_point) in zip(pairs, ends, seen, scales, strict=True)
    )


def _levels(integers: np.ndarray) -> np.ndarray:
    """How often each integer from -128 to 127 is there, (256,)."""
    return np.bincount(np.rint(integers).astype(np.int64).ravel() + 128, minlength=256)


def same_layers(one: Any, other: Any) -> list[tuple[int, int]]:
    """Pairs of operators with weights of two graphs (`schema.ModelT`), in their order.

    Raises:
        ValueError: the graphs don't have the same layers.
    """
    found = [_layers(graph) for graph in (one, other)]
    shapes = [
        [tuple(graph.subgraphs[0].tensors[graph.subgraphs[0].operators[k].inputs[1]].shape) for k in layers]
        for graph, layers in zip((one, other), found, strict=True)
    ]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "the float and the int8 file have different layers; take files of one model, or quantize it without the "
            "repair 'biases'"
        )
    return list(zip(*found, strict=True))


def outputs(
    content: bytes, tensors: list[int], images: np.ndarray, preprocessing: Preprocessing, *, inner: bool = False
) -> Iterator[list[np.ndarray]]:
    """What some tensors of a .tflite file are for each image, in real numbers.

    Args:
        content: the file.
        tensors: their numbers.
        images: uint8 pixels, (N, H, W, 3).
        preprocessing: turns them into the values that a float input takes.
        inner: whether some of the tensors are no outputs of the file.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    # The faster kernels keep nothing but outputs.
    kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if inner else OpResolverType.AUTO
    interpreter = Interpreter(
        model_content=content, experimental_preserve_all_tensors=inner, experimental_op_resolver_type=kernels
    )
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    quantized = {told["index"]: told["quantization"] for told in interpreter.get_tensor_details()}
    for image in images:
        interpreter.set_tensor(entry["index"], as_input(image, entry["dtype"], preprocessing)[None])
        interpreter.invoke()
        found = []
        for tensor in tensors:
            values = interpreter.get_tensor(tensor)
            if values.dtype != np.float32:
                scale, zero_point = quantized[tensor]
                values = (values.astype(np.float32) - zero_point) * np.float32(scale)
            found.append(values)
        yield found


def _short(name: str) -> str:
    """The Keras layer's name in the converter's path of it, `.../backbone_1/block_1_expand_relu_1/Relu6;...`."""
    parts = [part for part in name.split(";")[0].split("/") if part != "batchnorm"]
    return parts[-2].removesuffix("_1") if len(parts) > 1 else name


def _layers(graph: Any) -> list[int]:
    """Which operators of a graph's first part have weights."""
    from ai_edge_litert import schema_py_generated as schema

    code = schema.BuiltinOperator
    kinds = {code.CONV_2D, code.DEPTHWISE_CONV_2D, code.FULLY_CONNECTED}
    codes = [max(each.builtinCode, each.deprecatedBuiltinCode) for each in graph.operatorCodes]
    return [k for k, operator in enumerate(graph.subgraphs[0].operators) if codes[operator.opcodeIndex] in kinds]
