"""ImageNet's 1000 classes on disk, in any of the layouts in use: paths, and labels as models count them.

Models count the sorted wnids from 0: class 0 is n01440764, tench. The ground truth of the ILSVRC2012 validation
images counts otherwise: from 1, in the order of the development kit, where 1 is n02119789. Read as class indices
those numbers give an accuracy of 0.1 %, without an error anywhere.
"""

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

CLASSES = 1000
_SUFFIXES = (".jpeg", ".jpg", ".png")
_WNID = re.compile(r"n\d{8}")
_NAMED = re.compile(r"(n\d{8})_(.+)")
_VALIDATION = re.compile(r"ILSVRC2012_val_(\d{8})")
_VALIDATION_FOLDERS = ("ILSVRC2012_img_val", "val", "validation")
_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
_TRUTH_PLACES = (_TRUTH, f"data/{_TRUTH}", f"ILSVRC2012_devkit_t12/data/{_TRUTH}")
_NAMES = ("synset_words.txt", "LOC_synset_mapping.txt", "map_clsloc.txt")


def class_names() -> tuple[str, ...]:
    """A short name of each class, all distinct, in the order that models count them.

    They are the first of WordNet's synonyms; the three pairs that share theirs (crane, Cardigan and cardigan, maillot)
    say which is which.
    """
    return tuple(name for _, name, _ in _table())


def wnids() -> tuple[str, ...]:
    """The 1000 wnids in the order that models count them: sorted."""
    return tuple(wnid for wnid, _, _ in _table())


def development_kit() -> tuple[str, ...]:
    """The 1000 wnids in the order of the development kit's numbers: the one at place k has the number k + 1."""
    return tuple(wnid for wnid, _, _ in sorted(_table(), key=lambda entry: entry[2]))


@cache
def _table() -> tuple[tuple[str, str, int], ...]:
    """Wnid, name and development kit's number of each class."""
    with Path(__file__).with_name("imagenet_classes.csv").open(encoding="utf-8", newline="") as stream:
        return tuple((line["wnid"], line["name"], int(line["number"])) for line in csv.DictReader(stream))


@dataclass(frozen=True)
class ImageNet:
    """Images of the 1000 classes; not yet decoded.

    Attributes:
        root: the folder that `paths` are relative to.
        paths: (N,) file names, sorted, with forward slashes.
        labels: (N,) int64, 0..999, the place of the class among the sorted wnids.
        names: of each class, in that order. Lists made elsewhere give some names twice (crane, maillot), so compare
            labels, never names.
        layout: "flat", "class folders", "numbered folders" or "validation".
    """

    root: Path
    paths: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    layout: str

    def __len__(self) -> int:
        return len(self.paths)

    def files(self) -> list[Path]:
        """The paths in full."""
        return [self.root / name for name in self.paths.tolist()]


def read_imagenet(root: Path | str, *, truth: Path | str | None = None, names: Path | str | None = None) -> ImageNet:
    """List the images of a folder with their labels.

    Args:
        root: one of
            - a flat folder of `<wnid>_<anything>.JPEG`;
            - class folders `<wnid>/<image>`; or `0/` to `999/`, as ImageNet-V2 unpacks;
            - the ILSVRC2012 validation images, `ILSVRC2012_val_00000001.JPEG` and so on, or the folder that holds
              theirs (`ILSVRC2012_img_val`, `val`).
            Some of the classes, or some of the images, are enough.
        truth: labels of the validation images, where they are not beside them under their own name: a line an
            image, in order, each the development kit's number 1..1000 or a wnid; or lines `<file> <class 0..999>`.
        names: as `read_names` takes it; by default a list beside the images, if one is there, else `class_names`.

    Raises:
        ValueError: the folder is in no such layout or mixes two, a class is none of the 1000, or an image has no
            label; each with the way out.
    """
    root = Path(root)
    if not root.is_dir():
        raise ValueError(f"no folder at {root}; check the path, or unpack the images first")
    images = _images(root)
    folders = sorted(f.name for f in root.iterdir() if f.is_dir() and not f.name.startswith("."))
    if images and (classes := [name for name in folders if name in wnids()]):
        raise ValueError(f"{root} has images, such as {images[0]}, and class folders, such as {classes[0]}; keep one")
    holding = [name for name in _VALIDATION_FOLDERS if name in folders]
    if not images and holding:
        place, images = root / holding[0], _images(root / holding[0])
        if not images:  # prepared as class folders
            return read_imagenet(place, truth=truth, names=names or _beside(root, _NAMES))
    else:
        place = root
    if any(_VALIDATION.match(name) for name in images):
        layout, labels = "validation", _validation_labels(place, images, truth)
    elif truth is not None:
        raise ValueError(f"{root} holds no ILSVRC2012_val_<number>.JPEG, which {truth} is for; pass no truth")
    elif images:
        layout, labels = "flat", _flat_labels(place, images)
    else:
        layout, images, labels = _class_folders(root, folders)
    listed = Path(names) if names else _beside(root, _NAMES) or _beside(place.parent, _NAMES)
    told = read_names(listed) if listed else class_names()
    return ImageNet(place, np.array(images), np.array(labels, np.int64), told, layout)


