"""Figures of many rows beside each other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np

from mbhelpers.reporting.plots import BLUE, GREY, ORANGE, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_batch(lines: Sequence[dict[str, Any]]) -> "Figure":
    """Accuracy of every measured row with its interval, float and int8, beside the published figure.

    Args:
        lines: as `batch.collect.collect` gives them; rows without a figure are left out.

    Raises:
        ValueError: no row has one.
    """
    shown = [line for line in lines if line["int8"] is not None]
    if not shown:
        raise ValueError("no row of the table was measured yet; run the batch first")
    figure, axis = plt.subplots(figsize=(8, 1.4 + 0.42 * len(shown)), layout="constrained")
    places = np.arange(len(shown))
    for kind, shift, colour in (("float", -0.14, GREY), ("int8", 0.14, BLUE)):
        middle = np.array([line[kind] for line in shown])
        reach = np.abs(np.array([[line[f"{kind}_low"], line[f"{kind}_high"]] for line in shown]).T - middle)
        axis.errorbar(middle, places + shift, xerr=reach, fmt="o", ms=5, capsize=3, color=colour, label=kind)
    known = [(line["published_int8"], place) for place, line in enumerate(shown) if line["published_int8"] is not None]
    if known:
        values, rows = zip(*known, strict=True)
        axis.plot(values, np.array(rows) + 0.14, "D", ms=6, mfc="none", color=ORANGE, label="int8, published")
    axis.set_yticks(places, [f"{short(line['row'], 48)}  (n = {line['n']})" for line in shown], fontsize=9)
    measures = " or ".join(dict.fromkeys(line["measure"] for line in shown))
    axis.set(xlabel=f"{measures} in %, with the 95 % interval", ylim=(len(shown) - 0.4, -0.6))
    axis.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside lower right", ncols=3, frameon=False)
    return figure
