"""Counting what a classifier gets right, one model alone or two on the same images."""

from typing import Any

import numpy as np
from sklearn import metrics

from mbhelpers.data.class_names import few
from mbhelpers.evaluation.intervals import f1_intervals, mcnemar, paired_difference, wilson
from mbhelpers.evaluation.reliability import calibration, threshold_curve


def evaluate(scores: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    """Accuracy with n and interval, per class and as a confusion matrix.

    Args:
        scores: (N, C), larger is likelier.
        labels: (N,), index into `classes`.
        classes: C names.

    Returns:
        n, correct, top1 and its 95 % Wilson interval, top5 (None below six classes, where it says nothing),
        per_class (name, n, precision, recall, f1, and of each its 95 % interval, None where there is none),
        confusion (C, C), rows true, columns predicted, macro_f1 and macro_f1_interval (of the classes with images),
        calibration as `reliability.calibration_of` gives it, and thresholds, `reliability.threshold_curve` of two
        classes and None of more. Shares are 0..1.

    Raises:
        ValueError: scores and labels don't fit, or a score is not finite.
    """
    _check(scores, labels, len(classes))
    predicted = scores.argmax(axis=1)
    correct = int((predicted == labels).sum())
    every = np.arange(len(classes))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=every, zero_division=0.0
    )
    answers = np.bincount(predicted, minlength=len(classes))
    hits = np.bincount(labels[predicted == labels], minlength=len(classes))
    drawn = f1_intervals(labels, predicted, len(classes))
    top5 = None
    if len(classes) > 5:
        best = np.argsort(-scores, axis=1, kind="stable")[:, :5]
        top5 = float((best == labels[:, None]).any(axis=1).mean())
    return {
        "n": len(labels),
        "correct": correct,
        "top1": correct / len(labels),
        "interval": wilson(correct, len(labels)),
        "top5": top5,
        "per_class": [
            {
                "class": name,
                "n": int(support[k]),
                "precision": float(precision[k]),
                "recall": float(recall[k]),
                "f1": float(f1[k]),
                "precision_interval": wilson(int(hits[k]), int(answers[k])) if answers[k] else None,
                "recall_interval": wilson(int(hits[k]), int(support[k])) if support[k] else None,
                "f1_interval": drawn["per_class"][k],
            }
            for k, name in enumerate(classes)
        ],
        "confusion": metrics.confusion_matrix(labels, predicted, labels=every).tolist(),
        "macro_f1": drawn["macro"],
        "macro_f1_interval": drawn["interval"],
        "calibration": calibration(scores, labels),
        "thresholds": threshold_curve(scores, labels, classes) if len(classes) == 2 else None,
    }


def compare(first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Two models judged on the same images, as float and int8 must be.

    Args:
        first: scores (N, C) of the one, such as float.
        second: scores (N, C) of the other, such as int8.
        labels: (N,).

    Returns:
        n, only_first and only_second right, agreement (share of equal predictions), difference of top-1 (second
        minus first) with its 95 % interval, mcnemar_p, and whether the interval holds zero (inside_noise).

    Raises:
        ValueError: scores and labels don't fit.
    """
    _check(first, labels, first.shape[-1])
    _check(second, labels, first.shape[-1])
    one, two = first.argmax(axis=1), second.argmax(axis=1)
    only_first = int(((one == labels) & (two != labels)).sum())
    only_second = int(((two == labels) & (one != labels)).sum())
    low, high = paired_difference(only_first, only_second, len(labels))
    return {
        "n": len(labels),
        "only_first": only_first,
        "only_second": only_second,
        "agreement": float((one == two).mean()),
        "difference": (only_second - only_first) / len(labels),
        "interval": (low, high),
        "mcnemar_p": mcnemar(only_first, only_second),
        "inside_noise": low <= 0 <= high,
    }


def align_labels(labels: np.ndarray, folder_classes: tuple[str, ...], model_classes: tuple[str, ...]) -> np.ndarray:
    """Labels of a folder as a model counts them: matched by name, never by position.

    Raises:
        ValueError: the folder has a class that the model does not know.
    """
    if strange := [name for name in folder_classes if name not in model_classes]:
        raise ValueError(
            f"the data has classes {few(strange)}, the model knows {len(model_classes)}: "
            f"{few(model_classes)}; evaluate it on data of its own classes"
        )
    order = np.array([model_classes.index(name) for name in folder_classes], np.int64)
    return order[labels]


def _check(scores: np.ndarray, labels: np.ndarray, classes: int) -> None:
    if scores.shape != (len(labels), classes) or len(labels) == 0:
        raise ValueError(f"scores of shape {scores.shape} don't fit {len(labels)} labels and {classes} classes")
    if not np.isfinite(scores).all():
        raise ValueError("a score is not finite; the model is broken, train or convert it again")
