"""Two classes: one sigmoid output, the probability of the second; the order of the names decides everything."""

import numpy as np
import pytest

from mbhelpers.evaluation.files import evaluate_file
from mbhelpers.inference.predictor import Predictor
from mbhelpers.preprocessing import preset
from mbhelpers.quantization import tflite
from mbhelpers.records import Record

from . import tiny

CLASSES = ("person", "not_person")
"""Not sorted, as ST's person card lists them: sorted folders say it the other way round."""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The model in every form with its record, and bare; 0 is a person, the first of CLASSES."""
    folder = tmp_path_factory.mktemp("binary")
    model = tiny.easy_model(2, binary=True)
    record = Record(CLASSES, preset("mbhelpers", tiny.SIDE))
    images, labels = tiny.easy_images(24, 0, classes=2)
    return tiny.make_files(folder, model, record, images, labels), tiny.save(model, None, folder / "bare.keras")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Twenty pictures, three of them in the wrong folder, so that neither order is right on all."""
    images, labels = tiny.easy_images(20, seed=3, classes=2)
    labels = labels.copy()
    labels[:3] = 1 - labels[:3]
    return tiny.write_folder(tmp_path_factory.mktemp("people"), images, labels, CLASSES)


@pytest.mark.parametrize("kind", ["keras", "float", "int8"])
def test_one_output_becomes_two_columns(kind, files):
    made, _ = files
    assert made.model.output_shape == (None, 1)
    images, labels = tiny.easy_images(10, seed=9, classes=2)
    predictor = Predictor(getattr(made, kind))
    scores = predictor.predict(images)
    assert predictor.class_count == 2
    assert scores.shape == (10, 2)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(scores.argmax(1), labels)
    probability = made.model.predict(images.astype(np.float32), verbose=0)[:, 0]
    np.testing.assert_allclose(scores[:, 1], probability, atol=1e-5 if kind != "int8" else 0.05)


@pytest.mark.parametrize("output_type", ["uint8", "int8"])
def test_integer_outputs_are_two_columns_too(output_type, files, tmp_path):
    made, _ = files
    path = tmp_path / "model.tflite"
    path.write_bytes(tflite.to_int8(made.model, made.record, made.images, output_type=output_type))
    scores, expected = Predictor(path).predict(made.images), Predictor(made.int8).predict(made.images)
    assert np.abs(scores - expected).max() <= 1 / 256


def test_orders_are_told_apart(files, pictures):
    made, bare = files
    recorded = evaluate_file(made.keras, pictures)
    assert (recorded["correct"], recorded["n"], recorded["classes"]) == (17, 20, CLASSES)
    assert not recorded["warnings"]
    counts = {order: evaluate_file(bare, pictures, classes=order)["correct"] for order in (CLASSES, CLASSES[::-1])}
    assert counts == {CLASSES: 17, CLASSES[::-1]: 3}


def test_sorted_folders_that_fit_badly_are_warned_of(files, pictures):
    _, bare = files
    guessed = evaluate_file(bare, pictures)
    assert guessed["classes"] == ("not_person", "person")
    assert guessed["correct"] == 3
    assert any("--classes person,not_person" in text for text in guessed["warnings"])
    told = evaluate_file(bare, pictures, classes=("not_person", "person"))
    assert not told["warnings"], "who names an order is taken at his word"


def test_folder_classes_are_matched_by_name(files, tmp_path):
    made, _ = files
    images, labels = tiny.easy_images(6, seed=4, classes=2)
    folder = tiny.write_folder(tmp_path, images, labels, ("person", "dog"))
    with pytest.raises(ValueError, match=r"the data has classes dog, the model knows 2: person, not_person"):
        evaluate_file(made.int8, folder)
