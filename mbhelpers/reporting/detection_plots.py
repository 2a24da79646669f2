"""Figures of what a detector finds, misses and makes up. All return the figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from PIL import Image

from mbhelpers.data.class_names import few
from mbhelpers.data.detections import Detections
from mbhelpers.data.predictions import Predictions
from mbhelpers.evaluation.detection import ST, Curve, best_f1, f1_scores, verdicts
from mbhelpers.evaluation.detection_match import Protocol
from mbhelpers.files import replacing
from mbhelpers.preprocessing import upright_rgb
from mbhelpers.reporting.box_plots import BOX_COLOURS, PICTURE, draw_boxes, picture_grid
from mbhelpers.reporting.plots import BLUE, GREEN, GREY, ORANGE, RED, _done, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VERDICTS = {"found": GREEN, "false": RED, "missed": "#56B4E9"}
"""Colours of predictions that find a truth, of those that don't, and of truths that nobody found."""
LINES = (BLUE, ORANGE, GREEN, RED, "#56B4E9", "#CC79A7")
"""Colours of curves: Okabe and Ito's without yellow, which is too light for a line."""


def plot_precision_recall(curves: Mapping[str, Curve], most: int = len(LINES)) -> "Figure":
    """Precision over recall by class or by model, as measured; AP in the legend is the area of the best at each recall.

    Args:
        curves: name to curve.
        most: curves with a colour of their own, those with most true boxes; the others are grey. Six at most.
    """
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    chosen = sorted(curves, key=lambda name: -curves[name].truths)[:most]
    colours = dict(zip(chosen, LINES, strict=False))
    for name in [*(name for name in curves if name not in colours), *chosen]:  # grey ones below
        curve, colour = curves[name], colours.get(name, GREY)
        label = f"{short(name)} (AP {100 * curve.ap:.1f}, n = {curve.truths})" if name in colours else None
        recall, precision = np.append(0, curve.recall), np.append(curve.precision[:1], curve.precision)
        axis.plot(recall[: len(precision)], precision, color=colour, linewidth=1.6 if label else 0.6, label=label)
    if len(curves) > len(colours):
        axis.plot([], [], color=GREY, linewidth=0.6, label=f"{len(curves) - len(colours)} more")
    axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axis.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return _done(figure)


def plot_ap_by_size(results: Mapping[str, Mapping[str, Any]]) -> "Figure":
    """AP of all, small, medium and large objects, a colour a model; no bar where there is no such object.

    Args:
        results: a model's name to what `evaluate` gives, all by the same protocol.
    """
    figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
    width = 0.8 / len(results)
    sizes = ("all", *next(iter(results.values()))["by_size"])
    for k, ((name, result), colour) in enumerate(zip(results.items(), (BLUE, ORANGE, GREEN, RED), strict=False)):
        aps = [result["ap"], *result["by_size"].values()]
        at = [place + (k - (len(results) - 1) / 2) * width for place, ap in enumerate(aps) if ap is not None]
        bars = axis.bar(at, [100 * ap for ap in aps if ap is not None], 0.94 * width, color=colour, label=name)
        axis.bar_label(bars, fmt="%.1f", fontsize=8)
    axis.set_xticks(range(len(sizes)), sizes)
    axis.margins(y=0.12)
    axis.set(xlabel="objects, by area in pixels of the image: below 32² / 96² / above", ylabel="AP in %")
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(results))
    return _done(figure)


def plot_thresholds(curve: Curve) -> "Figure":
    """Precision, recall and F1 over the score threshold, and the threshold with the best F1.

    Raises:
        ValueError: no prediction is right.
    """
    best = best_f1(curve)
    last = np.append(np.diff(curve.scores) != 0, True)  # equal scores are kept or dropped together
    figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
    rows = {"precision": (curve.precision, BLUE), "recall": (curve.recall, ORANGE), "F1": (f1_scores(curve), GREEN)}
    for name, (values, colour) in rows.items():
        axis.plot(curve.scores[last], values[last], color=colour, drawstyle="steps-pre", label=name)
    axis.axvline(best["threshold"], color=GREY, linewidth=0.8, linestyle=":")
    axis.plot(best["threshold"], best["f1"], "o", color=GREEN)
    axis.set_title(
        f"best F1 {best['f1']:.3f} from score {best['threshold']:.3f} on: "
        f"precision {best['precision']:.3f}, recall {best['recall']:.3f}",
        fontsize=9,
    )
    axis.set(xlabel="score from which on a box is kept", ylabel="share of all boxes", ylim=(0, 1.02))
    axis.legend(frameon=False, fontsize=9)
    return _done(figure)


