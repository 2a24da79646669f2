"""Other people's files: legacy Keras-2 models, weights by every road, and what is no file at all."""

import json
import re
import shutil

import h5py
import numpy as np
import pytest

from mbhelpers import settings
from mbhelpers.models.families import build_backbone
from mbhelpers.models.load import load_keras
from mbhelpers.models.weights import keras_file_name, sample_file

from . import tiny


def as_keras_2_saved_it(path):
    """Give every DepthwiseConv2D the `groups` argument that Keras 2 wrote; returns how many there are."""

    def visit(node) -> int:
        if isinstance(node, list):
            return sum(map(visit, node))
        if not isinstance(node, dict):
            return 0
        found = sum(map(visit, node.values()))
        if node.get("class_name") == "DepthwiseConv2D":
            node["config"]["groups"] = 1
            found += 1
        return found

    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        found = visit(config)
        file.attrs["model_config"] = json.dumps(config)
    return found


@pytest.fixture(scope="module")
def legacy(tmp_path_factory):
    """A whole model as Keras 2 would have saved it, its backbone nested, beside its outputs."""
    model = tiny.easy_model()
    path = tmp_path_factory.mktemp("legacy") / "model.h5"
    model.save(path)
    assert as_keras_2_saved_it(path) == 1
    pixels = tiny.easy_images(8, seed=2)[0].astype(np.float32)
    return path, pixels, model.predict(pixels, verbose=0)


@pytest.fixture(scope="module")
def mobilenet_file(tmp_path_factory):
    """Weights of an untrained MobileNetV2 0.35 in the form and under the name that Keras publishes them, and they."""
    import keras

    keras.utils.set_random_seed(5)
    backbone = build_backbone(0.35, 32, "none")
    path = tmp_path_factory.mktemp("weights") / keras_file_name(0.35, 32)
    tiny.save_published(backbone, path)
    return path, backbone.get_weights()


def test_keras_3_itself_refuses_the_legacy_file(legacy):
    import keras

    with pytest.raises(Exception, match="groups"):
        keras.models.load_model(legacy[0], compile=False)


def test_a_legacy_file_loads_with_the_same_outputs(legacy, tmp_path):
    import keras

    path, pixels, expected = legacy
    model = load_keras(path)
    np.testing.assert_array_equal(model.predict(pixels, verbose=0), expected)
    model.save(tmp_path / "again.keras")
    again = keras.models.load_model(tmp_path / "again.keras")
    np.testing.assert_array_equal(again.predict(pixels, verbose=0), expected, "saved again it needs no help")


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize(
    ("content", "message", "why"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer.*git lfs pull", "no lfs"),
        (b"<html>404</html>", "cannot be read as a Keras model", "an error page"),
        (b"", "cannot be read as a Keras model", "an empty file"),
        (None, "no model at", "no file"),
    ],
)
def test_what_is_no_model_is_named(suffix, content, message, why, tmp_path):
    path = tmp_path / f"model{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{re.escape(str(path))}|{message}") as caught:
        load_keras(path)
    assert re.search(message, str(caught.value)), why


def test_a_truncated_h5_is_named(legacy, tmp_path):
    path = tmp_path / "model.h5"
    content = legacy[0].read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="cannot be read as a Keras model"):
        load_keras(path)


class TestWeights:
    def test_a_file_and_a_folder_of_keras_named_files(self, mobilenet_file):
        path, expected = mobilenet_file
        assert path.name == "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5", "32 px takes 224's"
        for weights in (path, str(path), path.parent):
            for one, two in zip(build_backbone(0.35, 32, weights).get_weights(), expected, strict=True):
                np.testing.assert_array_equal(one, two)

    def test_of_another_width_are_refused(self, mobilenet_file):
        path, _ = mobilenet_file
        with pytest.raises(ValueError, match=r"does not fit backbone with [\d,]+ parameters .*architecture and alpha"):
            build_backbone(0.5, 32, path)
        with pytest.raises(ValueError, match=rf"has no .*_0.5_224_no_top.h5; it has {re.escape(path.name)}"):
            build_backbone(0.5, 32, path.parent)

    def test_of_another_network_are_refused(self, legacy):
        with pytest.raises(ValueError, match="holds no backbone"):
            build_backbone(0.35, 32, legacy[0])

    @pytest.mark.parametrize(
        ("content", "message", "why"),
        [
            (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer", "a clone without lfs"),
            (b"not weights", "does not fit backbone", "no HDF5 file"),
            (None, "no weights at", "no file"),
        ],
    )
    def test_what_are_no_weights_is_named(self, content, message, why, tmp_path):
        path = tmp_path / "weights.h5"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            build_backbone(0.35, 32, path)

    def test_a_folder_with_a_pointer_in_it(self, tmp_path):
        (tmp_path / keras_file_name(0.35, 128)).write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
        with pytest.raises(ValueError, match="git lfs pull"):
            build_backbone(0.35, 128, tmp_path)

    def test_sample_weights_load_at_any_size(self, mobilenet_file):
        assert sample_file().is_file(), "run `python -m mbhelpers.training.sample_backbone`"
        small, large = (build_backbone(0.35, side, settings.SAMPLE).get_weights() for side in (32, 96))
        for one, two, untrained in zip(small, large, mobilenet_file[1], strict=True):
            np.testing.assert_array_equal(one, two)
            assert not np.array_equal(one, untrained)
        with pytest.raises(ValueError, match=r"alpha 0.35, not 0.5"):
            build_backbone(0.5, 96, settings.SAMPLE)

    def test_a_failed_download_names_the_way_out(self, monkeypatch):
        """Keras raises a plain Exception there."""
        import keras

        def refuse(*_, weights, **__):
            raise Exception(f"URL fetch failure on {weights}: None -- [Errno -2] Name or service not known")

        monkeypatch.setattr(keras.applications, "MobileNetV2", refuse)
        with pytest.raises(ValueError, match=r"no ImageNet weights for alpha 0.35 at 96 px .*--weights"):
            build_backbone(0.35, 96, "imagenet")


def test_weights_are_copied_to_nowhere(mobilenet_file, tmp_path):
    """A name with spaces and letters of any script is a path like another."""
    odd = shutil.copy(mobilenet_file[0], tmp_path / "größe 0.35.h5")
    np.testing.assert_array_equal(build_backbone(0.35, 32, odd).get_weights()[0], mobilenet_file[1][0])
