"""All rows of a batch as one table, with a figure and a card."""

import csv
from io import StringIO
from pathlib import Path
from typing import Any

from mbhelpers import settings
from mbhelpers.batch.jobs import Job, is_done, last_outcome, with_needed
from mbhelpers.files import read_json, replacing
from mbhelpers.rows import Row, published_table

ASKED = "grid.json"
"""In a batch's folder: what was asked. What was made is told by the files alone."""

COLUMNS = (
    "row",
    "status",
    "measure",
    "float",
    "float_low",
    "float_high",
    "int8",
    "int8_low",
    "int8_high",
    "n",
    "published_float",
    "published_int8",
    "flash_kib",
    "ram_kib",
    "seed",
    "seconds",
    "peak_mib",
)
"""Of the table. Accuracies, their 95 % intervals and published figures are in percent."""

OF_TIME = ("seconds", "peak_mib")
"""Columns that differ from one making to the next; the others do not."""


def read_jobs(out: Path) -> list[Job]:
    """The jobs that were asked for in a batch's folder.

    Raises:
        ValueError: it is none.
    """
    if not (out / ASKED).is_file():
        raise ValueError(f"{out} holds no {ASKED}, so no batch; `mbhelpers rerun GRID --out {out}` makes one")
    return [Job.from_json(one) for one in read_json(out / ASKED)["jobs"]]


def collect(out: Path) -> list[dict[str, Any]]:
    """One line a row of a batch, from the files alone.

    Args:
        out: the batch's folder.

    Returns:
        Lines with `COLUMNS`; None where a figure is not there. `status` is done, failed (it, or something that it
        needs) or waiting; `seconds` sums the row's jobs, `peak_mib` is the largest of their workers'.

    Raises:
        ValueError: the folder holds no batch.
    """
    jobs = read_jobs(out)
    by_row: dict[str, list[Job]] = {name: [] for name in read_json(out / ASKED)["rows"]}
    for job in jobs:
        if job.row in by_row:
            by_row[job.row].append(job)
    return [_line(row, of_row, with_needed(of_row, jobs), out) for row, of_row in by_row.items()]


def _line(row: str, jobs: list[Job], needed: list[Job], out: Path) -> dict[str, Any]:
    line: dict[str, Any] = dict.fromkeys(COLUMNS)
    line["row"] = row
    outcomes = [found for job in jobs if (found := last_outcome(job, out))]
    if all(is_done(job, out) for job in jobs):
        line["status"] = "done"
    else:
        ended = [found for job in needed if not is_done(job, out) and (found := last_outcome(job, out))]
        line["status"] = "failed" if any(found.state != "done" for found in ended) else "waiting"
    if outcomes:
        line["seconds"] = round(sum(found.seconds for found in outcomes), 1)
        line["peak_mib"] = max((found.peak_mib for found in outcomes if found.peak_mib is not None), default=None)
    line["seed"] = jobs[0].parameters.get("seed") if jobs else None
    folder = out / row
    if (folder / "metrics.json").is_file():
        line |= _measured(folder)
    elif kept := sorted(folder.glob("imagenet/*/accuracy.json")):
        line |= _measured_on_imagenet(kept[0].parent)
        asked = jobs[0].parameters
        if not asked.get("smoke") and settings.SAMPLE not in (asked.get("data_dir"), asked.get("weights")):
            line |= _published_on_imagenet(row)
    return line


def _measured(folder: Path) -> dict[str, Any]:
    """Figures of a trained row."""
    metrics = read_json(folder / "metrics.json")
    key = "ap" if "ap" in metrics["int8"] else "top1"
    found = {"measure": "AP" if key == "ap" else "top-1", "n": metrics["int8"]["n"]}
    for kind in ("float", "int8"):
        found |= _percent(kind, metrics[kind][key], metrics[kind]["interval"])
        found[f"published_{kind}"] = metrics["published"].get(kind)
    return found | _footprint(folder)


def _measured_on_imagenet(folder: Path) -> dict[str, Any]:
    """Figures of published weights, as notebook 24 leaves them."""
    kept = read_json(folder / "accuracy.json")
    found: dict[str, Any] = {"measure": "top-1", "n": kept["results"]["int8"]["n"]}
    for kind in ("float", "int8"):
        found |= _percent(kind, kept["results"][kind]["top1"], kept["results"][kind]["interval"])
    return found | _footprint(folder)


