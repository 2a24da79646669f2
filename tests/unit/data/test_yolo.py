"""YOLO's text files."""

import numpy as np
import pytest
from PIL import Image

from mbhelpers.data import yolo


def lay(root, labels: dict[str, str | None], size=(100, 50)):
    """An image for each name, and a label file where there is text."""
    for folder in ("images", "labels"):
        (root / folder).mkdir(exist_ok=True)
    for name, text in labels.items():
        Image.new("RGB", size).save(root / "images" / name)
        if text is not None:
            (root / "labels" / name).with_suffix(".txt").write_text(text)
    return root / "labels", root / "images"


def test_a_folder_is_read(tmp_path):
    texts = {"b ü.jpg": "1 0.5 0.5 1 1\n\n0 0.25 0.5 0.5 0.2\r\n", "a.png": None, "c.jpg": ""}
    found = yolo.read(*lay(tmp_path, texts), ["person", "dog"])
    assert found.categories == ("person", "dog")
    assert found.category_ids.tolist() == [0, 1]
    assert found.paths.tolist() == ["a.png", "b ü.jpg", "c.jpg"], "images without boxes stay"
    assert found.first.tolist() == [0, 0, 2, 2]
    assert found.labels.tolist() == [1, 0]
    np.testing.assert_allclose(found.boxes, [[0, 0, 1, 1], [0, 0.4, 0.5, 0.6]], atol=1e-7)
    np.testing.assert_allclose(found.areas, [5000, 500], rtol=1e-6)
    assert found.problems == ()


def test_names_from_a_file(tmp_path):
    labels, images = lay(tmp_path, {"a.jpg": "1 0.5 0.5 1 1"})
    (labels / "classes.txt").write_text("person\ndog \n\n")
    assert yolo.read(labels, images, labels / "classes.txt").categories == ("person", "dog")
    assert yolo.read(labels, images, str(labels / "classes.txt")).categories == ("person", "dog"), "no letters"
    (labels / "classes.txt").write_text("person\ndog\n", encoding="utf-8-sig")
    (labels / "a.txt").write_text("1 0.5 0.5 1 1", encoding="utf-8-sig")
    assert yolo.read(labels, images, labels / "classes.txt").counts() == {"person": 0, "dog": 1}, "as Windows writes"
    with pytest.raises(ValueError, match="two categories named 'x'"):
        yolo.read(labels, images, ["x", "x"])
    with pytest.raises(ValueError, match="pass the names in it as a list"):
        yolo.read(labels, images, tmp_path / "data.yaml")
    with pytest.raises(ValueError, match="cannot read the names"):
        yolo.read(labels, images, tmp_path / "none.txt")


def test_sub_folders(tmp_path):
    labels, images = lay(tmp_path, {})
    for folder in (labels / "train", images / "train"):
        folder.mkdir()
    Image.new("L", (30, 20)).save(images / "train" / "a.jpg")
    (labels / "train" / "a.txt").write_text("0 0.5 0.5 0.5 0.5")
    for place in (images / ".cache", labels / ".cache"):
        place.mkdir()
    Image.new("L", (30, 20)).save(images / ".cache" / "b.jpg")
    (labels / ".cache" / "c.txt").touch()
    found = yolo.read(labels, images, ["x"])
    assert found.paths.tolist() == ["train/a.jpg"]
    assert len(found.boxes) == 1


def test_sizes_are_upright(tmp_path):
    labels, images = lay(tmp_path, {})
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(images / "a.jpg", exif=exif)
    (labels / "a.txt").write_text("0 0.5 0.5 0.5 0.5")
    assert yolo.read(labels, images, ["x"]).sizes.tolist() == [[20, 30]]


def test_odd_boxes(tmp_path):
    found = yolo.read(*lay(tmp_path, {"a.jpg": "0 0.9 0.5 0.4 1\n0 0.5 0.5 0 1\n0 nan 0.5 1 1"}), ["x"])
    np.testing.assert_allclose(found.boxes, [[0.7, 0, 1, 1]], atol=1e-6)
    assert ["clipped" in what for _, what in found.problems] == [True, False, False]


BAD = [
    ("0 0.5 0.5 1", r"a\.txt line 2: 4 numbers, not the 5", "a number missing"),
    ("0 0.1 0.1 0.9 0.1 0.9 0.9", "line 2: 7 numbers.*polygons", "a polygon"),
    ("0 0.5 0.5 1 1 0.9", "line 2: 6 numbers.*the score", "what a detector found"),
    ("0 320 240 50 60", "line 2: .*counts pixels", "pixels"),
    ("0 0.5 0.5 inf 1", "line 2: .*counts pixels", "a width without end"),
    ("0 0.5 0.5 one 1", "line 2: .*is no box", "a word"),
    ("0.5 0.5 0.5 1 1", "line 2: .*is no box", "a class that is no whole number"),
    ("2 0.5 0.5 1 1", "line 2: class 2, but there are 2 names", "a class without a name"),
    ("-1 0.5 0.5 1 1", "line 2: class -1", "a negative class"),
    ("\x00\xff", "line 2: .*is no box", "binary"),
]


@pytest.mark.parametrize(("line", "message", "why"), BAD, ids=[case[-1] for case in BAD])
def test_bad_lines_are_refused(tmp_path, line, message, why):
    labels, images = lay(tmp_path, {"a.jpg": "0 0.5 0.5 1 1\n" + line})
    with pytest.raises(ValueError, match=message):
        yolo.read(labels, images, ["person", "dog"])


def test_bad_folders_are_refused(tmp_path):
    labels, images = lay(tmp_path, {"a.jpg": None})
    with pytest.raises(ValueError, match=r"no \*\.txt in .*labels, so no image would have a box"):
        yolo.read(labels, images, ["x"])
    (labels / "b.txt").write_text("")
    with pytest.raises(ValueError, match=r"1 files in .* have no image in .*, such as b\.txt"):
        yolo.read(labels, images, ["x"])
    Image.new("RGB", (8, 8)).save(images / "b.jpg")
    Image.new("RGB", (8, 8)).save(images / "b.png")
    with pytest.raises(ValueError, match=r"b\.jpg and b\.png share one label file"):
        yolo.read(labels, images, ["x"])
    (images / "b.png").unlink()
    (images / "b.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"b\.jpg is no readable image"):
        yolo.read(labels, images, ["x"])
    with pytest.raises(ValueError, match="no folder at"):
        yolo.read(tmp_path / "none", images, ["x"])
    with pytest.raises(ValueError, match="no images in"):
        yolo.read(labels, tmp_path / "none", ["x"])


def test_the_same_boxes_as_in_coco(tmp_path, scene):
    labels, images = lay(tmp_path, {})
    for image, name in enumerate(scene.paths.tolist()):
        Image.new("RGB", tuple(scene.sizes[image].tolist())).save(images / name)
        here = scene.of(image)
        lines = [
            f"{k} {(a + c) / 2:.6f} {(b + d) / 2:.6f} {c - a:.6f} {d - b:.6f}\n"
            for k, (a, b, c, d) in zip(scene.labels[here], scene.boxes[here].tolist(), strict=True)
        ]
        (labels / name).with_suffix(".txt").write_text("".join(lines))
    found = yolo.read(labels, images, scene.categories)
    assert found.paths.tolist() == scene.paths.tolist()
    assert found.first.tolist() == scene.first.tolist()
    assert found.labels.tolist() == scene.labels.tolist()
    assert found.sizes.tolist() == scene.sizes.tolist()
    np.testing.assert_allclose(found.boxes, scene.boxes, atol=1e-5)
