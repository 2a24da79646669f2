"""Figures that a class can read: every axis named, every count beside its interval. All return the figure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which colour-blind readers tell apart.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#777777"
PART_COLOURS = {"train": BLUE, "validation": ORANGE, "test": GREEN}

MANY = 15
"""More classes than this are shown as lines of a list, and without a number in every cell."""


def short(name: str, most: int = 34) -> str:
    """A name that fits beside a figure: what is too much is cut from its middle, since names differ at their ends."""
    return name if len(name) <= most else f"{name[: most - most // 2 - 1]}…{name[-(most // 2) :]}"


def class_rows(names: Sequence[str], width: float = 7.5) -> "tuple[Figure, list[tuple[Axes, slice]]]":
    """An empty figure with one line a class, in as many columns as keep it on one page.

    Args:
        names: of the classes, from the top down.
        width: of a column, in inches; two or more columns are narrower.

    Returns:
        The figure, and for each column its axis and which classes it shows; the first of these lies at y = 0.
    """
    columns = 1 if len(names) <= 45 else -(-len(names) // 51)
    rows = -(-len(names) // columns)
    step, size = (0.4, 10) if rows <= 12 else (0.24, 9) if rows <= 25 else (0.18, 8)
    figure, axes = plt.subplots(
        1,
        columns,
        figsize=(width if columns == 1 else 0.62 * width * columns, 0.9 + step * rows),
        squeeze=False,
        sharex=True,
        layout="constrained",
    )
    shown = [(axis, slice(k * rows, min((k + 1) * rows, len(names)))) for k, axis in enumerate(axes.flat)]
    for axis, part in shown:
        axis.set_yticks(range(part.stop - part.start), [short(name) for name in names[part]], fontsize=size)
        axis.tick_params(axis="y", length=0)
        axis.set_ylim(rows - 0.4, -0.6)
    return figure, shown


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
    numbers = np.array([[part[name] for name in classes] for part in counts.values()])  # (parts, classes)
    most = numbers.sum(axis=0).max()
    figure, columns = class_rows(classes)
    for axis, part in columns:
        left = np.zeros(part.stop - part.start)
        for name, values in zip(counts, numbers[:, part], strict=True):
            bars = axis.barh(range(len(left)), values, left=left, color=PART_COLOURS[name], label=name)
            if len(classes) <= MANY:  # in a narrow bar the number would cover its neighbours
                written = [str(value) if value >= 0.05 * most else "" for value in values]
                axis.bar_label(bars, written, label_type="center", fontsize=8, color="white")
            left += values
        if len(classes) > MANY:
            axis.bar_label(bars, [f" {total:.0f}" for total in left], fontsize=7)
        axis.set(xlabel="images", xlim=(0, 1.02 * most if len(classes) <= MANY else 1.12 * most))
        axis.locator_params(axis="x", integer=True)
    columns[0][0].legend(ncols=3, loc="lower right", bbox_to_anchor=(1, 1), frameon=False)
    return _done(figure)


def plot_history(history: list[dict[str, float]], *, chosen: bool = True) -> "Figure":
    """Loss, and accuracy or AP, over the epochs.

    Args:
        history: what `fit` or `fit_detector` gives.
        chosen: whether the epoch of the least validation loss was kept, to be marked; else it was the last.
    """
    epochs = np.arange(1, len(history) + 1)
    validated = "val_loss" in history[0]
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    second = "accuracy" if "accuracy" in history[0] else "ap"
    for axis, key, name in zip(axes, ("loss", second), ("loss", f"{second.replace('ap', 'AP')} in %"), strict=True):
        factor = 1 if key == "loss" else 100
        for prefix, part in (("", "train"), ("val_", "validation")):
            if prefix + key not in history[0]:
                continue
            values = [factor * line[prefix + key] for line in history]
            axis.plot(epochs, values, color=PART_COLOURS[part], label=part, marker="." if len(epochs) < 4 else "")
        if validated and chosen:
            best = int(np.argmin([line["val_loss"] for line in history]))
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
    many = len(classes) > MANY
    size = min(8.5, max(3.4, 0.55 * len(classes) + 1.2))
    across, down = (1, len(results)) if many else (len(results), 1)
    figure, axes = plt.subplots(
        down, across, figsize=(size * across + 0.8, size * down), squeeze=False, layout="constrained"
    )
    step = -(-len(classes) // 50)  # names that would run into each other are left out
    shown, names = range(0, len(classes), step), [short(name, 24 if many else 34) for name in classes[::step]]
    letters = 6.5 if many else 10
    for axis, (title, result) in zip(axes.flat, results.items(), strict=True):
        counts = np.array(result["confusion"])
        shares = 100 * counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
        picture = axis.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        if not many:
            for (i, j), count in np.ndenumerate(counts):
                colour = "white" if shares[i, j] > 55 else "black"
                axis.text(j, i, str(count), ha="center", va="center", fontsize=8, color=colour)
        slant: dict[str, Any] = {"rotation": 90 if many else 45, "ha": "right", "rotation_mode": "anchor"}
        axis.set_xticks(shown, names, fontsize=letters, va="center" if many else "baseline", **slant)
        axis.set_yticks(shown, names, fontsize=letters)
        axis.set(title=f"{title}: {result['correct']} of {result['n']}", xlabel="predicted class")
        if many or axis is axes[0, 0]:
            axis.set_ylabel("true class")
    figure.colorbar(picture, ax=axes, label="share of the true class in %", shrink=0.8 / down)
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
    """Recall of every class, a bar a model; many classes as a list, the hardest on top, a dot a model."""
    lines = next(iter(results.values()))["per_class"]
    recall = {name: 100 * np.array([line["recall"] for line in r["per_class"]]) for name, r in results.items()}
    colours = dict(zip(results, (BLUE, ORANGE, GREEN, RED) * len(results), strict=False))
    if len(lines) > MANY:
        return _recall_list(lines, recall, colours)
    figure, axis = plt.subplots(figsize=(max(6, 0.7 * len(lines)), 3.2), layout="constrained")
    width = 0.8 / len(results)
    for k, (name, values) in enumerate(recall.items()):
        at = np.arange(len(lines)) + (k - (len(results) - 1) / 2) * width
        axis.bar(at, values, width, label=name, color=colours[name])
    names = [f"{short(line['class'])}\nn = {line['n']}" for line in lines]
    slant: dict[str, Any] = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"} if len(lines) > 10 else {}
    axis.set_xticks(range(len(lines)), names, **slant)
    axis.set(ylabel="recall in %", ylim=(0, 100))
    axis.grid(axis="y", alpha=0.3)
    axis.legend(ncols=len(results), loc="lower right", bbox_to_anchor=(1, 1), frameon=False)
    return _done(figure)


def _recall_list(lines: list[dict[str, Any]], recall: dict[str, np.ndarray], colours: dict[str, str]) -> "Figure":
    order = np.argsort(next(iter(recall.values())), kind="stable")
    figure, columns = class_rows([f"{short(lines[k]['class'], 28)} ({lines[k]['n']})" for k in order])
    for axis, part in columns:
        for name, values in recall.items():
            shown = values[order[part]]
            axis.plot(shown, np.arange(len(shown)), "o", markersize=4, alpha=0.8, color=colours[name], label=name)
        axis.set(xlabel="recall in %", xlim=(-3, 103))
        axis.grid(alpha=0.3)
    columns[0][0].legend(ncols=len(recall), loc="lower right", bbox_to_anchor=(1, 1), frameon=False)
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
