"""COCO's annotation files: read into arrays, and written."""

import os
import re
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from mbhelpers.data.coco_json import Annotation, Box, Category, Image, parse, refuse_twins
from mbhelpers.data.detections import Detections, assemble, to_corners
from mbhelpers.data.folder import SUFFIXES
from mbhelpers.files import replacing


def read(annotations: Path, images: Path | None = None, *, root: Path | None = None, check: bool = True) -> Detections:
    """Read one annotation file in COCO's format.

    Category ids become labels 0, 1, ... in the order of the file; boxes become normalized corners. Boxes that reach
    over the border are clipped; those with nothing inside the image, NaN or infinity are left out; both are listed in
    `problems`. Segments are skipped by the parser. The file is mapped, not read: what stays in memory are about 150
    bytes an annotation, and the pages of the file, which the system may drop at any time.

    Args:
        annotations: such as `coco/annotations/instances_val2017.json`.
        images: the folder that the file names are relative to. None: for `annotations/instances_val2017.json`, the
            folder `val2017` beside `annotations`; paths then begin with `val2017/`.
        root: what the paths of the result shall be relative to, a folder around `images`; None: `images` itself.
        check: whether each image must be on disk (see `check_files`). False reads without looking for them.

    Raises:
        ValueError: the file is missing, truncated, no instances file, or contradicts itself (numbers twice or unknown,
            sizes of 0, names that leave the folder); or as `check_files`.

    Source: https://cocodataset.org/#format-data
    """
    annotations = Path(annotations)
    root, prefix = _places(annotations, images, root)
    table = parse(annotations)
    found = assemble(
        root=root,
        categories=[category.name for category in table.categories],
        category_ids=table.category_ids,
        paths=[prefix + image.file_name for image in table.images],
        image_ids=table.image_ids,
        sizes=np.array([(image.width, image.height) for image in table.images], np.int64),
        image_of=table.image_of,
        corners=to_corners(table.boxes),
        labels=table.labels,
        areas=table.areas,
        crowd=table.crowd,
        box_ids=table.ids,
    )
    return check_files(found) if check else found


