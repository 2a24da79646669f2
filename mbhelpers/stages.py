"""One function a stage. The notebooks and the command line run a row through these and nothing else."""

import functools
import shutil
from collections.abc import Callable
from dataclasses import replace
from json import dumps, loads
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mbhelpers import settings
from mbhelpers.data import catalog, source
from mbhelpers.data.pipeline import load_images
from mbhelpers.data.prepare import write_split
from mbhelpers.data.split import Split, load_split
from mbhelpers.files import locked, read_json, replacing, sha256, write_json
from mbhelpers.models.weights import check_architecture, find_weights
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import Preprocessing, preset
from mbhelpers.quantization.calibration import calibration_set
from mbhelpers.records import Record, add_to_keras, read_record
from mbhelpers.rows import Row, published
from mbhelpers.runs import Run, machine, versions
from mbhelpers.training.published_recipes import run_recipe
from mbhelpers.training.recipes import Recipe

if TYPE_CHECKING:
    import keras

CALIBRATION_IMAGES = 250
"""Images that calibration sees; smoke mode takes a tenth."""

FEW_TEST_IMAGES = 100

MEMORY_FOR_IMAGES = 2 * 2**30
"""Bytes of decoded images to hold in memory; a larger part is decoded into a file and read from there."""

VIEWS = "views"
"""Folder in a run's folder of what frozen networks say of training views; it goes when the model is saved."""

ARTIFACTS = {
    "prepare": ("split.json",),
    "train": ("model.keras", "history.json"),
    "quantize": ("model_float.tflite", "model_int8.tflite"),
    "evaluate": ("metrics.json", "predictions.npz"),
    "report": ("report.html",),
}
"""Stages in order, and what each leaves in the run's folder. A stage is done when all of it is there."""


def _alone(stage: Callable[..., Any]) -> Callable[..., Any]:
    """One process at a time in a run's folder: a second one waits, then finds the work done."""

    @functools.wraps(stage)
    def guarded(run: Run, *args: Any, **kwargs: Any) -> Any:
        with locked(run.folder):
            return stage(run, *args, **kwargs)

    return guarded


def _done(run: Run, stage: str) -> bool:
    return all((run.folder / name).is_file() for name in ARTIFACTS[stage])


def _outdate(run: Run, stage: str) -> None:
    """Before a stage is made anew: remove what was made from its former artifacts."""
    names = list(ARTIFACTS)
    for later in names[names.index(stage) :]:
        for name in ARTIFACTS[later]:
            (run.folder / name).unlink(missing_ok=True)


@_alone
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
        write_json(path, read_json(require(run.variant(recipe.start_from), "split.json")))
        return load_split(path)
    if recipe and recipe.teacher and (taken := _teacher(run, recipe).folder / "split.json").is_file():
        write_json(path, read_json(taken))
        return load_split(path)
    images = source.load(run.row.dataset, run.data_dir)
    return write_split(images, path, run.seed, turned=source.has_turned_copies(run.row.dataset))


def recipe_of(run: Run) -> Recipe:
    """The recipe that a run trains with. The row of its teacher, and what that starts from, learn without a teacher.

    Raises:
        ValueError: nobody the run names has a recipe for the row, or the teacher is no row.
    """
    recipe = run_recipe(run.row, run.recipe, run.smoke)
    row: Row | None = Row.parse(f"{run.row.dataset}/{recipe.teacher}") if recipe.teacher else None
    while row:
        if row == run.row:
            return replace(recipe, teacher="", distillation=0.0)
        start = run_recipe(row, run.recipe).start_from
        row = replace(row, variant=start) if start else None
    return recipe


def _teacher(run: Run, recipe: Recipe) -> Run:
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
    large = 3 * contract.resolution**2 * len(paths) > MEMORY_FOR_IMAGES
    cache = settings.data_folder() / "cache" if large else None
    return load_images(root, paths, contract, cache=cache), np.concatenate([split.labels[part] for part in parts])


