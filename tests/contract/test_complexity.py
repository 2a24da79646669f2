"""The counts of PEERS.md, to the last digit, and every published figure beside them."""

from collections import Counter

import numpy as np
import pytest

from mbhelpers.models import complexity as module
from mbhelpers.models.complexity import STALE, complexity, imagenet_cost, published_comparison
from mbhelpers.models.families import build_classifier, build_imagenet
from mbhelpers.preprocessing import preset

from . import tiny


@pytest.mark.parametrize(
    ("alpha", "trainable", "total", "mega_macs"),
    [
        (0.35, 1_677_128, 1_691_208, 59.3),
        (0.5, 1_968_680, 1_987_224, 97.1),
        (0.75, 2_636_424, 2_663_064, 209.1),
        (1.0, 3_504_872, 3_538_984, 300.8),
        (1.3, 5_386_792, 5_431_048, 509.4),
        (1.4, 6_108_776, 6_156_712, 582.2),
    ],
)
def test_mobilenet_v2_at_224(alpha, trainable, total, mega_macs):
    cost = imagenet_cost("mobilenet_v2", alpha)
    assert (cost.trainable, cost.total) == (trainable, total)
    assert round(cost.macs / 1e6, 1) == mega_macs


@pytest.mark.parametrize(
    ("architecture", "alpha", "mega_params", "mega_macs"),
    [
        ("mobilenet_v3_large", 1.0, 5.48, 216.6),
        ("mobilenet_v3_large", 0.75, 3.99, 154.6),
        ("mobilenet_v3_large_minimalistic", 1.0, 3.92, 209.1),
        ("mobilenet_v3_small", 1.0, 2.54, 56.5),
        ("mobilenet_v3_small", 0.75, 2.04, 43.4),
        ("mobilenet_v3_small_minimalistic", 1.0, 2.04, 52.3),
        ("mobilenet_edgetpu", 1.0, 4.09, 990.7),
        ("mobilenet_edgetpu", 0.75, 2.99, 624.5),
    ],
)
def test_v3_and_edgetpu_at_224(architecture, alpha, mega_params, mega_macs):
    cost = imagenet_cost(architecture, alpha)
    assert round(cost.trainable / 1e6, 2) == mega_params
    assert round(cost.macs / 1e6, 1) == mega_macs


def test_1001_classes_cost_one_more_column():
    one, other = (complexity(build_imagenet("mobilenet_edgetpu", 0.75, 32, "none", n)) for n in (1000, 1001))
    assert (other.total - one.total, other.macs - one.macs) == (1281, 1280)


class TestPublished:
    @pytest.fixture(scope="class")
    def figures(self):
        return published_comparison()

    def test_every_row_is_there(self, figures):
        counts = Counter((figure.table, figure.column) for figure in figures)
        for table, rows in zip(module.TABLES, (22, 9, 2), strict=True):
            assert counts.pop((table, "macs_m")) == counts.pop((table, "params_m")) == rows
        assert not counts

    def test_all_but_the_four_stale_ones_agree(self, figures):
        outside = {(f.architecture, f.alpha, f.column) for f in figures if not f.agrees}
        assert outside == set(STALE)
        assert len(outside) == 4
        assert all(bool(f.explanation) == (not f.agrees) for f in figures)

    def test_how_v2_was_printed(self, figures):
        """MACs cut to whole millions, parameters without those of batch norms: every figure, to its last digit."""
        for figure in (f for f in figures if f.architecture == "mobilenet_v2"):
            cost = imagenet_cost("mobilenet_v2", figure.alpha, figure.resolution)
            norms = sum(layer.trainable for layer in cost.layers if layer.kind == "BatchNormalization")
            told = str(cost.macs // 10**6) if figure.column == "macs_m" else f"{(cost.trainable - norms) / 1e6:.2f}"
            assert told == figure.published

    def test_a_difference_that_nothing_explains_is_an_error(self, monkeypatch):
        monkeypatch.setattr(module, "STALE", {})
        with pytest.raises(ValueError, match=r"says 66 for \('mobilenet_v3_small', 1.0, 'macs_m'\), 56"):
            published_comparison(("imagenet_mobilenet_v3",))


class TestKeras:
    def test_by_hand(self):
        """All but "f" and "g" work on 5 x 5 places; half of a batch norm's parameters learn."""
        import keras

        values = keras.Input((10, 10, 3))
        x = keras.layers.Conv2D(8, 3, 2, padding="same", name="a")(values)
        x = keras.layers.BatchNormalization(name="b")(x)
        x = keras.layers.DepthwiseConv2D(5, padding="same", use_bias=False, name="c")(x)
        x = keras.layers.SeparableConv2D(6, 3, padding="same", name="d")(x)
        x = keras.layers.Conv2DTranspose(4, 3, 2, padding="same", name="e")(x)
        x = keras.layers.Conv2D(8, 1, groups=2, use_bias=False, name="f")(x)
        x = keras.layers.Dense(7, name="g")(keras.layers.Flatten()(x))
        found = {row["name"]: row for row in complexity(keras.Model(values, x)).table()}
        expected = {
            "a": (216 + 8, 216 * 25),
            "b": (32, 0),
            "c": (200, 200 * 25),
            "d": (72 + 48 + 6, 120 * 25),
            "e": (9 * 6 * 4 + 4, 9 * 6 * 4 * 25),
            "f": (2 * 8, 2 * 8 * 100),
            "g": (800 * 7 + 7, 800 * 7),
        }
        assert {name: (row["total"], row["macs"]) for name, row in found.items()} == expected
        assert found["b"]["trainable"] == 16
        windows = {"a": (3, 3), "b": (), "c": (5, 5), "d": (3, 3), "e": (3, 3), "f": (1, 1), "g": ()}
        assert {name: row["window"] for name, row in found.items()} == windows

    def test_nested_frozen_and_as_a_sequence(self):
        import keras

        model = tiny.build(3)
        cost = complexity(model)
        assert cost.total == model.count_params()
        assert {layer.name.split("/")[0] for layer in cost.layers} >= {"rescaling", "backbone", "scores"}
        model.get_layer("backbone").trainable = False
        assert complexity(model).trainable == 16 * 3 + 3
        assert complexity(model).total == cost.total
        chain = complexity(keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)]))
        assert (chain.total, chain.macs) == (56, 54 * 36)

    def test_a_shared_layer_has_its_parameters_once(self):
        import keras

        layer, values = keras.layers.Dense(4, use_bias=False), keras.Input((4,))
        cost = complexity(keras.Model(values, layer(layer(values))))
        assert (cost.total, cost.macs) == (16, 32)

    @pytest.mark.parametrize(
        ("make", "message", "why"),
        [
            (lambda k: k.Model(i := k.Input((None, None, 3)), k.layers.Conv2D(2, 3)(i)), "fixed input size", "open"),
            (lambda k: k.Model(i := k.Input((5, 3)), k.layers.LSTM(2)(i)), "LSTM, whose .* no rule", "unknown layer"),
            (lambda k: k.Sequential([k.layers.Dense(2)]), "no graph of layers", "not built"),
            (lambda k: 7, "Keras model or the path .*not int", "no model"),
        ],
    )
    def test_what_cannot_be_counted_is_refused(self, make, message, why):
        import keras

        with pytest.raises(ValueError, match=message):
            complexity(make(keras))


