"""The stage that trains, with what its model starts from and learns from."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from mbhelpers.files import read_json, sha256, write_json
from mbhelpers.models.weights import find_weights
from mbhelpers.native import load_tensorflow
from mbhelpers.runs import Run
from mbhelpers.stages.data import (
    check_same_split,
    learned_parts,
    part_images,
    prepare,
    recipe_of,
    row_preprocessing,
    start_row,
    starts_of,
    teacher_of,
)
from mbhelpers.stages.detection import train_detector
from mbhelpers.stages.made import check_made, provenance, save_trained
from mbhelpers.stages.order import is_done, outdate, require, stage
from mbhelpers.training.detector_recipes import DetectorRecipe
from mbhelpers.training.recipes import Recipe

if TYPE_CHECKING:
    import keras

VIEWS = "views"
"""Folder in a run's folder of what frozen networks say of training views; it goes when the model is saved."""


def build_model(run: Run, recipe: Recipe | None = None) -> "keras.Model":
    """The model as training starts on it: built on the row's weights, or the model of the variant before.

    Initial weights and dropout follow from the run's seed.

    Raises:
        ValueError: the weights are missing or don't fit.
    """
    load_tensorflow()
    import keras

    from mbhelpers.models.families import BACKBONE
    from mbhelpers.models.load import load_keras

    recipe = recipe or recipe_of(run)
    start = run.other(start_row(run.row, recipe)) if recipe.start_from else None
    path = require(start, "model.keras") if start else None
    # Only now: to make what was missing draws numbers, so that this model would depend on whether it was there.
    keras.utils.set_random_seed(run.seed)
    if start and path:
        model = load_keras(path)
        check_same_split(start, run)
        if start.row.resolution != run.row.resolution:
            smaller, model = model, _fresh(run, recipe, "none")
            model.set_weights(smaller.get_weights())
        model.get_layer("dropout").rate = recipe.dropout
    else:
        model = _fresh(run, recipe, run.weights)
    model.get_layer(BACKBONE).trainable = recipe.train_backbone
    return model


def _fresh(run: Run, recipe: Recipe, weights: str) -> "keras.Model":
    """The row's network with those weights and a new classifier."""
    from mbhelpers.models.families import build_classifier

    classes = len(prepare(run).classes)
    return build_classifier(
        classes,
        run.row.alpha,
        row_preprocessing(run),
        weights=weights,
        dropout=recipe.dropout,
        binary=classes == 2,
        architecture=run.row.architecture,
    )


@stage("train")
def train(run: Run, recipe: Recipe | DetectorRecipe | None = None) -> Path:
    """Train the row's variant, or its detector; a killed training goes on behind its last whole epoch.

    Args:
        run: the run.
        recipe: None is the row's own. A model that was made with another one is not replaced.

    Returns:
        Path of `model.keras`, which carries its class names, preprocessing and how it was made.

    Raises:
        ValueError: data, weights or recipe don't fit, the loss became non-finite, or the model there is of another
            recipe.
    """
    if isinstance(recipe, Recipe if run.row.detects else DetectorRecipe):
        raise ValueError(f"{run.row} is {'a' if run.row.detects else 'no'} detector; pass a recipe of its kind")
    if run.row.detects or isinstance(recipe, DetectorRecipe):
        return train_detector(run, cast("DetectorRecipe | None", recipe))
    load_tensorflow()
    from mbhelpers.training.devices import strategy

    path = run.folder / "model.keras"
    split = prepare(run)
    recipe = recipe or recipe_of(run)
    recipe = recipe.fitted(sum(len(split.paths[part]) for part in learned_parts(recipe)))
    if is_done(run, "train"):
        check_made(run, path, recipe.to_json(), split)
        return path
    outdate(run, "train")
    made = provenance(run, split) | {"recipe": recipe.to_json(), "start": {"model": recipe.start_from}}
    if not recipe.start_from:
        made["start"] = find_weights(run.weights, run.row.alpha, run.row.resolution, run.row.architecture).record()
    taught = None
    if recipe.teacher:
        made["teacher"], taught = _lessons(run, recipe)
    with strategy().scope():
        model = build_model(run, recipe)
    history = _learn(run, recipe, model, taught)
    save_trained(run, model, history, split.classes, made)
    shutil.rmtree(run.folder / VIEWS, ignore_errors=True)
    return path


def _lessons(run: Run, recipe: Recipe) -> tuple[dict[str, str], np.ndarray]:
    """What the teacher's file is, and its scores for every view of the training images, at its own resolution."""
    from mbhelpers.models.load import load_keras
    from mbhelpers.training.views import view_outputs

    teacher, split = teacher_of(run, recipe), prepare(run)
    theirs = recipe_of(teacher)
    if theirs.teacher:
        raise ValueError(f"{teacher.row}, the teacher of {run.row}, has a teacher itself; choose one that has none")
    for given in (teacher, *starts_of(teacher)):
        if not (given.folder / "split.json").is_file():
            write_json(given.folder / "split.json", read_json(run.folder / "split.json"))
    path = require(teacher, "model.keras")
    check_same_split(teacher, run)
    scores, _ = view_outputs(
        load_keras(path),
        *part_images(teacher, *learned_parts(recipe)),
        recipe,
        seed=run.seed,
        classes=len(split.classes),
        cache=run.folder / VIEWS,
    )
    return {"row": str(teacher.row), "sha256": sha256(path)}, scores


def _learn(run: Run, recipe: Recipe, model: "keras.Model", taught: np.ndarray | None) -> list[dict[str, float]]:
    """Train a model; where nothing but its classifier trains, on features of views that are computed once."""
    from mbhelpers.training.fit import fit, fit_on_features, split_classifier
    from mbhelpers.training.views import frozen_outputs, view_outputs

    training = part_images(run, *learned_parts(recipe))
    validation = None if recipe.monitor == "none" else part_images(run, "validation")
    if recipe.train_backbone or not recipe.passes:
        return fit(model, training, validation, recipe, run.folder, seed=run.seed, taught=taught)
    trunk, head = split_classifier(model)
    classes = max(2, model.output_shape[1])
    views = view_outputs(trunk, *training, recipe, seed=run.seed, classes=classes, cache=run.folder / VIEWS)
    held = (frozen_outputs(trunk, validation[0]), validation[1]) if validation else None
    return fit_on_features(head, views, held, recipe, run.folder, seed=run.seed, taught=taught)
