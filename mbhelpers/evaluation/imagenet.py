"""Top-1 and top-5 of a model file on ImageNet, among all its classes, whatever part of the images is there."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mbhelpers import settings
from mbhelpers.data.imagenet import CLASSES, ImageNet, class_names, development_kit, wnids
from mbhelpers.evaluation.intervals import wilson
from mbhelpers.inference.predictor import Predictor
from mbhelpers.preprocessing import Preprocessing

OUTPUTS = (CLASSES, CLASSES + 1)
"""Outputs of ImageNet models; of 1001, as slim's have, the first is a background that no image shows."""

_AT_ONCE = 64
"""Images that are decoded and scored together; at 224 px two such lots take 19 MB, however many images there are."""


def evaluate_imagenet(model: Predictor | Path | str, images: ImageNet, **options: Any) -> dict[str, Any]:
    """Measure one model file on ImageNet images; each is one question among all classes that the model knows.

    Images that can't be read are left out, listed and warned of. Where the figures look as if labels and outputs were
    counted in two ways, a warning says which.

    Args:
        model: a file of 1000 or 1001 outputs in the order of the sorted wnids, or in that of the names it carries; or
            a predictor of one.
        images: as `read_imagenet` gives them.
        **options: of `Predictor`, such as `preset="slim"`; only with a file. A file with a record needs none.

    Returns:
        n, correct, top1 and its 95 % Wilson interval; correct5, top5 and interval5 likewise; per_class, of each class
        with images its wnid, name, n, correct and correct5; model, kind, resolution, preprocessing, outputs, layout,
        skipped (file and reason) and warnings. Shares are 0..1.

    Raises:
        ValueError: the model is missing, broken or of another number of outputs, or none of the images can be read.
    """
    if isinstance(model, Predictor) and options:
        raise ValueError(f"the predictor has its options already; pass {', '.join(options)} to Predictor")
    predictor = model if isinstance(model, Predictor) else Predictor(model, **options)
    outputs = class_outputs(predictor)
    best, skipped = top_five(predictor, images.files())
    read = best[:, 0] >= 0
    if not read.any():
        raise ValueError(
            f"none of the {len(images)} images can be read: {skipped[0][1] if skipped else 'there is none'}"
        )
    best, labels = best[read], images.labels[read]
    right = best == outputs[labels][:, None]  # (N, 5), at most one true in each row
    first, any_of_five = right[:, 0], right.any(axis=1)
    n, correct, correct5 = len(labels), int(first.sum()), int(any_of_five.sum())
    return {
        "n": n,
        "correct": correct,
        "top1": correct / n,
        "interval": wilson(correct, n),
        "correct5": correct5,
        "top5": correct5 / n,
        "interval5": wilson(correct5, n),
        "per_class": _per_class(labels, first, any_of_five, images.names),
        "model": predictor.path.name,
        "kind": predictor.kind,
        "resolution": predictor.preprocessing.resolution,
        "preprocessing": str(predictor.preprocessing),
        "outputs": predictor.class_count,
        "layout": images.layout,
        "skipped": skipped,
        "warnings": _warnings(predictor, skipped, n, _other_order(best[:, 0], labels, outputs)),
    }


def class_outputs(predictor: Predictor) -> np.ndarray:
    """Which output of a model stands for each class.

    Returns:
        (1000,) integers: the outputs in order, after the background of 1001, unless the file carries wnids, our names
        or the numbers 0 to 999 as its classes, in an order of its own.

    Raises:
        ValueError: the model has neither 1000 nor 1001 outputs.
    """
    if predictor.class_count not in OUTPUTS:
        raise ValueError(
            f"{predictor.path} tells {predictor.class_count} classes apart, ImageNet has {CLASSES} "
            f"({CLASSES + 1} with a background); evaluate it on class folders of its own classes"
        )
    first = predictor.class_count - CLASSES
    carried = predictor.classes[first:]
    for known in (wnids(), class_names(), tuple(str(label) for label in range(CLASSES))):
        if set(carried) == set(known):
            return np.array([carried.index(name) for name in known]) + first
    return np.arange(CLASSES) + first


