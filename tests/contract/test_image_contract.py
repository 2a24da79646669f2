"""From a file's bytes to the values that the first convolution sees: the same by every road, to the bit."""

import numpy as np
import pytest
from PIL import Image

from mbhelpers.inference.predictor import Predictor
from mbhelpers.preprocessing import PRESETS, Preprocessing, preset
from mbhelpers.quantization import tflite
from mbhelpers.records import Record, add_to_tflite

from . import tiny

ARITHMETIC = {"MUL", "ADD", "SUB", "DIV"}
INT8_BOUND = 0.1
"""Largest difference of an int8 score to float, measured 0.063 on the sixty drawn flowers (mean 0.009)."""


def input_quantization(content: bytes) -> tuple[float, int]:
    from ai_edge_litert.interpreter import Interpreter

    scale, zero = Interpreter(model_content=content).get_input_details()[0]["quantization"]
    return float(scale), int(zero)


def before_first_convolution(content: bytes) -> list[str]:
    found = tiny.operators(content)
    return found[: found.index("CONV_2D")]


@pytest.fixture(scope="module")
def narrow(thin):
    """Calibration images whose pixels reach from 60 to 180 only."""
    return (60 + thin.images * (120 / 255)).astype(np.uint8)


@pytest.fixture(scope="module")
def int8_in(thin):
    return tflite.to_int8(thin.model, thin.record, thin.images, input_type="int8")


@pytest.fixture(scope="module")
def narrow_uint8(thin, narrow):
    return tflite.to_int8(thin.model, thin.record, narrow)


def test_input_quantization_is_the_pixel_itself(mobilenet, thin, int8_in, narrow_uint8):
    for content, zero, why in [
        (mobilenet.int8.read_bytes(), 128, "MobileNetV2, raw pixels"),
        (thin.int8.read_bytes(), 128, "raw pixels"),
        (int8_in, 0, "pixel - 128"),
        (narrow_uint8, 128, "calibration images that don't reach 0 and 255"),
    ]:
        assert input_quantization(content) == (1 / 128, zero), why


@pytest.mark.parametrize("kind", ["float", "int8"])
def test_no_arithmetic_stands_before_the_first_convolution(kind, mobilenet, thin):
    for files in (mobilenet, thin):
        first = before_first_convolution(getattr(files, kind).read_bytes())
        assert not ARITHMETIC & set(first), first
        assert set(first) <= {"QUANTIZE"}, "uint8 to int8 is all that an input may need"


def test_a_rescaling_left_in_the_graph_would_be_seen(thin):
    import tensorflow as tf

    naive = tf.lite.TFLiteConverter.from_keras_model(thin.model).convert()
    assert ARITHMETIC & set(before_first_convolution(naive))


@pytest.mark.parametrize("calibrated_on", ["0..255", "60..180"])
def test_every_pixel_value_is_what_calibration_saw(calibrated_on, thin, narrow_uint8):
    content = thin.int8.read_bytes() if calibrated_on == "0..255" else narrow_uint8
    scale, zero = input_quantization(content)
    pixels = np.arange(256, dtype=np.uint8)
    quantized = np.round(thin.record.preprocessing.normalize(pixels) / np.float32(scale)) + zero
    np.testing.assert_array_equal(quantized, pixels)
    exact = (pixels.astype(np.float64) - zero) * scale
    np.testing.assert_array_equal(thin.record.preprocessing.normalize(pixels), exact, "not one value is rounded")


def test_pixels_in_and_normalized_values_in_give_the_same_bits(thin, tmp_path):
    """The runtime's own quantizer agrees: a file with float input, fed with what calibration saw."""
    path = tmp_path / "float_in.tflite"
    path.write_bytes(tflite.to_int8(thin.model, thin.record, thin.images, input_type="float32"))
    ramp = np.resize(np.arange(256, dtype=np.uint8), (1, tiny.SIDE, tiny.SIDE, 3))
    images = np.concatenate([ramp, thin.images[:9]])
    np.testing.assert_array_equal(Predictor(path).predict(images), Predictor(thin.int8).predict(images))


def test_calibration_that_misses_the_range_is_refused_not_shipped(thin, narrow, monkeypatch):
    monkeypatch.setattr(tflite, "span", lambda images: images)
    with pytest.raises(ValueError, match=r"don't span 0\.\.255"):
        tflite.to_int8(thin.model, thin.record, narrow)


@pytest.mark.parametrize(
    ("name", "zero"),
    [("mbhelpers", {128}), ("st", {127, 128}), ("keras", {127, 128}), ("nxp", {127, 128}), ("slim", {127, 128})],
)
def test_every_preset_becomes_the_input_quantization(name, zero, tmp_path):
    contract = preset(name, tiny.SIDE)
    model = tiny.easy_model(preprocessing=contract)
    content = tflite.to_int8(model, Record(tiny.CLASSES, contract), tiny.easy_images(24, seed=0)[0])
    scale, found = input_quantization(content)
    assert scale == pytest.approx(1 / PRESETS[name]["std"], rel=1e-6)
    assert found in zero
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    assert Predictor(path).preprocessing == contract


