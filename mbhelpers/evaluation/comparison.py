"""Several files of one model, or of rivals, on the same images: size, accuracy, agreement, latency."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers.data.folder import list_images
from mbhelpers.deployment.latency import interleaved
from mbhelpers.evaluation.answers import differences
from mbhelpers.evaluation.classification import compare, evaluate
from mbhelpers.evaluation.files import learned_from, left_out, score_folder
from mbhelpers.files import told_apart
from mbhelpers.inference.predictor import Predictor
from mbhelpers.records import read_record

ROUNDS = 30
"""How often each file is timed on one image, in turns with the others."""


def compare_files(
    models: Sequence[Path], folder: Path, *, threads: int | None = None, progress: bool = True, **options: Any
) -> list[dict[str, Any]]:
    """Measure model files on one folder, each against the first.

    Args:
        models: .keras, .h5, .tflite or .onnx, of the same classes; the first is what the others are compared with.
        folder: its sub-folders are the classes.
        threads: that decode and score; None means all cores. Latency is always that of one thread, but for Keras,
            which uses what TensorFlow was told.
        progress: whether to draw a bar, on terminals only.
        **options: of `Predictor`, for those of the files that carry no record: preset, resize, mean, std.

    Returns:
        A dict a file: model, kind, bytes; n, correct, top1, macro_f1, their intervals and calibration, as
        `evaluation.classification.evaluate` gives them; `latency_ms`, the median of one image at a time, files in
        turns, and `latency_spread_ms`, half the distance of its quartiles; `warnings`, what was only assumed of it;
        and, but for the first, `paired`, as `evaluation.classification.compare` gives it, and `differ`, the images on
        which its answer is not the first one's, as `evaluation.answers.differences` lists them.

    Raises:
        ValueError: fewer than two files, files of different classes, or a file and the folder that don't fit.
    """
    if len(models) < 2:
        raise ValueError("a comparison needs two model files or more")
    images = list_images(folder)
    opened = [Predictor(path, **({} if _knows(path) else options)) for path in models]
    known = opened[0].classes or images.classes
    for predictor in opened:
        if predictor.class_count != len(known) or (predictor.classes and predictor.classes != known):
            raise ValueError(
                f"{predictor.path} tells {predictor.class_count} classes apart "
                f"({', '.join(predictor.classes[:5]) or 'without names'}), {models[0]} and {folder} "
                f"{len(known)} ({', '.join(known[:5])}); compare models of the same classes, in the same order"
            )
    scores, paths, labels, skipped = score_folder(opened, images, known, threads=threads, progress=progress)
    times = latencies(opened)
    told = []
    names = told_apart(models)
    for name, path, predictor, mine, (median, spread) in zip(names, models, opened, scores, times, strict=True):
        result = evaluate(mine, labels, known)
        line = {"model": name, "kind": predictor.kind, "bytes": path.stat().st_size}
        kept = ("n", "correct", "top1", "interval", "macro_f1", "macro_f1_interval", "calibration")
        line |= {key: result[key] for key in kept}
        line |= {
            "latency_ms": median,
            "latency_spread_ms": spread,
            "warnings": left_out(skipped) + learned_from(predictor, images, paths) + _warnings(predictor),
        }
        if mine is not scores[0]:
            line["paired"] = compare(scores[0], mine, labels)
            line["differ"] = differences(scores[0], mine, labels, paths, known)
        told.append(line)
    return told


def _knows(path: Path) -> bool:
    """Whether a file says itself how images are prepared."""
    record = read_record(path)
    return record is not None and "preprocessing" not in record.assumed


def _warnings(predictor: Predictor) -> list[str]:
    """What was assumed of a file that doesn't say."""
    found = []
    if predictor.preprocessing_assumed:
        found.append(f"preprocessing assumed: {predictor.preprocessing}; pass --preset if it is another")
    if predictor.classes_assumed:
        found.append("class order assumed to be that of the sorted folders")
    return found


def latencies(predictors: Sequence[Predictor], rounds: int = ROUNDS) -> list[tuple[float, float]]:
    """Milliseconds for one image, by turns, so that a busy moment hits all alike.

    Args:
        predictors: opened files.
        rounds: how often each is timed, after two times that don't count.

    Returns:
        For each the median, and half the distance between the quartiles.
    """
    images = [
        np.random.default_rng(0).integers(0, 256, (1, *2 * (p.preprocessing.resolution,), 3)).astype(np.uint8)
        for p in predictors
    ]
    calls = [partial(predictor.predict, image) for predictor, image in zip(predictors, images, strict=True)]
    low, middle, high = np.quantile(interleaved(calls, rounds, 2), (0.25, 0.5, 0.75), axis=0)
    return [(float(m), float((h - lo) / 2)) for lo, m, h in zip(low, middle, high, strict=True)]
