"""Repairs leave what a network computes as it is, and make one scale a tensor bearable."""

import numpy as np
import pytest

from mbhelpers.inference.predictor import Predictor
from mbhelpers.models.families import build_classifier
from mbhelpers.models.fold import fold_batch_norms
from mbhelpers.preprocessing import preset
from mbhelpers.quantization import repair, tflite
from mbhelpers.records import Record, read_record

from . import tiny

ARCHITECTURES = ("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_small_minimalistic", "mobilenet_edgetpu")


def stirred(architecture: str):
    """An untrained classifier whose batch norms and scores are no neutral ones."""
    alpha = 0.35 if architecture == "mobilenet_v2" else 1.0
    model = build_classifier(3, alpha, preset("mbhelpers", tiny.SIDE), weights="none", architecture=architecture)
    images, labels = tiny.easy_images(24, 3)
    tiny.set_statistics(model, images)
    tiny.solve(model, images, labels)
    return model, images


def largest_difference(one, other, images) -> float:
    pixels = images.astype(np.float32)
    return float(np.abs(one.predict(pixels, verbose=0) - other.predict(pixels, verbose=0)).max())


@pytest.fixture(scope="module", params=ARCHITECTURES)
def network(request):
    return stirred(request.param)


class TestOfTheFamily:
    def test_folded_it_says_the_same(self, network):
        import keras

        model, images = network
        before = [np.array(weight) for weight in model.weights]
        folded = fold_batch_norms(model)
        assert largest_difference(model, folded, images) < 1e-4
        assert np.ptp(model.predict(images.astype(np.float32), verbose=0), axis=0).max() > 0.1, "not all the same"
        layers = folded._flatten_layers(include_self=False, recursive=True)
        assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers)
        assert all(np.array_equal(one, other) for one, other in zip(before, model.weights, strict=True))

    def test_repaired_it_says_the_same(self, network):
        model, images = network
        copy, done = repair.repaired(model, preset("mbhelpers", tiny.SIDE), images)
        assert largest_difference(model, copy, images) < 1e-3
        assert done["equalized_pairs"] > 8


@pytest.fixture
def uneven():
    """The thin model with a channel that is never heard and has huge weights, and one that is far too large."""
    model = tiny.easy_model()
    backbone = model.get_layer("backbone")
    norm = next(layer for layer in backbone.layers if layer.name.startswith("batch_norm"))
    gamma, beta, mean, variance = norm.get_weights()
    gamma[0], beta[0], mean[0], variance[0] = 40.0, 0.0, 1e4, 1.0  # far below 0, whatever comes
    norm.set_weights([gamma, beta, mean, variance])
    images, labels = tiny.easy_images(48, 0)
    tiny.solve(model, images, labels)
    return model


class TestRepaired:
    contract = preset("mbhelpers", tiny.SIDE)

    def stages(self, model, images):
        return repair.observed(fold_batch_norms(model), self.contract, images)

    def test_what_is_never_heard_is_silenced(self, uneven, thin):
        first, second, _ = self.stages(uneven, thin.images)
        assert first.silent.tolist() == [True] + [False] * 7
        before = np.abs(first.convolution.kernel).max()
        assert repair.silence(first) == 1
        assert np.abs(first.convolution.kernel).max() < before / 3, "it was by far the largest"
        assert not np.any(first.convolution.kernel[..., 0]) and not np.any(second.convolution.kernel[:, :, 0])

    def test_equal_channels(self, thin):
        """Behind no limit two layers' channels become the same size."""
        first, second, third = self.stages(thin.model, thin.images)
        assert first.next is second and second.next is third and third.next is None
        first.limit = np.inf
        repair.equalize(first)
        leaving = first.sizes
        entering = repair._reach(second.convolution, leaving=False)
        np.testing.assert_allclose(leaving / entering, (leaving / entering)[0], rtol=1e-4)

    def test_a_channel_at_the_limit_keeps_its_size(self, thin):
        first = self.stages(thin.model, thin.images)[0]
        first.largest = np.array([6.0, 7.0, 5.5, 1.0, 1.0, 0.1, 0.1, -1.0])
        kernel = np.array(first.convolution.kernel)
        repair.equalize(first)
        scale = np.abs(first.convolution.kernel).max((0, 1, 2)) / np.abs(kernel).max((0, 1, 2))
        np.testing.assert_allclose(scale[:3], 1, rtol=1e-6)  # 5.5 may be 6.6 on another image
        assert (first.largest[3:7] * 1.2 <= 6.0001).all()

    def test_a_silent_channel_is_left_as_it_is(self, uneven, thin):
        first = self.stages(uneven, thin.images)[0]
        before = first.sizes[0]
        repair.equalize(first)
        assert first.sizes[0] == before

    def test_neither_is_done_where_it_is_not_asked_for(self, uneven, thin):
        _, done = repair.repaired(uneven, self.contract, thin.images, ())
        assert done == {}

    def test_a_model_without_convolutions_is_refused(self, thin):
        import keras

        model = keras.Sequential(
            [keras.Input((tiny.SIDE, tiny.SIDE, 3)), keras.layers.Flatten(), keras.layers.Dense(3)]
        )
        with pytest.raises(ValueError, match="no convolutions behind its input"):
            repair.repaired(model, self.contract, thin.images)

    def test_a_lone_batch_norm_is_refused(self):
        import keras

        model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.BatchNormalization(name="lone")])
        with pytest.raises(ValueError, match="'lone' does not follow a convolution"):
            fold_batch_norms(model)