def learned_parts(recipe: Recipe) -> tuple[str, ...]:
    """The parts of the split that train; validation does where the recipe chooses no epoch by it."""
    return ("train", "validation") if recipe.monitor == "none" else ("train",)


def build_model(run: Run, recipe: Recipe | None = None) -> "keras.Model":
    """The model as training starts on it: built on the row's weights, or the model of the variant before.

    Initial weights and dropout follow from the run's seed.

    Raises:
        ValueError: the weights are missing or don't fit.
    """
    load_tensorflow()
    import keras

    from mbhelpers.models.families import BACKBONE, build_classifier
    from mbhelpers.models.load import load_keras

    recipe = recipe or recipe_of(run)
    keras.utils.set_random_seed(run.seed)
    if recipe.start_from:
        start = run.variant(recipe.start_from)
        model = load_keras(require(start, "model.keras"))
        _check_same_split(start, run)
        model.get_layer("dropout").rate = recipe.dropout
    else:
        classes = len(prepare(run).classes)
        model = build_classifier(
            classes,
            run.row.alpha,
            row_preprocessing(run),
            weights=run.weights,
            dropout=recipe.dropout,
            binary=classes == 2,
            architecture=run.row.architecture,
        )
    model.get_layer(BACKBONE).trainable = recipe.train_backbone
    return model


def _check_same_split(other: Run, run: Run) -> None:
    ours, theirs = prepare(run).paths, load_split(other.folder / "split.json").paths
    if any(ours[part].tolist() != theirs[part].tolist() for part in ours):
        raise ValueError(
            f"{other.folder} and {run.folder} have different splits, so the one has learned from test images of "
            "the other; delete both to start again"
        )


@_alone
def train(run: Run, recipe: Recipe | None = None) -> Path:
    """Train the row's variant; a killed training goes on behind its last whole epoch.

    Args:
        run: the run.
        recipe: None is the variant's own. A model that was made with another one is not replaced.

    Returns:
        Path of `model.keras`, which carries its class names, preprocessing and how it was made.

    Raises:
        ValueError: data or weights don't fit, the loss became non-finite, or the model there is of another recipe.
    """
    load_tensorflow()
    import keras

    from mbhelpers.training.devices import strategy
    from mbhelpers.training.fit import discard_state

    path = run.folder / "model.keras"
    split = prepare(run)
    recipe = recipe or recipe_of(run)
    recipe = recipe.fitted(sum(len(split.paths[part]) for part in learned_parts(recipe)))
    if _done(run, "train"):
        record = read_record(path)
        if record is None or record.made["recipe"] != loads(dumps(recipe.to_json())):
            raise ValueError(f"{path} was made with another recipe; choose another folder (--out), or delete it")
        if record.made["data"]["fingerprint"] != split.fingerprint:
            raise ValueError(f"{path} was made from other images than {run.row}'s split.json; delete one of the two")
        return path
    _outdate(run, "train")
    made = _made(run, split) | {"recipe": recipe.to_json(), "start": {"model": recipe.start_from}}
    if not recipe.start_from:
        made["start"] = find_weights(run.weights, run.row.alpha, run.row.resolution, run.row.architecture).record()
    taught = None
    if recipe.teacher:
        made["teacher"], taught = _lessons(run, recipe)
    with strategy().scope():
        model = build_model(run, recipe)
    history = _learn(run, recipe, model, taught)
    made["training_seconds"] = round(sum(line["seconds"] for line in history), 1)
    write_json(run.folder / "history.json", history)
    with replacing(path) as temporary:
        # The same layers without the optimizer, whose moments would treble the file.
        keras.Model(model.inputs, model.outputs, name=model.name).save(temporary)
        add_to_keras(temporary, Record(split.classes, row_preprocessing(run), made))
    discard_state(run.folder)
    shutil.rmtree(run.folder / VIEWS, ignore_errors=True)
    return path


