"""Figures that show what the boxes of a detection set are like. All return the figure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.patheffects as effects
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from mbhelpers.data.detections import Detections
from mbhelpers.reporting.box_facts import INPUTS, LIMITS, aspects, box_facts, coverage, measured, shorter_sides
from mbhelpers.reporting.data_plots import plot_aspects
from mbhelpers.reporting.plots import BLUE, GREEN, ORANGE, RED, _done, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BOX_COLOURS = {
    ORANGE: "black",
    "#56B4E9": "black",
    GREEN: "white",
    "#F0E442": "black",
    BLUE: "white",
    RED: "white",
    "#CC79A7": "black",
}
"""Okabe and Ito's seven, each with the colour of letters that stand out on it; label k has colour k modulo 7."""


PICTURE, LETTERS = 3.0, 6.5
"""Width of a picture in inches and size of the names in points, in `show_boxes`."""


def plot_boxes_per_image(found: Detections) -> "Figure":
    """How many images have no box, one, two and so on; the few with most are counted in the last bar."""
    numbers = np.diff(found.first)
    last = int(max(5, np.percentile(numbers, 99)))
    bars = np.bincount(np.minimum(numbers, last), minlength=last + 1)
    figure, axis = plt.subplots(figsize=(7, 2.9), layout="constrained")
    axis.bar(range(last + 1), bars, color=[ORANGE, *[BLUE] * last], width=0.85)
    step = max(1, round(last / 12))
    at = [*range(0, last - step + 1, step), last]
    more = numbers.max(initial=0) > last
    axis.set_xticks(at, [*(str(k) for k in at[:-1]), f"{last}+" if more else str(last)])
    axis.set(xlabel=f"boxes in the image{f' ({last}+: {last} or more)' if more else ''}", ylabel="images")
    return _done(figure)


def plot_box_sizes(found: Detections) -> "Figure":
    """Sizes of the boxes beside the image's, and the shares that COCO calls small, medium and large."""
    boxes, _ = measured(found)
    side = np.sqrt(np.prod((boxes[:, 2:] - boxes[:, :2]).astype(np.float64), axis=1))
    facts = box_facts(found)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), width_ratios=(1.6, 1), layout="constrained")
    left.hist(100 * np.maximum(side, 0.005), bins=np.geomspace(0.5, 100, 41), color=BLUE)
    left.set_xscale("log")
    left.set_xticks([0.5, 1, 2, 5, 10, 20, 50, 100], ["0.5", "1", "2", "5", "10", "20", "50", "100"])
    left.minorticks_off()
    left.set(xlabel="square root of box area, in % of that of the image", ylabel="boxes")
    kinds = ("small", "medium", "large")
    bars = right.bar(kinds, [100 * facts[kind] for kind in kinds], color=[ORANGE, BLUE, GREEN])
    right.bar_label(bars, fmt="%.0f", fontsize=9)
    right.set(ylabel="objects in %", xlabel="area in pixels: below 32² / 96² / above", ylim=(0, 100))
    return _done(figure)


def plot_box_shapes(found: Detections) -> "Figure":
    """Width by height of the boxes in pixels: what the anchors of a detector have to cover."""
    figure, axis = plt.subplots(figsize=(7, 2.9), layout="constrained")
    plot_aspects(axis, aspects(*measured(found)), "boxes")
    return _done(figure)


def plot_positions(found: Detections, cells: int = 60) -> "Figure":
    """Where in the image the boxes lie: the share of boxes that cover each place.

    Args:
        found: boxes; those of crowds don't count.
        cells: of the map, in each direction.
    """
    shares = coverage(measured(found)[0], cells)
    figure, axis = plt.subplots(figsize=(5, 3.9), layout="constrained")
    picture = axis.imshow(100 * shares, extent=(0, 100, 100, 0), cmap="cividis", vmin=0, interpolation="bilinear")
    axis.set(xlabel="% of the image's width, from the left", ylabel="% of its height, from the top")
    figure.colorbar(picture, ax=axis, label="boxes that cover the place, in %")
    return _done(figure)


def plot_small_at(found: Detections, inputs: Sequence[int] = INPUTS, limits: Sequence[int] = LIMITS) -> "Figure":
    """How many boxes get too small for a detector when the image is stretched to its input.

    Args:
        found: boxes; those of crowds don't count.
        inputs: sides of the square input, in pixels.
        limits: a box is counted whose shorter side is below this, in input pixels.
    """
    shorter = shorter_sides(measured(found)[0])
    figure, axis = plt.subplots(figsize=(7, 2.9), layout="constrained")
    width = 0.8 / len(limits)
    for k, limit in enumerate(limits):
        shares = [100 * (shorter * side < limit).mean() if len(shorter) else 0.0 for side in inputs]
        at = np.arange(len(inputs)) + (k - (len(limits) - 1) / 2) * width
        bars = axis.bar(at, shares, 0.94 * width, color=(RED, ORANGE, BLUE)[k % 3], label=f"below {limit} px")
        axis.bar_label(bars, fmt="%.0f", fontsize=9)
    axis.set_xticks(range(len(inputs)), [f"{side} x {side}" for side in inputs])
    axis.set(xlabel="input in pixels, the image stretched to it", ylabel="boxes in %")
    axis.margins(y=0.12)
    axis.legend(title="shorter side", ncols=len(limits), frameon=False)
    return _done(figure)


