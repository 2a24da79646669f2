"""COCO's JSON: what is read, what is refused, and that what is written reads back the same."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mbhelpers.data import coco, coco_json

ARRAYS = ("category_ids", "paths", "image_ids", "sizes", "first", "boxes", "labels", "areas", "crowd", "box_ids")


def content() -> dict:
    """Three images, one without boxes; ids that are neither in order nor without gaps."""
    return {
        "info": {},
        "images": [
            {"id": 30, "file_name": "b é.jpg", "width": 200, "height": 100},
            {"id": 10, "file_name": "c.jpg", "width": 50, "height": 60},
            {"id": 20, "file_name": "a.jpg", "width": 640, "height": 427},
        ],
        "annotations": [
            box(7, 20, 90, [1.08, 187.69, 611.59, 200.01], area=120057.13925),
            box(3, 30, 1, [20, 10, 100, 50], area=2500.5, iscrowd=1),
            box(5, 20, 1, [0, 0, 640, 427], segmentation=[[1.5, 2, 3, 4]]),
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 90, "name": "toothbrush", "supercategory": "indoor"}],
    }


def box(number, image, category, bbox, **more) -> dict:
    return {"id": number, "image_id": image, "category_id": category, "bbox": bbox, "area": 9.0, "iscrowd": 0} | more


def lay(root: Path, what: dict | str, name: str = "val2017", files: bool = True) -> Path:
    """Write an annotation file and its images into COCO's layout."""
    path = root / "annotations" / f"instances_{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(what if isinstance(what, str) else json.dumps(what), encoding="utf-8")
    (root / name).mkdir(exist_ok=True)
    if files:
        for image in json.loads(path.read_text(encoding="utf-8"))["images"]:
            Image.new("RGB", (8, 8)).save(root / name / image["file_name"])
    return path


def assert_same(a, b):
    assert a.categories == b.categories
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


def test_a_folder_is_read(tmp_path):
    lay(tmp_path, content())
    found = coco.read_folder(tmp_path)
    assert found.root == tmp_path
    assert found.paths.tolist() == ["val2017/a.jpg", "val2017/b é.jpg", "val2017/c.jpg"], "sorted, set recoverable"
    assert found.image_ids.tolist() == [20, 30, 10]
    assert found.sizes.tolist() == [[640, 427], [200, 100], [50, 60]]
    assert found.first.tolist() == [0, 2, 3, 3], "the last image has no boxes and stays"
    assert found.categories == ("person", "toothbrush")
    assert found.category_ids[found.labels].tolist() == [90, 1, 1], "ids mapped, and back; file order in an image"
    assert found.box_ids.tolist() == [7, 5, 3]
    assert found.areas.tolist() == [120057.13925, 9.0, 2500.5]
    assert found.crowd.tolist() == [False, False, True]
    assert found.boxes.dtype == np.float32
    np.testing.assert_allclose(found.boxes[1:], [[0, 0, 1, 1], [0.1, 0.1, 0.6, 0.6]], rtol=1e-7)
    assert found.problems == ()


def test_categories_can_be_chosen(tmp_path):
    lay(tmp_path, content())
    found = coco.read_folder(tmp_path, categories=("toothbrush",))
    assert found.categories == ("toothbrush",)
    assert found.labels.tolist() == [0]
    assert len(found) == 3, "images without a box of it stay"


CASES = [
    # bbox in an image of 200 x 100, corners as shares or None if left out, words in problems or None
    ([0, 0, 200, 100], [0, 0, 1, 1], None, "touches the border"),
    ([150, 50, 50.01, 50], [0.75, 0.5, 1, 1], None, "COCO's rounding is no problem"),
    ([150, 50, 51, 50], [0.75, 0.5, 1, 1], "1.00 px over the border: clipped", "over the right border"),
    ([-10, -5, 30, 25], [0, 0, 0.1, 0.2], "10.00 px over", "over the left and top borders"),
    ([10, 10, 0, 20], None, "no area", "no width"),
    ([10, 10, 20, -3], None, "no area", "negative height"),
    ([300, 10, 20, 20], None, "no area", "wholly outside"),
    ([float("nan"), 10, 20, 20], None, "nan", "NaN, which Python's json writes"),
    ([10, 10, float("nan"), 20], None, "nan", "NaN as a width"),
    ([10, 10, float("inf"), 20], None, "no area", "a width without end"),
    ([float("-inf"), 10, float("inf"), 20], None, "no area", "from nowhere to nowhere"),
    ([10, 10, 10**30, 20], [0.05, 0.1, 1, 0.3], "clipped", "a very large whole number"),
]


