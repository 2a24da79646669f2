"""Figures about memory and time on boards. All return the figure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from mbhelpers.deployment.boards import Estimate, MemoryFigure
from mbhelpers.deployment.footprint import KIB, Footprint
from mbhelpers.deployment.latency import Latency
from mbhelpers.reporting.plots import BLUE, GREEN, GREY, ORANGE, RED, _done

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KINDS = {"DEPTHWISE_CONV_2D": ORANGE, "CONV_2D": BLUE, "ADD": GREEN}


def plot_live(found: Footprint, *, limit: float | None = None) -> "Figure":
    """Activations in memory at each operator, and where they peak.

    Args:
        found: of a .tflite file.
        limit: RAM of the board in KiB, to be drawn beside it.
    """
    live = np.array([step.live for step in found.steps]) / KIB
    colours = [_KINDS.get(step.kind, GREY) for step in found.steps]
    figure, axis = plt.subplots(figsize=(10, 3.4), layout="constrained")
    axis.bar(np.arange(len(live)), live, color=colours, width=0.9)
    peak = int(live.argmax())
    axis.annotate(
        f"{live[peak]:,.0f} KiB\n{found.steps[peak].kind} to {_shape(found.steps[peak].shape)}",
        (peak, live[peak]),
        (peak + 0.04 * len(live) + 1, live[peak]),
        va="top",
        fontsize=9,
        arrowprops={"arrowstyle": "-", "color": GREY},
    )
    if limit is not None:
        axis.axhline(limit, color=RED, linestyle="--", label=f"RAM of the board: {limit:,.0f} KiB")
    handles = [Patch(color=colour, label=kind) for kind, colour in _KINDS.items()] + [Patch(color=GREY, label="others")]
    lines = axis.get_legend_handles_labels()[0]
    axis.legend(handles=handles + lines, frameon=False, fontsize=9, loc="upper right")
    axis.set(
        xlabel="operator, in the order of execution", ylabel="live activations in KiB", xlim=(-0.6, len(live) - 0.4)
    )
    axis.set_ylim(0, 1.12 * max(live.max(), limit or 0))
    return _done(figure)


def plot_arena(found: Footprint) -> "Figure":
    """The arena over time: a rectangle for each tensor, as wide as it is needed and as high as it is large."""
    figure, axis = plt.subplots(figsize=(10, 4), layout="constrained")
    cycle = (BLUE, ORANGE, GREEN, "#56B4E9", "#CC79A7", "#F0E442")
    for k, buffer in enumerate(found.buffers):
        corner = (buffer.first - 0.5, buffer.offset / KIB)
        size = (buffer.last - buffer.first + 1, buffer.bytes / KIB)
        axis.add_patch(Rectangle(corner, *size, facecolor=cycle[k % len(cycle)], alpha=0.7, edgecolor="white", lw=0.5))
    axis.axhline(found.arena / KIB, color=GREY, linestyle=":", lw=1)
    axis.text(
        len(found.steps), found.arena / KIB, f"{found.arena / KIB:,.0f} KiB ", ha="right", va="bottom", color=GREY
    )
    axis.set(xlim=(-2, len(found.steps) + 1), ylim=(0, 1.1 * found.arena / KIB))
    axis.set(xlabel="operator, in the order of execution", ylabel="address in the arena in KiB")
    return _done(figure)


def plot_memory_figures(figures: Sequence[MemoryFigure]) -> "Figure":
    """How far published memory figures are from what is counted, in percent, one line each."""
    names = [f"{_network(one.network)}, {one.kind}, tool {one.tool}" for one in figures]
    places = np.arange(len(figures))[::-1]
    figure, axis = plt.subplots(figsize=(9, 0.28 * len(figures) + 1.2), layout="constrained")
    axis.axvspan(-8, 8, color=GREY, alpha=0.12, lw=0, label="within 8 %")
    axis.axvline(0, color=GREY, lw=1)
    closest = [one.closest_percent for one in figures]
    axis.plot(closest, places, "o", color=ORANGE, markerfacecolor="none", markersize=9, label="the closest layout")
    axis.plot([one.percent for one in figures], places, "o", color=BLUE, markersize=5, label="our account")
    axis.set_yticks(places, names, fontsize=9)
    axis.set(xlabel="counted here against published, in %", xlim=(-34, 34))
    figure.legend(frameon=False, fontsize=9, ncols=3, loc="outside upper right")
    return _done(figure)


def plot_times(times: Sequence[Latency]) -> "Figure":
    """Times of several files on this machine: each round a dot, the median a line."""
    figure, axis = plt.subplots(figsize=(8, 0.5 * len(times) + 1.3), layout="constrained")
    rng = np.random.default_rng(0)
    places = np.arange(len(times))[::-1]
    for place, one in zip(places, times, strict=True):
        axis.plot(
            one.times, place + rng.uniform(-0.25, 0.25, len(one.times)), ".", color=BLUE, alpha=0.35, markersize=4
        )
        axis.plot([one.median] * 2, [place - 0.38, place + 0.38], color=ORANGE, lw=2)
        axis.text(one.median, place + 0.4, f"{one.median:.2f} ms", ha="center", va="bottom", fontsize=9)
    axis.set_yticks(places, [f"{one.model}\n{one.runtime}, {one.threads} thread(s)" for one in times], fontsize=9)
    _milliseconds(axis, "milliseconds an inference on this machine")
    axis.set_ylim(-0.6, len(times) - 0.2)
    return _done(figure)


def plot_estimates(estimates: Sequence[Estimate], published: dict[str, float]) -> "Figure":
    """Estimated latency on boards, with the worst error on published rows; none where these are all larger or smaller.

    Args:
        estimates: of one network.
        published: milliseconds by board, where somebody published them for the same network.
    """
    figure, axis = plt.subplots(figsize=(8, 0.45 * len(estimates) + 1.3), layout="constrained")
    places = np.arange(len(estimates))[::-1]
    for place, one in zip(places, estimates, strict=True):
        reach = one.ms * (one.worst_error if one.known else 0)
        axis.errorbar(
            one.ms, place, xerr=reach, fmt="o", color=BLUE, capsize=4, label="estimate" if place == 0 else None
        )
        if one.board in published:
            label = "published" if "published" not in axis.get_legend_handles_labels()[1] else None
            axis.plot(published[one.board], place, "D", color=ORANGE, label=label)
    axis.set_yticks(places, [one.board for one in estimates])
    _milliseconds(axis, "milliseconds an inference")
    axis.set_ylim(-0.6, len(estimates) - 0.4)
    figure.legend(frameon=False, fontsize=9, ncols=2, loc="outside upper right")
    return _done(figure)


def _milliseconds(axis: "Axes", label: str) -> None:
    """A logarithmic axis whose ticks are plain numbers."""
    axis.set(xscale="log", xlabel=label)
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.xaxis.set_minor_formatter(NullFormatter())


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(str(size) for size in shape[1:])


def _network(network: tuple[str, float, int]) -> str:
    name, alpha, side = network
    return f"{'SSD' if name.startswith('ssd_') else 'V2'} {alpha:g}, {side} px"
