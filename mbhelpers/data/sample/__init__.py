"""Drawn stand-ins for the data sets, in the folder layouts of the official archives.

They let every notebook run offline. The flowers are committed; the others are drawn when they are first asked
for. NumPy and Pillow only; a module here writes one layout, `mbhelpers.data.drawing` holds the drawing.
`draw_shape` is one more task, to train a backbone on.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from mbhelpers import files, settings
from mbhelpers.data.drawing.shapes import SHAPES, draw_shape
from mbhelpers.data.sample.flowers import CLASSES, draw_flower, planted_duplicates, write_sample

__all__ = [
    "CLASSES", "SHAPES", "TOP_FOLDERS", "WRITERS", "draw_flower", "draw_shape", "ensure", "planted_duplicates",
    "write", "write_sample",
]  # fmt: skip

TOP_FOLDERS = {
    "flowers": "flower_photos",
    "plant_village": "Plant_leave_diseases_dataset_without_augmentation",
    "plant_village_augmented": "Plant_leave_diseases_dataset_with_augmentation",
    "food101": "food-101",
    "coco": "coco",
    "imagenet": "imagenet",
}
"""The folder that each sample makes, named as the official archive unpacks to."""


def _writer(module: str, function: str = "write_sample") -> Callable[..., Path]:
    """Give a function that imports its module when it is called: most need one writer, or none."""

    def write_one(root: Path, **options: Any) -> Path:
        writer: Callable[..., Path] = getattr(import_module(f"{__name__}.{module}"), function)
        return writer(root, **options)

    return write_one


WRITERS: dict[str, Callable[..., Path]] = {
    "flowers": _writer("flowers"),
    "plant_village": _writer("plant_village"),
    "plant_village_augmented": _writer("plant_village", "write_augmented"),
    "food101": _writer("food101"),
    "coco": _writer("coco"),
    "imagenet": _writer("imagenet"),
}
"""Sample name to the function that draws it: (root, *, seed, overwrite), further options with defaults."""

_SAME_PICTURES = {"coco_person": "coco", "coco2017_person": "coco", "coco2017_80": "coco"}


def write(name: str, root: Path, *, seed: int = settings.DEFAULT_SEED, overwrite: bool = False) -> Path:
    """Draw a sample into the official top folder under `root`, whole or not at all.

    Args:
        name: of `WRITERS`, or a data set of the catalog; the three made from COCO share one sample.
        root: the folder that holds the top folder.
        seed: another seed gives other pictures.
        overwrite: replace a sample that is there.

    Returns:
        The top folder, such as `root/food-101`.

    Raises:
        ValueError: no sample of that name; the message lists the names.
        FileExistsError: the folder exists and `overwrite` is false.
    """
    return WRITERS[_sample_of(name)](Path(root), seed=seed, overwrite=overwrite)


def ensure(name: str) -> Path:
    """Give the top folder of a sample under `settings.sample_folder()`, drawn there if it is absent.

    Raises:
        ValueError: no sample of that name; the message lists the names.
    """
    root = settings.sample_folder()
    top = root / TOP_FOLDERS[_sample_of(name)]
    if top.is_dir():
        return top
    with files.locked(root):  # another process may be drawing it
        if not top.is_dir():
            print(f"drawing the sample of {name} into {top}", flush=True)
            write(name, root)
    return top


def _sample_of(name: str) -> str:
    sample = _SAME_PICTURES.get(name, name)
    if sample not in WRITERS:
        raise ValueError(f"no drawn sample of {name!r}; choose from {', '.join([*WRITERS, *_SAME_PICTURES])}")
    return sample
