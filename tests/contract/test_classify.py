"""Names for pictures: where they come from, in which order, and what is wrong with a list or an image."""

import json

import numpy as np
import pytest
from PIL import Image

from mbhelpers.data.imagenet import class_names
from mbhelpers.inference.classify import classify, names_of
from mbhelpers.inference.predictor import Predictor
from mbhelpers.preprocessing import preset
from mbhelpers.quantization import tflite
from mbhelpers.records import Record

from . import tiny
from .test_cli import call


@pytest.fixture(scope="module")
def pictures(thin_folder):
    """A picture of each class, in the classes' order."""
    return [sorted((thin_folder / name).iterdir())[0] for name in tiny.CLASSES]


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """Path of a model by its number of outputs: the thin one with a head of that many, without a record."""

    def make(outputs: int):
        model = tiny.build(outputs)
        return tiny.save(model, None, tmp_path_factory.mktemp("wide") / f"{outputs}.keras")

    return {outputs: make(outputs) for outputs in (1000, 1001, 7)}


@pytest.mark.parametrize("kind", ["keras", "float", "int8"])
def test_the_likeliest_class_is_first(kind, thin, pictures):
    found = classify(getattr(thin, kind), pictures)
    assert [result["top"][0]["class"] for result in found["results"]] == list(tiny.CLASSES)
    assert [result["image"] for result in found["results"]] == [str(path) for path in pictures]
    for label, result in enumerate(found["results"]):
        scores = [guess["score"] for guess in result["top"]]
        assert result["top"][0]["index"] == label and len(scores) == 3, "five of three classes are three"
        assert scores == sorted(scores, reverse=True) and sum(scores) == pytest.approx(1, abs=0.01)
    assert (found["names"], found["warnings"]) == ("the file", [])
    assert found["kind"] == ("int8" if kind == "int8" else "float")


@pytest.mark.parametrize("output_type", ["int8", "uint8"])
@pytest.mark.parametrize("input_type", ["int8", "uint8", "float32"])
def test_every_type_at_the_ends_names_the_same(input_type, output_type, thin, pictures, tmp_path):
    path = tmp_path / "model.tflite"
    options = {"input_type": input_type, "output_type": output_type}
    path.write_bytes(tflite.to_int8(thin.model, thin.record, thin.images, **options))
    found, expected = (classify(file, pictures)["results"] for file in (path, thin.int8))
    for one, other in zip(found, expected, strict=True):
        assert one["top"][0]["class"] == other["top"][0]["class"]
        assert one["top"][0]["score"] == pytest.approx(other["top"][0]["score"], abs=1 / 256)


def test_ties_stay_in_the_order_of_the_outputs(thin, pictures, monkeypatch):
    predictor = Predictor(thin.int8)
    steps = np.array([[0.0, 0.5, 0.5]] * 3, np.float32)
    monkeypatch.setattr(predictor, "predict", lambda images: steps)
    for result in classify(predictor, pictures, top=3)["results"]:
        assert [guess["index"] for guess in result["top"]] == [1, 2, 0]


@pytest.mark.parametrize(
    ("outputs", "first", "last", "origin", "why"),
    [
        (1000, "tench", class_names()[-1], "ImageNet", "Keras'"),
        (1001, "background", class_names()[-1], "ImageNet", "slim's"),
        (7, "0", "6", "none", "somebody's"),
    ],
)
def test_a_file_without_names_gets_imagenets_or_numbers(outputs, first, last, origin, why, wide, pictures):
    predictor = Predictor(wide[outputs])
    names, whence = names_of(predictor)
    assert (names[0], names[-1], len(names)) == (first, last, outputs), why
    assert whence.startswith(origin)
    found = classify(predictor, pictures[:1])
    assert len(found["results"][0]["top"]) == 5
    assert "stretch, nearest, (pixel - 128) / 128" in found["warnings"][0], "and what else was assumed is said"
    assert not classify(wide[outputs], pictures[:1], preset="mbhelpers")["warnings"]


