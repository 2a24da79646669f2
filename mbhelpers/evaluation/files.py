"""A model file measured on a folder of images, whoever made either."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers import settings
from mbhelpers.data.class_names import few
from mbhelpers.data.folder import Listing, fingerprint_of, list_images, no_image
from mbhelpers.evaluation.answers import Answers, sureness
from mbhelpers.evaluation.classification import align_labels, evaluate
from mbhelpers.files import read_json, sha256
from mbhelpers.inference.predictor import Predictor
from mbhelpers.inference.scoring import score_files


def evaluate_file(model: Path, folder: Path, **options: Any) -> dict[str, Any]:
    """Measure one model file on one folder; arguments, result and errors: `measure_file`."""
    return measure_file(model, folder, **options)[0]


def measure_file(
    model: Path,
    folder: Path,
    *,
    classes: tuple[str, ...] = (),
    preset: str | None = None,
    resize: str | None = None,
    mean: float | None = None,
    std: float | None = None,
    threads: int | None = None,
    progress: bool = True,
) -> tuple[dict[str, Any], Answers]:
    """Measure one model file on one folder, and keep what it answered.

    Each image is read once: those that can't be are left out, listed and warned of.

    Args:
        model: .keras, .h5, .tflite or .onnx.
        folder: its sub-folders are the classes.
        classes: the model's class names in its own order, for a file without a record; the sorted folder names
            if empty.
        preset: as `Predictor` takes it; so are resize, mean and std.
        resize: see preset.
        mean: see preset.
        std: see preset.
        threads: that decode and score; None means all cores.
        progress: whether to draw a bar, on terminals only.

    Returns:
        What `evaluate` gives, with model, kind, resolution, preprocessing, classes, skipped and warnings; and the
        answers.

    Raises:
        ValueError: model and folder don't fit, or one of them is missing or broken.
    """
    images = list_images(folder)
    predictor = Predictor(model, classes=classes, preset=preset, resize=resize, mean=mean, std=std)
    known = predictor.classes or images.classes
    if len(known) != predictor.class_count:
        raise ValueError(
            f"{model} tells {predictor.class_count} classes apart, {folder} has {len(known)} ({few(known)}); "
            "evaluate it on data of its own classes, or name them in its order with --classes"
        )
    [scores], paths, labels, skipped = score_folder([predictor], images, known, threads=threads, progress=progress)
    result = evaluate(scores, labels, known)
    told = result | {
        "model": model.name,
        "kind": predictor.kind,
        "resolution": predictor.preprocessing.resolution,
        "preprocessing": str(predictor.preprocessing),
        "classes": known,
        "skipped": skipped,
        "warnings": _warnings(skipped, images, paths, predictor, scores, labels),
    }
    guess, contract = scores.argmax(axis=1), predictor.preprocessing
    return told, Answers(
        images.root, paths, labels, guess, guess == labels, sureness(scores), known, known, contract
    )  # fmt: skip


def score_folder(
    predictors: Sequence[Predictor],
    images: Listing,
    known: tuple[str, ...],
    *,
    threads: int | None = None,
    progress: bool = True,
) -> tuple[tuple[np.ndarray, ...], np.ndarray, np.ndarray, list[tuple[str, str]]]:
    """Score the images of a folder that can be read.

    Args:
        predictors: opened models of the same classes.
        images: N files.
        known: the classes of the models, in their order.
        threads: as for `measure_file`.
        progress: likewise.

    Returns:
        For each model (M, C) scores; (M,) paths; (M,) labels, index into `known`; and what was left out, with why.

    Raises:
        ValueError: the folder has a class that the models don't know, or one without a readable image.
    """
    labels = align_labels(images.labels, images.classes, known)
    files = [images.root / name for name in images.paths.tolist()]
    found = score_files(predictors, files, threads=threads, progress=progress)
    names = images.paths[~found.read].tolist()
    # Reports travel; the places of files on this machine need not.
    unread = [
        (name, why.removeprefix(f"{file} is ").replace(file, name))
        for name, (file, why) in zip(names, found.unread, strict=True)
    ]
    for name in images.classes:
        if known.index(name) not in labels[found.read]:
            raise no_image(images.root / name, [why for file, why in unread if file.startswith(f"{name}/")])
    return found.scores, images.paths[found.read], labels[found.read], sorted([*images.skipped, *unread])


def left_out(skipped: list[tuple[str, str]]) -> list[str]:
    """A warning of the files that were left out, if any were."""
    listed = "; ".join(f"{name}: {reason}" for name, reason in skipped[:5])
    return [f"left out {len(skipped)} files: {listed}"] if skipped else []


def learned_from(predictor: Predictor, images: Listing, paths: np.ndarray) -> list[str]:
    """A warning if a model learned from some of these images, by content.

    `split.json` beside the file says which. Without it, only its whole data set is known again, by its fingerprint.
    """
    made, split = predictor.made.get("data", {}), predictor.path.with_name("split.json")
    whole = "fingerprint" in made and len(paths) >= sum(made.get("images", {}).values())
    if "fingerprint" not in made or not (split.is_file() or whole):
        return []
    names = paths.tolist()
    parts = [names[k : k + 64] for k in range(0, len(names), 64)]  # one file is too little for a task of its own
    with ThreadPoolExecutor(settings.threads()) as pool:
        hashed = pool.map(lambda part: [sha256(images.root / name) for name in part], parts)
        hashes = [digest for part in hashed for digest in part]
    own = "its metrics.json has what it does on the test part, which it did not learn from"
    if split.is_file():
        parts_of = {sha: entry["part"] for sha, entry in read_json(split)["images"].items()}
        known = sum(parts_of.get(digest) in ("train", "validation") for digest in hashes)
        told = f"{known:,} of these {len(hashes):,} images are among those that the model learned from or was chosen by"
        return [f"{told}, so this flatters it; {own}"] if known else []
    if made["fingerprint"] == fingerprint_of([name.partition("/")[0] for name in names], hashes):
        return [f"the model was trained on a part of these very images, so this flatters it; {own}"]
    return []


def _warnings(
    skipped: list[tuple[str, str]],
    images: Listing,
    paths: np.ndarray,
    predictor: Predictor,
    scores: np.ndarray,
    labels: np.ndarray,
) -> list[str]:
    """What a reader of the result must know."""
    found = left_out(skipped)
    found += learned_from(predictor, images, paths)
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
