"""Weights from an 8-bit file that are quantized again keep its integers."""

import numpy as np
import pytest

from mbhelpers.inference.predictor import Predictor
from mbhelpers.quantization import tflite
from mbhelpers.quantization.grid import grid_step, keep_grid, keeps_grid
from mbhelpers.records import read_record

STEP = np.float32(0.0137)


def drawn(low: int, high: int, shape=(8, 3, 3, 3), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, shape)


@pytest.mark.parametrize(
    ("weights", "step", "why"),
    [
        (drawn(-127, 128) * STEP, STEP, "int8"),
        (drawn(-201, 55) * STEP, STEP, "uint8 with a zero-point of 201"),
        (drawn(-255, 1, (40, 40)) * np.float32(1e-9), np.float32(1e-9), "a dead layer"),
        (drawn(-300, 301, (40, 40)) * STEP, None, "more than 8 bits"),
        (np.random.default_rng(0).normal(size=(8, 3, 3, 3)).astype(np.float32), None, "trained weights"),
        ((drawn(-9, 10) * STEP + 0.004).astype(np.float32), None, "a grid without zero"),
        (np.zeros((8, 3, 3, 3), np.float32), None, "not a weight yet"),
        (np.ones((8, 3, 3, 3), np.float32), None, "one level"),
        (drawn(-3, 3) * STEP, None, "six levels, too few to tell"),
    ],
)
def test_grid_step(weights, step, why):
    found = grid_step(weights)
    assert (found is None) is (step is None), why
    if step is not None:
        assert found == pytest.approx(float(step), rel=1e-6), why


@pytest.fixture(scope="module")
def gridded(thin):
    """The thin model with each kernel on one grid, as a legacy uint8 file has them; the last goes beyond int8."""
    import keras

    # Batch norm is folded into the kernels by the converter, so it has to be out of the way
    model = keras.models.clone_model(thin.model)
    model.set_weights(thin.model.get_weights())
    for part in model.get_layer("backbone").layers:
        if isinstance(part, keras.layers.BatchNormalization):
            part.gamma.assign(np.sqrt(1 + part.epsilon) * np.ones_like(part.gamma))
            part.moving_mean.assign(np.zeros_like(part.gamma))
            part.moving_variance.assign(np.ones_like(part.gamma))
    for part in [*model.get_layer("backbone").layers, model.get_layer("scores")]:
        if part.get_weights() and not isinstance(part, keras.layers.BatchNormalization):
            kernel, *bias = part.get_weights()
            step = np.float32(np.abs(kernel).max() / (160 if part.name == "scores" else 127))
            part.set_weights([np.round(kernel / step) * step, *bias])
    return model


def dequantized(content: bytes) -> list[np.ndarray]:
    """Weights of the convolutions and dense layers, as LiteRT means them."""
    from ai_edge_litert.interpreter import Interpreter

    runtime = Interpreter(model_content=content)
    found = []
    for tensor in runtime.get_tensor_details():
        told = tensor["quantization_parameters"]
        if tensor["dtype"] == np.int8 and len(tensor["shape"]) > 1 and told["scales"].size > 1:
            shape = [1] * len(tensor["shape"])
            shape[told["quantized_dimension"]] = -1
            found.append(runtime.get_tensor(tensor["index"]) * told["scales"].reshape(shape))
    return found


def test_the_integers_are_kept(thin, gridded, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(tflite, "keep_grid", lambda content, model: made.append(content) or keep_grid(content, model))
    kept = tflite.to_int8(gridded, thin.record, thin.images)
    [content] = made
    (tmp_path / "kept.tflite").write_bytes(kept)
    record = read_record(tmp_path / "kept.tflite")
    channels = record.made["int8"]["kept_channels"]
    kernels = [w for w in gridded.get_weights() if w.ndim > 1]
    assert 8 + 8 + 16 <= channels < 8 + 8 + 16 + 3, "all but one or two of the last kernel's three"

    def errors(file: bytes) -> list[float]:
        """Of each weight tensor, the largest distance to a kernel of its numbers."""
        return [
            min(np.abs(np.sort(found.ravel()) - np.sort(w.ravel())).max() for w in kernels if w.size == found.size)
            for found in dequantized(file)
        ]

    before, after = errors(content), errors(kept)
    assert len(after) == 4 and all(two <= one for one, two in zip(before, after, strict=True))
    assert sum(error > 1e-5 for error in before) == 4, "the converter rounds each to grids of its own"
    assert sum(error < 1e-6 for error in after) == 3, "the convolutions' are there to the bit"
    assert record.made == thin.record.made | {"int8": {"granularity": "channel", "kept_channels": channels}}, (
        "and the file says so"
    )
    source = gridded.predict(thin.images.astype(np.float32), verbose=0)
    far = np.abs(Predictor(tmp_path / "kept.tflite").predict(thin.images) - source).max()
    assert far < 0.01, "the biases went along with the scales"


def test_trained_weights_are_left_as_they_were_converted(thin):
    content = thin.int8.read_bytes()
    kept, channels = keep_grid(content, thin.model)
    assert kept == content and channels == 0


def test_a_file_of_another_model_is_left_as_it_was(thin, gridded):
    content = thin.int8.read_bytes()
    kept, channels = keep_grid(content, gridded)
    assert channels == 0
    for one, two in zip(dequantized(kept), dequantized(content), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("levels", "granularity", "kept", "why"),
    [
        (127, "tensor", True, "int8's own integers"),
        (140, "tensor", False, "weights that were uint8 have no room with one scale"),
        (140, "channel", True, "the channels that fit keep theirs, each other is rounded finely"),
        (None, "tensor", False, "trained weights"),
        (None, "channel", False, "trained weights"),
    ],
)
def test_when_a_grid_is_kept(levels, granularity, kept, why, thin):
    import keras

    model = keras.models.clone_model(thin.model)
    model.set_weights(thin.model.get_weights())
    rng = np.random.default_rng(3)
    for layer in model._flatten_layers(include_self=False, recursive=True):
        kernel = getattr(layer, "kernel", None)
        if levels is not None and kernel is not None:
            numbers = rng.integers(-100, 101, kernel.shape)
            numbers.flat[:9] = range(9)
            numbers.flat[9] = levels
            kernel.assign((0.01 * numbers).astype(np.float32))
    assert keeps_grid(model, granularity) == kept, why
