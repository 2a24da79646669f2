import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from mbhelpers import settings
from mbhelpers.data.folder import scan
from mbhelpers.data.sample import planted_duplicates
from mbhelpers.data.split import FRACTIONS, PARTS, copies, load_split, make_split, save_split

COUNTS = {"cat": 30, "dog": 17, "emu": 9}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_folder) -> Path:
    return make_folder(tmp_path_factory.mktemp("split") / "data", COUNTS)


@pytest.fixture(scope="module")
def images(folder):
    return scan(folder)


def part_of(split) -> dict[str, str]:
    return {name: part for part in PARTS for name in split.paths[part].tolist()}


def hashes(split, images) -> dict[str, set[str]]:
    sha = dict(zip(images.paths.tolist(), images.sha256.tolist(), strict=True))
    return {part: {sha[name] for name in split.paths[part].tolist()} for part in PARTS}


def test_every_image_is_in_exactly_one_part(images):
    split = make_split(images, seed=1)
    listed = [name for part in PARTS for name in split.paths[part].tolist()]
    assert sorted(listed) == sorted(images.paths.tolist())
    for part in PARTS:
        for name, label in zip(split.paths[part], split.labels[part], strict=True):
            assert name.startswith(split.classes[label] + "/")
    assert split.groups == (), "distinct pictures are not grouped"
    assert (split.fingerprint, split.seed) == (images.fingerprint, 1)


@pytest.mark.parametrize("seed", [1, 2])
def test_shares_hold_in_every_class(images, seed):
    counts = make_split(images, seed).counts()
    for part, share in zip(PARTS, FRACTIONS, strict=True):
        for name, n in COUNTS.items():
            assert abs(counts[part][name] - share * n) <= 1, f"{part} of {name}"
    assert sum(counts["test"].values()) == 6 + 3 + 2


def test_other_fractions(images):
    counts = make_split(images, 1, (0.4, 0.3, 0.3)).counts()
    assert [counts[part]["cat"] for part in PARTS] == [12, 9, 9]


def test_the_seed_decides(images):
    first, again, other = (part_of(make_split(images, seed)) for seed in (1, 1, 2))
    assert first == again
    moved = sum(first[name] != other[name] for name in first)
    assert moved > len(first) / 5


def test_the_same_content_splits_alike_wherever_it_lies(folder, images, tmp_path):
    other = tmp_path / "renamed"
    shutil.copytree(folder, other)
    for name in COUNTS:
        for i, file in enumerate(sorted((other / name).iterdir(), reverse=True)):
            file.rename(other / name / f"{(i * 7) % 100:02d}_{i}.png")  # another order too
    moved = scan(other)
    assert moved.paths.tolist() != images.paths.tolist()
    assert hashes(make_split(moved, 3), moved) == hashes(make_split(images, 3), images)


def test_a_class_more_leaves_the_others_alone(folder, images, tmp_path, make_folder):
    other = tmp_path / "more"
    shutil.copytree(folder, other)
    make_folder(other, {"ant": 5}, seed=9)
    before = part_of(make_split(images, 3))
    after = part_of(make_split(scan(other), 3))
    assert {name: after[name] for name in before} == before


def reencoded(picture: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=40)
    return Image.open(io.BytesIO(stream.getvalue()))


COPIES = [
    ("reencoded", reencoded, "saved again at a low JPEG quality"),
    ("smaller", lambda p: p.resize((90, 90), Image.Resampling.BILINEAR), "resized"),
    ("larger", lambda p: p.resize((300, 300), Image.Resampling.BICUBIC), "enlarged"),
    ("squeezed", lambda p: p.resize((128, 100)), "resized to another shape"),
    ("cropped", lambda p: p.crop((3, 2, 125, 126)), "a small crop"),
    ("brighter", lambda p: ImageEnhance.Brightness(p).enhance(1.15), "brighter"),
    ("darker", lambda p: ImageEnhance.Brightness(p).enhance(0.8), "darker"),
    ("flatter", lambda p: ImageEnhance.Contrast(p).enhance(0.8), "less contrast"),
    ("grey", lambda p: p.convert("L"), "without colour"),
]


@pytest.mark.parametrize(("name", "change", "why"), COPIES, ids=[c[0] for c in COPIES])
def test_near_copies_stay_on_one_side(tmp_path, make_folder, name, change, why):
    make_folder(tmp_path, {"cat": 10, "dog": 10}, side=128)
    for i in range(10):
        picture = Image.open(tmp_path / "cat" / f"cat_{i:03d}.png")
        change(picture).save(tmp_path / "cat" / f"{name}_{i:03d}.png")
    images = scan(tmp_path)
    expected = {(f"cat/cat_{i:03d}.png", f"cat/{name}_{i:03d}.png") for i in range(10)}
    split = make_split(images, seed=1)
    assert {frozenset(group) for group in split.groups} == {frozenset(pair) for pair in expected}, why
    where = part_of(split)
    assert len(where) == 30, "near copies are kept, all of them"
    for first, second in expected:
        assert where[first] == where[second], why


def test_a_chain_of_copies_is_one_group(tmp_path, make_folder):
    make_folder(tmp_path, {"cat": 4, "dog": 4}, side=128)
    picture = Image.open(tmp_path / "cat" / "cat_002.png")
    for i in range(4):
        picture = reencoded(picture.resize((128 - 7 * i, 128 - 7 * i))).convert("RGB")
        picture.save(tmp_path / "cat" / f"again_{i}.png")
    group_of = copies(scan(tmp_path))
    assert sorted(np.unique(group_of, return_counts=True)[1].tolist()) == [1] * 7 + [5]
    assert (group_of[:4] == 0).all(), "a group is known by its first image"


