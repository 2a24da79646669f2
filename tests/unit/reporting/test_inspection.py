import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from mbhelpers.data.folder import ImageFolder, look, scan
from mbhelpers.data.split import Split, make_split
from mbhelpers.reporting import data_samples, inspection

from .test_box_facts import FOUND

NAMES = ["cat", "dog & <fox>", "été"]


@pytest.fixture(scope="module")
def images(tmp_path_factory, make_folder, draw) -> ImageFolder:
    """40 cats, 30 foxes and 9 of a third class; a fox is a cat, one file is broken."""
    root = make_folder(tmp_path_factory.mktemp("own") / "pets", dict(zip(NAMES, (40, 30, 9), strict=True)), side=48)
    draw(0, 48).save(root / NAMES[1] / "cat again.png")
    (root / "cat" / "broken.jpg").write_bytes(b"nothing")
    return scan(root)


@pytest.fixture(scope="module")
def split(images) -> Split:
    return make_split(images, 0)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory, draw):
    root = tmp_path_factory.mktemp("scenes")
    for name, size in zip(FOUND.paths, FOUND.sizes.tolist(), strict=True):
        draw(1).resize(size).save(root / name)
    return replace(FOUND, root=root)


def figures(text: str) -> dict[str, bytes]:
    found = re.findall(r'alt="([^"]+)" src="data:image/png;base64,([^"]+)"', text)
    return {title: base64.b64decode(content) for title, content in found}


def test_summarize(images, split):
    facts = inspection.summarize(images, split)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["images"] == 80
    assert facts["classes"]["counts"] == dict(zip(NAMES, (40, 31, 9), strict=True))
    assert facts["classes"]["few"] == ["été"]
    assert facts["copies"]["across_classes"] == [["cat/cat_000.png", "dog & <fox>/cat again.png"]]
    assert facts["copies"]["across_parts"] == 0
    assert facts["split"] == split.counts()
    assert facts["left_out_of_split"] == []
    said = " ".join(facts["warnings"])
    assert "été 9 images" in said
    assert "cat/broken.jpg" in said
    assert "1 of them byte for byte" in said


def test_summarize_takes_what_there_is(images):
    alone = inspection.summarize(images)
    assert "split" not in alone
    assert "boxes" not in alone
    boxes = inspection.summarize(detections=FOUND)
    assert json.loads(json.dumps(boxes, allow_nan=False)) == boxes
    assert (boxes["images"], boxes["boxes"]["boxes"]) == (3, 4)
    assert "sizes" not in boxes
    assert set(inspection.summarize(images, detections=FOUND)) == set(alone) | {"boxes"}


def test_summarize_decodes_nothing(images, split, tmp_path):
    moved = replace(images, root=tmp_path / "gone")
    assert inspection.summarize(moved, split)["images"] == 80


def test_nothing_to_inspect(tmp_path):
    for call in (inspection.summarize, lambda: inspection.write_inspection(tmp_path / "a.html")):
        with pytest.raises(ValueError, match="nothing to inspect"):
            call()
    assert not list(tmp_path.iterdir())


def test_the_report_of_classes(images, split, tmp_path):
    path = tmp_path / "deep" / "report.html"
    facts = inspection.write_inspection(path, images, split)
    text = path.read_text(encoding="utf-8")
    assert "<h1>What is in pets</h1>" in text
    assert list(figures(text)) == [
        "Class balance", "Images per class and part", "Samples", "Mean picture of each class", "Background pixels",
        "Brightness", "Copies",
    ]  # fmt: skip
    assert "All 80 images are 48 x 48" in text, "one size needs a sentence, no figure"
    assert all(content.startswith(b"\x89PNG") for content in figures(text).values())
    assert "<fox>" not in text
    assert "dog &amp; &lt;fox&gt;" in text
    warned = re.findall(r'<p class="warning">(.*?)</p>', text)
    assert len(warned) == len(facts["warnings"]) > 0
    assert text.index('class="warning"') < text.index("<table") < text.index("<h2>")
    assert facts["background"]["n"] == sum(facts["split"]["test"].values())
    assert plt.get_fignums() == []
    plain = {key: value for key, value in facts.items() if key not in ("background", "warnings")}
    assert plain == {k: v for k, v in inspection.summarize(images, split).items() if k != "warnings"}


