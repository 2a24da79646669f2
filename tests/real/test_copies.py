"""Copies among real photographs: those that were looked at are found, and different leaves stay apart."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from mbhelpers.data.copies import copies, pairs
from mbhelpers.data.folder import look, scan
from mbhelpers.data.leaks import leaks
from mbhelpers.data.split import PARTS, make_split

pytestmark = pytest.mark.real

FLOWERS = Path("flowers", "flower_photos")
PLANTS = Path("plant_village", "Plant_leave_diseases_dataset_without_augmentation")

SAME = [
    ("sunflowers/15069459615", "sunflowers/15072973261", "exact", "the same file"),
    ("dandelion/17161833794", "dandelion/18304194360", "near", "grey and in colour"),
    ("tulips/5635347336", "tulips/5700394524", "near", "recoloured"),
    ("roses/12406418663", "roses/12407768513", "near", "recoloured"),
    ("dandelion/4278757393", "dandelion/4654848357", "near", "another crop"),
    ("tulips/2333321040", "tulips/2344751399", "near", "retouched"),
    ("dandelion/8689302100", "dandelion/8689302980", "near", "one shot of a series"),
]


@pytest.fixture(scope="module")
def scanned():
    """Each folder is read once."""
    found = {}

    def read(root: Path):
        return found[root] if root in found else found.setdefault(root, scan(root))

    return read


def test_flowers_that_are_one_picture(real, scanned):
    images = scanned(real / FLOWERS)
    found = {tuple(images.paths[[i, j]].tolist()): kind for i, j, kind in pairs(images)}
    for first, second, kind, why in SAME:
        assert [k for (a, b), k in found.items() if a.startswith(first) and b.startswith(second)] == [kind], why
    assert len(found) == 18, "all of them were looked at; in three the pictures only look alike"
    assert np.unique(copies(images), return_counts=True)[1].max() == 3


def test_turning_adds_no_pair_of_different_pictures(real, scanned):
    for place, number in ((FLOWERS, 18), (PLANTS, 10)):
        assert len(pairs(scanned(real / place), turned=True)) == number, place
        assert not [kind for _, _, kind in pairs(scanned(real / place), turned=True) if kind == "turned"]


def darker(picture: Image.Image) -> Image.Image:
    return Image.fromarray((255 * (np.asarray(picture) / 255) ** 1.8).astype(np.uint8))


def noisy(picture: Image.Image) -> Image.Image:
    pixels = np.asarray(picture) + np.random.default_rng(0).normal(0, 20, (*picture.size[::-1], 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


CHANGES = {
    "gamma": darker,
    "noise": noisy,
    "mirrored": ImageOps.mirror,
    "turned": lambda p: p.rotate(90, expand=True),
    "turned, gamma": lambda p: darker(p.rotate(270, expand=True)),
    "mirrored, noise": lambda p: noisy(ImageOps.flip(p)),
}


def test_augmented_leaves_stay_with_their_leaf_and_with_it_alone(real, scanned, tmp_path):
    leaves = scanned(real / PLANTS)
    chosen = leaves.paths[::6].tolist()
    names = []
    for k, name in enumerate(chosen):
        picture = Image.open(leaves.root / name).convert("RGB")
        for change, changed in CHANGES.items():
            names.append(f"{k}_{change}.jpg")
            changed(picture).save(tmp_path / names[-1], quality=90)
    extra = look(tmp_path, names)
    columns = ("paths", "sha256", "phash", "thumbnails", "sizes", "modes")
    both = {column: np.concatenate([getattr(leaves, column), getattr(extra, column)]) for column in columns}
    group_of = copies(replace(leaves, **both), turned=True)
    place = {name: k for k, name in enumerate(both["paths"].tolist())}
    missed = [name for name in names if group_of[place[name]] != group_of[place[chosen[int(name.partition("_")[0])]]]]
    assert len(missed) <= len(names) // 100, missed
    plain = copies(leaves)
    assert len(set(group_of[: len(leaves)].tolist())) >= len(set(plain.tolist())) - 5, "leaves that grew together"
    assert np.unique(group_of, return_counts=True)[1].max() <= 4 * (1 + len(CHANGES))


def test_the_seed_of_a_split_keeps_its_meaning(real, scanned):
    """The split of these pictures, as every version so far has made it."""
    split = make_split(scanned(real / FLOWERS), 2026)
    text = json.dumps({part: split.paths[part].tolist() for part in PARTS})
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "5e4082e4c80bdc90"
    assert len(split.groups) == 17


def test_a_folder_leaks_into_one_made_of_it(real, tmp_path):
    root = real / FLOWERS / "roses"
    names = sorted(file.name for file in root.iterdir())[:40]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for k, name in enumerate(names):
        picture = Image.open(root / name).convert("RGB")
        picture.save(tmp_path / "a" / name, quality=95)
        if k % 4 == 0:
            (picture.resize((160, 160)) if k % 8 else ImageOps.mirror(picture)).save(tmp_path / "b" / f"{k}.jpg")
    found = leaks(tmp_path / "a", tmp_path / "b")
    assert [(leak.a, leak.kind) for leak in sorted(found, key=lambda leak: leak.a)] == [
        (name, "near" if k % 8 else "turned") for k, name in enumerate(names) if k % 4 == 0
    ]
