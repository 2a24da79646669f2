"""Every family at every published width: builds, trains a step, becomes full int8, runs in LiteRT."""

import numpy as np
import pytest

from mbhelpers.inference.predictor import Predictor
from mbhelpers.models.complexity import complexity
from mbhelpers.models.families import (
    NETWORK,
    build_backbone,
    build_classifier,
    build_imagenet,
    pooled_features,
    without_rescaling,
)
from mbhelpers.models.load import load_keras
from mbhelpers.models.weights import ARCHITECTURES, keras_file_name
from mbhelpers.preprocessing import preset
from mbhelpers.quantization.tflite import float_operators, to_float, to_int8
from mbhelpers.records import Record
from mbhelpers.rows import published_table

from . import tiny

SIDE = 64
NETWORKS = [(name, alpha) for name, widths in ARCHITECTURES.items() for alpha in widths]
NEW = [(name, alpha) for name, alpha in NETWORKS if name != "mobilenet_v2"]
FEATURES = {
    ("mobilenet_v3_large", 0.75): 720,
    ("mobilenet_v3_large", 1.0): 960,
    ("mobilenet_v3_large_minimalistic", 1.0): 960,
    ("mobilenet_v3_small", 0.75): 432,
    ("mobilenet_v3_small", 1.0): 576,
    ("mobilenet_v3_small_minimalistic", 1.0): 576,
    ("mobilenet_v2", 1.3): 1664,
    ("mobilenet_v2", 1.4): 1792,
}
"""Channels of the last feature map where they are not 1280."""


@pytest.mark.parametrize("family", ["v2", "v3", "edgetpu"])
def test_every_published_network_is_tested_here(family):
    rows = published_table(f"imagenet_mobilenet_{family}")
    flavour = {"minimalistic": "_minimalistic"}
    published = {(row["architecture"] + flavour.get(row.get("flavour", ""), ""), float(row["alpha"])) for row in rows}
    assert published == {(name, alpha) for name, alpha in NETWORKS if name.startswith(f"mobilenet_{family}")}


@pytest.mark.parametrize(("architecture", "alpha"), NETWORKS)
@pytest.mark.parametrize("side", [32, 75])
def test_backbones_build_at_any_size(architecture, alpha, side):
    backbone = build_backbone(alpha, side, "none", architecture)
    places = -(-side // 32)
    assert backbone.output_shape == (None, places, places, FEATURES.get((architecture, alpha), 1280))


@pytest.mark.parametrize(("architecture", "alpha"), NEW)
def test_a_step_of_training_then_int8_in_litert(architecture, alpha, tmp_path):
    import keras

    keras.utils.set_random_seed(3)
    contract = preset("mbhelpers", SIDE)
    model = build_classifier(3, alpha, contract, weights="none", architecture=architecture)
    images, labels = tiny.easy_images(24, 0, 3, SIDE)
    before = [w.numpy() for w in model.trainable_weights]
    # Eagerly, as tracing a graph for one step takes ten times as long as the step
    model.compile(keras.optimizers.SGD(0.01), keras.losses.SparseCategoricalCrossentropy(), run_eagerly=True)
    assert np.isfinite(model.train_on_batch(images[:6].astype(np.float32), labels[:6]))
    unchanged = [
        w.path for w, old in zip(model.trainable_weights, before, strict=True) if np.array_equal(w.numpy(), old)
    ]
    assert not unchanged, "a step reaches every weight"

    tiny.set_statistics(model, images)  # untrained batch norms would leave nothing to compare
    tiny.solve(model, images, labels)
    record = Record(tiny.CLASSES, contract)
    content = to_int8(model, record, images)
    assert float_operators(content) == []
    (tmp_path / "model.tflite").write_bytes(content)
    tiny.save(model, record, tmp_path / "model.keras")
    scores = Predictor(tmp_path / "model.tflite").predict(images)
    expected = np.asarray(load_keras(tmp_path / "model.keras")(images.astype(np.float32), training=False))
    assert (expected.argmax(1) == labels).all(), "solved, saved and loaded"
    assert (scores.argmax(1) == expected.argmax(1)).mean() > 0.9
    assert complexity(tmp_path / "model.tflite").macs == complexity(model).macs


def test_a_converted_v2_costs_what_its_keras_model_does(tmp_path):
    """Of the others, the test above asks the same."""
    contract = preset("mbhelpers", 32)
    model = build_classifier(3, 0.35, contract, weights="none")
    (tmp_path / "model.tflite").write_bytes(to_float(model, Record(tiny.CLASSES, contract)))
    assert complexity(tmp_path / "model.tflite").macs == complexity(model).macs


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name.startswith("mobilenet_v3")])
def test_v3_takes_the_values_that_keras_own_rescaling_gives(architecture):
    """Built without `include_preprocessing`, since the image contract has the one Rescaling layer."""
    import keras

    large, minimalistic = "large" in architecture, architecture.endswith("minimalistic")
    build = keras.applications.MobileNetV3Large if large else keras.applications.MobileNetV3Small
    theirs = build(input_shape=(SIDE, SIDE, 3), minimalistic=minimalistic, include_top=False, weights=None)
    pixels = tiny.easy_images(8, 5, side=SIDE)[0]
    tiny.set_statistics(theirs, pixels)
    ours = build_backbone(1.0, SIDE, "none", architecture)
    assert not [layer for layer in ours.layers if isinstance(layer, keras.layers.Rescaling)]
    ours.set_weights(theirs.get_weights())
    expected = np.asarray(theirs(pixels.astype(np.float32)))
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(np.asarray(ours(preset("keras", SIDE).normalize(pixels))), expected, atol=1e-3)


