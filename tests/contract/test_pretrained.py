"""ImageNet classifiers from every kind of weights, and images to try them on."""

import numpy as np
import pytest

from mbhelpers import pretrained, settings
from mbhelpers.data import sample
from mbhelpers.data.imagenet import class_names, read_imagenet
from mbhelpers.data.sample.imagenet import write_sample
from mbhelpers.evaluation.imagenet import evaluate_imagenet
from mbhelpers.models.weights import keras_file_name
from mbhelpers.preprocessing import preset
from mbhelpers.quantization.tflite import to_int8
from mbhelpers.records import Record, read_record
from mbhelpers.training import sample_classifier

from . import tiny


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder and file of a sample classifier that has learned from few pictures."""
    folder = tmp_path_factory.mktemp("sample")
    return folder, sample_classifier.sample_classifier(folder, pictures=300)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return read_imagenet(write_sample(tmp_path_factory.mktemp("drawn"), images=80))


class TestSampleClassifier:
    def test_it_knows_pictures_that_it_has_not_seen(self, made, drawn):
        """Measured: 40 % of 500 with 300 pictures to learn from, 56 % with the usual 800; chance is 0.1 %."""
        result = evaluate_imagenet(made[1], drawn)
        assert result["top1"] > 0.2 and result["top5"] > 0.4, result["correct"]

    def test_the_file_says_what_it_is(self, made):
        folder, path = made
        assert path == folder / "sample_mobilenet_v2_0.35_128_300_2026.keras"
        record = read_record(path)
        assert len(set(record.classes)) == 1000 and "spiral_in_red_and_mint" in record.classes
        assert record.preprocessing == preset("mbhelpers", 128)
        assert (record.made["task"], record.made["pictures"]) == ("the drawn sample of ImageNet", 300)

    def test_it_is_made_once(self, made, monkeypatch):
        monkeypatch.setattr(sample_classifier, "_make", lambda *_: pytest.fail("made again"))
        assert sample_classifier.sample_classifier(made[0], pictures=300) == made[1]


class TestFindImages:
    def test_a_folder_or_the_one_that_holds_it(self, drawn):
        for place in (drawn.root.parent, drawn.root.parent.parent):
            np.testing.assert_array_equal(pretrained.find_images(place).labels, drawn.labels)

    @pytest.mark.parametrize(
        ("data_dir", "smoke", "why"),
        [("sample", False, "by its name"), (None, True, "a smoke run"), (settings.sample_folder(), False, "its path")],
    )
    def test_the_drawn_sample(self, data_dir, smoke, why, drawn, monkeypatch):
        monkeypatch.setattr(sample, "ensure", lambda name: drawn.root.parent)
        assert len(pretrained.find_images(data_dir, smoke)) == 80, why

    def test_nothing_falls_back_to_it(self, tmp_path, monkeypatch):
        fetched = []
        monkeypatch.setattr(pretrained, "fetch", lambda dataset, folder: fetched.append(dataset.name) or tmp_path)
        with pytest.raises(ValueError, match="has neither images nor folders"):
            pretrained.find_images(None, smoke=False)
        assert fetched == ["imagenet_v2"]
        with pytest.raises(ValueError, match="no folder at"):
            pretrained.find_images(tmp_path / "none")


class TestOpenClassifier:
    def test_the_sample(self, made, monkeypatch):
        monkeypatch.setattr(pretrained, "sample_classifier", lambda folder, **options: made[1])
        for weights, smoke in (("sample", False), (None, True)):
            opened = pretrained.open_classifier(weights, folder=made[0], smoke=smoke)
            assert opened.model.name == "sample_mobilenet_v2_0.35_128" and opened.record == read_record(made[1])

    @pytest.mark.parametrize("where", ["folder", "file"])
    def test_keras_files(self, where, tmp_path):
        import h5py
        import keras
        from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

        name = keras_file_name(0.35, 96, classifier=True)
        source = keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, weights=None)
        with h5py.File(tmp_path / name, "w") as file:
            save_weights_to_hdf5_group(file, source)
        path = tmp_path if where == "folder" else tmp_path / name
        opened = pretrained.open_classifier(path, folder=tmp_path, alpha=0.35, resolution=96)
        assert opened.record.preprocessing == preset("nxp", 96) and opened.record.classes == class_names()
        pixels = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3)).astype(np.float32)
        expected = source(pixels / 127.5 - 1, training=False)
        np.testing.assert_allclose(opened.model(pixels, training=False), expected, atol=1e-5)
        assert opened.told == (f"weights of {name}",) and not opened.predictors

    def test_a_tflite_file_is_read_back_and_kept_to_compare_with(self, tmp_path):
        contract = preset("mbhelpers", tiny.SIDE)
        model, images = tiny.build(1001), tiny.easy_images(12, 0)[0]
        tiny.set_statistics(model, images)
        path = tmp_path / "model.tflite"
        path.write_bytes(to_int8(model, Record((), contract), images))
        opened = pretrained.open_classifier(path, folder=tmp_path)
        assert opened.record.classes == ("background", *class_names())
        assert opened.record.preprocessing == contract, "the record's, not a preset"
        assert opened.model.output_shape == (None, 1001) and "read 1" in opened.told[0]
        assert opened.predictors["as it came"].path == path

    def test_a_keras_model_without_a_record_is_prepared_as_told(self, tmp_path):
        path = tiny.save(tiny.build(1000, preprocessing=preset("nxp", tiny.SIDE)), None, tmp_path / "model.keras")
        opened = pretrained.open_classifier(path, folder=tmp_path)
        assert opened.record.preprocessing == preset("nxp", tiny.SIDE) and opened.record.classes == class_names()
        assert pretrained.open_classifier(path, folder=tmp_path, preset="slim").record.preprocessing.central == 0.875

    @pytest.mark.parametrize(
        ("weights", "options", "message", "why"),
        [
            ("sample", {"alpha": 1.0}, "the sample backbone has alpha 0.35, not 1.0", "another width"),
            ("sample", {"architecture": "mobilenet_edgetpu"}, "the sample backbone is mobilenet_v2", "another network"),
            ("{folder}/none", {}, "no weights at", "no such file"),
            ("{folder}", {}, "has no mobilenet_v2_weights", "a folder without the file"),
            ("{folder}/none.tflite", {}, "no model at", "no such model"),
            ("{thin}", {}, "tells 3 classes apart; an ImageNet classifier 1000 or 1001", "another classifier"),
            ("{thin}", {"alpha": 1.0}, "says its architecture, width and size itself; don't pass 1.0", "said twice"),
            ("imagenet", {"preset": "vgg"}, "unknown preprocessing 'vgg'", "no such preset"),
            ("imagenet", {"architecture": "resnet"}, "unknown architecture 'resnet'", "no such network"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, weights, options, message, why, thin, tmp_path):
        given = weights.format(folder=tmp_path, thin=thin.keras)
        with pytest.raises(ValueError, match=message):
            pretrained.open_classifier(given, folder=tmp_path, **options)
