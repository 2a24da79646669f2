"""The model card of a run, or of several, as HTML or Markdown; and its figures for a program."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mbhelpers.deployment.board_logs import Measured
from mbhelpers.deployment.boards import boards, estimate, published_latencies, published_memory
from mbhelpers.deployment.footprint import KIB, footprint
from mbhelpers.files import read_json
from mbhelpers.models.complexity import complexity
from mbhelpers.reporting.card import measure_of, summary_table
from mbhelpers.reporting.card_sections import INT8, card_sections, metrics_of, model_of, network_of, time_here
from mbhelpers.reporting.document import Section, Table, write_html, write_markdown
from mbhelpers.rows import Row
from mbhelpers.runs import Run, machine


def write_card(
    folders: Sequence[Path | str],
    *paths: Path,
    logs: Sequence[Measured] = (),
    run: Run | None = None,
    title: str = "",
) -> tuple[Path, ...]:
    """Write the card of some runs. It measures the latency of each int8 file on this machine on the way.

    Args:
        folders: of runs, or folders that hold runs' folders; each has `metrics.json` and `model_int8.tflite`.
        *paths: the files to write: .html, with everything inside one file, or .md, with a folder of figures beside it.
        logs: what was measured on a board, of the only run.
        run: the run that the only folder is of; else it is what `row.json` there says. Its pictures are shown if its
            data is there.
        title: of a card of several runs; how many they are if not given.

    Raises:
        ValueError: a folder holds no run, a file of it is missing or broken, or logs come with several runs.
    """
    if strange := [path for path in paths if path.suffix not in _WRITERS]:
        raise ValueError(f"a card is an .html or an .md file, not {strange[0].name}")
    found = run_folders(folders)
    if logs and len(found) > 1:
        raise ValueError(f"a board's log is about one model; {len(found)} runs were given: make a card for each")
    cards = [card_sections(folder, run or run_of(folder), logs) for folder in found]
    if len(cards) == 1:
        title, sections = str(metrics_of(found[0])["row"]), cards[0]
    else:
        title = title or f"{len(found)} models"
        sections = [Section("Side by side", [Table([_line(folder) for folder in found])])]
        for folder, card in zip(found, cards, strict=True):
            name = metrics_of(folder)["row"]
            sections += [Section(name, []), *(replace(section, level=section.level + 1) for section in card)]
    for path in paths:
        _WRITERS[path.suffix](path, title, sections)
    return paths


_WRITERS = {".html": write_html, ".md": write_markdown}


def run_folders(folders: Sequence[Path | str]) -> list[Path]:
    """The folders of evaluated runs among some folders and what is below them, in the order of their names.

    What lies in a run's folder, such as what quantization-aware training made of it, is no other run.

    Raises:
        ValueError: there is no such folder, or no run in it.
    """
    found = []
    for folder in (Path(folder).resolve() for folder in folders):
        if not folder.is_dir():
            raise ValueError(
                f"no folder at {folder}; pass that of a run, such as results/flowers/mobilenet_v2_0.35_128_tl"
            )
        levels = ("", "*/", "*/*/", "*/*/*/")  # a run, a data set's, a folder of all runs, one of several such
        here = sorted({file.parent for level in levels for file in folder.glob(f"{level}metrics.json")})
        if not here:
            raise ValueError(f"{folder} holds no metrics.json, so no evaluated run; `mbhelpers run ROW` makes one")
        runs = [place for place in here if not any(other in place.parents for other in here)]
        found += [place for place in runs if place not in found]
    return found


def run_of(folder: Path) -> Run | None:
    """The run whose folder it is, by its `row.json`; None where that is not kept, as in `results/`."""
    if not (folder / "row.json").is_file():
        return None
    held = read_json(folder / "row.json")
    row = Row.parse(held["row"])
    data = None if held["data"] == "fetched" else held["data"]
    return Run(row, data, held["weights"], folder.parents[1], held["seed"], held["smoke"], held.get("recipe", "ours"))


def figures_of(folder: Path, logs: Sequence[Measured] = ()) -> dict[str, Any]:
    """Accuracy, memory and time of a run's int8 file beside the published ones, as a program reads them.

    Args:
        folder: of the run.
        logs: what was measured on a board.

    Returns:
        row, measure, accuracy (float and int8, with n and interval), paired, made, what is published, and on_boards;
        where the model is kept also macs, footprint in bytes, and latency here and estimated by board.

    Raises:
        ValueError: `metrics.json` is missing or broken, or the model is.
    """
    metrics, model = metrics_of(folder), model_of(folder)
    network = network_of(metrics["row"])
    measured = "ap" if measure_of(metrics) == "AP" else "top1"
    told: dict[str, Any] = {
        "row": metrics["row"],
        "measure": measure_of(metrics),
        "accuracy": {
            kind: {"value": metrics[kind][measured], "n": metrics[kind]["n"], "interval": metrics[kind]["interval"]}
            for kind in ("float", "int8")
        },
        "paired": metrics["paired"],
        "made": metrics["made"],
        "published": {
            "accuracy_percent": metrics["published"],
            "memory_kib": published_memory(network),
            "latency": published_latencies(network),
        },
        "on_boards": [one.to_json() for one in logs],
    }
    if model is None:
        return told
    memory, macs = footprint(model), complexity(model).macs
    guesses = [estimate(board, macs=macs, traffic=memory.traffic) for board in boards() if memory.integer]
    return told | {
        "macs": macs,
        "footprint": {key: value for key, value in memory.to_json().items() if key != "steps"},
        "latency": {
            "here": time_here(model).to_json() | {"machine": machine()},
            "estimates": {one.board: asdict(one) for one in guesses},
        },
    }


def _line(folder: Path) -> dict[str, str]:
    """A run among others."""
    metrics, model = metrics_of(folder), model_of(folder)
    told = {line["file"]: line for line in summary_table(metrics)}
    measured = measure_of(metrics)
    memory = footprint(model) if model else None
    return {
        "row": metrics["row"],
        "measure": measured,
        "float": told["model.keras"][measured],
        "int8": told[INT8][measured],
        "95 % interval": told[INT8]["95 % interval"],
        "n": told[INT8]["n"],
        "published": told[INT8]["published"],
        "flash": f"{memory.flash / KIB:,.0f} KiB" if memory else "-",
        "RAM": f"{memory.ram / KIB:,.0f} KiB" if memory else "-",
    }