def show_detections(
    images: Sequence[np.ndarray],
    found: Detections,
    predictions: Predictions,
    protocol: Protocol = ST,
    *,
    threshold: float = 0.5,
    columns: int = 3,
) -> "Figure":
    """Predicted boxes beside the truth: found with name and score, false with both, missed dashed with the name.

    Crowds that the protocol leaves out are not shown as missed, nor are predictions false that lie in them.

    Args:
        images: N pictures, uint8 RGB, (H, W, 3) each.
        found: their ground truth, as `Detections.select` gives it for a few images.
        predictions: of the same images in the same order.
        protocol: says what finds what.
        threshold: predictions with this score or more are shown.
        columns: pictures in a row, at most.

    Raises:
        ValueError: there are not as many pictures as images in the truth, or the predictions don't fit it.
    """
    if len(images) != len(found):
        raise ValueError(f"{len(images)} pictures, but truth of {len(found)}; select those images")
    finds = verdicts(found, predictions, protocol)
    figure, axes = picture_grid(images, columns)
    for k, (axis, image) in enumerate(zip(axes, images, strict=True)):
        here, there = predictions.of(k), found.of(k)
        ours = np.arange(here.start, here.stop)[predictions.scores[here] >= threshold]
        free = found.crowd[there] if protocol.matching == "greedy" else np.zeros(there.stop - there.start, bool)
        ours = ours[(finds[ours] < 0) | ~np.isin(finds[ours], there.start + np.flatnonzero(free))]
        theirs = np.arange(there.start, there.stop)[~free]
        theirs = theirs[~np.isin(theirs, finds[ours])]
        words = [f"{short(found.categories[predictions.labels[p]], 18)} {predictions.scores[p]:.2f}" for p in ours]
        words += [short(found.categories[found.labels[t]], 18) for t in theirs]
        colours = [VERDICTS["found" if finds[p] >= 0 else "false"] for p in ours] + [VERDICTS["missed"]] * len(theirs)
        boxes = np.concatenate([predictions.boxes[ours], found.boxes[theirs]])
        draw_boxes(axis, image.shape[:2], boxes, words, colours, np.arange(len(boxes)) >= len(ours))
    lines = [Line2D([], [], color=c, linestyle="--" if name == "missed" else "-") for name, c in VERDICTS.items()]
    figure.legend(lines, VERDICTS, loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    return _done(figure)


def save_found(results: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
    """Draw what `inference.detect.detect_images` told, each picture as `<name>.png` into a folder, in its size or more.

    Raises:
        ValueError: two pictures have the same name, or the folder can't be written.
    """
    paths = [folder / f"{Path(result['image']).stem}.png" for result in results]
    if twins := sorted({path.name for path in paths if paths.count(path) > 1}):
        raise ValueError(f"{few(twins)} would be drawn twice; draw pictures of one name into folders of their own")
    for result, path in zip(results, paths, strict=True):
        with Image.open(result["image"]) as image:
            picture = np.asarray(upright_rgb(image))
        height, width = picture.shape[:2]
        boxes = np.array([one["box"] for one in result["found"]]).reshape(-1, 4) / np.array([width, height] * 2)
        names = sorted({one["class"] for one in result["found"]})
        colours = [list(BOX_COLOURS)[names.index(one["class"]) % len(BOX_COLOURS)] for one in result["found"]]
        words = [f"{one['class']} {100 * one['score']:.0f} %" for one in result["found"]]
        inches = 0.93 * PICTURE / max(width, height)  # as large as `draw_boxes` takes a picture to be
        figure = plt.figure(figsize=(width * inches, height * inches))
        axis = figure.add_axes((0, 0, 1, 1))  # the picture alone, without a margin
        axis.axis("off")
        axis.imshow(picture, aspect="auto")
        draw_boxes(axis, (height, width), boxes, words, colours, np.zeros(len(boxes), bool))
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png", dpi=max(200, 1 / inches))
        plt.close(figure)
    return paths
