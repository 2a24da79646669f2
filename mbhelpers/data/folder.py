"""A folder of class folders, read with distrust: what is in it, and what had to be left out."""

import hashlib
import io
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
THUMBNAIL = 24
"""Side of the grey thumbnails, in pixels."""


@dataclass(frozen=True)
class ImageFolder:
    """The readable images of a folder whose sub-folders are classes; N images, sorted by path.

    Attributes:
        root: the folder that holds the class folders.
        classes: class names, in the order of the labels.
        paths: (N,) file names relative to `root`, with forward slashes.
        labels: (N,) int64, index into `classes`.
        sha256: (N,) content hashes, hexadecimal.
        phash: (N,) uint64 perceptual hashes.
        thumbnails: (N, 24, 24) uint8, grey.
        sizes: (N, 2) int64, width and height in pixels as stored.
        skipped: what was left out: file name and reason.
    """

    root: Path
    classes: tuple[str, ...]
    paths: np.ndarray
    labels: np.ndarray
    sha256: np.ndarray
    phash: np.ndarray
    thumbnails: np.ndarray
    sizes: np.ndarray
    skipped: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def fingerprint(self) -> str:
        """One hash for classes and contents, the same wherever the same images lie."""
        lines = sorted(f"{self.classes[k]} {sha}" for k, sha in zip(self.labels, self.sha256, strict=True))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def counts(self) -> dict[str, int]:
        """Images per class."""
        numbers = np.bincount(self.labels, minlength=len(self.classes))
        return dict(zip(self.classes, numbers.tolist(), strict=True))


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
            f"its classes are {', '.join(classes)}; remove them, or use custom/... for data of your own"
        )
    files = [
        (file, label)
        for label, name in enumerate(present)
        for file in sorted((root / name).rglob("*"))
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(root).parts)
    ]
    with ThreadPoolExecutor(8) as pool:
        looks = pool.map(lambda entry: _look(entry[0]), files)
        looked = list(tqdm(looks, "reading images", len(files), unit="img", disable=len(files) < 5000))
    good = [(file, label, look) for (file, label), look in zip(files, looked, strict=True) if not look.reason]
    bad = [(file, look.reason) for (file, _), look in zip(files, looked, strict=True) if look.reason]
    for label, name in enumerate(present):
        if not any(entry[1] == label for entry in good):
            raise ValueError(f"class folder {root / name} has no readable image; fill or remove it")
    return ImageFolder(
        root=root,
        classes=present,
        paths=np.array([file.relative_to(root).as_posix() for file, _, _ in good]),
        labels=np.array([label for _, label, _ in good], np.int64),
        sha256=np.array([look.sha256 for _, _, look in good]),
        phash=np.array([look.phash for _, _, look in good], np.uint64),
        thumbnails=np.stack([look.thumbnail for _, _, look in good]),
        sizes=np.array([look.size for _, _, look in good], np.int64),
        skipped=tuple((file.relative_to(root).as_posix(), reason) for file, reason in bad),
    )


def class_folders(root: Path) -> tuple[str, ...]:
    """Names of the class folders under `root`, sorted.

    Raises:
        ValueError: the folder is missing or has fewer than two sub-folders.
    """
    if not root.is_dir():
        raise ValueError(f"no folder at {root}; check the path, or fetch the data first")
    names = tuple(sorted(f.name for f in root.iterdir() if f.is_dir() and not f.name.startswith(".")))
    if len(names) < 2:
        found = f"only the class folder {names[0]!r}" if names else "no class folders"
        if names and sum(f.is_dir() for f in (root / names[0]).iterdir()) > 1:
            raise ValueError(f"{root} has {found}; pass {root / names[0]}, whose sub-folders are the classes")
        raise ValueError(f"{root} has {found}; a classifier needs two or more: lay the images out as <class>/<image>")
    return names


@dataclass(frozen=True)
class _Look:
    reason: str = ""
    sha256: str = ""
    phash: int = 0
    thumbnail: Any = None
    size: tuple[int, int] = (0, 0)


def _look(file: Path) -> _Look:
    """Decode one file whole, so that nothing unreadable reaches training."""
    if file.suffix.lower() not in SUFFIXES:
        return _Look(f"not an image file name ({', '.join(SUFFIXES)})")
    try:
        content = file.read_bytes()
    except OSError as error:
        return _Look(f"cannot be read: {error.strerror}")
    if not content:
        return _Look("empty file")
    try:
        with Image.open(io.BytesIO(content)) as image:
            size = image.size
            rgb = upright_rgb(image)
    except UNREADABLE as error:
        return _Look(f"corrupt image ({type(error).__name__}: {str(error).split(' <')[0][:120]})")
    grey = rgb.convert("L")
    thumbnail = np.asarray(grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BILINEAR, reducing_gap=3.0))
    return _Look("", hashlib.sha256(content).hexdigest(), perceptual_hash(grey), thumbnail, size)


def perceptual_hash(image: Image.Image) -> int:
    """64 bits that survive re-encoding, resizing and light retouching.

    The 64 lowest frequencies of the 32 x 32 grey picture's cosine transform, without the constant one, each
    against their median.

    Source: C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010 (pHash).
    """
    grey = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BILINEAR, reducing_gap=3.0), np.float64)
    low = dctn(grey, norm="ortho")[:9, :9].ravel()[1:65]
    return int(np.packbits(low > np.median(low)).view(">u8")[0])
