"""Figures that a class can read: every axis named, every count beside its interval. All return the figure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which colour-blind readers tell apart.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#777777"
PART_COLOURS = {"train": BLUE, "validation": ORANGE, "test": GREEN}


def show_images(
    images: np.ndarray | Sequence[np.ndarray],
    titles: Sequence[str] = (),
    columns: int = 8,
    side: float = 1.5,
    title_colours: Sequence[str] = (),
) -> "Figure":
    """A grid of pictures, row by row.

    Args:
        images: uint8 RGB, (N, H, W, 3) or a list of (H, W, 3).
        titles: one a picture, or none.
        columns: pictures in a row.
        side: of a picture, in inches.
        title_colours: one a title, or none.
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    lines = max((title.count("\n") + 1 for title in titles), default=0)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(columns * side, rows * (side + 0.17 * lines)),
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.flat:
        axis.axis("off")
    for k, (axis, image) in enumerate(zip(axes.flat, images, strict=False)):
        axis.imshow(image)
        if titles:
            axis.set_title(titles[k], fontsize=8, color=title_colours[k] if title_colours else "black")
    return _done(figure)


def plot_counts(counts: dict[str, dict[str, int]]) -> "Figure":
    """Images per class, stacked by part; `counts` is what `Split.counts` gives."""
    classes = list(next(iter(counts.values())))
    figure, axis = plt.subplots(figsize=(7, 0.8 + 0.4 * len(classes)), layout="constrained")
    left = np.zeros(len(classes))
    for part, numbers in counts.items():
        values = np.array([numbers[name] for name in classes])
        bars = axis.barh(classes, values, left=left, color=PART_COLOURS[part], label=part)
        axis.bar_label(bars, label_type="center", fontsize=8, color="white")
        left += values
    axis.invert_yaxis()
    axis.set_xlabel("images")
    axis.legend(ncols=3, loc="lower right", bbox_to_anchor=(1, 1), frameon=False)
    return _done(figure)


def plot_history(history: list[dict[str, float]]) -> "Figure":
    """Loss and accuracy over the epochs, the epoch kept marked; `history` is what `fit` gives."""
    epochs = np.arange(1, len(history) + 1)
    best = int(np.argmin([line["val_loss"] for line in history]))
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for axis, key, name in zip(axes, ("loss", "accuracy"), ("loss", "accuracy in %"), strict=True):
        factor = 100 if key == "accuracy" else 1
        for prefix, part in (("", "train"), ("val_", "validation")):
            values = [factor * line[prefix + key] for line in history]
            axis.plot(epochs, values, color=PART_COLOURS[part], label=part, marker="." if len(epochs) < 4 else "")
        axis.axvline(best + 1, color=GREY, linestyle=":", label=f"kept: epoch {best + 1}")
        axis.set(xlabel="epoch", ylabel=name)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False)
    return _done(figure)


def plot_confusion(results: dict[str, dict[str, Any]], classes: Sequence[str]) -> "Figure":
    """Confusion matrices side by side, each row in percent of its true class.

    Args:
        results: title to what `evaluate` gives.
        classes: names, in the order of the matrices.
    """
    size = max(3.4, 0.55 * len(classes) + 1.2)
    figure, axes = plt.subplots(
        1, len(results), figsize=(size * len(results) + 0.8, size), squeeze=False, layout="constrained"
    )
    for axis, (title, result) in zip(axes.flat, results.items(), strict=True):
        counts = np.array(result["confusion"])
        shares = 100 * counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
        picture = axis.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        if len(classes) <= 15:
            for (i, j), count in np.ndenumerate(counts):
                colour = "white" if shares[i, j] > 55 else "black"
                axis.text(j, i, str(count), ha="center", va="center", fontsize=8, color=colour)
        axis.set_xticks(range(len(classes)), classes, rotation=45, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(len(classes)), classes)
        axis.set(title=f"{title}: {result['correct']} of {result['n']}", xlabel="predicted class")
    axes[0, 0].set_ylabel("true class")
    figure.colorbar(picture, ax=axes, label="share of the true class in %", shrink=0.8)
    return _done(figure)