def _lessons(run: Run, recipe: Recipe) -> tuple[dict[str, str], np.ndarray]:
    """What the teacher's file is, and its scores for every view of the training images, at its own resolution."""
    from mbhelpers.models.load import load_keras
    from mbhelpers.training.views import view_outputs

    teacher, split = _teacher(run, recipe), prepare(run)
    theirs = recipe_of(teacher)
    if theirs.teacher:
        raise ValueError(f"{teacher.row}, the teacher of {run.row}, has a teacher itself; choose one that has none")
    for given in (teacher, teacher.variant(theirs.start_from)) if theirs.start_from else (teacher,):
        if not (given.folder / "split.json").is_file():
            write_json(given.folder / "split.json", read_json(run.folder / "split.json"))
    path = require(teacher, "model.keras")
    _check_same_split(teacher, run)
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


@_alone
def quantize(run: Run) -> dict[str, Path]:
    """Make `model_float.tflite` and `model_int8.tflite`, calibrated on training images.

    Returns:
        "float" and "int8" to their files.
    """
    from mbhelpers.models.load import load_keras
    from mbhelpers.quantization import tflite

    paths = {kind: run.folder / f"model_{kind}.tflite" for kind in ("float", "int8")}
    if _done(run, "quantize"):
        return paths
    _outdate(run, "quantize")
    source_path = require(run, "model.keras")
    record = read_record(source_path)
    if record is None:
        raise ValueError(f"{source_path} was not made by this collection; delete it and train again")
    model = load_keras(source_path)
    split = prepare(run)
    labels = split.labels["train"]
    number = CALIBRATION_IMAGES // 10 if run.smoke else CALIBRATION_IMAGES
    chosen = calibration_set(labels, number, run.seed)
    root = source.locate(run.row.dataset, run.data_dir)
    images = load_images(root, split.paths["train"][chosen], record.preprocessing)
    calibration = {
        "images": len(chosen),
        "seed": run.seed,
        "part": "train",
        "per_class": np.bincount(labels[chosen], minlength=len(record.classes)).tolist(),
    }
    content = {
        "float": tflite.to_float(model, record),
        "int8": tflite.to_int8(model, replace(record, made=record.made | {"calibration": calibration}), images),
    }
    for kind, path in paths.items():
        with replacing(path) as temporary:
            temporary.write_bytes(content[kind])
    return paths


@_alone
def evaluate(run: Run) -> dict[str, Any]:
    """Measure float and int8 on the test part, which nothing before has seen; saves `metrics.json`.

    `predictions.npz` keeps the scores of every test image, so that figures need no model.

    Returns:
        float (the Keras model), float_tflite and int8 as `evaluation.classification.evaluate` gives them, paired
        (int8 minus float on the same images), published, sizes, made, warnings.
    """
    from mbhelpers.evaluation import classification
    from mbhelpers.inference.predictor import Predictor

    path = run.folder / "metrics.json"
    if _done(run, "evaluate"):
        return read_json(path)
    _outdate(run, "evaluate")
    files = {
        "float": require(run, "model.keras"),
        "float_tflite": require(run, "model_float.tflite"),
        "int8": require(run, "model_int8.tflite"),
    }
    split = prepare(run)
    images, labels = part_images(run, "test")
    scores = {kind: Predictor(file).predict(images) for kind, file in files.items()}
    with replacing(run.folder / "predictions.npz") as temporary:
        np.savez_compressed(temporary, paths=split.paths["test"], labels=labels, **scores)  # type: ignore[arg-type]
    record = read_record(files["int8"])
    if record is None:
        raise ValueError(f"{files['int8']} was not made by this collection; delete it and quantize again")
    metrics: dict[str, Any] = {
        kind: classification.evaluate(found, labels, split.classes) for kind, found in scores.items()
    }
    metrics |= {
        "row": str(run.row),
        "classes": split.classes,
        "paired": classification.compare(scores["float"], scores["int8"], labels),
        "published": published(run.row) if _as_published(run, split) else {},
        "sizes": {file.name: file.stat().st_size for file in files.values()},
        "sha256": {file.name: sha256(file) for file in files.values()},
        "made": record.made,
    }
    metrics["warnings"] = _warnings(run, split, metrics["int8"])
    write_json(path, metrics)
    return read_json(path)


