from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mbhelpers.data.class_names import PLANTS
from mbhelpers.data.drawing import leaves
from mbhelpers.data.sample import plant_village

PLAIN = "Plant_leave_diseases_dataset_without_augmentation"
AUGMENTED = "Plant_leave_diseases_dataset_with_augmentation"
SEED, EACH, SIZE = 5, 4, 64


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def flat(kind: str, seed: int, size: int, *, photo: int = 0) -> np.ndarray:
    """Stands in for `draw_leaf` where the picture doesn't matter: noise, so that pictures differ."""
    rng = np.random.default_rng([seed, PLANTS.index(kind), photo])
    return rng.integers(0, 256, (size, size, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    return plant_village.write_sample(tmp_path_factory.mktemp("plain"), EACH, SIZE, SEED)


@pytest.fixture(scope="module")
def augmented(tmp_path_factory) -> Path:
    return plant_village.write_augmented(tmp_path_factory.mktemp("augmented"), EACH, SIZE, SEED)


@pytest.mark.parametrize("kind", PLANTS)
def test_a_seed_is_a_picture(kind):
    first = leaves.draw_leaf(kind, 7, 48)
    assert first.shape == (48, 48, 3) and first.dtype == np.uint8
    assert first.std() > 5, "an empty picture"
    np.testing.assert_array_equal(first, leaves.draw_leaf(kind, 7, 48))
    assert np.abs(first.astype(int) - leaves.draw_leaf(kind, 8, 48)).mean() > 5


def test_an_unknown_kind_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'Fern___healthy'; choose from .*Tomato___healthy"):
        leaves.draw_leaf("Fern___healthy", 0)


@pytest.mark.parametrize("kind", [kind for kind in PLANTS if not kind.endswith("healthy") and "___" in kind])
def test_a_sick_leaf_differs_from_a_healthy_one_of_the_same_plant(kind, monkeypatch):
    """The same leaf on the same table, with and without its disease."""
    sick = leaves.draw_leaf(kind, 3, SIZE).astype(int)
    monkeypatch.setitem(leaves.DISEASES, kind.partition("___")[2], ())
    healthy = leaves.draw_leaf(kind, 3, SIZE).astype(int)
    assert (np.abs(sick - healthy).max(-1) > 25).mean() > 0.01


def test_a_healthy_leaf_is_green():
    """In the middle of the picture, healthy leaves are greener than red and blue."""
    for kind in PLANTS:
        if kind.endswith("healthy"):
            greens = [leaves.draw_leaf(kind, seed, SIZE)[20:44, 20:44].reshape(-1, 3).mean(0) for seed in range(3)]
            assert all(g > max(r, b) for r, g, b in greens), kind


def test_layout_is_that_of_the_official_archive(plain, augmented):
    assert (plain.name, augmented.name) == (PLAIN, AUGMENTED)
    for top, count in ((plain, EACH), (augmented, EACH + len(plant_village.AUGMENTATIONS))):
        assert tuple(sorted(path.name for path in top.iterdir())) == PLANTS
        for kind in PLANTS:
            names = {path.name for path in (top / kind).iterdir()}
            assert names == {f"image ({k}).JPG" for k in range(1, count + 1)}
        assert pixels(top / PLANTS[0] / "image (1).JPG").shape == (SIZE, SIZE, 3)


def test_picture_i_does_not_depend_on_how_many_are_drawn(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(plant_village, "PLANTS", PLANTS[:4])
    fewer = plant_village.write_sample(tmp_path, EACH - 2, SIZE, SEED)
    for kind in PLANTS[:4]:
        for k in range(1, EACH - 1):
            name = f"{kind}/image ({k}).JPG"
            assert (fewer / name).read_bytes() == (plain / name).read_bytes()


@pytest.mark.parametrize(
    ("per_class", "planted", "why"),
    [(2, 0, "too few pictures to repeat any"), (3, 13, "in every third class"), (10, 13, "the default")],
)
def test_planted_pairs_are_listed(per_class, planted, why):
    pairs = plant_village.planted_duplicates(per_class, SEED)
    assert len(pairs) == planted, why
    assert all(Path(a).parent == Path(b).parent and a != b for a, b in pairs)
    assert not any(leaves.BACKGROUND in a for a, _ in pairs), "there is no leaf to see again"


def edges(path: Path) -> np.ndarray:
    """Brightness steps of a small grey copy, as a unit vector: they survive a change of light."""
    grey = np.asarray(Image.open(path).convert("L").resize((20, 20)), float)
    steps = np.concatenate([np.diff(grey, axis=0).ravel(), np.diff(grey, axis=1).ravel()])
    return steps / np.linalg.norm(steps)


def test_planted_pairs_show_one_leaf(plain):
    """The second photograph is not the first, and is likest to it in its class."""
    for first, second in plant_village.planted_duplicates(EACH, SEED):
        assert np.abs(pixels(plain / first).astype(int) - pixels(plain / second)).mean() > 2
        kind = Path(first).parent
        others = {f"{kind}/{path.name}": edges(path) for path in (plain / kind).iterdir()}
        asked = others.pop(second)
        assert max(others, key=lambda name: others[name] @ asked) == first


def test_planted_copies_are_copies(augmented, plain):
    """Each group begins with a photograph, byte for byte; every picture that is none is in a group."""
    groups = plant_village.planted_copies(EACH, SEED)
    members = [name for group in groups for name in group]
    assert len(members) == len(set(members)), "no picture is of two leaves"
    photographs = {path.read_bytes() for path in plain.rglob("*.JPG")}
    for group in groups:
        assert len({Path(name).parent for name in group}) == 1
        assert (augmented / group[0]).read_bytes() in photographs, "a group begins with a photograph"
    for kind in PLANTS:
        contents = [path.read_bytes() for path in (augmented / kind).iterdir()]
        assert sum(content in photographs for content in contents) == EACH
        copied = [name for group in groups for name in group if name.startswith(f"{kind}/")]
        copied = [name for name in copied if (augmented / name).read_bytes() not in photographs]
        assert len(copied) == len(plant_village.AUGMENTATIONS), "every copy is listed"


@pytest.mark.parametrize("name", plant_village.AUGMENTATIONS)
def test_an_augmentation_changes_a_picture_and_keeps_its_shape(name):
    before = leaves.draw_leaf(PLANTS[0], 1, SIZE)
    after = plant_village._augment(before, name, np.random.default_rng(0))
    assert after.shape == before.shape and after.dtype == np.uint8
    assert np.abs(after.astype(int) - before).mean() > 1


def test_names_do_not_tell_copies_from_photographs(augmented, plain):
    photographs = {path.read_bytes() for path in plain.rglob("*.JPG")}
    first = [(augmented / kind / "image (1).JPG").read_bytes() in photographs for kind in PLANTS]
    assert 3 < sum(first) < len(PLANTS) - 3


def test_the_border_says_something_about_the_class():
    """The trap of the real set: 8 border pixels are far above chance, and far from enough.

    The classes are told apart by the nearest class mean of those pixels; without the sessions it is chance.
    """
    edge = ([0, 0, 0, 23, 24, 47, 47, 47], [0, 24, 47, 0, 47, 0, 23, 47])
    kinds = [kind for kind in PLANTS if not kind.startswith("Corn") and kind != leaves.BACKGROUND]
    borders = np.array(
        [[leaves.draw_leaf(kind, seed, 48)[edge].ravel() for seed in range(12)] for kind in kinds], float
    )
    means = borders[:, :8].mean(1)
    guesses = np.linalg.norm(borders[:, 8:, None] - means, axis=-1).argmin(-1)
    share = (guesses == np.arange(len(kinds))[:, None]).mean()
    assert 5 / len(kinds) < share < 0.6, share


def test_an_existing_folder_is_kept_unless_told_otherwise(tmp_path, monkeypatch):
    monkeypatch.setattr(plant_village, "draw_leaf", flat)
    for write in (plant_village.write_sample, plant_village.write_augmented):
        top = write(tmp_path, 1, 16, 1)
        before = {path: path.read_bytes() for path in top.rglob("*.JPG")}
        with pytest.raises(FileExistsError, match="overwrite=True"):
            write(tmp_path, 1, 16, 2)
        assert {path: path.read_bytes() for path in top.rglob("*.JPG")} == before
        write(tmp_path, 1, 16, 2, overwrite=True)
        assert (top / PLANTS[0] / "image (1).JPG").read_bytes() != before[top / PLANTS[0] / "image (1).JPG"]


@pytest.mark.parametrize("old", [False, True], ids=["nothing before", "an old sample before"])
def test_a_broken_run_leaves_no_half_sample(tmp_path, monkeypatch, old):
    monkeypatch.setattr(plant_village, "draw_leaf", flat)
    if old:
        plant_village.write_sample(tmp_path, 1, 16)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def interrupted(kind: str, seed: int, size: int, *, photo: int) -> np.ndarray:
        if kind == PLANTS[3]:
            raise KeyboardInterrupt
        return flat(kind, seed, size)

    monkeypatch.setattr(plant_village, "draw_leaf", interrupted)
    with pytest.raises(KeyboardInterrupt):
        plant_village.write_sample(tmp_path, 1, 16, overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == [PLAIN] * old
