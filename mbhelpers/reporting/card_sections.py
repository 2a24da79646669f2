"""The sections of a run's card: what it is, what it does, what it needs, how it was made, where it ends."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from mbhelpers.data import catalog
from mbhelpers.deployment.board_logs import Measured, check_macs
from mbhelpers.deployment.boards import (
    Network,
    boards,
    costs_of,
    estimate,
    published_latencies,
    published_memory,
)
from mbhelpers.deployment.footprint import KIB, Footprint, footprint
from mbhelpers.deployment.latency import Latency, measure
from mbhelpers.files import read_json, sha256
from mbhelpers.models.complexity import complexity
from mbhelpers.reporting import plots
from mbhelpers.reporting.card import PUBLISHED, measure_of, paired_sentence, summary_table
from mbhelpers.reporting.card_figures import accuracy_figures, example_figures
from mbhelpers.reporting.deployment_plots import plot_live
from mbhelpers.reporting.document import Block, Facts, Picture, Section, Table, Text
from mbhelpers.reporting.evaluation_facts import calibration_sentence
from mbhelpers.rows import VARIANTS, Row
from mbhelpers.runs import Run, machine

INT8 = "model_int8.tflite"


@cache
def time_here(model: Path) -> Latency:
    """Latency of a file on this machine, measured once a process, so that all that is written of it agrees."""
    return measure([model])[0]


def card_sections(folder: Path, run: Run | None, logs: Sequence[Measured]) -> list[Section]:
    """The card of one run, without its title.

    Args:
        folder: of the run.
        run: with where its pictures are; None shows none.
        logs: what was measured on a board.

    Raises:
        ValueError: a file of the run is missing or broken.
    """
    metrics = metrics_of(folder)
    accuracy: list[Block] = [Table(summary_table(metrics)), Text(paired_sentence(metrics))]
    if measure_of(metrics) == "AP":
        accuracy.append(Text(_ap_sentence(metrics)))
    if metrics["published"]:
        accuracy.append(Text(PUBLISHED["detector" if measure_of(metrics) == "AP" else "classifier"], "small"))
    if "calibration" in metrics["int8"]:  # not in the figures of runs that were evaluated before it was counted
        accuracy.append(Text(calibration_sentence(metrics["int8"]["calibration"])))
    accuracy += accuracy_figures(metrics)
    if run is not None and (folder / "predictions.npz").is_file():
        try:
            accuracy += example_figures(run, folder, metrics)
        except ValueError as error:  # the data has moved; the figures stand without its pictures
            accuracy.append(Text(f"Its pictures can't be shown: {error}", "small"))
    memory, latency = _board(folder, metrics, logs)
    return [
        Section("What it is", [Text(_description(metrics)), *(Text(text, "warning") for text in metrics["warnings"])]),
        Section("Accuracy", accuracy),
        Section("Memory", memory),
        Section("Latency", latency),
        Section("Data", _data(metrics, folder)),
        Section("How it was made", _making(metrics, folder)),
        Section("Limits", [Text(text) for text in _limits(metrics)]),
    ]


def _description(metrics: dict[str, Any]) -> str:
    row = Row.parse(metrics["row"])
    names = metrics["classes"]
    listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    what = "A detector: boxes, and what is in them" if row.detects else "A classifier of whole pictures"
    variant = f"; {VARIANTS[row.variant]}" if row.variant else ""
    return (
        f"{what}. {row.architecture}, width {row.alpha:g}, {row.resolution} px, for {len(names)} "
        f"class{'es' if len(names) > 1 else ''}: {listed}{variant}. The int8 file takes RGB pixels, uint8, "
        f"{row.resolution} x {row.resolution} x 3, as they are, and carries its class names and its preprocessing."
    )


def _board(folder: Path, metrics: dict[str, Any], logs: Sequence[Measured]) -> tuple[list[Block], list[Block]]:
    """What is said of memory and of latency."""
    model, network = model_of(folder), network_of(metrics["row"])
    if model is None:
        absent = f"{INT8} is not kept here, so nothing was counted or timed; {metrics['made']['command']} makes it."
        return [Text(absent)], [Text(absent)]
    if sha256(model) != metrics["sha256"].get(INT8):
        raise ValueError(
            f"{model} is not the file that {folder.name}'s metrics.json measured (its SHA-256 is another); get that "
            "one back, or evaluate again with mbhelpers run"
        )
    memory, macs = footprint(model), complexity(model).macs
    check_macs(logs, macs)
    told: list[Block] = [Table(_memory_lines(memory, network, logs)), Picture(plot_live(memory), "Live activations")]
    told.append(
        Text(
            "Counted from the file: weights and biases, and the activations by their lifetimes, depthwise layers in "
            f"place. The runtime's code and state come on top. {_published_for(network)}ST's accounts of detectors "
            "differ by version; notebook 41 compares them.",
            "small",
        )
    )
    return told, [
        Table(_latency_lines(model, memory, macs, network, logs)),
        Text(
            f"{macs / 1e6:,.1f} million multiply-accumulates an image. The time on this machine is the runtime's "
            f"alone, and of no board. {_published_for(network)}Estimates come from the published int8 rows of the "
            "board; their ± is the largest error on a row that was left out of the fit, and is not known where the "
            "network is smaller or larger than all of them.",
            "small",
        ),
    ]


def _published_for(network: Network) -> str:
    """What the published figures are of: a head for other classes has other weights."""
    if not (published_latencies(network) or published_memory(network)):
        return ""
    classes = costs_of(network)["classes"]
    return f"Published figures are of this network for {classes} class{'es' if classes > 1 else ''}. "


def _memory_lines(memory: Footprint, network: Network, logs: Sequence[Measured]) -> list[dict[str, str]]:
    def line(source: str, flash: float, ram: float) -> dict[str, str]:
        return {"source": source, "flash of weights": f"{flash:,.1f} KiB", "RAM of activations": f"{ram:,.1f} KiB"}

    found = [line("counted here", memory.flash / KIB, memory.ram / KIB)]
    for one in logs:
        if one.weights is not None and one.activations is not None:
            found.append(line(f"reported by {one.tool}, {one.file}", one.weights / KIB, one.activations / KIB))
    for card in published_memory(network):
        source = f"published: {card['series']}, STM32Cube.AI {card['stm32cubeai']}"
        found.append(line(source, float(card["weights_flash"]), float(card["activation_ram"])))
    return found


def _latency_lines(
    model: Path, memory: Footprint, macs: int, network: Network, logs: Sequence[Measured]
) -> list[dict[str, str]]:
    def line(where: str, ms: str, source: str) -> dict[str, str]:
        return {"where": where, "ms": ms, "source": source}

    here, computer = time_here(model), machine()
    found = [
        line(
            f"this machine ({computer['processor']}, {computer['system']})",
            f"{here.median:.2f} ± {here.spread:.2f}",
            f"measured: {here.runtime}, {here.threads} thread, median and half the quartiles' distance",
        )
    ]
    for one in logs:
        if one.latency_ms is not None:
            runs = f", mean of {one.runs}" if one.runs else ""
            where = one.board or f"your board ({one.file})"
            found.append(line(where, f"{one.latency_ms:,.2f}", f"measured: {one.tool}{runs}"))
    known = {card["board"] for card in published_latencies(network)}
    for board in (board for board in boards() if board not in known):
        guess = estimate(board, macs=macs, traffic=memory.traffic)
        reach = f"± {100 * guess.worst_error:.0f} %" if guess.known else "error unknown: outside the published networks"
        found.append(line(board, f"{guess.ms:,.0f}", f"estimated, {reach}"))
    for card in published_latencies(network):
        tool = card["runtime"] if card["runtime"][0].isalpha() else f"STM32Cube.AI {card['runtime']}"
        found.append(line(f"{card['board']}, {card['engine']}", card["latency_ms"], f"published: {tool}"))
    return found


def _data(metrics: dict[str, Any], folder: Path) -> list[Block]:
    made = metrics["made"]
    images = made["data"]["images"]
    facts = {
        "data": f"{made['data']['dataset']}, {made['data']['source']}",
        "images": ", ".join(f"{n:,} {part}" for part, n in images.items()),
        "fingerprint of images and split": made["data"]["fingerprint"],
        "calibration": f"{made['calibration']['images']} images of the {made['calibration']['part']} part",
    }
    if made["data"]["dataset"] in catalog.CATALOG:
        known = catalog.find(made["data"]["dataset"])
        facts |= {"licence": known.licence, "described at": known.homepage, "citation": known.citation}
    found: list[Block] = [Facts(facts)]
    if (folder / "split.json").is_file() and measure_of(metrics) != "AP":
        counts = read_json(folder / "split.json")["counts"]
        found.append(Picture(plots.plot_counts(counts), "Images per class and part"))
    return found


def _making(metrics: dict[str, Any], folder: Path) -> list[Block]:
    made = metrics["made"]
    facts = {
        "command": made["command"],
        "starting weights": str(made["start"].get("name", f"the {made['start'].get('model')} model")),
        "seed": str(made["seed"]),
        "training": f"{made['training_seconds']:,.0f} s on {made['machine']['cores']} cores",
        "versions": ", ".join(f"{name} {version}" for name, version in made["versions"].items()),
    }
    found: list[Block] = [Facts(facts)]
    if (folder / "history.json").is_file():
        chosen = made["recipe"].get("monitor", made["recipe"].get("training", {}).get("monitor")) != "none"
        found.append(Picture(plots.plot_history(read_json(folder / "history.json"), chosen=chosen), "Training"))
    found.append(Picture(plots.plot_sizes(metrics["sizes"]), "Size of the files"))
    found.append(Facts({key: _short(value) for key, value in made["recipe"].items()}, "The whole recipe"))
    found.append(Facts(dict(metrics["sha256"]), "SHA-256 of the files"))
    return found


def _limits(metrics: dict[str, Any]) -> list[str]:
    """What the figures don't say."""
    n = metrics["int8"]["n"]
    found = [
        f"The accuracy is that of {n:,} images of the same origin as those it learned from. Other cameras, places or "
        "light are not among them: measure it on pictures of your own before you rely on it (mbhelpers evaluate).",
        "It finds nothing that it was not shown, and may take other things for it."
        if measure_of(metrics) == "AP"
        else "Whatever a picture shows, it answers with one of its classes.",
    ]
    if metrics["made"]["data"]["dataset"] in ("coco_person", "coco2017_person"):
        found.append("It tells persons, not who they are; it was not examined for how it treats different people.")
    return found


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


def model_of(folder: Path) -> Path | None:
    """The int8 file of a run; None where only its figures are kept."""
    path = folder / INT8
    return path if path.is_file() else None


def metrics_of(folder: Path) -> dict[str, Any]:
    """The figures of a run.

    Raises:
        ValueError: they are missing, no JSON, or not those of a run.
    """
    path = folder / "metrics.json"
    metrics = read_json(path)
    wanted = ("row", "classes", "float", "int8", "paired", "published", "sizes", "sha256", "made", "warnings")
    if not isinstance(metrics, dict) or (absent := [key for key in wanted if key not in metrics]):
        lacks = "is no run's" if not isinstance(metrics, dict) else f"lacks {', '.join(absent)}"
        raise ValueError(f"{path} {lacks}; delete it, and evaluate again with mbhelpers run")
    return metrics


def network_of(row: str) -> Network:
    """Architecture, width and resolution of a row, which published figures go by."""
    parsed = Row.parse(row)
    return parsed.architecture, parsed.alpha, parsed.resolution


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
