"""Weights from whole models: a backbone found inside another file."""

import keras
import numpy as np
import pytest

from mbhelpers.models.families import build_backbone, build_classifier
from mbhelpers.models.weights import find_weights, load_weights
from mbhelpers.preprocessing import preset


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A trained-looking classifier, and the files that hold it: ours, and one whose layers have other names."""
    folder = tmp_path_factory.mktemp("models")
    model = build_classifier(4, 0.35, preset("mbhelpers", 64), weights="none")
    random = np.random.default_rng(0)
    model.set_weights([random.normal(0.5, 0.1, w.shape).astype(np.float32) for w in model.get_weights()])
    model.save(folder / "ours.keras")
    model.save(folder / "ours.h5")
    flat = keras.Sequential([keras.Input((64, 64, 3))])
    backbone = model.get_layer("backbone")
    renamed = keras.models.clone_model(
        backbone,
        clone_function=lambda layer: layer.__class__.from_config(layer.get_config() | {"name": f"other_{layer.name}"}),
    )
    renamed.set_weights(backbone.get_weights())
    flat.add(renamed)
    flat.save(folder / "renamed.keras")
    return model, folder


@pytest.mark.parametrize("name", ["ours.keras", "ours.h5", "renamed.keras"])
def test_the_backbone_of_a_whole_model(name, classifier):
    model, folder = classifier
    backbone = build_backbone(0.35, 96, folder / name)
    for found, wanted in zip(backbone.get_weights(), model.get_layer("backbone").get_weights(), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_what_has_no_place_is_told(classifier):
    _, folder = classifier
    backbone = build_backbone(0.35, 64, "none")
    assert load_weights(backbone, find_weights(folder / "ours.keras", 0.35, 64)) == ("scores",)
    assert load_weights(backbone, find_weights(folder / "renamed.keras", 0.35, 64)) == ()


@pytest.mark.parametrize(
    ("alpha", "architecture"), [(0.5, "mobilenet_v2"), (1.0, "mobilenet_v3_small"), (0.75, "mobilenet_edgetpu")]
)
@pytest.mark.parametrize("name", ["ours.keras", "renamed.keras"])
def test_another_network_is_refused_and_nothing_is_loaded(alpha, architecture, name, classifier):
    _, folder = classifier
    backbone = build_backbone(alpha, 64, "none", architecture)
    before = backbone.get_weights()
    with pytest.raises(ValueError, match=rf"{name} holds no backbone with [\d,]+ parameters .*architecture and alpha"):
        load_weights(backbone, find_weights(folder / name, alpha, 64, architecture))
    assert all(np.array_equal(one, other) for one, other in zip(before, backbone.get_weights(), strict=True))