@pytest.mark.parametrize(("bbox", "shares", "problem", "why"), CASES, ids=[case[-1] for case in CASES])
def test_boxes_at_the_border(tmp_path, bbox, shares, problem, why):
    lay(tmp_path, content() | {"annotations": [box(4, 30, 1, bbox), box(8, 10, 1, [0, 0, 5, 6])]})
    found = coco.read_folder(tmp_path)
    assert found.box_ids.tolist() == ([8] if shares is None else [4, 8]), why
    if shares is not None:
        np.testing.assert_allclose(found.boxes[0], shares, atol=1e-6)
    if problem is None:
        assert found.problems == ()
    else:
        ((where, what),) = found.problems
        assert where == "val2017/b é.jpg"
        assert "box 4" in what
        assert problem in what


def test_an_area_that_is_missing_is_the_box(tmp_path):
    lone = box(4, 30, 1, [190, 0, 20, 10])
    del lone["area"], lone["iscrowd"]
    lay(tmp_path, content() | {"annotations": [lone]})
    found = coco.read_folder(tmp_path)
    np.testing.assert_allclose(found.areas, [100], rtol=1e-6, err_msg="of the part inside")
    assert not found.crowd[0]


def test_no_annotations_at_all(tmp_path):
    lay(tmp_path, content() | {"annotations": []})
    found = coco.read_folder(tmp_path)
    assert found.first.tolist() == [0, 0, 0, 0]
    assert found.boxes.shape == (0, 4)


def without(kind: str, key: str) -> dict:
    changed = content()
    for entry in changed[kind][:2]:
        del entry[key]
    return changed


def extended(kind: str, **entry) -> dict:
    changed = content()
    changed[kind].append(changed[kind][0] | entry)
    return changed


