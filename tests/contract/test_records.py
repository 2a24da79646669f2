"""What a file says of itself survives the file's own reader, and a broken file is one clear error."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from mbhelpers.inference.predictor import Predictor
from mbhelpers.models.load import load_keras
from mbhelpers.preprocessing import preset
from mbhelpers.quantization import tflite
from mbhelpers.records import MEMBER, Record, add_to_keras, add_to_tflite, read_record

from . import tiny


@pytest.mark.parametrize("kind", ["keras", "float"])
def test_record_is_read_back_equal(kind, thin):
    assert read_record(getattr(thin, kind)) == thin.record


def test_int8_adds_what_it_did(thin):
    made = thin.record.made | {"int8": {"granularity": "channel", "corrected_layers": 4}}
    assert read_record(thin.int8) == replace(thin.record, made=made)


def test_record_keeps_names_of_any_script(mobilenet):
    assert read_record(mobilenet.float).made == {"by": "tests/contract", "größe": 64}


def test_keras_itself_loads_the_file_with_the_record(thin, tmp_path):
    import keras

    bare = tiny.save(thin.model, None, tmp_path / "bare.keras")
    assert read_record(bare) is None
    assert read_record(thin.keras) is not None
    pixels = thin.images[:8].astype(np.float32)
    outputs = [keras.models.load_model(path).predict(pixels, verbose=0) for path in (bare, thin.keras)]
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize("make", ["to_float", "to_int8"])
def test_a_plain_interpreter_runs_the_file_with_the_record(make, thin, monkeypatch):
    from ai_edge_litert.interpreter import Interpreter

    monkeypatch.setattr(tflite, "add_to_tflite", lambda content, record: content)
    extra = (thin.images,) if make == "to_int8" else ()
    bare = getattr(tflite, make)(thin.model, thin.record, *extra)
    outputs = []
    for content in (bare, add_to_tflite(bare, thin.record)):
        runtime = Interpreter(model_content=content)
        runtime.allocate_tensors()
        given, wanted = runtime.get_input_details()[0], runtime.get_output_details()[0]
        image = thin.images[:1] if make == "to_int8" else thin.record.preprocessing.normalize(thin.images[:1])
        assert given["dtype"] == image.dtype
        runtime.set_tensor(given["index"], image)
        runtime.invoke()
        outputs.append(runtime.get_tensor(wanted["index"]))
    np.testing.assert_array_equal(*outputs)
    assert np.ptp(outputs[0]) > 0.5


@pytest.mark.parametrize("kind", ["keras", "float", "int8"])
@pytest.mark.parametrize(
    ("keep", "why"),
    [
        (0, "an empty file"),
        (6, "less than a header"),
        (40, "a header and no more"),
        (0.3, "a third"),
        (0.9, "all but the end"),
        (-1, "one byte short"),
    ],
)
def test_a_truncated_file_is_one_clear_error(kind, keep, why, thin, tmp_path):
    whole = getattr(thin, kind)
    content = whole.read_bytes()
    size = round(keep * len(content)) if isinstance(keep, float) else keep
    broken = tmp_path / f"broken{whole.suffix}"
    broken.write_bytes(content[:size])
    with pytest.raises(ValueError, match=re.escape(str(broken))):
        Predictor(broken)
    if kind == "keras":
        with pytest.raises(ValueError, match=re.escape(str(broken))):
            load_keras(broken)


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".tflite"])
@pytest.mark.parametrize(
    ("content", "message", "why"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            "Git LFS pointer",
            "a clone without lfs",
        ),
        (b"<!DOCTYPE html><html>404</html>", "broken", "a download that was an error page"),
        (None, "no model at", "no file"),
    ],
)
def test_what_is_no_model_is_named(suffix, content, message, why, tmp_path):
    path = tmp_path / f"broken{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        Predictor(path)


def test_a_damaged_record_is_named(thin, tmp_path):
    import zipfile

    path = shutil.copy(tiny.save(thin.model, None, tmp_path / "a.keras"), tmp_path / "b.keras")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(MEMBER, '{"classes": ["a"')
    with pytest.raises(ValueError, match=f"{MEMBER} record is damaged"):
        Predictor(path)


def test_classes_that_contradict_the_record_or_the_outputs_are_refused(thin, tmp_path):
    bare = tiny.save(thin.model, None, tmp_path / "bare.keras")
    with pytest.raises(ValueError, match="carries its own classes"):
        Predictor(thin.keras, classes=("red", "green", "blue"))
    with pytest.raises(ValueError, match="tells 3 classes apart, not 2"):
        Predictor(bare, classes=("a", "b"))
    wrong = tiny.save(thin.model, Record(("a", "b"), thin.record.preprocessing), tmp_path / "wrong.keras")
    with pytest.raises(ValueError, match="tells 3 classes apart, not 2"):
        Predictor(wrong)


def test_a_record_that_contradicts_the_models_own_rescaling_is_refused(thin, tmp_path):
    path = tmp_path / "model.keras"
    thin.model.save(path)
    add_to_keras(path, Record(thin.record.classes, preset("st", thin.record.preprocessing.resolution)))
    with pytest.raises(
        ValueError, match=r"reads pixels as \(pixel - 128\) / 128, its record as \(pixel - 127.5\) / 127.5"
    ):
        Predictor(path)
