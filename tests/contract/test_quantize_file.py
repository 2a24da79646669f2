"""From any model file and any folder of images to an int8 file, or one clear error."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mbhelpers.inference.predictor import Predictor
from mbhelpers.models.families import without_rescaling
from mbhelpers.preprocessing import preset
from mbhelpers.quantization import files, tflite
from mbhelpers.quantization.files import quantize_file
from mbhelpers.quantization.ranges import input_spread
from mbhelpers.records import Record, read_record

from . import tiny


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    """Twelve easy pictures in one folder, named as ImageNet's, with a list beside them that is no image."""
    folder = tmp_path_factory.mktemp("flat")
    for k, image in enumerate(tiny.easy_images(12, seed=11)[0]):
        Image.fromarray(image).save(folder / f"n0000000{k % 3}_{k}.png")
    (folder / "labels.txt").write_text("blue\ngreen\nred\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def bare(thin, tmp_path_factory):
    """The thin model by its file name, each without a record; `values` takes values, not pixels."""
    import keras

    folder = tmp_path_factory.mktemp("bare")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tflite, "add_to_tflite", lambda content, record: content)
        (folder / "int8.tflite").write_bytes(tflite.to_int8(thin.model, thin.record, thin.images))
        (folder / "float.tflite").write_bytes(tflite.to_float(thin.model, thin.record))
    values = keras.Input((tiny.SIDE, tiny.SIDE, 3))
    scores = without_rescaling(thin.model, thin.record.preprocessing).layers[-1](values)
    tiny.save(keras.Model(values, scores), None, folder / "values.keras")
    tiny.save(tiny.build(1000), None, folder / "imagenet.keras")
    tiny.save(thin.model, None, folder / "pixels.keras")
    return folder


def ends(path):
    runtime = Predictor(path)._backend.interpreter
    return runtime.get_input_details()[0]["dtype"], runtime.get_output_details()[0]["dtype"]


@pytest.mark.parametrize("source", ["keras", "int8", "float"])
@pytest.mark.parametrize("where", ["class folders", "flat"])
def test_every_form_and_every_folder_gives_the_same_classifier(source, where, thin, thin_folder, flat, tmp_path):
    made = quantize_file(
        getattr(thin, source),
        thin_folder if where == "class folders" else flat,
        tmp_path / "made.tflite",
        number=9,
        seed=1,
        conversion={"input_type": "int8", "output_type": "int8"},
    )
    assert ends(made) == (np.int8, np.int8)
    record = read_record(made)
    assert (record.classes, record.preprocessing) == (thin.record.classes, thin.record.preprocessing)
    assert {key: record.made["calibration"][key] for key in ("images", "seed")} == {"images": 9, "seed": 1}
    assert ("read_back" in record.made) == (source != "keras")
    images, labels = tiny.easy_images(20, seed=8)
    scores = Predictor(made).predict(images)
    np.testing.assert_array_equal(scores.argmax(axis=1), labels)
    assert np.abs(scores - Predictor(getattr(thin, source)).predict(images)).max() < 0.06


