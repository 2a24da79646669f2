"""ImageNet's figures of real model files: one that names a class by the colour of a picture, so that all is known."""

import json
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from mbhelpers import cli
from mbhelpers.data.imagenet import class_names, development_kit, read_imagenet, wnids
from mbhelpers.evaluation.imagenet import evaluate_imagenet, measure_imagenet
from mbhelpers.evaluation.intervals import wilson
from mbhelpers.inference.predictor import Predictor
from mbhelpers.preprocessing import PRESETS, preset
from mbhelpers.quantization import tflite
from mbhelpers.records import Record

from . import tiny

SIDE = 8


def colour(label: int) -> tuple[int, int, int]:
    """A colour of its own for each class, on a grid of 10 x 10 x 10; label k + 1 is next to label k in most cases."""
    return tuple(14 + 25 * (label // step % 10) for step in (100, 10, 1))


def colour_model(order=None, background: bool = False):
    """A network whose output k is likeliest for the colour of class `order[k]`; a background may come first."""
    import keras

    values = np.array([colour(label) for label in (range(1000) if order is None else order)]) / 128 - 1
    kernel, bias = 2 * values.T, -(values**2).sum(1)  # minus the squared distance, but for what all have in common
    if background:
        kernel, bias = np.c_[np.zeros(3), kernel], np.r_[-99, bias]
    pixels = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Rescaling(1 / 128, offset=-1.0)(pixels)
    x = keras.layers.GlobalAveragePooling2D()(x)
    scores = keras.layers.Dense(len(bias), name="scores")
    model = keras.Model(pixels, scores(x))
    scores.set_weights([kernel, bias])
    return model


def paint(path, label: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 10), colour(label)).save(path)


def record(classes=()) -> Record:
    return Record(tuple(classes) or wnids(), preset("mbhelpers", SIDE))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """By outputs: a .keras with a record, and a float .tflite without one."""
    root = tmp_path_factory.mktemp("models")
    found = {}
    for outputs in (1000, 1001):
        model = colour_model(background=outputs == 1001)
        found[outputs] = tiny.save(model, record(("background", *wnids())[1001 - outputs :]), root / f"{outputs}.keras")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tflite, "add_to_tflite", lambda content, record: content)
            content = tflite.to_float(model, record())
        found[outputs, "bare"] = root / f"{outputs}.tflite"
        found[outputs, "bare"].write_bytes(content)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Thirty images, flat: of three classes ten each; three are painted as another class, of which one is near."""
    root = tmp_path_factory.mktemp("flat")
    for label in (0, 555, 999):
        for k in range(10):
            shown = {(0, 3): 999, (555, 4): 7, (555, 5): 556}.get((label, k), label)
            paint(root / f"{wnids()[label]}_{k}.png", shown)
    return root


@pytest.mark.parametrize("outputs", [1000, 1001])
@pytest.mark.parametrize("bare", [False, True])
def test_counts_are_those_of_the_pictures(outputs, bare, models, folder):
    model = models[(outputs, "bare") if bare else outputs]
    found = evaluate_imagenet(model, read_imagenet(folder), **({"preset": "mbhelpers"} if bare else {}))
    assert (found["n"], found["correct"], found["correct5"]) == (30, 27, 28), "the near one is among the five"
    assert (found["top1"], found["top5"]) == (27 / 30, 28 / 30)
    assert (found["interval"], found["interval5"]) == (wilson(27, 30), wilson(28, 30))
    assert [(c["wnid"], c["class"], c["n"], c["correct"], c["correct5"]) for c in found["per_class"]] == [
        ("n01440764", "tench", 10, 9, 9),
        (wnids()[555], "fire engine", 10, 8, 9),
        ("n15075141", "toilet tissue", 10, 10, 10),
    ]
    assert (found["model"], found["outputs"], found["kind"]) == (model.name, outputs, "float")
    assert (found["layout"], found["skipped"], found["warnings"]) == ("flat", [], [])
    assert found["preprocessing"] == "stretch, bilinear, (pixel - 128) / 128"
    assert json.loads(json.dumps(found))["correct5"] == 28


def test_the_answers_are_kept_with_the_figures(models, folder):
    images = read_imagenet(folder)
    found, answers = measure_imagenet(models[1000], images, threads=2)
    assert found == evaluate_imagenet(models[1000], images, threads=1)
    assert answers.right.sum() == found["correct"] and answers.paths.tolist() == images.paths.tolist()
    assert {answers.outputs[k] for k in answers.predicted[~answers.right]} == {class_names()[k] for k in (7, 556, 999)}
    assert found["calibration"]["confidence_from"].startswith("softmax"), "the file gives logits"
    # of the three classes: 9 of 10 and no stray answer; 8 of 10; 10 of 10 and one stray answer
    assert found["macro_f1"] == pytest.approx((18 / 19 + 16 / 18 + 20 / 21) / 3)


def test_what_cannot_be_read_is_left_out_and_said(models, folder, tmp_path):
    spoilt = shutil.copytree(folder, tmp_path / "flat")
    paths = sorted(spoilt.iterdir())
    paths[0].write_bytes(paths[0].read_bytes()[:40])
    paths[29].write_bytes(b"")
    found = evaluate_imagenet(models[1000], read_imagenet(spoilt))
    assert (found["n"], found["correct"]) == (28, 25)
    assert [name for name, _ in found["skipped"]] == [str(paths[0]), str(paths[29])]
    [warning] = found["warnings"]
    assert warning.startswith(f"left out 2 of 30: {paths[0]} is not a readable image (")
    for path in paths:
        path.write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"none of the 30 images can be read: .*n01440764_0.png is not a readable image"
    ):
        evaluate_imagenet(models[1000], read_imagenet(spoilt))


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (wnids(), "sorted wnids"),
        (tuple(str(k) for k in range(1000)), "numbers, which sort as words: 0, 1, 10, 100, 101, ..."),
        (class_names(), "names"),
    ],
)
@pytest.mark.parametrize("background", [False, True])
def test_a_file_that_names_its_classes_may_have_its_own_order(names, why, background, folder, tmp_path):
    order = np.argsort(np.array(names))[::-1]
    carried = [*["background"][: int(background)], *(names[k] for k in order)]
    path = tiny.save(colour_model(order, background), record(carried), tmp_path / "model.keras")
    assert evaluate_imagenet(path, read_imagenet(folder))["correct"] == 27, why


KIT = np.array([wnids().index(wnid) for wnid in development_kit()])


@pytest.mark.parametrize(
    ("meaning", "background", "warned", "why"),
    [
        (KIT, False, "development kit", "outputs in the order of the ground truth's numbers"),
        (KIT.argsort(), False, "development kit", "the other way round"),
        (np.roll(np.arange(1000), 1), False, "one apart", "1000 outputs of which the first is the last class"),
        (np.roll(np.arange(1000), -1), True, "one apart", "1001 outputs whose background comes last"),
        (np.random.default_rng(0).permutation(1000), False, None, "any other order is not guessed"),
        (np.arange(1000), True, None, "as it should be"),
    ],
)
def test_the_usual_mix_ups_are_named(meaning, background, warned, why, tmp_path):
    images = tmp_path / "images"
    for label in range(0, 1000, 31):
        paint(images / f"{wnids()[label]}_a.png", label)
    path = tiny.save(colour_model(meaning, background), None, tmp_path / "model.keras")
    found = evaluate_imagenet(path, read_imagenet(images), preset="mbhelpers")
    if warned is None:
        assert not found["warnings"], why
        return
    [warning] = found["warnings"]
    assert found["correct"] < 3
    assert "counted in another way 3" in warning and f"of 33 answers are right, not {found['correct']}" in warning
    assert warned in warning, why


def test_labels_in_the_wrong_numbers_are_named(models, tmp_path):
    """The trap itself: class indices, counted from 1, where the development kit's numbers are expected."""
    shown = list(range(0, 1000, 31))
    for k, label in enumerate(shown, start=1):
        paint(tmp_path / f"ILSVRC2012_val_{k:08d}.png", label)
    truth = tmp_path / "truth.txt"
    truth.write_text("".join(f"{label + 1}\n" for label in shown))
    [warning] = evaluate_imagenet(models[1000], read_imagenet(tmp_path, truth=truth))["warnings"]
    assert "counted in another way 33 of 33 answers are right" in warning and "development kit" in warning
    truth.write_text("".join(f"{np.argsort(KIT)[label] + 1}\n" for label in shown))
    right = evaluate_imagenet(models[1000], read_imagenet(tmp_path, truth=truth))
    assert (right["correct"], right["warnings"]) == (33, [])


