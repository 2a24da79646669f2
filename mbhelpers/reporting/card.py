"""The card of a run: one HTML file with its figures inside, readable offline, in light and dark."""

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mbhelpers.data import source
from mbhelpers.data.pipeline import load_images
from mbhelpers.data.predictions import load_predictions
from mbhelpers.evaluation.detection import curves as curves_by_class
from mbhelpers.evaluation.detection import pooled_curve
from mbhelpers.files import read_json
from mbhelpers.preprocessing import preset
from mbhelpers.reporting import plots
from mbhelpers.reporting.data_samples import load_each
from mbhelpers.reporting.detection_plots import plot_ap_by_size, plot_precision_recall, show_detections
from mbhelpers.reporting.page import paragraph, picture, table, write_page
from mbhelpers.rows import VARIANTS
from mbhelpers.runs import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILES = {"float": "model.keras", "float_tflite": "model_float.tflite", "int8": "model_int8.tflite"}
"""The files that a run measures, in the order of the table."""

PUBLISHED = {
    "classifier": "Published figures are the authors' own, on a validation split that also picked their checkpoint; "
    "ours are measured on a test part that nothing was selected on.",
    "detector": "The published figure is the authors' own, on other images, by the same protocol but for a pixel that "
    "they add to every box; ours is measured on a test part that nothing was selected on.",
}
"""What must be known before a published figure is compared with ours."""

EXAMPLES = 6
"""Pictures of a detector's card."""

FEW = 20
"""Images below which an interval that comes from drawing them again is not to be trusted."""


def summary_table(metrics: dict[str, Any]) -> list[dict[str, str]]:
    """A card's table, ready to print: float in Keras and in LiteRT, and int8.

    Args:
        metrics: what `stages.evaluate` gives.

    Returns:
        Lines with the columns model, top-1 (of a detector AP), 95 % interval, n, published, file, size.
    """
    lines = []
    measure = measure_of(metrics)
    for kind, file in FILES.items():
        result = metrics[kind]
        low, high = (f"{100 * bound:.1f}" for bound in result["interval"])
        value = metrics["published"].get(kind)
        lines.append(
            {
                "model": kind.replace("_tflite", " in LiteRT"),
                measure: f"{100 * result['ap' if measure == 'AP' else 'top1']:.1f} %",
                "95 % interval": f"{low} to {high} %",
                "n": str(result["n"]),
                "published": f"{value:.1f} %" if value is not None else "-",
                "file": file,
                "size": f"{metrics['sizes'][file] / 1024:,.0f} KiB",
            }
        )
    return lines


def measure_of(metrics: dict[str, Any]) -> str:
    """What the figures of a run are: "top-1" of a classifier, "AP" of a detector."""
    return "AP" if "ap" in metrics["int8"] else "top-1"


def paired_sentence(metrics: dict[str, Any]) -> str:
    """What int8 costs, in words that claim no more than the images show."""
    pair = metrics["paired"]
    tested = "mcnemar_p" in pair  # of classifiers; AP has no such test
    if not tested and pair["n"] < FEW:
        verdict = "drawing so few images again says next to nothing"
    elif pair["inside_noise"]:
        verdict = "the interval holds zero: on these images the two can't be told apart"
    elif not tested or pair["mcnemar_p"] < 0.05:
        verdict = "the interval leaves out zero: more than chance would usually make it"
    else:
        verdict = "the interval just leaves out zero, the test does not: borderline"
    low, high = (100 * bound for bound in pair["interval"])
    told = f"95 % interval {low:+.1f} to {high:+.1f}"
    if tested:
        p = f"= {pair['mcnemar_p']:.2f}" if pair["mcnemar_p"] >= 0.01 else "< 0.01"
        told += f"; {pair['only_first']} images only float got right, {pair['only_second']} only int8; McNemar p {p}"
    points = f"{100 * pair['difference']:+.1f} points{'' if tested else ' of AP'}"
    return f"int8 minus float on the same {pair['n']} images: {points} ({told}); {verdict}."


def write_card(run: Run, path: Path) -> Path:
    """Draw the card of an evaluated run.

    Args:
        run: its folder holds split.json, history.json, metrics.json and predictions.npz.
        path: the HTML file to write.
    """
    metrics = read_json(run.folder / "metrics.json")
    published = metrics["published"]
    figures = _detector_figures(run, metrics) if run.row.detects else _classifier_figures(run, metrics)
    body = [
        paragraph("Detection: boxes, and what is in them." if run.row.detects else f"{VARIANTS[run.row.variant]}."),
        *(paragraph(text, "warning") for text in metrics["warnings"]),
        table(summary_table(metrics)),
        paragraph(paired_sentence(metrics)),
    ]
    if run.row.detects:
        body.append(paragraph(_ap_sentence(metrics)))
    if published:
        body.append(paragraph(PUBLISHED["detector" if run.row.detects else "classifier"], "small"))
    body += [f"<h2>{html.escape(title)}</h2>{picture(figure, title)}" for title, figure in figures if figure]
    body += ["<h2>How it was made</h2>", _provenance(metrics), _versions(metrics)]
    return write_page(path, metrics["row"], body)


