"""Whole rows on a small folder of one's own: every artifact once, resumable, honest about few images.

The thin backbone stands in for MobileNet, which the notebooks train.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mbhelpers import stages
from mbhelpers.data import source
from mbhelpers.evaluation.files import evaluate_file
from mbhelpers.files import read_json, sha256
from mbhelpers.inference.predictor import Predictor
from mbhelpers.models import families
from mbhelpers.models.load import load_keras
from mbhelpers.quantization import qat
from mbhelpers.quantization.tflite import quantized_tensors
from mbhelpers.records import read_record
from mbhelpers.rows import Row
from mbhelpers.runs import open_run
from mbhelpers.training.recipes import RECIPES

from . import tiny

TL, FFT = "custom/mobilenet_v2_0.35_32_tl", "custom/mobilenet_v2_0.35_32_fft"
ARTIFACTS = {
    "row.json",
    "split.json",
    "model.keras",
    "history.json",
    "history.csv",
    "tensorboard",
    "model_float.tflite",
    "model_int8.tflite",
    "metrics.json",
    "predictions.npz",
    "report.html",
}
NAMES = ("{:03d}.png", "{} flower.jpg", "blüte-{}.JPG", "花 {}.png", "it's #{} (copy).jpeg", ".b{}..jpg")


@pytest.fixture(scope="module")
def own(tmp_path_factory, draw):
    """Three classes of fifteen pictures with names and sizes as people have them, one file that is no image."""
    root = tmp_path_factory.mktemp("my pictures")
    rng = np.random.default_rng(4)
    for k, name in enumerate(("Löwenzahn", "red rose", "tulip")):
        (root / name / "more").mkdir(parents=True)
        for i in range(15):
            picture = draw(1000 * k + i, 80).resize(tuple(int(v) for v in rng.integers(20, 300, 2)))
            file = root / name / ("more" if i % 5 == 4 else "") / NAMES[i % 5].format(i)
            if file.suffix == ".png" and i % 2:
                picture = picture.convert(("RGBA", "L", "P")[i % 3])
            picture.save(file)
    (root / "tulip" / "notes.txt").write_text("not an image")
    return root


def run_of(row: str, own: Path, out: Path, **options):
    return open_run(row, data_dir=own, weights="none", out_dir=out, **({"smoke": True} | options))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def done(own, tmp_path_factory):
    """A tl row, all of it."""
    run = run_of(TL, own, tmp_path_factory.mktemp("runs"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(families, "build_backbone", tiny.thin_backbone)
        return run, stages.run_row(run)


@pytest.fixture
def thin_backbone(monkeypatch):
    monkeypatch.setattr(families, "build_backbone", tiny.thin_backbone)


def test_every_artifact_is_there(done):
    run, _ = done
    assert names(run.folder) == ARTIFACTS
    assert not [path for path in run.folder.rglob(".*")]
    for name in ("model.keras", "model_float.tflite", "model_int8.tflite"):
        record = read_record(run.folder / name)
        assert record.classes == ("Löwenzahn", "red rose", "tulip")
        assert record.made["seed"] == run.seed
        assert record.made["start"] == {"name": "none"}


def test_metrics_count_right(done, own):
    run, metrics = done
    assert metrics == read_json(run.folder / "metrics.json")
    split = stages.prepare(run)
    assert sum(len(paths) for paths in split.paths.values()) == 45
    paths, labels = split.paths["test"], split.labels["test"]
    images = np.stack([read_record(run.folder / "model.keras").preprocessing.load(own / path) for path in paths])
    for kind, file in (("float", "model.keras"), ("float_tflite", "model_float.tflite"), ("int8", "model_int8.tflite")):
        right = int((Predictor(run.folder / file).predict(images).argmax(1) == labels).sum())
        assert metrics[kind]["correct"] == right
        assert metrics[kind]["n"] == len(labels) == 9
        assert np.sum(metrics[kind]["confusion"]) == 9
        assert metrics["sizes"][file] == (run.folder / file).stat().st_size
    pair = metrics["paired"]
    assert pair["only_second"] - pair["only_first"] == metrics["int8"]["correct"] - metrics["float"]["correct"]
    assert metrics["published"] == {}, "nothing is published of anybody's own pictures"


def test_few_images_are_warned_of(done):
    _, metrics = done
    few, smoke = metrics["warnings"]
    low, high = metrics["int8"]["interval"]
    assert "only 9 images, 3 of its smallest class" in few
    assert f"from {100 * low:.0f} to {100 * high:.0f} %" in few
    assert "smoke run" in smoke


def test_a_second_call_does_nothing(done, monkeypatch):
    run, metrics = done
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    monkeypatch.setitem(sys.modules, "mbhelpers.training.fit", None)
    again = run_of(TL, Path(run.data_dir), run.out_dir)
    assert stages.run_row(again) == metrics
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before


def test_another_setting_in_the_same_folder_is_refused(done, own):
    run, _ = done
    with pytest.raises(ValueError, match=r"holds a run made with seed 2026, not seed 1; choose another folder \(--out"):
        run_of(TL, own, run.out_dir, seed=1)


def test_require_runs_what_is_missing_and_says_so(thin_backbone, own, tmp_path, capsys):
    run = run_of(TL, own, tmp_path)
    path = stages.require(run, "model_int8.tflite")
    said = capsys.readouterr().out
    assert path == run.folder / "model_int8.tflite"
    assert path.is_file()
    for name, stage in (("model_int8.tflite", "quantize"), ("model.keras", "train")):
        assert f"{name} is not there yet, running the stage '{stage}'" in said
    assert not (run.folder / "metrics.json").exists(), "no more than what is needed"
    stages.require(run, "model.keras")
    assert "not there yet" not in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"no stage makes 'model\.onnx'; choose from .*model\.keras"):
        stages.require(run, "model.onnx")


def test_fft_trains_tl_first_and_then_every_layer(thin_backbone, own, tmp_path, capsys):
    run = run_of(FFT, own, tmp_path)
    stages.train(run)
    assert f"{TL}: model.keras is not there yet, running the stage 'train'" in capsys.readouterr().out
    made = read_record(run.folder / "model.keras").made
    assert made["start"] == {"model": "tl"}
    before, after = (load_keras(r.folder / "model.keras").get_layer("backbone") for r in (run.variant("tl"), run))
    changed = [
        v.path.rsplit("/", 1)[-1]
        for v, w in zip(before.weights, after.weights, strict=True)
        if not np.array_equal(np.array(v), np.array(w))
    ]
    assert {"kernel", "gamma", "moving_mean", "moving_variance"} <= set(changed), "batch norms learn too"


class TestKilled:
    """The command, killed while it trains; the thin backbone stands in, the recipe is the row's own."""

    def test_a_resumed_run_leaves_nothing_half_written(self, thin_backbone, own, tmp_path, capsys):
        killed = tmp_path / "killed"
        command = [sys.executable, str(Path(__file__).with_name("driver.py")), "cli", "run", TL]
        command += ["--data", str(own), "--weights", "none", "--out", str(killed), "--no-smoke"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        history = killed / TL / "history.csv"
        try:
            give_up = time.monotonic() + 90
            while process.poll() is None and time.monotonic() < give_up:
                if history.is_file() and len(history.read_text().splitlines()) > 4:
                    break
                time.sleep(0.005)
        finally:
            process.kill()
            status = process.wait()
        assert status == -signal.SIGKILL, "it ended by itself; nothing was killed"
        assert not (killed / TL / "model.keras").exists()
        run = run_of(TL, own, killed, smoke=False)
        stages.train(run)
        assert "going on after epoch" in capsys.readouterr().out
        whole = run_of(TL, own, tmp_path / "whole", smoke=False)
        stages.train(whole)
        histories = [tiny.without_seconds(read_json(r.folder / "history.json")) for r in (run, whole)]
        assert histories[0] == histories[1]
        weights = [load_keras(r.folder / "model.keras").get_weights() for r in (run, whole)]
        for one, two in zip(*weights, strict=True):
            np.testing.assert_array_equal(one, two)
        assert names(run.folder) == names(whole.folder) <= ARTIFACTS


def test_a_folder_that_cannot_be_written_is_one_line(own, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("where a folder should be")
    with pytest.raises(ValueError, match=r"cannot write .*choose another folder"):
        run_of(TL, own, blocked)
    command = [sys.executable, "-m", "mbhelpers.cli", "run", TL, "--data", str(own), "--out", str(blocked)]
    ended = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"MBHELPERS_SMOKE": "1"})
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: cannot write")
    assert len(ended.stderr.splitlines()) == 1


