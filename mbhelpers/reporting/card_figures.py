"""Figures of a card: from the numbers alone, and, where the run's data is there, with its pictures."""

from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers.data import source
from mbhelpers.data.pipeline import load_images
from mbhelpers.data.predictions import load_predictions
from mbhelpers.evaluation.detection import curves as curves_by_class
from mbhelpers.evaluation.detection import pooled_curve
from mbhelpers.preprocessing import preset
from mbhelpers.reporting import plots
from mbhelpers.reporting.data_samples import load_each
from mbhelpers.reporting.detection_plots import plot_ap_by_size, plot_precision_recall, show_detections
from mbhelpers.reporting.document import Picture
from mbhelpers.reporting.evaluation_plots import plot_reliability
from mbhelpers.runs import Run

EXAMPLES = 6
"""Pictures of a detector's card."""


def accuracy_figures(metrics: dict[str, Any]) -> list[Picture]:
    """What can be drawn from `metrics.json` alone."""
    results = {kind: metrics[kind] for kind in ("float", "int8")}
    if "ap" in metrics["int8"]:
        return [Picture(plot_ap_by_size(results), "AP by size")]
    found = [
        Picture(plots.plot_accuracy(results, metrics["published"]), "Accuracy on the test part"),
        Picture(plots.plot_per_class(results), "Recall of each class"),
        Picture(plots.plot_confusion(results, metrics["classes"]), "What is taken for what"),
    ]
    believed = {kind: one["calibration"] for kind, one in results.items() if one.get("calibration", {}).get("bins")}
    return (
        [*found, Picture(plot_reliability(believed), "How far its confidence can be believed")] if believed else found
    )


def example_figures(run: Run, folder: Path, metrics: dict[str, Any]) -> list[Picture]:
    """What needs `predictions.npz` and the pictures.

    Args:
        run: says where the pictures are.
        folder: holds the predictions; the run's own, or a copy.
        metrics: of the run.

    Raises:
        ValueError: the data is not where the run says.
    """
    kept = folder / "predictions.npz"
    return _detections(run, kept, metrics) if run.row.detects else _mistakes(run, kept, metrics["classes"])


def _mistakes(run: Run, predictions: Path, classes: list[str]) -> list[Picture]:
    with np.load(predictions) as kept:
        paths, labels, scores = kept["paths"], kept["labels"], kept["int8"]
    worst = plots.worst_mistakes(scores, labels)
    if len(worst) == 0:
        return []
    root = source.locate(run.row.dataset, run.data_dir)
    images = load_images(root, paths[worst], preset("mbhelpers", run.row.resolution))
    shown = plots.show_predictions(images, labels[worst], scores[worst], classes)
    return [Picture(shown, "Surest mistakes of the int8 model")]


def _detections(run: Run, predictions: Path, metrics: dict[str, Any]) -> list[Picture]:
    truth = source.load_detections(run.row.dataset, run.data_dir)
    with np.load(predictions) as kept:
        truth = truth.select(np.flatnonzero(np.isin(truth.paths, kept["paths"])))
    found = {kind: load_predictions(predictions, kind) for kind in ("float", "int8")}
    shown = np.flatnonzero(np.diff(truth.first))[:EXAMPLES]
    pictures = load_each(truth.root, truth.paths[shown], 400)
    threshold = (metrics["threshold"] or {"threshold": 0.5})["threshold"]
    chance = "" if metrics["threshold"] else " (none was found to be best)"
    if len(truth.categories) == 1:
        curves, of = {kind: pooled_curve(truth, one) for kind, one in found.items()}, ""
    else:
        curves, of = curves_by_class(truth, found["int8"]), " of int8, by class"
    drawn = show_detections(pictures, truth.select(shown), found["int8"].select(shown), threshold=threshold)
    return [
        Picture(plot_precision_recall(curves), f"Precision over recall{of}"),
        Picture(drawn, f"What int8 finds from a score of {threshold:.2f} on{chance}"),
    ]
