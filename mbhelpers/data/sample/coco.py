"""Drawn scenes in the layout of COCO, each object with its outline, area and box to the pixel.

    coco/train2017/000000001009.jpg ...      coco/annotations/instances_train2017.json
    coco/val2017/...                         coco/annotations/instances_val2017.json

Half of the pictures hold persons, from a few pixels high to larger than the frame; the others hold vehicles,
animals, furniture, food, or nothing at all (`planted` says which is which). An object's `segmentation` is an
uncompressed COCO run-length code of what is seen of it, `area` the number of those pixels, and `bbox` is tight
around them; masks never overlap. Of an object with fewer than 12 pixels in sight nothing is drawn. All 80
categories are listed, 49 of them are drawn.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mbhelpers import files, settings
from mbhelpers.data.class_names import COCO, COCO_IDS
from mbhelpers.data.drawing.brush import Rng
from mbhelpers.data.drawing.places import draw_place
from mbhelpers.data.drawing.staging import Outline, photograph, render
from mbhelpers.data.sample.coco_cases import CASES, PLACES_OF, compose, keeps_promise

PARTS = ("train", "val")
YEARS = (2014, 2017)
_GROUPS = (
    ("person", 1), ("vehicle", 8), ("outdoor", 5), ("animal", 10), ("accessory", 5), ("sports", 10), ("kitchen", 7),
    ("food", 10), ("furniture", 6), ("electronic", 6), ("appliance", 5), ("indoor", 7),
)  # fmt: skip
_SUPERCATEGORIES = [name for name, count in _GROUPS for _ in range(count)]
_GRAY_EVERY = 16
_LICENSE = {"id": 1, "name": "CC0 1.0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"}


@dataclass(frozen=True)
class Scene:
    """A drawn picture, uint8 (h, w, 3), and what is in it, from the farthest to the nearest."""

    picture: np.ndarray
    outlines: list[Outline]


@dataclass(frozen=True)
class _Entry:
    """One picture to write. Its `scene` (part, index) is its own, or with a `change` that of the picture it repeats."""

    part: str
    image_id: int
    scene: tuple[str, int]
    change: str = ""

    @property
    def case(self) -> str:
        return CASES[self.scene[1] % len(CASES)]

    @property
    def gray(self) -> bool:
        return self.scene[1] % _GRAY_EVERY == 7

    def name(self, year: int) -> str:
        begin = f"COCO_{self.part}2014_" if year == 2014 else ""
        return f"{begin}{self.image_id:012d}.jpg"

    def path(self, year: int) -> str:
        return f"{self.part}{year}/{self.name(year)}"


def write_sample(
    root: Path,
    *,
    train: int = 160,
    val: int = 80,
    seed: int = settings.DEFAULT_SEED,
    overwrite: bool = False,
    year: int = 2017,
) -> Path:
    """Draw the sample into `root/coco`; the folder appears, or is replaced, only when the new one is complete.

    Picture i of a part does not depend on how many are drawn, except that the near duplicates of
    `near_duplicates` take the last places.

    Args:
        root: the folder that holds the top folder.
        train: number of pictures for training.
        val: number of pictures for validation.
        seed: another seed gives other pictures.
        overwrite: replace a sample that is there.
        year: 2017, or 2014, whose file names begin with COCO_train2014_ or COCO_val2014_.

    Returns:
        The folder `root/coco`.

    Raises:
        FileExistsError: the folder exists and `overwrite` is false.
        ValueError: no such year.
    """
    if year not in YEARS:
        raise ValueError(f"the layout of COCO is that of 2014 or 2017, not {year}; pass year=2014 or year=2017")
    final = Path(root) / "coco"
    if final.exists() and not overwrite:
        raise FileExistsError(f"{final} exists; pass overwrite=True (--overwrite) or choose another folder")
    entries = _entries(train, val, seed)
    with files.replacing(final) as folder:
        (folder / "annotations").mkdir(parents=True)
        for part in PARTS:
            (folder / f"{part}{year}").mkdir()
            content = _write_part(folder, [entry for entry in entries if entry.part == part], seed, year)
            text = json.dumps(content, separators=(",", ":")) + "\n"
            (folder / "annotations" / f"instances_{part}{year}.json").write_text(text, encoding="utf-8")
        (folder / "LICENSE.txt").write_text(
            "The pictures and annotations in these folders were drawn by mbhelpers.data.sample; none is a photograph.\n"
            f"They are dedicated to the public domain under {_LICENSE['name']}: {_LICENSE['url']}\n",
            encoding="utf-8",
        )
    return final


def planted(
    *, train: int = 160, val: int = 80, seed: int = settings.DEFAULT_SEED, year: int = 2017
) -> dict[str, list[str]]:
    """Name the pictures of each case, as ["train2017/000000001009.jpg", ...]; nothing is drawn.

    Args:
        train: as for `write_sample`.
        val: as for `write_sample`.
        seed: as for `write_sample`.
        year: as for `write_sample`.

    Returns:
        For each of `coco_cases.CASES`: empty (no annotations at all), things (no persons), person, group, portrait,
        hidden (partly behind something), border (a person cut by an edge: a box that touches it exactly), tiny (only
        persons that both public rules ignore), between (the rules differ), crowd (a region with iscrowd 1); and
        gray, the pictures stored with one channel.
    """
    entries = _entries(train, val, seed)
    cases = {case: [entry.path(year) for entry in entries if entry.case == case] for case in sorted(set(CASES))}
    return cases | {"gray": [entry.path(year) for entry in entries if entry.gray]}


def near_duplicates(
    *, train: int = 160, val: int = 80, seed: int = settings.DEFAULT_SEED, year: int = 2017
) -> list[tuple[str, str]]:
    """Name the pictures that show the scene of another one, as real collections do.

    The first pair is one picture at another JPEG quality; the second is cropped by a few pixels, with its annotations;
    both lie in the training part. The third is lit otherwise, and its copy is in the validation part. With fewer than
    10 pictures for training or 2 for validation there are none. Arguments as for `write_sample`.

    Returns:
        (original, duplicate), as ("train2017/000000003141.jpg", "val2017/000000080159.jpg").
    """
    entries = _entries(train, val, seed)
    paths = {entry.scene: entry.path(year) for entry in entries if not entry.change}
    return [(paths[entry.scene], entry.path(year)) for entry in entries if entry.change]


def draw_scene(case: str, rng: Rng) -> Scene:
    """Draw one scene of a case.

    Args:
        case: of `coco_cases.CASES`.
        rng: what it is drawn from.

    Raises:
        ValueError: no such case.
    """
    if case not in CASES:
        raise ValueError(f"unknown case {case!r}; choose from {', '.join(sorted(set(CASES)))}")
    longer = int(rng.integers(200, 261))
    shorter = int(rng.integers(160, longer + 1))
    size = (longer, shorter) if rng.uniform() < 0.6 else (shorter, longer)
    frame = size[0] / longer, size[1] / longer
    kind = str(rng.choice(PLACES_OF.get(case, ("street", "park", "beach", "room"))))
    place = draw_place(kind, rng, longer, frame[1])
    while True:
        picture, outlines = render(place.picture, size, compose(case, place, frame, rng))
        if keeps_promise(case, outlines):
            return Scene(photograph(picture, rng), outlines)


def run_lengths(mask: np.ndarray) -> list[int]:
    """Encode a mask (h, w) as COCO does: lengths of runs down the columns, of 0 and 1 by turns, 0 first."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    return [0, *counts] if flat[0] else counts


