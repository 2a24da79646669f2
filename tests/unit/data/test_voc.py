"""Pascal VOC's XML."""

import numpy as np
import pytest
from PIL import Image

from mbhelpers.data import coco, voc

PAGE = """<annotation><folder>x</folder><filename>{name}</filename>
<size><width>{width}</width><height>{height}</height><depth>3</depth></size>{objects}</annotation>"""
OBJECT = """<object><name>{name}</name><pose>Left</pose><truncated>1</truncated><difficult>{difficult}</difficult>
<bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object>"""


def write_page(folder, name, size, objects, text=PAGE):
    """Objects are (category, (xmin, ymin, xmax, ymax) as VOC counts, difficult)."""
    (folder / "xml").mkdir(parents=True, exist_ok=True)
    (folder / "images").mkdir(exist_ok=True)
    Image.new("RGB", size).save(folder / "images" / name)
    inner = "".join(OBJECT.format(*box, name=kind, difficult=int(hard)) for kind, box, hard in objects)
    path = folder / "xml" / f"{name}.xml"
    path.write_text(text.format(name=name, width=size[0], height=size[1], objects=inner), encoding="utf-8")
    return path


def read(folder, **options):
    return voc.read(folder / "xml", folder / "images", **options)


def test_a_folder_is_read(tmp_path):
    write_page(tmp_path, "b ü.jpg", (100, 50), [("person", (1, 1, 10, 50), False), ("dog", (91, 41, 100, 50), True)])
    write_page(tmp_path, "a.jpg", (20, 40), [])
    found = read(tmp_path)
    assert found.categories == ("dog", "person")
    assert found.category_ids.tolist() == [1, 2]
    assert found.paths.tolist() == ["a.jpg", "b ü.jpg"]
    assert found.sizes.tolist() == [[20, 40], [100, 50]]
    assert found.first.tolist() == [0, 0, 2]
    assert found.labels.tolist() == [1, 0]
    expected = [[0, 0, 0.1, 1], [0.9, 0.8, 1, 1]]  # pixels 1 to 10 of 100 are the first tenth
    np.testing.assert_allclose(found.boxes, expected, rtol=1e-6)
    np.testing.assert_allclose(found.areas, [500, 100], rtol=1e-6)
    assert not found.crowd.any()
    assert found.problems == ()


def test_difficult_objects_can_be_left_out(tmp_path):
    write_page(tmp_path, "a.jpg", (100, 50), [("dog", (1, 1, 9, 9), True), ("dog", (2, 2, 9, 9), False)])
    found = read(tmp_path, keep_difficult=False)
    assert len(found.boxes) == 1
    assert found.boxes[0, 0] == np.float32(0.01)
    ((where, what),) = found.problems
    assert where == "a.jpg"
    assert "marked difficult" in what


def test_categories_set_the_labels(tmp_path):
    path = write_page(tmp_path, "a.jpg", (100, 50), [("person", (1, 1, 9, 9), False)])
    assert read(tmp_path, categories=("dog", "person")).labels.tolist() == [1]
    with pytest.raises(ValueError, match="'person', which is none of dog, cat") as caught:
        read(tmp_path, categories=("dog", "cat"))
    assert str(path) in str(caught.value)


def test_boxes_over_the_border_are_clipped(tmp_path):
    write_page(tmp_path, "a.jpg", (100, 50), [("dog", (0, 1, 120, 50), False), ("dog", (9, 9, 3, 3), False)])
    found = read(tmp_path)
    np.testing.assert_allclose(found.boxes, [[0, 0, 1, 1]])
    assert ["clipped" in what for _, what in found.problems] == [True, False]


def test_a_box_without_end_is_left_out(tmp_path):
    write_page(tmp_path, "a.jpg", (100, 50), [("dog", (1, 1, "inf", 50), False), ("dog", ("nan", 1, 2, 2), False)])
    found = read(tmp_path)
    assert len(found.boxes) == 0
    assert len(found.problems) == 2


