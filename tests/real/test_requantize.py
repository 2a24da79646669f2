"""A peer's quantized ImageNet file through `quantize_file` to int8 at both ends, judged pairwise on real images."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from mbhelpers import settings
from mbhelpers.data.imagenet import read_imagenet
from mbhelpers.data.pipeline import load_images
from mbhelpers.evaluation.classification import compare
from mbhelpers.evaluation.imagenet import class_outputs
from mbhelpers.inference.classify import classify
from mbhelpers.inference.predictor import Predictor
from mbhelpers.models.families import build_backbone
from mbhelpers.models.load import load_keras
from mbhelpers.preprocessing import preset
from mbhelpers.quantization.files import quantize_file
from mbhelpers.quantization.ranges import ANY_SPREAD, USUAL_SPREAD, input_spread
from mbhelpers.records import read_record

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def coral():
    """Slim's file and the 250 images."""
    real = settings.real_folder()
    if real is None:
        pytest.skip("no real images here: set MBHELPERS_REAL to their folder (or lay them in ../shared/real)")
    path = real / "peer_models" / "coral_imagenet" / "mobilenet_v2_1.0_224_quant.tflite"
    return path, read_imagenet(real / "imagenet")


@pytest.fixture(scope="module")
def again(coral, tmp_path_factory):
    """The file quantized again, and which images calibrated it: every fifth, in a folder of their own."""
    path, images = coral
    folder = tmp_path_factory.mktemp("calibration")
    calibrating = np.arange(0, len(images), 5)
    for k in calibrating:
        shutil.copy(images.files()[k], folder)
    output = folder.parent / "again.tflite"
    types = {"input_type": "int8", "output_type": "int8"}
    return quantize_file(path, folder, output, number=50, seed=1, conversion=types, preset="slim"), calibrating


def test_slims_file_quantized_again(coral, again):
    """Measured: 219 of 250, again 217, agreement 98.4 %, McNemar p 0.5; on the 200 others 180, 178, 98.5 %, p 0.5."""
    path, images = coral
    first, second = Predictor(path, preset="slim", threads=2), Predictor(again[0], threads=2)
    assert first.preprocessing == second.preprocessing, "the new file says how pictures are prepared"
    pixels = load_images(images.root, images.paths, first.preprocessing)
    labels = class_outputs(first)[images.labels]
    scores = first.predict(pixels), second.predict(pixels)
    unseen = np.setdiff1d(np.arange(len(images)), again[1])
    for part in (np.arange(len(images)), unseen):
        result = compare(scores[0][part], scores[1][part], labels[part])
        assert result["agreement"] >= 0.95 and result["mcnemar_p"] >= 0.05, result


def test_the_new_file_has_integer_ends_and_keeps_the_old_integers(again):
    runtime = Predictor(again[0])._backend.interpreter
    assert runtime.get_input_details()[0]["dtype"] == runtime.get_output_details()[0]["dtype"] == np.int8
    made = read_record(again[0]).made
    assert made["int8"]["kept_channels"] > 17_000, "of 18,057 channels"
    assert made["calibration"]["images"] == 50 and made["read_back"]["file"] == "mobilenet_v2_1.0_224_quant.tflite"


def test_both_files_name_a_panda(coral, again):
    path, images = coral
    panda = next(file for file in images.files() if "giant_panda" in file.name)
    labels = path.with_name("imagenet_labels.txt")
    for model, options in ((path, {"preset": "slim"}), (path, {"preset": "slim", "labels": labels}), (again[0], {})):
        [result] = classify(model, [panda], **options)["results"]
        assert result["top"][0]["class"].startswith("giant panda") and result["top"][0]["index"] == 389
        assert result["top"][0]["score"] > 0.9


@pytest.mark.parametrize(
    ("mean", "std", "where", "why"),
    [
        (127.5, 127.5, "usual", "as in training: measured 0.76 to 0.99"),
        (0.0, 255.0, "doubtful", "a popular mistake: measured 0.38 to 0.49"),
        ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), "doubtful", "another: measured 1.7 to 2.2"),
        (0.0, 1.0, "impossible", "raw pixels: measured 97 to 126"),
    ],
)
def test_the_first_batch_norm_tells_the_range(mean, std, where, why, real):
    sources = [build_backbone(0.35, side, real / "weights") for side in (128, 224)]
    sources += [load_keras(file) for file in sorted((real / "peer_models" / "st_flowers").glob("*_128_*.h5"))]
    flowers = sorted(Path(real / "flowers" / "flower_photos").glob("*/*.jpg"))[::80]
    photographs = {"imagenet": sorted((real / "imagenet").glob("*.JPEG"))[::6], "flowers": flowers}
    for network in sources:
        contract = preset("keras", network.input_shape[1]).changed(None, mean, std)
        for files in photographs.values():
            pixels = np.stack([contract.load(file) for file in files])
            spread = input_spread(network, contract, pixels)
            usual = USUAL_SPREAD[0] <= spread <= USUAL_SPREAD[1]
            possible = ANY_SPREAD[0] <= spread <= ANY_SPREAD[1]
            assert (usual, possible) == (where == "usual", where != "impossible"), (network.name, spread, why)
