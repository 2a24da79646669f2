import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mbhelpers import settings
from mbhelpers.data import fetch, person, sample, source, transfer
from mbhelpers.data.catalog import CATALOG, find
from mbhelpers.data.class_names import COCO, COCO_IDS


@pytest.fixture
def archive(tmp_path, make_folder):
    """A folder in which the official archive was unpacked."""
    make_folder(tmp_path / "unpacked" / "flower_photos", {"daisy": 3, "roses": 3})
    return tmp_path / "unpacked"


def test_the_outer_and_the_inner_folder_are_taken(archive):
    inner = archive / "flower_photos"
    assert source.locate("flowers", archive) == inner
    assert source.locate("flowers", str(archive)) == inner
    assert source.locate("flowers", inner) == inner


def test_another_layout_is_refused(tmp_path, make_folder):
    make_folder(tmp_path / "data", {"cat": 1, "dog": 1})
    with pytest.raises(ValueError, match=r"holds neither flower_photos/ nor class folders such as daisy/"):
        source.locate("flowers", tmp_path / "data")
    with pytest.raises(ValueError, match=r"no folder at .*absent; pass the folder"):
        source.locate("flowers", tmp_path / "absent")


def test_an_unknown_dataset_lists_the_known():
    names = ", ".join(CATALOG)
    for ask in (lambda: source.locate("flower", "sample"), lambda: source.load("flower", None), lambda: find("flower")):
        with pytest.raises(ValueError, match=f"unknown dataset 'flower'; choose from {names} or custom"):
            ask()


def test_custom_needs_a_folder(tmp_path):
    with pytest.raises(ValueError, match="needs your own folder: pass --data FOLDER"):
        source.locate("custom", None)
    assert source.locate("custom", tmp_path) == tmp_path


def test_the_sample_is_asked_for_by_name(tmp_path, monkeypatch):
    drawn = settings.sample_folder() / "flower_photos"
    assert source.locate("flowers", "sample") == drawn
    assert source.locate("custom", "sample") == drawn
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample" / "flower_photos").mkdir(parents=True)
    assert source.locate("flowers", tmp_path / "sample") == tmp_path / "sample" / "flower_photos", "a path is a path"


def test_the_sample_is_drawn_where_it_is_not(tmp_path, monkeypatch, capsys):
    def draw(root, **_):
        (root / "food-101" / "images").mkdir(parents=True)

    monkeypatch.setattr(settings, "sample_folder", lambda: tmp_path / "sample")
    monkeypatch.setitem(sample.WRITERS, "food101", draw)
    assert source.locate("food101", "sample") == tmp_path / "sample" / "food-101" / "images"
    assert "drawing the sample of food101 into" in capsys.readouterr().out, "nothing happens silently"


def test_without_a_folder_the_data_set_is_fetched(tmp_path, monkeypatch):
    asked = []

    def fetched(known, folder, *, form):
        asked.append((known.name, folder, form))
        return folder / known.top_folders[0]

    monkeypatch.setattr(fetch, "fetch", fetched)
    monkeypatch.setenv("MBHELPERS_DATA", str(tmp_path))
    assert source.locate("flowers", None) == tmp_path / "flower_photos"
    assert source.locate("food101", None) == tmp_path / "food-101" / "images"
    assert asked == [("flowers", tmp_path, None), ("food101", tmp_path, None)]


@pytest.mark.parametrize(
    ("dataset", "inside", "relative", "why"),
    [
        ("plant_village", "Plant_leave_diseases_dataset_without_augmentation/Corn___healthy", "", "as photographed"),
        ("plant_village", "Plant_leave_diseases_dataset_with_augmentation/Corn___healthy", "", "with copies"),
        ("food101", "food-101/images/sushi", "images", "names are relative to the class folders"),
        ("coco2017_80", "coco/annotations", "", "names are relative to COCO's folder"),
    ],
)
def test_each_layout_is_found_from_outside_and_inside(tmp_path, dataset, inside, relative, why):
    (tmp_path / inside).mkdir(parents=True)
    top = tmp_path / inside.partition("/")[0]
    for given in (tmp_path, top):
        assert source.locate(dataset, given) == (top / relative if relative else top), why


def test_two_forms_in_one_folder_are_not_guessed_between(tmp_path):
    for form in CATALOG["plant_village"].top_folders:
        (tmp_path / form / "Corn___healthy").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"without_augmentation and .*with_augmentation; pass one of the two"):
        source.locate("plant_village", tmp_path)


def test_load_reports_what_it_left_out(archive, capsys):
    for i in range(7):
        (archive / "flower_photos" / "daisy" / f"empty_{i}.jpg").touch()
    images = source.load("flowers", archive)
    said = capsys.readouterr().out
    assert len(images) == 6
    assert "left out 7 of 13 files: daisy/empty_0.jpg: empty file; " in said
    assert "and 2 more" in said
    assert len(images.skipped) == 7


def test_load_is_silent_when_all_is_well(archive, capsys):
    assert source.load("flowers", archive).classes == ("daisy", "roses"), "a subset of the classes will do"
    assert capsys.readouterr().out == ""


