"""A detector's row from a folder of one's own to its card; the thin network of test_ssd stands in for MobileNet."""

import json
import shutil
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from mbhelpers import stages
from mbhelpers.data.predictions import load_predictions
from mbhelpers.evaluation.detection import evaluate
from mbhelpers.evaluation.detection_compare import ap_interval
from mbhelpers.files import read_json
from mbhelpers.inference.detector import Detector
from mbhelpers.models import ssd
from mbhelpers.quantization.files import quantize_file
from mbhelpers.quantization.formats import FORMATS
from mbhelpers.records import read_record
from mbhelpers.runs import open_run
from mbhelpers.stages import detection
from mbhelpers.training.detector_recipes import RECIPES
from mbhelpers.training.recipes import RECIPES as CLASSIFIERS

from .test_cli import call
from .test_ssd import scenes, thin_backbone

ROW = "custom/ssd_mobilenet_v2_fpnlite_0.35_64"
CLASSES = ("red thing", "green thing")


def write_own(root, number=40, seed=3):
    """Scenes with lit boxes in COCO's layout, one annotation file."""
    data = scenes(number, seed)
    (root / "annotations").mkdir(parents=True)
    (root / "mine").mkdir()
    boxes = []
    for k, image in enumerate(data.images):
        Image.fromarray(image).resize((128, 96), Image.Resampling.NEAREST).save(root / "mine" / f"{k:02d}.png")
        for j in np.flatnonzero(data.valid[k]):
            left, top, right, bottom = (data.boxes[k, j] * [128, 96, 128, 96]).tolist()
            box = {"bbox": [left, top, right - left, bottom - top], "area": (right - left) * (bottom - top)}
            boxes.append(
                box | {"id": len(boxes) + 1, "image_id": k + 1, "category_id": int(data.labels[k, j]) + 1, "iscrowd": 0}
            )
    images = [{"id": k + 1, "file_name": f"{k:02d}.png", "width": 128, "height": 96} for k in range(number)]
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(CLASSES)]
    content = {"images": images, "annotations": boxes, "categories": categories}
    (root / "annotations" / "instances_mine.json").write_text(json.dumps(content))
    return root


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return write_own(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def thin():
    """The detector of a row, thin."""
    whole = ssd.build_ssd
    with (
        mock.patch.object(ssd, "build_backbone", thin_backbone),
        mock.patch.object(ssd, "build_ssd", lambda *a, **k: whole(*a, **k, channels=16, depth=1)),
    ):
        yield


@pytest.fixture(scope="module")
def done(own, thin, tmp_path_factory):
    run = open_run(ROW, data_dir=own, weights="none", out_dir=tmp_path_factory.mktemp("runs"), smoke=True)
    return run, stages.run_row(run)


def test_every_artifact_is_there(done):
    run, _ = done
    wanted = {"row.json", "history.csv", "tensorboard"} | {n for names in stages.ARTIFACTS.values() for n in names}
    assert {path.name for path in run.folder.iterdir()} == wanted
    for name in ("model.keras", "model_float.tflite", "model_int8.tflite"):
        record = read_record(run.folder / name)
        assert record.classes == CLASSES and record.made["start"] == {"name": "none"}
    history = read_json(run.folder / "history.json")
    assert len(history) == 2
    assert {"loss", "val_loss", "val_ap", "seconds"} <= {*history[0]}


def test_metrics_are_those_of_the_files(done):
    run, metrics = done
    truth = stages.part_boxes(run, "test")
    assert metrics["int8"]["images"] == metrics["int8"]["n"] == len(truth) == 8
    assert metrics["int8"]["truths"] == len(truth.boxes) == 16
    for kind, file in (("float", "model.keras"), ("float_tflite", "model_float.tflite"), ("int8", "model_int8.tflite")):
        found, _ = Detector(run.folder / file).detect_files(truth.root, truth.paths.tolist(), limit=detection.KEPT)
        assert metrics[kind]["ap"] == pytest.approx(evaluate(truth, found)["ap"], abs=1e-6)
        assert metrics[kind]["interval"] == list(ap_interval(truth, found))
        kept = load_predictions(run.folder / "predictions.npz", kind)
        np.testing.assert_array_equal(kept.scores, found.scores)
    assert metrics["float"]["ap"] == pytest.approx(metrics["float_tflite"]["ap"], abs=0.01)
    assert metrics["paired"]["difference"] == metrics["int8"]["ap"] - metrics["float"]["ap"]
    assert metrics["published"] == {}, "nothing is published of anybody's own pictures"


def test_a_second_run_changes_nothing(done):
    run, metrics = done
    before = {path.name: path.stat().st_mtime_ns for path in run.folder.iterdir()}
    assert stages.run_row(run) == metrics
    assert {path.name: path.stat().st_mtime_ns for path in run.folder.iterdir()} == before


def test_another_recipe_does_not_replace_the_model(done):
    run, _ = done
    with pytest.raises(ValueError, match="made with another recipe"):
        stages.train(run, detection.detector_recipe("st", smoke=True))
    with pytest.raises(ValueError, match="is a detector; pass a recipe of its kind"):
        stages.train(run, CLASSIFIERS["tl"])


def test_the_card_tells_which_ap_it_is(done):
    run, _ = done
    card = (run.folder / "report.html").read_text()
    for text in ("IoU 0.4", "COCO&#x27;s protocol", "Precision over recall", "points of AP", "A smoke run"):
        assert text in card
    assert card.count("<img") == 6
    assert "RAM of activations" in card


def test_the_command_prints_ap(done, own):
    run, metrics = done
    options = ["--data", str(own), "--weights", "none", "--out", str(run.out_dir), "--smoke"]
    told = call("run", ROW, *options)
    assert told.returncode == 0, told.stderr
    assert f"{100 * metrics['int8']['ap']:.1f} %" in told.stdout and "points of AP" in told.stdout


def test_running_ap_is_of_the_averaged_weights(done, thin):
    """It is what the saved model has: the last epoch's averages."""
    run, _ = done
    from mbhelpers.models.load import load_keras

    model = load_keras(run.folder / "model.keras")
    held = stages.part_boxed(run, "validation")
    truth = stages.part_boxes(run, "validation")
    ask = detection.running_ap(model, held.images, truth)
    told = read_json(run.folder / "history.json")[-1]["val_ap"]
    assert ask()["val_ap"] == pytest.approx(told, abs=1e-6)
    assert told > 0, "or nothing would be compared"
    assert detection.running_ap(model, held.images, truth.only(()))() == {}, "without an object there is no AP"


def test_changed_boxes_are_noticed(done, own):
    """What was made from the former ones is neither taken for theirs nor measured on the new."""
    run, metrics = done
    file = own / "annotations" / "instances_mine.json"
    kept = file.read_text()
    content = json.loads(kept)
    content["annotations"][0]["bbox"][2] *= 0.5
    file.write_text(json.dumps(content))
    try:
        for ask in (stages.run_row, stages.train):
            with pytest.raises(ValueError, match="made from other boxes or classes"):
                ask(run)
    finally:
        file.write_text(kept)
    assert stages.run_row(run) == metrics


def test_a_detector_has_no_quantization_aware_training(done):
    with pytest.raises(ValueError, match="only classifiers are trained with their rounding"):
        stages.quantize_aware(done[0])


def test_what_it_found_is_kept(done, monkeypatch):
    """Not in smoke mode the run's own files tell; in smoke mode a detector of persons would, but not of these."""
    run, _ = done
    with pytest.raises(ValueError, match="which knows persons alone"):
        stages.found_in(run, "test")
    run = replace(run, smoke=False)
    truth, found = stages.found_in(run, "test")
    assert evaluate(truth, found["int8"])["ap"] == done[1]["int8"]["ap"]
    held, seen = stages.found_in(run, "validation")
    assert len(held) == len(seen["float"]) == 4


def test_nothing_to_measure_on_is_said_before_training(own, thin, tmp_path):
    content = json.loads((own / "annotations" / "instances_mine.json").read_text())
    content["annotations"] = [box | {"iscrowd": 1} for box in content["annotations"]]
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_mine.json").write_text(json.dumps(content))
    shutil.copytree(own / "mine", tmp_path / "mine")
    run = open_run(ROW, data_dir=tmp_path, weights="none", out_dir=tmp_path / "runs", smoke=True)
    with pytest.raises(ValueError, match=r"the train part of .* no object among them"):
        stages.run_row(run)
    assert not (run.folder / "history.csv").exists()


def test_images_that_nobody_can_read(own, tmp_path):
    shutil.copytree(own / "annotations", tmp_path / "annotations")
    (tmp_path / "mine").mkdir()
    for k in range(40):
        (tmp_path / "mine" / f"{k:02d}.png").write_bytes(b"no picture")
    run = open_run(ROW, data_dir=tmp_path, weights="none", out_dir=tmp_path / "runs", smoke=True)
    with pytest.raises(ValueError, match=r"none of the 40 images .* can be read, mine/00\.png: "):
        stages.prepare(run)


def test_two_annotation_files_of_ones_own_are_not_chosen_from(own, tmp_path):
    (tmp_path / "annotations").mkdir()
    for name in ("instances_mine.json", "instances_train2017.json"):
        (tmp_path / "annotations" / name).write_text((own / "annotations" / "instances_mine.json").read_text())
    run = open_run(ROW, data_dir=tmp_path, weights="none", out_dir=tmp_path / "runs", smoke=True)
    with pytest.raises(ValueError, match=r"instances_mine\.json and instances_train2017\.json; keep one"):
        stages.prepare(run)


def test_own_data_is_not_called_a_half_of_coco(own, tmp_path, capsys):
    stages.prepare(open_run(ROW, data_dir=own, weights="none", out_dir=tmp_path))
    assert "COCO" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("row", "options", "message", "why"),
    [
        ("flowers/ssd_mobilenet_v2_fpnlite_0.35_192", {}, "flowers has no boxes", "a classification set"),
        ("coco2017_person/mobilenet_v2_0.35_128_tl", {}, "coco2017_person has boxes", "a classifier on boxes"),
        ("coco2017_person/ssd_mobilenet_v2_fpnlite_0.35_192_tl", {}, "leave _tl out", "detectors have no variants"),
        ("coco2017_person/ssd_yolo_0.35_192", {}, "there is ssd_mobilenet_v2_fpnlite", "another network"),
        ("coco2017_person/ssd_mobilenet_v2_fpnlite_0.35_200", {}, "the nearest that fit are 192", "odd maps"),
        ("coco2017_person/ssd_mobilenet_v2_fpnlite_0.4_192", {}, "no width 0.4", "no such width"),
        ("coco2017_person/ssd_mobilenet_v2_fpnlite_0.35_192", {"recipe": "slim"}, "choose from ours, st", "of others"),
    ],
)
def test_bad_rows_are_refused_before_anything_is_fetched(row, options, message, why, tmp_path):
    with pytest.raises(ValueError, match=message):
        stages.run_row(open_run(row, out_dir=tmp_path, weights="none", **options))


