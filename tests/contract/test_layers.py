"""Layer errors: nothing where nothing is rounded, and the layer that was broken stands out."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from mbhelpers.quantization import tflite
from mbhelpers.quantization.grid import constant, pack, store
from mbhelpers.quantization.layers import layer_errors, level_counts


@pytest.fixture(scope="module")
def files(thin):
    return thin.float.read_bytes(), thin.int8.read_bytes()


def test_a_file_against_itself(thin, files):
    found = layer_errors(files[0], files[0], thin.images[:4], thin.record.preprocessing)
    assert [error.kind for error in found] == ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "FULLY_CONNECTED"]
    assert all(error.sqnr > 150 and error.shift == 0 for error in found)


def test_int8_is_near(thin, files):
    found = layer_errors(files[1], files[0], thin.images[:12], thin.record.preprocessing)
    assert all(25 < error.sqnr < 70 for error in found), found


def test_a_broken_layer_stands_out(thin, files):
    graph = schema.ModelT.InitFromPackedBuf(files[1], 0)
    part = graph.subgraphs[0]
    weights = part.tensors[next(op for op in part.operators if len(op.inputs) > 2).inputs[1]]
    store(constant(weights, graph, np.int8) // 8 * 8, weights, graph)
    whole = layer_errors(files[1], files[0], thin.images[:8], thin.record.preprocessing)
    broken = layer_errors(pack(graph), files[0], thin.images[:8], thin.record.preprocessing)
    assert broken[0].sqnr < whole[0].sqnr - 6


def test_another_model_is_refused(thin, files, mobilenet):
    with pytest.raises(ValueError, match="different layers"):
        layer_errors(mobilenet.int8.read_bytes(), files[0], thin.images[:1], thin.record.preprocessing)


def test_a_shift_is_told(thin):
    plain = tflite.to_int8(thin.model, thin.record, thin.images, repairs=())
    graph = schema.ModelT.InitFromPackedBuf(plain, 0)
    part = graph.subgraphs[0]
    bias = part.tensors[next(op for op in part.operators if len(op.inputs) > 2).inputs[2]]
    store(constant(bias, graph, np.int32) + np.int32(4000), bias, graph)
    found, told = (
        layer_errors(each, thin.float.read_bytes(), thin.images[:8], thin.record.preprocessing)[0].shift
        for each in (plain, pack(graph))
    )
    assert told > 3 * found


def test_levels_are_counted(thin, files):
    images = thin.images[:5]
    found = level_counts(files[1], images, thin.record.preprocessing)
    graph = schema.ModelT.InitFromPackedBuf(files[1], 0)
    part = graph.subgraphs[0]
    operators = [op for op in part.operators if len(op.inputs) > 2 and part.tensors[op.inputs[1]].type == 9]
    assert len(found) == len(operators) == 4
    for layer, op in zip(found, operators, strict=True):
        values = constant(part.tensors[op.inputs[1]], graph, np.int8).ravel()
        assert [layer.weights[value + 128] for value in (-127, 0, 127)] == [(values == v).sum() for v in (-127, 0, 127)]
        assert layer.weights.sum() == values.size and layer.weights[0] == 0, "symmetric: -128 is not used"
        shape = part.tensors[op.outputs[0]].shape
        assert layer.outputs.sum() == len(images) * np.prod(shape)
    relu = found[0]
    assert relu.zero_point == -128 and relu.outputs[0] > 0.1 * relu.outputs.sum(), "ReLU6 makes many values 0"


def test_a_float_file_has_no_levels(thin, files):
    assert level_counts(files[0], thin.images[:1], thin.record.preprocessing) == ()
