"""A model file measured on a folder of images, whoever made either."""

from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers.data.class_names import few
from mbhelpers.data.folder import ImageFolder, scan
from mbhelpers.data.pipeline import load_images
from mbhelpers.evaluation.classification import align_labels, evaluate
from mbhelpers.inference.predictor import Predictor


def evaluate_file(
    model: Path,
    folder: Path,
    *,
    classes: tuple[str, ...] = (),
    preset: str | None = None,
    resize: str | None = None,
    mean: float | None = None,
    std: float | None = None,
    threads: int = 1,
) -> dict[str, Any]:
    """Measure one model file on one folder.

    Args:
        model: .keras, .h5, .tflite or .onnx.
        folder: its sub-folders are the classes.
        classes: the model's class names in its own order, for a file without a record; the sorted folder names
            if empty.
        preset: as `Predictor` takes it; so are resize, mean and std.
        resize: see preset.
        mean: see preset.
        std: see preset.
        threads: of LiteRT and ONNX Runtime.

    Returns:
        What `evaluate` gives, with model, kind, resolution, preprocessing, classes, skipped and warnings.

    Raises:
        ValueError: model and folder don't fit, or one of them is missing or broken.
    """
    images = scan(folder)
    predictor = Predictor(model, classes=classes, preset=preset, resize=resize, mean=mean, std=std, threads=threads)
    known = predictor.classes or images.classes
    if len(known) != predictor.class_count:
        raise ValueError(
            f"{model} tells {predictor.class_count} classes apart, {folder} has {len(known)} ({few(known)}); "
            "evaluate it on data of its own classes, or name them in its order with --classes"
        )
    labels = align_labels(images.labels, images.classes, known)
    scores = _scores(predictor, images.root, images.paths)
    result = evaluate(scores, labels, known)
    return result | {
        "model": model.name,
        "kind": predictor.kind,
        "resolution": predictor.preprocessing.resolution,
        "preprocessing": str(predictor.preprocessing),
        "classes": known,
        "skipped": images.skipped,
        "warnings": _warnings(images, predictor, scores, labels),
    }


def _scores(predictor: Predictor, root: Path, paths: np.ndarray, chunk: int = 512) -> np.ndarray:
    """Scores of many files without holding all their pixels at once."""
    return np.concatenate(
        [
            predictor.predict(load_images(root, paths[k : k + chunk], predictor.preprocessing))
            for k in range(0, len(paths), chunk)
        ]
    )


def _warnings(images: ImageFolder, predictor: Predictor, scores: np.ndarray, labels: np.ndarray) -> list[str]:
    """What a reader of the result must know."""
    found = []
    if images.skipped:
        listed = "; ".join(f"{name}: {reason}" for name, reason in images.skipped[:5])
        found.append(f"left out {len(images.skipped)} files: {listed}")
    if predictor.made.get("data", {}).get("fingerprint") == images.fingerprint:
        found.append(
            "the model was trained on a part of these very images, so this is no measure of what it does on others; "
            "its metrics.json has that, from the test part alone"
        )
    names = predictor.classes or images.classes
    if predictor.classes_assumed and (meant := better_order(scores, labels)):
        found.append(
            "the file does not say its class order, and the sorted folder names fit badly: another order is right far "
            f"more often; if the model was trained so, pass --classes {','.join(names[k] for k in meant)}"
        )
    return found


def better_order(scores: np.ndarray, labels: np.ndarray) -> tuple[int, ...] | None:
    """Whether another class order explains the scores far better than the one assumed.

    Args:
        scores: (N, C) of the model.
        labels: (N,) under the order assumed.

    Returns:
        For each output the label it seems to mean, where that order is right on at least 20 points more images
        and on more than half of them; None otherwise.
    """
    from scipy.optimize import linear_sum_assignment

    classes = scores.shape[1]
    counts = np.zeros((classes, classes), np.int64)  # outputs x labels
    np.add.at(counts, (scores.argmax(axis=1), labels), 1)
    outputs, meant = linear_sum_assignment(-counts)
    now, then = np.trace(counts) / len(labels), counts[outputs, meant].sum() / len(labels)
    return tuple(int(k) for k in meant) if then > 0.5 and then - now > 0.2 else None
