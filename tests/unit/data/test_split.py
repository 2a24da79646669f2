import hashlib
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from mbhelpers import settings
from mbhelpers.data.copies import copies, thumbnail_hashes
from mbhelpers.data.folder import ImageFolder, scan
from mbhelpers.data.sample import planted_duplicates
from mbhelpers.data.split import FRACTIONS, PARTS, check_split, load_split, make_split, save_split

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
    assert "cat/cat_001.png" in part_of(split), "for the first of its classes"


# ---- Official splits


@pytest.fixture
def official(tmp_path, make_folder):
    """Two classes of 12; the first four of each are official test images."""
    return with_official_parts(make_folder(tmp_path / "data", {"cat": 12, "dog": 12}, side=96))


def with_official_parts(data: Path):
    images = scan(data)
    parts = ["test" if int(name[-7:-4]) < 4 else "train" for name in images.paths.tolist()]
    return replace(images, official=np.array(parts))


def test_an_official_test_part_is_the_test_part(official):
    split = make_split(official, seed=1)
    wanted = {name for name, part in zip(official.paths, official.official, strict=True) if part == "test"}
    assert set(split.paths["test"].tolist()) == wanted
    assert split.counts()["validation"] == {"cat": 1, "dog": 1}, "an eighth of the official train"
    assert split.counts()["train"] == {"cat": 7, "dog": 7}
    assert make_split(official, 1, (0.25, 0.25, 0.5)).counts()["validation"] == {"cat": 4, "dog": 4}, "half of it"
    other = make_split(official, seed=2)
    assert set(other.paths["test"].tolist()) == wanted, "whatever the seed"
    assert set(other.paths["validation"].tolist()) != set(split.paths["validation"].tolist())


def test_training_copies_of_official_test_images_are_left_out(official, tmp_path):
    data = tmp_path / "data"
    (data / "dog" / "dog_050.png").write_bytes((data / "cat" / "cat_001.png").read_bytes())
    Image.open(data / "dog" / "dog_002.png").save(data / "dog" / "dog_051.jpg", quality=85)
    images = with_official_parts(data)
    split = make_split(images, seed=1)
    assert [name for name, _ in split.left_out] == ["dog/dog_050.png", "dog/dog_051.jpg"]
    assert not {name for part in PARTS for name in split.paths[part].tolist()} & {n for n, _ in split.left_out}
    assert len(split.paths["test"]) == 8
    path = save_split(split, images, tmp_path / "split.json")
    assert load_split(path).left_out == split.left_out
    check_split(load_split(path), images, path)


def test_copies_within_the_official_train_part_stay_together(official, tmp_path):
    data = tmp_path / "data"
    for k in range(4, 12):
        Image.open(data / "cat" / f"cat_{k:03d}.png").save(data / "cat" / f"copy_{k:03d}.jpg", quality=85)
    images = with_official_parts(data)
    split = make_split(images, seed=1)
    assert split.left_out == ()
    for group in split.groups:
        assert len({part for part in PARTS if set(group) & set(split.paths[part].tolist())}) == 1


def test_an_official_train_part_may_be_too_small(official):
    few = official.official.copy()
    few[official.labels == 0] = "test"
    few[np.flatnonzero(official.labels == 0)[0]] = "train"
    with pytest.raises(ValueError, match="class 'cat' has 1 different pictures; train and validation need one each"):
        make_split(replace(official, official=few), seed=1)


# ---- Old and other manifests


def test_a_seed_keeps_its_meaning():
    """The split of these pictures, as every version so far has made it."""
    split = make_split(scan(settings.sample_folder() / "flower_photos"), 2026)
    text = json.dumps({part: split.paths[part].tolist() for part in PARTS})
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "7c1ea29f28e1345d"
    assert len(split.groups) == 12


