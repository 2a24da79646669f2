"""A peer's quantized MobileNetV2 on real ImageNet images, through the product's own command and presets."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mbhelpers import cli
from mbhelpers.data.imagenet import class_names, read_imagenet, read_names
from mbhelpers.evaluation.intervals import wilson
from mbhelpers.preprocessing import preset, upright_rgb

pytestmark = pytest.mark.real

CORAL = Path("peer_models") / "coral_imagenet"
MODEL = CORAL / "mobilenet_v2_1.0_224_quant.tflite"


@pytest.fixture
def evaluate(real, monkeypatch, capsys):
    """`evaluate("--preset", "slim")` gives what the command prints on slim's file and the 250 images."""

    def run(*options: object) -> str:
        arguments = ["mbhelpers", "evaluate", real / MODEL, real / "imagenet", "--threads", 2, *options]
        monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        assert not ended.value.code, said.err
        return said.out

    return run


def test_slims_quantized_file(evaluate):
    """One image of each of 250 classes: a check of every step, no measure of the model."""
    found = json.loads(evaluate("--preset", "slim", "--json"))
    assert (found["n"], found["outputs"], found["layout"]) == (250, 1001, "flat")
    assert (found["correct"], found["correct5"]) == (219, 243)
    assert tuple(found["interval"]) == wilson(219, 250)
    assert (found["skipped"], found["warnings"]) == ([], [])
    assert found["preprocessing"] == "stretch, middle 87.5 %, bilinear, (pixel - 128) / 128", "the file's own range"
    assert evaluate("--preset", "slim").splitlines()[1:3] == [
        "top-1 87.60 %  (219 of n = 250, 95 % interval 82.94 to 91.13 %)",
        "top-5 97.20 %  (243 of n = 250, 95 % interval 94.33 to 98.64 %)",
    ]


@pytest.mark.parametrize(
    ("options", "correct", "correct5"),
    [
        (("--preset", "onnx", "--mean", 128, "--std", 128), 224, 242),
        (("--preset", "nxp"), 213, 237),
        (("--preset", "st"), 215, 243),
    ],
)
def test_other_crops_differ_by_a_few(evaluate, options, correct, correct5):
    found = json.loads(evaluate(*options, "--json"))
    assert (found["correct"], found["correct5"]) == (correct, correct5)


def test_names_are_those_of_the_files_and_of_the_list_beside_the_model(real):
    """The first of each line's synonyms; the names of three pairs say more."""
    listed = read_names(real / CORAL / "imagenet_labels.txt")
    ours = [name.split(" (")[0] for name in class_names()]
    assert ours == [line.split(",")[0].strip() for line in listed]
    images = read_imagenet(real / "imagenet")
    named = [Path(name).stem.split("_", 1)[1].replace("_", " ") for name in images.paths.tolist()]
    assert named == [ours[label] for label in images.labels]


def test_slim_and_onnx_give_about_their_authors_pixels(real):
    """Mean distance in grey levels on images whose short side is 256, where a cut by half a pixel matters most."""
    import tensorflow as tf

    distances = {"slim": [], "onnx": []}
    for file in read_imagenet(real / "imagenet").files()[::5]:
        image = upright_rgb(Image.open(file))
        cut = tf.image.central_crop(np.asarray(image, np.float32), 0.875)
        theirs = {"slim": np.round(tf.image.resize(cut, (224, 224), antialias=True))}
        width, height = (round(side * 256 / min(image.size)) for side in image.size)
        left, top = (width - 224) // 2, (height - 224) // 2
        resized = image.resize((width, height), Image.Resampling.BILINEAR)
        theirs["onnx"] = np.asarray(resized.crop((left, top, left + 224, top + 224)), np.float32)
        for name, pixels in theirs.items():
            distances[name].append(np.abs(preset(name, 224).fit(image) - pixels).mean())
    assert {name: len(found) for name, found in distances.items()} == {"slim": 50, "onnx": 50}
    assert np.mean(distances["slim"]) < 2
    assert np.mean(distances["onnx"]) < 4
