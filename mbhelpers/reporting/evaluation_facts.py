"""An evaluation in tables and words; no drawing."""

from typing import Any

FLATTERS = (
    "The threshold that is best on these very images was chosen on them, so its figures flatter: choose it on "
    "validation images, and measure it on others."
)
"""What must be said beside a best threshold."""

COLOURS = "Blue: only the first is right. Orange: only the second is. Grey: neither is."
"""What the colours of `evaluation_plots.show_differences` mean."""


def summary_table(result: dict[str, Any]) -> list[dict[str, str]]:
    """What a model was measured to be, a line a measure: value, 95 % interval, n.

    Args:
        result: of `evaluation.files` or `evaluation.imagenet`.
    """
    found = result["calibration"]
    lines = [("top-1", result["top1"], result["interval"], " %")]
    if result["top5"] is not None:
        lines.append(("top-5", result["top5"], result.get("interval5"), " %"))
    lines.append(("macro-F1", result["macro_f1"], result["macro_f1_interval"], " %"))
    if found["ece"] is not None:
        lines.append(("calibration error (ECE)", found["ece"], found["interval"], " points"))
    return [
        {
            "measure": name,
            "value": f"{100 * value:.2f}{unit}",
            "95 % interval": _percent(interval),
            "n": f"{result['n']}",
        }
        for name, value, interval, unit in lines
    ]


def calibration_sentence(found: dict[str, Any]) -> str:
    """What the calibration of a model means, in words that claim no more than the images show."""
    if found["ece"] is None:
        return f"Calibration can't be measured: {found['reason']}."
    told = (
        f"On average it says {100 * found['mean_confidence']:.1f} % and is right in {100 * found['accuracy']:.1f} %; "
        f"its confidence is off by {100 * found['ece']:.1f} points (ECE). A perfectly calibrated model would stay "
        f"below {100 * found['by_chance']:.1f} points on 95 % of sets of {found['n']} images"
    )
    if found["ece"] <= found["by_chance"]:
        return f"{told}: these images don't show that it is not calibrated."
    side = "too sure" if found["mean_confidence"] > found["accuracy"] else "less sure than it could be"
    return f"{told}: this one is {side}."


def class_table(result: dict[str, Any]) -> list[dict[str, str]]:
    """Precision, recall and F1 of each class with their intervals; of ImageNet's classes what is counted of them."""
    if "precision" not in result["per_class"][0]:
        return [
            {"class": c["class"], "n": str(c["n"]), "top-1": str(c["correct"]), "top-5": str(c["correct5"])}
            for c in result["per_class"]
        ]

    def told(line: dict[str, Any], measure: str) -> str:
        return f"{100 * line[measure]:.1f} % ({_percent(line[f'{measure}_interval'])})" if line["n"] else "-"

    measures = {"precision": "precision", "recall": "recall", "F1": "f1"}
    return [
        {"class": line["class"], "n": str(line["n"])}
        | {name: told(line, measure) for name, measure in measures.items()}
        for line in result["per_class"]
    ]


def comparison_line(line: dict[str, Any]) -> dict[str, str]:
    """A line of the comparison as text: size, accuracy, the difference from the first, agreement, latency."""
    pair = line.get("paired")
    change = [100 * bound for bound in (pair["difference"], *pair["interval"])] if pair else []
    return {
        "model": line["model"],
        "KiB": f"{line['bytes'] / 1024:,.0f}",
        "top-1": f"{100 * line['top1']:.2f} % ({_percent(line['interval'])})",
        "against the first": "{:+.2f} ({:+.1f} to {:+.1f})".format(*change) if pair else "",
        "p": f"{pair['mcnemar_p']:.2f}" if pair else "",
        "same answer": f"{100 * pair['agreement']:.1f} %" if pair else "",
        "ECE": f"{100 * line['calibration']['ece']:.1f}" if line["calibration"]["ece"] is not None else "-",
        "ms": f"{line['latency_ms']:.2f} ± {line['latency_spread_ms']:.2f}",
    }


def _percent(interval: tuple[float, float] | None) -> str:
    return "{:.1f} to {:.1f}".format(*(100 * bound for bound in interval)) if interval else "-"