@_alone
def report(run: Run, path: Path | None = None) -> Path:
    """Draw the run's card as one HTML file, figures inside; `report.html` in the run's folder by default."""
    from mbhelpers.reporting.card import write_card

    require(run, "metrics.json")
    return write_card(run, path or run.folder / "report.html")


STAGES: dict[str, Callable[[Run], Any]] = {
    name: {"prepare": prepare, "train": train, "quantize": quantize, "evaluate": evaluate, "report": report}[stage]
    for stage, names in ARTIFACTS.items()
    for name in names
}
"""Which stage makes which artifact."""


def require(run: Run, name: str) -> Path:
    """An artifact of a run; if it isn't there yet, the stages that make it are run, saying so.

    Raises:
        ValueError: no stage makes such an artifact.
    """
    if name not in STAGES:
        raise ValueError(f"no stage makes {name!r}; choose from {', '.join(STAGES)}")
    path = run.folder / name
    if not path.is_file():
        print(f"{run.row}: {name} is not there yet, running the stage {STAGES[name].__name__!r}")
        STAGES[name](run)
    return path


def run_row(run: Run) -> dict[str, Any]:
    """All stages of one row, those already done skipped; returns the metrics.

    Raises:
        ValueError: what the row needs is missing; as far as it can, before anything is fetched or trained.
    """
    check_architecture(run.row.architecture, run.row.alpha)
    recipe_of(run)
    find_weights(run.weights, run.row.alpha, run.row.resolution, run.row.architecture)
    run.folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(run.folder).free < 200 * 2**20:
        raise ValueError(f"less than 200 MiB are free at {run.folder}; free some, or choose another folder (--out)")
    for names in ARTIFACTS.values():
        require(run, names[0])
    return read_json(run.folder / "metrics.json")


def _made(run: Run, split: Split) -> dict[str, Any]:
    """Provenance: what is needed to make the same thing again."""
    return {
        "command": run.command(),
        "seed": run.seed,
        "smoke": run.smoke,
        "data": {
            "dataset": run.row.dataset,
            "source": {None: "fetched", "sample": "drawn sample"}.get(run.data_dir, "folder"),
            "fingerprint": split.fingerprint,
            "images": {part: len(found) for part, found in split.paths.items()},
        },
        "versions": versions(),
        "machine": machine(),
    }


def _as_published(run: Run, split: Split) -> bool:
    """Whether the data is what the published figures speak of: neither drawn, nor a part of the classes."""
    return run.data_dir != settings.SAMPLE and source.has_all_classes(run.row.dataset, split.classes)


def _warnings(run: Run, split: Split, int8: dict[str, Any]) -> list[str]:
    """What a reader must know before quoting the numbers."""
    found = []
    n, least = len(split.labels["test"]), min(split.counts()["test"].values())
    if n < FEW_TEST_IMAGES or least < 10:
        low, high = (100 * bound for bound in int8["interval"])
        found.append(
            f"The test part has only {n} images, {least} of its smallest class: so few can only tell that the int8 "
            f"accuracy is somewhere from {low:.0f} to {high:.0f} %. Add images before you quote or compare it."
        )
    if run.smoke:
        found.append("A smoke run: two epochs, to see that everything works. Its accuracy means nothing.")
    if run.data_dir == settings.SAMPLE:
        found.append("Measured on drawn pictures, which say nothing about photographs.")
    elif run.row.dataset != "custom" and not source.has_all_classes(run.row.dataset, split.classes):
        found.append(f"The data has only {len(split.classes)} of the classes; published figures don't apply to it.")
    elif run.row.dataset != "custom":
        here, whole = sum(map(len, split.paths.values())), catalog.find(run.row.dataset).images
        if here < 0.9 * whole:
            found.append(
                f"Made from {here:,} of the {whole:,} images of the set, so published figures had more to learn."
            )
    return found