def test_misuse(models, folder, thin, tmp_path):
    with pytest.raises(ValueError, match=r"tells 3 classes apart, ImageNet has 1000 \(1001 with a background\)"):
        evaluate_imagenet(thin.int8, read_imagenet(folder))
    with pytest.raises(ValueError, match="the predictor has its options already; pass preset to Predictor"):
        evaluate_imagenet(Predictor(models[1000]), read_imagenet(folder), preset="slim")
    [warning] = evaluate_imagenet(models[1000, "bare"], read_imagenet(folder))["warnings"]
    assert "doesn't say how images are prepared" in warning and "--preset slim" in warning
    broken = colour_model()
    broken.get_layer("scores").set_weights([np.full((3, 1000), np.nan), np.zeros(1000)])
    with pytest.raises(ValueError, match="gives scores that are not finite"):
        evaluate_imagenet(tiny.save(broken, record(), tmp_path / "nan.keras"), read_imagenet(folder))


@pytest.fixture
def call(monkeypatch, capsys):
    """`call("evaluate", ...)` gives exit status, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mbhelpers", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


class TestCommand:
    def test_it_recognises_imagenet_and_says_what_the_library_says(self, models, folder, call):
        model, options = models[1001, "bare"], ["--preset", "slim", "--mean", 128, "--std", 128]
        status, out, _ = call("evaluate", model, folder, *options)
        assert status == 0
        *lines, macro, calibrated = out.splitlines()
        assert macro.startswith("macro-F1 92.95 %  (95 % interval ") and calibrated.startswith("calibration: On ")
        assert lines == [
            "1001.tflite (float, 8 px, stretch, middle 87.5 %, bilinear, (pixel - 128) / 128)",
            "top-1 90.00 %  (27 of n = 30, 95 % interval 74.38 to 96.54 %)",
            "top-5 93.33 %  (28 of n = 30, 95 % interval 78.68 to 98.15 %)",
        ], "ten images a class say nothing of the class"
        library = evaluate_imagenet(model, read_imagenet(folder), preset="slim", mean=128, std=128)
        assert json.loads(call("evaluate", model, folder, *options, "--json")[1]) == json.loads(json.dumps(library))

    def test_the_help_names_every_preset(self):
        described = " ".join(text.help for text in cli.Preset.__metadata__)
        assert all(name in described for name in PRESETS)

    def test_truth_labels_and_the_worst_classes(self, models, tmp_path, call):
        for k in range(1, 61):
            paint(tmp_path / "val" / f"ILSVRC2012_val_{k:08d}.png", 0 if k <= 45 else 500)
        truth, labels = tmp_path / "truth.txt", tmp_path / "labels.txt"
        truth.write_text("".join(f"{wnids()[0] if k <= 30 else wnids()[500]}\n" for k in range(1, 61)))
        labels.write_text("".join(f"name {k}\n" for k in range(1000)))
        _, out, _ = call("evaluate", models[1000], tmp_path, "--truth", truth, "--labels", labels)
        assert out.splitlines()[1].startswith("top-1 75.00 %  (45 of n = 60, ")
        assert out.splitlines()[-1] == "least often right: name 500 15 of 30, name 0 30 of 30"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (
                ["{thin}", "{pictures}", "--labels", "{pictures}"],
                "--truth and --labels are for ImageNet's images and a",
            ),
            (["{thin}", "{flat}"], "has no class folders"),
            (["{model}", "{flat}", "--truth", "{flat}"], "pass no truth"),
            (["{bare}", "{flat}", "--preset", "vgg"], "choose from mbhelpers, st, keras, nxp, slim, onnx"),
            (["{model}", "{flat}", "--preset", "slim"], "carries its own preprocessing"),
            (["{model}", "{pictures}"], "classes blue, green, red, the model knows 1000: n01440764,"),
        ],
    )
    def test_an_error_is_one_line(self, arguments, message, models, folder, thin, thin_folder, call):
        given = {"thin": thin.int8, "pictures": thin_folder, "flat": folder, "model": models[1000]}
        given["bare"] = models[1000, "bare"]
        status, _, err = call("evaluate", *(argument.format(**given) for argument in arguments))
        assert status == 2
        assert message in err and len(err.splitlines()) == 1, err

    def test_class_folders_named_by_wnid_serve_other_models_too(self, thin, tmp_path, call):
        """Ten of ImageNet's classes with a model of their own, as imagenette has them."""
        names = wnids()[:3]
        images, labels = tiny.easy_images(9, seed=7)
        tiny.write_folder(tmp_path / "pictures", images, labels, names)
        path = tiny.save(thin.model, Record(names, thin.record.preprocessing), tmp_path / "model.keras")
        _, out, _ = call("evaluate", path, tmp_path / "pictures")
        assert "of n = 9, " in out and [line.split()[0] for line in out.splitlines()[-3:]] == [*names]
