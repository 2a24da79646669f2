"""Figures of what int8 does to a network: layer by layer, channel by channel, repair by repair."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np

from mbhelpers.reporting.plots import BLUE, GREEN, GREY, ORANGE, RED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mbhelpers.quantization.layers import LayerError, Levels

_MARKERS = {"CONV_2D": "o", "DEPTHWISE_CONV_2D": "s", "FULLY_CONNECTED": "D"}


def plot_layer_errors(errors: "Mapping[str, Sequence[LayerError]]") -> "Figure":
    """Signal to noise at every layer's output, by file; depthwise layers are squares."""
    figure, axis = plt.subplots(figsize=(8, 3.4), layout="constrained")
    for (name, layers), colour in zip(errors.items(), (BLUE, RED, GREEN, ORANGE), strict=False):
        values = [layer.sqnr for layer in layers]
        axis.plot(values, color=colour, linewidth=0.8)
        for kind, marker in _MARKERS.items():
            places = [k for k, layer in enumerate(layers) if layer.kind == kind]
            axis.plot(places, [values[k] for k in places], marker, color=colour, markersize=4)
        axis.plot([], [], "o-", color=colour, markersize=4, label=name)
    axis.axhline(20, color=GREY, linewidth=0.6, linestyle=":")
    last = max(len(layers) for layers in errors.values()) - 1
    axis.text(last, 20.5, "noise a tenth of the signal", fontsize=8, color=GREY, ha="right")
    axis.set(xlabel="layer, from input to output (squares: depthwise)", ylabel="signal to noise in dB")
    axis.legend(frameon=False, fontsize=9)
    plt.close(figure)
    return figure


def plot_levels(levels: "Mapping[str, Levels]", part: str = "weights") -> "Figure":
    """A histogram whose bars are int8's 256 integers, one panel a layer, on a log scale.

    Args:
        levels: by what to call each.
        part: "weights" or "outputs".
    """
    figure, axes = plt.subplots(
        len(levels), 1, figsize=(8, 0.5 + 1.5 * len(levels)), sharex=True, squeeze=False, layout="constrained"
    )
    for axis, (name, layer) in zip(axes[:, 0], levels.items(), strict=True):
        counts = getattr(layer, part)
        axis.bar(np.arange(-128, 128), counts / counts.sum(), width=1.0, color=BLUE)
        axis.set(yscale="log", ylabel="share", ylim=(1e-5, 1), yticks=(1e-4, 1e-2, 1))
        axis.minorticks_off()
        axis.set_title(f"{name}: {np.count_nonzero(counts)} of 256 integers used", fontsize=9, loc="left")
    axes[-1, 0].set(xlabel="integer", xlim=(-129, 128))
    plt.close(figure)
    return figure


def plot_channel_sizes(sizes: Mapping[str, np.ndarray], silent: np.ndarray | None = None) -> "Figure":
    """The largest weight of each channel of a layer, sorted, one line a state; silent channels in red.

    Args:
        sizes: a state's name to its channels' sizes, (C,); the first decides the order.
        silent: which channels are 0 on every picture, (C,).
    """
    figure, axis = plt.subplots(figsize=(8, 3.2), layout="constrained")
    first = next(iter(sizes.values()))
    order = np.argsort(first)
    for (name, values), colour in zip(sizes.items(), (BLUE, ORANGE, GREEN), strict=False):
        shown = np.where(values[order] > 0, values[order], np.nan)
        axis.plot(shown, "o", color=colour, markersize=4, label=name)
        step = values.max() / 127
        axis.axhline(step, color=colour, linewidth=0.8, linestyle=":")
    if silent is not None and silent.any():
        places = np.flatnonzero(silent[order])
        axis.plot(places, first[order][places], "o", color=RED, markersize=4, label="never heard")
    axis.set(xlabel="channel, sorted", ylabel="largest weight", yscale="log")
    axis.set_title("dotted: one step of int8, if the layer has one scale", fontsize=9)
    axis.legend(frameon=False, fontsize=9)
    plt.close(figure)
    return figure


def plot_repairs(rows: Mapping[str, Mapping[str, Any]], granularity: str = "tensor") -> "Figure":
    """How often int8 gives float's answer, by repair, one line a row of the zoo.

    Args:
        rows: of `results/flowers/int8.json`.
        granularity: whose repairs to show.
    """
    start = f"{granularity}: "
    names = [name for name in next(iter(rows.values()))["choice"] if name.startswith(start)]
    figure, axis = plt.subplots(figsize=(8, 0.9 + 0.36 * len(names)), layout="constrained")
    values = np.array([[100 * row["choice"][name]["agreement"] for name in names] for row in rows.values()])
    for line in values:
        axis.plot(line, range(len(names)), "o", color=GREY, markersize=4, alpha=0.7)
    middle = values.mean(axis=0)
    axis.plot(middle, range(len(names)), "|", color=BLUE, markersize=16, markeredgewidth=2)
    for k, value in enumerate(middle):
        axis.text(101, k, f"{value:.1f}", va="center", fontsize=9, color=BLUE)
    axis.set_yticks(range(len(names)), [name.removeprefix(start) for name in names])
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set(xlabel="pictures with float's answer in % (grey: a model, blue: their mean)", xlim=(None, 106))
    plt.close(figure)
    return figure


def plot_sweep(found: Sequence[Mapping[str, Any]]) -> "Figure":
    """What `calibration.sweep` found: distance from float, and time, by the number of calibration images."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    images = np.array([each["images"] for each in found])
    for axis, key, label in zip(
        axes, ("points_off", "seconds"), ("off from float, in points of a score", "seconds to convert"), strict=True
    ):
        values = np.array([each[key] for each in found])
        sizes = np.unique(images)
        axis.plot(images, values, "o", color=GREY, markersize=4, alpha=0.7)
        axis.plot(sizes, [values[images == size].mean() for size in sizes], color=BLUE)
        axis.set(xscale="log", xlabel="calibration images", ylabel=label, ylim=(0, None))
        axis.set_xticks(sizes, [str(size) for size in sizes])
        axis.minorticks_off()
    plt.close(figure)
    return figure