def test_a_manifest_knows_its_data(tmp_path, make_folder):
    data = make_folder(tmp_path / "data", {"cat": 5, "dog": 5})
    images = scan(data)
    split = make_split(images, 1)
    path = tmp_path / "split.json"
    check_split(split, images, path)
    check_split(split, scan(make_folder(tmp_path / "elsewhere", {"cat": 5, "dog": 5})), path)
    (data / "dog" / "dog_001.png").rename(data / "dog" / "renamed.png")
    with pytest.raises(ValueError, match=r"missing here, such as dog/dog_001\.png; 1 images are new here"):
        check_split(split, scan(data), path)  # the same pictures, but the names in the manifest lead nowhere


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: (data / "cat" / "cat_002.png").unlink(), r"1 images are missing here, such as cat/cat_002\.png"),
        (
            lambda data: shutil.copyfile(data / "cat" / "cat_002.png", data / "cat" / "new.png"),
            r"1 images are new here, such as cat/new\.png",
        ),
        (
            lambda data: shutil.copytree(data / "cat", data / "fox"),
            r"classes: 1 new here \(fox\)",
        ),
        (
            lambda data: shutil.copyfile(data / "cat" / "cat_002.png", data / "cat" / "cat_003.png"),
            r"1 images are changed in content, such as cat/cat_003\.png;",
        ),
    ],
)
def test_a_manifest_of_other_data_says_what_differs(tmp_path, make_folder, change, message):
    data = make_folder(tmp_path / "data", {"cat": 5, "dog": 5})
    split = make_split(scan(data), 1)
    change(data)
    with pytest.raises(ValueError, match=message) as refused:
        check_split(split, scan(data), tmp_path / "split.json")
    assert "split.json was made from other images" in str(refused.value)


def test_copies_that_a_manifest_lists_are_no_new_files(tmp_path, make_folder):
    data = make_folder(tmp_path / "data", {"cat": 5, "dog": 5})
    shutil.copyfile(data / "cat" / "cat_002.png", data / "cat" / "copy.png")
    images = scan(data)
    path = save_split(make_split(images, 1), images, tmp_path / "split.json")
    check_split(load_split(path), images, path)
    (data / "cat" / "copy.png").write_bytes((data / "dog" / "dog_002.png").read_bytes())
    with pytest.raises(ValueError, match="of the exact copies it lists, some have changed"):
        check_split(load_split(path), scan(data), path)


def test_a_stratum_that_changed_is_told(images, tmp_path):
    split = make_split(images, 1)
    other = images.labels.copy()
    other[0] = 1  # of a detection set, whose labels come from annotations and not from folders
    with pytest.raises(ValueError, match=r"1 images are of another class, such as cat/cat_000\.png;"):
        check_split(split, replace(images, labels=other), tmp_path / "split.json")


def test_older_manifests_are_read(images, tmp_path):
    """Those from before official splits have no `left_out` and no perceptual hashes."""
    path = save_split(make_split(images, seed=4), images, tmp_path / "split.json")
    content = json.loads(path.read_text())
    del content["left_out"]
    for entry in content["images"].values():
        assert len(entry.pop("phash")) == 16
    path.write_text(json.dumps(content))
    back = load_split(path)
    assert back.left_out == ()
    check_split(back, images, path)


# ---- Any data


