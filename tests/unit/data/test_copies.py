"""The search for copies: complete, in bounded memory, and able to turn a picture."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from mbhelpers.data import copies as module
from mbhelpers.data.copies import (
    CLOSE_EDGES,
    TURNED_EDGES,
    TURNS,
    Prints,
    close_hashes,
    close_pairs,
    copies,
    edge_limit,
    pairs,
    thumbnail_hashes,
    turn_thumbnails,
)
from mbhelpers.data.folder import Looks, look


def looks_of(thumbnails: np.ndarray, hashes: np.ndarray | None = None) -> Looks:
    """Pictures of which only the thumbnails are known, no two byte for byte the same."""
    n = len(thumbnails)
    return Looks(
        root=Path(),
        paths=np.array([f"{k}.jpg" for k in range(n)]),
        sha256=np.array([f"{k:064x}" for k in range(n)]),
        phash=thumbnail_hashes(thumbnails) if hashes is None else hashes,
        thumbnails=thumbnails,
        sizes=np.full((n, 2), 24),
        modes=np.full(n, "L"),
        skipped=(),
    )


def only(looks: Looks, *names: str) -> Looks:
    """Some of the pictures, in this order."""
    place = [looks.paths.tolist().index(name) for name in names]
    columns = ("paths", "sha256", "phash", "thumbnails", "sizes", "modes")
    return replace(looks, **{column: getattr(looks, column)[place] for column in columns})


def noisy(picture: Image.Image) -> Image.Image:
    pixels = np.asarray(picture) + np.random.default_rng(0).normal(0, 12, (picture.height, picture.width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def darker(picture: Image.Image) -> Image.Image:
    return Image.fromarray((255 * (np.asarray(picture) / 255) ** 1.6).astype(np.uint8))


CHANGES: dict[str, tuple[Callable[[Image.Image], Image.Image], str]] = {
    "encoded again": (lambda p: p, "near"),
    "another light": (darker, "near"),
    "noise": (noisy, "near"),
    "half the size": (lambda p: p.resize((p.width // 2, p.height // 2)), "near"),
    "mirrored": (ImageOps.mirror, "turned"),
    "upside down": (ImageOps.flip, "turned"),
    "a quarter to the left": (lambda p: p.rotate(90), "turned"),
    "a quarter to the right": (lambda p: p.rotate(270), "turned"),
    "half a turn, noise": (lambda p: noisy(p.rotate(180)), "turned"),
    "mirrored, a quarter, darker": (lambda p: darker(ImageOps.mirror(p).rotate(270)), "turned"),
    "mirrored, a quarter back": (lambda p: ImageOps.mirror(p).rotate(90), "turned"),
    "by 30 degrees": (lambda p: p.rotate(30), ""),
    "a tenth to the side": (lambda p: p.transform(p.size, Image.Transform.AFFINE, (1, 0, p.width / 10, 0, 1, 0)), ""),
}
"""What was done to a picture, and as what it is found."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, draw):
    """Six pictures, and of the first one a copy with each change."""
    place = tmp_path_factory.mktemp("copies")
    for k in range(6):
        draw(k, 160).save(place / f"original_{k}.png")
    for name, (change, _) in CHANGES.items():
        change(draw(0, 160)).save(place / f"{name}.jpg", quality=90)
    return look(place, sorted(file.name for file in place.iterdir()))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("back", [False, True])
def test_which_changes_are_seen_through(folder, change, back):
    names = ["original_0.png", f"{change}.jpg"]
    two = only(folder, *(names[::-1] if back else names))
    kind = CHANGES[change][1]
    assert pairs(two) == ([(0, 1, "near")] if kind == "near" else [])
    assert pairs(two, turned=True) == ([(0, 1, kind)] if kind else [])


def test_turned_pictures_must_agree_more():
    rng = np.random.default_rng(5)
    ground = np.asarray(
        Image.fromarray(rng.integers(0, 256, (6, 6), np.uint8)).resize((24, 24), Image.Resampling.BICUBIC), float
    )
    noise = rng.normal(0, 18, (24, 24))
    changed = np.clip(ground + noise, 0, 255).astype(np.uint8)
    upright = np.stack([ground.astype(np.uint8), changed])
    assert CLOSE_EDGES + 0.03 < correlations(upright)[0, 1] < TURNED_EDGES - 0.03
    assert pairs(looks_of(upright), turned=True) == [(0, 1, "near")]
    assert pairs(looks_of(np.stack([ground.astype(np.uint8), changed[::-1]])), turned=True) == []


