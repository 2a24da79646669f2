"""Drawings of what a network is made of, to the scale of its real shapes. All return the figure."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle

from mbhelpers.reporting.cost_facts import Block
from mbhelpers.reporting.plots import BLUE, GREEN, GREY, ORANGE, RED, _done

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROLE_COLOURS = {
    "stem": GREY,
    "expand": BLUE,
    "fused expand": "#56B4E9",
    "depthwise": ORANGE,
    "squeeze-excite": RED,
    "project": GREEN,
    "last convolution": "#CC79A7",
    "head": "#333333",
}
"""A colour a role, of Okabe and Ito's palette."""

_PAPER = "#F2F2F2"


def millions(count: float) -> str:
    """A count of multiply-accumulates as text, "1.2 M" or "3.4 k"."""
    return f"{count / 1e6:.1f} M" if count >= 1e5 else f"{count / 1e3:.1f} k"


def draw_convolutions(side: int, entering: int, leaving: int, kernel: int = 3) -> "Figure":
    """An ordinary convolution beside the two that replace it, with what one output number is made of.

    Args:
        side: of input and output, in pixels.
        entering: channels of the input.
        leaving: channels of the output.
        kernel: side of the filter.
    """
    places = side * side
    panels = (
        ("convolution", entering, leaving, kernel, entering, kernel * kernel * entering * leaving, BLUE),
        ("depthwise convolution", entering, entering, kernel, 1, kernel * kernel * entering, ORANGE),
        ("1 x 1 convolution", entering, leaving, 1, entering, entering * leaving, GREEN),
    )
    figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.1), layout="constrained")
    most = max(entering, leaving)
    for axis, (name, before, after, window, through, weights, colour) in zip(axes, panels, strict=True):
        depths = before / most, after / most
        _box(axis, 0, depths[0], 1.0, _PAPER, GREY)
        # The filter lies in the middle of the front; it reaches as deep as it looks at channels
        width = 0.3 if window > 1 else 0.12
        _box(axis, 0.35, depths[0] * through / before, width, colour, "black", bottom=0.5 - width / 2)
        _box(axis, 2.3, depths[1], 1.0, _PAPER, GREY)
        _box(axis, 2.65, max(0.03, 1 / most), 0.09, colour, "black", bottom=0.455)
        start, end = (0.35 + width, 0.5), (2.65, 0.5)
        axis.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, color=colour, linewidth=1.4))
        for x, channels in ((0.5, before), (2.8, after)):
            axis.text(x, -0.08, f"{side} x {side} x {channels}", ha="center", va="top", fontsize=8.5)
        axis.set_title(
            f"{name}\none output number: {window} x {window} x {through} = {window * window * through} products",
            fontsize=9.5,
        )
        axis.text(
            1.9, -0.34, f"{weights:,} weights at {places:,} places\n{millions(weights * places)} multiply-accumulates",
            ha="center", va="top", fontsize=9.5, color=colour, weight="bold",
        )  # fmt: skip
        axis.set(xlim=(-0.1, 4.0), ylim=(-0.8, 1.6), aspect="equal")
        axis.axis("off")
    return _done(figure)


def _box(axis: "Axes", left: float, depth: float, side: float, face: str, edge: str, bottom: float = 0.0) -> None:
    """A cuboid, seen from the front and a little from above and the right; its depth is the number of channels."""
    shift = 0.55 * depth
    right, top = left + side, bottom + side
    faces = (
        [(left, bottom), (right, bottom), (right, top), (left, top)],
        [(left, top), (right, top), (right + shift, top + shift), (left + shift, top + shift)],
        [(right, bottom), (right + shift, bottom + shift), (right + shift, top + shift), (right, top)],
    )
    for corners, shade in zip(faces, (0.75, 0.55, 0.4), strict=True):
        axis.add_patch(Polygon(corners, facecolor=face, edgecolor="none", alpha=shade))
        axis.add_patch(Polygon(corners, facecolor="none", edgecolor=edge, linewidth=0.8))