class TestOneJpeg:
    """One drawn JPEG by three roads, each from its file on disk alone."""

    @pytest.fixture(scope="class")
    def predictors(self, mobilenet):
        return {kind: Predictor(getattr(mobilenet, kind)) for kind in ("keras", "float", "int8")}

    def test_kinds_and_classes_come_from_the_files(self, predictors, mobilenet):
        assert {kind: p.kind for kind, p in predictors.items()} == {"keras": "float", "float": "float", "int8": "int8"}
        assert {p.classes for p in predictors.values()} == {mobilenet.record.classes}

    def test_pixels_are_identical(self, predictors, sample_jpegs):
        first, *others = [p.preprocessing.load(sample_jpegs[0]) for p in predictors.values()]
        assert first.shape == (64, 64, 3)
        assert first.dtype == np.uint8
        for other in others:
            np.testing.assert_array_equal(first, other)

    def test_scores_agree(self, predictors, sample_jpegs):
        pixels = np.stack([predictors["keras"].preprocessing.load(file) for file in sample_jpegs])
        scores = {kind: p.predict(pixels) for kind, p in predictors.items()}
        one = {kind: p.predict(pixels[:1]) for kind, p in predictors.items()}
        for kind in scores:
            np.testing.assert_allclose(one[kind], scores[kind][:1], atol=1e-6, err_msg="alone as in a batch")
        assert np.ptp(scores["keras"]) > 0.5, "scores all alike would agree whatever happened"
        assert np.abs(scores["keras"] - scores["float"]).max() < 1e-4
        difference = np.abs(scores["int8"] - scores["float"]).max()
        assert 0 < difference < INT8_BOUND
        assert (scores["int8"].argmax(1) == scores["float"].argmax(1)).mean() > 0.9

    def test_a_wrong_range_would_be_seen(self, mobilenet, sample_jpegs):
        from ai_edge_litert.interpreter import Interpreter

        pixels = mobilenet.record.preprocessing.load(sample_jpegs[0])[None]
        runtime = Interpreter(model_path=str(mobilenet.float))
        runtime.allocate_tensors()

        def scores(values: np.ndarray) -> np.ndarray:
            runtime.set_tensor(runtime.get_input_details()[0]["index"], values.astype(np.float32))
            runtime.invoke()
            return runtime.get_tensor(runtime.get_output_details()[0]["index"])

        right = Predictor(mobilenet.float).predict(pixels)
        np.testing.assert_array_equal(scores((pixels - 128.0) / 128), right)
        assert np.abs(scores(pixels / 255) - right).max() > 2 * INT8_BOUND

    def test_decoder_gives_tensorflows_pixels(self, sample_jpegs):
        import tensorflow as tf

        for file in sample_jpegs:
            with Image.open(file) as image:
                ours = Preprocessing(image.width).fit(image) if image.width == image.height else np.asarray(image)
            theirs = tf.io.decode_jpeg(file.read_bytes(), channels=3, dct_method="INTEGER_ACCURATE").numpy()
            np.testing.assert_array_equal(ours, theirs, file.name)


@pytest.mark.parametrize("kind", ["keras", "float", "int8"])
@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda x: x.astype(np.float32) / 255, "scaled by the caller"),
        (lambda x: x.astype(np.float32), "pixels, but float"),
        (lambda x: x.astype(np.int8), "another 8-bit type"),
        (lambda x: x[0], "no batch axis"),
        (lambda x: x[..., :1], "grey"),
        (lambda x: x.transpose(0, 3, 1, 2), "channels first"),
        (lambda x: x[:, :16], "not square"),
        (lambda x: x.repeat(2, axis=1).repeat(2, axis=2), "another size"),
    ],
)
def test_images_that_are_not_pixels_are_refused(kind, spoil, why, thin):
    with pytest.raises(ValueError, match=r"images must be uint8 pixels 0\.\.255 of shape \(N, 32, 32, 3\), not"):
        Predictor(getattr(thin, kind)).predict(spoil(thin.images[:3]))


