"""Figures that show what is in a set of images, before anyone trains on it. All return the figure."""

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np

from mbhelpers.reporting.data_facts import BRIGHT, DARK, FEW, light
from mbhelpers.reporting.plots import BLUE, GREY, MANY, ORANGE, RED, _done, class_rows, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAPER = 255
"""Grey level between and around pictures, that of the page."""


def plot_balance(counts: dict[str, int], of: str = "images", few: int = FEW) -> "Figure":
    """How many images or boxes each class has, the most on top, those with too few in another colour.

    Args:
        counts: class name to number.
        of: what is counted.
        few: fewer than this are too few.
    """
    names = sorted(counts, key=lambda name: -counts[name])
    values = np.array([counts[name] for name in names])
    most = max(1, values.max())
    wide = most > 20 * max(1, np.median(values))  # on an even scale most bars would vanish
    figure, columns = class_rows(names)
    for axis, part in columns:
        shown = values[part]
        colours = [RED if value < few else BLUE for value in shown]
        bars = axis.barh(range(len(shown)), shown, color=colours, height=0.75)
        axis.bar_label(bars, [f" {value:,}" for value in shown], fontsize=7 if len(names) > MANY else 9)
        axis.set(xlabel=f"{of}, each step ten times as many" if wide else of, xlim=(0.5 if wide else 0, 1.15 * most))
        axis.locator_params(axis="x", integer=True)
    for axis, _ in columns if wide else ():
        axis.set(xscale="log", xlim=(0.5, 6 * most))
    for axis, _ in columns if wide else ():  # after all scales are set: the columns share them
        axis.xaxis.set_major_formatter("{x:,.0f}")
    if values.min() < few:
        columns[0][0].set_title(f"orange: fewer than {few}", fontsize=9, loc="left", color=RED)
    return _done(figure)