def is_imagenet(root: Path | str) -> bool:
    """Whether the names in a folder are those of a layout that `read_imagenet` takes; they may still be wrong."""
    root = Path(root)
    if not root.is_dir():
        return False
    if images := _images(root):
        return any(_VALIDATION.match(name) or _NAMED.match(name) for name in images)
    folders = [f.name for f in root.iterdir() if f.is_dir() and not f.name.startswith(".")]
    if inner := [name for name in _VALIDATION_FOLDERS if name in folders]:
        return is_imagenet(root / inner[0])
    return not set(folders).isdisjoint(wnids()) or (bool(folders) and all(map(_is_class_number, folders)))


def read_names(path: Path | str) -> tuple[str, ...]:
    """Names of the 1000 classes, in the order of the sorted wnids.

    Args:
        path: 1000 lines, each `<wnid> <name>` in any order, `<wnid> <number> <name>`, `<index> <name>` or a name
            alone; of the last two also 1001 lines, of which the first is the background.

    Raises:
        ValueError: the file is missing, or has other lines.
    """
    path = Path(path)
    lines = _lines(path)
    if all(_WNID.match(line) for line in lines):
        entries = [re.fullmatch(r"(n\d{8})(?:\s+(?:\d+\s+)?(\S.*))?", line) for line in lines]
        named = {match[1]: match[2] or match[1] for match in entries if match}
        if sorted(named) != list(wnids()):
            raise ValueError(
                f"{path} names {len(named)} wnids, which are not ImageNet's {CLASSES}; pass a list of these"
            )
        return tuple(named[wnid] for wnid in sorted(named))
    if all(re.match(r"\d+[\s:]", line) for line in lines):
        parts = [re.split(r"[\s:]+", line, maxsplit=1) for line in lines]
        first = int(parts[0][0])
        if [int(number) for number, _ in parts] != list(range(first, first + len(parts))):
            raise ValueError(f"{path} doesn't number its lines one after the other; sort it by class index")
        lines = [name for _, name in parts]
    if len(lines) == CLASSES + 1 and lines[0].lower() in ("background", "dummy"):
        lines = lines[1:]
    if len(lines) != CLASSES:
        raise ValueError(
            f"{path} has {len(lines)} names; expected {CLASSES}, or {CLASSES + 1} that begin with 'background'"
        )
    return tuple(lines)


def _images(folder: Path) -> list[str]:
    return sorted(
        f.name for f in folder.iterdir() if f.suffix.lower() in _SUFFIXES and not f.name.startswith(".") and f.is_file()
    )


def _beside(folder: Path, wanted: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in wanted if (folder / name).is_file()), None)


def _is_class_number(name: str) -> bool:
    return name.isdecimal() and int(name) < CLASSES