def test_load_refuses_a_class_of_another_data_set(archive):
    shutil.copytree(archive / "flower_photos" / "daisy", archive / "flower_photos" / "orchids")
    with pytest.raises(ValueError, match="class folders orchids that this dataset has not"):
        source.load("flowers", archive)
    assert source.load("custom", archive / "flower_photos").classes == ("daisy", "orchids", "roses")


# ---- COCO


@pytest.fixture
def scenes(tmp_path, draw) -> Path:
    """Four images of 100 x 100: a large person, a small one, a dog, nothing."""
    top = tmp_path / "coco"
    boxes = {1: (1, [10, 10, 60, 60], 2000.0), 2: (1, [0, 0, 10, 10], 40.0), 3: (18, [20, 20, 50, 50], 900.0)}
    (top / "val2017").mkdir(parents=True)
    (top / "annotations").mkdir()
    images = [{"id": k, "file_name": f"{k:012d}.jpg", "width": 100, "height": 100} for k in range(1, 5)]
    for image in images:
        draw(int(image["id"]), 100).save(top / "val2017" / str(image["file_name"]))
    annotations = [
        {"id": 10 + k, "image_id": k, "category_id": category, "bbox": box, "area": area, "iscrowd": 0}
        for k, (category, box, area) in boxes.items()
    ]
    categories = [{"id": k, "name": name} for k, name in zip(COCO_IDS, COCO, strict=True)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (top / "annotations" / "instances_val2017.json").write_text(json.dumps(content), encoding="utf-8")
    return top


def test_a_detection_set_has_its_own_categories_only(scenes):
    everything = source.load_detections("coco2017_80", scenes)
    assert (len(everything), len(everything.boxes), len(everything.categories)) == (4, 3, 80)
    persons = source.load_detections("coco2017_person", scenes)
    assert (len(persons), len(persons.boxes), persons.categories) == (4, 2, ("person",))


def test_the_strata_of_a_detection_set(scenes, monkeypatch):
    monkeypatch.setattr(source, "SMALL_STRATUM", 1)
    images = source.load("coco2017_80", scenes)
    assert images.classes == ("no objects", "other", "person")
    assert images.labels.tolist() == [2, 2, 1, 0]
    assert source.load("coco2017_person", scenes).counts() == {"no objects": 2, "person": 2}


def test_small_strata_are_one(scenes, monkeypatch):
    assert source.load("coco2017_80", scenes).classes == ("other",), "a split needs three images of each"
    monkeypatch.setattr(source, "SMALL_STRATUM", 2)
    assert source.load("coco2017_80", scenes).counts() == {"other": 2, "person": 2}


def test_an_unreadable_image_takes_no_other_ones_stratum(scenes, monkeypatch):
    monkeypatch.setattr(source, "SMALL_STRATUM", 1)
    (scenes / "val2017" / "000000000002.jpg").write_bytes(b"no picture")
    images = source.load("coco2017_80", scenes)
    assert images.labels.tolist() == [2, 1, 0]


def test_coco_person_is_built_once_and_found_again(scenes, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MBHELPERS_DATA", str(tmp_path / "home"))
    place = source.locate("coco_person", scenes)
    assert place.parent == tmp_path / "home" / "prepared"
    assert "by the rule vww" in capsys.readouterr().out
    assert sorted(f.name for f in (place / "person").iterdir()) == ["000000000001.jpg"]
    assert len(list((place / "notperson").iterdir())) == 3
    assert source.locate("coco_person", scenes.parent) == place
    assert capsys.readouterr().out == "", "there already"
    assert source.locate("coco_person", place) == place, "a folder that has been sorted is taken as it is"
    assert [f.name for f in place.parent.iterdir()] == [place.name], "nothing else is left there"
    with pytest.raises(ValueError, match=r"no annotations/, so no boxes; pass COCO's own folder"):
        source.load_detections("coco_person", place)


def test_coco_person_by_another_rule(scenes, tmp_path):
    with pytest.raises(ValueError, match="unknown rule 'mlperf'; choose from vww, mlperf_tiny"):
        source.build_person(scenes, tmp_path / "out", "mlperf")
    out = source.build_person(scenes, tmp_path / "out", "mlperf_tiny")
    made = {kind: len(list((out / kind).iterdir())) for kind in ("person", "notperson")}
    assert made == {"person": 1, "notperson": 2}, "the small one is left out"
    loose = source.build_person(scenes, tmp_path / "loose", "mlperf_tiny", percent=0.5)
    assert len(list((loose / "person").iterdir())) == 2, "the threshold is in percent"
    with pytest.raises(ValueError, match="has been sorted into person and notperson already"):
        source.build_person(out, tmp_path / "again", "vww")


def test_changed_annotations_are_sorted_anew(scenes, tmp_path, monkeypatch):
    monkeypatch.setenv("MBHELPERS_DATA", str(tmp_path / "home"))
    before = source.locate("coco_person", scenes)
    file = scenes / "annotations" / "instances_val2017.json"
    size, time = file.stat().st_size, file.stat().st_mtime_ns
    file.write_text(file.read_text().replace('"category_id": 18', '"category_id":  1'), encoding="utf-8")
    os.utime(file, ns=(time, time + 10**9))
    assert file.stat().st_size == size, "else this says nothing"
    after = source.locate("coco_person", scenes)
    counts = [len(list((place / "person").iterdir())) for place in (before, after)]
    assert counts == [1, 2], "the dog has become a person"


PROGRAM = """
import sys
from pathlib import Path
from mbhelpers.data import source
scenes, out = sys.argv[1:]
print(source.build_person(scenes, Path(out)) if out else source.locate("coco_person", scenes), flush=True)
"""


@pytest.mark.parametrize("own", [False, True], ids=["locate", "a folder of one's own"])
def test_a_second_process_waits_and_takes_what_the_first_built(scenes, tmp_path, monkeypatch, own):
    monkeypatch.setenv("MBHELPERS_DATA", str(tmp_path / "home"))
    home = tmp_path / "home" / "prepared"
    home.mkdir(parents=True)
    held = os.open(home, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    out = home / "mine" if own else None
    command = [sys.executable, "-c", PROGRAM, str(scenes), str(out or "")]
    second = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert "another process works in" in second.stdout.readline()
    monkeypatch.setattr("mbhelpers.files._HELD", {home.resolve()})  # this process is the one that holds it
    place = source.build_person(scenes, out) if out else source.locate("coco_person", scenes)
    made = (place / "manifest.json").stat().st_mtime_ns
    os.close(held)
    assert second.communicate(timeout=30)[0].splitlines() == [str(place)], "nothing is sorted again"
    assert (place / "manifest.json").stat().st_mtime_ns == made


def test_a_data_folder_that_cannot_be_written_is_named(scenes, tmp_path, monkeypatch):
    (tmp_path / "home").touch()
    monkeypatch.setenv("MBHELPERS_DATA", str(tmp_path / "home"))
    with pytest.raises(ValueError, match=r"cannot write .*prepared: Not a directory; .*MBHELPERS_DATA"):
        source.locate("coco_person", scenes)


def test_copies_are_announced_and_need_room(scenes, tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    source.build_person(scenes, tmp_path / "links")
    assert "copied" not in capsys.readouterr().out, "hard links take no room"
    monkeypatch.setattr(os, "link", refuse)
    source.build_person(scenes, tmp_path / "copies")
    assert f"{tmp_path} can't hold hard links to {scenes}: up to " in capsys.readouterr().out
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(ValueError, match=r"a copy of the pictures in .* needs .* where 10 bytes are free"):
        source.build_person(scenes, tmp_path / "full")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["coco", "copies", "links"], "nothing half-made is left"
    assert source.build_person(scenes, tmp_path / "copies") == tmp_path / "copies", "what is there needs no room"


def test_the_year_that_is_asked_for_is_the_one_that_is_fetched(scenes, tmp_path, monkeypatch):
    asked = []

    def fetched(known, folder, *, form):
        asked.append(form)
        return scenes

    monkeypatch.setattr(fetch, "fetch", fetched)
    out = source.build_person(None, tmp_path / "out", year=2017)
    assert asked == ["2017"]
    assert person.load_manifest(out)["counts"] == {"notperson": 3, "person": 1, "skipped": 0}


def test_a_sorted_folder_is_taken_unless_something_else_is_asked_for(scenes, tmp_path):
    place = source.build_person(scenes, tmp_path / "sorted", "mlperf_tiny")
    assert source.build_person(place, tmp_path / "again") == place
    assert not (tmp_path / "again").exists()
    for asked in ({"rule": "vww"}, {"percent": 1.0}, {"year": 2017}):
        with pytest.raises(ValueError, match="has been sorted into person and notperson already"):
            source.build_person(place, tmp_path / "again", **asked)


def test_class_folders_without_a_manifest_are_no_coco_person(tmp_path, make_folder):
    folder = make_folder(tmp_path / "pictures", {"person": 3, "notperson": 3})
    with pytest.raises(ValueError, match=r"has no manifest\.json, .* pass COCO's own folder, or use custom/"):
        source.load("coco_person", folder)


@pytest.mark.parametrize("percent", [-1, 100, float("nan")])
def test_a_threshold_is_a_percentage(scenes, tmp_path, percent):
    with pytest.raises(ValueError, match=r"in percent of the image, at least 0 and below 100, not"):
        source.build_person(scenes, tmp_path / "out", percent=percent)


def test_an_unreadable_image_of_a_detection_set_is_reported(scenes, capsys):
    (scenes / "val2017" / "000000000002.jpg").write_bytes(b"no picture")
    source.load("coco2017_80", scenes)
    said = capsys.readouterr().out
    assert "left out 1 of 4 files: val2017/000000000002.jpg: corrupt image" in said
    assert said.startswith("only one of COCO's train and val is here"), "the official test images are learned from"


def test_a_set_of_classes_has_no_boxes():
    with pytest.raises(ValueError, match="flowers has classes, not boxes; choose from coco_person, coco2017_person"):
        source.load_detections("flowers", "sample")