def test_turned_pictures_are_told_by_their_thumbnails(folder):
    two = only(folder, "original_0.png", "mirrored.jpg")
    other = replace(two, phash=two.phash ^ np.uint64(2**64 - 1))  # of the whole picture, a little different
    assert pairs(other, turned=True) == [(0, 1, "turned")]


@pytest.mark.parametrize("turned", [False, True])
def test_different_pictures_stay_apart(folder, turned):
    assert pairs(only(folder, *(f"original_{k}.png" for k in range(6))), turned=turned) == []


@pytest.mark.parametrize("turned", [False, True])
def test_pairs_tie_the_groups_together(folder, turned):
    group_of = copies(folder, turned=turned)
    found = pairs(folder, turned=turned)
    assert (group_of <= np.arange(len(folder))).all(), "a group is known by its first image"
    assert (group_of[group_of] == group_of).all()
    assert len(found) == len(folder) - len(set(group_of.tolist())), "one fewer than the group has images"
    assert all(i < j and group_of[i] == group_of[j] for i, j, _ in found)
    joined = np.arange(len(folder))
    for i, j, _ in found:
        joined[joined == joined[j]] = joined[i]
    assert len(set(joined.tolist())) == len(set(group_of.tolist())), "and they tie all of it"


def test_the_kinds_of_pairs(folder):
    thrice = only(folder, "original_0.png", "mirrored.jpg", "noise.jpg", "original_0.png")
    assert pairs(thrice, turned=True) == [(0, 3, "exact"), (0, 2, "near"), (0, 1, "turned")]


def test_no_pictures_and_one():
    for n in (0, 1):
        assert pairs(looks_of(np.zeros((n, 24, 24), np.uint8)), turned=True) == []
        assert copies(looks_of(np.zeros((n, 24, 24), np.uint8))).tolist() == list(range(n))


def test_blank_pictures_are_no_copies_of_each_other():
    blank = np.stack([np.full((24, 24), level, np.uint8) for level in (0, 90, 255)])
    assert pairs(looks_of(blank), turned=True) == [], "their hashes agree, but there is nothing to see"


def test_groups_do_not_depend_on_the_order(folder):
    names = folder.paths.tolist()
    wanted = copies(folder, turned=True)
    order = np.random.default_rng(1).permutation(len(names))
    group_of = copies(only(folder, *(names[k] for k in order)), turned=True)
    same = wanted[order][:, None] == wanted[order][None]
    np.testing.assert_array_equal(group_of[:, None] == group_of[None], same)


def hashes_with_neighbours(n: int, seed: int) -> np.ndarray:
    """Random hashes; every tenth differs from the one before in 0 to 20 bits."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, n, np.uint64)
    for k in range(10, n, 10):
        bits = rng.choice(64, k // 10 % 21, replace=False).astype(np.uint64)
        hashes[k] = hashes[k - 1] ^ np.bitwise_or.reduce(np.uint64(1) << bits, initial=np.uint64(0))
    return hashes


@pytest.mark.parametrize(("n", "rows", "columns"), [(1, 64, 8192), (500, 64, 8192), (500, 7, 13), (130, 64, 128)])
def test_no_pair_of_hashes_is_missed(monkeypatch, n, rows, columns):
    monkeypatch.setattr(module, "_ROWS", rows)
    monkeypatch.setattr(module, "_COLUMNS", columns)
    hashes = hashes_with_neighbours(n, seed=n)
    close = np.bitwise_count(hashes[:, None] ^ hashes[None]) <= 14
    assert list(close_hashes(hashes, hashes)) == list(map(tuple, np.argwhere(close).tolist()))
    half = n // 2
    wanted = np.argwhere(np.bitwise_count(hashes[:half, None] ^ hashes[None, half:]) <= 9)
    assert list(close_hashes(hashes[:half], hashes[half:], 9)) == list(map(tuple, wanted.tolist()))
    at, beyond = np.uint64(2**14 - 1), np.uint64(2**15 - 1)
    assert list(close_hashes(np.zeros(1, np.uint64), np.array([beyond, at]), 14)) == [(0, 1)]
    prints = Prints.of(np.zeros((n, 24, 24), np.uint8), hashes)
    upper = list(close_pairs(prints, prints, -1.0, groups=np.arange(n)))
    assert upper == list(map(tuple, np.argwhere(np.triu(close, 1)).tolist()))


def correlations(thumbnails: np.ndarray) -> np.ndarray:
    """The definition, plainly: of each two pictures' brightness steps to the right and down."""
    grey = thumbnails.astype(float)
    right, down = np.diff(grey, axis=2)[:, :-1], np.diff(grey, axis=1)[:, :, :-1]
    return np.corrcoef(np.concatenate([right.reshape(len(grey), -1), down.reshape(len(grey), -1)], axis=1))


