from pathlib import Path

import numpy as np
import pytest

from mbhelpers.data.folder import scan
from mbhelpers.data.split import Split
from mbhelpers.reporting.data_facts import (
    class_facts,
    copy_facts,
    copy_groups,
    explained_by_class,
    image_facts,
    light,
    unlikeness,
)


@pytest.fixture(scope="module")
def pets(tmp_path_factory, draw) -> Path:
    """Cats 0 to 3, dogs 0 to 2: cat 1 and dog 0 are cat 0 again, cat 2 is grey, cat 3 tiny, dog 1 wide; one broken."""
    root = tmp_path_factory.mktemp("pets")
    (root / "cat").mkdir()
    (root / "dog").mkdir()
    draw(1).save(root / "cat" / "0.png")
    draw(1).save(root / "cat" / "1.png")
    draw(2).convert("L").save(root / "cat" / "2.png")
    draw(3, 16).save(root / "cat" / "3.png")
    draw(1).save(root / "dog" / "0.png")
    draw(4).resize((160, 64)).save(root / "dog" / "1.png")
    draw(5).save(root / "dog" / "2.png")
    (root / "dog" / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    return root


def split_of(images, train: list[str], test: list[str], groups=()) -> Split:
    paths = {"train": np.array(train), "validation": np.array([], str), "test": np.array(test)}
    labels = {part: np.zeros(len(names), np.int64) for part, names in paths.items()}
    return Split(
        classes=images.classes, paths=paths, labels=labels, conflicts=(), groups=tuple(groups), left_out=(),
        fingerprint=images.fingerprint, seed=0,
    )  # fmt: skip


def test_image_facts(pets):
    facts = image_facts(scan(pets))
    assert [entry["file"] for entry in facts["skipped"]] == ["dog/broken.jpg"]
    assert "corrupt" in facts["skipped"][0]["reason"]
    assert facts["sizes"] == {
        "smallest": [16, 16],
        "largest": [160, 64],
        "median": [64, 64],
        "different": 3,
        "far_from_square": pytest.approx(1 / 7),
        "square": pytest.approx(6 / 7),
    }
    assert facts["tiny"] == [{"file": "cat/3.png", "width": 16, "height": 16}]
    assert facts["modes"] == {"RGB": 6, "L": 1}


def test_light():
    thumbnails = np.zeros((3, 4, 4), np.uint8)
    thumbnails[1] = 200
    thumbnails[2, :2] = 100  # half 100, half 0: mean 50, spread 50
    for block in (1, 2, 4096):
        brightness, contrast = light(thumbnails, block)
        assert brightness.tolist() == [0, 200, 50]
        assert contrast.tolist() == [0, 0, 50]


def test_too_dark_and_too_bright(pets):
    images = scan(pets)
    images.thumbnails[:2] = 10
    images.thumbnails[2] = 250
    images.thumbnails[3:] = 128
    shine = image_facts(images)["brightness"]
    assert shine["too_dark"] == pytest.approx(2 / 7)
    assert shine["too_bright"] == pytest.approx(1 / 7)
    assert shine["mean"] == pytest.approx((10 * 2 + 250 + 128 * 4) / 7)


def test_class_facts(pets, tmp_path, make_folder):
    facts = class_facts(scan(pets))
    assert facts["counts"] == {"cat": 4, "dog": 3}
    assert facts["ratio"] == pytest.approx(4 / 3)
    assert facts["few"] == ["cat", "dog"]
    images = scan(make_folder(tmp_path, {"cat": 10, "dog": 10, "owl": 9}))
    images.thumbnails[images.labels == 0] //= 8  # cats at night
    images.thumbnails[images.labels == 2] //= 8  # owls too, but there are too few to say
    facts = class_facts(images)
    assert facts["few"] == ["owl"]
    assert list(facts["differ_in_brightness"]) == ["cat", "dog"]
    assert facts["differ_in_brightness"]["cat"] < -1 < 1 < facts["differ_in_brightness"]["dog"]


def test_unlikeness_is_in_standard_deviations():
    values = np.array([0.0, 2.0, 10.0, 12.0])  # both groups spread by 1 about their means 1 and 11
    inside = np.array([False, False, True, True])
    assert unlikeness(values, inside) == pytest.approx(10)
    assert unlikeness(values, ~inside) == pytest.approx(-10)


def test_copies_without_a_split(pets):
    images = scan(pets)
    groups = copy_groups(images)
    assert [images.paths[group].tolist() for group in groups] == [["cat/0.png", "cat/1.png", "dog/0.png"]]
    assert copy_facts(images, groups, None) == {
        "groups": 1,
        "images": 3,
        "exact": 1,
        "across_classes": [["cat/0.png", "dog/0.png", "cat/1.png"]],
        "across_classes_exact": 1,
        "across_parts": 0,
    }


def test_a_group_of_near_copies_is_not_exact(pets):
    images = scan(pets)
    facts = copy_facts(images, [np.array([0, 1]), np.array([2, 3])], None)
    assert (facts["groups"], facts["images"], facts["exact"]) == (2, 4, 1)


@pytest.mark.parametrize(
    ("train", "test", "torn", "why"),
    [
        (["cat/0.png", "cat/2.png"], ["cat/3.png"], 0, "the second is a copy that counts once"),
        (["cat/0.png", "cat/2.png"], ["cat/1.png"], 1, "one to learn from, its copy to measure on"),
        (["cat/2.png"], ["cat/0.png", "cat/1.png"], 0, "both on one side"),
    ],
)
def test_copies_of_a_split(pets, train, test, torn, why):
    images = scan(pets)
    split = split_of(images, train, test, [("cat/0.png", "cat/1.png")])
    groups = copy_groups(images, split)
    assert [group.tolist() for group in groups] == [[0, 1]], "those of the split, no others"
    facts = copy_facts(images, groups, split)
    assert facts["across_parts"] == torn, why
    assert facts["across_classes"] == []


def test_a_split_of_other_data_is_refused(pets):
    images = scan(pets)
    split = split_of(images, [], [], [("cat/0.png", "bird/1.png")])
    with pytest.raises(ValueError, match=r"bird/1\.png, which is not in"):
        copy_groups(images, split)


def test_explained_by_class():
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 4
    pixels = rng.integers(100, 140, (400, 16, 16, 3), np.uint8)
    border, inside = explained_by_class(pixels, labels)
    assert border < 0.01
    assert inside < 0.01, "what chance explains is taken off"
    pixels[:, :2] += (25 * labels).astype(np.uint8)[:, None, None, None]
    border, inside = explained_by_class(pixels, labels)
    assert border > 0.3
    assert inside < 0.01, "only the upper border differs by class"
