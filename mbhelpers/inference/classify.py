"""What a model file says of a few pictures, in names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers.data.imagenet import class_names, read_names
from mbhelpers.data.pipeline import load_images
from mbhelpers.inference.predictor import Predictor
from mbhelpers.models.families import IMAGENET_CLASSES


def classify(
    model: Predictor | Path | str,
    images: Sequence[Path | str],
    *,
    labels: Path | str | None = None,
    top: int = 5,
    **options: Any,
) -> dict[str, Any]:
    """Name what is in some images.

    Args:
        model: .keras, .h5 or .tflite, float or int8, with any type of input and output; or a predictor of one.
        images: files that Pillow can read.
        labels: a list of class names, for a file without its own; see `names_of`.
        top: how many of the likeliest classes to give; of equal scores, which an 8-bit output often has, the lower
            index comes first.
        **options: of `Predictor`, such as `preset="slim"`; only with a file.

    Returns:
        model, kind, resolution, preprocessing, names (where they come from), warnings; and results, for each image its
        file and top: dicts of class, index and score, the likeliest first.

    Raises:
        ValueError: the model, an image or the list is missing or broken, the list has another number of names, or the
            scores are not finite.
    """
    if isinstance(model, Predictor) and options:
        raise ValueError(f"the predictor has its options already; pass {', '.join(options)} to Predictor")
    if top < 1:
        raise ValueError(f"top must be 1 or more, not {top}")
    predictor = model if isinstance(model, Predictor) else Predictor(model, **options)
    names, origin = names_of(predictor, labels)
    scores = predictor.predict(load_images(Path(), [str(image) for image in images], predictor.preprocessing))
    if not np.isfinite(scores).all():
        raise ValueError(f"{predictor.path} gives scores that are not finite; train or convert it again")
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return {
        "model": predictor.path.name,
        "kind": predictor.kind,
        "resolution": predictor.preprocessing.resolution,
        "preprocessing": str(predictor.preprocessing),
        "names": origin,
        "warnings": _warnings(predictor),
        "results": [
            {
                "image": str(image),
                "top": [{"class": names[k], "index": int(k), "score": float(row[k])} for k in order],
            }
            for image, row, order in zip(images, scores, best, strict=True)
        ],
    }


def names_of(predictor: Predictor, labels: Path | str | None = None) -> tuple[tuple[str, ...], str]:
    """A name for each output of a model, and where the names come from.

    Args:
        predictor: of the model.
        labels: a list of names, one a line in the order of the outputs; for 1000 or 1001 outputs also in the forms
            that `read_names` takes. A file that carries its own names refuses it.

    Returns:
        The file's own names; else those of the list; else, for 1000 outputs, or 1001 with the background first,
        ImageNet's; else the numbers of the outputs.

    Raises:
        ValueError: there is no such list, it has another number of names, or the file has its own.
    """
    outputs = predictor.class_count
    background = ("background",) if outputs == IMAGENET_CLASSES[1] else ()
    if predictor.classes and labels is not None:
        raise ValueError(f"{predictor.path} carries its own class names, such as {predictor.classes[0]}; pass no list")
    if predictor.classes:
        return predictor.classes, "the file"
    if labels is not None:
        listed = background + read_names(labels) if outputs in IMAGENET_CLASSES else read_lines(Path(labels))
        if len(listed) != outputs:
            raise ValueError(
                f"{labels} has {len(listed)} names, {predictor.path} tells {outputs} classes apart; pass one a line, "
                "in the order of the outputs"
            )
        return listed, str(labels)
    if outputs in IMAGENET_CLASSES:
        return background + class_names(), "ImageNet, by the number of outputs"
    return tuple(str(k) for k in range(outputs)), "none: the outputs are numbered from 0"


def read_lines(path: Path) -> tuple[str, ...]:
    """Names, one a line; empty lines are passed over.

    Raises:
        ValueError: the file is missing, or is no text in UTF-8.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"no list of names at {path} ({error}); pass a text file, one name a line") from error
    return tuple(line for line in lines if line)


def _warnings(predictor: Predictor) -> list[str]:
    """What a reader of the answers must know."""
    if not predictor.preprocessing_assumed:
        return []
    return [
        f"the file doesn't say how images are prepared; assumed: {predictor.preprocessing}. If that is wrong, so are "
        "the answers: pass --preset, or --resize, --mean and --std"
    ]
