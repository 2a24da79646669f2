"""Food-101 as its archive unpacks: `images/<class>/<id>.jpg`, and the official split in `meta/`."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from mbhelpers.data.class_names import FOODS
from mbhelpers.data.folder import ImageFolder, class_folders, scan


def load(top: Path) -> ImageFolder:
    """Read the images and the official part of each.

    Classes without a folder are left out, so a subset of the classes works with the full lists.

    Args:
        top: the folder that holds `images/` and `meta/`.

    Raises:
        ValueError: a list is missing or malformed, names an image that is not there, or lacks one that is; or as
            `folder.scan`.

    Source: https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/
    """
    if not (top / "images").is_dir():
        raise ValueError(f"{top} has no images/; unpack food-101.tar.gz again")
    parts = {part: _read_list(top / "meta" / f"{part}.txt") for part in ("train", "test")}
    if both := sorted(parts["train"] & parts["test"]):
        raise ValueError(
            f"{top}/meta lists {len(both)} images as train and as test, such as {both[0]}; unpack food-101.tar.gz again"
        )
    _compare(top, parts["train"] | parts["test"], class_folders(top / "images"))
    images = scan(top / "images", FOODS)
    official = ["test" if name.removesuffix(".jpg") in parts["test"] else "train" for name in images.paths.tolist()]
    return replace(images, official=np.array(official))


def _read_list(path: Path) -> set[str]:
    """The names `<class>/<id>` of one list."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise ValueError(f"no list of images at {path}; unpack food-101.tar.gz again") from None
    names = [line.strip() for line in lines if line.strip()]
    if wrong := [name for name in names if name.count("/") != 1]:
        raise ValueError(f"{path} has the line {wrong[0]!r}; each line is <class>/<id>: unpack food-101.tar.gz again")
    if len(set(names)) < len(names):
        raise ValueError(f"{path} names {len(names) - len(set(names))} images twice; unpack food-101.tar.gz again")
    return set(names)


def _compare(top: Path, listed: set[str], classes: tuple[str, ...]) -> None:
    """Both ways: what is listed is there, what is there is listed."""
    there = {
        f"{name}/{file.name.removesuffix('.jpg')}"
        for name in classes
        for file in (top / "images" / name).iterdir()
        if not file.name.startswith(".")
    }
    wanted = {name for name in listed if name.partition("/")[0] in classes}
    if absent := sorted(wanted - there):
        raise ValueError(
            f"{top}/meta lists {len(absent)} images that are not in {top}/images, such as {absent[0]}.jpg; "
            "unpack food-101.tar.gz again"
        )
    if strange := sorted(there - wanted):
        raise ValueError(
            f"{top}/images holds {len(strange)} files that meta/ does not list, such as {strange[0]}; remove them, "
            "or use custom/... for images of your own"
        )