def test_a_missing_picture_is_named_before_training(thin_backbone, own, tmp_path):
    import shutil

    copy = shutil.copytree(own, tmp_path / "copy")
    run = run_of(TL, copy, tmp_path / "runs")
    gone = copy / stages.prepare(run).paths["train"][0]
    gone.unlink()
    with pytest.raises(ValueError, match=r"lacks 1 images of .*split.json"):
        stages.train(run)


def test_the_pictures_are_of_many_kinds(own):
    """Guards the fixture: without odd files this module would show little."""
    modes = {Image.open(file).mode for file in own.rglob("*.*") if file.suffix != ".txt"}
    assert modes >= {"RGB", "RGBA", "L", "P"}


def test_what_was_made_from_a_former_model_goes_with_it(own, tmp_path, thin_backbone):
    run = run_of(TL, own, tmp_path)
    stages.run_row(run)
    before = (run.folder / "model_int8.tflite").stat().st_ino
    (run.folder / "model.keras").unlink()
    stages.train(run)
    assert not {"model_int8.tflite", "metrics.json", "predictions.npz", "report.html"} & names(run.folder)
    stages.run_row(run)
    assert (run.folder / "model_int8.tflite").stat().st_ino != before
    (run.folder / "predictions.npz").unlink()
    assert stages.require(run, "predictions.npz").is_file(), "a stage is done when all it leaves is there"


