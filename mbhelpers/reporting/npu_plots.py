"""Where the time of a network on an NPU goes, by Vela's estimate. The figure is returned."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mbhelpers.deployment.npu_estimate import NpuEstimate
from mbhelpers.reporting.plots import BLUE, GREEN, ORANGE, _done, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BOUND_COLOURS = {"NPU": BLUE, "SRAM": GREEN, "DRAM": ORANGE, "flash": "#CC79A7"}
"""What an operator waits for longest, and its colour."""


def plot_npu(estimates: Mapping[str, NpuEstimate], published: Mapping[str, float] | None = None) -> "Figure":
    """The operators of one estimate, and beside them the whole time of it and of others.

    Args:
        estimates: name to what `compile_for_npu` gives; the operators are those of the first.
        published: name to milliseconds, where somebody published some, as `published_milliseconds` gives.
    """
    first = next(iter(estimates.values()))
    used = {operator.bound for estimate in estimates.values() for operator in estimate.operators} - {""}
    rows = len(estimates) + len(published or {})
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11.5, max(3.8, 1.4 + 0.42 * rows)), width_ratios=(3, 2), layout="constrained"
    )
    _draw_operators(left, first)
    _draw_whole(right, estimates, published or {})
    handles: list[Patch | Line2D] = [
        Patch(color=colour, label=f"waits for the {name}") for name, colour in BOUND_COLOURS.items() if name in used
    ]
    if first.at("CPU"):
        handles.append(Line2D([], [], color="black", marker="x", linestyle="", label="on the CPU, not in the time"))
    if published:
        handles.append(Line2D([], [], color="black", marker="D", linestyle="", label="published"))
    figure.legend(handles=handles, ncols=len(handles), loc="outside upper right", frameon=False, fontsize=9)
    return _done(figure)


def _draw_operators(axis: "Axes", estimate: NpuEstimate) -> None:
    """A bar an operator at its place in the file; those that take no step of their own leave a gap."""
    count = len(estimate.operators)
    at = {(count + k if op.index is None else op.index): op for k, op in enumerate(estimate.operators)}
    on_npu = {k: operator for k, operator in at.items() if operator.cycles}
    times = {k: 1e6 * operator.cycles / estimate.clock for k, operator in on_npu.items()}  # in microseconds
    colours = [BOUND_COLOURS[operator.bound] for operator in on_npu.values()]
    axis.bar(list(times), list(times.values()), color=colours, width=0.85)
    on_cpu = [k for k, operator in at.items() if operator.place == "CPU"]
    axis.plot(on_cpu, [0.0] * len(on_cpu), "x", color="black", clip_on=False, zorder=3)
    for k in sorted(times, key=lambda k: -times[k])[:3]:
        axis.annotate(
            f"{k} {at[k].kind}", (k, times[k]), xytext=(0, 2), textcoords="offset points", fontsize=8,
            ha="left" if k < 0.7 * count else "right",
        )  # fmt: skip
    axis.set(
        xlabel=f"operator of {short(estimate.model)}, from input to output",
        ylabel="estimated time in µs",
        xlim=(-0.8, max(at) + 0.8),
        ylim=(0, 1.12 * max(times.values())),
    )
    axis.locator_params(axis="x", integer=True)
    axis.grid(axis="y", alpha=0.3)


def _draw_whole(axis: "Axes", estimates: Mapping[str, NpuEstimate], published: Mapping[str, float]) -> None:
    """A bar an estimate, split by what its operators wait for; a diamond a published time."""
    reach = max([estimate.milliseconds for estimate in estimates.values()] + list(published.values()))
    for k, estimate in enumerate(estimates.values()):
        left = 0.0
        for name, colour in BOUND_COLOURS.items():
            cycles = sum(operator.cycles for operator in estimate.operators if operator.bound == name)
            length = 1000 * cycles / estimate.clock
            axis.barh(k, length, left=left, color=colour, height=0.65)
            left += length
        axis.text(left, k, f" {left:#.3g}", va="center", fontsize=9)
    at: Sequence[int] = range(len(estimates), len(estimates) + len(published))
    axis.plot(list(published.values()), list(at), "D", color="black")
    for k, value in zip(at, published.values(), strict=True):
        axis.text(value, k, f"   {value:#.3g}", va="center", fontsize=9)
    names = [short(name, 40) for name in (*estimates, *published)]
    axis.set_yticks(range(len(names)), names, fontsize=8.5)
    axis.set(xlabel="milliseconds for one image", xlim=(0, 1.2 * reach), ylim=(max(4, len(names)) - 0.4, -0.6))
    axis.grid(axis="x", alpha=0.3)