def plot_accuracy(results: dict[str, dict[str, Any]], published: dict[str, float] | None = None) -> "Figure":
    """Top-1 with its 95 % interval, a line a model, published figures beside them.

    Args:
        results: name to what `evaluate` gives.
        published: name to percent, where somebody published one.
    """
    figure, axis = plt.subplots(figsize=(7, 0.9 + 0.5 * len(results)), layout="constrained")
    for k, (_, result) in enumerate(results.items()):
        top1, (low, high) = 100 * result["top1"], (100 * bound for bound in result["interval"])
        axis.errorbar(
            top1, k, xerr=[[top1 - low], [high - top1]], fmt="o", color=BLUE, capsize=4,
            label="measured here, 95 % interval" if k == 0 else None,
        )  # fmt: skip
        axis.annotate(f"{top1:.1f}", (top1, k), xytext=(0, 7), textcoords="offset points", ha="center", fontsize=9)
    named = [(k, published[name]) for k, name in enumerate(results) if published and name in published]
    if named:
        axis.plot([v for _, v in named], [k for k, _ in named], "D", color=ORANGE, label="published")
    axis.set_yticks(range(len(results)), [f"{name} (n = {r['n']})" for name, r in results.items()])
    axis.set(xlabel="top-1 accuracy in %", ylim=(len(results) - 0.5, -0.6))
    axis.grid(axis="x", alpha=0.3)
    axis.legend(ncols=2, loc="lower right", bbox_to_anchor=(1, 1), frameon=False, fontsize=9)
    return _done(figure)


def plot_per_class(results: dict[str, dict[str, Any]]) -> "Figure":
    """Recall of every class, a bar a model."""
    classes = [line["class"] for line in next(iter(results.values()))["per_class"]]
    numbers = [line["n"] for line in next(iter(results.values()))["per_class"]]
    figure, axis = plt.subplots(figsize=(max(6, 0.7 * len(classes)), 3.2), layout="constrained")
    width = 0.8 / len(results)
    for k, (name, result) in enumerate(results.items()):
        recall = [100 * line["recall"] for line in result["per_class"]]
        at = np.arange(len(classes)) + (k - (len(results) - 1) / 2) * width
        axis.bar(at, recall, width, label=name, color=(BLUE, ORANGE, GREEN, RED)[k % 4])
    names = [f"{c}\nn = {n}" for c, n in zip(classes, numbers, strict=True)]
    slant: dict[str, Any] = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"} if len(classes) > 10 else {}
    axis.set_xticks(range(len(classes)), names, **slant)
    axis.set(ylabel="recall in %", ylim=(0, 100))
    axis.grid(axis="y", alpha=0.3)
    axis.legend(ncols=len(results), loc="lower right", bbox_to_anchor=(1, 1), frameon=False)
    return _done(figure)


def plot_sizes(sizes: dict[str, int]) -> "Figure":
    """File sizes; `sizes` is file name to bytes."""
    figure, axis = plt.subplots(figsize=(7, 0.8 + 0.4 * len(sizes)), layout="constrained")
    kib = [size / 1024 for size in sizes.values()]
    bars = axis.barh(list(sizes), kib, color=BLUE)
    axis.bar_label(bars, [f" {value:,.0f} KiB" for value in kib], fontsize=9)
    axis.invert_yaxis()
    axis.set(xlabel="file size in KiB", xlim=(0, 1.2 * max(kib)))
    return _done(figure)


def show_predictions(
    images: np.ndarray, labels: np.ndarray, scores: np.ndarray, classes: Sequence[str], columns: int = 8
) -> "Figure":
    """Pictures titled with the predicted class and its score, in orange above the true class where it is wrong."""
    best = scores.argmax(axis=1)
    titles, colours = [], []
    for label, guess, row in zip(labels, best, scores, strict=True):
        right = label == guess
        second = "" if right else f"\ntruly {classes[label]}"
        titles.append(f"{classes[guess]} {100 * row[guess]:.0f} %{second}")
        colours.append("black" if right else RED)
    return show_images(images, titles, columns, title_colours=colours)


def worst_mistakes(scores: np.ndarray, labels: np.ndarray, most: int = 16) -> np.ndarray:
    """Indices of wrong predictions, the surest first; at most `most` of them."""
    guess = scores.argmax(axis=1)
    wrong = np.nonzero(guess != labels)[0]
    return wrong[np.argsort(-scores[wrong, guess[wrong]], kind="stable")][:most]


def _done(figure: "Figure") -> "Figure":
    # Notebooks show the returned figure; left open, pyplot would show it a second time.
    plt.close(figure)
    return figure