def _classifier_figures(run: Run, metrics: dict[str, Any]) -> "list[tuple[str, Figure | None]]":
    split = read_json(run.folder / "split.json")
    results = {kind: metrics[kind] for kind in ("float", "int8")}
    return [
        ("Accuracy on the test part", plots.plot_accuracy(results, metrics["published"])),
        ("Recall of each class", plots.plot_per_class(results)),
        ("What is taken for what", plots.plot_confusion(results, metrics["classes"])),
        ("Surest mistakes of the int8 model", _mistakes(run, metrics["classes"])),
        ("Images per class and part", plots.plot_counts(split["counts"])),
        ("Training", plots.plot_history(read_json(run.folder / "history.json"))),
        ("Size of the files", plots.plot_sizes(metrics["sizes"])),
    ]


def _detector_figures(run: Run, metrics: dict[str, Any]) -> "list[tuple[str, Figure | None]]":
    truth = source.load_detections(run.row.dataset, run.data_dir)
    with np.load(run.folder / "predictions.npz") as kept:
        truth = truth.select(np.flatnonzero(np.isin(truth.paths, kept["paths"])))
    found = {kind: load_predictions(run.folder / "predictions.npz", kind) for kind in ("float", "int8")}
    shown = np.flatnonzero(np.diff(truth.first))[:EXAMPLES]
    pictures = load_each(truth.root, truth.paths[shown], 400)
    threshold = (metrics["threshold"] or {"threshold": 0.5})["threshold"]
    chance = "" if metrics["threshold"] else " (none was found to be best)"
    if len(truth.categories) == 1:
        curves, of = {kind: pooled_curve(truth, one) for kind, one in found.items()}, ""
    else:
        curves, of = curves_by_class(truth, found["int8"]), " of int8, by class"
    chosen = metrics["made"]["recipe"]["training"]["monitor"] != "none"
    return [
        (
            f"Precision over recall{of}",
            plot_precision_recall(curves),
        ),
        ("AP by size", plot_ap_by_size({kind: metrics[kind] for kind in found})),
        (
            f"What int8 finds from a score of {threshold:.2f} on{chance}",
            show_detections(pictures, truth.select(shown), found["int8"].select(shown), threshold=threshold),
        ),
        ("Training", plots.plot_history(read_json(run.folder / "history.json"), chosen=chosen)),
        ("Size of the files", plots.plot_sizes(metrics["sizes"])),
    ]


def _ap_sentence(metrics: dict[str, Any]) -> str:
    """What AP is, of which there are two kinds that are not to be mixed, and where to cut the scores."""
    int8, best = metrics["int8"], metrics["threshold"]
    text = (
        f"AP is {metrics['protocol']}, of {int8['truths']} objects in {int8['n']} images. By COCO's protocol (the mean "
        f"from IoU 0.50 to 0.95), which is another number, int8 has {100 * int8['coco']:.1f} %."
    )
    if best is None:
        return text
    return (
        f"{text} On the validation images F1 is best from a score of {best['threshold']:.2f} on: {best['f1']:.2f}, "
        f"with a precision of {best['precision']:.2f} and a recall of {best['recall']:.2f}."
    )


def _mistakes(run: Run, classes: list[str]) -> "Figure | None":
    with np.load(run.folder / "predictions.npz") as kept:
        paths, labels, scores = kept["paths"], kept["labels"], kept["int8"]
    worst = plots.worst_mistakes(scores, labels)
    if len(worst) == 0:
        return None
    root = source.locate(run.row.dataset, run.data_dir)
    images = load_images(root, paths[worst], preset("mbhelpers", run.row.resolution))
    return plots.show_predictions(images, labels[worst], scores[worst], classes)


def _provenance(metrics: dict[str, Any]) -> str:
    made = metrics["made"]
    images = made["data"]["images"]
    facts = {
        "command": made["command"],
        "data": f"{made['data']['dataset']}, {made['data']['source']}",
        "images": ", ".join(f"{n} {part}" for part, n in images.items()),
        "data fingerprint": made["data"]["fingerprint"][:16],
        "starting weights": made["start"].get("name", f"the {made['start'].get('model')} model"),
        "calibration images": made["calibration"]["images"],
        "seed": made["seed"],
        "training": f"{made['training_seconds']:.0f} s on {made['machine']['cores']} cores",
    }
    rows = "".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(str(v))}</dd>" for k, v in facts.items())
    return f"<dl>{rows}</dl>"


def _versions(metrics: dict[str, Any]) -> str:
    named = ", ".join(f"{name} {version}" for name, version in metrics["made"]["versions"].items())
    return paragraph(named, "small")