def test_a_model_of_another_recipe_is_not_passed_off(done, thin_backbone):
    run, _ = done
    other = replace(stages.recipe_of(run), dropout=0.77)
    with pytest.raises(ValueError, match="was made with another recipe"):
        stages.train(run, other)


def test_fft_keeps_the_split_of_its_start_when_images_come_in(own, tmp_path, draw, thin_backbone):
    pictures = tmp_path / "pictures"
    shutil.copytree(own, pictures)
    run = run_of(FFT, pictures, tmp_path / "runs")
    start = stages.prepare(run.variant("tl"))
    for i in range(10):
        draw(77_000 + i, 60).save(pictures / "tulip" / f"late {i}.png")
    split = stages.prepare(run)
    assert set(split.paths["test"]) == set(start.paths["test"])
    (run.folder / "split.json").unlink()
    (run.variant("tl").folder / "split.json").unlink()
    assert stages.prepare(run).fingerprint != start.fingerprint, "made anew, it holds the new images"


def test_different_splits_of_start_and_tuning_are_refused(own, tmp_path, thin_backbone):
    run = run_of(FFT, own, tmp_path)
    stages.train(run.variant("tl"))
    stages.prepare(run)
    manifest = read_json(run.folder / "split.json")
    moved = next(entry for entry in manifest["images"].values() if entry["part"] == "train")
    moved["part"] = "test"
    (run.folder / "split.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="have different splits"):
        stages.train(run)


TEACHER = "mobilenet_v2_0.35_64_tl"


class TestTeacher:
    """A larger resolution teaches a smaller one."""

    @pytest.fixture
    def taught(self, monkeypatch):
        """Both recipes of our own with that teacher."""
        lessons = {"passes": 2, "teacher": TEACHER, "distillation": 0.5, "temperature": 2.0}
        for variant in ("tl", "fft"):
            monkeypatch.setitem(RECIPES, variant, replace(RECIPES[variant], **lessons))

    def test_it_is_trained_first_on_the_same_split(self, thin_backbone, own, tmp_path, taught, capsys):
        run = run_of(TL, own, tmp_path)
        stages.train(run)
        said = capsys.readouterr().out
        assert f"custom/{TEACHER}: model.keras is not there yet" in said
        assert said.count("views") >= 2, "the teacher's scores, and the features of the frozen backbone"
        teacher = run_of(f"custom/{TEACHER}", own, tmp_path)
        assert stages.prepare(teacher).fingerprint == stages.prepare(run).fingerprint
        made = read_record(run.folder / "model.keras").made
        assert made["teacher"] == {"row": str(teacher.row), "sha256": sha256(teacher.folder / "model.keras")}
        assert made["recipe"]["distillation"] == 0.5
        alone = read_record(teacher.folder / "model.keras").made
        assert (alone["recipe"]["teacher"], alone["recipe"]["distillation"]) == ("", 0), "it has none itself"
        assert "teacher" not in alone
        assert not (run.folder / stages.VIEWS).exists(), "views go with the state"
        stages.train(run_of(FFT, own, tmp_path))
        assert "model.keras is not there yet" not in capsys.readouterr().out, "and is there for the next"

    def test_new_images_between_student_and_teacher_stay_out(self, thin_backbone, own, tmp_path, taught, draw):
        pictures = tmp_path / "pictures"
        shutil.copytree(own, pictures)
        run = run_of(TL, pictures, tmp_path / "runs")
        stages.prepare(run)
        for i in range(10):
            draw(77_000 + i, 60).save(pictures / "tulip" / f"late {i}.png")
        stages.train(run)
        teacher = run.other(Row.parse(f"custom/{TEACHER}"))
        assert stages.prepare(teacher).fingerprint == stages.prepare(run).fingerprint

    def test_one_that_has_seen_test_images_is_refused(self, thin_backbone, own, tmp_path, taught):
        run = run_of(TL, own, tmp_path)
        teacher = run.other(Row.parse(f"custom/{TEACHER}"))
        stages.prepare(run)
        stages.prepare(teacher)
        manifest = read_json(teacher.folder / "split.json")
        moved = next(entry for entry in manifest["images"].values() if entry["part"] == "test")
        moved["part"] = "train"
        (teacher.folder / "split.json").write_text(json.dumps(manifest))
        with pytest.raises(ValueError, match="have different splits, so the one has learned from test images"):
            stages.train(run)

    def test_from_scratch_needs_one_from_scratch(self, own, tmp_path, monkeypatch):
        lessons = {"passes": 2, "teacher": TEACHER, "distillation": 0.5}
        monkeypatch.setitem(RECIPES, "tfs", replace(RECIPES["tfs"], **lessons))
        with pytest.raises(ValueError, match=r"trains from scratch, so its teacher must too \(_tfs\), unlike custom/"):
            stages.train(run_of(TL.replace("_tl", "_tfs"), own, tmp_path))

    def test_what_it_starts_from_has_none(self, own, tmp_path, monkeypatch):
        lessons = {"passes": 2, "teacher": "mobilenet_v2_0.35_64_fft", "distillation": 0.5}
        monkeypatch.setitem(RECIPES, "tl", replace(RECIPES["tl"], **lessons))
        assert stages.recipe_of(run_of(TL, own, tmp_path)).teacher == "mobilenet_v2_0.35_64_fft"
        for row in ("custom/mobilenet_v2_0.35_64_fft", "custom/mobilenet_v2_0.35_64_tl"):
            assert stages.recipe_of(run_of(row, own, tmp_path)).teacher == "", "else each would wait for the other"

    def test_a_chain_of_teachers_is_refused(self, own, tmp_path, monkeypatch):
        for variant, teacher in (("tl", "mobilenet_v2_0.35_64_fft"), ("fft", "mobilenet_v2_1.0_64_tl")):
            lessons = {"passes": 2, "teacher": teacher, "distillation": 0.5}
            monkeypatch.setitem(RECIPES, variant, replace(RECIPES[variant], **lessons))
        with pytest.raises(
            ValueError, match=r"custom/mobilenet_v2_0.35_64_fft, the teacher of .* has a teacher itself"
        ):
            stages.train(run_of(TL, own, tmp_path))


def test_a_start_at_another_resolution(own, tmp_path, thin_backbone, capsys):
    """From scratch at a small size first, where it is cheap."""
    run = run_of(TL.replace("_tl", "_tfs"), own, tmp_path)
    recipe = replace(stages.recipe_of(run), start_from="mobilenet_v2_0.35_64_tfs")
    model = stages.build_model(run, recipe)
    assert "custom/mobilenet_v2_0.35_64_tfs: model.keras is not there yet" in capsys.readouterr().out
    start = load_keras(run.other(Row.parse("custom/mobilenet_v2_0.35_64_tfs")).folder / "model.keras")
    assert (model.input_shape[1], start.input_shape[1]) == (32, 64)
    for ours, theirs in zip(model.get_weights(), start.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert model.get_layer("backbone").trainable


def test_validation_trains_where_it_chooses_nothing(own, tmp_path, thin_backbone):
    run = run_of(TL, own, tmp_path)
    sizes = {}
    for monitor in ("val_loss", "none"):
        recipe = replace(stages.recipe_of(run), monitor=monitor)
        sizes[monitor] = sum(len(stages.prepare(run).paths[part]) for part in stages.learned_parts(recipe))
        other = run_of(TL, own, tmp_path / monitor)
        stages.train(other, recipe)
        validated = "val_loss" in read_json(other.folder / "history.json")[0]
        assert validated == (monitor != "none")
        assert read_record(other.folder / "model.keras").made["recipe"] == recipe.fitted(sizes[monitor]).to_json()
    assert sizes["none"] == sizes["val_loss"] + len(stages.prepare(run).paths["validation"])


def test_an_fft_learns_views_too(own, tmp_path, thin_backbone):
    run = run_of(FFT, own, tmp_path)
    stages.train(run, replace(stages.recipe_of(run), passes=1))
    assert len(read_json(run.folder / "history.json")) == 2
    assert not (run.folder / stages.VIEWS).exists(), "nothing is frozen, so nothing is computed beforehand"


class TestAware:
    """Quantization-aware training of a run, beside int8 without."""

    @pytest.fixture(scope="class")
    def aware(self, done, tmp_path_factory):
        run = replace(done[0], out_dir=tmp_path_factory.mktemp("aware"))
        shutil.copytree(done[0].folder, run.folder)
        return run, stages.quantize_aware(run)

    def test_it_counts_right(self, aware):
        run, metrics = aware
        folder = run.folder / "qat_tensor"
        assert names(folder) == {"model.keras", "model_ptq.tflite", "model_qat.tflite", "metrics.json"}
        images, labels = stages.part_images(run, "test")
        for name, file in (("float", run.folder / "model.keras"), ("qat", folder / "model_qat.tflite")):
            right = int((Predictor(file).predict(images).argmax(1) == labels).sum())
            assert (metrics[name]["correct"], metrics[name]["n"]) == (right, 9)
        pair = metrics["paired"]["qat against ptq"]
        assert pair["only_second"] - pair["only_first"] == metrics["qat"]["correct"] - metrics["ptq"]["correct"]
        assert len(metrics["history"]) == 2, "a smoke run"
        for name in ("model.keras", "model_qat.tflite"):
            told = read_record(folder / name).made["qat"]
            assert (told["of"], told["granularity"]) == (sha256(run.folder / "model.keras"), "tensor")
        assert all(
            len(tensor["scales"]) == 1 for tensor in quantized_tensors((folder / "model_qat.tflite").read_bytes())
        )

    def test_it_has_learned(self, aware):
        run, _ = aware
        before, after = (load_keras(run.folder / name) for name in ("model.keras", "qat_tensor/model.keras"))
        kernel = [model.get_layer("scores").get_weights()[0] for model in (before, after)]
        assert 0 < np.abs(kernel[1] - kernel[0]).max() < 0.1

    def test_a_second_call_does_nothing(self, aware, monkeypatch):
        run, metrics = aware
        monkeypatch.setattr(qat, "learn", None)
        assert stages.quantize_aware(run) == metrics

    def test_of_another_model_it_is_made_anew(self, aware):
        run, metrics = aware
        path = run.folder / "model.keras"
        model, record = load_keras(path), read_record(path)
        kernel, bias = model.get_layer("scores").get_weights()
        model.get_layer("scores").set_weights([kernel, bias + 0.5])
        tiny.save(model, record, path)
        again = stages.quantize_aware(run)
        assert again["of"] == sha256(path) != metrics["of"]

    def test_unknown_granularity(self, done):
        with pytest.raises(ValueError, match="unknown granularity 'layer'; choose from channel, tensor"):
            stages.quantize_aware(done[0], "layer")


def test_a_published_recipe_is_for_published_rows(own, tmp_path):
    with pytest.raises(ValueError, match="ST published no recipe for custom/"):
        stages.run_row(run_of(TL, own, tmp_path, recipe="st"))


def test_the_same_images_again_are_no_measure(done, own, tmp_path):
    """With its split beside it, what it learned from is counted; a model alone knows its whole data set again."""
    run, _ = done
    split = stages.prepare(run)
    learned = sum(len(split.paths[part]) for part in ("train", "validation"))
    found = evaluate_file(run.folder / "model_int8.tflite", own)
    assert any(text.startswith(f"{learned} of these") for text in found["warnings"]), found["warnings"]
    alone = shutil.copy(run.folder / "model_int8.tflite", tmp_path / "alone.tflite")
    found = evaluate_file(alone, own)
    assert any("trained on a part of these very images" in text for text in found["warnings"])


@pytest.mark.parametrize(
    ("dataset", "classes", "whole", "why"),
    [
        ("flowers", ("daisy", "dandelion", "roses", "sunflowers", "tulips"), True, "all five"),
        ("flowers", ("daisy", "roses"), False, "two of five are another task"),
        ("custom", ("daisy", "roses"), False, "nothing is published of one's own"),
    ],
)
def test_published_figures_are_for_all_classes(dataset, classes, whole, why):
    assert source.has_all_classes(dataset, classes) is whole, why


def test_a_lost_split_is_made_again_but_not_for_other_images(own, tmp_path, draw, thin_backbone):
    pictures = tmp_path / "pictures"
    shutil.copytree(own, pictures)
    run = run_of(TL, pictures, tmp_path / "runs")
    path, split = stages.train(run), stages.prepare(run)
    made = path.stat().st_mtime_ns
    (run.folder / "split.json").unlink()
    assert stages.train(run).stat().st_mtime_ns == made, "the same images and seed give the same split"
    assert stages.prepare(run).paths["test"].tolist() == split.paths["test"].tolist()
    (run.folder / "split.json").unlink()
    draw(99_000, 60).save(pictures / "tulip" / "late.png")
    with pytest.raises(ValueError, match="was made from other images"):
        stages.train(run)
    assert path.stat().st_mtime_ns == made, "and the model is not lost"