@pytest.fixture(scope="module")
def bare(thin, tmp_path_factory):
    """The int8 file as another tool would have made it: without a record."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tflite, "add_to_tflite", lambda content, record: content)
        content = tflite.to_int8(thin.model, thin.record, thin.images)
    path = tmp_path_factory.mktemp("bare") / "bare.tflite"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("mean", "std", "fits", "why"),
    [
        (128, 128, True, "what the file means"),
        (127.5, 127.5, True, "half a step off, as ST's files are"),
        (0, 255, False, "[0, 1]"),
        (0, 1, False, "raw pixels"),
        (123.675, 58.4, False, "ImageNet mean and std"),
        (0, 128, False, "the right scale, another zero"),
    ],
)
def test_a_preprocessing_that_contradicts_the_file_is_refused(mean, std, fits, why, bare):
    if fits:
        assert Predictor(bare, mean=mean, std=std).preprocessing.mean == mean, why
        return
    with pytest.raises(
        ValueError, match=r"reads pixels as \(pixel - 128\) / 128, what was passed as \(pixel - .*mean nor"
    ):
        Predictor(bare, mean=mean, std=std)


@pytest.mark.parametrize(
    ("options", "expected", "why"),
    [
        ({}, Preprocessing(tiny.SIDE, "nearest", 128.0, 128.0), "ST's but for the range, which the file tells"),
        ({"preset": "slim"}, Preprocessing(tiny.SIDE, "bilinear", 128.0, 128.0, central=0.875), "half a step apart"),
        ({"preset": "mbhelpers"}, preset("mbhelpers", tiny.SIDE), "the very one"),
        ({"preset": "keras", "resize": "nearest"}, Preprocessing(tiny.SIDE, "nearest", 128.0, 128.0), "passed wins"),
        (
            {"preset": "onnx", "mean": 128.0, "std": 128.0},
            Preprocessing(tiny.SIDE, "bilinear", 128.0, 128.0, "crop", 0.875),
            "the crop alone",
        ),
        ({"std": 128.5}, Preprocessing(tiny.SIDE, "nearest", 128.0, 128.5), "passed, and less than a step off"),
    ],
)
def test_a_file_without_a_record_tells_its_own_range(options, expected, why, bare):
    predictor = Predictor(bare, **options)
    assert predictor.preprocessing == expected, why
    assert predictor.preprocessing_assumed == (not options)


def test_a_preset_of_another_range_is_refused(bare, thin):
    with pytest.raises(
        ValueError, match=r"reads pixels as \(pixel - 128\) / 128, preset 'onnx' as \(pixel - \[123.675, "
    ):
        Predictor(bare, preset="onnx")
    with pytest.raises(ValueError, match="unknown preprocessing 'vgg'"):
        Predictor(bare, preset="vgg")
    with pytest.raises(ValueError, match=r"own preprocessing, stretch, bilinear, \(pixel - 128\) / 128; leave preset"):
        Predictor(thin.int8, preset="slim")
    assert not Predictor(thin.int8, preset="mbhelpers").preprocessing_assumed, "what the record says may be said again"


def test_a_mean_for_each_channel_goes_the_whole_way(thin, tmp_path):
    """Three roads to the same scores: a Rescaling layer of three scales, float values in, and NumPy."""
    contract = preset("onnx", tiny.SIDE)
    model = tiny.easy_model(preprocessing=contract)
    rescaled = model.get_layer("rescaling")(thin.images.astype(np.float32))
    np.testing.assert_allclose(rescaled, contract.normalize(thin.images), atol=1e-5)
    record = Record(tiny.CLASSES, contract)
    keras_file = tiny.save(model, record, tmp_path / "model.keras")
    bare = tiny.save(model, None, tmp_path / "bare.keras")
    board = tmp_path / "model.tflite"
    board.write_bytes(tflite.to_float(model, record))
    predictors = [Predictor(keras_file), Predictor(bare, preset="onnx"), Predictor(board)]
    for predictor in predictors:
        np.testing.assert_allclose(predictor.preprocessing.mean, contract.mean, rtol=1e-6)
        np.testing.assert_allclose(predictor.preprocessing.std, contract.std, rtol=1e-6)
    first, *others = [predictor.predict(thin.images) for predictor in predictors]
    assert np.ptp(first) > 0.5
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-5)
    with pytest.raises(ValueError, match=r"reads pixels as \(pixel - \[123.675, .* preset 'keras'"):
        Predictor(bare, preset="keras")
    with pytest.raises(ValueError, match=r"computes pixel \* .* its preprocessing record says"):
        tflite.to_float(model, Record(tiny.CLASSES, preset("keras", tiny.SIDE)))


def test_a_record_that_contradicts_the_file_is_refused(bare, thin, tmp_path):
    lying = tmp_path / "lying.tflite"
    lying.write_bytes(add_to_tflite(bare.read_bytes(), Record(tiny.CLASSES, Preprocessing(tiny.SIDE, mean=0, std=255))))
    with pytest.raises(ValueError, match=r"as \(pixel - 128\) / 128, its record as \(pixel - 0\) / 255; make the file"):
        Predictor(lying)
    with pytest.raises(ValueError, match="carries its own preprocessing"):
        Predictor(thin.int8, mean=0)
    with pytest.raises(ValueError, match=r"computes pixel \* .* its preprocessing record says"):
        tflite.to_float(thin.model, Record(tiny.CLASSES, preset("st", tiny.SIDE)))