def _entries(train: int, val: int, seed: int) -> list[_Entry]:
    """List all pictures; ids have gaps, as in COCO, and no two parts share one."""
    entries = []
    for part, count in zip(PARTS, (train, val), strict=True):
        gaps = np.random.default_rng([seed, PARTS.index(part), 0]).integers(0, 500, count)
        for index in range(count):
            image_id = 1000 * (index + 1) + 500 * PARTS.index(part) + int(gaps[index])
            entries.append(_Entry(part, image_id, (part, index)))
    if train >= 10 and val >= 2:
        chosen = np.random.default_rng([seed, len(PARTS)]).choice(train - 2, 3, replace=False).tolist()
        places = (train - 2, train - 1, train + val - 1)
        for place, index, change in zip(places, chosen, ("encoded", "cropped", "lit"), strict=True):
            old = entries[place]
            entries[place] = _Entry(old.part, old.image_id, ("train", index), change)
    return entries


def _write_part(folder: Path, entries: list[_Entry], seed: int, year: int) -> dict[str, Any]:
    """Write the pictures of one part, and give the content of its annotation file."""
    images, annotations = [], list[dict[str, Any]]()
    for entry in entries:
        part, index = entry.scene
        stream = np.random.default_rng([seed, PARTS.index(part), index, 1])  # its own for each picture
        scene = _changed(draw_scene(entry.case, stream), entry.change)
        (folder / entry.path(year)).write_bytes(_jpeg(scene.picture, entry.gray, 70 if entry.change else 90))
        height, width = scene.picture.shape[:2]
        images.append(
            {"id": entry.image_id, "file_name": entry.name(year), "width": width, "height": height, "license": 1}
        )
        annotations += _annotations(scene, entry.image_id)
    return {
        "info": {"description": f"drawn scenes in the layout of COCO {year}", "version": "1.0", "year": year},
        "licenses": [_LICENSE],
        "images": images,
        "annotations": annotations,
        "categories": [
            {"supercategory": group, "id": number, "name": name}
            for group, number, name in zip(_SUPERCATEGORIES, COCO_IDS, COCO, strict=True)
        ],
    }


def _annotations(scene: Scene, image_id: int) -> Iterator[dict[str, Any]]:
    for number, outline in enumerate(scene.outlines, start=1):
        rows, columns = np.nonzero(outline.mask.any(1))[0], np.nonzero(outline.mask.any(0))[0]
        left, top = int(columns[0]), int(rows[0])
        yield {
            "id": image_id * 100 + number,
            "image_id": image_id,
            "category_id": COCO_IDS[COCO.index(outline.category)],
            "iscrowd": int(outline.crowd),
            "area": int(outline.mask.sum()),
            "bbox": [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
            "segmentation": {"counts": run_lengths(outline.mask), "size": list(outline.mask.shape)},
        }


def _changed(scene: Scene, change: str) -> Scene:
    """Give the scene as its near duplicate shows it."""
    if change == "lit":
        return Scene(np.clip(scene.picture * 1.07 + 3.0, 0, 255).astype(np.uint8), scene.outlines)
    if change == "cropped":
        part = slice(2, -1), slice(1, -3)
        cut = [Outline(outline.category, outline.mask[part], outline.crowd) for outline in scene.outlines]
        return Scene(scene.picture[part], [outline for outline in cut if outline.mask.any()])
    return scene


def _jpeg(picture: np.ndarray, gray: bool, quality: int) -> bytes:
    image = Image.fromarray(picture)
    buffer = io.BytesIO()
    (image.convert("L") if gray else image).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