def test_a_folder_without_annotations(tmp_path):
    (tmp_path / "daisy").mkdir()
    run = open_run(ROW, data_dir=tmp_path, weights="none", out_dir=tmp_path / "runs")
    with pytest.raises(ValueError, match=r"no annotations/instances_NAME\.json"):
        stages.prepare(run)


@pytest.mark.parametrize("name", ["int8_per_tensor", "float32", "onnx_float32"])
def test_a_detectors_file_becomes_another_format(name, done, own, tmp_path):
    run, _ = done
    suffix = FORMATS[name].suffix
    folder = own / "mine" if FORMATS[name].calibrated else None
    path = quantize_file(run.folder / "model.keras", folder, tmp_path / f"other{suffix}", format=name, seed=1)
    assert read_record(path).classes == CLASSES
    if suffix == ".tflite":
        picture = Detector(run.folder / "model.keras").preprocessing.load(own / "mine" / "00.png")
        wanted, found = (dict(Detector(file).outputs(picture)) for file in (run.folder / "model.keras", path))
        tolerance = 0.05 if name.startswith("int8") else 1e-4
        assert list(found) == list(wanted) == ["scores", "offsets", "anchors"]
        assert np.abs(found["scores"] - wanted["scores"]).max() < tolerance


def test_a_detectors_file_carries_its_preprocessing(done, own, tmp_path):
    with pytest.raises(ValueError, match=r"carries its own preprocessing.*leave preset out"):
        path = done[0].folder / "model.keras"
        quantize_file(path, own / "mine", tmp_path / "other.tflite", seed=1, preset="st", mean=None)


@pytest.mark.parametrize(
    ("name", "weights", "rate"), [("ours", "imagenet", "ours"), ("ours", "none", "scratch"), ("st", "none", "st")]
)
def test_a_recipe_fits_its_start(name, weights, rate):
    assert detection.detector_recipe(name, weights=weights) == RECIPES[rate]
    assert detection.detector_recipe(name, True, weights=weights).training.epochs == 2