TEXT = json.dumps(content())
BAD = [
    ("", "not valid JSON.*truncated", "empty file"),
    (TEXT[: len(TEXT) // 2], "not valid JSON.*truncated", "truncated in the annotations"),
    ("[" * 100_000, "not valid JSON", "lists in lists without end"),
    ("[1, 2]", "no list of images and of annotations and of categories", "another JSON"),
    (json.dumps({k: v for k, v in content().items() if k != "categories"}), "list of categories.*captions", "captions"),
    (json.dumps({k: v for k, v in content().items() if k != "annotations"}), "list of annotations.*image_info", "test"),
    (json.dumps(content() | {"annotations": {}}), "no list of annotations", "annotations are no list"),
    (without("annotations", "bbox"), r"2 of 3 annotations.*id 7 \(.*`bbox`.*id 3", "no boxes: keys named, with ids"),
    (without("images", "width"), r"2 of 3 images.*id 30 \(.*`width`", "no sizes"),
    (without("images", "id"), r"number 1 \(.*`id`", "no id, so counted"),
    (extended("annotations", id=99, bbox=[1, 2, 3]), r"1 of 4 annotations.*id 99 .*length 4", "three numbers"),
    (extended("annotations", id=99, bbox=[1, 2, None, 4]), "id 99", "null in a box"),
    (extended("annotations", id=99, bbox=[1, 2, 3, 4, 5]), "id 99", "five numbers"),
    (extended("annotations", id=99, iscrowd="yes"), "id 99", "crowd in words"),
    (extended("annotations", id=99, iscrowd=2), "id 99", "crowd as another number"),
    (extended("annotations", id=99, iscrowd=2**70), "id 99", "crowd beyond 64 bits"),
    (extended("annotations", id=99, area=-1), r"1 annotations \(id 99\) have an area of less than 0", "negative area"),
    (extended("annotations", id=99, area=float("inf")), r"\(id 99\) have an area of .*without end", "infinite area"),
    (extended("annotations", id=99, area=None), "id 99", "no area, in the wrong way"),
    (extended("annotations", id=99, bbox=["1", "2", "3", "4"]), "id 99", "a box in words"),
    (extended("annotations", id=99, bbox=[]), "id 99", "an empty box"),
    (extended("annotations", id="x"), "id x", "an id that is text"),
    (extended("annotations", id=2**70), "id 1180591620717411303424", "an id beyond 64 bits"),
    (extended("images", file_name="d.jpg"), r"1 images \(id 30\) are there more than once", "image id twice"),
    (extended("annotations"), r"1 annotations \(id 7\) are there more than once", "annotation id twice"),
    (extended("categories", name="x"), r"1 categories \(id 1\) are there more than once", "category id twice"),
    (extended("categories", id=2), "two categories named 'person'", "category name twice"),
    (extended("images", id=31), "lists the file b é.jpg twice", "file twice"),
    (extended("annotations", id=8, image_id=31), r"annotations \(id 8\) have a image_id.*such as 31", "unknown image"),
    (extended("annotations", id=8, category_id=2), r"\(id 8\) have a category_id.*such as 2", "unknown category"),
    (extended("images", id=31, file_name="d.jpg", width=0), r"images \(id 31\).*0 or less", "no width"),
    (extended("images", id=31, file_name="../d.jpg"), "'../d.jpg' leaves the folder", "up and out"),
    (extended("images", id=31, file_name="x/../../d.jpg"), "leaves the folder", "in, up and out"),
    (extended("images", id=31, file_name="/d.jpg"), "leaves the folder", "absolute"),
    (extended("images", id=31, file_name="..\\d.jpg"), "leaves the folder", "backslash"),
    (extended("images", id=31, file_name=""), "leaves the folder", "no name"),
    (content() | {"images": [], "annotations": []}, "lists no images", "no images"),
    (content() | {"annotations": [], "categories": []}, "lists no categories", "no categories"),
]


@pytest.mark.parametrize("small", [True, False], ids=["small", "large"])
@pytest.mark.parametrize(("what", "message", "why"), BAD, ids=[case[-1] for case in BAD])
def test_bad_files_are_refused(tmp_path, monkeypatch, what, message, why, small):
    if not small:
        monkeypatch.setattr(coco_json, "SMALL", 0)
    path = lay(tmp_path, what, files=False)
    with pytest.raises(ValueError, match=message) as caught:
        coco.read(path, check=False)
    assert str(path) in str(caught.value)


def test_two_dots_in_a_name_are_no_way_out(tmp_path):
    lay(tmp_path, extended("images", id=31, file_name="d..e.jpg"))
    assert "val2017/d..e.jpg" in coco.read_folder(tmp_path).paths.tolist()


def test_many_pieces_make_one_whole(tmp_path, monkeypatch):
    """Cuts that fall into a string or a list of objects are moved on."""
    changed = content()
    traps = {"note": "a}, {b", "parts": [{"x": 1}, {"x": 2}], "segmentation": {"counts": [1, 2], "size": [3, 4]}}
    changed["annotations"] = [box(k, 20, 1, [k, 1, 2, 3]) | (traps if k % 3 else {}) for k in range(50)]
    path = lay(tmp_path, changed)
    whole = coco.read(path)
    monkeypatch.setattr(coco_json, "SMALL", 0)
    monkeypatch.setattr(coco_json, "PIECE", 10)
    pieces = 0
    decode = coco_json._to_rows

    def counted(piece):
        nonlocal pieces
        pieces += 1
        return decode(piece)

    monkeypatch.setattr(coco_json, "_to_rows", counted)
    assert_same(coco.read(path), whole)
    assert pieces == 50
    assert whole.box_ids.tolist() == list(range(50))


@pytest.mark.parametrize("small", [1 << 20, 0])
def test_the_fast_parser_serves_what_is_valid(tmp_path, monkeypatch, small):
    monkeypatch.setattr(coco_json, "SMALL", small)
    monkeypatch.setattr(coco_json, "_load_slowly", lambda path: pytest.fail("the slow parser was asked"))
    lay(tmp_path, content())
    assert len(coco.read_folder(tmp_path)) == 3


# ---- Folders and years


def test_train_and_val_are_joined(tmp_path):
    other = content()
    for kind in ("images", "annotations"):
        for entry in other[kind]:
            entry["id"] += 100
            if kind == "annotations":
                entry["image_id"] += 100
    lay(tmp_path, content(), "val2017")
    lay(tmp_path, other, "train2017")
    found = coco.read_folder(tmp_path)
    assert found.paths.tolist() == sorted(found.paths.tolist())
    assert found.image_ids.tolist() == [120, 130, 110, 20, 30, 10]
    assert found.box_ids.tolist() == [107, 105, 103, 7, 5, 3]
    assert found.first.tolist() == [0, 2, 3, 3, 5, 6, 6]
    assert coco.official_parts(found.paths).tolist() == ["train"] * 3 + ["test"] * 3
    assert coco.official_parts(found.paths[:3]) is None
    assert coco.official_parts(found.paths[3:]) is None
    assert coco.official_parts(np.array(["a.jpg", "val/b.jpg"])) is None


def test_train_and_val_must_not_share_numbers(tmp_path):
    lay(tmp_path, content(), "val2017")
    lay(tmp_path, content(), "train2017")
    with pytest.raises(ValueError, match=r"3 images \(id 10, 20, 30\)"):
        coco.read_folder(tmp_path)


def test_train_and_val_must_have_the_same_categories(tmp_path):
    lay(tmp_path, content(), "val2017")
    lay(tmp_path, content() | {"categories": content()["categories"][::-1]}, "train2017")
    with pytest.raises(ValueError, match="differ in their categories"):
        coco.read_folder(tmp_path)


def test_the_year_must_be_chosen_where_there_are_two(tmp_path):
    lay(tmp_path, content(), "val2017")
    lay(tmp_path, content(), "val2014")
    with pytest.raises(ValueError, match=r"2014 and 2017.*--year"):
        coco.read_folder(tmp_path)
    assert coco.read_folder(tmp_path, 2014).paths[0] == "val2014/a.jpg"
    assert [path.name for path in coco.annotation_files(tmp_path, 2017)] == ["instances_val2017.json"]
    with pytest.raises(ValueError, match="nothing of 2015, only of 2014 and 2017"):
        coco.read_folder(tmp_path, 2015)


def test_a_folder_without_annotations(tmp_path):
    with pytest.raises(ValueError, match=r"no instances_train<year>\.json"):
        coco.read_folder(tmp_path)
    with pytest.raises(ValueError, match="cannot read"):
        coco.read(tmp_path / "annotations" / "instances_val2017.json")


def test_the_folder_of_the_images_can_be_named(tmp_path):
    path = lay(tmp_path / "coco", content())
    own = path.rename(tmp_path / "mine.json")
    with pytest.raises(ValueError, match="Pass it as images="):
        coco.read(own)
    images = tmp_path / "coco" / "val2017"
    assert coco.read(own, images).paths[0] == "a.jpg"
    assert coco.read(own, images, root=tmp_path).paths[0] == "coco/val2017/a.jpg"
    with pytest.raises(ValueError, match="does not lie in"):
        coco.read(own, images, root=tmp_path / "other")


# ---- Files


def test_listed_but_absent(tmp_path):
    path = lay(tmp_path, content())
    (tmp_path / "val2017" / "c.jpg").unlink()
    with pytest.raises(ValueError, match=r"1 of 3 images .*val2017/c.jpg; unpack"):
        coco.read(path)
    assert len(coco.read(path, check=False)) == 3
    for file in (tmp_path / "val2017").iterdir():
        file.unlink()
    (tmp_path / "val2017").rmdir()
    with pytest.raises(ValueError, match="3 of 3 images"):
        coco.read(path)


def test_annotations_of_both_but_images_of_one(tmp_path):
    """COCO's archive of annotations holds train's and val's, whichever images were fetched."""
    lay(tmp_path, content())
    other = lay(tmp_path, content(), "train2017")
    shutil.rmtree(tmp_path / "train2017")
    with pytest.raises(ValueError, match=r"instances_train2017\.json but no folder train2017/; .* move that file"):
        coco.read_folder(tmp_path)
    other.unlink()
    assert len(coco.read_folder(tmp_path)) == 3


def test_there_but_not_listed(tmp_path):
    path = lay(tmp_path, content())
    (tmp_path / "val2017" / "x.jpg").touch()
    (tmp_path / "val2017" / ".hidden.jpg").touch()
    (tmp_path / "val2017" / "a.xml").touch()
    ((where, what),) = coco.read(path).problems
    assert where == "val2017"
    assert what == "1 images that are not annotated, such as val2017/x.jpg"


# ---- Writing


def random_detections(root: Path):
    """Boxes with as many digits as floats have, and crowds, in a shuffled order of categories."""
    rng = np.random.default_rng(0)
    changed = content()
    changed["annotations"] = [
        box(
            int(k) + 1,
            int(rng.choice([10, 20, 30])),
            int(rng.choice([1, 90])),
            [*(rng.random(2) * 30), *(rng.random(2) * 40 + 1e-3)],
            area=rng.random() * 1000,
            iscrowd=int(k % 5 == 0),
        )
        for k in rng.permutation(300)
    ]
    return coco.read(lay(root, changed)), changed


def test_write_and_read_back(tmp_path):
    found, _ = random_detections(tmp_path)
    written = coco.write(found, tmp_path / "out" / "boxes.json")
    assert_same(coco.read(written, found.root), found)
    chosen = found.only(("toothbrush", "person")).select(np.array([2, 0]))
    assert_same(coco.read(coco.write(chosen, written), found.root, check=False), coco_sorted(chosen))


def coco_sorted(found):
    return found.select(np.argsort(found.paths))


def test_pixels_come_back(tmp_path):
    """Numbers with two decimals exactly, any others to a thousandth of a pixel."""
    found, given = random_detections(tmp_path / "a")
    entries = json.loads(coco.write(found, tmp_path / "a.json").read_bytes())["annotations"]
    wanted = {entry["id"]: entry for entry in given["annotations"]}
    sizes = {image["id"]: (image["width"], image["height"]) * 2 for image in given["images"]}
    for entry in entries:
        x, y, w, h = wanted[entry["id"]]["bbox"]
        corners = np.clip([x, y, x + w, y + h], 0, sizes[entry["image_id"]])
        inside = [*corners[:2], *(corners[2:] - corners[:2])]
        np.testing.assert_allclose(entry["bbox"], inside, atol=1e-3)
        assert entry["area"] == wanted[entry["id"]]["area"]
        assert entry["iscrowd"] == wanted[entry["id"]]["iscrowd"]

    plain = coco.read(lay(tmp_path / "b", content()))
    entries = json.loads(coco.write(plain, tmp_path / "b.json").read_bytes())["annotations"]
    assert {e["id"]: e["bbox"] for e in entries} == {e["id"]: e["bbox"] for e in content()["annotations"]}


def test_pycocotools_reads_what_is_written(tmp_path, capsys):
    from pycocotools.coco import COCO

    found, _ = random_detections(tmp_path)
    index = COCO(str(coco.write(found, tmp_path / "boxes.json")))
    assert sorted(index.getImgIds()) == sorted(found.image_ids.tolist())
    assert index.loadCats(index.getCatIds()) == [{"id": 1, "name": "person"}, {"id": 90, "name": "toothbrush"}]
    pixels = found.pixel_boxes()
    for image, number in enumerate(found.image_ids.tolist()):
        there = index.loadAnns(index.getAnnIds(imgIds=number))
        here = found.of(image)
        assert [entry["id"] for entry in there] == found.box_ids[here].tolist()
        assert [entry["bbox"] for entry in there] == pixels[here].tolist()
        assert [bool(entry["iscrowd"]) for entry in there] == found.crowd[here].tolist()


def test_write_refuses_numbers_twice_and_leaves_nothing(tmp_path):
    found = coco.read(lay(tmp_path, content()))
    twice = found.select(np.array([0, 0]))
    with pytest.raises(ValueError, match=r"1 images \(id 20\)"):
        coco.write(twice, tmp_path / "out.json")
    assert not list(tmp_path.glob("*out.json*"))
