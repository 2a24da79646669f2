"""Quantization-aware training: a copy that rounds as the file does, learns, and goes back into plain layers."""

from dataclasses import replace

import numpy as np
import pytest

from mbhelpers.inference.predictor import Predictor
from mbhelpers.preprocessing import preset
from mbhelpers.quantization import qat, tflite
from mbhelpers.quantization.repair import repaired
from mbhelpers.training.fit import fit

from . import tiny

CONTRACT = preset("mbhelpers", tiny.SIDE)


def said(model, images) -> np.ndarray:
    return model.predict(images.astype(np.float32), verbose=0)


@pytest.fixture(scope="module")
def coarse():
    """A channel that is far too large leaves the others a few steps; silencing can't help, since it is heard."""
    model = tiny.easy_model(seed=4)
    norm = next(la for la in model.get_layer("backbone").layers if la.name.startswith("batch_norm"))
    gamma, beta, mean, variance = norm.get_weights()
    gamma[1] *= 60.0
    norm.set_weights([gamma, beta, mean, variance])
    tiny.solve(model, *tiny.easy_images(48, 0))
    return model


def filed(model, record, images, path, granularity) -> np.ndarray:
    """Scores of the int8 file."""
    path.write_bytes(tflite.to_int8(model, record, images, granularity=granularity, repairs=()))
    return Predictor(path).predict(images)


@pytest.mark.parametrize(("which", "granularity"), [("coarse", "tensor"), ("mobilenet", "channel")])
def test_it_is_as_far_off_as_the_file(which, granularity, coarse, thin, mobilenet, tmp_path):
    model, made = (coarse, thin) if which == "coarse" else (mobilenet.model, mobilenet)
    learner, folded = qat.rounding_copy(model, made.record.preprocessing, made.images, granularity)
    file = filed(folded, made.record, made.images, tmp_path / "model.tflite", granularity)
    rounds, true = said(learner, made.images), said(model, made.images)
    found, foreseen = np.abs(file - true).mean(), np.abs(rounds - true).mean()
    assert found > 0.003, "else there is nothing to foresee"
    assert 0.4 < foreseen / found < 2.5, "as far off as the file; not in the same scores: roundings fall either way"
    assert np.abs(said(folded, made.images) - true).max() < 1e-3, "the float model under it doesn't round"


def test_what_it_learned_goes_back(thin):
    learner, folded = qat.rounding_copy(thin.model, CONTRACT, thin.images)
    kernel = learner.get_layer("scores").kernel
    kernel.assign(np.zeros(kernel.shape))
    assert not np.any(qat.plain(learner, folded).get_layer("scores").kernel)
    assert np.any(thin.model.get_layer("scores").kernel), "the model it came from stays"


def test_it_learns_while_it_rounds(thin, tmp_path):
    images, labels = tiny.easy_images(48, 0)
    untrained = tiny.build(seed=4)
    tiny.set_statistics(untrained, images)

    def loss(scores) -> float:
        return float(-np.log(np.maximum(scores[np.arange(len(labels)), labels], 1e-6)).mean())

    learner, folded = qat.rounding_copy(untrained, CONTRACT, images, "tensor")
    before = loss(filed(folded, thin.record, images, tmp_path / "before.tflite", "tensor"))
    recipe = replace(tiny.RECIPE, epochs=12, monitor="none", dropout=0.0, weight_decay=0.0)
    fit(learner, (images, labels), None, recipe, tmp_path / "qat", seed=1)
    trained = filed(qat.plain(learner, folded), thin.record, images, tmp_path / "after.tflite", "tensor")
    assert loss(trained) < 0.5 * before
    np.testing.assert_array_equal(trained.argmax(axis=1), labels)


def test_of_a_whole_mobilenet(mobilenet):
    learner, folded = qat.rounding_copy(mobilenet.model, mobilenet.record.preprocessing, mobilenet.images, "tensor")
    rounds, true = said(learner, mobilenet.images), said(mobilenet.model, mobilenet.images)
    assert 1e-4 < np.abs(rounds - true).mean() < 0.05
    assert len(learner.trainable_weights) == len(folded.weights)


def test_a_frozen_backbone_learns_too(thin):
    import keras

    model = keras.models.clone_model(thin.model)
    model.set_weights(thin.model.get_weights())
    for layer in model.get_layer("backbone").layers:
        layer.trainable = False
    model.get_layer("backbone").trainable = False
    frozen = keras.Model(model.inputs, model.outputs)
    learner, folded = qat.rounding_copy(frozen, CONTRACT, thin.images)
    assert len(frozen.trainable_weights) == 2, "the classifier's"
    assert len(learner.trainable_weights) == len(learner.weights) == len(folded.weights) > 2


def test_unknown_granularity(thin):
    with pytest.raises(ValueError, match="unknown granularity 'layer'; choose from channel, tensor"):
        qat.rounding_copy(thin.model, CONTRACT, thin.images, "layer")


def test_only_what_training_needs_is_repaired(thin):
    _, folded = qat.rounding_copy(thin.model, CONTRACT, thin.images, "channel")
    even, _ = repaired(thin.model, CONTRACT, thin.images, ())
    assert all(np.array_equal(one, two) for one, two in zip(folded.get_weights(), even.get_weights(), strict=True))