class TestEdgeTpu:
    @pytest.fixture(scope="class")
    def network(self):
        return build_imagenet("mobilenet_edgetpu", 1.0, 224, "none", 1001).get_layer(NETWORK)

    def test_the_layer_table(self, network):
        """Source: PEERS.md D; channels and side of each block's output."""
        found = [layer.output.shape[2:] for layer in network.layers if layer.name.endswith("project_bn")]
        expected = [(112, 16)] + 4 * [(56, 32)] + 4 * [(28, 48)] + 8 * [(14, 96)] + 4 * [(7, 160)] + [(7, 192)]
        assert found == expected

    def test_expansions_and_kernels(self, network):
        kernels = {layer.name: tuple(layer.kernel.shape) for layer in network.layers if hasattr(layer, "kernel")}
        for name, kernel in {
            "conv": (3, 3, 3, 32),
            "expanded_conv_project": (1, 1, 32, 16),
            "expanded_conv_1_expand": (3, 3, 16, 128),
            "expanded_conv_2_expand": (3, 3, 32, 128),
            "expanded_conv_9_expand": (1, 1, 48, 384),
            "expanded_conv_9_depthwise": (3, 3, 384, 1),
            "expanded_conv_13_expand": (1, 1, 96, 768),
            "expanded_conv_17_depthwise": (5, 5, 768, 1),
            "expanded_conv_21_expand": (1, 1, 160, 1280),
            "conv_1": (1, 1, 192, 1280),
            "logits": (1, 1, 1280, 1001),
        }.items():
            assert kernels[name] == kernel, name
        assert "expanded_conv_expand" not in kernels, "slim leaves out an expansion by 1"
        assert not any(f"expanded_conv_{k}_depthwise" in kernels for k in range(1, 9)), "the fused ones have none"

    def test_the_first_block_of_a_width_has_no_residual(self, network):
        added = {int(layer.name.split("_")[2]) for layer in network.layers if layer.name.endswith("_add")}
        assert added == set(range(22)) - {0, 1, 5, 9, 13, 17, 21}


