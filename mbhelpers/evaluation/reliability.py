"""Whether a classifier's scores can be believed: calibration, and the threshold of a two-class model."""

from typing import Any

import numpy as np

from mbhelpers.evaluation.intervals import drawn_again, wilson

BINS = 15
"""Bins of equal width over confidences 0..1.

Their edges are the same for every model, so that float and int8, or ours and a published figure, are asked the same
question; and the scores of int8 files come in steps of 1/256, many of them equal, which bins of equal mass can't part.
The width costs little: most confidences lie in the last bins, which hold the more images, and on simulated models the
figure was less too large than over as many bins of equal mass.
"""

_BLOCK = 1 << 22  # numbers at a time: bounds the memory of drawing again


def score_summary(scores: np.ndarray) -> np.ndarray:
    """What `confidences` must know of an image's scores, four numbers however many classes there are.

    Args:
        scores: (N, C).

    Returns:
        float64, (N, 4): the largest, the smallest, the sum, and the largest after a softmax.
    """
    exact = scores.astype(np.float64)
    top = exact.max(axis=1)
    soft = 1 / np.exp(exact - top[:, None]).sum(axis=1)
    return np.stack([top, exact.min(axis=1), exact.sum(axis=1), soft], axis=1)


def confidences(summary: np.ndarray) -> tuple[np.ndarray | None, str]:
    """How sure a model says it is of its answers, 0..1.

    Shares of 1 count as they are; of an 8-bit output they add up to somewhat less, since what is below half a step
    is lost. Where a score is negative, they are logits, or logarithms, of which a softmax makes shares.

    Args:
        summary: (N, 4), of `score_summary`.

    Returns:
        (N,) and where they come from; None and the reason where the scores are neither.
    """
    top, low, total, soft = summary.T
    if low.min() < 0:
        return soft, "softmax of the scores, some of which are negative"
    if total.max() <= 1.05 and total.mean() >= 0.5:
        return top, "the scores"
    return None, (
        f"the scores are neither shares of 1 nor logits: none is negative, and those of an image add up to "
        f"{total.min():.3g} to {total.max():.3g}"
    )