def draw_blocks(blocks: dict[str, Block]) -> "Figure":
    """Blocks as they were built: a bar a tensor, as high as it has channels and as wide as it has pixels.

    Args:
        blocks: title to block; all are drawn to one scale.
    """
    most = max(channels for block in blocks.values() for _, channels in _shapes(block))
    widest = max(side for block in blocks.values() for side, _ in _shapes(block))
    extents = [_extent(block, most) for block in blocks.values()]
    tall = [high - low for low, high in extents]
    figure, axes = plt.subplots(
        len(blocks), 1, figsize=(9, sum(tall) + 0.35 * len(blocks)), height_ratios=tall, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for axis, (title, block), extent in zip(axes.flat, blocks.items(), extents, strict=True):
        _draw_block(axis, block, most, widest)
        axis.set_title(f"{title}: {millions(block.macs)} multiply-accumulates", fontsize=10, loc="left")
        axis.set(xlim=(-0.6, 3 * _STEP + 1), ylim=extent)
        axis.axis("off")
    return _done(figure)


_STEP, _BAR, _HIGH = 2.6, 0.4, 1.9
"""From bar to bar, and width and height of the largest bar, in inches."""


def _shapes(block: Block) -> list[tuple[int, int]]:
    """Side and channels of every tensor of the block."""
    return [(block.side, block.channels), *((part.side, part.channels) for part in block.parts)]


def _extent(block: Block, most: int) -> tuple[float, float]:
    """Lowest and highest place that a block's drawing reaches."""
    half = max(_HIGH * channels / most / 2 for _, channels in _shapes(block))
    return -half - 0.5, half + 0.1 + 0.35 * block.residual + 0.35 * bool(block.squeeze) + 0.55 * (half < _LOW)


_LOW = 0.3
"""Half of the height of a block below which its text stands above, not within."""


def _draw_block(axis: "Axes", block: Block, most: int, widest: int) -> None:
    shapes = _shapes(block)
    halves = [_HIGH * channels / most / 2 for _, channels in shapes]
    widths = [_BAR * side / widest for side, _ in shapes]
    for k, (half, width, (side, channels)) in enumerate(zip(halves, widths, shapes, strict=True)):
        axis.add_patch(Rectangle((k * _STEP - width / 2, -half), width, 2 * half, facecolor="black"))
        text = f"{side} x {side}\nx {channels}"
        axis.text(k * _STEP, -max(halves) - 0.08, text, ha="center", va="top", fontsize=9)
    for k, (part, activation) in enumerate(zip(block.parts, block.activations, strict=True)):
        left, right = k * _STEP + widths[k] / 2, (k + 1) * _STEP - widths[k + 1] / 2
        one, two = halves[k : k + 2]
        corners = [(left, -one), (left, one), (right, two), (right, -two)]
        axis.add_patch(Polygon(corners, facecolor=ROLE_COLOURS[part.role], alpha=0.45, edgecolor="none"))
        stride = "" if shapes[k][0] == part.side else f", stride {round(shapes[k][0] / part.side)}"
        text = f"{part.role} {' x '.join(map(str, part.window))}{stride}\n{activation}\n{millions(part.macs)}"
        y, anchor = (max(halves) + 0.03, "bottom") if max(halves) < _LOW else (0.0, "center")
        axis.text((left + right) / 2, y, text, ha="center", va=anchor, fontsize=9)
    roof = max(halves) + 0.2 + 0.55 * (max(halves) < _LOW)
    if block.residual:
        end = (len(shapes) - 1) * _STEP
        axis.plot([0, 0, end], [halves[0], roof, roof], color=GREY, linewidth=1.4)
        axis.annotate("", (end, halves[-1]), (end, roof), arrowprops={"arrowstyle": "-|>", "color": GREY})
        axis.text(end + 0.08, roof, "added", va="center", fontsize=9, color=GREY)
    if block.squeeze:
        _note_squeeze(axis, block, halves[-2], roof + 0.3 * block.residual)


def _note_squeeze(axis: "Axes", block: Block, half: float, y: float) -> None:
    """Squeeze-and-excite as a note at the tensor that it weighs, the one before the projection."""
    inner, outer = (part.channels for part in block.squeeze)
    macs = millions(sum(part.macs for part in block.squeeze))
    text = f"squeeze-excite: means of {outer} channels, to {inner}, to {outer} factors; {macs}"
    x = (len(block.parts) - 1) * _STEP
    axis.annotate("", (x, half), (x, y), arrowprops={"arrowstyle": "-|>", "color": RED})
    axis.text(x, y, text, ha="center", va="bottom", fontsize=9, color=RED)
