"""Figures about training: recipes, what each ingredient gave, where a step's time goes. All return the figure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np

from mbhelpers.reporting.plots import BLUE, GREEN, GREY, ORANGE, RED, short
from mbhelpers.training.optimizers import layer_rates, learning_rates, plateau_factor
from mbhelpers.training.recipes import Recipe

if TYPE_CHECKING:
    import keras
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SKY, PURPLE = "#56B4E9", "#CC79A7"
COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)
"""Of lines that stand for one thing each; more than these begin again."""

PROBES = {"plain": (BLUE, "o"), "shifted": (ORANGE, "D")}
"""What candidates are measured on, and how it is drawn."""

_GROUPS = {
    "convolution": BLUE,
    "depthwise convolution": SKY,
    "batch norm": GREEN,
    "relu": PURPLE,
    "image warp": RED,
    "element-wise and others": ORANGE,
}
"""Kinds of operations of a training step, as the benchmark names them."""

_SIDES = {
    "keras": "plain Keras",
    "keras_unaugmented": "plain Keras, no augmentation",
    "ours": "here, the same changes",
    "tfs": "here, recipe of tfs",
    "fft": "here, recipe of fft",
}


def show_rows(rows: dict[str, np.ndarray], side: float = 1.15) -> "Figure":
    """Pictures in named rows, so that the same one stands below itself.

    Args:
        rows: name to uint8 RGB images, (N, H, W, 3), the same N in each.
        side: of a picture, in inches.
    """
    columns = max(len(images) for images in rows.values())
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(columns * side + 0.5, len(rows) * side), squeeze=False, layout="constrained"
    )
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        for axis in line:
            axis.set(xticks=[], yticks=[], frame_on=False)
        for axis, image in zip(line, images, strict=False):
            axis.imshow(image)
        line[0].set_ylabel(name)
    return _done(figure)


def plot_augmented(images: np.ndarray, recipes: dict[str, Recipe], seed: int) -> "Figure":
    """The same pictures as they are, and as one epoch of each recipe shows them.

    Args:
        images: uint8 RGB, (N, H, W, 3); eight or so.
        recipes: name to recipe; one that mixes pictures mixes these.
        seed: of what is drawn.
    """
    from mbhelpers.data.augment import augment
    from mbhelpers.data.augment_mix import mix

    key, rows = np.array([seed, 0], np.int64), {"as it is": images}
    for name, recipe in recipes.items():
        changed = augment(images, key, recipe.augmentation)
        if recipe.augmentation.mixes:
            changed, _ = mix(changed, np.zeros(len(images), np.int64), key, recipe.augmentation, classes=2)
        rows[name] = np.asarray(changed)
    return show_rows(rows)


def plot_learning_rates(recipes: dict[str, Recipe], images: int) -> "Figure":
    """The learning rate over the epochs.

    A plateau's depends on the validation images; it is drawn as if they got no better after a third of the epochs of
    the first recipe that has none.

    Args:
        recipes: name to recipe.
        images: how many train.
    """
    fitted = {name: recipe.fitted(images) for name, recipe in recipes.items()}
    planned = [recipe.epochs for recipe in fitted.values() if recipe.schedule != "plateau"]
    best = max(1, round((planned or [90])[0] / 3))
    figure, axis = plt.subplots(figsize=(7.5, 3), layout="constrained")
    for (name, recipe), colour in zip(fitted.items(), COLOURS, strict=False):
        steps = max(1, images // recipe.batch_size)
        rates = learning_rates(recipe, steps)
        told = f"{name}: {recipe.schedule}"
        if recipe.schedule == "plateau":
            lines = [dict.fromkeys(("val_accuracy", "val_loss"), float(min(k, best))) for k in range(1, best + 1)]
            lines += lines[-1:] * recipe.patience
            last = min(recipe.epochs, len(lines))
            factors = [plateau_factor(recipe, lines[:k]) for k in range(last)]
            rates = rates[: last * steps] * np.repeat(factors, steps)
            told += f",\nif validation is best in epoch {best}"
            axis.plot(last, rates[-1], "x", color=colour)
            axis.annotate("stops", (last, rates[-1]), (0, 6), textcoords="offset points", ha="right", fontsize=9)
        axis.plot(np.arange(len(rates)) / steps, rates, color=colour, label=told)
    axis.set(xlabel="epoch", ylabel="learning rate", ylim=(0, None))
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return _done(figure)


def plot_layer_rates(model: "keras.Model", decays: Sequence[float]) -> "Figure":
    """What the learning rate of each layer's weights is multiplied with, a line a value of `layer_decay`.

    Args:
        model: from `build_classifier`, as it trains.
        decays: values of a recipe's `layer_decay`.
    """
    kernels = [k for k, variable in enumerate(model.trainable_variables) if "kernel" in variable.name]
    figure, axis = plt.subplots(figsize=(7.5, 2.8), layout="constrained")
    for decay, colour in zip(decays, COLOURS, strict=False):
        rates = np.array(layer_rates(model, decay))[kernels]
        axis.step(range(len(rates)), rates, where="mid", color=colour, label=f"layer_decay {decay:g}")
    axis.set(xlabel="layer with weights, from input to classifier", ylabel="share of the learning rate", ylim=(0, 1.05))
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return _done(figure)


def plot_candidates(candidates: dict[str, Any]) -> "Figure":
    """What each candidate gave: its difference from the first one on the same pictures, with its 95 % interval.

    Args:
        candidates: of one variant, from `results/flowers/recipes.json`; nothing gives a figure that says so.
    """
    first = next((name for name, entry in candidates.items() if "against_first" not in entry["plain"]), None)
    if first is None:
        return _nothing("no results of the long runs here")
    others = {name: entry for name, entry in candidates.items() if name != first}
    told = " and ".join(f"{100 * candidates[first][probe]['top1']:.1f} % on {probe}" for probe in PROBES)
    told = f"“{first}”: {told} pictures, n = {candidates[first]['plain']['n']:,}"
    if not others:
        return _nothing(f"{told}; no other one is measured yet")
    figure, axis = plt.subplots(figsize=(8, 1.6 + 0.62 * len(others)), layout="constrained")
    for k, entry in enumerate(others.values()):
        for (probe, (colour, marker)), lift in zip(PROBES.items(), (-0.16, 0.16), strict=True):
            pair = entry[probe]["against_first"]
            value, low, high = (round(100 * x, 1) + 0.0 for x in (pair["difference"], *pair["interval"]))  # no -0.0
            axis.errorbar(
                value, k + lift, xerr=[[value - low], [high - value]], fmt=marker, color=colour, capsize=3,
                markerfacecolor="white" if pair["inside_noise"] else colour, markersize=6,
            )  # fmt: skip
            words, beside = f"{value:+.1f} ({low:+.1f} to {high:+.1f})", axis.get_yaxis_transform()
            axis.text(1.01, k + lift, words, transform=beside, va="center", fontsize=9)
    for probe, (colour, marker) in PROBES.items():
        axis.plot([], [], marker, color=colour, label=f"{probe} pictures")
    axis.plot([], [], "o", color=GREY, markerfacecolor="white", label="hollow: may be chance")
    axis.axvline(0, color=GREY, linewidth=1)
    axis.set_yticks(range(len(others)), [_named(name, candidates) for name in others])
    axis.set(xlabel="points of accuracy gained or lost, with 95 % interval", ylim=(len(others) - 0.4, -0.6))
    axis.grid(axis="x", alpha=0.3)
    figure.suptitle(f"against {told}", fontsize=11)
    axis.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1), fontsize=9)
    return _done(figure)


def _named(name: str, candidates: dict[str, Any]) -> str:
    """A candidate's name, and on how many pictures it was measured if not on as many as the first."""
    n = candidates[name]["plain"]["n"]
    return (
        short(name) if n == max(entry["plain"]["n"] for entry in candidates.values()) else f"{short(name)} (n = {n:,})"
    )