def calibration(scores: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Whether answers given with 80 % confidence are right 80 % of the time; see `calibration_of`.

    Args:
        scores: (N, C), shares or logits.
        labels: (N,).
    """
    return calibration_of(score_summary(scores), scores.argmax(axis=1) == labels)


def calibration_of(
    summary: np.ndarray, right: np.ndarray, *, repeats: int = 1000, seed: int = 2026, confidence: float = 0.95
) -> dict[str, Any]:
    """Reliability of the top answer and the expected calibration error.

    Args:
        summary: (N, 4), of `score_summary`.
        right: (N,) bool, whether the answer with the largest score is right.
        repeats: sets of N images that are drawn, with replacement.
        seed: of the draws.
        confidence: of the intervals.

    Returns:
        n, `ece` (the mean over images of how far their bin's accuracy lies from its mean confidence, 0..1), its
        `interval`, `by_chance` (the ECE that a perfectly calibrated model stays below on 95 % of sets of N images: it
        is not zero, since a bin's accuracy is a matter of luck too), mean_confidence, accuracy, `confidence_from` and
        `bins`, those with images: low, high, n, confidence, accuracy and its Wilson interval. Where the scores are
        neither shares nor logits, `ece` is None and `reason` says why.

    The interval is the basic one, twice the ECE less the quantiles of the drawn sets, down to 0 where the ECE is not
    above `by_chance`. ECE is an absolute value, which drawing again makes larger: on simulated models and 150 to 2,500
    images a percentile interval "of 95 %" held the truth in 0 to 98 % of sets, this one in 80 to 99 %; the least
    where the true ECE is 1 to 2 points.

    Source: C. Guo et al., On calibration of modern neural networks, 2017; A. C. Davison and D. V. Hinkley, Bootstrap
    methods and their application, 1997.
    """
    shares, origin = confidences(summary)
    if shares is None:
        return {"n": len(right), "ece": None, "reason": origin}
    n = len(right)
    # Images of equal score and outcome are one kind, of which an 8-bit output has a few hundred at most.
    kinds, counts = np.unique(np.stack([shares, right]), axis=1, return_counts=True)
    errors, kept = kinds[1] - kinds[0], _one_hot(_bins(kinds[0]))
    ece = float(_gap(counts * errors @ kept) / n)
    rng = np.random.default_rng(seed)
    again, lucky = [], []
    for some in _blocks(repeats, len(counts)):
        again.append(_gap(drawn_again(counts, some, rng) * errors @ kept) / n)
        luck = rng.binomial(counts, kinds[0], (some, len(counts))) - counts * kinds[0]
        lucky.append(_gap(luck @ kept) / n)
    tail = (1 - confidence) / 2
    bottom, top = np.quantile(np.concatenate(again), (tail, 1 - tail)).tolist()
    by_chance = float(np.quantile(np.concatenate(lucky), confidence))
    return {
        "n": n,
        "ece": ece,
        "interval": (0.0 if ece <= by_chance else max(0.0, 2 * ece - top), min(1.0, max(ece, 2 * ece - bottom))),
        "by_chance": by_chance,
        "mean_confidence": float(shares.mean()),
        "accuracy": float(right.mean()),
        "confidence_from": origin,
        "bins": reliability_bins(shares, right),
    }


def reliability_bins(shares: np.ndarray, right: np.ndarray) -> list[dict[str, Any]]:
    """Confidence and accuracy of the images of each bin that has any.

    Args:
        shares: (N,) confidences, 0..1.
        right: (N,) bool.
    """
    place = _bins(shares)
    n = np.bincount(place, minlength=BINS)
    sure, correct = (np.bincount(place, values, BINS) for values in (shares, right))
    return [
        {
            "low": k / BINS,
            "high": (k + 1) / BINS,
            "n": int(n[k]),
            "confidence": float(sure[k] / n[k]),
            "accuracy": float(correct[k] / n[k]),
            "interval": wilson(int(correct[k]), int(n[k])),
        }
        for k in np.flatnonzero(n).tolist()
    ]


def threshold_curve(scores: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    """What another threshold than 0.5 would do to a model of two classes.

    Args:
        scores: (N, 2), shares or logits.
        labels: (N,), 0 or 1.
        classes: two names; the second is the one that is looked for.

    Returns:
        positive (its name), n, positives, `curve` (threshold, precision, recall and f1 as equally long lists, from
        the lowest score to the highest, thinned to some 200 points), `default` (above 0.5, the answer with the larger
        score) and `best` (the largest F1), each with threshold, precision, recall and f1. Where the scores are
        neither shares nor logits, or one of the classes has no image, only positive, n, positives and the `reason`.

    Raises:
        ValueError: there are not two classes.
    """
    from sklearn.metrics import precision_recall_curve

    if len(classes) != 2 or scores.shape[1:] != (2,):
        raise ValueError(f"a threshold parts two classes, not {len(classes)}; pick one against the rest yourself")
    told: dict[str, Any] = {"positive": classes[1], "n": len(labels), "positives": int((labels == 1).sum())}
    shares, origin = confidences(score_summary(scores))
    if shares is None or not 0 < told["positives"] < len(labels):
        return told | {"reason": origin if shares is None else "the images are all of one class"}
    second = np.where(scores[:, 1] > scores[:, 0], shares, 1 - shares) if origin != "the scores" else scores[:, 1]
    precision, recall, thresholds = precision_recall_curve(labels == 1, second)
    points = np.stack([thresholds, precision[:-1], recall[:-1]])
    best = int(_f1(points[1], points[2]).argmax())
    shown = np.unique(np.append(np.linspace(0, len(thresholds) - 1, 200).astype(int), best))
    answer = scores[:, 1] > scores[:, 0]
    hits = int((answer & (labels == 1)).sum())
    default = np.array([0.5, hits / max(1, int(answer.sum())), hits / told["positives"]])
    curve = dict(zip(("threshold", "precision", "recall"), points[:, shown].tolist(), strict=True))
    return told | {
        "curve": curve | {"f1": _f1(points[1, shown], points[2, shown]).tolist()},
        "default": _point(default),
        "best": _point(points[:, best]),
    }


def _point(values: np.ndarray) -> dict[str, float]:
    found = dict(zip(("threshold", "precision", "recall"), values.tolist(), strict=True))
    return found | {"f1": float(_f1(values[1], values[2]))}


def _f1(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    return 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)


def _bins(shares: np.ndarray) -> np.ndarray:
    """(N,) the bin of each confidence; one on an edge belongs below it, as in scikit-learn's calibration_curve."""
    return np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], shares)


def _one_hot(place: np.ndarray) -> np.ndarray:
    return (place[:, None] == np.arange(BINS)).astype(np.float64)


def _gap(errors: np.ndarray) -> np.ndarray:
    """Sum over the bins, on the last axis, of how far hits and confidences are apart."""
    return np.abs(errors).sum(axis=-1)


def _blocks(repeats: int, kinds: int) -> list[int]:
    """How many sets to draw at a time."""
    step = max(1, _BLOCK // kinds)
    return [min(step, repeats - done) for done in range(0, repeats, step)]
