"""Leak-free splits: every copy of a picture, exact or near, lands on one side."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mbhelpers.data.copies import copies
from mbhelpers.data.folder import ImageFolder
from mbhelpers.files import read_json, write_json

PARTS = ("train", "validation", "test")
FRACTIONS = (0.7, 0.1, 0.2)
"""Shares of train, validation and test."""


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
        sha256: part name to (N,) content hashes.
        left_out: training images in no part, since the official test part has a copy: file name and why.
    """

    classes: tuple[str, ...]
    paths: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    conflicts: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    fingerprint: str
    seed: int
    sha256: dict[str, np.ndarray] = field(default_factory=dict)
    left_out: tuple[tuple[str, str], ...] = ()

    def counts(self) -> dict[str, dict[str, int]]:
        """Images per part and class."""
        numbers = {part: np.bincount(self.labels[part], minlength=len(self.classes)).tolist() for part in PARTS}
        return {part: dict(zip(self.classes, numbers[part], strict=True)) for part in PARTS}


def make_split(
    images: ImageFolder, seed: int, fractions: tuple[float, float, float] = FRACTIONS, *, turned: bool = False
) -> Split:
    """Divide images into train, validation and test, class by class, groups of copies kept together.

    The order within a class comes from hashes of content and seed, so the same images give the same split on
    any machine, whatever their names, folder order or library versions. A group that spans two classes
    follows the first of them.

    Where there is an official split, its test images are the test part, and validation is cut from its train images
    in the proportion of the two shares. A train image whose group has a test image is left out.

    Args:
        images: what `scan` found.
        seed: another seed, another split.
        fractions: shares of train, validation and test; they add up to 1.
        turned: whether mirrored and quarter-turned pictures are copies too.

    Raises:
        ValueError: a class has fewer than three different pictures, or fewer than two besides official test images;
            or the shares don't add up.
    """
    if abs(sum(fractions) - 1) > 1e-9 or min(fractions) <= 0:
        raise ValueError(f"fractions must be positive and add up to 1, not {fractions}")
    groups = _members(copies(images, turned=turned))
    left_out: tuple[tuple[str, str], ...] = ()
    if images.official is None:
        members = _divide(images, groups, seed, fractions)
    else:
        test = _official_test(images.official)
        members = _divide_rest(images, groups, test, seed, fractions[1] / (fractions[0] + fractions[1]))
        left_out = _left_out(images, groups, test)
    chosen = {part: _once(images, members[part]) for part in PARTS}
    return Split(
        classes=images.classes,
        paths={part: images.paths[indices] for part, indices in chosen.items()},
        labels={part: images.labels[indices] for part, indices in chosen.items()},
        conflicts=_conflicts(images),
        groups=tuple(tuple(images.paths[group].tolist()) for group in groups if len(group) > 1),
        fingerprint=images.fingerprint,
        seed=seed,
        sha256={part: images.sha256[indices] for part, indices in chosen.items()},
        left_out=left_out,
    )


def _members(group_of: np.ndarray) -> list[np.ndarray]:
    """The images of each group, groups and images in ascending order."""
    order = np.argsort(group_of, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group_of[order])) + 1)


def _divide(
    images: ImageFolder, groups: list[np.ndarray], seed: int, fractions: tuple[float, float, float]
) -> dict[str, list[int]]:
    chosen: dict[str, list[int]] = {part: [] for part in PARTS}
    for name, mine in zip(images.classes, _shuffled(images, groups, seed), strict=True):
        if len(mine) < 3:
            raise ValueError(
                f"class {name!r} has {len(mine)} different pictures; train, validation and test need one "
                "each, so at least 3; add images"
            )
        tests = max(1, round(fractions[2] * len(mine)))
        validations = max(1, round(fractions[1] * len(mine)))
        if tests + validations >= len(mine):
            raise ValueError(f"fractions {fractions} leave class {name!r} no training images; give train more")
        for k, members in enumerate(mine):
            part = "test" if k < tests else "validation" if k < tests + validations else "train"
            chosen[part] += members.tolist()
    return chosen


def _official_test(official: np.ndarray) -> np.ndarray:
    if strange := set(official.tolist()) - {"train", "test"}:
        raise ValueError(f"an official split has the parts train and test, not {', '.join(sorted(strange))}")
    if "test" not in official:
        raise ValueError("none of these images is of the official test part; bring those too, or split without it")
    return official == "test"


def _divide_rest(
    images: ImageFolder, groups: list[np.ndarray], test: np.ndarray, seed: int, share: float
) -> dict[str, list[int]]:
    """Cut validation, a share, from what is neither test nor a copy of it."""
    chosen: dict[str, list[int]] = {"train": [], "validation": [], "test": np.flatnonzero(test).tolist()}
    free = [members for members in groups if not test[members].any()]
    for name, mine in zip(images.classes, _shuffled(images, free, seed), strict=True):
        if len(mine) < 2:
            raise ValueError(
                f"class {name!r} has {len(mine)} different pictures; train and validation need one each besides the "
                "official test images, so at least 2; add images"
            )
        validations = max(1, round(share * len(mine)))
        for k, members in enumerate(mine):
            chosen["validation" if k < validations else "train"] += members.tolist()
    return chosen