class TestTflite:
    def test_float_and_int8_agree_with_keras(self, thin):
        """Folding the batch norms leaves a bias a channel of the three convolutions."""
        keras_cost = complexity(thin.keras)
        assert keras_cost.macs > 0
        kernels = 3 * 3 * 3 * 8 + 3 * 3 * 8 + 8 * 16 + 16 * 3
        for path in (thin.float, thin.int8):
            cost = complexity(path)
            assert cost.macs == keras_cost.macs
            assert cost.total == kernels + 8 + 8 + 16 + 3
            assert cost.trainable is None
            assert [layer.kind for layer in cost.layers if layer.macs] == [
                "CONV_2D",
                "DEPTHWISE_CONV_2D",
                "CONV_2D",
                "FULLY_CONNECTED",
            ]
            assert [layer.window for layer in cost.layers if layer.macs] == [(3, 3), (3, 3), (1, 1), ()]

    def test_half_precision_weights_and_a_transposed_convolution(self, tmp_path):
        import keras
        import tensorflow as tf

        values = keras.Input((8, 8, 3), batch_size=1)
        x = keras.layers.Conv2DTranspose(4, 3, 2, padding="same")(keras.layers.Conv2D(6, 3)(values))
        model = keras.Model(values, x)
        for layer in model.layers[1:]:
            layer.set_weights([np.random.default_rng(0).normal(size=w.shape) for w in layer.get_weights()])
        model.export(tmp_path / "saved", verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        (tmp_path / "half.tflite").write_bytes(converter.convert())
        cost = complexity(tmp_path / "half.tflite")
        assert (cost.macs, cost.total) == (complexity(model).macs, complexity(model).total)

    def test_no_model_files(self, tmp_path):
        (tmp_path / "a.tflite").write_bytes(b"nothing of the kind")
        with pytest.raises(ValueError, match=r"not a \.tflite file"):
            complexity(tmp_path / "a.tflite")
        with pytest.raises(ValueError, match="no model at"):
            complexity(tmp_path / "b.keras")


def test_it_reads_as_a_table(thin):
    cost = complexity(thin.model)
    lines = str(cost).splitlines()
    assert lines[0].split()[-2:] == ["parameters", "MACs"]
    assert lines[-1].startswith("in all")
    assert lines[-1].split()[-2:] == [f"{cost.total:,}", f"{cost.macs:,}"]
    assert len(lines) == len(cost.table()) + 2
    assert len(cost.table()) < len(cost.table(all_layers=True)) == len(cost.layers)


def test_the_head_of_our_classifiers_is_pooling_and_one_dense_layer():
    model = build_classifier(5, 0.75, preset("mbhelpers", 32), weights="none", architecture="mobilenet_v3_small")
    assert complexity(model).table()[-1]["total"] == 432 * 5 + 5