@pytest.mark.parametrize(
    ("outputs", "lines", "expected", "why"),
    [
        (7, "abcdefg", ("a", "g"), "a plain list"),
        (1000, [f"name {k}" for k in range(1000)], ("name 0", "name 999"), "a plain list of ImageNet's length"),
        (1001, ["background", *(f"name {k}" for k in range(1000))], ("background", "name 999"), "with background"),
        (1001, [f"name {k}" for k in range(1000)], ("background", "name 999"), "without"),
        (1000, ["background", *(f"name {k}" for k in range(1000))], ("name 0", "name 999"), "one too many, known"),
    ],
)
def test_a_list_names_the_outputs(outputs, lines, expected, why, wide, tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    names, origin = names_of(Predictor(wide[outputs]), path)
    assert (names[0], names[-1], len(names), origin) == (*expected, outputs, str(path)), why


@pytest.mark.parametrize(
    ("model", "images", "labels", "options", "message", "why"),
    [
        ("thin", ["{picture}", "{none}.jpg"], None, {}, r"no image at .*none\.jpg", "a missing image"),
        ("thin", ["{cut}"], None, {}, r"cut\.png is not a readable image", "a corrupt one"),
        ("thin", ["{folder}"], None, {}, "is a folder; pass the images in it", "a folder"),
        ("thin", ["{picture}"], None, {"top": 0}, "top must be 1 or more, not 0", "nothing asked for"),
        ("thin", ["{picture}"], "a\nb\nc", {}, "carries its own class names, such as blue; pass no list", "two lists"),
        (7, ["{picture}"], "a\nb", {}, "has 2 names, .* tells 7 classes apart", "a short list"),
        (7, ["{picture}"], None, {"labels": "{none}.txt"}, r"no list of names at .*none\.txt", "no list"),
        (7, ["{picture}"], None, {"labels": "{cut}"}, "no list of names at .*pass a text file", "a picture"),
        (1000, ["{picture}"], "a\nb", {}, "has 2 names; expected 1000", "a short list for ImageNet"),
        ("{none}.keras", ["{picture}"], None, {}, "no model at", "no model"),
    ],
)
def test_bad_input_is_named(model, images, labels, options, message, why, thin, wide, pictures, tmp_path):
    cut = tmp_path / "cut.png"
    cut.write_bytes(pictures[0].read_bytes()[:200])
    given = {"picture": pictures[0], "none": tmp_path / "none", "cut": cut, "folder": tmp_path}
    if labels:
        (tmp_path / "labels.txt").write_text(labels, encoding="utf-8")
        options = options | {"labels": tmp_path / "labels.txt"}
    options = {key: value.format(**given) if isinstance(value, str) else value for key, value in options.items()}
    path = thin.int8 if model == "thin" else wide.get(model) or model.format(**given)
    with pytest.raises(ValueError, match=message):
        classify(path, [image.format(**given) for image in images], **options)


def test_options_go_with_a_file_only(thin, pictures):
    with pytest.raises(ValueError, match="the predictor has its options already; pass preset to Predictor"):
        classify(Predictor(thin.keras), pictures, preset="slim")


def test_the_command_prints_a_block_an_image(thin, pictures):
    ended = call("classify", thin.int8, *pictures[:2], "--top", "2")
    assert ended.returncode == 0, ended.stderr
    first, *blocks = ended.stdout.split("\n\n")
    assert first == "model_int8.tflite (int8, 32 px, stretch, bilinear, (pixel - 128) / 128)"
    library = classify(thin.int8, pictures[:2], top=2)
    for block, result in zip(blocks, library["results"], strict=True):
        path, *lines = block.splitlines()
        assert path == result["image"] and len(lines) == 2
        guess = result["top"][0]
        assert lines[0] == f"{100 * guess['score']:7.2f} %  {guess['class']} ({guess['index']})"
    listed = call("classify", thin.int8, *pictures[:2], "--top", "2", "--json")
    assert json.loads(listed.stdout) == library


def test_the_command_does_not_rank_what_the_output_cannot_tell(tmp_path, pictures):
    """Of seven classes all but one score 0 in an 8-bit output: no order among them is claimed."""
    model = tiny.build(7)
    head = model.get_layer("scores")
    head.set_weights([0 * head.get_weights()[0], np.array([9, 0, 0, 0, 0, 0, 0], np.float32)])
    record = Record(tuple("abcdefg"), preset("mbhelpers", tiny.SIDE))
    path = tmp_path / "model.tflite"
    images = tiny.easy_images(12, 0)[0]
    path.write_bytes(tflite.to_int8(model, record, images, output_type="int8"))
    ended = call("classify", path, pictures[0])
    assert ended.stdout.splitlines()[3:] == [
        "  99.61 %  a (0)",
        "   0.00 %  all others: less than half a step of the output",
    ]


def test_the_command_errs_in_one_line(thin, tmp_path):
    picture = tmp_path / "picture.jpg"
    Image.new("RGB", (8, 8)).save(picture)
    ended = call("classify", thin.int8, picture, tmp_path / "other.jpg")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: no image at ") and len(ended.stderr.splitlines()) == 1
