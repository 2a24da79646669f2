"""Real COCO annotations: person labels against a plain recount, boxes against pycocotools."""

import json
from collections import Counter

import numpy as np
import pytest

from mbhelpers.data import coco, person

pytestmark = pytest.mark.real


@pytest.fixture
def folder(real):
    return real / "coco"


@pytest.fixture
def files(folder):
    return [json.loads(path.read_bytes()) for path in coco.annotation_files(folder)]


def recount(files: list[dict], rule: str) -> dict[str, str]:
    """File name to class, by nothing but the JSON and the words of the two rules."""
    classes = {}
    for file in files:
        (number,) = [c["id"] for c in file["categories"] if c["name"] == "person"]
        persons = [a for a in file["annotations"] if a["category_id"] == number]
        for image in file["images"]:
            mine = [a for a in persons if a["image_id"] == image["id"]]
            area = image["width"] * image["height"]
            if rule == "vww":
                yes, small = any(a["area"] / area >= 0.005 for a in mine), False
            else:
                mine = [a for a in mine if a["iscrowd"] == 0]
                yes, small = any(a["bbox"][2] * a["bbox"][3] / area > 0.025 for a in mine), bool(mine)
            classes[image["file_name"]] = "person" if yes else "skipped" if small else "notperson"
    return classes


@pytest.mark.parametrize("rule", ["vww", "mlperf_tiny"])
def test_person_labels_equal_a_recount_and_the_manifest_explains_each(folder, files, tmp_path, rule):
    wanted = recount(files, rule)
    manifest = person.build(folder, tmp_path / "out", person.RULES[rule])
    got = {name.rpartition("/")[2]: entry for name, entry in manifest["images"].items()}
    assert {name: entry["class"] for name, entry in got.items()} == wanted
    counts = Counter(wanted.values())
    assert manifest["counts"] == {kind: counts[kind] for kind in ("notperson", "person", "skipped")}
    assert counts["person"] > 0
    assert counts["notperson"] > 0
    for name, entry in got.items():
        assert entry["reason"], name
        if entry["class"] == "person":
            assert "at least" in entry["reason"] or ", more than" in entry["reason"]
        if entry["class"] != "skipped":
            assert (tmp_path / "out" / entry["class"] / name).is_file()
    for kind in person.CLASSES:
        assert len(list((tmp_path / "out" / kind).iterdir())) == counts[kind]


def test_boxes_are_those_of_pycocotools(folder):
    from pycocotools.coco import COCO

    found = coco.read_folder(folder)
    pixels, number = found.pixel_boxes(), dict(zip(found.paths.tolist(), range(len(found)), strict=True))
    seen = 0
    for path in coco.annotation_files(folder):
        index = COCO(str(path))
        for image, entry in index.imgs.items():
            here = found.of(number[f"{path.stem.partition('_')[2]}/{entry['file_name']}"])
            there = index.loadAnns(index.getAnnIds(imgIds=image))
            assert found.box_ids[here].tolist() == [a["id"] for a in there]
            assert found.category_ids[found.labels[here]].tolist() == [a["category_id"] for a in there]
            assert found.areas[here].tolist() == [a["area"] for a in there]
            assert found.crowd[here].tolist() == [bool(a["iscrowd"]) for a in there]
            if there:
                np.testing.assert_allclose(pixels[here], [a["bbox"] for a in there], atol=0.02)
            seen += len(there)
    assert seen == len(found.boxes) > 0
    assert len(found) == len(number)


def test_writing_keeps_everything(folder, tmp_path):
    found = coco.read_folder(folder)
    again = coco.read(coco.write(found, tmp_path / "boxes.json"), found.root, check=False)
    for name in ("paths", "image_ids", "sizes", "first", "boxes", "labels", "areas", "crowd", "box_ids"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name), err_msg=name)