def _published_on_imagenet(row: str) -> dict[str, Any]:
    """What TF-slim printed for a network; nothing where it did not."""
    network = Row.parse(f"custom/{row.partition('/')[2]}")
    plain = network.architecture.removesuffix("_minimalistic")
    flavour = "minimalistic" if plain != network.architecture else "standard"
    found: dict[str, Any] = {}
    for name in ("imagenet_mobilenet_v2", "imagenet_mobilenet_v3", "imagenet_mobilenet_edgetpu"):
        for line in published_table(name):
            if line["architecture"] != plain or float(line["alpha"]) != network.alpha:
                continue
            if int(line.get("resolution", 224)) == network.resolution and line.get("flavour", flavour) == flavour:
                kind = "int8" if line.get("format") == "8-bit" else "float"
                found[f"published_{kind}"] = float(line["top1_percent"])
    return found


def _percent(kind: str, share: float, interval: list[float]) -> dict[str, float]:
    low, high = interval
    return {kind: round(100 * share, 3), f"{kind}_low": round(100 * low, 3), f"{kind}_high": round(100 * high, 3)}


def _footprint(folder: Path) -> dict[str, float]:
    """Flash and RAM of the int8 file, counted from the file alone."""
    from mbhelpers.deployment.footprint import KIB, footprint

    memory = footprint(folder / "model_int8.tflite")
    return {"flash_kib": round(memory.flash / KIB, 2), "ram_kib": round(memory.ram / KIB, 2)}


def write_table(out: Path, lines: list[dict[str, Any]], *, card: bool = True) -> tuple[Path, ...]:
    """Write `table.csv`, a figure of it, and the card of the rows that were trained.

    Nothing is written again that would come out the same.

    Args:
        out: the batch's folder.
        lines: of the table.
        card: whether to write the card, which takes longest.

    Returns:
        The files that are there now.
    """
    table = out / "table.csv"
    text = _csv(lines)
    before = table.read_text(encoding="utf-8") if table.is_file() else ""
    folders = [out / line["row"] for line in lines if (out / line["row"] / "metrics.json").is_file() and card]
    wanted = [table]
    wanted += [out / "table.png"] if any(line["int8"] is not None for line in lines) else []
    wanted += [out / "card.html", out / "card.md"] if folders else []
    if text == before and all(path.is_file() for path in wanted):
        return tuple(wanted)
    if folders:
        from mbhelpers.reporting.model_card import write_card

        name = read_json(out / ASKED)["grid"]
        write_card(folders, out / "card.html", out / "card.md", title=f"{name}: {len(folders)} of {len(lines)} rows")
    if out / "table.png" in wanted:
        import matplotlib.pyplot as plt

        from mbhelpers.reporting.batch_plots import plot_batch

        figure = plot_batch(lines)
        with replacing(out / "table.png") as temporary:
            figure.savefig(temporary, dpi=150)
        plt.close(figure)  # or a notebook would show it
    with replacing(table) as temporary:  # the last, so that it stands for all of them
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return tuple(wanted)


def _csv(lines: list[dict[str, Any]]) -> str:
    stream = StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue()


def read_table(path: Path) -> list[dict[str, Any]]:
    """A table that was written here: numbers as numbers, None for what is not there.

    Raises:
        ValueError: it is missing, or has other columns.
    """
    if not path.is_file():
        raise ValueError(f"no table at {path}; `mbhelpers rerun GRID` makes one")
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path} has other columns than a batch's table: {', '.join(reader.fieldnames or ())}")
        words = ("row", "status", "measure")
        return [
            {key: (value or None) if key in words else _number(value) for key, value in line.items()} for line in reader
        ]


def _number(text: str) -> float | int | None:
    return None if not text else int(text) if text.isdigit() else float(text)


def comparable(metrics: dict[str, Any]) -> dict[str, Any]:
    """What `metrics.json` says of a row, less times and the hashes of files that hold them.

    Of one seed, data and thread count, `mbhelpers run` and a batch give the same.
    """
    kept = {key: value for key, value in metrics.items() if key not in ("sha256", "sizes")}
    made = {key: value for key, value in metrics["made"].items() if key != "training_seconds"}
    return kept | {"made": {key: _without_hashes(value) for key, value in made.items()}}


def _without_hashes(value: Any) -> Any:
    """A teacher's and a start's file hold times too."""
    return {key: one for key, one in value.items() if key != "sha256"} if isinstance(value, dict) else value