def plot_candidate_curves(candidates: dict[str, Any]) -> "Figure":
    """Accuracy on pictures kept out of training, after each epoch, a line a candidate, mean over the folds.

    Args:
        candidates: as for `plot_candidates`.
    """
    if not candidates:
        return _nothing("no results of the long runs here")
    figure, axis = plt.subplots(figsize=(8, 3.4), layout="constrained")
    curves = {name: 100 * np.array(entry["val_accuracy"]) for name, entry in candidates.items()}
    for (name, curve), colour in zip(curves.items(), COLOURS * len(curves), strict=False):
        label = f"{_named(name, candidates)}: {curve[-1]:.1f} % at the end"
        axis.plot(np.arange(1, len(curve) + 1), curve, color=colour, label=label)
    lowest, highest = min(curve[-1] for curve in curves.values()), max(curve.max() for curve in curves.values())
    axis.set(xlabel="epoch", ylabel="accuracy in %", ylim=(max(0, lowest - 15), highest + 1.5))
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return _done(figure)


def plot_step_time(result: dict[str, Any]) -> "Figure":
    """Where the time of a training step goes, and how many pictures a second that makes.

    Args:
        result: the content of `benchmarks/results/training_step.json`; nothing gives a figure that says so.
    """
    if not result:
        return _nothing("no results of the long runs here")
    figure, (left, right) = plt.subplots(
        2, 1, figsize=(9, 5), layout="constrained", gridspec_kw={"height_ratios": [2, 2.4]}
    )
    profiles = {
        name: result["profile"][key]["groups_ms"] for key, name in (("before", "plain Keras"), ("after", "here"))
    }
    kinds = [*_GROUPS, *({kind for groups in profiles.values() for kind in groups} - set(_GROUPS))]
    whole, start = max(sum(groups.values()) for groups in profiles.values()), np.zeros(len(profiles))
    for kind in kinds:
        values = np.array([groups.get(kind, 0.0) for groups in profiles.values()])
        bars = left.barh(list(profiles), values, left=start, color=_GROUPS.get(kind, GREY), label=kind)
        written = [f"{value:.0f}" if value > 0.03 * whole else "" for value in values]
        left.bar_label(bars, written, label_type="center", fontsize=8, color="white")
        start += values
    left.set(xlabel="milliseconds a step, added up over all threads")
    left.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1), fontsize=9)
    rates = {_SIDES.get(key, key): found["best"] for key, found in result["images_per_second"].items()}
    _bars(right, rates, "pictures a second")
    for axis in (left, right):
        axis.invert_yaxis()
    return _done(figure)


