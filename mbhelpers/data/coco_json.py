"""The parser of COCO's JSON: only what is needed of it becomes objects, a few at a time."""

import json
import mmap
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import numpy as np

PIECE = 1 << 17
"""Bytes of annotations that are Python objects at one time: few enough to stay in the processor's cache."""

SMALL = 8 * PIECE
"""Files of fewer bytes are decoded whole, which saves a walk over them."""

_CUT = re.compile(rb"\}\s*,\s*\{")

_T = TypeVar("_T")
_Number = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]


class Image(msgspec.Struct, gc=False, frozen=True):
    """An entry of `images`; sizes in pixels."""

    id: _Number
    file_name: str
    width: _Number
    height: _Number


class Box(msgspec.Struct, gc=False, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A `bbox`: four numbers in pixels. Half as dear as a tuple, which Python's garbage collector would walk over."""

    left: float
    top: float
    width: float
    height: float


class Annotation(msgspec.Struct, gc=False, frozen=True):
    """An entry of `annotations` without its segment."""

    id: _Number
    image_id: _Number
    category_id: _Number
    bbox: Box
    area: float = float("nan")
    iscrowd: Annotated[int, msgspec.Meta(ge=0, le=1)] | bool = 0


class Category(msgspec.Struct, gc=False, frozen=True):
    """An entry of `categories`."""

    id: _Number
    name: str


class _File(msgspec.Struct, Generic[_T]):
    images: list[Image]
    annotations: _T
    categories: list[Category]


_SMALL_FILE = msgspec.json.Decoder(_File[list[Annotation]])
_LARGE_FILE = msgspec.json.Decoder(_File[msgspec.Raw])
_ANNOTATIONS = msgspec.json.Decoder(list[Annotation])
_ROW = struct.Struct("=4q5d")
_COLUMNS = np.dtype(
    [(name, "=i8") for name in ("id", "image_id", "category_id", "iscrowd")] + [("area", "=f8"), ("bbox", "=f8", 4)]
)
_KINDS: dict[str, Any] = {"images": Image, "annotations": Annotation, "categories": Category}


@dataclass(frozen=True)
class Table:
    """An annotation file as it is, its references resolved: N images, M annotations, C categories.

    Attributes:
        images: N entries.
        image_ids: (N,) int64.
        categories: C entries.
        category_ids: (C,) int64.
        ids: (M,) int64, numbers of the annotations.
        image_of: (M,) int64, index into `images`.
        labels: (M,) int64, index into `categories`.
        boxes: (M, 4) float64: left, top, width, height in pixels.
        areas: (M,) float64, NaN where the file gives none.
        crowd: (M,) bool.
    """

    images: list[Image]
    image_ids: np.ndarray
    categories: list[Category]
    category_ids: np.ndarray
    ids: np.ndarray
    image_of: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray


def parse(path: Path) -> Table:
    """Read and check an annotation file.

    The file is mapped, not read; the parser walks over segments without building them.

    Raises:
        ValueError: the file is missing, truncated, no instances file, or contradicts itself; the message names the
            first numbers concerned.
    """
    images, rows, categories = _load(path)
    if not images or not categories:
        raise ValueError(f"{path} lists no {'categories' if images else 'images'}; pass another file")
    _check_images(path, images)
    image_ids = np.array([image.id for image in images], np.int64)
    category_ids = np.array([category.id for category in categories], np.int64)
    refuse_twins(path, "images", image_ids)
    refuse_twins(path, "annotations", rows["id"])
    refuse_twins(path, "categories", category_ids)
    wrong = (rows["area"] < 0) | np.isinf(rows["area"])
    if wrong.any():
        raise ValueError(
            f"{path}: {_few('annotations', rows['id'][wrong].tolist())} have an area of less than 0 or without end; "
            "correct them, or leave their area away for that of the box"
        )
    names = sorted(category.name for category in categories)
    if twins := [one for one, following in pairwise(names) if one == following]:
        raise ValueError(f"{path} has two categories named {twins[0]!r}; rename one")
    return Table(
        images=images,
        image_ids=image_ids,
        categories=categories,
        category_ids=category_ids,
        ids=rows["id"].copy(),
        image_of=_resolve(path, rows, "image_id", image_ids),
        labels=_resolve(path, rows, "category_id", category_ids),
        boxes=rows["bbox"].copy(),
        areas=rows["area"].copy(),
        crowd=rows["iscrowd"] != 0,
    )


def refuse_twins(path: Path, kind: str, ids: np.ndarray) -> None:
    """Check that no number is there twice.

    Raises:
        ValueError: one is; the message names `path`, `kind` and the first numbers.
    """
    ordered = np.sort(ids)
    again = ordered[1:] == ordered[:-1]
    if again.any():
        raise ValueError(
            f"{path}: {_few(kind, np.unique(ordered[1:][again]).tolist())} are there more than once; number each apart"
        )


def stays_inside(name: str) -> bool:
    """Whether a file name of an annotation leads to a place inside the folder it is relative to."""
    if not name or name[0] == "/" or "\\" in name or "\0" in name:
        return False
    return ".." not in name or ".." not in PurePosixPath(name).parts


def _load(path: Path) -> tuple[list[Image], np.ndarray, list[Category]]:
    try:
        with path.open("rb") as stream:
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        if len(mapped) < SMALL:
            small = _SMALL_FILE.decode(mapped)
            return small.images, np.frombuffer(_to_rows(small.annotations), _COLUMNS), small.categories
        large = _LARGE_FILE.decode(mapped)
        rows = bytearray()
        for piece in _pieces(memoryview(large.annotations)):
            rows += _to_rows(piece)
        return large.images, np.frombuffer(rows, _COLUMNS), large.categories
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}; it is in COCO's annotations archive") from error
    except (msgspec.DecodeError, ValueError, RecursionError):
        return _load_slowly(path)