def show_boxes(
    images: Sequence[np.ndarray],
    boxes: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    names: Sequence[str],
    crowd: Sequence[np.ndarray] = (),
    columns: int = 3,
) -> "Figure":
    """Pictures with their boxes, a colour and a name a category; groups marked as crowds are dashed.

    A name is left out where it would cover another one.

    Args:
        images: N pictures, uint8 RGB, (H, W, 3) each.
        boxes: (K, 4) for each picture, xyxy, normalized.
        labels: (K,) for each picture, index into `names`.
        names: of the categories.
        crowd: (K,) bool for each picture, or nothing at all.
        columns: pictures in a row, at most.

    Raises:
        ValueError: there are not as many boxes or labels as pictures, or a label has no name.
    """
    crowd = crowd or [np.zeros(len(found), bool) for found in boxes]
    if not len(images) == len(boxes) == len(labels) == len(crowd):
        raise ValueError(
            f"{len(images)} pictures, but boxes of {len(boxes)}, labels of {len(labels)} and crowds of {len(crowd)}"
        )
    if (most := max((int(found.max(initial=-1)) for found in labels), default=-1)) >= len(names):
        raise ValueError(f"label {most} has no name; there are {len(names)} names")
    palette = list(BOX_COLOURS)
    figure, axes = picture_grid(images, columns)
    for axis, image, shown, kinds, groups in zip(axes, images, boxes, labels, crowd, strict=True):
        words = [short(names[k], 18) + (" (crowd)" if group else "") for k, group in zip(kinds, groups, strict=True)]
        draw_boxes(axis, image.shape[:2], shown, words, [palette[k % len(palette)] for k in kinds], groups)
    return _done(figure)


def picture_grid(images: Sequence[np.ndarray], columns: int) -> "tuple[Figure, list[Axes]]":
    """An empty figure with the pictures in rows, and the axis of each."""
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    tall = [image.shape[0] / image.shape[1] for image in images]
    heights = [min(1.0, max(tall[k * columns : (k + 1) * columns])) for k in range(rows)]
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(PICTURE * columns, PICTURE * sum(heights)),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, image in zip(axes.flat, images, strict=False):
        axis.imshow(image)
    return figure, list(axes.flat[: len(images)])


def draw_boxes(
    axis: "Axes",
    shape: tuple[int, int],
    boxes: np.ndarray,
    words: Sequence[str],
    colours: Sequence[str],
    dashed: np.ndarray,
) -> None:
    """Frames with a word each, large ones first; a word is left out where it would cover another one.

    Args:
        axis: that shows the picture.
        shape: height and width of the picture in pixels.
        boxes: (K, 4) xyxy, normalized.
        words: K, may be empty.
        colours: K of `BOX_COLOURS`.
        dashed: (K,) bool.
    """
    height, width = shape
    corners = boxes * np.array([width, height, width, height]) - 0.5
    taken: list[tuple[float, float, float, float]] = []
    for k in np.argsort(-np.prod(corners[:, 2:] - corners[:, :2], axis=1), kind="stable"):
        left, top, right, bottom = corners[k].tolist()
        frame = Rectangle(
            (left, top), right - left, bottom - top, fill=False, edgecolor=colours[k], linewidth=1.6,
            linestyle="--" if dashed[k] else "-",
        )  # fmt: skip
        frame.set_path_effects([effects.Stroke(linewidth=2.8, foreground="black", alpha=0.6), effects.Normal()])
        axis.add_patch(frame)
        if words[k] and (place := _room_for(words[k], (left, top, right, bottom), shape, taken)):
            taken.append(place)
            axis.text(
                place[0], place[1], words[k], va="top", fontsize=LETTERS, color=BOX_COLOURS[colours[k]],
                bbox={"facecolor": colours[k], "edgecolor": "none", "pad": 0.8},
            )  # fmt: skip


def _room_for(
    name: str,
    box: tuple[float, float, float, float],
    shape: tuple[int, int],
    taken: list[tuple[float, float, float, float]],
) -> tuple[float, float, float, float] | None:
    """Where a name covers no other one: within a large box, beside a small one, which it would hide."""
    height, width = shape
    letter = max(height, width) / (0.93 * PICTURE) / 72 * LETTERS  # in pixels of the picture, margins taken off
    high, wide = 1.4 * letter, 0.66 * letter * len(name)
    left = min(max(box[0], 0), max(0, width - wide))
    inside = box[3] - box[1] > 3 * high
    for y in (box[1], box[3] - high) if inside else (box[1] - high, box[3] + 0.2 * letter):
        if y < -0.5 or y + high > height:
            continue
        place = (left, y, left + wide, y + high)
        if not any(_overlap(place, other) for other in taken):
            return place
    return None


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