def plot_transfer_time(result: dict[str, Any]) -> "Figure":
    """How long transfer learning takes with the frozen part computed in every epoch, and computed once.

    Args:
        result: the content of `benchmarks/results/transfer_learning.json`; nothing gives a figure that says so.
    """
    if not result:
        return _nothing("no results of the long runs here")
    keras, ours = result["summary"]["keras"], result["summary"]["ours"]
    figure, axis = plt.subplots(figsize=(8, 1.9), layout="constrained")
    _bars(axis, {"every epoch, plain Keras": keras["seconds"], "computed once": ours["seconds"]}, "seconds")
    axis.invert_yaxis()
    return _done(figure)


def plot_soft_scores(
    images: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    temperatures: Sequence[float] = (1, 3),
) -> "Figure":
    """Pictures, and below each what a teacher says of it, at each temperature; the true class stands above.

    Args:
        images: uint8 RGB, (N, H, W, 3); six or so.
        scores: probabilities, (N, C), of C classes.
        labels: (N,), index into `classes`.
        classes: C names; of more than eight the five likeliest are shown.
        temperatures: 1 is the teacher as it is.
    """
    figure, axes = plt.subplots(
        2, len(images), figsize=(2 * len(images) + 0.8, 3.9), squeeze=False, layout="constrained"
    )
    few = len(classes) <= 8
    for k, (above, below) in enumerate(axes.T):
        above.imshow(images[k])
        above.axis("off")
        shown = np.arange(len(classes)) if few else np.argsort(-scores[k], kind="stable")[:5]
        for j, temperature in enumerate(temperatures):
            softened = np.maximum(scores[k], 1e-7) ** (1 / temperature)
            at = np.arange(len(shown)) + (j - (len(temperatures) - 1) / 2) * 0.8 / len(temperatures)
            values = 100 * (softened / softened.sum())[shown]
            below.barh(at, values, 0.8 / len(temperatures), color=COLOURS[j], label=f"temperature {temperature:g}")
        below.set_yticks(range(len(shown)), [classes[c] if few and k == 0 else "" for c in shown], fontsize=9)
        if not few:  # each picture has its own five, named within the bars' room
            for j, c in enumerate(shown):
                below.text(99, j, short(classes[c], 20), ha="right", va="center", fontsize=7)
        below.set(xlim=(0, 100), xticks=(0, 50), ylim=(len(shown) - 0.4, -0.6), xlabel="score in %")
        above.set_title(short(classes[labels[k]], 20), fontsize=9)
    figure.legend(*axes[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return _done(figure)


def _bars(axis: "Axes", values: dict[str, float], unit: str) -> None:
    bars = axis.barh(
        list(values), list(values.values()), color=[ORANGE if "Keras" in name else BLUE for name in values]
    )
    axis.bar_label(bars, [f" {value:.0f}" for value in values.values()], fontsize=9)
    axis.set(xlabel=unit, xlim=(0, 1.12 * max(values.values())))


def _nothing(words: str) -> "Figure":
    figure, axis = plt.subplots(figsize=(9, 0.5), layout="constrained")
    axis.axis("off")
    axis.text(0, 0.5, words, va="center", color=GREY)
    return _done(figure)


def _done(figure: "Figure") -> "Figure":
    # Notebooks show the returned figure; left open, pyplot would show it a second time.
    plt.close(figure)
    return figure
