import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mbhelpers import cli, settings, stages
from mbhelpers.runs import Run, open_run, versions

ROW = "flowers/mobilenet_v2_0.35_128_tl"


@pytest.fixture
def project(monkeypatch, tmp_path) -> Path:
    """A project folder of its own, so that default folders are not those of the checkout."""
    monkeypatch.setattr(settings, "project_folder", lambda: tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("passed", "data", "weights", "folder", "why"),
    [
        ({}, None, "imagenet", "runs", "a real run fetches its data"),
        ({"smoke": True}, "sample", "sample", "runs/smoke", "a short one needs no network"),
        ({"smoke": True, "data_dir": "mine"}, "mine", "sample", "runs/smoke", "data passed wins over smoke"),
        ({"smoke": True, "weights": "none"}, "sample", "none", "runs/smoke", "so do weights"),
        ({"smoke": False, "data_dir": "sample"}, "sample", "imagenet", "runs", "a full run may be on the sample"),
        ({"out_dir": "elsewhere", "smoke": True}, "sample", "sample", "elsewhere", "so does a folder"),
        ({"data_dir": Path("a/b"), "weights": Path("w.h5")}, "a/b", "w.h5", "runs", "paths are kept as text"),
    ],
)
def test_defaults(project, monkeypatch, passed, data, weights, folder, why):
    monkeypatch.chdir(project)
    run = open_run(ROW, **passed)
    assert (run.data_dir, run.weights) == (data, weights), why
    assert run.folder.resolve() == project / folder / ROW, why
    assert run.seed == settings.DEFAULT_SEED


def test_smoke_from_the_environment(project, monkeypatch):
    monkeypatch.setenv("MBHELPERS_SMOKE", "1")
    assert open_run(ROW).smoke
    assert not open_run(ROW, smoke=False).smoke


def test_the_folder_says_what_it_holds(tmp_path):
    run = open_run(ROW, out_dir=tmp_path, data_dir="mine", weights="none", seed=7)
    held = json.loads((tmp_path / ROW / "row.json").read_text())
    assert held == {"row": ROW, "data": "mine", "weights": "none", "seed": 7, "smoke": False, "recipe": "ours"}
    assert open_run(ROW, out_dir=tmp_path, data_dir="mine", weights="none", seed=7) == run, "the same again is welcome"


SPLIT, STATE, MODEL = "split.json", "training_state.npz", "model.keras"


@pytest.mark.parametrize(
    ("made", "other", "named", "why"),
    [
        (SPLIT, {"seed": 8}, "seed 2026, not seed 8", "another split"),
        (SPLIT, {"data_dir": "mine"}, "data 'fetched', not data 'mine'", "other images"),
        (SPLIT, {"smoke": True, "data_dir": "mine"}, "smoke False", "a short run must not pass for a full one"),
        (
            STATE,
            {"weights": "none"},
            "weights 'imagenet', not weights 'none'",
            "a training under way began otherwise",
        ),
        (MODEL, {"weights": "none"}, "weights 'imagenet', not weights 'none'", "a model had another start"),
    ],
)
def test_a_folder_made_otherwise_is_refused(tmp_path, made, other, named, why):
    folder = open_run(ROW, out_dir=tmp_path).folder
    (folder / made).touch()
    (folder / SPLIT).touch()  # nothing is made without it
    before = (folder / "row.json").read_bytes()
    with pytest.raises(ValueError, match="choose another folder") as error:
        open_run(ROW, out_dir=tmp_path, **other)
    assert named in str(error.value), why
    assert "--out" in str(error.value)
    assert (folder / "row.json").read_bytes() == before


@pytest.mark.parametrize(
    ("made", "other", "why"),
    [
        ((), {"seed": 8, "data_dir": "mine"}, "nothing is made yet: a mistyped run can be corrected"),
        ((SPLIT,), {"weights": "none"}, "a split does not depend on the weights"),
    ],
)
def test_what_nothing_was_made_with_can_be_changed(tmp_path, made, other, why):
    folder = open_run(ROW, out_dir=tmp_path).folder
    for name in made:
        (folder / name).touch()
    run = open_run(ROW, out_dir=tmp_path, **other)
    held = json.loads((folder / "row.json").read_text())
    assert (held["seed"], held["weights"], held["data"]) == (run.seed, run.weights, run.data_dir or "fetched"), why


