"""Annotations in YOLO's text files: one file an image, one box a line."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mbhelpers.data.detections import Detections, assemble
from mbhelpers.data.folder import SUFFIXES, files_below
from mbhelpers.preprocessing import UNREADABLE

_ORIENTATION = 0x0112
_LISTS = ("classes.txt", "labels.txt", "obj.names")


def read(labels: Path, images: Path, names: Sequence[str] | str | Path) -> Detections:
    """Read a folder of YOLO label files.

    A line is `class x y width height`: the number of the class, from 0, and the box's centre and size as shares of
    width and height. An image without a label file, or with an empty one, has no boxes. Sizes come from the images'
    headers; they are upright, as YOLO's tools load images. Images and boxes are numbered from 1; areas are those of
    the boxes.

    Args:
        labels: the folder of the `*.txt`, laid out as the images are.
        images: the folder of the images, with sub-folders if there are some.
        names: names of the classes in order, such as the list in `data.yaml`; or a file with one name a line.

    Raises:
        ValueError: a folder is missing or has none of its files, a line is malformed or counts pixels (the message
            names file and line), a label file has no image, two images share a label file, an image is unreadable, or
            two classes have one name.

    Source: https://docs.ultralytics.com/datasets/detect/
    """
    labels, images = Path(labels), Path(images)
    names = _read_names(Path(names)) if isinstance(names, (str, Path)) else tuple(names)
    paths = [name for name in files_below(images) if name.lower().endswith(SUFFIXES)]
    if not labels.is_dir():
        raise ValueError(f"no folder at {labels}; pass the folder of the label files")
    if not paths:
        raise ValueError(f"no images in {images}; pass the folder of the images (linked folders are not entered)")
    places: dict[str, str] = {}
    for name in paths:
        if (other := places.setdefault(f"{name.rpartition('.')[0]}.txt", name)) != name:
            raise ValueError(f"{other} and {name} share one label file; rename one of them in {images}")
    texts = {name for name in files_below(labels) if name.endswith(".txt") and name.rpartition("/")[2] not in _LISTS}
    if not texts:
        raise ValueError(f"no *.txt in {labels}, so no image would have a box; pass the folder of the label files")
    if orphans := sorted(texts - places.keys()):
        raise ValueError(f"{len(orphans)} files in {labels} have no image in {images}, such as {orphans[0]}")
    rows = [
        (k, *row) for k, text in enumerate(places) if text in texts for row in _read_lines(labels / text, len(names))
    ]
    numbers = np.array(rows, np.float64).reshape(-1, 6)
    image_of = numbers[:, 0].astype(np.int64)
    sizes = np.array([_upright_size(images / name) for name in paths], np.int64)
    centres, halves = numbers[:, 2:4], numbers[:, 4:] / 2
    return assemble(
        root=images,
        categories=names,
        category_ids=np.arange(len(names)),
        paths=paths,
        image_ids=np.arange(1, len(paths) + 1),
        sizes=sizes,
        image_of=image_of,
        corners=np.concatenate([centres - halves, centres + halves], axis=1) * np.tile(sizes[image_of], 2),
        labels=numbers[:, 1].astype(np.int64),
        areas=np.full(len(rows), np.nan),
        crowd=np.zeros(len(rows), bool),
        box_ids=np.arange(1, len(rows) + 1),
    )


def _read_names(path: Path) -> tuple[str, ...]:
    if path.suffix in (".yaml", ".yml"):
        raise ValueError(f"{path} is YAML; pass the names in it as a list, in order")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()  # Windows' editors begin with a mark
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read the names of the classes from {path}: {error}") from error
    return tuple(line.strip() for line in lines if line.strip())


def _read_lines(path: Path, classes: int) -> list[tuple[float, ...]]:
    """Class, centre and size of each box."""
    rows: list[tuple[float, ...]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            kind, *box = line.split()
            row = (int(kind), *map(float, box))
        except ValueError as error:
            raise ValueError(f"{path} line {number}: {line!r} is no box ({error})") from error
        if len(row) != 5:
            advice = {6: "; remove the score that a detector wrote"}.get(len(row), "; convert polygons to boxes first")
            raise ValueError(
                f"{path} line {number}: {len(row)} numbers, not the 5 of a box: class x y width height"
                + (advice if len(row) > 5 else "")
            )
        if max(row[1:]) > 2:
            raise ValueError(
                f"{path} line {number}: {line!r} counts pixels; divide x and width by the image's width, y and height "
                "by its height"
            )
        if not 0 <= row[0] < classes:
            raise ValueError(f"{path} line {number}: class {row[0]}, but there are {classes} names, from 0; pass all")
        rows.append(row)
    return rows


def _upright_size(file: Path) -> tuple[int, int]:
    try:
        with Image.open(file) as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
    except UNREADABLE as error:
        raise ValueError(f"{file} is no readable image ({error}); remove it and its label file") from error
    return (height, width) if turned else (width, height)
