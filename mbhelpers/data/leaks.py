"""Images that two folders or manifests share: what a test set must not have in common with a training set."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from mbhelpers.data.copies import (
    TURNED_EDGES,
    TURNS,
    Prints,
    close_hashes,
    close_pairs,
    edge_limit,
    turn_thumbnails,
)
from mbhelpers.data.folder import SUFFIXES, files_below, look
from mbhelpers.files import read_json

# Of 3,081,403 pairs of flower photographs 9 are that close, all of them copies or shots of a series. So are eight of
# ten copies made with a gamma of 2 and all with a noise of 25 grey levels, but one of six made with a zoom of 1.1.
LIKELY_BITS = 6
"""Hashes without pixels to look at must agree in all but these."""

Kind = Literal["exact", "near", "turned", "likely"]


@dataclass(frozen=True)
class Leak:
    """One picture on both sides.

    Attributes:
        a: its name in the first set.
        b: its name in the second.
        kind: "exact", the same bytes; "near", looks the same; "turned", mirrored or by quarters; "likely", a close
            perceptual hash, where there is but a manifest and no picture to look at.
    """

    a: str
    b: str
    kind: Kind


@dataclass(frozen=True)
class _Side:
    names: np.ndarray  # (N,)
    sha256: np.ndarray  # (N,)
    phash: np.ndarray  # (N,) uint64
    thumbnails: np.ndarray | None  # (N, 24, 24)


def leaks(a: Path, b: Path) -> list[Leak]:
    """Find what two sets share.

    Each picture of either that has a copy in the other comes in one pair at least, exact ones before near ones and
    turned ones last; not every pair of two large groups is listed.

    Args:
        a: a folder, searched at any depth, or a manifest that `save_split` wrote. Image files that can't be read are
            left out, which is printed.
        b: another.

    Returns:
        Sorted by the names in `b`, then those in `a`.

    Raises:
        ValueError: one of them is neither, or holds no readable image.
    """
    first, second = _read(Path(a)), _read(Path(b))
    seen_a, seen_b = np.zeros(len(first.names), bool), np.zeros(len(second.names), bool)
    found = []
    for i, j, kind in _pairs(first, second):
        if not (seen_a[i] and seen_b[j]):
            seen_a[i] = seen_b[j] = True
            found.append(Leak(str(first.names[i]), str(second.names[j]), kind))
    return sorted(found, key=lambda leak: (leak.b, leak.a))


def _pairs(first: _Side, second: _Side) -> Iterator[tuple[int, int, Kind]]:
    places: dict[str, list[int]] = {}
    for j, sha in enumerate(second.sha256.tolist()):
        places.setdefault(sha, []).append(j)
    met: set[str] = set()
    for i, sha in enumerate(first.sha256.tolist()):
        if sha in places:
            # The first of them with all on the other side, the rest with one: not each with each.
            there = places[sha] if sha not in met else places[sha][:1]
            met.add(sha)
            yield from ((i, j, "exact") for j in there)
    if first.thumbnails is None or second.thumbnails is None:
        yield from ((i, j, "likely") for i, j in close_hashes(first.phash, second.phash, LIKELY_BITS))
        return
    limit = edge_limit((2.0 * len(first.names) * len(second.names)) ** 0.5)
    one, other = Prints.of(first.thumbnails, first.phash), Prints.of(second.thumbnails, second.phash)
    yield from ((i, j, "near") for i, j in close_pairs(one, other, limit))
    other = Prints.of(second.thumbnails)
    for turn in range(1, TURNS):
        one = Prints.of(turn_thumbnails(first.thumbnails, turn))
        yield from ((i, j, "turned") for i, j in close_pairs(one, other, max(limit, TURNED_EDGES)))


def _read(place: Path) -> _Side:
    if place.is_dir():
        looks = look(place, [name for name in files_below(place) if name.lower().endswith(SUFFIXES)])
        why = f"{looks.skipped[0][0]}: {looks.skipped[0][1]}" if looks.skipped else ""
        if not len(looks):
            why = f" (left out: {why})" if why else ""
            raise ValueError(f"no readable image in {place}{why}; pass a folder of images or a manifest (split.json)")
        if looks.skipped:
            print(f"{place}: {len(looks.skipped)} images were left out, such as {why}")
        return _Side(looks.paths, looks.sha256, looks.phash, looks.thumbnails)
    if not place.is_file():
        raise ValueError(f"nothing at {place}; pass a folder of images or a manifest (split.json)")
    try:
        entries = read_json(place)["images"]
        return _Side(
            names=np.array([entry["path"] for entry in entries.values()], dtype=str),
            sha256=np.array(list(entries), dtype=str),
            phash=np.array([int(entry["phash"], 16) for entry in entries.values()], np.uint64),
            thumbnails=None,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{place} is no split.json with content and perceptual hashes ({error!r}); pass the folder of the images "
            "(of a person manifest, the one it lies in), or a split.json made by this version"
        ) from error
