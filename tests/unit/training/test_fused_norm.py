"""One operation for batch norm: the same numbers as Keras, and nothing left behind."""

import numpy as np
import pytest

from mbhelpers.training.devices import half_precision
from mbhelpers.training.fused_norm import flat_layers, fused_batch_norm

RNG = np.random.default_rng(0)
IMAGES = (3 * RNG.normal(size=(8, 6, 6, 3)) + 1).astype(np.float32)
WEIGHTS = RNG.normal(size=(8, 3, 3, 5)).astype(np.float32)


def build(**options):
    """A convolution and a batch norm inside a model inside a model."""
    import keras

    keras.utils.set_random_seed(1)
    values = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(5, 3, strides=2, padding="same", use_bias=False)(values)
    norm = keras.layers.BatchNormalization(momentum=0.8, **options)
    inner = keras.Model(values, norm(x))
    if norm.gamma is not None:
        norm.gamma.assign([0.5, 1, 2, -1, 3])
    norm.moving_mean.assign([0.3] * 5)
    norm.moving_variance.assign([2.0] * 5)
    outer = keras.Input((6, 6, 3))
    return keras.Model(outer, keras.layers.Activation("tanh")(inner(outer))), norm


def numbers(model, training: bool) -> list[np.ndarray]:
    """Output, gradients of pixels and weights, and the weights after the step."""
    import tensorflow as tf

    pixels = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        outputs = tf.cast(model(pixels, training=training), tf.float32)
        loss = tf.reduce_sum(outputs * WEIGHTS)
    gradients = tape.gradient(loss, [pixels, *(v.value for v in model.trainable_variables)])
    return [np.array(part) for part in (outputs, *gradients, *model.weights)]


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("frozen", ["nothing", "norm", "all"])
def test_numbers_are_keras_own(frozen, training, half):
    found = []
    for fuse in (False, True):
        model, norm = build()
        (model if frozen == "all" else norm).trainable = frozen == "nothing"
        with half_precision(model, half):
            if fuse:
                with fused_batch_norm(model):
                    fused = type(norm).__name__ == "FusedBatchNormalization"
                    assert fused is (frozen != "norm"), "behind a layer that trains, a frozen one stays"
                    found.append(numbers(model, training))
            else:
                found.append(numbers(model, training))
    for plain, fused in zip(*found, strict=True):
        np.testing.assert_allclose(fused, plain, rtol=1e-5, atol=(2e-3 if half else 2e-6) * np.abs(plain).max())


def test_it_is_plain_keras_afterwards(tmp_path):
    import keras

    model, norm = build()
    with pytest.raises(RuntimeError, match="in the midst"), fused_batch_norm(model):
        assert type(norm) is not keras.layers.BatchNormalization
        raise RuntimeError("in the midst")
    assert type(norm) is keras.layers.BatchNormalization
    model.save(tmp_path / "model.keras")
    assert keras.models.load_model(tmp_path / "model.keras").count_params() == model.count_params()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"axis": 1}, "another axis"),
        ({"scale": False}, "no scale"),
        ({"center": False}, "no shift"),
        ({"epsilon": 1e-6}, "an epsilon that the operation would raise"),
    ],
)
def test_what_the_operation_cannot_do_stays(options, why):
    import keras

    model, norm = build(**options) if "axis" not in options else (None, None)
    if model is None:
        values = keras.Input((6, 6, 3))
        norm = keras.layers.BatchNormalization(axis=1)
        model = keras.Model(values, norm(values))
    with fused_batch_norm(model):
        assert type(norm) is keras.layers.BatchNormalization, why


def test_layers_of_inner_models_come_in_order():
    model, norm = build()
    names = [type(layer).__name__ for layer in flat_layers(model)]
    assert names == ["InputLayer", "InputLayer", "Conv2D", "BatchNormalization", "Activation"]
    assert norm in list(flat_layers(model))


def test_half_precision_is_for_the_block_only():
    import keras

    model, norm = build()
    with half_precision(model, True):
        assert norm.compute_dtype == "float16"
        assert {v.dtype for v in model.weights} == {"float32"}
        assert model.layers[-1].compute_dtype == "float32", "scores stay exact"
        assert keras.config.dtype_policy().name == "float32"
    assert {layer.dtype_policy.name for layer in flat_layers(model)} == {"float32"}
