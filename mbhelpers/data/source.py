"""One way to a data set, whichever of its sources it comes from."""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from mbhelpers import settings
from mbhelpers.data import catalog, coco, fetch, folder, food101, person, sample
from mbhelpers.data.detections import Detections
from mbhelpers.data.folder import ImageFolder
from mbhelpers.data.transfer import in_words, need_room, writing
from mbhelpers.files import locked

STRATA = ("no objects", "other", "person")
"""What a split of a detection set keeps in balance: whether an image has a person, another object, or none."""

SMALL_STRATUM = 10
"""Of fewer images there is no balance to keep; they count as "other"."""


def locate(dataset: str, data_dir: Path | str | None) -> Path:
    """The folder that the file names of a data set are relative to.

    For a classification set its sub-folders are the classes; a detection set's folder holds `annotations/`.
    COCO person, given as COCO's folder, is first built by the rule of Visual Wake Words (see `prepared_person`).

    Args:
        dataset: a name of the catalog, or "custom" for the user's own folder.
        data_dir: "sample" for drawn pictures; a folder that holds the official top folder (`flower_photos`,
            `food-101`, `coco`, ...) or is it; None for the project's data folder, into which the official archives
            are fetched if they are not there.

    Raises:
        ValueError: no such data set or folder, another layout, or the download failed.
    """
    if dataset == "custom":
        if data_dir is None:
            raise ValueError(
                "custom/... needs your own folder: pass --data FOLDER with one sub-folder a class, for a detector in "
                "COCO's layout"
            )
        return sample.ensure("flowers") if data_dir == settings.SAMPLE else Path(data_dir)
    known = catalog.find(dataset)
    top = _top_folder(known, data_dir)
    if known.layout == "food101":
        return top / "images"
    if dataset == "coco_person" and not _is_person_folder(top):
        return prepared_person(top, year=_year(dataset, data_dir))
    return top


def load(dataset: str, data_dir: Path | str | None) -> ImageFolder:
    """Locate a data set and read its images; what was left out is printed and kept in `skipped`.

    The images of a detection set come with `STRATA` in place of classes.

    Raises:
        ValueError: as `locate`, `folder.scan` and the readers of the layouts.
    """
    if dataset in detection_sets():
        return detection_images(load_detections(dataset, data_dir))
    if dataset == "custom":
        images = folder.scan(locate(dataset, data_dir))
    elif catalog.find(dataset).layout == "food101":
        images = food101.load(_top_folder(catalog.find(dataset), data_dir))
    else:
        root = locate(dataset, data_dir)
        if dataset == "coco_person" and not (root / person.MANIFEST).is_file():
            raise ValueError(
                f"{root} has no {person.MANIFEST}, which says what is COCO's train and val; pass COCO's own folder, "
                "or use custom/... for class folders of your own"
            )
        images = folder.scan(root, catalog.find(dataset).classes)
        if dataset == "coco_person":
            images = replace(images, official=person.official_parts(images))
    _say_what_is_lacking(images, "classes" if dataset == "custom" else catalog.find(dataset).layout)
    return images


def _say_what_is_lacking(images: ImageFolder, layout: str) -> None:
    if layout == "coco" and images.official is None:
        print(
            "only one of COCO's train and val is here: its images are divided into train, validation and test, so "
            "don't measure what learned from them on COCO's own val"
        )
    if images.skipped:
        shown = "; ".join(f"{name}: {reason}" for name, reason in images.skipped[:5])
        more = f" and {len(images.skipped) - 5} more" if len(images.skipped) > 5 else ""
        print(f"left out {len(images.skipped)} of {len(images) + len(images.skipped)} files: {shown}{more}")


def load_detections(dataset: str, data_dir: Path | str | None) -> Detections:
    """The boxes of a detection set, of its own categories only; for COCO person, those of persons.

    Your own ("custom") are in COCO's layout: `annotations/instances_NAME.json`, and `NAME/` with the images.

    Raises:
        ValueError: the data set has no boxes, or its folder holds none; or as `locate` and `coco.read_folder`.
    """
    if dataset == "custom":
        return _own_detections(locate(dataset, data_dir))
    known = catalog.find(dataset)
    if known.layout != "coco":
        with_boxes = ", ".join(name for name, other in catalog.CATALOG.items() if other.layout == "coco")
        raise ValueError(f"{dataset} has classes, not boxes; choose from {with_boxes}")
    top = _top_folder(known, data_dir)
    if not (top / "annotations").is_dir():
        raise ValueError(f"{top} has no annotations/, so no boxes; pass COCO's own folder")
    found = coco.read_folder(top, year=_year(dataset, data_dir))
    return found.only(("person",) if dataset == "coco_person" else known.classes)


