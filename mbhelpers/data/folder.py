"""A folder of class folders, read with distrust: what is in it, and what had to be left out."""

import functools
import hashlib
import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.fft import dctn
from tqdm import tqdm

from mbhelpers.preprocessing import UNREADABLE, upright_rgb

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
PARTS = {"train", "training", "val", "valid", "validation", "test", "testing"}
"""Folder names of a set that is split already, in small letters."""

THUMBNAIL = 24
"""Side of the grey thumbnails, in pixels."""


@dataclass(frozen=True)
class Looks:
    """What one look at each picture of a folder tells; N readable images.

    Attributes:
        root: the folder that `paths` are relative to.
        paths: (N,) file names relative to `root`, with forward slashes.
        sha256: (N,) content hashes, hexadecimal.
        phash: (N,) uint64 perceptual hashes.
        thumbnails: (N, 24, 24) uint8, grey.
        sizes: (N, 2) int64, width and height in pixels as stored.
        modes: (N,) Pillow's names for how the pixels are stored: "RGB", "L" (grey), "CMYK", "P" (palette), ...
        skipped: what was left out: file name and reason.
    """

    root: Path
    paths: np.ndarray
    sha256: np.ndarray
    phash: np.ndarray
    thumbnails: np.ndarray
    sizes: np.ndarray
    modes: np.ndarray
    skipped: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True)
class ImageFolder(Looks):
    """The readable images of a folder whose sub-folders are classes, sorted by class and path.

    Attributes:
        classes: class names, in the order of the labels.
        labels: (N,) int64, index into `classes`.
        official: (N,) "train" or "test", the part that the authors gave each image; None where they gave none.
    """

    classes: tuple[str, ...]
    labels: np.ndarray
    official: np.ndarray | None = None

    @property
    def fingerprint(self) -> str:
        """One hash for classes and contents, the same wherever the same images lie."""
        return fingerprint_of([self.classes[k] for k in self.labels], self.sha256.tolist())

    def counts(self) -> dict[str, int]:
        """Images per class."""
        numbers = np.bincount(self.labels, minlength=len(self.classes))
        return dict(zip(self.classes, numbers.tolist(), strict=True))


@dataclass(frozen=True)
class Listing:
    """The files of a folder whose sub-folders are classes that are images by their names; not yet read.

    Attributes:
        root: the folder that `paths` are relative to.
        classes: class names, sorted.
        paths: (N,) file names relative to `root`, with forward slashes, sorted by class and path.
        labels: (N,) int64, index into `classes`.
        skipped: what was left out: file name and reason.
    """

    root: Path
    classes: tuple[str, ...]
    paths: np.ndarray
    labels: np.ndarray
    skipped: tuple[tuple[str, str], ...]


def list_images(root: Path) -> Listing:
    """What `scan` would read, listed only, for those who decode the images themselves.

    A file may still turn out to be no image, and a class to have none that can be read: see `no_image`.

    Args:
        root: a folder whose sub-folders are the classes. Deeper folders belong to their class.

    Raises:
        ValueError: the folder is missing or not laid out so, or a class has no file that could be an image.
    """
    root = Path(root)
    classes = class_folders(root)
    inside = _inside(root)
    named = [(name, label) for label, kind in enumerate(classes) for name in files_below(root, kind)]
    reasons = [_refuse(root / name, inside) for name, _ in named]
    good = [entry for entry, reason in zip(named, reasons, strict=True) if not reason]
    skipped = [(_printable(name), reason) for (name, _), reason in zip(named, reasons, strict=True) if reason]
    for label, kind in enumerate(classes):
        if not any(label == of for _, of in good):
            raise no_image(root / kind, [why for name, why in skipped if name.startswith(f"{kind}/")])
    paths = np.array([name for name, _ in good], dtype=str)
    labels = np.array([label for _, label in good], np.int64)
    return Listing(root, classes, paths, labels, (*skipped, *_strays(root)))