@pytest.mark.parametrize("limit", [-0.05, 0.0, 0.3, 0.55, 0.9])
def test_edges_agree_as_they_are_defined(monkeypatch, limit):
    monkeypatch.setattr(module, "_CHUNK", 17)
    rng = np.random.default_rng(4)
    grounds = rng.integers(0, 256, (8, 24, 24))
    shares = rng.random((60, 1, 1))
    mixed = shares * grounds[rng.integers(0, 8, 60)] + (1 - shares) * rng.integers(0, 256, (60, 24, 24))
    prints = Prints.of(mixed.astype(np.uint8), np.zeros(60, np.uint64))  # the hashes always agree
    wanted = np.argwhere(np.triu(correlations(mixed.astype(np.uint8)) >= limit, 1))
    assert 0 < len(wanted) < 1770
    assert list(close_pairs(prints, prints, limit, groups=np.arange(60))) == list(map(tuple, wanted.tolist()))


def test_turns_are_the_eight_there_are():
    picture = np.random.default_rng(0).integers(0, 256, (1, 24, 24), np.uint8)
    turned = [turn_thumbnails(picture, turn) for turn in range(TURNS)]
    assert len({t.tobytes() for t in turned}) == 8
    np.testing.assert_array_equal(turned[0], picture)
    np.testing.assert_array_equal(turned[4][0], np.fliplr(picture[0]))


@pytest.mark.parametrize(
    ("images", "limit", "why"),
    [
        (1, CLOSE_EDGES, "a few"),
        (4096, CLOSE_EDGES, "up to here all the same"),
        (8192, 0.60, "twice as many, a step"),
        (65_536, 0.75, "four doublings"),
        (10**9, 0.95, "never beyond what a copy reaches"),
    ],
)
def test_more_pictures_must_agree_more(images, limit, why):
    assert edge_limit(images) == pytest.approx(limit), why


def test_twenty_thousand_pictures():
    """Large sets go the same way: planted copies are found among random pictures, and nothing else is."""
    rng = np.random.default_rng(3)
    thumbnails = rng.integers(0, 256, (20_000, 24, 24), np.uint8)
    thumbnails[1::1000] = thumbnails[0::1000] // 2 + 30
    assert pairs(looks_of(thumbnails)) == [(k, k + 1, "near") for k in range(0, 20_000, 1000)]


def test_a_group_is_named_by_its_first_image_however_it_grew():
    """Later images that belong together first, and the earliest one last."""
    groups = module._Groups(6)
    assert groups.join(4, 5)
    assert groups.join(3, 4)
    assert groups.join(2, 1)
    assert groups.join(1, 5)
    assert not groups.join(2, 3)
    assert [int(name) == int(groups.names[1]) for name in groups.names] == [False, True, True, True, True, True]
    scene = np.random.default_rng(0).integers(0, 200, (24, 24), np.uint8)
    looks = looks_of(np.stack([scene, np.rot90(scene), scene + 20, scene + 40]))
    assert copies(looks, turned=True).tolist() == [0, 0, 0, 0]
    assert copies(only(looks, "1.jpg", "0.jpg", "2.jpg")).tolist() == [0, 1, 1]


def test_a_thousand_frames_of_one_scene_are_one_group():
    scene = np.random.default_rng(0).integers(0, 200, (24, 24), np.uint8)
    frames = np.stack([np.full((24, 24), k % 50, np.uint8) + scene for k in range(1000)])
    found = pairs(looks_of(frames))
    assert len(found) == 999, "not the half million pairs that there are"
    assert (copies(looks_of(frames)) == 0).all()