def _own_detections(top: Path) -> Detections:
    """The boxes of a folder of one's own."""
    if not top.is_dir():
        raise ValueError(f"no folder at {top}; check the path")
    files = sorted((top / "annotations").glob("instances_*.json"))
    if len(files) == 1:
        return coco.read(files[0])
    if not files:
        raise ValueError(f"{top} has no annotations/instances_NAME.json beside NAME/, its images; lay it out so")
    names = [file.name for file in files]
    if any(re.fullmatch(r"instances_(train|val)\d{4}\.json", name) is None for name in names):
        raise ValueError(f"{top} has {' and '.join(names)}; keep one of them, or join them: the split is made here")
    return coco.read_folder(top)


def detection_sets() -> tuple[str, ...]:
    """The names of the data sets with boxes."""
    return tuple(name for name, known in catalog.CATALOG.items() if known.task == "detection")


def detection_images(found: Detections) -> ImageFolder:
    """Look at the images of a detection set; the stratum of each takes the place of its class.

    What was left out is printed and kept in `skipped`.
    """
    looks = folder.look(found.root, found.paths.tolist())
    if len(looks) == 0:
        why = f", {looks.skipped[0][0]}: {looks.skipped[0][1]}" if looks.skipped else ""
        raise ValueError(f"none of the {len(found)} images that {found.root} annotates can be read{why}; replace them")
    labels = np.zeros(len(found), np.int64)
    person_boxes = np.array([name == "person" for name in found.categories])[found.labels]
    labels[found.image_of] = 1
    labels[found.image_of[person_boxes]] = 2
    place = {name: k for k, name in enumerate(found.paths.tolist())}
    labels = labels[[place[name] for name in looks.paths.tolist()]]
    for k in (0, 2):
        if (labels == k).sum() < SMALL_STRATUM:
            labels[labels == k] = 1
    present = np.unique(labels)
    images = ImageFolder(
        **vars(looks),
        classes=tuple(STRATA[k] for k in present),
        labels=np.searchsorted(present, labels),
        official=coco.official_parts(looks.paths),
    )
    halves = bool(len(images)) and str(images.paths[0]).startswith(("train", "val"))
    _say_what_is_lacking(images, "coco" if halves else "own")
    return images