def top_five(predictor: Predictor, files: Sequence[Path]) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """The five likeliest outputs for each file, read a few at a time; draws a progress bar on terminals.

    Args:
        predictor: of six outputs or more.
        files: N images.

    Returns:
        int64, (N, 5), the likeliest first, of equal scores the lower output; -1 where a file can't be read. And those
        files, with the reason.
    """
    best = np.full((len(files), 5), -1, np.int64)
    skipped: list[tuple[str, str]] = []
    done = 0
    # disable=None draws on terminals only
    with tqdm(desc=f"evaluating {predictor.path.name}", total=len(files), unit="img", disable=None) as bar:
        for lot in _decoded(files, predictor.preprocessing):
            good = [k for k, image in enumerate(lot) if not isinstance(image, str)]
            skipped += [(str(files[done + k]), why) for k, why in enumerate(lot) if isinstance(why, str)]
            if good:
                scores = predictor.predict(np.stack([lot[k] for k in good]))
                if not np.isfinite(scores).all():
                    raise ValueError(f"{predictor.path} gives scores that are not finite; train or convert it again")
                best[done + np.array(good)] = np.argsort(-scores, axis=1, kind="stable")[:, :5]
            done += len(lot)
            bar.update(len(lot))
    return best, skipped


def _decoded(files: Sequence[Path], preprocessing: Preprocessing) -> Iterator[list[Any]]:
    """Pixels of each file, or why there are none, in lots; the next lot is decoded while this one is scored."""

    def load(file: Path) -> np.ndarray | str:
        try:
            return preprocessing.load(file)
        except ValueError as error:
            return str(error)

    lots = [files[k : k + _AT_ONCE] for k in range(0, len(files), _AT_ONCE)]
    # Pillow decodes without the interpreter's lock
    with ThreadPoolExecutor(min(8, max(2, settings.threads()))) as pool:
        ahead = pool.map(load, lots[0] if lots else [])
        for following in [*lots[1:], []]:
            ready, ahead = list(ahead), pool.map(load, following)
            yield ready


def _warnings(predictor: Predictor, skipped: list[tuple[str, str]], read: int, other_order: str | None) -> list[str]:
    """What a reader of the result must know."""
    found = []
    if skipped:
        found.append(f"left out {len(skipped)} of {len(skipped) + read}: {'; '.join(why for _, why in skipped[:5])}")
    if predictor.preprocessing_assumed:
        found.append(
            "the file doesn't say how images are prepared; ST's way was assumed, which no ImageNet model was made for: "
            "pass the preset it was trained with (--preset slim, keras, onnx or nxp)"
        )
    return [*found, other_order] if other_order else found


def _per_class(
    labels: np.ndarray, first: np.ndarray, any_of_five: np.ndarray, names: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Counts of each class that has images."""
    n, correct, correct5 = (
        np.bincount(labels, weights=weights, minlength=CLASSES).astype(int).tolist()
        for weights in (None, first, any_of_five)
    )
    return [
        {"wnid": wnid, "class": names[k], "n": n[k], "correct": correct[k], "correct5": correct5[k]}
        for k, wnid in enumerate(wnids())
        if n[k]
    ]


def _other_order(predicted: np.ndarray, labels: np.ndarray, outputs: np.ndarray) -> str | None:
    """Whether one of the usual mix-ups in counting the classes explains the answers far better.

    Four fixed ways are tried, and none is fitted to the answers, so that few images are enough to tell.
    """
    class_of = np.full(outputs.max() + 1, -1)
    class_of[outputs] = np.arange(CLASSES)
    answers = class_of[predicted]
    place = {wnid: label for label, wnid in enumerate(wnids())}
    numbered = np.array([place[wnid] for wnid in development_kit()])  # the class of each number - 1
    kit = "labels and outputs differ as the ILSVRC development kit's numbers do from the sorted wnids"
    shift = "labels and outputs are one apart, as with and without a background class"
    ways = [(kit, numbered[labels]), (kit, numbered.argsort()[labels]), (shift, labels + 1), (shift, labels - 1)]
    right, what = max((int((answers == meant).sum()), what) for what, meant in ways)
    now = int((answers == labels).sum())
    if right - now <= max(4, len(labels) / 5):
        return None
    return f"counted in another way {right} of {len(labels)} answers are right, not {now}: {what}; check both lists"
