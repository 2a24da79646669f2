"""What `mbhelpers data prepare` leaves behind."""

import json
from pathlib import Path

import numpy as np
import pytest

from mbhelpers.data import coco, prepare, source
from mbhelpers.data.detections import Detections
from mbhelpers.data.folder import scan
from mbhelpers.data.split import PARTS, load_split


@pytest.fixture
def pictures(tmp_path, make_folder):
    return make_folder(tmp_path / "pictures", {"cat": 10, "dog": 10})


def test_a_second_call_keeps_the_manifest(pictures, tmp_path):
    first = prepare.write_split(scan(pictures), tmp_path / "split.json", seed=1)
    text = (tmp_path / "split.json").read_text()
    again = prepare.write_split(scan(pictures), tmp_path / "split.json", seed=1)
    assert (tmp_path / "split.json").read_text() == text
    assert all((again.paths[part] == first.paths[part]).all() for part in PARTS)


def test_a_manifest_of_other_data_or_another_seed_is_refused(pictures, tmp_path, make_folder):
    prepare.write_split(scan(pictures), tmp_path / "split.json", seed=1)
    text = (tmp_path / "split.json").read_text()
    with pytest.raises(ValueError, match="was made with seed 1, not 2; delete it to split anew"):
        prepare.write_split(scan(pictures), tmp_path / "split.json", seed=2)
    (pictures / "cat" / "cat_003.png").unlink()
    with pytest.raises(ValueError, match=r"cat_003\.png"):
        prepare.write_split(scan(pictures), tmp_path / "split.json", seed=1)
    assert (tmp_path / "split.json").read_text() == text, "nothing already made is lost"


def test_pictures_in_two_classes_are_named(pictures, tmp_path, capsys):
    copied = (pictures / "cat" / "cat_000.png").read_bytes()
    (pictures / "dog" / "also.png").write_bytes(copied)
    prepare.prepare("custom", pictures, tmp_path, seed=1)
    assert "1 pictures lie in two class folders: cat/cat_000.png = dog/also.png" in capsys.readouterr().out


def test_results_stay_out_of_the_class_folders(pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(pictures)
    for out in (pictures / "out", Path("out"), pictures / "cat" / "out"):
        with pytest.raises(ValueError, match="where each folder is a class; choose a folder outside"):
            prepare.prepare("custom", pictures, out, seed=1)
    assert sorted(f.name for f in pictures.iterdir()) == ["cat", "dog"]
    prepare.prepare("custom", pictures, pictures, seed=1)
    prepare.prepare("custom", pictures, pictures, seed=1)
    assert (pictures / "split.json").is_file(), "beside them a file does no harm"


def test_a_detection_set_gets_a_coco_file_for_each_part(tmp_path, capsys, draw):
    top = tmp_path / "coco"
    (top / "val2017").mkdir(parents=True)
    (top / "annotations").mkdir()
    images, annotations = [], []
    for k in range(1, 21):
        draw(k, 80).save(top / "val2017" / f"{k}.jpg")
        images.append({"id": k, "file_name": f"{k}.jpg", "width": 80, "height": 80})
        box = {"bbox": [k, 10, 20, 30], "area": 500.0, "iscrowd": 0, "category_id": 1 if k % 2 else 18}
        annotations.append({"id": k, "image_id": k} | box)
    annotations[2]["bbox"] = [70, 10, 20, 30]
    categories = [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (top / "annotations" / "instances_val2017.json").write_text(json.dumps(content))
    _, split = prepare.prepare("coco2017_person", top, tmp_path / "out", seed=1)
    said = capsys.readouterr().out
    assert "1 remarks on the annotations, such as val2017/3.jpg: box 3" in said, "what is changed is said"
    whole = source.load_detections("coco2017_person", top)
    parts = {part: coco.read(tmp_path / "out" / f"instances_{part}.json", top) for part in PARTS}
    assert {part: len(found) for part, found in parts.items()} == {p: len(names) for p, names in split.paths.items()}
    assert sorted(np.concatenate([found.image_ids for found in parts.values()])) == list(range(1, 21))
    assert sum(len(found.boxes) for found in parts.values()) == len(whole.boxes) == 10
    assert load_split(tmp_path / "out" / "split.json").classes == ("no objects", "person")


def test_parts_have_the_images_of_the_split_by_name(tmp_path, pictures):
    images = scan(pictures)
    split = prepare.write_split(images, tmp_path / "split.json", seed=1)
    n = len(images)
    empty = Detections(
        root=pictures,
        categories=("person",),
        category_ids=np.array([1]),
        paths=images.paths,
        image_ids=np.arange(n),
        sizes=images.sizes,
        first=np.zeros(n + 1, np.int64),
        boxes=np.zeros((0, 4), np.float32),
        labels=np.zeros(0, np.int64),
        areas=np.zeros(0),
        crowd=np.zeros(0, bool),
    )
    for part, found in prepare.parts_of(empty, split).items():
        assert found.paths.tolist() == sorted(split.paths[part].tolist())