def prepared_person(coco_folder: Path, *, year: int | None = None) -> Path:
    """The folders `person/` and `notperson/` by the rule of Visual Wake Words, in the project's data folder.

    They are built on the first call, while other processes wait; other or changed annotation files have another place.

    Raises:
        ValueError: the data folder can't be written; or as `person.build`.
    """
    files = [file.resolve() for file in coco.annotation_files(coco_folder, year)]
    marks = [f"{file} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]
    key = hashlib.sha256("\n".join(marks).encode()).hexdigest()[:8]
    home = settings.data_folder() / "prepared"
    place = home / f"coco_person_vww_{key}"
    if not _is_person_folder(place):
        with _alone_in(home):
            if not _is_person_folder(place):  # another process may have built it meanwhile
                print(f"sorting {coco_folder} into person and notperson by the rule vww: {place}", flush=True)
                _sort_persons(coco_folder, place, person.RULES["vww"], year)
    return place


def build_person(
    data_dir: Path | str | None,
    out: Path,
    rule: str | None = None,
    *,
    percent: float | None = None,
    year: int | None = None,
) -> Path:
    """Sort COCO's images into `out/person` and `out/notperson` by a rule.

    A folder that was sorted before is taken as it is, unless a rule, a threshold or a year is asked for.

    Args:
        data_dir: as for `locate`.
        out: the folder to fill, with `manifest.json`, which says of each image where it went and why.
        rule: a name of `person.RULES`; None is "vww".
        percent: a threshold in percent of the image, instead of the rule's own.
        year: 2014 or 2017; None takes the one that the folder has, or fetches 2014.

    Returns:
        The folder of `person` and `notperson`.

    Raises:
        ValueError: unknown rule, no percentage; or as `locate` and `person.build`.
    """
    if rule is not None and rule not in person.RULES:
        raise ValueError(f"unknown rule {rule!r}; choose from {', '.join(person.RULES)}")
    chosen = person.RULES["vww" if rule is None else rule]
    if percent is not None:
        if not 0 <= percent < 100:
            raise ValueError(f"a threshold is in percent of the image, at least 0 and below 100, not {percent:g}")
        chosen = chosen.with_threshold(percent / 100)
    top = _top_folder(catalog.find("coco_person"), data_dir, form=str(year) if year else None)
    if _is_person_folder(top):
        if (rule, percent, year) != (None, None, None):
            raise ValueError(f"{top} has been sorted into person and notperson already; pass COCO's own folder")
        return top
    _sort_persons(top, out, chosen, year or _year("coco_person", data_dir))
    return out


def _sort_persons(coco_folder: Path, out: Path, rule: person.PersonRule, year: int | None) -> None:
    """`person.build`, but where it has to copy the pictures it says so first, and there is room for them."""
    folders = [coco_folder / file.stem.removeprefix("instances_") for file in coco.annotation_files(coco_folder, year)]
    pictures = [file for place in folders if place.is_dir() for file in os.scandir(place) if file.is_file()]
    with _alone_in(out.parent):
        if pictures and not (out / person.MANIFEST).is_file() and not _can_link(Path(pictures[0].path), out.parent):
            size = sum(file.stat().st_size for file in pictures)
            print(f"{out.parent} can't hold hard links to {coco_folder}: up to {in_words(size)} are copied", flush=True)
            need_room(out.parent, size, f"a copy of the pictures in {coco_folder}")
        person.build(coco_folder, out, rule, year=year)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder that can be written; it is made if need be."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    with locked(folder):
        yield


def _can_link(file: Path, folder: Path) -> bool:
    """Whether there are hard links: not to another disk, nor, on most systems, to the files of another user."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".probe-") as place:
        try:
            os.link(file.resolve(), Path(place) / "link")
        except OSError:
            return False
    return True


def has_all_classes(dataset: str, classes: tuple[str, ...]) -> bool:
    """Whether these are the classes of a data set of the catalog, all of them."""
    return dataset in catalog.CATALOG and tuple(classes) == catalog.CATALOG[dataset].classes


def has_turned_copies(dataset: str) -> bool:
    """Whether a split of the data set has to look for mirrored and turned copies (see `copies.copies`)."""
    return dataset in catalog.CATALOG and catalog.CATALOG[dataset].turned_copies


def _top_folder(known: catalog.Dataset, data_dir: Path | str | None, *, form: str | None = None) -> Path:
    """The official top folder; `form` is what is fetched where no folder is named."""
    if data_dir == settings.SAMPLE:
        return sample.ensure(known.name)
    if data_dir is None:
        return fetch.fetch(known, settings.data_folder(), form=form)
    given = Path(data_dir)
    if not given.is_dir():
        raise ValueError(f"no folder at {given}; pass the folder that the official archive was unpacked in")
    inner = [given / name for name in known.top_folders if (given / name).is_dir()]
    if len(inner) > 1:
        raise ValueError(f"{given} holds {' and '.join(f.name for f in inner)}; pass one of the two")
    if inner:
        return inner[0]
    if _is_top_folder(known, given):
        return given
    raise ValueError(
        f"{given} holds neither {' nor '.join(f'{name}/' for name in known.top_folders)} nor {_inside(known)}; "
        "pass the folder that the official archive was unpacked in"
    )


def _is_top_folder(known: catalog.Dataset, place: Path) -> bool:
    if known.layout == "coco":
        return (place / "annotations").is_dir() or (known.name == "coco_person" and _is_person_folder(place))
    if known.layout == "food101":
        return (place / "images").is_dir()
    return any((place / name).is_dir() for name in known.classes)


def _inside(known: catalog.Dataset) -> str:
    """What tells a top folder, in words."""
    if known.layout == "classes":
        return f"class folders such as {known.classes[0]}/"
    return {"coco": "annotations/", "food101": "images/"}[known.layout]


def _is_person_folder(place: Path) -> bool:
    return all((place / name).is_dir() for name in catalog.CATALOG["coco_person"].classes)


def _year(dataset: str, data_dir: Path | str | None) -> int | None:
    """The COCO year that a data set means; None takes the one that a folder has."""
    if dataset != "coco_person":
        return 2017
    return 2014 if data_dir is None else None
