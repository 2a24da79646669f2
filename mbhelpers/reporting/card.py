"""The card of a run: one HTML file with its figures inside, readable offline, in light and dark."""

import base64
import html
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mbhelpers.data import source
from mbhelpers.data.pipeline import load_images
from mbhelpers.files import read_json, replacing
from mbhelpers.preprocessing import preset
from mbhelpers.reporting import plots
from mbhelpers.rows import VARIANTS
from mbhelpers.runs import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --line: #ccc; --soft: #f3f5f7; --warn: #fff3d6; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --paper: #16181b; --line: #444; --soft: #22262b; --warn: #4a3a10; }
  img { background: #fff; border-radius: 4px; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .9rem .35rem 0; text-align: right; }
th:first-child, td:first-child { text-align: left; }
h1 { overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem; }
dd { margin: 0; overflow-wrap: anywhere; }
img { max-width: 100%; height: auto; }
code { background: var(--soft); padding: .1rem .3rem; overflow-wrap: anywhere; }
.warning { background: var(--warn); padding: .6rem .9rem; }
.small { font-size: .88rem; }
"""


FILES = {"float": "model.keras", "float_tflite": "model_float.tflite", "int8": "model_int8.tflite"}
"""The files that a run measures, in the order of the table."""


def summary_table(metrics: dict[str, Any]) -> list[dict[str, str]]:
    """The card's table, ready to print: float in Keras and in LiteRT, and int8.

    Args:
        metrics: what `stages.evaluate` gives.

    Returns:
        Lines with the columns model, top-1, 95 % interval, n, published, file, size.
    """
    lines = []
    for kind, file in FILES.items():
        result = metrics[kind]
        low, high = (f"{100 * bound:.1f}" for bound in result["interval"])
        value = metrics["published"].get(kind)
        lines.append(
            {
                "model": kind.replace("_tflite", " in LiteRT"),
                "top-1": f"{100 * result['top1']:.1f} %",
                "95 % interval": f"{low} to {high} %",
                "n": str(result["n"]),
                "published": f"{value:.1f} %" if value is not None else "-",
                "file": file,
                "size": f"{metrics['sizes'][file] / 1024:,.0f} KiB",
            }
        )
    return lines


def paired_sentence(metrics: dict[str, Any]) -> str:
    """What int8 costs, in words that claim no more than the images show."""
    pair = metrics["paired"]
    low, high = (100 * bound for bound in pair["interval"])
    if pair["inside_noise"]:
        verdict = "the interval holds zero: on these images the two can't be told apart"
    elif pair["mcnemar_p"] < 0.05:
        verdict = "the interval leaves out zero: more than chance would usually make it"
    else:
        verdict = "the interval just leaves out zero, the test does not: borderline"
    p = f"= {pair['mcnemar_p']:.2f}" if pair["mcnemar_p"] >= 0.01 else "< 0.01"
    return (
        f"int8 minus float on the same {pair['n']} images: {100 * pair['difference']:+.1f} points "
        f"(95 % interval {low:+.1f} to {high:+.1f}; {pair['only_first']} images only float got right, "
        f"{pair['only_second']} only int8; McNemar p {p}); {verdict}."
    )


def write_card(run: Run, path: Path) -> Path:
    """Draw the card of an evaluated run.

    Args:
        run: its folder holds split.json, history.json, metrics.json and predictions.npz.
        path: the HTML file to write.
    """
    metrics = read_json(run.folder / "metrics.json")
    split = read_json(run.folder / "split.json")
    results = {kind: metrics[kind] for kind in ("float", "int8")}
    published = metrics["published"]
    figures = [
        ("Accuracy on the test part", plots.plot_accuracy(results, published)),
        ("Recall of each class", plots.plot_per_class(results)),
        ("What is taken for what", plots.plot_confusion(results, metrics["classes"])),
        ("Surest mistakes of the int8 model", _mistakes(run, metrics["classes"])),
        ("Images per class and part", plots.plot_counts(split["counts"])),
        ("Training", plots.plot_history(read_json(run.folder / "history.json"))),
        ("Size of the files", plots.plot_sizes(metrics["sizes"])),
    ]
    body = [
        f"<h1>{html.escape(metrics['row'])}</h1>",
        f"<p>{html.escape(VARIANTS[run.row.variant])}.</p>",
        *(f'<p class="warning">{html.escape(text)}</p>' for text in metrics["warnings"]),
        _table(summary_table(metrics)),
        f"<p>{html.escape(paired_sentence(metrics))}</p>",
    ]
    if published:
        body.append(
            '<p class="small">Published figures are the authors\' own, on a validation split that also picked their '
            "checkpoint; ours are measured on a test part that nothing was selected on.</p>"
        )
    body += [
        f'<h2>{html.escape(title)}</h2><img alt="{html.escape(title)}" src="{_png(f)}">' for title, f in figures if f
    ]
    body += ["<h2>How it was made</h2>", _provenance(metrics), _versions(metrics)]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(metrics['row'])}</title><style>{_STYLE}</style></head><body>"
        + "\n".join(body)
        + "</body></html>\n"
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _mistakes(run: Run, classes: list[str]) -> "Figure | None":
    with np.load(run.folder / "predictions.npz") as kept:
        paths, labels, scores = kept["paths"], kept["labels"], kept["int8"]
    worst = plots.worst_mistakes(scores, labels)
    if len(worst) == 0:
        return None
    root = source.locate(run.row.dataset, run.data_dir)
    images = load_images(root, paths[worst], preset("mbhelpers", run.row.resolution))
    return plots.show_predictions(images, labels[worst], scores[worst], classes)


def _table(lines: list[dict[str, str]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in lines[0])
    rows = ("".join(f"<td>{html.escape(v)}</td>" for v in line.values()) for line in lines)
    return f"<table><tr>{head}</tr>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"


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
    return f'<p class="small">{html.escape(named)}</p>'


def _png(figure: "Figure") -> str:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, bbox_inches="tight")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
