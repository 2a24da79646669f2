"""Food-101's own layout: lists and folders must tell the same story."""

from pathlib import Path

import pytest

from mbhelpers.data import food101

CLASSES = ("cheese_plate", "cheesecake", "waffles")


@pytest.fixture
def top(tmp_path, make_folder) -> Path:
    """Three classes of five JPEGs; ids 0 and 1 are the test images."""
    place = tmp_path / "food-101"
    make_folder(place / "images", dict.fromkeys(CLASSES, 5))
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for name in CLASSES:
        for i, file in enumerate(sorted((place / "images" / name).iterdir())):
            file.rename(file.with_name(f"{100 + i}.jpg"))
            lists["test" if i < 2 else "train"].append(f"{name}/{100 + i}")
    (place / "meta").mkdir()
    for part, names in lists.items():
        (place / "meta" / f"{part}.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    return place


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_official_parts_are_those_of_the_lists(top):
    images = food101.load(top)
    assert images.classes == CLASSES, "sorted by code points: cheese_plate before cheesecake"
    assert images.official is not None
    found = dict(zip(images.paths.tolist(), images.official.tolist(), strict=True))
    assert {name for name, part in found.items() if part == "test"} == {
        f"{name}/{i}.jpg" for name in CLASSES for i in (100, 101)
    }
    assert len(found) == 15


def test_a_subset_of_the_classes_needs_no_other_lists(top):
    for part in ("train", "test"):
        with (top / "meta" / f"{part}.txt").open("a", encoding="utf-8") as stream:
            stream.write("sushi/1\n" if part == "train" else "sushi/2\n")
    assert food101.load(top).classes == CLASSES


HARM = {
    "a list is missing": (lambda top: (top / "meta" / "test.txt").unlink(), r"no list of images at .*test\.txt"),
    "listed, but absent": (
        lambda top: (top / "images" / "waffles" / "101.jpg").unlink(),
        r"1 images that are not .*waffles/101\.jpg",
    ),
    "there, but not listed": (
        lambda top: edit(top / "meta" / "test.txt", "waffles/100\n", ""),
        r"1 files that meta/ does not list.*waffles/100",
    ),
    "on both sides": (
        lambda top: edit(top / "meta" / "test.txt", "waffles/100", "waffles/102"),
        r"1 images as train and as test.*waffles/102",
    ),
    "twice in a list": (
        lambda top: edit(top / "meta" / "train.txt", "waffles/102", "waffles/103"),
        r"names 1 images twice",
    ),
    "no id": (lambda top: edit(top / "meta" / "train.txt", "waffles/102", "waffles"), r"the line 'waffles'"),
    "no images": (lambda top: (top / "images").rename(top / "pictures"), r"has no images/"),
}


@pytest.mark.parametrize(("harm", "message"), HARM.values(), ids=HARM)
def test_what_does_not_fit_is_named_with_its_repair(top, harm, message):
    harm(top)
    with pytest.raises(ValueError, match=message) as refused:
        food101.load(top)
    assert "unpack food-101.tar.gz again" in str(refused.value) or "custom/..." in str(refused.value)


def test_a_corrupt_image_is_left_out_not_missed(top):
    (top / "images" / "waffles" / "104.jpg").write_bytes(b"no picture")
    images = food101.load(top)
    assert len(images) == 14
    assert [name for name, _ in images.skipped] == ["waffles/104.jpg"]
