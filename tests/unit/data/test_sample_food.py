import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mbhelpers.data import food101 as reader
from mbhelpers.data.class_names import FOODS
from mbhelpers.data.drawing.food import RECIPES, draw_food
from mbhelpers.data.drawing.food.dishes import CONTAINERS
from mbhelpers.data.sample import food101

SEED, EACH, SIZE = 5, 3, 48


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return food101.write_sample(tmp_path_factory.mktemp("food"), EACH, SIZE, SEED)


def flat(kind: str, seed: int, size: tuple[int, int]) -> np.ndarray:
    return np.full((size[1], size[0], 3), (seed + FOODS.index(kind)) % 256, np.uint8)


def lines(top: Path, name: str) -> list[str]:
    return (top / "meta" / name).read_text(encoding="utf-8").splitlines()


def test_every_class_has_a_recipe():
    assert set(RECIPES) == set(FOODS)
    assert {recipe.container for recipe in RECIPES.values()} == set(CONTAINERS), "each container is used"


@pytest.mark.parametrize("kind", FOODS)
def test_a_seed_is_a_picture(kind):
    first = draw_food(kind, 7, (48, 40))
    assert first.shape == (40, 48, 3) and first.dtype == np.uint8
    assert first.std() > 5, "an empty picture"
    np.testing.assert_array_equal(first, draw_food(kind, 7, (48, 40)))
    assert np.abs(first.astype(int) - draw_food(kind, 8, (48, 40))).mean() > 5


def test_an_unknown_kind_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'gruel'; choose from .*waffles"):
        draw_food("gruel", 0)


def colours(picture: np.ndarray) -> np.ndarray:
    """Shares of 64 colours, as a unit vector."""
    bins = np.bincount((picture // 64).reshape(-1, 3) @ [16, 4, 1], minlength=64) ** 0.5
    return bins / np.linalg.norm(bins)


def test_colours_tell_some_dishes_and_not_all():
    """The nearest neighbour by colours alone is far above chance and far from perfect."""
    kinds = FOODS[::5]
    looks = np.array([[colours(draw_food(kind, seed, (32, 32))) for seed in range(6)] for kind in kinds])
    known, asked = looks[:, :4].reshape(len(kinds) * 4, 64), looks[:, 4:]
    nearest = (asked @ known.T).argmax(-1) // 4
    share = (nearest == np.arange(len(kinds))[:, None]).mean()
    assert 4 / len(kinds) < share < 0.9, share


def test_layout_is_that_of_the_official_archive(small):
    assert small.name == "food-101"
    assert sorted(path.name for path in small.iterdir()) == ["images", "meta"]
    assert tuple(sorted(path.name for path in (small / "images").iterdir())) == FOODS
    names = ["classes.txt", "labels.txt", "test.json", "test.txt", "train.json", "train.txt"]
    assert sorted(path.name for path in (small / "meta").iterdir()) == names
    for path in small.glob("images/*/*"):
        assert path.suffix == ".jpg" and path.stem.isdigit()


def test_lists_agree_with_each_other_and_with_the_folders(small):
    classes, labels = lines(small, "classes.txt"), lines(small, "labels.txt")
    assert tuple(sorted(classes)) == FOODS
    assert classes.index("cheesecake") + 1 == classes.index("cheese_plate"), "the official order"
    assert labels[classes.index("hot_and_sour_soup")] == "Hot and sour soup"
    there = {f"{path.parent.name}/{path.stem}" for path in small.glob("images/*/*.jpg")}
    parts = {part: lines(small, f"{part}.txt") for part in ("train", "test")}
    assert len(parts["train"]) == 2 * 101 and len(parts["test"]) == 101
    assert set(parts["train"]) | set(parts["test"]) == there
    for part, names in parts.items():
        listed = json.loads((small / "meta" / f"{part}.json").read_text(encoding="utf-8"))
        assert list(listed) == classes
        assert [name for kind in classes for name in listed[kind]] == names


def test_our_reader_takes_it(small):
    images = reader.load(small)
    assert images.classes == FOODS and len(images) == EACH * 101
    assert images.official is not None and (images.official == "test").sum() == 101
    assert not images.skipped


def test_short_side_is_the_size_and_shapes_vary(small):
    sizes = {Image.open(path).size for path in small.glob("images/*/*.jpg")}
    assert {min(size) for size in sizes} == {SIZE}
    assert max(max(size) for size in sizes) <= SIZE * 4 / 3
    assert {np.sign(width - height) for width, height in sizes} == {-1, 0, 1}, "portrait, square, landscape"


def test_picture_i_does_not_depend_on_how_many_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(food101, "draw_food", flat)
    few, more = (food101.write_sample(tmp_path / str(count), count, 16, SEED) for count in (3, 5))
    for kind in FOODS[::20]:
        contents = [{path.name: path.read_bytes() for path in (top / "images" / kind).iterdir()} for top in (few, more)]
        assert contents[0].items() < contents[1].items()
    assert set(lines(few, "test.txt")) <= set(lines(more, "test.txt"))


def test_both_parts_need_pictures(tmp_path):
    with pytest.raises(ValueError, match="per_class is 2; train and test need 3"):
        food101.write_sample(tmp_path, 2)
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_kept_unless_told_otherwise(tmp_path, monkeypatch):
    monkeypatch.setattr(food101, "draw_food", flat)
    top = food101.write_sample(tmp_path, 3, 16, 1)
    before = {path: path.read_bytes() for path in top.rglob("*.jpg")}
    with pytest.raises(FileExistsError, match="overwrite=True"):
        food101.write_sample(tmp_path, 3, 16, 2)
    assert {path: path.read_bytes() for path in top.rglob("*.jpg")} == before
    food101.write_sample(tmp_path, 3, 16, 2, overwrite=True)
    assert {path: path.read_bytes() for path in top.rglob("*.jpg")} != before


@pytest.mark.parametrize("old", [False, True], ids=["nothing before", "an old sample before"])
def test_a_broken_run_leaves_no_half_sample(tmp_path, monkeypatch, old):
    monkeypatch.setattr(food101, "draw_food", flat)
    if old:
        food101.write_sample(tmp_path, 3, 16)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def interrupted(kind: str, seed: int, size: tuple[int, int]) -> np.ndarray:
        if kind == FOODS[3]:
            raise KeyboardInterrupt
        return flat(kind, seed, size)

    monkeypatch.setattr(food101, "draw_food", interrupted)
    with pytest.raises(KeyboardInterrupt):
        food101.write_sample(tmp_path, 3, 16, overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["food-101"] * old
