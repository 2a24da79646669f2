"""Annotations in Pascal VOC's XML: one file an image."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from mbhelpers.data.coco import check_files
from mbhelpers.data.coco_json import stays_inside
from mbhelpers.data.detections import Detections, assemble

FIRST_PIXEL = 1
"""VOC's number of the leftmost and of the topmost pixel."""


class _Object(NamedTuple):
    name: str
    corners: tuple[float, ...]
    difficult: bool


def read(
    annotations: Path, images: Path, categories: Sequence[str] | None = None, *, keep_difficult: bool = True
) -> Detections:
    """Read a folder of Pascal VOC files.

    VOC's xmin, ymin, xmax and ymax are numbers of pixels, from 1, and the last pixel belongs to the box: one from 1 to
    10 is 10 pixels wide and touches the border; here it begins at 0 and ends at 10. The format has no numbers for
    images, categories and boxes, which count from 1, no segments, so areas are those of the boxes, and no crowds.
    `truncated` is not kept.

    Args:
        annotations: the folder of the `*.xml`, one an image.
        images: the folder of the images.
        categories: names in the order of the labels; None takes those that occur, sorted.
        keep_difficult: whether objects marked `difficult` stay. VOC's own score leaves them out; what is left out is
            listed in `problems`.

    Raises:
        ValueError: there is no XML file; one is malformed, has a document type (which may define entities) or an
            unknown category; or images are not on disk, or listed twice.

    Source: Everingham et al., The PASCAL Visual Object Classes Challenge 2012 Development Kit
    """
    files = sorted(Path(annotations).glob("*.xml"))
    if not files:
        raise ValueError(f"no *.xml in {annotations}; pass the folder of the annotations")
    pages = [_read_page(path) for path in files]
    names = [name for name, _, _ in pages]
    if twins := [one for one, following in pairwise(sorted(names)) if one == following]:
        raise ValueError(f"{annotations} has two files for the image {twins[0]}; remove one")
    if categories is None:
        categories = sorted({found.name for _, _, objects in pages for found in objects})
    problems: list[tuple[str, str]] = []
    rows: list[tuple[int, int, tuple[float, ...]]] = []
    for k, (path, (name, _, objects)) in enumerate(zip(files, pages, strict=True)):
        for found in objects:
            if found.name not in categories:
                raise ValueError(f"{path} has the category {found.name!r}, which is none of {', '.join(categories)}")
            if found.difficult and not keep_difficult:
                problems.append((name, f"{found.name} at {found.corners}: marked difficult: left out"))
            else:
                rows.append((k, categories.index(found.name), found.corners))
    corners = np.array([box for _, _, box in rows], np.float64).reshape(-1, 4)
    corners[:, :2] -= FIRST_PIXEL
    return check_files(
        assemble(
            root=Path(images),
            categories=categories,
            category_ids=np.arange(1, len(categories) + 1),
            paths=names,
            image_ids=np.arange(1, len(pages) + 1),
            sizes=np.array([size for _, size, _ in pages], np.int64),
            image_of=np.array([k for k, _, _ in rows], np.int64),
            corners=corners,
            labels=np.array([label for _, label, _ in rows], np.int64),
            areas=np.full(len(rows), np.nan),
            crowd=np.zeros(len(rows), bool),
            box_ids=np.arange(1, len(rows) + 1),
            problems=problems,
        )
    )


class _NoEntities(ElementTree.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Called before any entity is defined; without a document type there are none."""
        raise ValueError("it has a document type; remove the line <!DOCTYPE ...>")


def _read_page(path: Path) -> tuple[str, tuple[int, int], list[_Object]]:
    """File name, width and height, objects."""
    try:
        page = ElementTree.parse(path, ElementTree.XMLParser(target=_NoEntities())).getroot()
        name = _text(page, "filename")
        size = int(_text(page, "size/width")), int(_text(page, "size/height"))
        objects = [
            _Object(
                _text(found, "name"),
                tuple(float(_text(found, f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")),
                (found.findtext("difficult") or "0").strip() == "1",
            )
            for found in page.iter("object")
        ]
    except (ElementTree.ParseError, OSError, ValueError) as error:
        raise ValueError(f"{path} is no Pascal VOC annotation: {error}") from error
    if min(size) <= 0:
        raise ValueError(f"{path} gives the image {size[0]} x {size[1]} pixels; correct its <size>")
    if not stays_inside(name):
        raise ValueError(f"{path}: the file name {name!r} leaves the folder of the images; correct it")
    return name, size, objects


def _text(element: ElementTree.Element, tag: str) -> str:
    text = (element.findtext(tag) or "").strip()
    if not text:
        raise ValueError(f"<{element.tag}> has no <{tag}>")
    return text