def test_another_spelling_of_a_path_is_the_same(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    folder = open_run(ROW, out_dir="out", data_dir="mine").folder
    (folder / SPLIT).touch()
    open_run(ROW, out_dir="out", data_dir=tmp_path / "mine")
    with pytest.raises(ValueError, match="choose another folder"):
        open_run(ROW, out_dir="out", data_dir=tmp_path)


def test_a_damaged_row_file_is_named(tmp_path):
    open_run(ROW, out_dir=tmp_path)
    (tmp_path / ROW / "row.json").write_text("{")
    with pytest.raises(ValueError, match=r"row.json is not valid JSON.*delete it"):
        open_run(ROW, out_dir=tmp_path)


def test_a_classifier_needs_a_variant_and_a_detector_none(tmp_path):
    with pytest.raises(ValueError, match="names no variant; add _tfs, _tl or _fft"):
        open_run("flowers/mobilenet_v2_0.35_128", out_dir=tmp_path)
    assert not list(tmp_path.iterdir())
    assert open_run("coco2017_person/ssd_mobilenet_v2_fpnlite_0.35_192", out_dir=tmp_path).row.variant == ""


def test_variant_is_the_same_run_but_for_it(tmp_path):
    run = open_run("flowers/mobilenet_v2_0.35_128_fft", out_dir=tmp_path, seed=3, weights="none")
    other = run.variant("tl")
    assert str(other.row) == ROW
    assert (other.seed, other.weights, other.out_dir) == (3, "none", tmp_path)


@pytest.mark.parametrize(
    ("passed", "why"),
    [
        ({}, "nothing but defaults"),
        ({"seed": 5, "weights": "none", "data_dir": "mine"}, "everything passed"),
        ({"smoke": True}, "short, with its own defaults"),
        ({"smoke": True, "weights": "imagenet"}, "the default of a full run is none of a short one's"),
        ({"data_dir": "my pictures/of $5", "weights": "a b.h5"}, "a shell must not take the names apart"),
    ],
)
def test_command_makes_the_same_run(monkeypatch, tmp_path, passed, why):
    run = open_run(ROW, out_dir=tmp_path, **passed)
    made: list[Run] = []
    monkeypatch.setattr(stages, "run_row", lambda again: made.append(again) or {})
    program, *arguments = shlex.split(run.command())
    assert program == "mbhelpers"
    result = CliRunner().invoke(cli.app, [*arguments, "--out", str(tmp_path), "--json"])
    assert result.exit_code == 0, result.output
    assert made == [run], why


def test_the_sample_is_the_sample_by_its_path_too(tmp_path):
    assert open_run(ROW, out_dir=tmp_path, data_dir=settings.sample_folder()).data_dir == "sample"


def test_training_from_scratch_uses_no_weights(tmp_path, capsys):
    scratch = "flowers/mobilenet_v2_0.35_128_tfs"
    assert open_run(scratch, out_dir=tmp_path).weights == "none"
    assert capsys.readouterr().out == ""
    assert open_run(scratch, out_dir=tmp_path, weights="sample").weights == "none"
    assert "weights 'sample' are not used" in capsys.readouterr().out


def test_versions_name_what_decides_the_numbers():
    assert {"python", "mbhelpers", "tensorflow", "keras", "numpy", "pillow"} <= set(versions())


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("coco2017_person/mobilenet_v2_0.35_128_tl", "coco2017_person has boxes"),
        ("flowers/ssd_mobilenet_v2_fpnlite_0.35_192", "flowers has no boxes"),
        ("custom/ssd_mobilenet_v2_fpnlite_0.35_192_tl", "leave _tl out"),
        ("custom/mobilenet_v2_0.35_128", "add _tfs, _tl or _fft"),
    ],
)
def test_classifiers_and_detectors_are_told_apart(row, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        open_run(row, out_dir=tmp_path)
    assert not list(tmp_path.iterdir()), "nothing is left of a refused run"