def _shuffled(images: ImageFolder, groups: list[np.ndarray], seed: int) -> list[list[np.ndarray]]:
    """The groups of each class, in an order that contents and seed decide."""
    keyed: list[list[tuple[str, np.ndarray]]] = [[] for _ in images.classes]
    sha = images.sha256.tolist()
    for members in groups:
        # A group is known by its smallest content hash, whichever of its files comes first in a listing.
        key = min(sha[i] for i in members)
        place = hashlib.sha256(f"{seed} {key}".encode()).hexdigest()
        keyed[images.labels[members].min()].append((place, members))
    return [[members for _, members in sorted(mine, key=lambda entry: entry[0])] for mine in keyed]


def _once(images: ImageFolder, members: list[int]) -> np.ndarray:
    """Sorted by content hash, exact copies once."""
    first: dict[str, int] = {}
    for i in sorted(members, key=lambda i: (images.labels[i], i)):
        first.setdefault(images.sha256[i], i)
    return np.array([first[sha] for sha in sorted(first)], np.int64)


def _left_out(images: ImageFolder, groups: list[np.ndarray], test: np.ndarray) -> tuple[tuple[str, str], ...]:
    twins = {
        i: images.paths[members[test[members]][0]]
        for members in groups
        if test[members].any()
        for i in members[~test[members]].tolist()
    }
    return tuple((str(images.paths[i]), f"a copy of the official test image {twins[i]}") for i in sorted(twins))


def _conflicts(images: ImageFolder) -> tuple[str, ...]:
    homes: dict[str, list[int]] = {}
    for i, sha in enumerate(images.sha256.tolist()):
        homes.setdefault(sha, []).append(i)
    return tuple(
        " = ".join(images.paths[same].tolist()) for same in homes.values() if len(set(images.labels[same])) > 1
    )


def save_split(split: Split, images: ImageFolder, path: Path) -> Path:
    """Write the manifest: one entry an image, keyed by content hash."""
    phash_of = dict(zip(images.paths.tolist(), images.phash.tolist(), strict=True))
    entries = {
        sha: {"part": part, "class": split.classes[label], "path": name, "phash": f"{phash_of[name]:016x}"}
        for part in PARTS
        for name, sha, label in _entries(split, part)
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
            "left_out": split.left_out,
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
        place = {name: label for label, name in enumerate(classes)}
        members: dict[str, list[tuple[str, dict]]] = {part: [] for part in PARTS}
        for sha, entry in content["images"].items():
            members[entry["part"]].append((sha, entry))
        return Split(
            classes=classes,
            paths={part: np.array([e["path"] for _, e in found], dtype=str) for part, found in members.items()},
            labels={part: np.array([place[e["class"]] for _, e in found], np.int64) for part, found in members.items()},
            conflicts=tuple(content["conflicts"]),
            groups=tuple(tuple(group) for group in content["copies"]),
            fingerprint=content["fingerprint"],
            seed=content["seed"],
            sha256={part: np.array([sha for sha, _ in found], dtype=str) for part, found in members.items()},
            left_out=tuple((name, why) for name, why in content.get("left_out", ())),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is not a split manifest ({error!r}); delete it and prepare again") from error


def check_split(split: Split, images: ImageFolder, path: Path) -> None:
    """Make sure that a split was made from these very images, lying where it says.

    Args:
        split: read from a manifest.
        images: what was found now.
        path: of the manifest, for the message.

    Raises:
        ValueError: classes, files or contents differ; the message says which.
    """
    listed = {name: (sha, split.classes[label]) for part in PARTS for name, sha, label in _entries(split, part)}
    kinds = (images.classes[label] for label in images.labels.tolist())
    there = dict(zip(images.paths.tolist(), zip(images.sha256.tolist(), kinds, strict=True), strict=True))
    known = {*listed, *(name for group in split.groups for name in group)}  # of exact copies one is listed
    both = [name for name in listed if name in there]
    differences = {
        "missing here": known - there.keys(),
        "new here": there.keys() - known,
        "changed in content": [name for name in both if listed[name][0] != there[name][0]],
        "of another class": [name for name in both if listed[name][1] != there[name][1]],
    }
    found = [
        f"{len(names)} images are {what}, such as {', '.join(sorted(names)[:3])}"
        for what, names in differences.items()
        if names
    ]
    if split.classes != images.classes:
        lacking, more = (
            sorted(set(a) - set(b)) for a, b in ((split.classes, images.classes), (images.classes, split.classes))
        )
        kinds_differ = [
            f"{len(names)} {what} ({', '.join(names[:3])})"
            for names, what in ((lacking, "missing here"), (more, "new here"))
            if names
        ]
        found.insert(0, f"classes: {' and '.join(kinds_differ)}")
    if not found and split.fingerprint != images.fingerprint:
        found = ["of the exact copies it lists, some have changed"]
    if found:
        raise ValueError(
            f"{path} was made from other images than those in {images.root}: {'; '.join(found)}; bring the former "
            "data back, delete the manifest to split anew, or choose another folder (--out)"
        )


def _entries(split: Split, part: str) -> Iterator[tuple[str, str, int]]:
    """File name, content hash and label of each image of a part."""
    columns = (split.paths[part], split.sha256[part], split.labels[part])
    return zip(*(column.tolist() for column in columns), strict=True)