def _lines(path: Path) -> list[str]:
    """The lines of a list, without blank ones."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError):
        raise ValueError(f"no list at {path}; check the path") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text ({error}); pass a list, one line a class or an image") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"{path} is empty; get it again")
    return lines


def _flat_labels(root: Path, images: list[str]) -> list[int]:
    """Labels from the names of the files."""
    place = {wnid: label for label, wnid in enumerate(wnids())}
    found = []
    for name in images:
        match = _NAMED.match(name)
        if match is None:
            raise ValueError(
                f"{root / name} has no wnid in its name; expected <wnid>_<anything>.JPEG, such as "
                "n01440764_tench.JPEG, or folders named by wnid"
            )
        if match[1] not in place:
            raise ValueError(f"{root / name} is of {match[1]}, none of ImageNet's {CLASSES} classes; remove it")
        found.append(place[match[1]])
    return found


def _class_folders(root: Path, folders: list[str]) -> tuple[str, list[str], list[int]]:
    """Layout, paths and labels of class folders."""
    known = wnids()
    numbered = bool(folders) and all(map(_is_class_number, folders))
    strange = [name for name in folders if not numbered and name not in known]
    if not folders or strange:
        what = f"the folder {strange[0]}" if strange else "neither images nor folders"
        raise ValueError(
            f"{root} has {what}; expected <wnid>_<anything>.JPEG, ILSVRC2012_val_<number>.JPEG, folders named by wnid "
            "(n01440764) or by class (0 to 999)"
        )
    images, labels = [], []
    for name in folders:
        inside = _images(root / name)
        if not inside:
            raise ValueError(f"class folder {root / name} has no image; fill or remove it")
        for image in inside:
            match = _NAMED.match(image)
            if not numbered and match and match[1] != name:
                raise ValueError(f"{root / name / image} lies in the folder of {name}, its name says {match[1]}")
        images += [f"{name}/{image}" for image in inside]
        labels += [int(name) if numbered else known.index(name)] * len(inside)
    return "numbered folders" if numbered else "class folders", images, labels


def _validation_labels(place: Path, images: list[str], truth: Path | str | None) -> list[int]:
    """Labels of ILSVRC2012 validation images by the number in their names."""
    homes = (place, place.parent)
    path = Path(truth) if truth else next((file for home in homes if (file := _beside(home, _TRUTH_PLACES))), None)
    if path is None:
        raise ValueError(
            f"{place} has validation images, and neither it nor the folder above has {_TRUTH}; copy it there from the "
            "development kit (ILSVRC2012_devkit_t12/data), or pass a list of labels"
        )
    known = _read_truth(path)

    for name in images:
        match = _VALIDATION.fullmatch(Path(name).stem)
        if match is None:
            raise ValueError(f"{place / name} lies among validation images and is none by its name; remove it")
        if int(match[1]) not in known:
            raise ValueError(f"{path} has no label for {name}; it has {len(known)}: get the whole list")
    return [known[int(Path(name).stem[-8:])] for name in images]


def _read_truth(path: Path) -> dict[int, int]:
    """The class 0..999 of each validation image, by the number in its name."""
    lines, kit = _lines(path), development_kit()
    place = {wnid: label for label, wnid in enumerate(wnids())}
    if all(re.fullmatch(r"\d+", line) for line in lines):
        numbers = [int(line) for line in lines]
        if min(numbers) < 1 or max(numbers) > CLASSES:
            raise ValueError(
                f"{path} has numbers from {min(numbers)} to {max(numbers)}; the development kit's go from 1 to "
                f"{CLASSES}. If these are class indices, write each line as <file> <class>"
            )
        return {k: place[kit[number - 1]] for k, number in enumerate(numbers, start=1)}
    if all(line in place for line in lines):
        return {k: place[wnid] for k, wnid in enumerate(lines, start=1)}
    pairs = [re.fullmatch(r"(?:.*/)?ILSVRC2012_val_(\d{8})\.\w+\s+(\d{1,3})", line) for line in lines]
    if wrong := [line for line, pair in zip(lines, pairs, strict=True) if pair is None]:
        raise ValueError(
            f"{path} has the line {wrong[0]!r}; each is a number 1..{CLASSES}, a wnid, or <file> <class 0..999>"
        )
    return {int(pair[1]): int(pair[2]) for pair in pairs if pair}