def test_annotations_may_lie_beside_the_images(tmp_path):
    """As some tools export them."""
    path = write_page(tmp_path, "a.jpg", (100, 50), [("dog", (1, 1, 9, 9), False)])
    path.rename(tmp_path / "images" / "a.xml")
    assert voc.read(tmp_path / "images", tmp_path / "images").problems == ()


BAD = [
    ("<annotation>", "no element found", "truncated"),
    ("<!DOCTYPE a [<!ENTITY b 'c'>]><annotation>&b;</annotation>", "document type", "entities"),
    (PAGE.replace("<width>{width}</width>", ""), "no <size/width>", "no width"),
    (PAGE.replace("{width}", "0"), "0 x 50 pixels", "width 0"),
    (PAGE.replace("{width}", "wide"), "invalid literal", "width in words"),
    (PAGE.replace("{name}", ""), "no <filename>", "no file name"),
    (PAGE.replace("{name}", "../a.jpg"), "leaves the folder", "a file name that leaves"),
    (PAGE.replace("{objects}", "<object><name>x</name></object>"), "<object> has no <bndbox/xmin>", "no box"),
    (PAGE.replace("{objects}", OBJECT.replace("{0}", "left")), "could not convert", "a corner in words"),
    (PAGE.replace("{name}", "c.jpg"), "1 of 1 images .* c.jpg", "image absent"),
]


@pytest.mark.parametrize(("text", "message", "why"), BAD, ids=[case[-1] for case in BAD])
def test_bad_pages_are_refused(tmp_path, text, message, why):
    path = write_page(tmp_path, "a.jpg", (100, 50), [])
    filled = (
        text.replace("{objects}", "").replace("{width}", "100").replace("{height}", "50").replace("{name}", "a.jpg")
    )
    path.write_text(filled)
    with pytest.raises(ValueError, match=message) as caught:
        read(tmp_path)
    if why != "image absent":
        assert str(path) in str(caught.value)


def test_an_entity_is_refused_in_any_encoding(tmp_path):
    path = write_page(tmp_path, "a.jpg", (100, 50), [])
    path.write_text("<?xml version='1.0' encoding='utf-16'?><!DOCTYPE a []><annotation/>", encoding="utf-16")
    with pytest.raises(ValueError, match="document type"):
        read(tmp_path)


def test_one_file_an_image(tmp_path):
    path = write_page(tmp_path, "a.jpg", (100, 50), [])
    (tmp_path / "xml" / "b.xml").write_text(path.read_text())
    with pytest.raises(ValueError, match=r"two files for the image a\.jpg"):
        read(tmp_path)
    with pytest.raises(ValueError, match=r"no \*\.xml"):
        voc.read(tmp_path / "images", tmp_path / "images")


def test_the_same_boxes_as_in_coco(tmp_path, scene):
    """Written with whole pixels, as VOC's are, and so within half a pixel."""
    for image, name in enumerate(scene.paths.tolist()):
        pixels = scene.pixel_boxes()[scene.of(image)]
        corners = np.concatenate([pixels[:, :2] + 1, pixels[:, :2] + pixels[:, 2:]], axis=1).round().astype(int)
        kinds = [scene.categories[k] for k in scene.labels[scene.of(image)]]
        objects = [(kind, box, False) for kind, box in zip(kinds, corners.tolist(), strict=True)]
        write_page(tmp_path, name, tuple(scene.sizes[image].tolist()), objects)
    found = read(tmp_path, categories=scene.categories)
    assert found.paths.tolist() == scene.paths.tolist()
    assert found.first.tolist() == scene.first.tolist()
    assert found.labels.tolist() == scene.labels.tolist()
    sizes = np.tile(scene.sizes[scene.image_of], 2)
    assert np.abs((found.boxes - scene.boxes) * sizes).max() <= 0.5 + 1e-4
    written = coco.write(found, tmp_path / "coco.json")
    np.testing.assert_array_equal(coco.read(written, found.root).boxes, found.boxes)