class TestSettle:
    @pytest.mark.parametrize("granularity", ["channel", "tensor"])
    def test_rounded_weights_keep_the_means(self, granularity, thin):
        import keras

        contract = thin.record.preprocessing
        values = contract.normalize(thin.images)

        def means(model):
            network = model.get_layer("backbone")
            first = next(layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D))
            return np.asarray(first(values)).mean((0, 1, 2))

        folded = fold_batch_norms(thin.model)
        first = next(la for la in folded.get_layer("backbone").layers if isinstance(la, keras.layers.Conv2D))
        kernel, bias = first.get_weights()
        true = means(folded)
        repair.settle(folded, contract, thin.images, granularity)
        rounded, moved = first.get_weights()
        step = np.abs(kernel).max() / 127 if granularity == "tensor" else np.abs(kernel).max((0, 1, 2)) / 127
        np.testing.assert_allclose(rounded / step, np.round(rounded / step), atol=1e-3)
        assert np.abs(rounded - kernel).max() > 0
        settled = np.abs(means(folded) - true).max()
        first.set_weights([rounded, bias])
        assert settled < 0.1 * np.abs(means(folded) - true).max(), "without the biases it is off"
        assert np.any(moved != bias)


class TestPerTensor:
    def scores(self, model, record, images, path, **options):
        path.write_bytes(tflite.to_int8(model, record, images, granularity="tensor", **options))
        return Predictor(path).predict(images)

    def test_one_scale_a_tensor(self, thin, tmp_path):
        from ai_edge_litert.interpreter import Interpreter

        self.scores(thin.model, thin.record, thin.images, tmp_path / "model.tflite")
        for tensor in Interpreter(str(tmp_path / "model.tflite")).get_tensor_details():
            assert tensor["quantization_parameters"]["scales"].size <= 1, tensor["name"]
        told = read_record(tmp_path / "model.tflite").made["int8"]
        assert told["granularity"] == "tensor" and told["equalized_pairs"] == 2 and told["corrected_layers"] == 4

    def test_repairs_bring_it_back(self, uneven, thin, tmp_path):
        record = Record(tiny.CLASSES, preset("mbhelpers", tiny.SIDE))
        truth = uneven.predict(thin.images.astype(np.float32), verbose=0)
        errors = {
            repairs: np.abs(
                self.scores(uneven, record, thin.images, tmp_path / "m.tflite", repairs=repairs) - truth
            ).mean()
            for repairs in ((), ("silence",), repair.REPAIRS)
        }
        assert errors[()] > 3 * errors[("silence",)]
        assert errors[("silence",)] > errors[repair.REPAIRS]

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"granularity": "layer"}, "unknown granularity 'layer'; choose from channel, tensor"),
            ({"repairs": ("bias",)}, "unknown repair 'bias'; choose from silence, equalize, biases"),
        ],
    )
    def test_unknown_names(self, thin, options, told):
        with pytest.raises(ValueError, match=told):
            tflite.to_int8(thin.model, thin.record, thin.images, **options)

    def test_weights_that_are_no_numbers(self, thin):
        model = tiny.easy_model()
        layer = model.get_layer("scores")
        kernel, bias = layer.get_weights()
        kernel[0, 0] = np.nan
        layer.set_weights([kernel, bias])
        with pytest.raises(ValueError, match=r"NaN or infinite.*train it again"):
            tflite.to_int8(model, thin.record, thin.images)


def test_a_classifier_from_values_on_is_repaired_too(thin):
    from mbhelpers.models.families import without_rescaling

    contract = preset("mbhelpers", tiny.SIDE)
    inner = without_rescaling(thin.model, contract)
    copy, done = repair.repaired(inner, contract, thin.images)
    assert done["equalized_pairs"] == 2
    values = contract.normalize(thin.images).astype(np.float32)[:1]
    np.testing.assert_allclose(copy.predict(values, verbose=0), inner.predict(values, verbose=0), atol=1e-4)


def test_a_network_that_something_else_enters_is_refused():
    import keras

    head = keras.Sequential([keras.Input((8, 8, 4)), keras.layers.Conv2D(2, 3)])
    pixels = keras.Input((16, 16, 3))
    model = keras.Model(pixels, head(keras.layers.Conv2D(4, 3, 2, padding="same")(pixels)))
    with pytest.raises(ValueError, match=r"takes \(8, 8, 4\), not the image"):
        repair.trunks(model, preset("mbhelpers", 16), np.zeros((1, 16, 16, 3), np.uint8))
