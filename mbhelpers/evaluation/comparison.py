"""Several files of one model, or of rivals, on the same images: size, accuracy, agreement, latency."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers.data.folder import scan
from mbhelpers.data.pipeline import load_images
from mbhelpers.deployment.latency import interleaved
from mbhelpers.evaluation.classification import align_labels, compare, evaluate
from mbhelpers.inference.predictor import Predictor
from mbhelpers.preprocessing import Preprocessing
from mbhelpers.records import read_record

ROUNDS = 30
"""How often each file is timed on one image, in turns with the others."""

_CHUNK = 512


def compare_files(models: Sequence[Path], folder: Path, *, threads: int = 1, **options: Any) -> list[dict[str, Any]]:
    """Measure model files on one folder, each against the first.

    Args:
        models: .keras, .h5, .tflite or .onnx, of the same classes; the first is what the others are compared with.
        folder: its sub-folders are the classes.
        threads: of LiteRT and ONNX Runtime; Keras uses what TensorFlow was told.
        **options: of `Predictor`, for those of the files that carry no record: preset, resize, mean, std.

    Returns:
        A dict a file: model, kind, bytes, n, correct, top1 and its interval; `latency_ms`, the median of one image at
        a time, files in turns, and `latency_spread_ms`, half the distance of its quartiles; `warnings`, what was only
        assumed of it; and, but for the first, `paired`, as `evaluation.classification.compare` gives it.

    Raises:
        ValueError: fewer than two files, files of different classes, or a file and the folder that don't fit.
    """
    if len(models) < 2:
        raise ValueError("a comparison needs two model files or more")
    images = scan(folder)
    opened = [Predictor(path, threads=threads, **({} if _knows(path) else options)) for path in models]
    known = opened[0].classes or images.classes
    for predictor in opened:
        if predictor.class_count != len(known) or (predictor.classes and predictor.classes != known):
            raise ValueError(
                f"{predictor.path} tells {predictor.class_count} classes apart "
                f"({', '.join(predictor.classes[:5]) or 'without names'}), {models[0]} and {folder} "
                f"{len(known)} ({', '.join(known[:5])}); compare models of the same classes, in the same order"
            )
    labels = align_labels(images.labels, images.classes, known)
    scores: list[list[np.ndarray]] = [[] for _ in opened]
    for k in range(0, len(images.paths), _CHUNK):
        loaded: dict[Preprocessing, np.ndarray] = {}
        for found, predictor in zip(scores, opened, strict=True):
            contract = predictor.preprocessing
            if contract not in loaded:
                loaded[contract] = load_images(images.root, images.paths[k : k + _CHUNK], contract)
            found.append(predictor.predict(loaded[contract]))
    whole = [np.concatenate(found) for found in scores]
    times = latencies(opened)
    told = []
    for path, predictor, mine, (median, spread) in zip(models, opened, whole, times, strict=True):
        result = evaluate(mine, labels, known)
        line = {"model": path.name, "kind": predictor.kind, "bytes": path.stat().st_size}
        line |= {key: result[key] for key in ("n", "correct", "top1", "interval")}
        line |= {"latency_ms": median, "latency_spread_ms": spread, "warnings": _warnings(predictor)}
        told.append(line if mine is whole[0] else line | {"paired": compare(whole[0], mine, labels)})
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