def _pieces(array: memoryview) -> Iterator[list[Annotation]]:
    """Decode a JSON array a piece at a time, so that there never are many Python objects.

    A piece ends at the first `}, {` after `PIECE` bytes. If that lies inside an entry, in a string or in a list of
    objects, the piece is no JSON, and the next `}, {` is tried.
    """
    start = sought = 1
    last = len(array) - 1
    while sought <= last:
        cut = _CUT.search(array, max(sought, start + PIECE))
        stop = cut.start() + 1 if cut else last
        try:
            piece = _ANNOTATIONS.decode(b"".join((array[:1], array[start:stop], b"]")))
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            if cut is None:
                raise
            sought = cut.end()
            continue
        yield piece
        start = sought = cut.end() - 1 if cut else last + 1


def _to_rows(annotations: Iterable[Annotation]) -> bytes:
    """As `_ROW` packs them: one call an annotation is twice as fast as one pass a column."""
    pack = _ROW.pack
    rows = [
        pack(a.id, a.image_id, a.category_id, a.iscrowd, a.area, (b := a.bbox).left, b.top, b.width, b.height)
        for a in annotations
    ]
    return b"".join(rows)


def _load_slowly(path: Path) -> tuple[list[Image], np.ndarray, list[Category]]:
    """For what the fast parser refuses: NaN, which Python's json writes, and errors, to say where they are."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON ({error}): truncated? Unpack or copy it again") from error
    missing = [key for key in _KINDS if not isinstance(content, dict) or not isinstance(content.get(key), list)]
    if missing:
        raise ValueError(
            f"{path} has no list of {' and of '.join(missing)}; pass an instances_*.json: captions_*.json and "
            "image_info_*.json have no boxes"
        )
    images, annotations, categories = (_convert(path, key, content[key]) for key in _KINDS)
    return images, np.frombuffer(_to_rows(annotations), _COLUMNS), categories


def _convert(path: Path, key: str, entries: list[Any]) -> list[Any]:
    good, bad = [], []
    for place, entry in enumerate(entries):
        try:
            good.append(msgspec.convert(entry, _KINDS[key]))
        except msgspec.ValidationError as error:
            name = f"id {entry['id']}" if isinstance(entry, dict) and "id" in entry else f"number {place + 1}"
            bad.append(f"{name} ({error})")
    if bad:
        raise ValueError(
            f"{path}: {len(bad)} of {len(entries)} {key} are malformed: {'; '.join(bad[:3])}; correct or remove them"
        )
    return good


def _check_images(path: Path, images: list[Image]) -> None:
    if flat := [image.id for image in images if image.width <= 0 or image.height <= 0]:
        raise ValueError(f"{path}: {_few('images', flat)} have a width or height of 0 or less; correct them")
    names = sorted(image.file_name for image in images)
    if outside := [name for name in names if not stays_inside(name)]:
        raise ValueError(f"{path}: the file name {outside[0]!r} leaves the folder of the images; correct it")
    if twins := [one for one, following in pairwise(names) if one == following]:
        raise ValueError(f"{path} lists the file {twins[0]} twice; remove one of the two images")


def _resolve(path: Path, rows: np.ndarray, name: str, ids: np.ndarray) -> np.ndarray:
    """(M,) int64: the index in `ids` of what each annotation names."""
    wanted, order = rows[name], np.argsort(ids)
    place = order[np.searchsorted(ids[order], wanted).clip(max=len(ids) - 1)]
    unknown = ids[place] != wanted
    if unknown.any():
        raise ValueError(
            f"{path}: {_few('annotations', rows['id'][unknown].tolist())} have a {name} that is not listed, such "
            f"as {wanted[unknown][0]}; remove them, or add what they name"
        )
    return place


def _few(kind: str, ids: Sequence[int]) -> str:
    return f"{len(ids)} {kind} (id {', '.join(map(str, ids[:3]))}{', ...' if len(ids) > 3 else ''})"
