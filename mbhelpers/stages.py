"""One function a stage. The notebooks and the command line run a row through these and nothing else."""

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mbhelpers import settings
from mbhelpers.data import source
from mbhelpers.data.pipeline import load_images
from mbhelpers.data.split import Split, load_split, make_split, save_split
from mbhelpers.files import read_json, replacing, sha256, write_json
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import Preprocessing, preset
from mbhelpers.quantization.calibration import calibration_set
from mbhelpers.records import Record, add_to_keras, read_record
from mbhelpers.rows import published
from mbhelpers.runs import Run, machine, versions
from mbhelpers.training.recipes import Recipe, recipe_for

if TYPE_CHECKING:
    import keras

CALIBRATION_IMAGES = 250
"""Images that calibration sees; smoke mode takes a tenth."""

FEW_TEST_IMAGES = 100


def prepare(run: Run) -> Split:
    """Read the data, group copies, split, and save `split.json`; an existing manifest is taken as it is.

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
    images = source.load(run.row.dataset, run.data_dir)
    split = make_split(images, run.seed)
    save_split(split, images, path)
    return split


def row_preprocessing(run: Run) -> Preprocessing:
    """The image contract of a run's row: ours, at the row's size."""
    return preset("mbhelpers", run.row.resolution)


def part_images(run: Run, part: str) -> tuple[np.ndarray, np.ndarray]:
    """One part of the split as uint8 images (N, H, W, 3) and labels (N,), at the row's size."""
    split = prepare(run)
    root = source.locate(run.row.dataset, run.data_dir)
    return load_images(root, split.paths[part], row_preprocessing(run)), split.labels[part]


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

    recipe = recipe or recipe_for(run.row.variant, run.smoke)
    keras.utils.set_random_seed(run.seed)
    if recipe.start_from:
        model = load_keras(require(run.variant(recipe.start_from), "model.keras"))
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


def train(run: Run, recipe: Recipe | None = None) -> Path:
    """Train the row's variant; a killed training goes on behind its last whole epoch.

    Args:
        run: the run.
        recipe: None is the variant's own.

    Returns:
        Path of `model.keras`, which carries its class names, preprocessing and how it was made.

    Raises:
        ValueError: data or weights don't fit, or the loss became non-finite.
    """
    load_tensorflow()
    import keras

    from mbhelpers.models.weights import find_weights
    from mbhelpers.training.fit import discard_state, fit

    path = run.folder / "model.keras"
    if path.is_file():
        return path
    recipe = recipe or recipe_for(run.row.variant, run.smoke)
    split = prepare(run)
    model = build_model(run, recipe)
    data = {part: part_images(run, part) for part in ("train", "validation")}
    started = time.perf_counter()
    history = fit(model, data["train"], data["validation"], recipe, run.folder, seed=run.seed)
    start: dict[str, Any] = {"model": recipe.start_from}
    if not recipe.start_from:
        start = find_weights(run.weights, run.row.alpha, run.row.resolution).record()
    made = _made(run, split) | {
        "recipe": recipe.fitted(len(data["train"][0])).to_json(),
        "start": start,
        "training_seconds": round(time.perf_counter() - started, 1),
    }
    write_json(run.folder / "history.json", history)
    with replacing(path) as temporary:
        # The same layers without the optimizer, whose moments would treble the file.
        keras.Model(model.inputs, model.outputs, name=model.name).save(temporary)
        add_to_keras(temporary, Record(split.classes, row_preprocessing(run), made))
    discard_state(run.folder)
    return path


def quantize(run: Run) -> dict[str, Path]:
    """Make `model_float.tflite` and `model_int8.tflite`, calibrated on training images.

    Returns:
        "float" and "int8" to their files.
    """
    from mbhelpers.models.load import load_keras
    from mbhelpers.quantization import tflite

    paths = {kind: run.folder / f"model_{kind}.tflite" for kind in ("float", "int8")}
    if all(path.is_file() for path in paths.values()):
        return paths
    source_path = require(run, "model.keras")
    record = read_record(source_path)
    if record is None:
        raise ValueError(f"{source_path} was not made by this collection; delete it and train again")
    model = load_keras(source_path)
    images, labels = part_images(run, "train")
    number = CALIBRATION_IMAGES // 10 if run.smoke else CALIBRATION_IMAGES
    chosen = calibration_set(labels, number, run.seed)
    calibration = {
        "images": len(chosen),
        "seed": run.seed,
        "part": "train",
        "per_class": np.bincount(labels[chosen], minlength=len(record.classes)).tolist(),
    }
    content = {
        "float": tflite.to_float(model, record),
        "int8": tflite.to_int8(model, replace(record, made=record.made | {"calibration": calibration}), images[chosen]),
    }
    for kind, path in paths.items():
        with replacing(path) as temporary:
            temporary.write_bytes(content[kind])
    return paths


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
    if path.is_file():
        return read_json(path)
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
    metrics: dict[str, Any] = {
        kind: classification.evaluate(found, labels, split.classes) for kind, found in scores.items()
    }
    metrics |= {
        "row": str(run.row),
        "classes": split.classes,
        "paired": classification.compare(scores["float"], scores["int8"], labels),
        # Figures published for photographs say nothing about drawings.
        "published": {} if run.data_dir == settings.SAMPLE else published(run.row),
        "sizes": {file.name: file.stat().st_size for file in files.values()},
        "sha256": {file.name: sha256(file) for file in files.values()},
        "made": record.made if record else {},
        "warnings": _warnings(split),
    }
    write_json(path, metrics)
    return metrics


def report(run: Run, path: Path | None = None) -> Path:
    """Draw the run's card as one HTML file, figures inside; `report.html` in the run's folder by default."""
    from mbhelpers.reporting.card import write_card

    require(run, "metrics.json")
    return write_card(run, path or run.folder / "report.html")


STAGES: dict[str, Callable[[Run], Any]] = {
    "split.json": prepare,
    "model.keras": train,
    "history.json": train,
    "model_float.tflite": quantize,
    "model_int8.tflite": quantize,
    "metrics.json": evaluate,
    "predictions.npz": evaluate,
    "report.html": report,
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
    """All stages of one row, those already done skipped; returns the metrics."""
    if not run.folder.is_dir() or shutil.disk_usage(run.folder).free < 200 * 2**20:
        raise ValueError(f"less than 200 MiB are free at {run.folder}; free some, or choose another folder (--out)")
    for name in ("split.json", "model.keras", "model_int8.tflite", "metrics.json", "report.html"):
        require(run, name)
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


def _warnings(split: Split) -> list[str]:
    """What a reader must know before quoting the numbers."""
    n, least = len(split.labels["test"]), min(split.counts()["test"].values())
    if n >= FEW_TEST_IMAGES and least >= 10:
        return []
    reach = 100 * 1.96 * (0.25 / n) ** 0.5
    return [
        f"The test part has only {n} images, {least} of its smallest class: an accuracy measured on so few can be off "
        f"by up to {reach:.0f} points either way. Add images before you quote or compare it."
    ]
