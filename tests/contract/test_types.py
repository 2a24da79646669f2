"""Every input and output type is the same model; operators that stay in float are refused unless asked for."""

import itertools

import numpy as np
import pytest

from mbhelpers.inference.predictor import Predictor
from mbhelpers.preprocessing import preset
from mbhelpers.quantization import tflite
from mbhelpers.records import Record

from . import tiny

NUMPY = {"uint8": np.uint8, "int8": np.int8, "float32": np.float32}
STEP = 1 / 256
"""A softmax output is quantized over 0..1 in 256 steps."""


@pytest.mark.parametrize(
    ("input_type", "output_type"),
    [pair for pair in itertools.product(tflite.TYPES, repeat=2) if pair != ("uint8", "float32")],
)
def test_every_pair_of_types_gives_the_same_scores(input_type, output_type, thin, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(
        tflite.to_int8(thin.model, thin.record, thin.images, input_type=input_type, output_type=output_type)
    )
    predictor = Predictor(path)
    runtime = predictor._backend.interpreter
    assert runtime.get_input_details()[0]["dtype"] == NUMPY[input_type]
    assert runtime.get_output_details()[0]["dtype"] == NUMPY[output_type]
    assert predictor.kind == "int8"
    images, labels = tiny.easy_images(10, seed=5)
    scores, expected = predictor.predict(images), Predictor(thin.int8).predict(images)
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores.argmax(1), expected.argmax(1))
    assert np.abs(scores - expected).max() <= STEP
    np.testing.assert_array_equal(expected.argmax(1), labels, "the pictures are easy; else equality says little")


@pytest.mark.parametrize("side", ["input_type", "output_type"])
@pytest.mark.parametrize("kind", ["int16", "float16", "uint16", "", "UINT8"])
def test_an_unknown_type_is_answered_with_the_known_ones(side, kind, thin):
    with pytest.raises(ValueError, match=rf"unknown type '{kind}'; choose from uint8, int8, float32"):
        tflite.to_int8(thin.model, thin.record, thin.images, **{side: kind})


@pytest.mark.parametrize(
    ("spoil", "message", "why"),
    [
        (lambda x: x[:0], "one image or more", "none"),
        (lambda x: x / 255, "must be uint8", "scaled"),
        (lambda x: x[:, ::2, ::2], "must be uint8 .* 32, 32", "another size"),
    ],
)
def test_calibration_images_are_pixels(spoil, message, why, thin):
    with pytest.raises(ValueError, match=message):
        tflite.to_int8(thin.model, thin.record, spoil(thin.images))


def odd_model(layer):
    """A small classifier with one operator more than MobileNets have."""
    import keras

    side = 8
    pixels = keras.Input((side, side, 3))
    x = keras.layers.Rescaling(1 / 128, offset=-1.0)(pixels)
    x = layer(keras.layers.Conv2D(4, 3)(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(pixels, keras.layers.Dense(3, activation="softmax")(x))
    return model, Record(tiny.CLASSES, preset("mbhelpers", side)), tiny.easy_images(12, 0, side=side)[0]


def test_an_operator_that_would_stay_in_float_is_refused_unless_allowed(tmp_path):
    """ELU: the converter, told integers only, puts a float ELU between DEQUANTIZE and QUANTIZE and says nothing."""
    import keras

    model, record, images = odd_model(keras.layers.ELU())
    with pytest.raises(ValueError, match=r"ELU would stay in float; replace them, or allow .*--allow-float"):
        tflite.to_int8(model, record, images)
    content = tflite.to_int8(model, record, images, allow_float=True)
    assert tflite.float_operators(content) == ["ELU"]
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    expected = model.predict(images.astype(np.float32), verbose=0)
    np.testing.assert_allclose(Predictor(path).predict(images), expected, atol=0.05)


@pytest.mark.parametrize("allow_float", [False, True])
def test_an_operator_that_tflite_lacks_is_one_clear_error(allow_float):
    import keras

    with pytest.raises(ValueError, match="replace it") as caught:
        tflite.to_int8(*odd_model(keras.ops.erf), allow_float=allow_float)
    assert ("--allow-float" in str(caught.value)) != allow_float, "the advice must not be what was already tried"
    with pytest.raises(ValueError, match="replace it"):
        tflite.to_float(*odd_model(keras.ops.erf)[:2])


def test_no_float_operator_is_listed_for_a_whole_int8_file(mobilenet, thin):
    for files in (mobilenet, thin):
        assert tflite.float_operators(files.int8.read_bytes()) == []
        assert "CONV_2D" in tflite.float_operators(files.float.read_bytes())
