"""What a model answered on each image: to be listed, shown, and compared with another's answers."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers.evaluation.reliability import confidences, score_summary
from mbhelpers.files import replacing
from mbhelpers.preprocessing import Preprocessing

LISTED = 100
"""Images on which two models differ that a result lists, at most."""


@dataclass(frozen=True)
class Answers:
    """The top answer on N images.

    Attributes:
        root: the folder that `paths` are relative to.
        paths: (N,) file names.
        labels: (N,) index of the true class into `classes`.
        predicted: (N,) index of the answer into `outputs`.
        right: (N,) bool, whether the answer is the true class.
        scores: (N,) how sure the model is, 0..1; its own scores where they are neither shares nor logits.
        classes: names of the true classes.
        outputs: names of the answers: the classes, or more where the model knows more.
        preprocessing: by which the model saw the images.
    """

    root: Path
    paths: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    right: np.ndarray
    scores: np.ndarray
    classes: tuple[str, ...]
    outputs: tuple[str, ...]
    preprocessing: Preprocessing


def sureness(scores: np.ndarray) -> np.ndarray:
    """How sure a model says it is of its answers.

    Args:
        scores: (N, C).

    Returns:
        (N,) as `reliability.confidences` reads them; where that can't be done, the largest scores themselves.
    """
    summary = score_summary(scores)
    shares, _ = confidences(summary)
    return summary[:, 0] if shares is None else shares


def write_predictions(answers: Answers, path: Path) -> Path:
    """Write file, true class, predicted class and score of each image as CSV, whole or not at all."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("file", "true", "predicted", "score"))
        told = zip(answers.paths, answers.labels, answers.predicted, answers.scores, strict=True)
        for name, label, guess, score in told:
            writer.writerow((name, answers.classes[label], answers.outputs[guess], f"{score:.6g}"))
    return path


def differences(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray, paths: np.ndarray, classes: tuple[str, ...]
) -> dict[str, Any]:
    """The images on which two models answer differently.

    Args:
        first: (N, C) scores of the one, such as float.
        second: (N, C) of the other, such as int8.
        labels: (N,).
        paths: (N,) file names.
        classes: C names.

    Returns:
        n, how many there are, and `listed`, of at most `LISTED`, those that the first is surest of first: file, true
        class, first and second (the answers), first_score and second_score.
    """
    one, two = first.argmax(axis=1), second.argmax(axis=1)
    scores = [sureness(each) for each in (first, second)]
    differ = np.flatnonzero(one != two)
    order = differ[np.argsort(-scores[0][differ], kind="stable")][:LISTED]
    return {
        "n": len(differ),
        "listed": [
            {
                "file": str(paths[k]),
                "true": classes[labels[k]],
                "first": classes[one[k]],
                "second": classes[two[k]],
                "first_score": float(scores[0][k]),
                "second_score": float(scores[1][k]),
            }
            for k in order.tolist()
        ],
    }
