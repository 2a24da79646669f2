"""ONNX files: the same answers, the forms that runtimes know, and folders that verify themselves."""

from collections import Counter

import numpy as np
import onnx
import pytest

from mbhelpers.deployment.latency import profile
from mbhelpers.inference.predictor import Predictor
from mbhelpers.preprocessing import preset
from mbhelpers.quantization import onnx as conversion
from mbhelpers.quantization.onnx_package import package, verify
from mbhelpers.records import read_record

from . import tiny
from .test_types import odd_model

QUANTIZED = {
    "qoperator": (conversion.to_qoperator, {}, 12),
    "qdq": (conversion.to_qdq, {}, 12),
    "qdq_per_channel": (conversion.to_qdq, {"per_channel": True}, 18),
}


@pytest.fixture(scope="module")
def files(mobilenet, tmp_path_factory):
    """The drawn-flower MobileNetV2 in every form."""
    folder, given = tmp_path_factory.mktemp("onnx"), (mobilenet.model, mobilenet.record)
    made = {"float": conversion.to_onnx(*given)}
    made |= {name: make(*given, mobilenet.images, **options) for name, (make, options, _) in QUANTIZED.items()}
    for name, content in made.items():
        (folder / f"{name}.onnx").write_bytes(content)
    return {name: folder / f"{name}.onnx" for name in made}