def test_the_report_without_a_split(images, tmp_path):
    facts = inspection.write_inspection(tmp_path / "a.html", images, title="Mine & yours", seed=1)
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<h1>Mine &amp; yours</h1>" in text
    assert "Images per class and part" not in figures(text)
    assert 20 < facts["background"]["n"] < 60, "halves"


def test_the_same_seed_shows_the_same_pictures(images, tmp_path):
    texts = []
    for k, seed in enumerate((0, 0, 1)):
        inspection.write_inspection(tmp_path / f"{k}.html", images, seed=seed)
        texts.append(figures((tmp_path / f"{k}.html").read_text(encoding="utf-8")))
    assert texts[0] == texts[1]
    assert texts[0]["Samples"] != texts[2]["Samples"]
    assert texts[0]["Class balance"] == texts[2]["Class balance"]


def test_what_the_split_left_out_is_listed(images, split, tmp_path):
    leaving = replace(split, left_out=(("cat/cat_007.png", "a copy of an official test image"),))
    facts = inspection.write_inspection(tmp_path / "a.html", images, leaving)
    assert facts["left_out_of_split"] == [{"file": "cat/cat_007.png", "reason": "a copy of an official test image"}]
    assert "a copy of an official test image" in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_only_a_few_images_are_decoded(images, tmp_path, monkeypatch):
    seen: list[str] = []
    load = inspection.load_each
    monkeypatch.setattr(inspection, "PIXEL_IMAGES", 12)
    for module in (inspection, data_samples):
        monkeypatch.setattr(module, "load_each", lambda r, p, *a, **k: seen.extend(p) or load(r, p, *a, **k))
    inspection.write_inspection(tmp_path / "a.html", images)
    assert len(seen) == 3 * 9 + 3 * 4 + 2, "nine of each class to show, four of each to measure, a pair of copies"


def test_the_report_of_boxes(scenes, tmp_path):
    facts = inspection.write_inspection(tmp_path / "a.html", detections=scenes)
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert list(figures(text)) == [
        "Scenes with their boxes", "Boxes per image", "Boxes per category", "Sizes of boxes",
        "What a smaller input costs", "Shapes of boxes", "Positions of boxes",
    ]  # fmt: skip
    assert "no box of 1 category: kite" in facts["warnings"]
    assert "clipped by 2.5 pixels" in text


def test_the_report_of_images_with_no_box(scenes, tmp_path):
    inspection.write_inspection(tmp_path / "a.html", detections=scenes.only(("kite",)))
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "None of the 3 images has a box." in text
    assert figures(text) == {}


def test_scenes_are_chosen_among_readable_images(scenes, tmp_path):
    for name in scenes.paths:
        (tmp_path / name).write_bytes((scenes.root / name).read_bytes())
    (tmp_path / "a.jpg").write_bytes(b"broken")
    found, seen = replace(scenes, root=tmp_path), look(tmp_path, scenes.paths.tolist())
    facts = inspection.write_inspection(tmp_path / "a.html", seen, None, found)
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "of the 1 image with boxes" in text
    assert facts["boxes"]["boxes"] == 4, "the numbers are those of all"
    assert facts["images"] == 2


def test_augmented_pictures_are_shown(scenes, tmp_path):
    pixels = np.zeros((2, 8, 8, 3), np.uint8)
    inspection.write_inspection(tmp_path / "a.html", detections=scenes, augmented=(pixels, pixels[:, None]))
    assert "Augmentation" in figures((tmp_path / "a.html").read_text(encoding="utf-8"))


def test_an_image_that_has_gone_is_named(images, tmp_path):
    with pytest.raises(ValueError, match=r"can't be shown .*Scan again"):
        inspection.write_inspection(tmp_path / "a.html", replace(images, root=Path("gone")))
    assert not list(tmp_path.iterdir())
