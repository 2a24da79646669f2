"""Leak-free splits: every copy of a picture, exact or near, lands on one side."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mbhelpers.data.folder import ImageFolder
from mbhelpers.files import read_json, write_json

PARTS = ("train", "validation", "test")
FRACTIONS = (0.7, 0.1, 0.2)
"""Shares of train, validation and test."""

# Looked at on 2,483 flower photographs: but for three, the pairs that pass both tests are one picture retouched,
# re-cropped or re-encoded, or one shot of a series; pairs below 0.55 only share their composition. A wrong pair
# costs nothing but that two pictures stay together; a missed one leaks.
CLOSE_BITS = 14
CLOSE_EDGES = 0.55


@dataclass(frozen=True)
class Split:
    """Which image belongs where; exact copies count once.

    Attributes:
        classes: class names, in the order of the labels.
        paths: part name to (N,) file names relative to the data root.
        labels: part name to (N,) int64 labels.
        conflicts: content that lies in two class folders, as text; it counts for the class of its first file.
        groups: sets of exact or near copies, as lists of file names; only sets of two or more.
        fingerprint: of the data the split was made from.
        seed: that it was made with.
    """

    classes: tuple[str, ...]
    paths: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    conflicts: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    fingerprint: str
    seed: int

    def counts(self) -> dict[str, dict[str, int]]:
        """Images per part and class."""
        return {
            part: {name: int((self.labels[part] == k).sum()) for k, name in enumerate(self.classes)} for part in PARTS
        }


def copies(images: ImageFolder) -> np.ndarray:
    """Group exact and near copies.

    Near copies agree in their perceptual hash (up to `CLOSE_BITS`) and in the edges of their thumbnails
    (correlation of `CLOSE_EDGES` or more): re-encoded, resized, retouched or slightly cropped pictures. Mirrored
    and strongly cropped ones are not found.

    Returns:
        (N,) int64: the index of the first image of each image's group.
    """
    parent = np.arange(len(images))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in _close_pairs(images):
        a, b = sorted((root(i), root(j)))
        parent[b] = a
    return np.array([root(i) for i in range(len(images))])


def _close_pairs(images: ImageFolder, block: int = 1024) -> list[tuple[int, int]]:
    looks = _edges(images.thumbnails)
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(images), block):
        here = slice(start, start + block)
        bits = np.bitwise_count(images.phash[here, None] ^ images.phash[None, start:])
        rows, columns = np.nonzero(bits <= CLOSE_BITS)
        keep = columns > rows  # each pair once, none with itself
        rows, columns = rows[keep], columns[keep]
        close = np.einsum("nd,nd->n", looks[start + rows], looks[start + columns]) >= CLOSE_EDGES
        pairs += zip((start + rows[close]).tolist(), (start + columns[close]).tolist(), strict=True)
    by_content: dict[str, int] = {}
    for i, sha in enumerate(images.sha256.tolist()):
        if (first := by_content.setdefault(sha, i)) != i:
            pairs.append((first, i))
    return pairs


def _edges(thumbnails: np.ndarray) -> np.ndarray:
    """Brightness steps to the right and down as unit vectors, (N, D): they survive a change of colour or light."""
    grey = thumbnails.astype(np.float32)
    right = np.diff(grey, axis=2)[:, :-1].reshape(len(grey), -1)
    down = np.diff(grey, axis=1)[:, :, :-1].reshape(len(grey), -1)
    steps = np.concatenate([right, down], axis=1)
    steps -= steps.mean(axis=1, keepdims=True)
    return steps / (np.linalg.norm(steps, axis=1, keepdims=True) + 1e-6)


def make_split(images: ImageFolder, seed: int, fractions: tuple[float, float, float] = FRACTIONS) -> Split:
    """Divide images into train, validation and test, class by class, groups of copies kept together.

    The order within a class comes from hashes of content and seed, so the same images give the same split on
    any machine, whatever their names, folder order or library versions. A group that spans two classes
    follows the class of its first image.

    Args:
        images: what `scan` found.
        seed: another seed, another split.
        fractions: shares of train, validation and test; they add up to 1.

    Raises:
        ValueError: a class has fewer than three different pictures, or the shares don't add up.
    """
    if abs(sum(fractions) - 1) > 1e-9 or min(fractions) <= 0:
        raise ValueError(f"fractions must be positive and add up to 1, not {fractions}")
    group_of = copies(images)
    chosen: dict[str, list[int]] = {part: [] for part in PARTS}
    for label, name in enumerate(images.classes):
        firsts = [i for i in np.unique(group_of) if images.labels[i] == label]
        if len(firsts) < 3:
            raise ValueError(
                f"class {name!r} has {len(firsts)} different pictures; train, validation and test need one "
                "each, so at least 3; add images"
            )
        # A group is known by its smallest content hash, whichever of its files comes first in a listing.
        keys = {i: min(images.sha256[group_of == i]) for i in firsts}
        firsts.sort(key=lambda i: hashlib.sha256(f"{seed} {keys[i]}".encode()).hexdigest())
        tests = max(1, round(fractions[2] * len(firsts)))
        validations = max(1, round(fractions[1] * len(firsts)))
        parts = ["test"] * tests + ["validation"] * validations
        if len(parts) >= len(firsts):
            raise ValueError(f"fractions {fractions} leave class {name!r} no training images; give train more")
        parts += ["train"] * (len(firsts) - len(parts))
        for part, first in zip(parts, firsts, strict=True):
            chosen[part] += np.nonzero(group_of == first)[0].tolist()
    return Split(
        classes=images.classes,
        paths={part: images.paths[_once(images, members)] for part, members in chosen.items()},
        labels={part: images.labels[_once(images, members)] for part, members in chosen.items()},
        conflicts=_conflicts(images),
        groups=_groups(images, group_of),
        fingerprint=images.fingerprint,
        seed=seed,
    )


def _once(images: ImageFolder, members: list[int]) -> np.ndarray:
    """Sorted by content hash, exact copies once."""
    first: dict[str, int] = {}
    for i in sorted(members):
        first.setdefault(images.sha256[i], i)
    return np.array([first[sha] for sha in sorted(first)], np.int64)


def _groups(images: ImageFolder, group_of: np.ndarray) -> tuple[tuple[str, ...], ...]:
    firsts, sizes = np.unique(group_of, return_counts=True)
    return tuple(tuple(images.paths[group_of == first].tolist()) for first in firsts[sizes > 1])


def _conflicts(images: ImageFolder) -> tuple[str, ...]:
    homes: dict[str, list[int]] = {}
    for i, sha in enumerate(images.sha256.tolist()):
        homes.setdefault(sha, []).append(i)
    return tuple(
        " = ".join(images.paths[same].tolist()) for same in homes.values() if len(set(images.labels[same])) > 1
    )


def save_split(split: Split, images: ImageFolder, path: Path) -> Path:
    """Write the manifest: one entry an image, keyed by content hash."""
    sha_of = dict(zip(images.paths.tolist(), images.sha256.tolist(), strict=True))
    entries = {
        sha_of[name]: {"part": part, "class": split.classes[label], "path": name}
        for part in PARTS
        for name, label in zip(split.paths[part].tolist(), split.labels[part].tolist(), strict=True)
    }
    return write_json(
        path,
        {
            "classes": split.classes,
            "seed": split.seed,
            "fingerprint": split.fingerprint,
            "counts": split.counts(),
            "copies": split.groups,
            "conflicts": split.conflicts,
            "skipped": images.skipped,
            "images": entries,
        },
    )


def load_split(path: Path) -> Split:
    """Read a manifest that `save_split` wrote.

    Raises:
        ValueError: the file is missing or is no manifest.
    """
    content = read_json(path)
    try:
        classes = tuple(content["classes"])
        entries = list(content["images"].values())
        members = {part: [e for e in entries if e["part"] == part] for part in PARTS}
        return Split(
            classes=classes,
            paths={part: np.array([e["path"] for e in found]) for part, found in members.items()},
            labels={
                part: np.array([classes.index(e["class"]) for e in found], np.int64) for part, found in members.items()
            },
            conflicts=tuple(content["conflicts"]),
            groups=tuple(tuple(group) for group in content["copies"]),
            fingerprint=content["fingerprint"],
            seed=content["seed"],
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is not a split manifest ({error!r}); delete it and prepare again") from error