def no_image(folder: Path, reasons: Sequence[str]) -> ValueError:
    """The error of a class folder without a readable image; `reasons` are those of the files in it."""
    why = f" (left out: {reasons[0]})" if reasons else ""
    return ValueError(f"class folder {folder} has no readable image{why}; fill or remove it")


def fingerprint_of(classes: Sequence[str], hashes: Sequence[str]) -> str:
    """One hash of images, given the class name and the content hash of each, in any order."""
    lines = sorted(f"{name} {sha}" for name, sha in zip(classes, hashes, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def look(root: Path, paths: Sequence[str]) -> Looks:
    """Read each of these files whole; what is no readable image is left out and reported.

    Args:
        root: the folder that `paths` are relative to; it may itself be a symbolic link.
        paths: names of files in it; those that lead out of it by a symbolic link are left out.
    """
    root = Path(root)
    inside = _inside(root)
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda name: _look(root / name, inside), paths)
        looked = list(tqdm(found, "reading images", len(paths), unit="img", disable=len(paths) < 5000))
    good = [(name, seen) for name, seen in zip(paths, looked, strict=True) if not seen.reason]
    return Looks(
        root=root,
        paths=np.array([name for name, _ in good], dtype=str),
        sha256=np.array([seen.sha256 for _, seen in good], dtype=str),
        phash=np.array([seen.phash for _, seen in good], np.uint64),
        thumbnails=np.array([seen.thumbnail for _, seen in good], np.uint8).reshape(-1, THUMBNAIL, THUMBNAIL),
        sizes=np.array([seen.size for _, seen in good], np.int64).reshape(-1, 2),
        modes=np.array([seen.mode for _, seen in good], dtype=str),
        skipped=tuple((_printable(name), seen.reason) for name, seen in zip(paths, looked, strict=True) if seen.reason),
    )


def files_below(root: Path, folder: str = "") -> list[str]:
    """The names of all files in a folder, however deep, relative to `root`; hidden ones are not listed.

    Linked folders are not entered: each is listed as if it were a file, for `look` to say why it is left out.
    """
    names = []
    for here, folders, files in os.walk(root / folder):
        linked = [name for name in folders if Path(here, name).is_symlink()]
        folders[:] = [name for name in folders if not name.startswith(".")]
        names += [Path(here, name).relative_to(root).as_posix() for name in files + linked if not name.startswith(".")]
    return sorted(names, key=lambda name: name.split("/"))


def scan(root: Path, classes: tuple[str, ...] | None = None) -> ImageFolder:
    """Read every image under `root/<class>/`, leaving out and reporting what is not readable.

    Args:
        root: a folder whose sub-folders are the classes. Deeper folders belong to their class.
        classes: the class folders allowed, None for any. A subset of them may be present; the classes of
            the result are those present, in sorted order.

    Raises:
        ValueError: the folder is missing or not laid out so, has fewer than two classes, a class without a
            readable image, or a class folder that `classes` does not allow.
    """
    root = Path(root)
    present = class_folders(root)
    if classes is not None and (strange := [name for name in present if name not in classes]):
        raise ValueError(
            f"{root} has class folders {', '.join(strange)} that this dataset has not; "
            f"its classes are {', '.join(classes)}; remove them, or take the folder as data of your own (custom)"
        )
    seen = look(root, [name for kind in present for name in files_below(root, kind)])
    place = {name: label for label, name in enumerate(present)}
    labels = np.array([place[name.partition("/")[0]] for name in seen.paths.tolist()], np.int64)
    for label, name in enumerate(present):
        if label not in labels:
            raise no_image(root / name, [why for file, why in seen.skipped if file.startswith(f"{name}/")])
    return ImageFolder(**vars(seen) | {"skipped": seen.skipped + _strays(root)}, classes=present, labels=labels)


def _strays(root: Path) -> tuple[tuple[str, str], ...]:
    """Images beside the class folders."""
    stray = sorted(file.name for file in root.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    return tuple((name, "lies in no class folder") for name in stray if not name.startswith("."))


def _printable(name: str) -> str:
    """A file name that is not UTF-8, with what is not escaped."""
    return name.encode(errors="backslashreplace").decode()


def _inside(root: Path) -> Callable[[Path], bool]:
    """Tells whether a place lies in a folder once links are followed."""
    home = os.path.realpath(root)

    @functools.cache
    def inside(place: Path) -> bool:
        return Path(os.path.realpath(place)).is_relative_to(home)

    return inside


def class_folders(root: Path) -> tuple[str, ...]:
    """Names of the class folders under `root`, sorted.

    Raises:
        ValueError: the folder is missing, has fewer than two sub-folders, or they are no classes by their names.
    """
    if not root.is_dir():
        raise ValueError(f"no folder at {root}; check the path, or fetch the data first")
    # macOS adds a folder of its own to the archives it makes.
    names = tuple(sorted(f.name for f in root.iterdir() if f.is_dir() and not f.name.startswith((".", "__MACOSX"))))
    if len(names) < 2:
        found = f"only the class folder {names[0]!r}" if names else "no class folders"
        if not names and not any(file.suffix.lower() in SUFFIXES for file in root.iterdir()):
            found += " and no images"
        if names and sum(f.is_dir() for f in (root / names[0]).iterdir()) > 1:
            raise ValueError(f"{root} has {found}; pass {root / names[0]}, whose sub-folders are the classes")
        raise ValueError(f"{root} has {found}; a classifier needs two or more: lay the images out as <class>/<image>")
    if PARTS.issuperset(name.lower() for name in names):
        raise ValueError(
            f"{root} has the folders {', '.join(names)}, the parts of a set that is split already, not classes; pass "
            f"one of them, such as {root / names[0]}"
        )
    if {"images", "labels"} <= set(names):
        raise ValueError(
            f"{root} has the folders images and labels, as sets with boxes have, not classes; read its boxes with "
            "mbhelpers.data.yolo, or lay the images out as <class>/<image>"
        )
    return names


@dataclass(frozen=True)
class _Look:
    reason: str = ""
    sha256: str = ""
    phash: int = 0
    thumbnail: Any = None
    size: tuple[int, int] = (0, 0)
    mode: str = ""


def _refuse(file: Path, inside: Callable[[Path], bool]) -> str:
    """Why a file is no image of the folder, as far as can be told without opening it; "" if it may be one."""
    try:
        file.name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if not inside(file.parent) or (file.is_symlink() and not inside(file)):
        return "a link that leads out of the data folder; put the file itself there, as cp -rL does"
    if file.suffix.lower() not in SUFFIXES:
        return f"not an image file name ({', '.join(SUFFIXES)})"
    if not file.is_file():  # a named pipe, for one, would be waited for
        return "not a file" if file.exists() else "not there"
    return ""


def _look(file: Path, inside: Callable[[Path], bool]) -> _Look:
    """Decode one file whole, so that nothing unreadable reaches training."""
    try:
        if reason := _refuse(file, inside):
            return _Look(reason)
        content = file.read_bytes()
    except OSError as error:
        return _Look(f"cannot be read: {error.strerror}")
    if not content:
        return _Look("empty file")
    try:
        with Image.open(io.BytesIO(content)) as image:
            size, mode = image.size, image.mode
            rgb = upright_rgb(image)
    except UNREADABLE as error:
        return _Look(f"corrupt image ({type(error).__name__}: {str(error).split(' <')[0][:120]})")
    grey = rgb.convert("L")
    thumbnail = np.asarray(grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BILINEAR, reducing_gap=3.0))
    return _Look("", hashlib.sha256(content).hexdigest(), perceptual_hash(grey), thumbnail, size, mode)


def perceptual_hash(image: Image.Image) -> int:
    """64 bits that survive re-encoding, resizing and light retouching.

    The 64 lowest frequencies of the 32 x 32 grey picture's cosine transform, without the constant one, each
    against their median.

    Source: C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010 (pHash).
    """
    grey = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BILINEAR, reducing_gap=3.0), np.float64)
    low = dctn(grey, norm="ortho")[:9, :9].ravel()[1:65]
    return int(np.packbits(low > np.median(low)).view(">u8")[0])
