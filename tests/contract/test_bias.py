"""Biases of an int8 file are moved so that every channel has the float file's mean, and nothing else is."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from mbhelpers.inference.predictor import Predictor
from mbhelpers.quantization import tflite
from mbhelpers.quantization.bias import correct_biases
from mbhelpers.records import read_record

from . import tiny

SHIFT = 300
"""Of every bias, in its own steps: as if rounding had shifted each channel."""


@pytest.fixture(scope="module")
def files(thin):
    """The float and the plain int8 file of the thin model."""
    plain = tflite.to_int8(thin.model, thin.record, thin.images[:48], repairs=())
    return tflite.to_float(thin.model, thin.record), plain


def opened(content: bytes):
    return schema.ModelT.InitFromPackedBuf(content, 0)


def biases(graph) -> set[int]:
    part = graph.subgraphs[0]
    found = [part.tensors[op.inputs[2]] for op in part.operators if len(op.inputs) > 2]
    return {tensor.buffer for tensor in found if tensor.type == schema.TensorType.INT32}


def shifted(content: bytes) -> bytes:
    """The file with every bias off."""
    from mbhelpers.quantization.grid import constant, pack, store

    graph = opened(content)
    for tensor in graph.subgraphs[0].tensors:
        if tensor.buffer in biases(opened(content)):
            store(constant(tensor, graph, np.int32) + np.int32(SHIFT), tensor, graph)
    return pack(graph)


def scores(content: bytes, images: np.ndarray, path) -> np.ndarray:
    path.write_bytes(content)
    return Predictor(path).predict(images)


def test_only_biases_change(thin, files):
    plain = files[1]
    content, layers = correct_biases(plain, files[0], thin.images[:48], thin.record.preprocessing)
    before, after = opened(plain), opened(content)
    moved = biases(before)
    assert layers == len(moved) > 3
    for k, (old, new) in enumerate(zip(before.buffers, after.buffers, strict=True)):
        same = np.array_equal(np.asarray(old.data), np.asarray(new.data))
        assert same or k in moved, f"buffer {k}"
    before_part, after_part = before.subgraphs[0], after.subgraphs[0]
    assert len(before_part.operators) == len(after_part.operators)
    assert list(before_part.outputs) == list(after_part.outputs)
    for old, new in zip(before_part.tensors, after_part.tensors, strict=True):
        assert (old.name, old.type) == (new.name, new.type)
        if old.quantization is not None and old.quantization.scale is not None:
            assert np.array_equal(old.quantization.scale, new.quantization.scale), old.name
    assert [s.signatureKey for s in before.signatureDefs] == [s.signatureKey for s in after.signatureDefs]


def test_what_was_shifted_comes_back(thin, files, tmp_path):
    reference, plain = files
    images, contract = thin.images, thin.record.preprocessing
    wrong = shifted(plain)
    mended, _ = correct_biases(wrong, reference, images[:48], contract)
    truth = scores(reference, images, tmp_path / "float.tflite")
    errors = {
        name: np.abs(scores(content, images, tmp_path / f"{name}.tflite") - truth).mean()
        for name, content in (("plain", plain), ("wrong", wrong), ("mended", mended))
    }
    assert errors["wrong"] > 3 * errors["plain"], "else there was nothing to mend"
    assert errors["mended"] < min(2 * errors["plain"], errors["wrong"] / 2), errors


def test_a_dead_channel_does_not_overflow(thin, files):
    from mbhelpers.quantization.grid import pack

    graph = opened(files[1])
    part = graph.subgraphs[0]
    bias = part.tensors[part.operators[1].inputs[2]]
    bias.quantization.scale = np.array(bias.quantization.scale, np.float32) * np.float32(1e-12)
    content, _ = correct_biases(pack(graph), files[0], thin.images[:8], thin.record.preprocessing)
    found = opened(content)
    kept = found.buffers[found.subgraphs[0].tensors[part.operators[1].inputs[2]].buffer].data
    assert np.abs(np.frombuffer(bytes(kept), np.int32).astype(np.int64)).max() <= 2**30


@pytest.mark.parametrize("input_type", tflite.TYPES)
def test_every_input_type(thin, input_type, tmp_path):
    path, found = tmp_path / "model.tflite", {}
    for corrected in (True, False):
        repairs = ("biases",) if corrected else ()
        content = tflite.to_int8(thin.model, thin.record, thin.images[:16], input_type=input_type, repairs=repairs)
        path.write_bytes(content)
        found[corrected] = read_record(path).made["int8"].get("corrected_layers")
    assert found == {True: len(biases(opened(content))), False: None}


def test_another_models_file_is_refused(thin, files):
    import keras

    other = keras.Sequential(
        [keras.Input((tiny.SIDE, tiny.SIDE, 3)), keras.layers.Conv2D(4, 3), keras.layers.GlobalAveragePooling2D()]
    )
    reference = tflite.to_float(other, thin.record)
    with pytest.raises(
        ValueError, match="different layers; take files of one model, or quantize it without the repair 'biases'"
    ):
        correct_biases(files[1], reference, thin.images[:8], thin.record.preprocessing)
