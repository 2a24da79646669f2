"""Figures of whether a classifier can be believed: reliability, thresholds, and the images that two models part on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np

from mbhelpers.data.pipeline import load_images
from mbhelpers.evaluation.answers import Answers
from mbhelpers.evaluation.reliability import BINS
from mbhelpers.reporting.plots import BLUE, GREEN, GREY, ORANGE, RED, short, show_images, show_predictions

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_reliability(found: dict[str, dict[str, Any]]) -> "Figure":
    """Accuracy over confidence, a column a model, above how many images have that confidence.

    On the diagonal a model is right as often as it says. The bars are the 95 % Wilson intervals of the bins: few
    images, wide bars.

    Args:
        found: title to what `reliability.calibration_of` gives; those without an ECE get no column.

    Raises:
        ValueError: none of them has an ECE.
    """
    drawn = {title: one for title, one in found.items() if one["ece"] is not None}
    if not drawn:
        raise ValueError(f"nothing to draw: {next(iter(found.values()))['reason']}")
    figure, axes = plt.subplots(
        2, len(drawn), figsize=(4.2 * len(drawn), 5), squeeze=False, sharex=True, layout="constrained",
        gridspec_kw={"height_ratios": (3, 1)},
    )  # fmt: skip
    for column, (title, one) in zip(axes.T, drawn.items(), strict=True):
        _reliability(column[0], one)
        low, high = (100 * bound for bound in one["interval"])
        column[0].set_title(
            f"{title} (n = {one['n']})\nECE {100 * one['ece']:.1f} points, {low:.1f} to {high:.1f}".lstrip(),
            fontsize=10,
        )
        edges = [100 * entry["low"] for entry in one["bins"]]
        column[1].bar(edges, [entry["n"] for entry in one["bins"]], 100 / BINS, align="edge", color=BLUE, alpha=0.6)
        column[1].axvline(100 * one["mean_confidence"], color=ORANGE, label="mean confidence")
        column[1].axvline(100 * one["accuracy"], color="black", linestyle=":", label="accuracy")
        column[1].set(xlabel="confidence in %", xlim=(0, 101))
    axes[0, 0].set_ylabel("accuracy in %")
    axes[1, 0].set_ylabel("images")
    (points, words), (lines, more) = (axis.get_legend_handles_labels() for axis in axes[:, 0])
    columns = 2 * min(2, len(drawn))
    figure.legend(points + lines, words + more, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    plt.close(figure)
    return figure


def _reliability(axis: Any, one: dict[str, Any]) -> None:
    """Points with their intervals, and the gaps that ECE is the mean of."""
    sure, right = (100 * np.array([entry[key] for entry in one["bins"]]) for key in ("confidence", "accuracy"))
    low, high = 100 * np.array([entry["interval"] for entry in one["bins"]]).T
    axis.plot([0, 100], [0, 100], color=GREY, linestyle="--", linewidth=1, label="as often right as it says")
    axis.vlines(sure, np.minimum(sure, right), np.maximum(sure, right), color=ORANGE, linewidth=5, alpha=0.6)
    axis.errorbar(
        sure, right, yerr=[np.maximum(0, right - low), np.maximum(0, high - right)], fmt="o", markersize=4, capsize=2,
        linewidth=1, color=BLUE, label="measured, 95 % interval",
    )  # fmt: skip
    axis.set(ylim=(-2, 103))
    axis.grid(alpha=0.3)


def plot_thresholds(found: dict[str, Any]) -> "Figure":
    """Precision, recall and F1 over the threshold; marked are the default and the best F1 on these images.

    Args:
        found: what `reliability.threshold_curve` gives.

    Raises:
        ValueError: it has no curve; the message says why.
    """
    if "curve" not in found:
        raise ValueError(f"nothing to draw: {found['reason']}")
    curve, best, usual = found["curve"], found["best"], found["default"]
    figure, axis = plt.subplots(figsize=(7.5, 3.8), layout="constrained")
    for key, colour in (("precision", BLUE), ("recall", GREEN), ("f1", ORANGE)):
        values = 100 * np.array(curve[key])
        axis.plot(curve["threshold"], values, color=colour, label=key.replace("f1", "F1"))
        axis.plot(usual["threshold"], 100 * usual[key], "s", color=colour, markersize=5)
        axis.plot(best["threshold"], 100 * best[key], "o", color=colour, markersize=5)
    for point, style, name in ((usual, ":", "default"), (best, "--", "best F1 here")):
        label = f"{name}: {point['threshold']:.2f}, F1 {100 * point['f1']:.1f} %"
        axis.axvline(point["threshold"], color=GREY, linestyle=style, linewidth=1.2, label=label)
    negatives = found["n"] - found["positives"]
    axis.set(
        xlabel=f"lowest score that counts as {short(found['positive'])}",
        ylabel="in %",
        xlim=(0, 1),
        ylim=(-1, 103),
        title=f"{short(found['positive'])}: {found['positives']} images, {negatives} others",
    )
    axis.grid(alpha=0.3)
    figure.legend(frameon=False, fontsize=9, loc="outside lower center", ncols=5)
    plt.close(figure)
    return figure


def show_worst(answers: Answers, most: int = 16) -> "Figure | None":
    """The wrong answers that the model is surest of, the surest first; None where all are right."""
    wrong = np.flatnonzero(~answers.right)
    worst = wrong[np.argsort(-answers.scores[wrong], kind="stable")][:most]
    if len(worst) == 0:
        return None
    names = (*answers.outputs, *answers.classes)  # what was answered, then what is true: ImageNet's lists may differ
    rows = np.zeros((len(worst), len(names)))
    rows[np.arange(len(worst)), answers.predicted[worst]] = answers.scores[worst]
    images = load_images(answers.root, answers.paths[worst], answers.preprocessing)
    return show_predictions(images, answers.labels[worst] + len(answers.outputs), rows, [short(n, 18) for n in names])


def show_differences(
    images: np.ndarray, listed: Sequence[dict[str, Any]], titles: tuple[str, str] = ("float", "int8")
) -> "Figure":
    """Images on which two models part, each under both answers and the truth.

    Args:
        images: uint8 RGB, (N, H, W, 3), one or more.
        listed: N entries of `answers.differences`.
        titles: of the first and the second model.

    Returns:
        The figure; the text is blue where only the first model is right, orange where only the second is, grey where
        neither is.
    """
    words, colours = [], []
    for one in listed:
        lines = [f"{title}: {short(one[key], 16)}{_sure(one[f'{key}_score'])}" for title, key in _both(titles)]
        words.append("\n".join([*lines, f"truly {short(one['true'], 18)}"]))
        right = [one[key] == one["true"] for key in ("first", "second")]
        colours.append(BLUE if right[0] else RED if right[1] else GREY)
    return show_images(images, words, columns=6, side=2.0, title_colours=colours)


def _both(titles: tuple[str, str]) -> list[tuple[str, str]]:
    return [(titles[0], "first"), (titles[1], "second")]


def _sure(score: float) -> str:
    """A share in percent; other scores say nothing to a reader."""
    return f" {100 * score:.0f} %" if 0 <= score <= 1 else ""