def read_folder(
    coco_root: Path, year: int | None = None, categories: tuple[str, ...] | None = None, *, check: bool = True
) -> Detections:
    """Read COCO's folder: its train and val of one year, or the one of them that is there, in this order.

    Which of the two an image is from is the beginning of its path; `official_parts` tells.

    Args:
        coco_root: the folder that holds `annotations/`, `train2017/`, `val2017/` or some of these.
        year: 2014 or 2017; None takes the one that is there.
        categories: keep the boxes of these only, with labels in this order; None for all of the file.
        check: as for `read`.

    Raises:
        ValueError: as `annotation_files` and `read`; or train and val share numbers or differ in their categories, or
            one of them has annotations but no folder of images.
    """
    files = annotation_files(coco_root, year)
    for path in files:
        place, name = _places(path, None, None)
        if check and not (place / name).is_dir():
            raise ValueError(
                f"{place} has annotations/{path.name} but no folder {name}; unpack its images there, or to go without "
                "them move that file elsewhere"
            )
    found = [read(path, check=check) for path in files]
    for other in found[1:]:
        for name in ("categories", "category_ids"):
            if list(getattr(found[0], name)) != list(getattr(other, name)):
                raise ValueError(f"train and val in {coco_root} differ in their {name}; unpack the annotations again")
    fields = ("paths", "image_ids", "sizes", "boxes", "labels", "areas", "crowd", "box_ids")
    joined: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in found]) for name in fields}
    refuse_twins(Path(coco_root) / "annotations", "images", joined["image_ids"])
    refuse_twins(Path(coco_root) / "annotations", "annotations", joined["box_ids"])
    lengths = np.concatenate([np.diff(part.first) for part in found])
    joined["first"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    whole = replace(found[0], **joined, problems=tuple(chain.from_iterable(part.problems for part in found)))
    return whole if categories is None else whole.only(categories)


def annotation_files(coco_root: Path, year: int | None = None) -> list[Path]:
    """The instances files of one year in COCO's folder: train's and val's, or the one that is there.

    Raises:
        ValueError: there is none, none of that year, or there are two years and none was chosen.
    """
    place = Path(coco_root) / "annotations"
    found: dict[int, list[Path]] = {}
    for path in sorted(place.glob("instances_*.json")):
        if match := re.fullmatch(r"instances_(train|val)(\d{4})\.json", path.name):
            found.setdefault(int(match[2]), []).append(path)
    if not found:
        raise ValueError(f"no instances_train<year>.json or instances_val<year>.json in {place}; unpack COCO's there")
    years = " and ".join(map(str, sorted(found)))
    if year is None and len(found) > 1:
        raise ValueError(f"{place} holds {years}; choose one with year=... (--year)")
    if year is not None and year not in found:
        raise ValueError(f"{place} holds nothing of {year}, only of {years}; choose that (--year) or unpack COCO's")
    return found[year if year is not None else next(iter(found))]


def official_parts(paths: np.ndarray) -> np.ndarray | None:
    """(N,) str, "train" for COCO's train and "test" for its val; None where only one of them is there.

    COCO keeps the annotations of its own test images to itself, so val is what others call test.

    Args:
        paths: (N,) as in the result of `read_folder`.
    """
    val = np.strings.startswith(paths, "val")
    if val.all() or not val.any() or not (val | np.strings.startswith(paths, "train")).all():
        return None
    return np.where(val, "test", "train")


def check_files(found: Detections) -> Detections:
    """Compare the images with the folder: the result has a line in `problems` where the folder holds more of them.

    Raises:
        ValueError: images are not on disk.
    """
    folders = sorted({name.rpartition("/")[0] for name in found.paths.tolist()})
    listed, there = set(found.paths.tolist()), set()
    for folder in folders:
        if (found.root / folder).is_dir():
            names = [name for name in os.listdir(found.root / folder) if (found.root / folder / name).is_file()]
            there |= {f"{folder}/{name}".lstrip("/") for name in names if not name.startswith(".")}
    if absent := sorted(listed - there):
        raise ValueError(
            f"{len(absent)} of {len(listed)} images that the annotations list are not in {found.root}, such as "
            f"{absent[0]}; unpack the images again, or pass their own folder"
        )
    if more := sorted(name for name in there - listed if name.lower().endswith(SUFFIXES)):
        note = (more[0].rpartition("/")[0] or ".", f"{len(more)} images that are not annotated, such as {more[0]}")
        return replace(found, problems=(*found.problems, note))
    return found


def write(found: Detections, path: Path) -> Path:
    """Write boxes in COCO's format; `read(path, found.root)` gives them back.

    Numbers of images, categories and boxes, areas and crowds are kept. File names are relative to `found.root`.
    Boxes get the fewest decimals, two at least, that are read as the same float32 shares again.

    Raises:
        ValueError: images or boxes share a number; or the folder can't be written.
    """
    boxes = np.arange(1, len(found.boxes) + 1) if found.box_ids is None else found.box_ids
    for kind, ids in (("images", found.image_ids), ("annotations", boxes), ("categories", found.category_ids)):
        refuse_twins(path, kind, ids)
    images = zip(found.image_ids.tolist(), found.paths.tolist(), found.sizes.tolist(), strict=True)
    columns = (boxes, found.image_ids[found.image_of], found.category_ids[found.labels], found.areas, found.crowd * 1)
    rows = zip(*(array.tolist() for array in columns), found.pixel_boxes().tolist(), strict=True)
    annotations = [
        Annotation(number, image, category, Box(*box), area, crowd)
        for number, image, category, area, crowd, box in rows
    ]
    content = {
        "info": {"description": "written by mbhelpers"},
        "licenses": [],
        "images": [Image(number, name, *size) for number, name, size in images],
        "annotations": annotations,
        "categories": [Category(*pair) for pair in zip(found.category_ids.tolist(), found.categories, strict=True)],
    }
    with replacing(path) as temporary:
        temporary.write_bytes(msgspec.json.encode(content))
    return path


def _places(annotations: Path, images: Path | None, root: Path | None) -> tuple[Path, str]:
    """The root of the paths, and what comes between it and the file names."""
    if images is None:
        folder = annotations.stem.partition("_")[2]
        if not folder or root is not None:
            raise ValueError(f"which folder holds the images of {annotations}? Pass it as images=...")
        return annotations.parent.parent, f"{folder}/"
    root = Path(images if root is None else root)
    if not Path(images).is_relative_to(root):
        raise ValueError(f"the images' folder {images} does not lie in the root {root}; pass a root around it")
    between = Path(images).relative_to(root).as_posix()
    return root, "" if between == "." else f"{between}/"