def random_images(n: int, classes: int, seed: int) -> ImageFolder:
    """Random thumbnails; of some there are near or turned copies and the same file again, in any class."""
    rng = np.random.default_rng(seed)
    thumbnails = rng.integers(0, 256, (n, 24, 24), np.uint8)
    sha256 = np.array([hashlib.sha256(f"{seed} {k}".encode()).hexdigest() for k in range(n)])
    for k in rng.choice(np.arange(1, n), n // 8, replace=False):
        original = int(rng.integers(0, k))
        how = int(rng.integers(0, 3))
        thumbnails[k] = (thumbnails[original], thumbnails[original] // 2 + 40, thumbnails[original][::-1])[how]
        sha256[k] = sha256[original] if how == 0 else sha256[k]
    labels = np.sort(rng.integers(0, classes, n))
    names = tuple(f"class {k:03d}" for k in range(classes))
    return ImageFolder(
        root=Path("anywhere"),
        paths=np.array([f"{names[label]}/{k}.jpg" for k, label in enumerate(labels)]),
        sha256=sha256,
        phash=thumbnail_hashes(thumbnails),
        thumbnails=thumbnails,
        sizes=np.full((n, 2), 24),
        modes=np.full(n, "L"),
        skipped=(),
        classes=names,
        labels=labels,
    )


def in_order(images: ImageFolder, order: np.ndarray) -> ImageFolder:
    columns = ("paths", "sha256", "phash", "thumbnails", "sizes", "modes", "labels")
    return replace(images, **{column: getattr(images, column)[order] for column in columns})


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("parts", [None, "official"])
@pytest.mark.parametrize("seed", range(4))
def test_no_group_is_torn_and_no_picture_lost(seed, parts, turned):
    images = random_images(400, 5, seed)
    if parts:
        images = replace(images, official=np.where(np.random.default_rng(seed).random(400) < 0.25, "test", "train"))
    split = make_split(images, seed, turned=turned)
    where = part_of(split)
    group_of = copies(images, turned=turned)
    sides = {}
    for name, group in zip(images.paths.tolist(), group_of.tolist(), strict=True):
        if name in where:
            sides.setdefault(group, set()).add(where[name])
    assert all(len(side) == 1 for side in sides.values())
    left_out = {name for name, _ in split.left_out}
    kept = {sha for name, sha in zip(images.paths, images.sha256, strict=True) if name not in left_out}
    assert kept == {str(sha) for part in PARTS for sha in split.sha256[part]}
    assert len(where) == len(kept)
    assert not left_out & where.keys()
    assert bool(left_out) == bool(parts)


@pytest.mark.parametrize("official", [False, True])
def test_order_and_names_do_not_count(official):
    images = random_images(300, 3, seed=9)
    if official:  # by content, for the same file may have no other part under another name
        images = replace(images, official=np.array(["test" if sha < "4" else "train" for sha in images.sha256]))
    wanted = make_split(images, 5)
    order = np.random.default_rng(2).permutation(300)
    moved = in_order(images, order)
    kind = np.array([name.partition("/")[0] for name in moved.paths])
    moved = replace(
        moved,
        root=Path("elsewhere"),
        paths=np.array([f"{name}/renamed {k}.png" for k, name in enumerate(kind)]),
        official=None if images.official is None else images.official[order],
    )
    found = make_split(moved, 5)
    for part in PARTS:
        assert found.sha256[part].tolist() == wanted.sha256[part].tolist()
        assert found.labels[part].tolist() == wanted.labels[part].tolist()


def test_official_parts_have_two_names(images):
    with pytest.raises(ValueError, match="has the parts train and test, not val"):
        make_split(replace(images, official=np.full(len(images), "val")), 1)


def test_an_official_split_has_test_images(images):
    with pytest.raises(ValueError, match="none of these images is of the official test part"):
        make_split(replace(images, official=np.full(len(images), "train")), 1)


def test_a_test_image_twice_counts_once(official, tmp_path):
    data = tmp_path / "data"
    shutil.copyfile(data / "cat" / "cat_001.png", data / "cat" / "again_001.png")
    split = make_split(with_official_parts(data), seed=1)
    assert split.counts()["test"] == {"cat": 4, "dog": 4}
    assert split.left_out == ()
    assert split.groups == (("cat/again_001.png", "cat/cat_001.png"),)


def test_twenty_thousand_images_of_a_hundred_classes():
    images = random_images(20_000, 101, seed=1)
    split = make_split(images, 1)
    assert sum(len(split.paths[part]) for part in PARTS) == len(set(images.sha256.tolist()))
    assert len(split.groups) > 1000
