"""Peers' own files deployed, and infer.py on photographs beside the package, to the last bit."""

import json
import subprocess
import sys

import numpy as np
import pytest

from mbhelpers import settings
from mbhelpers.deployment.export.folder import deploy
from mbhelpers.files import is_lfs_pointer
from mbhelpers.inference.detect import detect_images
from mbhelpers.inference.detector import Detector
from mbhelpers.inference.predictor import Predictor

pytestmark = pytest.mark.real

CORAL = "coral_imagenet/mobilenet_v2_1.0_224_quant.tflite"
PEERS = [
    ("st_flowers/mobilenet_v2_0.35_128_fft_int8.tflite", "st", "classifier", ["reference"], "int8, names unknown"),
    (CORAL, "slim", "classifier", ["reference"], "uint8 weights, 1001 classes"),
    (
        "st_ssd_person/ssd_mobilenet_v2_fpnlite_035_192_int8.tflite",
        "st",
        "detector",
        [],
        "LiteRT has no reference TILE",
    ),
]


def run(folder, *arguments):
    """What infer.py prints as JSON."""
    command = [sys.executable, "-I", str(folder / "infer.py"), "--json", *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.parametrize(("name", "preset", "task", "more", "why"), PEERS)
def test_peers_files_replay(name, preset, task, more, why, real, tmp_path):
    told = deploy(real / "peer_models" / name, tmp_path / "out", preset=preset)
    assert (told["task"], told["kernels"]) == (task, ["default", *more]), why
    assert set(told["missing"]) == {"reference"} - set(more)
    checked = run(tmp_path / "out", "--check")
    assert (checked["vectors"], checked["differences"]) == (3, [])


def test_imagenet_names_and_scores(real, tmp_path):
    photos = sorted((real / "imagenet").glob("*.JPEG"))[::50]
    deploy(real / "peer_models" / CORAL, tmp_path / "out", preset="slim")
    labels = (tmp_path / "out" / "labels.txt").read_text(encoding="utf-8").splitlines()
    assert (len(labels), labels[0], labels[1]) == (1001, "background", "tench")
    predictor = Predictor(real / "peer_models" / CORAL, preset="slim")
    scores = predictor.predict(np.stack([predictor.preprocessing.load(photo) for photo in photos]))
    for told, row in zip(run(tmp_path / "out", *photos), scores, strict=True):
        assert [(guess["index"], guess["score"]) for guess in told["top"]] == [
            (int(k), float(row[k])) for k in np.argsort(-row, kind="stable")[:5]
        ]


def test_ours_on_photographs(real, tmp_path):
    model = settings.project_folder() / "results/flowers/mobilenet_v2_0.35_128_fft/model_int8.tflite"
    if is_lfs_pointer(model):
        pytest.skip("run `git lfs pull` for our own models")
    photos = sorted((real / "flowers" / "flower_photos").glob("*/*.jpg"))[::100]
    deploy(model, tmp_path / "out")
    predictor = Predictor(model)
    scores = predictor.predict(np.stack([predictor.preprocessing.load(photo) for photo in photos]))
    told = run(tmp_path / "out", *photos)
    found = np.zeros_like(scores)
    for k, answer in enumerate(told):
        for guess in answer["top"]:
            found[k, guess["index"]] = guess["score"]
    np.testing.assert_array_equal(found, scores)


def test_a_detectors_boxes_on_photographs(real, tmp_path):
    model = real / "peer_models" / PEERS[2][0]
    photos = sorted((real / "coco" / "val2017").glob("*.jpg"))[:20]
    deploy(model, tmp_path / "out", preset="st")
    expected = detect_images(Detector(model, preset="st"), photos)["results"]
    assert run(tmp_path / "out", *photos) == expected
    assert sum(len(one["found"]) for one in expected) > 5