def test_groups_are_kept_in_balance(thin, flat, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(files, "load_images", lambda root, paths, contract: seen.extend(paths) or thin.images[:6])
    quantize_file(thin.keras, flat, tmp_path / "made.tflite", number=6, seed=1)
    assert sorted(name[:9] for name in seen) == [f"n0000000{k}" for k in (0, 0, 1, 1, 2, 2)]


@pytest.mark.parametrize(
    ("source", "where", "options", "classes", "assumed", "why"),
    [
        ("pixels.keras", "class folders", {}, tiny.CLASSES, ["classes", "preprocessing"], "as folders are sorted"),
        ("pixels.keras", "flat", {"preset": "mbhelpers"}, (), None, "labels aren't needed"),
        ("int8.tflite", "class folders", {"preset": "mbhelpers"}, tiny.CLASSES, ["classes"], "read back"),
        ("int8.tflite", "flat", {}, (), ["preprocessing"], "its input tells the range, not the resize"),
        ("float.tflite", "flat", {"preset": "mbhelpers"}, (), None, "the range was passed"),
        ("imagenet.keras", "class folders", {"preset": "mbhelpers"}, (), None, "ImageNet's classes, any pictures"),
    ],
)
def test_a_file_without_a_record_says_what_was_assumed(
    source, where, options, classes, assumed, why, bare, thin_folder, flat, tmp_path
):
    folder = thin_folder if where == "class folders" else flat
    made = quantize_file(bare / source, folder, tmp_path / "made.tflite", number=6, seed=1, **options)
    record = read_record(made)
    assert (record.classes, record.made.get("assumed")) == (classes, assumed), why
    assert (record.preprocessing.mean, record.preprocessing.std) == (128.0, 128.0), "as the file itself means it"


def test_a_guess_is_said_and_can_be_corrected(bare, flat, tmp_path, capsys):
    guessed = quantize_file(bare / "int8.tflite", flat, tmp_path / "guessed.tflite", number=6, seed=1)
    assert "warning" in capsys.readouterr().out
    predictor = Predictor(guessed)
    assert predictor.preprocessing_assumed
    assert predictor.preprocessing == Predictor(bare / "int8.tflite").preprocessing, "one guess everywhere"
    known = Predictor(guessed, preset="mbhelpers")
    assert (known.preprocessing_assumed, known.preprocessing.resize) == (False, "bilinear")
    again = quantize_file(guessed, flat, tmp_path / "known.tflite", number=6, seed=1, preset="mbhelpers")
    assert "warning" not in capsys.readouterr().out
    assert (read_record(again).assumed, read_record(again).preprocessing) == ((), known.preprocessing)


@pytest.mark.parametrize(
    ("source", "options", "message", "why"),
    [
        ("float.tflite", {}, "takes float values and doesn't say how", "no range to be had"),
        ("int8.tflite", {"preset": "onnx"}, r"reads pixels as \(pixel - 128\) / 128, preset 'onnx'", "contradicts"),
        ("values.keras", {"preset": "onnx"}, r"--input-type float32", "one scale can't serve three channels"),
        ("values.keras", {"mean": 0, "std": 1}, r"from 0 to 255, which spread 1\d\d times as widely", "raw pixels"),
        ("values.keras", {"mean": 127.5, "std": 3000}, r"spread 0\.04 times", "far too small"),
        ("pixels.keras", {"preset": "nxp", "output": "made.bin"}, "must end in .tflite", "another suffix"),
        ("pixels.keras", {"folder": "none"}, "no folder at", "no such folder"),
        ("pixels.keras", {"folder": "empty"}, r"has no images \(", "nothing in it"),
        ("pixels.keras", {"folder": "two"}, "tells 3 classes apart, .* has 2 ", "other classes"),
        ("thin.int8", {"folder": "strange"}, "has classes cat, dog, .* knows blue, green, red", "other names"),
        ("thin.int8", {"preset": "slim"}, "carries its own preprocessing", "the record wins"),
        ("pixels.keras", {"folder": "broken"}, "none of the 3 images chosen from .* can be read", "all corrupt"),
        ("none.keras", {}, "no model at", "no model"),
    ],
)
def test_what_does_not_fit_is_refused(source, options, message, why, bare, thin, flat, thin_folder, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    for k in range(3):
        (tmp_path / "broken" / f"{k}.jpg").write_bytes(b"no picture")
    for name, kinds in {"two": ("blue", "green"), "strange": ("blue", "cat", "dog")}.items():
        for kind in kinds:
            shutil.copytree(thin_folder / "blue", tmp_path / name / kind)
    options = dict(options)
    folder = tmp_path / options.pop("folder") if "folder" in options else flat
    output = tmp_path / options.pop("output", "made.tflite")
    with pytest.raises(ValueError, match=message):
        quantize_file(
            thin.int8 if source == "thin.int8" else bare / source, folder, output, number=6, seed=1, **options
        )
    assert not output.exists(), why


def test_the_source_is_not_overwritten(thin, flat, tmp_path):
    copy = shutil.copy(thin.int8, tmp_path / "model.tflite")
    with pytest.raises(ValueError, match="is the model itself; write to another file"):
        quantize_file(copy, flat, copy, number=6, seed=1)
    assert copy.read_bytes() == thin.int8.read_bytes()


def test_corrupt_images_are_left_out_and_said(thin, flat, tmp_path, capsys):
    folder = shutil.copytree(flat, tmp_path / "pictures")
    (folder / "n00000009_bad.jpg").write_bytes(b"no picture")
    made = quantize_file(thin.keras, folder, tmp_path / "made.tflite", number=13, seed=1)
    assert "left out 1 files: n00000009_bad.jpg: corrupt image" in capsys.readouterr().out
    assert read_record(made).made["calibration"]["images"] == 12


def test_a_doubtful_range_is_warned_of_and_a_right_one_is_not(bare, flat, tmp_path, capsys):
    """Pixels / 255 for a model of (pixel - 128) / 128: half the spread, and all of it positive."""
    quantize_file(bare / "values.keras", flat, tmp_path / "wrong.tflite", number=12, seed=1, mean=0, std=255)
    said = capsys.readouterr().out
    assert said.startswith("warning: with (pixel - 0) / 255 pixels become values from 0 to 1, which spread 0.5")
    assert said.endswith("check preset, mean and std\n")
    quantize_file(bare / "values.keras", flat, tmp_path / "right.tflite", number=12, seed=1, preset="mbhelpers")
    assert not capsys.readouterr().out


@pytest.mark.parametrize(("mean", "std", "expected"), [(128, 128, 1.0), (0, 255, 128 / 255), (0, 1, 128.0)])
def test_the_first_batch_norm_remembers_the_range(mean, std, expected, thin):
    """The thin model's statistics are those of these images, so the spread is exactly the ratio of the ranges."""
    import keras

    network = without_rescaling(thin.model, thin.record.preprocessing)
    assert isinstance(network.layers[1], keras.Model), "the layers may be inside"
    contract = thin.record.preprocessing.changed(None, mean, std)
    assert input_spread(network, contract, thin.images) == pytest.approx(expected, rel=0.02)


def test_a_model_without_batch_norm_cannot_tell(thin):
    from mbhelpers.models.dequantize import read_tflite

    model, record, _ = read_tflite(thin.int8)
    assert input_spread(model, record.preprocessing, thin.images) is None


class TestToInt8:
    def test_trained_weights_have_no_grid_to_keep(self, thin, monkeypatch, tmp_path):
        monkeypatch.setattr(tflite, "keep_grid", None)  # calling it would fail
        path = tmp_path / "model.tflite"
        path.write_bytes(tflite.to_int8(thin.model, thin.record, thin.images))
        made = thin.record.made | {"int8": {"granularity": "channel", "corrected_layers": 4}}
        assert read_record(path) == replace(thin.record, made=made), "nothing of a grid is added to the record either"

    def test_a_mean_for_each_channel_needs_a_float_input(self, thin, tmp_path):
        contract = preset("onnx", tiny.SIDE)
        model, record = tiny.easy_model(preprocessing=contract), Record(tiny.CLASSES, contract)
        for kind in ("uint8", "int8"):
            with pytest.raises(ValueError, match=r"differs from channel to channel.*--input-type float32"):
                tflite.to_int8(model, record, thin.images, input_type=kind)
        path = tmp_path / "model.tflite"
        path.write_bytes(tflite.to_int8(model, record, thin.images, input_type="float32"))
        images, labels = tiny.easy_images(20, seed=8)
        np.testing.assert_array_equal(Predictor(path).predict(images).argmax(axis=1), labels)

    @pytest.mark.parametrize(("scale", "reach"), [(0, "0 to 0"), (1 / 255, "0 to 1")])
    def test_images_divided_before_are_refused(self, scale, reach, thin):
        with pytest.raises(ValueError, match=rf"pixels reach from {reach}, not 0\.\.255"):
            tflite.to_int8(thin.model, thin.record, (thin.images * scale).round().astype(np.uint8))
