"""Figures about what networks cost and what they give for it. All return the figure."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mbhelpers.models.complexity import Complexity, PublishedFigure
from mbhelpers.reporting.cost_drawings import ROLE_COLOURS
from mbhelpers.reporting.cost_facts import ROLES, Point, by_role, front, parts
from mbhelpers.reporting.plots import BLUE, GREEN, GREY, ORANGE, RED, _done

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FAMILIES = {
    "mobilenet_v2": ("MobileNetV2", BLUE, "o"),
    "mobilenet_v3_large": ("V3 large", ORANGE, "s"),
    "mobilenet_v3_small": ("V3 small", GREEN, "s"),
    "mobilenet_v3_large_minimalistic": ("V3 large, minimalistic", ORANGE, "^"),
    "mobilenet_v3_small_minimalistic": ("V3 small, minimalistic", GREEN, "^"),
    "mobilenet_edgetpu": ("EdgeTPU", "#CC79A7", "D"),
}
"""Short name, colour and marker of each architecture."""


def plot_depth(cost: Complexity) -> "Figure":
    """Multiply-accumulates and parameters of each layer, from the image to the scores.

    Args:
        cost: of a Keras model from `mbhelpers.models.families`.
    """
    found = parts(cost)
    colours = [ROLE_COLOURS[part.role] for part in found]
    figure, axes = plt.subplots(2, 1, figsize=(10, 5.2), sharex=True, layout="constrained")
    for axis, values, name in (
        (axes[0], [part.macs / 1e6 for part in found], "multiply-accumulates\nin millions"),
        (axes[1], [part.parameters / 1e3 for part in found], "parameters\nin thousands"),
    ):
        axis.bar(range(len(found)), values, color=colours, width=0.85)
        axis.set(ylabel=name, xlim=(-0.6, len(found) - 0.4), ylim=(0, 1.12 * max(values)))
        _mark_sides(axis, [part.side for part in found])
    axes[1].set_xlabel("layer, in the order of execution; grey: side of its output in pixels")
    used = [role for role in ROLES if any(part.role == role for part in found)]
    handles = [Patch(color=ROLE_COLOURS[role], label=role) for role in used]
    figure.legend(handles=handles, ncols=len(used), loc="outside upper right", frameon=False, fontsize=9)
    return _done(figure)


def _mark_sides(axis: "Axes", sides: Sequence[int]) -> None:
    """A line wherever the picture gets smaller, and its side where there is room for it."""
    starts = [k for k, side in enumerate(sides) if k == 0 or side != sides[k - 1]]
    # Squeeze-and-excite looks at one pixel in between; that is no change of the picture.
    steps = [k for k in starts if sides[k] > 1 and sides[k] not in sides[:k]]
    if sides[-1] == 1:
        steps.append(max(k for k in starts if sides[k] == 1))
    for start, end in zip(steps, [*steps[1:], len(sides)], strict=True):
        if start:
            axis.axvline(start - 0.5, color=GREY, linewidth=0.8, linestyle=":")
        if end - start > 1:
            axis.text(
                start - 0.4, 0.97, f"{sides[start]}", transform=axis.get_xaxis_transform(), va="top", fontsize=8.5,
                color=GREY,
            )  # fmt: skip


def plot_roles(costs: dict[str, Complexity], *, share: bool = True) -> "Figure":
    """What multiply-accumulates and parameters are spent on, a bar a network.

    Args:
        costs: name to cost, of Keras models from `mbhelpers.models.families`.
        share: bars in percent of their whole; else in millions.
    """
    roles = {name: by_role(cost) for name, cost in costs.items()}
    used = [role for role in ROLES if any(role in found for found in roles.values())]
    figure, axes = plt.subplots(1, 2, figsize=(10, 1.3 + 0.5 * len(costs)), sharey=True, layout="constrained")
    for which, (axis, title) in enumerate(zip(axes, ("multiply-accumulates", "parameters"), strict=True)):
        counts = np.array([[found.get(role, (0, 0))[which] for found in roles.values()] for role in used]) / 1e6
        wholes = counts.sum(axis=0)  # (networks,)
        shares = 100 * counts / wholes
        lengths = shares if share else counts
        reach = lengths.sum(axis=0).max()
        left = np.zeros(len(costs))
        for role, values, percents in zip(used, lengths, shares, strict=True):
            bars = axis.barh(range(len(costs)), values, left=left, color=ROLE_COLOURS[role], height=0.7)
            # In a narrow bar the number would cover its neighbours
            words = [f"{p:.0f}" if v >= 0.06 * reach else "" for p, v in zip(percents, values, strict=True)]
            axis.bar_label(bars, words, label_type="center", fontsize=8, color="white")
            left += values
        for k, whole in enumerate(wholes):
            axis.text(left[k], k, f" {whole:.2f} M" if which else f" {whole:.1f} M", va="center", fontsize=9)
        axis.set(xlabel=f"{title} in %" if share else f"{title} in millions; in the bars: %", xlim=(0, 1.22 * reach))
        if share:
            axis.set_xticks(range(0, 101, 20))
    axes[0].set_yticks(range(len(costs)), list(costs))
    axes[0].invert_yaxis()
    handles = [Patch(color=ROLE_COLOURS[role], label=role) for role in used]
    figure.legend(handles=handles, ncols=len(used), loc="outside upper right", frameon=False, fontsize=9)
    return _done(figure)


def plot_rounding(names: Sequence[str], wanted: Sequence[float], built: Sequence[int]) -> "Figure":
    """Channels that alpha asks for, and those that there are.

    Args:
        names: of the layers.
        wanted: alpha times the channels at alpha 1.
        built: channels after rounding.
    """
    figure, axis = plt.subplots(figsize=(8, 3.2), layout="constrained")
    bars = axis.bar(range(len(names)), built, color=BLUE, width=0.7, label="built")
    axis.plot(range(len(names)), wanted, "_", color=RED, markersize=26, markeredgewidth=2, label="alpha times channels")
    changes = [100 * (b / w - 1) for b, w in zip(built, wanted, strict=True)]
    tops = [f"{b}\n{c:+.0f} %" for b, c in zip(built, changes, strict=True)]
    axis.bar_label(bars, tops, fontsize=8.5, padding=5)
    axis.set_xticks(range(len(names)), names, fontsize=9)
    axis.set(ylabel="channels, on a log scale", xlabel="layer, and its channels at alpha 1")
    low, high = min([*built, *wanted]), max([*built, *wanted])
    axis.set_yscale("log", base=2)
    axis.yaxis.set_major_formatter("{x:.0f}")
    axis.set_ylim(low / 2, high * 4)
    axis.legend(ncols=2, loc="upper left", frameon=False)
    return _done(figure)


def plot_knobs(costs: dict[tuple[float, int], Complexity]) -> "Figure":
    """What width multiplier and resolution do to multiply-accumulates and parameters.

    Args:
        costs: (alpha, resolution) to cost.
    """
    alphas = sorted({alpha for alpha, _ in costs})
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.85, len(alphas)))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
    for alpha, shade in zip(alphas, shades, strict=True):
        sizes = sorted(resolution for a, resolution in costs if a == alpha)
        macs = [costs[alpha, size].macs / 1e6 for size in sizes]
        left.plot(sizes, macs, "o-", color=shade, markersize=4)
        left.text(1.03 * sizes[-1], macs[-1], f"{alpha}", va="center", fontsize=8)
    sizes = sorted({resolution for _, resolution in costs})
    left.set(xlabel="resolution in pixels; numbers: alpha", ylabel="multiply-accumulates in millions")
    left.set(xscale="log", yscale="log", xlim=(0.93 * sizes[0], 1.18 * sizes[-1]))
    left.set_xticks(sizes, [str(size) for size in sizes])
    left.minorticks_off()
    ticks = [t for t in (10, 20, 50, 100, 200, 500, 1000) if t <= max(c.macs for c in costs.values()) / 1e6]
    left.set_yticks(ticks, [str(tick) for tick in ticks])
    millions = {alpha: next(c for (a, _), c in costs.items() if a == alpha).trainable or 0 for alpha in alphas}
    right.plot(alphas, [count / 1e6 for count in millions.values()], "o-", color=BLUE, label="counted")
    if 1.0 in millions:
        rule = [millions[1.0] * alpha**2 / 1e6 for alpha in alphas]
        right.plot(alphas, rule, ":", color=GREY, label="alpha² times those of alpha 1")
    right.set(xlabel="alpha", ylabel="parameters in millions", ylim=(0, None))
    right.legend(frameon=False, fontsize=9)
    for axis in (left, right):
        axis.grid(alpha=0.3)
    return _done(figure)


def plot_published(figures: Sequence[PublishedFigure]) -> "Figure":
    """How far our counts lie from the published figures, those that disagree named.

    A figure agrees within 3 % or one unit of its last printed digit, the thin line at each dot.

    Args:
        figures: what `published_comparison` gives.
    """
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    columns = (("macs_m", "multiply-accumulates"), ("params_m", "parameters"))
    for axis, (column, name) in zip(axes, columns, strict=True):
        axis.axhspan(-3, 3, color=GREY, alpha=0.15, linewidth=0)
        axis.axhline(0, color=GREY, linewidth=0.8)
        for f in (f for f in figures if f.column == column):
            value = float(f.published)
            unit = 100 * 10.0 ** -len(f.published.partition(".")[2]) / value
            axis.plot([value, value], [-unit, unit], color=GREY, linewidth=0.8)
            _, colour, marker = FAMILIES[f.architecture]
            axis.plot(value, f.percent, marker, color=colour, markersize=5, alpha=0.85)
        stale = {(f.architecture, f.alpha): f for f in figures if f.column == column and not f.agrees}
        for (architecture, alpha), f in stale.items():
            axis.annotate(
                f"{FAMILIES[architecture][0]} {alpha}: {f.counted:.3g}, not {f.published}",
                (float(f.published), f.percent), xytext=(8, 0), textcoords="offset points", va="center",
                fontsize=8.5, color=RED,
            )  # fmt: skip
        values = sorted({float(f.published) for f in figures if f.column == column})
        axis.set(xscale="log", xlabel=f"published {name} in millions", xlim=(0.85 * values[0], 1.2 * values[-1]))
        ticks = (10, 20, 50, 100, 200, 500, 1000) if column == "macs_m" else (2, 3, 4, 5, 6)
        axis.set_xticks(ticks, [str(tick) for tick in ticks])
        axis.minorticks_off()
    axes[0].set_ylabel("our count above the published figure, in %")
    shown = list(dict.fromkeys(f.architecture for f in figures))
    handles = [_handle(architecture) for architecture in shown]
    figure.legend(handles=handles, ncols=3, loc="outside upper right", frameon=False, fontsize=9)
    return _done(figure)


def _handle(architecture: str) -> Line2D:
    label, colour, marker = FAMILIES[architecture]
    return Line2D([], [], color=colour, marker=marker, linestyle="", label=label)


def plot_accuracy_costs(points: Sequence[Point]) -> "Figure":
    """Published accuracy over what it costs: multiply-accumulates on the left, the size of the weights on the right.

    Full markers are float, empty ones 8-bit; the line joins those that no other row beats.

    Args:
        points: published rows.
    """
    figure, axes = plt.subplots(1, 2, figsize=(11, 5), sharey=True, layout="constrained")
    panels: tuple[tuple[str, Callable[[Point], float]], ...] = (
        ("multiply-accumulates in millions", lambda point: point.macs),
        ("weights in 10⁶ bytes: four a parameter in float, one in 8 bits", lambda point: point.megabytes),
    )
    for axis, (name, cost) in zip(axes, panels, strict=True):
        best = front(points, cost)
        axis.step(
            [cost(p) for p in best], [p.top1 for p in best], where="post", color=GREY, linewidth=1, linestyle="--"
        )
        for point in points:
            _, colour, marker = FAMILIES[point.architecture]
            face = colour if point.format == "float" else "white"
            axis.plot(cost(point), point.top1, marker, color=colour, markerfacecolor=face, markersize=6)
        low, high = min(map(cost, points)), max(map(cost, points))
        axis.set(xscale="log", xlabel=name, xlim=(0.85 * low, 1.2 * high))
        ticks = [t for t in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if 0.85 * low <= t <= 1.2 * high]
        axis.set_xticks(ticks, [str(tick) for tick in ticks])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("published top-1 accuracy on ImageNet in %")
    handles = [_handle(name) for name in FAMILIES if any(p.architecture == name for p in points)]
    handles.append(Line2D([], [], color=GREY, linestyle="--", label="no row is better at this cost"))
    handles.append(Line2D([], [], color=GREY, marker="o", markerfacecolor="white", linestyle="", label="empty: 8-bit"))
    figure.legend(handles=handles, ncols=4, loc="outside upper right", frameon=False, fontsize=9)
    return _done(figure)


def plot_int8_loss(points: Sequence[Point]) -> "Figure":
    """Published accuracy in float and in 8 bits, of the networks for which both are known.

    Args:
        points: published rows.

    Raises:
        ValueError: no network is there in both formats.
    """
    known = {(p.architecture, p.alpha, p.resolution, p.format): p.top1 for p in points}
    pairs = {
        f"{FAMILIES[architecture][0]} {alpha}": (top1, known[architecture, alpha, resolution, "8-bit"])
        for (architecture, alpha, resolution, form), top1 in known.items()
        if form == "float" and (architecture, alpha, resolution, "8-bit") in known
    }
    if not pairs:
        raise ValueError("no network with a float and an 8-bit row; pass those of imagenet_mobilenet_v3")
    figure, axis = plt.subplots(figsize=(7, 1.2 + 0.5 * len(pairs)), layout="constrained")
    for k, (full, small) in enumerate(pairs.values()):
        axis.plot([small, full], [k, k], color=GREY, linewidth=2, zorder=1)
        axis.plot(full, k, "o", color=BLUE, label="float" if k == 0 else None)
        axis.plot(small, k, "o", color=ORANGE, label="8-bit" if k == 0 else None)
        axis.text(small - 0.25, k, f"{small - full:+.1f}", ha="right", va="center", fontsize=9)
    axis.set_yticks(range(len(pairs)), list(pairs))
    axis.set(xlabel="published top-1 accuracy on ImageNet in %", ylim=(len(pairs) - 0.5, -0.5))
    low, high = min(small for _, small in pairs.values()), max(full for full, _ in pairs.values())
    axis.set_xlim(low - 1.8, high + 0.8)
    axis.grid(axis="x", alpha=0.3)
    axis.legend(ncols=2, loc="lower right", bbox_to_anchor=(1, 1), frameon=False)
    return _done(figure)
