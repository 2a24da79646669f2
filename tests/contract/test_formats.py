"""Every format by its name, with all that made it beside it, and side by side on the same images."""

import json

import numpy as np
import pytest

from mbhelpers.evaluation.comparison import compare_files
from mbhelpers.inference.predictor import Predictor
from mbhelpers.preprocessing import preset
from mbhelpers.quantization import tflite
from mbhelpers.quantization.calibration import sweep
from mbhelpers.quantization.files import quantize_all
from mbhelpers.quantization.formats import FORMATS, convert
from mbhelpers.records import Record, read_record

from . import tiny
from .test_cli import call


@pytest.fixture(scope="module")
def made(thin, thin_folder, tmp_path_factory):
    return quantize_all(thin.keras, thin_folder, tmp_path_factory.mktemp("all"), number=12, seed=3)


def types(path) -> set[str]:
    from ai_edge_litert.interpreter import Interpreter

    return {np.dtype(tensor["dtype"]).name for tensor in Interpreter(str(path)).get_tensor_details()}


class TestAll:
    def test_every_format_is_there_and_tells_the_classes_apart(self, made, thin):
        assert list(made) == list(FORMATS)
        images, labels = tiny.easy_images(20, seed=8)
        for name, path in made.items():
            assert path.name == f"model_{name}{FORMATS[name].suffix}"
            np.testing.assert_array_equal(Predictor(path).predict(images).argmax(axis=1), labels, name)
            assert read_record(path).classes == thin.record.classes

    @pytest.mark.parametrize(
        ("name", "there", "absent"),
        [
            ("float32", {"float32"}, {"float16", "int8"}),
            ("float16", {"float16"}, {"int8"}),
            ("int8", {"int8", "int32"}, {"float16"}),
            ("int8_per_tensor", {"int8", "int32"}, {"float16"}),
        ],
    )
    def test_types(self, name, there, absent, made):
        found = types(made[name])
        assert there <= found and not absent & found

    def test_integer_files_hold_no_float_operator(self, made):
        for name in ("int8", "int8_per_tensor"):
            assert tflite.float_operators(made[name].read_bytes()) == []
        assert tflite.float_operators(made["float16"].read_bytes()), "else the check could not fail"

    def test_what_made_it_lies_beside_it(self, made):
        told = json.loads(made["int8"].with_name("model_int8.tflite.json").read_text(encoding="utf-8"))
        assert told["format"] == "int8" and len(told["calibration"]) == 12
        assert all(len(digest) == 64 for digest in told["calibration"].values())
        assert told["versions"]["tensorflow"]
        several = [tensor for tensor in told["tensors"] if len(tensor["scales"]) > 1]
        assert sorted(len(tensor["scales"]) for tensor in several if tensor["type"] == "int8")[-1] == 16
        entry = next(tensor for tensor in told["tensors"] if tensor["type"] == "uint8" and len(tensor["shape"]) == 4)
        assert (entry["scales"], entry["zero_points"]) == ([1 / 128], [128])
        assert not json.loads(made["float32"].with_name("model_float32.tflite.json").read_text(encoding="utf-8"))[
            "calibration"
        ]

    def test_side_by_side(self, made, thin_folder, tmp_path):
        labels_apart = compare_files([made["float32"], made["int8"], made["onnx_qdq"]], thin_folder)
        assert [line["model"] for line in labels_apart] == [
            "model_float32.tflite",
            "model_int8.tflite",
            "model_onnx_qdq.onnx",
        ]
        assert "paired" not in labels_apart[0]
        assert all(line["n"] == 30 and line["correct"] == 30 and line["latency_ms"] > 0 for line in labels_apart)
        assert all(line["paired"]["agreement"] == 1 for line in labels_apart[1:])


def test_rivals_of_another_size(thin, thin_folder, tmp_path):
    larger = tiny.easy_model(preprocessing=preset("mbhelpers", 48))
    record = Record(tiny.CLASSES, preset("mbhelpers", 48))
    convert(larger, record, "float32").save(tmp_path / "larger.tflite")
    found = compare_files([thin.float, tmp_path / "larger.tflite"], thin_folder)
    assert [line["correct"] for line in found] == [30, 30] and not found[0]["warnings"]


def test_options_are_for_files_without_a_record(thin, thin_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tflite, "add_to_tflite", lambda content, record: content)
    (tmp_path / "bare.tflite").write_bytes(tflite.to_float(thin.model, thin.record))
    found = compare_files([thin.float, tmp_path / "bare.tflite"], thin_folder, preset="mbhelpers")
    assert found[1]["paired"]["agreement"] == 1
    assert found[1]["warnings"] == ["class order assumed to be that of the sorted folders"]