class TestImagenet:
    @pytest.mark.parametrize("classes", [1000, 1001])
    @pytest.mark.parametrize("architecture", ["mobilenet_v2", "mobilenet_v3_small_minimalistic", "mobilenet_edgetpu"])
    def test_pixels_in_probabilities_out(self, architecture, classes):
        import keras

        model = build_imagenet(architecture, 1.0, 32, "none", classes)
        pixels = tiny.easy_images(2, 5, side=32)[0]
        scores = np.asarray(model(pixels.astype(np.float32)))
        assert scores.shape == (2, classes)
        np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-5)
        values = preset("mbhelpers", 32).normalize(pixels[:1])
        board = without_rescaling(model, preset("mbhelpers", 32))
        np.testing.assert_allclose(np.asarray(board(values)), scores[:1], rtol=1e-4)
        assert [type(layer) for layer in model.layers[:2]] == [keras.layers.InputLayer, keras.layers.Rescaling]

    @pytest.mark.parametrize(
        ("architecture", "alpha", "width"),
        [("mobilenet_v3_large", 0.75, 1280), ("mobilenet_v3_small", 0.75, 1024), ("mobilenet_v3_large", 1.0, 1280)],
    )
    def test_the_second_to_last_layer_of_v3_is_not_scaled(self, architecture, alpha, width):
        network = build_imagenet(architecture, alpha, 32, "none").get_layer(NETWORK)
        assert network.get_layer("conv_2").filters == width

    def test_weights_from_a_file_and_a_folder(self, tmp_path):
        network = build_imagenet("mobilenet_v3_small", 0.75, 32, "none").get_layer(NETWORK)
        expected = network.get_weights()
        path = tmp_path / keras_file_name(0.75, 32, "mobilenet_v3_small", classifier=True)
        tiny.save_published(network, path)
        for weights in (path, tmp_path):
            found = build_imagenet("mobilenet_v3_small", 0.75, 48, weights).get_weights()
            for one, two in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one, two)
        with pytest.raises(ValueError, match="does not fit network"):
            build_imagenet("mobilenet_v3_small", 0.75, 32, path, 1001)
        with pytest.raises(ValueError, match=r"has no .*small_224_0\.75_float_no_top_v2\.h5; it has weights_mobilenet"):
            build_backbone(0.75, 32, tmp_path, "mobilenet_v3_small")

    @pytest.mark.parametrize(
        ("options", "message", "why"),
        [
            ({"classes": 10}, "1000 or 1001 classes, not 10; use build_classifier", "own classes"),
            ({"classes": 1001, "weights": "imagenet"}, "have 1000 classes, not 1001", "Keras has no background class"),
            ({"weights": "sample"}, "use build_classifier", "a backbone alone"),
            ({"alpha": 0.35, "weights": "sample"}, "use build_classifier", "of its own width too"),
            ({"resolution": 24}, "32 px or more, not 24", "too small"),
            ({"preprocessing": preset("keras", 96)}, "gives 96 px, the model takes 32", "two sizes"),
            ({"alpha": 0.9}, r"no width 0\.9; choose from 0\.35, 0\.5, 0\.75, 1\.0, 1\.3, 1\.4", "no such width"),
            (
                {"architecture": "mobilenet_v1"},
                "unknown architecture .*mobilenet_v3_large_minimalistic",
                "no such name",
            ),
            ({"architecture": "mobilenet_edgetpu", "weights": "imagenet"}, "weights convert", "not at Keras"),
        ],
    )
    def test_what_there_is_not_is_refused(self, options, message, why):
        call = {"architecture": "mobilenet_v2", "alpha": 1.0, "resolution": 32, "weights": "none"} | options
        with pytest.raises(ValueError, match=message):
            build_imagenet(**call)


def test_pooled_features_of_another_family():
    model = build_classifier(3, 0.75, preset("mbhelpers", 32), weights="none", architecture="mobilenet_v3_small")
    assert pooled_features(model, tiny.easy_images(2, 5, side=32)[0]).shape == (2, 432)