def test_exact_copies_count_once(tmp_path, make_folder):
    make_folder(tmp_path, {"cat": 6, "dog": 6})
    for name in ("copy_a.png", "deep/copy_b.png"):
        (tmp_path / "cat" / "deep").mkdir(exist_ok=True)
        shutil.copyfile(tmp_path / "cat" / "cat_003.png", tmp_path / "cat" / name)
    images = scan(tmp_path)
    split = make_split(images, seed=1)
    assert len(images) == 14
    assert len(part_of(split)) == 12
    assert split.groups == (("cat/cat_003.png", "cat/copy_a.png", "cat/deep/copy_b.png"),)
    assert sum(split.counts()[part]["cat"] for part in PARTS) == 6


def test_a_copy_in_another_class_does_not_leak(tmp_path, make_folder):
    make_folder(tmp_path, {"cat": 10, "dog": 10}, side=128)
    for i in range(5):
        reencoded(Image.open(tmp_path / "cat" / f"cat_{i:03d}.png")).save(tmp_path / "dog" / f"mislabelled_{i}.png")
    for seed in range(5):
        where = part_of(make_split(scan(tmp_path), seed))
        for i in range(5):
            assert where[f"cat/cat_{i:03d}.png"] == where[f"dog/mislabelled_{i}.png"]


def test_too_few_pictures(tmp_path, make_folder):
    make_folder(tmp_path, {"cat": 3, "dog": 2})
    shutil.copyfile(tmp_path / "dog" / "dog_000.png", tmp_path / "dog" / "copy.png")
    with pytest.raises(ValueError, match=r"class 'dog' has 2 different pictures; .*at least 3; add images"):
        make_split(scan(tmp_path), seed=1)


def test_three_pictures_are_enough(tmp_path, make_folder):
    make_folder(tmp_path, {"cat": 3, "dog": 3})
    counts = make_split(scan(tmp_path), seed=1).counts()
    assert counts == {part: {"cat": 1, "dog": 1} for part in PARTS}


@pytest.mark.parametrize(
    ("fractions", "why"),
    [((0.7, 0.2, 0.2), "more than all"), ((0.8, 0.0, 0.2), "no validation"), ((1.2, -0.4, 0.2), "a negative share")],
)
def test_fractions_must_add_up(images, fractions, why):
    with pytest.raises(ValueError, match="must be positive and add up to 1"):
        make_split(images, 1, fractions)


def test_the_manifest_comes_back(folder, tmp_path):
    (folder / "cat" / "empty.png").touch()
    images = scan(folder)
    (folder / "cat" / "empty.png").unlink()
    split = make_split(images, seed=4)
    path = save_split(split, images, tmp_path / "split.json")
    back = load_split(path)
    for part in PARTS:
        assert back.paths[part].tolist() == split.paths[part].tolist()
        assert back.labels[part].tolist() == split.labels[part].tolist()
        assert back.labels[part].dtype == np.int64
    assert (back.classes, back.groups, back.fingerprint, back.seed) == (
        split.classes,
        split.groups,
        split.fingerprint,
        4,
    )
    content = json.loads(path.read_text())
    assert content["skipped"] == [["cat/empty.png", "empty file"]]
    assert content["counts"] == split.counts()
    assert set(content["images"]) == set(images.sha256.tolist()), "keyed by content hash"


def change(key, value):
    def harm(content):
        content[key] = value
        return content

    return harm


def without(key):
    return lambda content: {k: v for k, v in content.items() if k != key}


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (without("images"), "no entries"),
        (without("classes"), "no classes"),
        (without("fingerprint"), "made from what?"),
        (change("images", []), "entries of another form"),
        (change("images", {"00": {"part": "test", "class": "gnu", "path": "gnu/1.png"}}), "a class that is not listed"),
        (change("images", {"00": {"part": "test"}}), "an entry without a path"),
        (lambda content: [content], "another JSON"),
    ],
)
def test_a_damaged_manifest(images, tmp_path, harm, why):
    path = save_split(make_split(images, seed=4), images, tmp_path / "split.json")
    path.write_text(json.dumps(harm(json.loads(path.read_text()))))
    with pytest.raises(ValueError, match=r"split\.json is not a split manifest .*delete it and prepare again"):
        load_split(path)


def test_the_drawn_sample_does_not_leak():
    images = scan(settings.sample_folder() / "flower_photos")
    split = make_split(images, settings.DEFAULT_SEED)
    planted = planted_duplicates()
    assert len(planted) == 12
    group_of = dict(zip(images.paths.tolist(), copies(images).tolist(), strict=True))
    where = part_of(split)
    for original, duplicate in planted:
        assert group_of[original] == group_of[duplicate], (original, duplicate)
        if original in where and duplicate in where:  # of exact copies, one is listed
            assert where[original] == where[duplicate]
    assert len(where) == len(images) - 2
    grouped = {name for group in split.groups for name in group}
    # Two drawings of one kind may look alike by chance; that costs nothing but that they stay together.
    assert len(grouped - {name for pair in planted for name in pair}) <= 2


def test_one_picture_in_two_classes_is_told(tmp_path, make_folder):
    root = make_folder(tmp_path, {"cat": 4, "dog": 4})
    (root / "dog" / "stray.png").write_bytes((root / "cat" / "cat_001.png").read_bytes())
    split = make_split(scan(root), seed=1)
    assert split.conflicts == ("cat/cat_001.png = dog/stray.png",)
    assert sum(len(paths) for paths in split.paths.values()) == 8, "it counts once"