class TestConvert:
    def test_images_without_names_are_told_by_their_pixels(self, thin):
        found = convert(thin.model, thin.record, "int8", thin.images[:3])
        assert list(found.calibration) == ["0", "1", "2"] and len(set(found.calibration.values())) == 3

    def test_it_is_saved_whole_or_not_at_all(self, thin, tmp_path):
        found = convert(thin.model, thin.record, "float16")
        with pytest.raises(ValueError, match=r"must end in .tflite: it is to be float16"):
            found.save(tmp_path / "model.onnx")
        assert not list(tmp_path.iterdir())
        with pytest.raises(AttributeError):
            found.content = b""

    @pytest.mark.parametrize(
        ("name", "options", "message"),
        [
            ("int4", {}, "unknown format 'int4'; choose from float32, float16"),
            ("int8", {}, "int8 is calibrated: pass training images"),
            ("float32", {"opset": 12}, "float32 has no option 'opset'"),
            ("float16", {"weights": "float32"}, "float16 has no option 'weights'"),
        ],
    )
    def test_what_can_not_be(self, name, options, message, thin):
        with pytest.raises(ValueError, match=message):
            convert(thin.model, thin.record, name, **options)

    def test_dynamic_range_has_weights_of_eight_bits(self, tmp_path):
        """TFLite leaves tensors below 1,024 numbers in float, so the thin model shows nothing."""
        import keras

        image = keras.Input((16, 16, 3))
        model = keras.Model(image, keras.layers.Dense(5)(keras.layers.Flatten()(image)))
        content = convert(model, Record(tuple("abcde"), preset("mbhelpers", 16)), "dynamic_range").content
        path = tmp_path / "model.tflite"
        path.write_bytes(content)
        assert "int8" in types(path) and Predictor(path).kind == "int8"


class TestCommands:
    def test_one_format(self, thin, tmp_path):
        ended = call("quantize", thin.keras, "-o", tmp_path / "m.onnx", "--format", "onnx_float32", "--opset", "10")
        assert ended.returncode == 0, ended.stderr
        assert Predictor(tmp_path / "m.onnx").layout == "nchw"
        packed = call("onnx", "package", tmp_path / "m.onnx", thin.folder / "none.png", "-o", tmp_path / "packed")
        assert packed.returncode == 2 and "none.png" in packed.stderr

    def test_package_and_verify(self, made, thin_folder, tmp_path):
        image = next(thin_folder.rglob("*.png"))
        assert call("onnx", "package", made["onnx_float32"], image, "-o", tmp_path / "packed").returncode == 0
        verified = call("onnx", "verify", tmp_path / "packed", "--json")
        assert verified.returncode == 0 and json.loads(verified.stdout)["right"] is True

    def test_compare(self, made, thin_folder):
        ended = call("compare", made["float32"], made["int8"], "--data", thin_folder)
        assert ended.returncode == 0, ended.stderr
        first, head, *lines = ended.stdout.splitlines()
        assert first.startswith("n = 30;") and head.split()[:2] == ["model", "KiB"] and len(lines) == 2
        assert "100.00 %" in lines[1] and "+0.00" in lines[1]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["quantize", "{model}", "-o", "{out}.tflite"], "int8 is calibrated: pass training images"),
            (["quantize", "{model}", "-o", "{out}", "--all"], "pass a folder of training images"),
            (["quantize", "{model}", "{data}", "-o", "{out}", "--all", "--opset", "12"], "--opset is for one format"),
            (["quantize", "{model}", "-o", "{out}.tflite", "--format", "int4"], "unknown format 'int4'"),
            (
                ["quantize", "{model}", "{data}", "-o", "{out}", "--all", "--format", "int8"],
                "--format is for one format",
            ),
            (
                ["quantize", "{model}", "{data}", "-o", "{out}.tflite", "--format", "float16"],
                "is not calibrated; leave",
            ),
            (["compare", "{model}", "--data", "{data}"], "needs two model files"),
        ],
    )
    def test_refused(self, arguments, message, thin, thin_folder, tmp_path):
        values = {"model": thin.keras, "out": tmp_path / "out", "data": thin_folder}
        ended = call(*(argument.format(**values) for argument in arguments))
        assert ended.returncode == 2 and message in ended.stderr, ended.stderr
        assert not list(tmp_path.iterdir())


class TestSweep:
    def test_more_images_bring_int8_nearer(self, thin):
        images, labels = tiny.easy_images(60, seed=5)
        held, _ = tiny.easy_images(40, seed=6)
        found = list(sweep(thin.model, thin.record, (images, labels), held, (1, 20, 1000), seeds=(1, 2)))
        assert [(each["images"], each["seed"]) for each in found] == [(1, 1), (1, 2), (20, 1), (20, 2), (60, 1)]
        off = {n: np.mean([each["points_off"] for each in found if each["images"] == n]) for n in (1, 20, 60)}
        assert off[20] < off[1] and off[60] < off[1]
        assert all(0 <= each["agreement"] <= 1 and each["seconds"] > 0 for each in found)

    def test_of_another_format(self, thin):
        images, labels = tiny.easy_images(12, seed=5)
        (found,) = sweep(
            thin.model, thin.record, (images, labels), images, (12,), seeds=(1,), format="int8_per_tensor", repairs=()
        )
        file = convert(thin.model, thin.record, "int8_per_tensor", images, repairs=())
        true = convert(thin.model, thin.record, "float32").predict(images)
        assert found["points_off"] == pytest.approx(100 * np.abs(file.predict(images) - true).mean())


def test_predict_is_the_files(made, thin):
    images, _ = tiny.easy_images(6, seed=8)
    for name in ("float32", "onnx_float32"):
        converted = convert(thin.model, thin.record, name)
        np.testing.assert_array_equal(converted.predict(images), Predictor(made[name]).predict(images))
