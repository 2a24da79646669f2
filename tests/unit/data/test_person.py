"""Person or no person: the two rules, the folders, and the manifest that explains them."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from mbhelpers.data import coco, folder, person

VWW, TINY = person.RULES["vww"], person.RULES["mlperf_tiny"]
PERSON, DOG = 1, 18
SIDE = 200  # of the images; 0.5 % are 200 pixels, 2.5 % are 1000


def box(category, width, height, area=None, crowd=0):
    return {"category_id": category, "bbox": [1, 2, width, height], "area": area or width * height, "iscrowd": crowd}


CASES = [
    # boxes, label by vww, label by mlperf_tiny, words in the two reasons
    ([], 0, 0, "no person", "no person", "nothing"),
    ([box(DOG, 150, 150)], 0, 0, "no person", "no person", "another animal"),
    ([box(PERSON, 100, 50, area=3000)], 1, 1, "segment 7.50 %", "box 12.50 %", "large"),
    ([box(PERSON, 20, 10, area=200)], 1, -1, "0.500000 % of the image, at least 0.5 %", "box 0.50 %", "just 0.5 %"),
    (
        [box(PERSON, 20, 10, area=199.9)],
        0,
        -1,
        "0.499750 % of the image, less than 0.5 %",
        "0.50 %",
        "just below 0.5 %",
    ),
    ([box(PERSON, 40, 25, area=199)], 0, -1, "less than", "2.500000 % of the image, not more than 2.5 %", "just 2.5 %"),
    (
        [box(PERSON, 40, 25.01, area=300)],
        1,
        1,
        "0.75 %",
        "2.501000 % of the image, more than 2.5 %",
        "just above 2.5 %",
    ),
    ([box(PERSON, 100, 50, crowd=1)], 1, 0, "segment 12.50 %", "a crowd of persons only", "a crowd alone"),
    ([box(PERSON, 100, 50, crowd=1), box(PERSON, 9, 9)], 1, -1, "12.50 %", "box 0.20 %", "a crowd and a small one"),
    ([box(PERSON, 100, 50, crowd=1), box(PERSON, 90, 50)], 1, 1, "12.50 %", "box 11.25 %", "a crowd and a large one"),
    ([box(PERSON, 9, 9), box(PERSON, 100, 50), box(PERSON, 30, 9)], 1, 1, "12.50 %", "12.50 %", "the largest counts"),
    ([box(PERSON, 20, 9, area=180)] * 3, 0, -1, "0.45 %", "0.45 %", "small ones do not add up"),
    ([box(DOG, 150, 150), box(PERSON, 9, 9)], 0, -1, "0.20 %", "0.20 %", "a small one and a dog"),
]


def lay(root, cases=CASES, name="val2017", first=0):
    """One image a case, in COCO's layout."""
    images, annotations = [], []
    (root / name).mkdir(parents=True)
    (root / "annotations").mkdir(exist_ok=True)
    for k, case in enumerate(cases, start=first):
        file = f"{k:03d}.jpg"
        images.append({"id": k, "file_name": file, "width": SIDE, "height": SIDE})
        Image.new("RGB", (SIDE, SIDE), (k, k, k)).save(root / name / file)
        annotations += [{"id": 1000 * k + j, "image_id": k, **one} for j, one in enumerate(case[0])]
    categories = [{"id": DOG, "name": "dog"}, {"id": PERSON, "name": "person"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations" / f"instances_{name}.json").write_text(json.dumps(content))
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return lay(tmp_path_factory.mktemp("coco"))


@pytest.fixture(scope="module")
def found(root):
    return coco.read_folder(root)


def test_the_rules_are_the_published_ones():
    assert set(person.RULES) == {"vww", "mlperf_tiny"}
    assert all(name == rule.name for name, rule in person.RULES.items())
    assert (VWW.measure, VWW.threshold, VWW.inclusive, VWW.crowds, VWW.small) == (
        "segment",
        0.005,
        True,
        True,
        "negative",
    )
    assert (TINY.measure, TINY.threshold, TINY.inclusive, TINY.crowds, TINY.small) == (
        "box",
        0.025,
        False,
        False,
        "skip",
    )


def test_the_class_order():
    assert person.CLASSES == ("notperson", "person")
    assert list(person.CLASSES) == sorted(person.CLASSES), "as a folder of them is read"


@pytest.mark.parametrize("k", range(len(CASES)), ids=[case[-1] for case in CASES])
def test_each_rule_on_each_case(found, k):
    _, vww, tiny, vww_words, tiny_words, _ = CASES[k]
    for rule, wanted, words in ((VWW, vww, vww_words), (TINY, tiny, tiny_words)):
        labels, reasons = person.label(found, rule)
        assert labels.dtype == np.int8
        assert labels[k] == wanted
        assert words in reasons[k]


def test_reasons_in_full(found):
    assert person.label(found, VWW)[1][2] == "largest person segment 7.50 % of the image, at least 0.5 %"
    assert person.label(found, TINY)[1][7] == "a crowd of persons only, which this rule does not count"


def test_thresholds_can_be_changed(found):
    counts = [int((person.label(found, VWW.with_threshold(t))[0] == 1).sum()) for t in (0, 0.005, 0.08, 0.2)]
    assert counts == [11, 7, 4, 0]
    assert "less than 8 %" in person.label(found, VWW.with_threshold(0.08))[1][2]
    assert VWW.threshold == 0.005
    assert VWW.with_threshold(0.7 / 100).threshold == 0.007, "as percent are given"
    for wrong in (-0.1, 1, 2.5, float("nan")):
        with pytest.raises(ValueError, match="share of the image"):
            VWW.with_threshold(wrong)


def test_a_set_without_persons_is_refused(found):
    with pytest.raises(ValueError, match="no category person"):
        person.label(found.only(("dog",)), VWW)


# ---- Folders


@pytest.mark.parametrize("rule", [VWW, TINY], ids=lambda rule: rule.name)
def test_build_sorts_and_explains_every_image(root, found, tmp_path, rule):
    manifest = person.build(root, tmp_path / "out", rule)
    labels, reasons = person.label(found, rule)
    assert list(manifest["images"]) == found.paths.tolist(), "each image once"
    for name, k, reason in zip(found.paths.tolist(), labels.tolist(), reasons.tolist(), strict=True):
        entry = manifest["images"][name]
        assert entry["set"] == "val"
        assert entry["reason"] == reason
        assert entry["class"] == {1: "person", 0: "notperson", -1: "skipped"}[k]
        if k < 0:
            assert "file" not in entry
        else:
            assert entry["file"] == f"{entry['class']}/{name[-7:]}"
            assert (tmp_path / "out" / entry["file"]).read_bytes() == (root / name).read_bytes()
    there = {kind: len(list((tmp_path / "out" / kind).iterdir())) for kind in person.CLASSES}
    assert manifest["counts"] == {**there, "skipped": int((labels < 0).sum())}
    assert manifest["classes"] == ["notperson", "person"]
    assert manifest["rule"]["threshold"] == rule.threshold
    assert list(manifest["annotations"]) == ["annotations/instances_val2017.json"]
    assert person.load_manifest(tmp_path / "out") == manifest
    read = folder.scan(tmp_path / "out", person.CLASSES)
    assert read.classes == person.CLASSES
    assert person.official_parts(read) is None, "only val is there"


def test_links_where_there_are_some_else_copies(root, tmp_path, monkeypatch):
    person.build(root, tmp_path / "a", VWW)
    image = next((tmp_path / "a" / "person").iterdir())
    assert image.samefile(root / "val2017" / image.name)

    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    person.build(root, tmp_path / "b", VWW)
    copy = tmp_path / "b" / "person" / image.name
    assert not copy.samefile(image)
    assert copy.read_bytes() == image.read_bytes()


def test_building_again_is_no_work(root, tmp_path):
    first = person.build(root, tmp_path / "out", VWW)
    (tmp_path / "out" / "split.json").write_text("{}")  # what later stages put there stays
    before = {file: file.stat().st_ctime_ns for file in (tmp_path / "out").rglob("*")}
    assert person.build(root, tmp_path / "out", VWW) == first
    assert {file: file.stat().st_ctime_ns for file in (tmp_path / "out").rglob("*")} == before


def test_other_inputs_are_refused(root, tmp_path):
    person.build(root, tmp_path / "out", VWW)
    with pytest.raises(ValueError, match=r"built by the rule vww at 0.5 %, not vww at 1 %.*--out"):
        person.build(root, tmp_path / "out", VWW.with_threshold(0.01))
    other = lay(tmp_path / "other", CASES[:5])
    with pytest.raises(ValueError, match="built from other annotation files"):
        person.build(other, tmp_path / "out", VWW)
    lost = next((tmp_path / "out" / "person").iterdir())
    lost.unlink()
    with pytest.raises(ValueError, match=f"lacks 1 of its images, such as person/{lost.name}"):
        person.build(root, tmp_path / "out", VWW)


def test_a_folder_of_other_things_is_left_alone(root, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds other files and no manifest\.json"):
        person.build(root, tmp_path, VWW)
    with pytest.raises(ValueError, match="is a file"):
        person.build(root, tmp_path / "mine.txt", VWW)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ValueError, match="no manifest of persons"):
        person.build(root, tmp_path, VWW)


def test_nothing_is_left_of_a_failure(root, tmp_path, monkeypatch):
    monkeypatch.setattr(person, "write_json", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        person.build(root, tmp_path / "out", VWW)
    assert not list(tmp_path.iterdir())


def test_train_and_val_become_train_and_test(tmp_path):
    lay(tmp_path / "coco", CASES[:4], "train2014")
    lay(tmp_path / "coco", CASES[:3], "val2014", first=10)
    manifest = person.build(tmp_path / "coco", tmp_path / "out", VWW, year=2014)
    assert [entry["set"] for entry in manifest["images"].values()] == ["train"] * 4 + ["val"] * 3
    images = folder.scan(tmp_path / "out", person.CLASSES)
    parts = dict(zip(images.paths.tolist(), person.official_parts(images).tolist(), strict=True))
    assert parts["person/002.jpg"] == "train"
    assert parts["person/012.jpg"] == "test"
    assert sorted(parts.values()) == ["test"] * 3 + ["train"] * 4
    Image.new("RGB", (SIDE, SIDE)).save(tmp_path / "out" / "person" / "own.jpg")
    with pytest.raises(ValueError, match=r"1 images that its manifest does not list, such as person/own\.jpg"):
        person.official_parts(folder.scan(tmp_path / "out", person.CLASSES))


def test_an_official_part_without_images_is_none(tmp_path):
    """Else a split would get an empty test part."""
    lay(tmp_path / "coco", CASES[:4], "train2014")
    lay(tmp_path / "coco", CASES[:3], "val2014", first=10)
    person.build(tmp_path / "coco", tmp_path / "out", VWW)
    for file in (tmp_path / "out").glob("*/01?.jpg"):
        file.unlink()
    images = folder.scan(tmp_path / "out", person.CLASSES)
    assert len(images) == 4
    assert person.official_parts(images) is None


def test_the_same_name_in_both_sets_is_refused(tmp_path):
    lay(tmp_path / "coco", CASES[:4], "train2014")
    lay(tmp_path / "coco", CASES[:1], "val2014", first=10)
    path = tmp_path / "coco" / "annotations" / "instances_val2014.json"
    path.write_text(path.read_text().replace("010.jpg", "001.jpg"))
    (tmp_path / "coco" / "val2014" / "010.jpg").rename(tmp_path / "coco" / "val2014" / "001.jpg")
    with pytest.raises(ValueError, match=r"train2014/001\.jpg and val2014/001\.jpg have the same file name"):
        person.build(tmp_path / "coco", tmp_path / "out", VWW)
    assert not (tmp_path / "out").exists()
