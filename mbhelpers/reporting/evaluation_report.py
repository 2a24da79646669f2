"""An evaluation as files: the result, every answer, and a page with tables and figures."""

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mbhelpers.data.pipeline import load_images
from mbhelpers.evaluation.answers import Answers, write_predictions
from mbhelpers.files import write_json
from mbhelpers.preprocessing import preset
from mbhelpers.reporting import plots
from mbhelpers.reporting.evaluation_facts import (
    COLOURS,
    FLATTERS,
    calibration_sentence,
    class_table,
    comparison_line,
    summary_table,
)
from mbhelpers.reporting.evaluation_plots import plot_reliability, plot_thresholds, show_differences, show_worst
from mbhelpers.reporting.page import details, paragraph, picture, table, write_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIDE, _SHOWN = 160, 24  # of the images on which models part


def write_evaluation(result: dict[str, Any], answers: Answers, folder: Path) -> Path:
    """Write evaluation.json, predictions.csv and report.html; returns the report.

    Args:
        result: of `measure_file` or `measure_imagenet`.
        answers: likewise.
        folder: made where it is missing; other files in it stay.
    """
    write_json(folder / "evaluation.json", result)
    write_predictions(answers, folder / "predictions.csv")
    lines = class_table(result)
    classes = table(lines)
    body = [
        paragraph(f"{result['kind']}, {result['resolution']} px, {result['preprocessing']}; n = {result['n']} images"),
        *(paragraph(text, "warning") for text in result["warnings"]),
        table(summary_table(result)),
        paragraph(calibration_sentence(result["calibration"])),
    ]
    body += [_figure(title, figure) for title, figure in _figures(result, answers) if figure]
    if (result.get("thresholds") or {}).get("curve"):
        body.append(paragraph(FLATTERS, "small"))
    elif result.get("thresholds"):
        body.append(paragraph(f"No threshold curve: {result['thresholds']['reason']}."))
    body += ["<h2>Each class</h2>", classes if len(lines) <= plots.MANY else details(f"{len(lines)} classes", classes)]
    return write_page(folder / "report.html", result["model"], body)


def _figures(result: dict[str, Any], answers: Answers) -> "list[tuple[str, Figure | None]]":
    named = {result["model"]: result}
    thresholds = result.get("thresholds") or {}
    calibrated = result["calibration"]["ece"] is not None
    folder = "confusion" in result
    return [
        ("Accuracy", plots.plot_accuracy(named)),
        ("Recall of each class", plots.plot_per_class(named) if folder else None),
        ("What is taken for what", plots.plot_confusion(named, result["classes"]) if folder else None),
        ("Can its confidence be believed?", plot_reliability({"": result["calibration"]}) if calibrated else None),
        ("Surest mistakes", show_worst(answers)),
        ("Another threshold", plot_thresholds(thresholds) if "curve" in thresholds else None),
    ]


def write_comparison(found: list[dict[str, Any]], data: Path, folder: Path) -> Path:
    """Write comparison.json and report.html with the images on which files differ from the first; returns the report.

    Args:
        found: of `compare_files`.
        data: the folder of the images.
        folder: made where it is missing; other files in it stay.
    """
    write_json(folder / "comparison.json", found)
    first = found[0]
    body = [paragraph(f"{line['model']}: {text}", "warning") for line in found for text in line["warnings"]]
    body += [
        table([comparison_line(line) for line in found]),
        _figure("Accuracy", plots.plot_accuracy({line["model"]: line for line in found})),
    ]
    calibrated = {line["model"]: line["calibration"] for line in found if line["calibration"]["ece"] is not None}
    if calibrated:
        body.append(_figure("Can their confidence be believed?", plot_reliability(calibrated)))
    for line in found[1:]:
        listed = line["differ"]["listed"][:_SHOWN]
        body.append(paragraph(f"{line['model']} differs from {first['model']} on {line['differ']['n']} images."))
        if listed:
            images = load_images(data, [one["file"] for one in listed], preset("mbhelpers", _SIDE))
            title = f"Where {line['model']} (2) differs from {first['model']} (1)"
            body.append(_figure(title, show_differences(images, listed, ("1", "2"))))
            shown = f"{len(listed)} of {line['differ']['n']} images, those that the first file is surest of first."
            body.append(paragraph(f"{shown} {COLOURS}", "small"))
    return write_page(folder / "report.html", f"{len(found)} files on the same {first['n']} images", body)


def _figure(title: str, figure: "Figure") -> str:
    return f"<h2>{html.escape(title)}</h2>{picture(figure, title)}"