@pytest.mark.parametrize("opset", [7, 10, 12, 18])
@pytest.mark.parametrize("layout", conversion.LAYOUTS)
def test_float_says_the_same(opset, layout, thin, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(conversion.to_onnx(thin.model, thin.record, opset=opset, layout=layout))
    predictor = Predictor(path)
    assert (predictor.kind, predictor.layout, predictor.classes) == ("float", layout, tiny.CLASSES)
    assert read_record(path) == thin.record
    assert np.abs(predictor.predict(thin.images) - Predictor(thin.keras).predict(thin.images)).max() < 1e-4
    graph = onnx.load(path)
    assert [each.version for each in graph.opset_import if not each.domain] == [opset]
    assert "BatchNormalization" not in {node.op_type for node in graph.graph.node}


def test_a_profile_of_its_operators(files):
    """Every operator is timed once a run, and the shares are of the whole."""
    found = profile(files["float"], rounds=3)
    operators = Counter(node.op_type for node in onnx.load(files["float"]).graph.node)
    timed = {line["kind"]: line["count"] for line in found}
    assert timed["Conv"] + timed.get("FusedConv", 0) == operators["Conv"]
    assert sum(line["share"] for line in found) == pytest.approx(1)
    assert found[0]["ms"] == max(line["ms"] for line in found) > 0


def test_a_whole_mobilenet_says_the_same(files, mobilenet):
    wanted = Predictor(mobilenet.keras).predict(mobilenet.images)
    assert np.abs(Predictor(files["float"]).predict(mobilenet.images) - wanted).max() < 1e-4
    operators = Counter(node.op_type for node in onnx.load(files["float"]).graph.node)
    assert operators["Conv"] == 52 and "Mul" not in operators, "batch norms are in the convolutions"


@pytest.mark.parametrize("name", QUANTIZED)
class TestInt8:
    def test_answers_stay(self, name, files, mobilenet):
        wanted = Predictor(mobilenet.keras).predict(mobilenet.images)
        predictor = Predictor(files[name])
        scores = predictor.predict(mobilenet.images)
        assert predictor.kind == "int8"
        assert (scores.argmax(axis=1) == wanted.argmax(axis=1)).mean() > 0.95
        assert np.abs(scores - wanted).mean() < 0.05

    def test_it_is_what_it_says(self, name, files):
        graph = onnx.load(files[name])
        onnx.checker.check_model(graph, full_check=True)
        opset = QUANTIZED[name][2]
        assert [each.version for each in graph.opset_import if not each.domain] == [opset]
        kinds = [node.op_type for node in graph.graph.node]
        if name == "qoperator":
            assert kinds[0] == "QuantizeLinear" and kinds[-1] == "DequantizeLinear"
            moved = {"Pad", "Squeeze", "Transpose", "Reshape"}  # they only move integers
            assert conversion.float_operators(graph) == []
            assert all(kind.startswith("QLinear") for kind in kinds[1:-1] if kind not in moved)
        else:
            made = {name: node.op_type for node in graph.graph.node for name in node.output}
            for node in graph.graph.node:
                if node.op_type in ("Conv", "MatMul", "Add", "Gemm"):
                    assert {made[given] for given in node.input[:2]} == {"DequantizeLinear"}, node.name
        told = read_record(files[name]).made["int8"]
        assert told["opset"] == opset
        assert told["granularity"] == ("channel" if name == "qdq_per_channel" else "tensor")

    def test_scales(self, name, files):
        tensors = conversion.quantized_tensors(files[name].read_bytes())
        several = [told for told in tensors if len(told["scales"]) > 1]
        assert len(tensors) > 100
        assert len(several) >= 52 if name == "qdq_per_channel" else not several
        entry = next(told for told in tensors if told["name"] == conversion.INPUT)
        assert entry["scales"] == [1 / 128] and entry["zero_points"] == [0], "int8: the pixel less 128"


@pytest.mark.parametrize("make", [conversion.to_qdq, conversion.to_qoperator])
def test_dark_calibration_images_leave_room_for_bright_pixels(make, thin, tmp_path):
    """At opset 10, the first that has integers."""
    assert thin.images.max() < 255
    content = make(thin.model, thin.record, thin.images // 2, opset=10)
    entry = next(told for told in conversion.quantized_tensors(content) if told["name"] == conversion.INPUT)
    assert entry["scales"] == [1 / 128] and entry["zero_points"] == [0]
    (tmp_path / "model.onnx").write_bytes(content)
    assert Predictor(tmp_path / "model.onnx").predict(thin.images).shape == (48, 3)


@pytest.mark.parametrize(
    ("call", "message", "why"),
    [
        (lambda m, r, x: conversion.to_qdq(m, r, x, per_channel=True, opset=12), "needs 13 or more", "the format"),
        (lambda m, r, x: conversion.to_qoperator(m, r, x, opset=9), "no integer operators; take 10", "the format"),
        (lambda m, r, x: conversion.to_qdq(m, r, x, opset=7), "no QuantizeLinear; take 10", "the format"),
        (lambda m, r, x: conversion.to_onnx(m, r, opset=19), "choose from 7 to 18", "the exporter"),
        (lambda m, r, x: conversion.to_onnx(m, r, layout="hwc"), "unknown layout 'hwc'; choose from nchw, nhwc", ""),
        (lambda m, r, x: conversion.to_qdq(m, r, x[:0]), "one image or more", "nothing to calibrate with"),
        (lambda m, r, x: conversion.to_qdq(m, r, x / 255), "uint8", "no pixels"),
        (lambda m, r, x: conversion.to_qdq(m, r, x[:, ::2, ::2]), "must be uint8 .* 32, 32", "another size"),
        (lambda m, r, x: conversion.to_qdq(m, r, x // 255), r"reach from 0 to 0, not 0\.\.255", "divided before"),
    ],
)
def test_what_the_format_forbids(call, message, why, thin):
    with pytest.raises(ValueError, match=message):
        call(thin.model, thin.record, thin.images)


def test_an_operator_that_would_stay_in_float_is_refused():
    import keras

    with pytest.raises(ValueError, match=r"Elu.* would stay in float in the form QOperator; replace them"):
        conversion.to_qoperator(*odd_model(keras.layers.ELU()))


def test_a_value_that_stays_in_float_is_found(files):
    graph = onnx.load(files["qdq"])
    assert conversion.float_operators(graph) == []
    nodes = {name: node for node in graph.graph.node for name in node.output}
    reader = next(node for node in graph.graph.node if node.op_type == "Add")
    back = nodes[reader.input[0]]  # DequantizeLinear of QuantizeLinear of what a convolution gave
    reader.input[0] = nodes[back.input[0]].input[0]
    assert conversion.float_operators(graph) == ["Add", "Conv"]
    assert conversion.float_operators(onnx.load(files["float"])), "a float file is all float"


def test_an_operator_that_onnx_lacks_is_one_clear_error():
    import keras

    with pytest.raises(ValueError, match=r"opset 12 cannot express .*take a higher opset, or replace it"):
        conversion.to_onnx(*odd_model(keras.ops.erfinv)[:2], opset=12)


@pytest.mark.parametrize("make", [conversion.to_onnx, conversion.to_qdq, conversion.to_qoperator])
def test_weights_that_are_no_numbers_are_refused(make):
    import keras

    model, *rest = odd_model(keras.layers.ReLU())
    layer = next(layer for layer in model.layers if layer.weights)
    layer.kernel.assign(np.full(layer.kernel.shape, np.nan))
    with pytest.raises(ValueError, match=r"NaN or infinite.*train it again"):
        make(model, *(rest[:1] if make is conversion.to_onnx else rest))


class TestOthersFiles:
    def graph(self, shape, batch="N", classes=5, kind=onnx.TensorProto.FLOAT):
        """A classifier that averages, in the zoo's manner: one input, logits."""
        helper = onnx.helper
        nodes = [
            helper.make_node("GlobalAveragePool", ["data"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        ]
        weights = np.arange(3 * classes, dtype=np.float32).reshape(3, classes)
        graph = helper.make_graph(
            nodes,
            "zoo",
            [helper.make_tensor_value_info("data", kind, [batch, *shape])],
            [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, [batch, classes])],
            [onnx.numpy_helper.from_array(weights, "weights")],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=7)

    @pytest.mark.parametrize("batch", ["N", 1, 4])
    def test_a_file_without_a_record(self, batch, tmp_path):
        onnx.save(self.graph((3, 32, 32), batch), tmp_path / "zoo.onnx")
        predictor = Predictor(tmp_path / "zoo.onnx")
        assert predictor.preprocessing == preset("onnx", 32) and predictor.preprocessing_assumed
        images = tiny.easy_images(6, 1)[0]
        values = preset("onnx", 32).normalize(images).mean((1, 2))
        weights = np.arange(15, dtype=np.float32).reshape(3, 5)
        np.testing.assert_allclose(predictor.predict(images), values @ weights, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize(
        ("shape", "kind", "why"),
        [
            ((3, 32, 48), onnx.TensorProto.FLOAT, "not square"),
            ((3, "side", "side"), onnx.TensorProto.FLOAT, "of no fixed side"),
            ((3, None, None), onnx.TensorProto.FLOAT, "of an unknown side"),
            ((4, 32, 32), onnx.TensorProto.FLOAT, "four channels"),
            ((3, 32, 32), onnx.TensorProto.DOUBLE, "no float32"),
        ],
    )
    def test_no_classifier_of_images(self, shape, kind, why, tmp_path):
        graph = self.graph(shape, kind=kind)
        if kind == onnx.TensorProto.DOUBLE:
            cast = onnx.helper.make_node("Cast", ["data"], ["cast"], to=onnx.TensorProto.FLOAT)
            graph.graph.node.insert(0, cast)
            graph.graph.node[1].input[0] = "cast"
        if shape[0] == 4:
            weights = onnx.numpy_helper.from_array(np.zeros((4, 5), np.float32), "weights")
            graph.graph.initializer[0].CopyFrom(weights)
        onnx.save(graph, tmp_path / "other.onnx")
        with pytest.raises(ValueError, match="a classifier maps float values"):
            Predictor(tmp_path / "other.onnx")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
                "Git LFS pointer: run `git lfs pull`",
            ),
            (b"\x08\x07nothing", "make it again"),
        ],
    )
    def test_no_model(self, content, message, tmp_path):
        (tmp_path / "model.onnx").write_bytes(content)
        with pytest.raises(ValueError, match=message):
            Predictor(tmp_path / "model.onnx")


class TestPackage:
    @pytest.fixture
    def packed(self, thin, tmp_path):
        path = tmp_path / "thin.onnx"
        path.write_bytes(conversion.to_onnx(thin.model, thin.record))
        values = thin.record.preprocessing.normalize(thin.images[:2]).transpose(0, 3, 1, 2).copy()
        return package(path, tmp_path / "thin", values)

    def test_a_package_verifies(self, packed):
        assert sorted(path.name for path in packed.rglob("*.*")) == ["input_0.pb", "output_0.pb", "thin.onnx"]
        found = verify(packed)
        assert found["right"] and found["sets"]["test_data_set_0"]["largest_difference"] < 1e-5

    def test_another_output_does_not(self, packed):
        path = packed / "test_data_set_0" / "output_0.pb"
        value = onnx.numpy_helper.to_array(onnx.load_tensor(path)).copy()
        value[0, 0] += 0.01
        onnx.save_tensor(onnx.numpy_helper.from_array(value, "scores"), path)
        found = verify(packed)
        assert not found["right"] and found["sets"]["test_data_set_0"]["largest_difference"] == pytest.approx(
            0.01, 0.01
        )

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("thin.onnx", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
            ("thin.onnx", b"nothing", "cannot be loaded by ONNX Runtime"),
            ("test_data_set_0/input_0.pb", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
            ("test_data_set_0/input_0.pb", b"\xff\xff nothing", "not a whole tensor file"),
            ("test_data_set_0/input_1.pb", None, "holds 2 inputs and 1 outputs"),
            ("second.onnx", None, "holds 2 .onnx files"),
        ],
    )
    def test_broken_folders(self, name, content, message, packed):
        given = content if content is not None else (packed / "test_data_set_0" / "input_0.pb").read_bytes()
        (packed / name).write_bytes(given)
        with pytest.raises(ValueError, match=message):
            verify(packed)

    @pytest.mark.parametrize("name", ["thesis.txt", "other.onnx", "test_data_set_1"])
    def test_a_folder_with_other_things_is_kept(self, name, packed, thin):
        (packed / name).write_text("years of work", encoding="utf-8")
        values = thin.record.preprocessing.normalize(thin.images[:1]).transpose(0, 3, 1, 2).copy()
        with pytest.raises(ValueError, match=f"holds {name}, which would be lost; name a folder of its own"):
            package(packed / "thin.onnx", packed, values)
        assert (packed / name).is_file()

    def test_inputs_of_another_size(self, packed, tmp_path):
        with pytest.raises(ValueError, match=r"does not take .*check size and layout"):
            package(packed / "thin.onnx", tmp_path / "again", np.zeros((1, 3, 16, 16), np.float32))
        assert not (tmp_path / "again").exists()
