"""The data of a run: its split, its images, and which of them train."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from mbhelpers import settings
from mbhelpers.data import source
from mbhelpers.data.boxed import BoxedImages, load_boxed
from mbhelpers.data.detections import Detections
from mbhelpers.data.pipeline import load_images
from mbhelpers.data.prepare import parts_of, write_split
from mbhelpers.data.split import Split, load_split
from mbhelpers.files import read_json, write_json
from mbhelpers.preprocessing import Preprocessing, preset
from mbhelpers.quantization.calibration import calibration_set
from mbhelpers.rows import Row
from mbhelpers.runs import Run
from mbhelpers.stages.order import require, stage
from mbhelpers.training.published_recipes import run_recipe
from mbhelpers.training.recipes import Recipe

MEMORY_FOR_IMAGES = 2 * 2**30
"""Bytes of decoded images to hold in memory; a larger part is decoded into a file and read from there."""


@stage("prepare")
def prepare(run: Run) -> Split:
    """Read the data, group copies, split, and save `split.json`; an existing manifest is taken as it is.

    A variant that starts from another, or learns from a teacher, takes the other's split: what the one learned from
    must not be what the other is measured on.

    Raises:
        ValueError: the data is missing or not laid out as expected.
    """
    path = run.folder / "split.json"
    if path.is_file():
        split = load_split(path)
        root = source.locate(run.row.dataset, run.data_dir)
        if missing := [name for part in split.paths.values() for name in part if not (root / name).is_file()]:
            raise ValueError(
                f"{root} lacks {len(missing)} images of {path}, such as {missing[0]}; bring them back, "
                "or choose another folder (--out) to prepare again"
            )
        return split
    recipe = recipe_of(run) if run.row.variant else None
    if recipe and recipe.start_from:
        write_json(path, read_json(require(run.other(start_row(run.row, recipe)), "split.json")))
        return load_split(path)
    if recipe and recipe.teacher and (taken := teacher_of(run, recipe).folder / "split.json").is_file():
        write_json(path, read_json(taken))
        return load_split(path)
    if run.row.detects:
        images = source.detection_images(source.load_detections(run.row.dataset, run.data_dir))
    else:
        images = source.load(run.row.dataset, run.data_dir)
    return write_split(images, path, run.seed, turned=source.has_turned_copies(run.row.dataset))


def recipe_of(run: Run) -> Recipe:
    """The recipe that a run trains with, as `row_recipe`."""
    return row_recipe(run.row, run.recipe, run.smoke)


def row_recipe(row: Row, source: str, smoke: bool) -> Recipe:
    """The recipe of a row. The row of its teacher, and what that starts from, learn without a teacher.

    Raises:
        ValueError: nobody the source names has a recipe for the row, or the teacher is no row.
    """
    recipe = run_recipe(row, source, smoke)
    other: Row | None = Row.parse(f"{row.dataset}/{recipe.teacher}") if recipe.teacher else None
    while other:
        if other == row:
            return replace(recipe, teacher="", distillation=0.0)
        theirs = run_recipe(other, source)
        other = start_row(other, theirs) if theirs.start_from else None
    return recipe


def start_row(row: Row, recipe: Recipe) -> Row:
    """The row whose model a recipe starts from.

    Raises:
        ValueError: it names neither a variant nor a row.
    """
    name = recipe.start_from
    return Row.parse(f"{row.dataset}/{name}") if "_" in name else replace(row, variant=name)


def starts_of(run: Run) -> list[Run]:
    """The runs whose models a run starts from, one behind the other, the nearest first."""
    found: list[Run] = []
    while (recipe := recipe_of(run)).start_from:
        run = run.other(start_row(run.row, recipe))
        found.append(run)
    return found


def teacher_of(run: Run, recipe: Recipe) -> Run:
    """The run of a recipe's teacher."""
    row = Row.parse(f"{run.row.dataset}/{recipe.teacher}")
    if run.row.variant == "tfs" and row.variant != "tfs":
        raise ValueError(f"{run.row} trains from scratch, so its teacher must too (_tfs), unlike {row}")
    return run.other(row)


def row_preprocessing(run: Run) -> Preprocessing:
    """The image contract of a run's row: ours, at the row's size."""
    return preset("mbhelpers", run.row.resolution)


def part_images(run: Run, *parts: str) -> tuple[np.ndarray, np.ndarray]:
    """Parts of the split as uint8 images (N, H, W, 3) and labels (N,), at the row's size."""
    split = prepare(run)
    root = source.locate(run.row.dataset, run.data_dir)
    contract, paths = row_preprocessing(run), np.concatenate([split.paths[part] for part in parts])
    images = load_images(root, paths, contract, cache=_cache(contract, len(paths)))
    return images, np.concatenate([split.labels[part] for part in parts])


def part_boxes(run: Run, part: str) -> Detections:
    """The images and boxes of a part of a detector's split, sorted by file name."""
    split = prepare(run)
    return parts_of(source.load_detections(run.row.dataset, run.data_dir), split)[part]


def part_boxed(run: Run, part: str) -> BoxedImages:
    """A part of a detector's split as training takes it: pixels at the row's size, with their boxes."""
    found, contract = part_boxes(run, part), row_preprocessing(run)
    return load_boxed(found, contract, _cache(contract, len(found)))


def _cache(contract: Preprocessing, number: int) -> Path | None:
    """Where so many decoded images are kept that memory should not hold; None for fewer."""
    large = 3 * contract.resolution**2 * number > MEMORY_FOR_IMAGES
    return settings.data_folder() / "cache" if large else None


def calibration_images(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """The training images that show a run's ranges, uint8 (n, H, W, 3), and their labels (n,)."""
    split, number = prepare(run), settings.CALIBRATION_IMAGES
    chosen = calibration_set(split.labels["train"], number // 10 if run.smoke else number, run.seed)
    root = source.locate(run.row.dataset, run.data_dir)
    return load_images(root, split.paths["train"][chosen], row_preprocessing(run)), split.labels["train"][chosen]


def learned_parts(recipe: Recipe) -> tuple[str, ...]:
    """The parts of the split that train; validation does where the recipe chooses no epoch by it."""
    return ("train", "validation") if recipe.monitor == "none" else ("train",)


def check_same_split(other: Run, run: Run) -> None:
    """Refuse a start or a teacher that may have learned from the images that this run is measured on.

    Raises:
        ValueError: the splits of the two differ.
    """
    ours, theirs = prepare(run).paths, load_split(other.folder / "split.json").paths
    if any(ours[part].tolist() != theirs[part].tolist() for part in ours):
        raise ValueError(
            f"{other.folder} and {run.folder} have different splits, so the one has learned from test images of "
            "the other; delete both to start again"
        )
