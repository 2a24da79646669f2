"""The verbs `mbhelpers data ...` as a user calls them."""

import json
import sys
from pathlib import Path

import pytest

from mbhelpers import cli
from mbhelpers.data.catalog import CATALOG
from mbhelpers.data.imagenet_sets import SETS


@pytest.fixture
def call(monkeypatch, capsys):
    """`call("list")` gives exit status, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mbhelpers", "data", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_list(call):
    status, out, _ = call("list", "--json")
    assert status == 0
    assert [line["name"] for line in json.loads(out)] == [*CATALOG, *SETS]
    [food] = [line for line in json.loads(call("list", "--json")[1]) if line["name"] == "food101"]
    [archive] = food["archives"]["original"]
    assert archive["url"].endswith("/food-101.tar.gz")
    assert (archive["size"], archive["sha256"][:8]) == (4996278331, "d97d15e4")
    status, out, _ = call("list")
    assert "plant_village: classification, 39 classes, 55,448 images" in out
    assert "with_augmentation" in out


def test_prepare_says_where_each_image_went(call, tmp_path, make_folder):
    folder = make_folder(tmp_path / "pictures", {"cat": 10, "dog": 20})
    status, out, _ = call("prepare", "custom", "--data", folder, "--out", tmp_path / "out")
    assert status == 0
    lines = [line.split() for line in out.splitlines()]
    assert ["cat", "10", "7", "1", "2"] in lines
    assert ["dog", "20", "14", "2", "4"] in lines
    assert ["all", "30", "21", "3", "6"] in lines
    status, out, _ = call("prepare", "custom", "--data", folder, "--out", tmp_path / "out", "--json")
    told = json.loads(out)
    assert (status, told["images"], told["counts"]["test"]) == (0, 30, {"cat": 2, "dog": 4})
    assert (tmp_path / "out" / "split.json").is_file()


def test_json_is_all_that_comes_on_standard_output(call, tmp_path, make_folder):
    folder = make_folder(tmp_path / "pictures", {"cat": 10, "dog": 10})
    (folder / "cat" / "empty.png").touch()
    for arguments in (
        ("prepare", "custom", "--data", folder, "--out", tmp_path / "out"),
        ("inspect", "custom", "--data", folder, "-o", tmp_path / "report.html"),
    ):
        status, out, err = call(*arguments, "--json")
        assert (status, type(json.loads(out))) == (0, dict)
        assert "left out 1 of 21 files: cat/empty.png: empty file" in err, "the rest is said all the same"


def test_leaks_names_the_shared_images(call, tmp_path, make_folder):
    a = make_folder(tmp_path / "a", {"cat": 3, "dog": 3})
    b = make_folder(tmp_path / "b", {"cat": 3, "dog": 3}, seed=1)
    status, out, _ = call("leaks", a, b)
    assert (status, out.strip()) == (0, "no shared images found")
    (b / "cat" / "again.png").write_bytes((a / "dog" / "dog_001.png").read_bytes())
    status, out, _ = call("leaks", a, b, "--json")
    [leak] = json.loads(out)
    assert status == 1, "for a script to stop at"
    assert (leak["a"], leak["b"], leak["kind"]) == ("dog/dog_001.png", "cat/again.png", "exact")
    status, out, _ = call("leaks", a, b)
    assert (status, out.splitlines()[-1]) == (1, "1 pairs of shared images")


def test_inspect_writes_a_report(call, tmp_path, make_folder):
    folder = make_folder(tmp_path / "pictures", {"cat": 4, "dog": 12})
    status, out, _ = call("inspect", "custom", "--data", folder, "-o", tmp_path / "report.html")
    assert status == 0
    assert f"report: {tmp_path / 'report.html'}" in out
    assert "warning: " in out, "four cats are few"
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_inspect_shows_what_cannot_be_split(call, tmp_path, make_folder):
    folder = make_folder(tmp_path / "pictures", {"cat": 1, "dog": 12})
    status, out, _ = call("inspect", "custom", "--data", folder, "-o", tmp_path / "report.html")
    assert status == 0
    assert "not split: class 'cat' has 1 different pictures" in out
    assert (tmp_path / "report.html").is_file()


def test_inspect_does_not_stand_in_the_way_of_prepare(call, tmp_path, monkeypatch, make_coco):
    """By default both write below data/, and the person folders want an empty one."""
    monkeypatch.setenv("MBHELPERS_DATA", str(tmp_path / "data"))
    top = make_coco(tmp_path / "coco")
    assert call("inspect", "coco_person", "--data", top)[0] == 0
    assert (tmp_path / "data" / "inspect" / "coco_person.html").is_file()
    status, out, err = call("prepare", "coco_person", "--data", top)
    assert (status, err) == (0, "")
    place = tmp_path / "data" / "prepared" / "coco_person_vww_coco"
    assert f"manifest: {place / 'split.json'}, file names relative to {place}" in out
    assert call("prepare", "coco_person", "--data", top)[1] == out, "again"
    status, out, _ = call("prepare", "coco_person", "--data", place)
    assert status == 0, "the sorted folder will do"
    assert f"file names relative to {place}" in out
    assert call("prepare", "coco_person", "--data", top, "--rule", "mlperf_tiny")[0] == 0, "another rule, another place"


def test_a_report_stays_out_of_the_class_folders(call, tmp_path, make_folder):
    folder = make_folder(tmp_path / "pictures", {"cat": 4, "dog": 4})
    status, _, err = call("inspect", "custom", "--data", folder, "-o", folder / "report" / "a.html")
    assert status == 2
    assert "where each folder is a class" in err
    assert sorted(f.name for f in folder.iterdir()) == ["cat", "dog"]


@pytest.fixture
def make_coco(draw):
    """`make_coco(top)` draws ten images, every other one of a person."""

    def make(top: Path) -> Path:
        (top / "val2017").mkdir(parents=True)
        (top / "annotations").mkdir()
        numbers = range(1, 11)
        for k in numbers:
            draw(k).save(top / "val2017" / f"{k}.jpg")
        images = [{"id": k, "file_name": f"{k}.jpg", "width": 64, "height": 64} for k in numbers]
        box = {"bbox": [5, 5, 30, 40], "area": 900.0, "iscrowd": 0, "category_id": 1}
        annotations = [{"id": k, "image_id": k} | box for k in numbers if k % 2]
        content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
        (top / "annotations" / "instances_val2017.json").write_text(json.dumps(content))
        return top

    return make


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("prepare", "flower"), "unknown dataset 'flower'; choose from flowers,"),
        (("prepare", "flowers", "--data", "sample", "--rule", "vww"), "are for coco_person, not for flowers"),
        (("prepare", "custom"), "needs your own folder"),
        (("fetch", "flower"), "unknown dataset 'flower'"),
        (("fetch", "flowers", "--via", "post"), "unknown way 'post'; choose from archive, tfds"),
        (("fetch", "flowers", "--form", "large"), "large"),
        (("prepare", "coco_person", "--data", "sample", "--threshold", "150"), "in percent of the image"),
        (("leaks", "absent", "absent"), "absent"),
        (("inspect", "custom", "--data", "absent"), "no folder at absent"),
    ],
)
def test_bad_input_is_one_line_and_status_2(call, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MBHELPERS_DATA", str(tmp_path / "data"))
    status, out, err = call(*arguments)
    assert (status, out) == (2, "")
    [line] = err.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert not list(tmp_path.iterdir()), "nothing is left behind"
