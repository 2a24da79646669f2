"""The stages behind training: integers, numbers, a card."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers import settings
from mbhelpers.data import catalog, source
from mbhelpers.data.split import Split
from mbhelpers.files import read_json, replacing, sha256, write_json
from mbhelpers.records import read_record
from mbhelpers.rows import published
from mbhelpers.runs import Run
from mbhelpers.stages.data import calibration_images, part_images, prepare
from mbhelpers.stages.detection import evaluate_detector
from mbhelpers.stages.order import is_done, outdate, require, stage

FEW_TEST_IMAGES = 100


@stage("quantize")
def quantize(run: Run) -> dict[str, Path]:
    """Make `model_float.tflite` and `model_int8.tflite`, calibrated on training images.

    Returns:
        "float" and "int8" to their files.
    """
    from mbhelpers.models.load import load_keras
    from mbhelpers.quantization import tflite

    paths = {kind: run.folder / f"model_{kind}.tflite" for kind in ("float", "int8")}
    if is_done(run, "quantize"):
        return paths
    outdate(run, "quantize")
    source_path = require(run, "model.keras")
    record = read_record(source_path)
    if record is None:
        raise ValueError(f"{source_path} was not made by this collection; delete it and train again")
    model = load_keras(source_path)
    if run.row.detects:
        from mbhelpers.models.ssd import with_anchors

        model = with_anchors(model)
    images, labels = calibration_images(run)
    calibration = {
        "images": len(images),
        "seed": run.seed,
        "part": "train",
        "per_class": np.bincount(labels, minlength=len(prepare(run).classes)).tolist(),
    }
    content = {
        "float": tflite.to_float(model, record),
        "int8": tflite.to_int8(model, replace(record, made=record.made | {"calibration": calibration}), images),
    }
    for kind, path in paths.items():
        with replacing(path) as temporary:
            temporary.write_bytes(content[kind])
    return paths


@stage("evaluate")
def evaluate(run: Run) -> dict[str, Any]:
    """Measure float and int8 on the test part, which nothing before has seen; saves `metrics.json`.

    `predictions.npz` keeps the scores of every test image, so that figures need no model.

    Returns:
        float (the Keras model), float_tflite and int8 as `evaluation.classification.evaluate` gives them, paired
        (int8 minus float on the same images), published, sizes, made, warnings. Of a detector, what
        `stages.detection.evaluate_detector` gives, and the latter four.
    """
    path = run.folder / "metrics.json"
    if is_done(run, "evaluate"):
        return read_json(path)
    outdate(run, "evaluate")
    files = {
        "float": require(run, "model.keras"),
        "float_tflite": require(run, "model_float.tflite"),
        "int8": require(run, "model_int8.tflite"),
    }
    split = prepare(run)
    metrics = evaluate_detector(run, files) if run.row.detects else _evaluate_classifier(run, files, split)
    record = read_record(files["int8"])
    if record is None:
        raise ValueError(f"{files['int8']} was not made by this collection; delete it and quantize again")
    metrics |= {
        "row": str(run.row),
        "published": published(run.row) if _as_published(run, metrics["classes"]) else {},
        "sizes": {file.name: file.stat().st_size for file in files.values()},
        "sha256": {file.name: sha256(file) for file in files.values()},
        "made": record.made,
    }
    metrics["warnings"] = _warnings(run, split, metrics)
    write_json(path, metrics)
    return read_json(path)


def _evaluate_classifier(run: Run, files: dict[str, Path], split: Split) -> dict[str, Any]:
    """Accuracy of each file; `predictions.npz` keeps the scores."""
    from mbhelpers.evaluation import classification
    from mbhelpers.inference.predictor import Predictor

    images, labels = part_images(run, "test")
    scores = {kind: Predictor(file).predict(images) for kind, file in files.items()}
    with replacing(run.folder / "predictions.npz") as temporary:
        np.savez_compressed(temporary, paths=split.paths["test"], labels=labels, **scores)  # type: ignore[arg-type]
    metrics: dict[str, Any] = {
        kind: classification.evaluate(found, labels, split.classes) for kind, found in scores.items()
    }
    paired = classification.compare(scores["float"], scores["int8"], labels)
    return metrics | {"classes": split.classes, "paired": paired}


@stage("report")
def report(run: Run, path: Path | None = None) -> Path:
    """Draw the run's card as one HTML file, figures inside; `report.html` in the run's folder by default."""
    from mbhelpers.reporting.model_card import write_card

    require(run, "metrics.json")
    return write_card([run.folder], path or run.folder / "report.html", run=run)[0]


def _as_published(run: Run, classes: Sequence[str]) -> bool:
    """Whether the data is what the published figures speak of: neither drawn, nor a part of the classes."""
    return run.data_dir != settings.SAMPLE and source.has_all_classes(run.row.dataset, tuple(classes))


def _warnings(run: Run, split: Split, metrics: dict[str, Any]) -> list[str]:
    """What a reader must know before quoting the numbers."""
    found = []
    int8, classes = metrics["int8"], tuple(metrics["classes"])
    if run.row.detects:
        least, what, thing = min(line["truths"] for line in int8["per_class"]), "AP", "objects of its rarest class"
    else:
        least, what, thing = min(split.counts()["test"].values()), "accuracy", "of its smallest class"
    few = int8["n"] < FEW_TEST_IMAGES
    if few or least < 10:
        low, high = (100 * bound for bound in int8["interval"])
        told = f"{int8['n']} images, {least}" if few else str(least)
        found.append(
            f"The test part has only {told} {thing}: so few can only tell "
            f"that the int8 {what} is somewhere from {low:.0f} to {high:.0f} %. Add images before you quote or compare "
            "it."
        )
    if run.smoke:
        found.append(f"A smoke run: two epochs, to see that everything works. Its {what} means nothing.")
    if run.data_dir == settings.SAMPLE:
        found.append("Measured on drawn pictures, which say nothing about photographs.")
    elif run.row.dataset != "custom" and not source.has_all_classes(run.row.dataset, classes):
        found.append(f"The data has only {len(classes)} of the classes; published figures don't apply to it.")
    elif run.row.dataset != "custom":
        here, whole = sum(map(len, split.paths.values())), catalog.find(run.row.dataset).images
        if here < 0.9 * whole:
            found.append(
                f"Made from {here:,} of the {whole:,} images of the set, so published figures had more to learn."
            )
    return found