def plot_shapes(sizes: np.ndarray) -> "Figure":
    """Width against height on equal axes, and how far the pictures are from square.

    Args:
        sizes: (N, 2) width and height in pixels.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.7), layout="constrained")
    places, numbers = np.unique(sizes, axis=0, return_counts=True)
    area = 12 + 300 * numbers / numbers.max() if len(places) <= 200 else 8
    left.scatter(*places.T, s=area, color=BLUE, alpha=0.5, linewidths=0)
    reach = 1.08 * sizes.max()
    left.plot([0, reach], [0, reach], color=GREY, linewidth=0.8, linestyle=":")
    left.text(0.85 * reach, 0.87 * reach, "square", ha="center", rotation=45, fontsize=8, color=GREY)
    left.set(xlabel="width in pixels", ylabel="height in pixels", xlim=(0, reach), ylim=(0, reach), aspect="equal")
    left.set_title("a dot a size, large where many have it", fontsize=9)
    ratio = sizes[:, 0] / sizes[:, 1]
    plot_aspects(right, ratio, "images")
    return _done(figure)


def plot_aspects(axis: "Axes", ratio: np.ndarray, of: str) -> None:
    """A histogram of width by height, in which twice as wide and twice as high lie equally far from square."""
    reach = max(2.0, float(np.ceil(2 * np.abs(np.log2(ratio)).max()) / 2)) if len(ratio) else 2.0
    reach = min(reach, 4.0)
    axis.hist(np.clip(np.log2(ratio), -reach, reach), bins=np.linspace(-reach, reach, 42).tolist(), color=BLUE)
    axis.axvline(0, color=GREY, linewidth=0.8, linestyle=":")
    at = np.arange(-np.floor(reach), np.floor(reach) + 1)
    axis.set_xticks(at, [f"1:{2**-k:.0f}" if k < 0 else f"{2**k:.0f}:1" for k in at])
    axis.set(xlabel="width : height", ylabel=of, xlim=(-reach, reach))
    axis.set_title("left of 1:1 upright, right of it lying", fontsize=9)


def plot_brightness(thumbnails: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> "Figure":
    """Brightness of the pictures of each class, the darkest class on top: the mean, and where 80 % of them lie.

    Args:
        thumbnails: (N, H, W) uint8, grey.
        labels: (N,) index into `classes`.
        classes: names; each has a picture.
    """
    brightness, _ = light(thumbnails)
    low, mean, high = np.array([_span(brightness[labels == k]) for k in range(len(classes))]).T
    order = np.argsort(mean, kind="stable")
    figure, columns = class_rows([classes[k] for k in order])
    for axis, part in columns:
        shown = order[part]
        rows = np.arange(len(shown))
        axis.axvspan(0, DARK, color=GREY, alpha=0.25, linewidth=0)
        axis.axvspan(BRIGHT, 255, color=GREY, alpha=0.12, linewidth=0)
        axis.axvline(brightness.mean(), color=GREY, linewidth=1, linestyle=":", label="mean of all")
        axis.hlines(
            rows, low[shown], high[shown], color=BLUE, linewidth=2.5, alpha=0.5, label="the middle 80 % of its pictures"
        )
        axis.plot(mean[shown], rows, "o", color=BLUE, markersize=4.5, label="mean of the class")
        axis.set(xlabel="mean grey level, 0 black, 255 white", xlim=(0, 255))
    figure.legend(*columns[0][0].get_legend_handles_labels(), ncols=3, loc="outside upper right", frameon=False)
    return _done(figure)


def _span(values: np.ndarray) -> tuple[float, float, float]:
    return float(np.percentile(values, 10)), float(values.mean()), float(np.percentile(values, 90))


def mean_pictures(pixels: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """The mean picture of each class.

    Args:
        pixels: uint8, (N, H, W, 3).
        labels: (N,) integers.
        count: of classes; each has a picture.

    Returns:
        uint8, (count, H, W, 3).

    Raises:
        ValueError: a class has no picture.
    """
    if len(missing := np.setdiff1d(np.arange(count), labels)):
        raise ValueError(f"no picture of class number {missing[0]}; give one or more of each")
    return np.stack([np.round(pixels[labels == k].mean(axis=0)).astype(np.uint8) for k in range(count)])


def show_classes(images: np.ndarray, labels: np.ndarray, classes: Sequence[str], columns: int = 9) -> "Figure":
    """A row of pictures for each class; of many classes a page with the first picture of each.

    Args:
        images: uint8 RGB, (N, H, W, 3).
        labels: (N,) index into `classes`.
        classes: names, in the order to show.
        columns: pictures in a row, at most.
    """
    if len(classes) > MANY:
        first = [int(np.flatnonzero(labels == k)[0]) for k in range(len(classes)) if (labels == k).any()]
        return show_named(images[first], [classes[labels[k]] for k in first], columns)
    members = [np.flatnonzero(labels == k)[:columns] for k in range(len(classes))]
    columns = max(len(found) for found in members)
    height, width = images.shape[1:3]
    sheet = np.full((len(classes), columns, height, width, 3), PAPER, np.uint8)
    for row, found in enumerate(members):
        sheet[row, : len(found)] = images[found]
    figure, axis = plt.subplots(figsize=(0.85 * columns + 1.6, 0.85 * len(classes) * height / width + 0.1))
    at = _show_sheet(axis, sheet)
    axis.set_yticks(at, [_wrapped(name) for name in classes], fontsize=9)
    return _done(figure)


def show_named(images: np.ndarray, names: Sequence[str], columns: int = 9) -> "Figure":
    """A page of pictures of one size with their names below.

    Args:
        images: uint8 RGB, (N, H, W, 3).
        names: N texts; long ones are broken, and cut after three lines.
        columns: pictures in a row, at most.
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    height, width = images.shape[1:3]
    texts = [_wrapped(name, 15) for name in names]
    lines = max(text.count("\n") + 1 for text in texts)
    room = round((0.05 + 0.13 * lines) * width)  # below each picture; a picture is an inch wide
    sheet = np.full((rows, columns, height + room, width, 3), PAPER, np.uint8)
    for k, image in enumerate(images):
        sheet[k // columns, k % columns, :height] = image
    figure, axis = plt.subplots(figsize=(columns + 0.1, rows * (height + room) / width + 0.1))
    _show_sheet(axis, sheet)
    gap = _gap(sheet)
    for k, text in enumerate(texts):
        x = (k % columns) * (width + gap) + width / 2
        y = (k // columns) * (height + room + gap) + height + 0.03 * width
        axis.text(x, y, text, ha="center", va="top", fontsize=6.5, linespacing=1.1)
    return _done(figure)


def show_pairs(
    images: np.ndarray, titles: Sequence[str], columns: int = 3, title_colours: Sequence[str] = ()
) -> "Figure":
    """Pairs of pictures side by side, a title a pair.

    Args:
        images: uint8 RGB, (P, 2, H, W, 3).
        titles: P texts of one or more lines.
        columns: pairs in a row, at most.
        title_colours: one a pair, or none.
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    lines = max(title.count("\n") + 1 for title in titles)
    figure, axes = plt.subplots(
        rows, columns, figsize=(2.7 * columns, rows * (1.35 + 0.16 * lines)), squeeze=False, layout="constrained"
    )
    for axis in axes.flat:
        axis.axis("off")
    for k, (axis, pair, title) in enumerate(zip(axes.flat, images, titles, strict=False)):
        _show_sheet(axis, pair[None])
        axis.set_title(title, fontsize=7.5, loc="left", color=title_colours[k] if title_colours else "black")
    return _done(figure)


def show_augmented(originals: np.ndarray, changed: np.ndarray) -> "Figure":
    """Pictures as they are, each with changed versions beside it.

    Args:
        originals: uint8 RGB, (N, H, W, 3).
        changed: uint8 RGB, (N, K, H, W, 3): K versions of each.

    Raises:
        ValueError: the shapes don't fit.
    """
    if changed.ndim != 5 or changed.shape[:1] + changed.shape[2:] != originals.shape:
        raise ValueError(f"versions of shape {changed.shape} don't fit pictures of shape {originals.shape}")
    sheet = np.concatenate([originals[:, None], changed], axis=1)
    rows, columns, height, width = sheet.shape[:4]
    figure, axis = plt.subplots(figsize=(columns + 0.1, rows * height / width + 0.4))
    _show_sheet(axis, sheet)
    step = width + _gap(sheet)
    axis.axvline(width + (step - width) / 2 - 0.5, color=ORANGE, linewidth=2)
    for x, text in ((0, "original"), (step, "as training sees it")):
        axis.text(x, -0.06 * height, text, fontsize=9)
    return _done(figure)


def plot_background(score: dict[str, Any]) -> "Figure":
    """What eight border pixels tell about the class, beside chance; `score` is what `border_pixel_score` gives."""
    low, high = (100 * bound for bound in score["interval"])
    figure, axis = plt.subplots(figsize=(7, 1.7), layout="constrained")
    at = 100 * score["accuracy"]
    chance = 100 * score["chance"]
    axis.barh([0, 1], [at, chance], color=[BLUE, GREY], height=0.6)
    axis.errorbar(at, 0, xerr=[[at - low], [high - at]], color="black", capsize=4)
    axis.text(high + 2, 0, f"{at:.1f}", va="center", fontsize=9)
    axis.text(chance + 2, 1, f"{chance:.1f}", va="center", fontsize=9)
    axis.set_yticks([0, 1], [f"8 border pixels (n = {score['n']})", "chance"])
    axis.set(xlabel="images named rightly in %, with 95 % interval", xlim=(0, 100), ylim=(1.5, -0.5))
    return _done(figure)


def _show_sheet(axis: "Axes", sheet: np.ndarray) -> np.ndarray:
    """Draw pictures (rows, columns, H, W, 3) as one, a thin gap between them; gives the middles of the rows."""
    rows, columns, height, width = sheet.shape[:4]
    gap = _gap(sheet)
    whole = np.full((rows, height + gap, columns, width + gap, 3), PAPER, np.uint8)
    whole[:, :height, :, :width] = sheet.swapaxes(1, 2)
    whole = whole.reshape(rows * (height + gap), columns * (width + gap), 3)[:-gap, :-gap]
    axis.imshow(whole, interpolation="antialiased")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    return np.arange(rows) * (height + gap) + (height - 1) / 2


def _gap(sheet: np.ndarray) -> int:
    return max(1, sheet.shape[3] // 32)


def _wrapped(name: str, width: int = 20, lines: int = 3) -> str:
    """A name broken at its underscores and spaces."""
    words = " ".join(part for part in name.replace("_", " ").split())
    broken = wrap(words, width) or [name]
    return "\n".join(
        [*broken[: lines - 1], short(" ".join(broken[lines - 1 :]), width)] if len(broken) > lines else broken
    )
