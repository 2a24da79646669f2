"""Published figures of boards: beside what is counted here, and as a rough estimate for other networks."""

import csv
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from mbhelpers.detection.anchors import make_anchors
from mbhelpers.rows import published_table

COSTS = Path(str(resources.files("mbhelpers") / "deployment" / "costs.csv"))
"""What the published networks cost; `benchmarks/costs.py` makes it."""

LEAST_ROWS = 3
"""Published rows that a board must have for an estimate; two coefficients are fitted."""

Network = tuple[str, float, int]
"""Architecture, width, resolution."""


@dataclass(frozen=True)
class Estimate:
    """What a network may take on a board, by the rows that were published for it.

    Attributes:
        board: its name.
        ms: the estimate for one inference.
        known: whether its work lies within that of the published networks; if not, the errors below say little.
        mean_error: share by which published rows are missed if each is estimated from the others, on average.
        worst_error: the largest of these.
        rows: how many were published.
        ns_per_mac: what a multiply-accumulate takes.
        ns_per_byte: what a byte read or written takes.
    """

    board: str
    ms: float
    known: bool
    mean_error: float
    worst_error: float
    rows: int
    ns_per_mac: float
    ns_per_byte: float


@dataclass(frozen=True)
class MemoryFigure:
    """One published memory figure, and what is counted here. In KiB.

    Attributes:
        network: architecture, width, resolution.
        tool: version of STM32Cube.AI that it was published for.
        kind: "flash" of weights and biases, or "RAM" of the activations.
        published: as printed.
        counted: by the account of `footprint`, with its defaults.
        closest: by the way of laying things out that comes nearest.
        way: that way, in words.
        explanation: why the two differ, where they do by more than what can be expected; else empty.
    """

    network: Network
    tool: str
    kind: str
    published: float
    counted: float
    closest: float
    way: str
    explanation: str

    @property
    def percent(self) -> float:
        """By how much the default account is off."""
        return 100 * (self.counted / self.published - 1)

    @property
    def closest_percent(self) -> float:
        """By how much the closest way is off."""
        return 100 * (self.closest / self.published - 1)


def boards() -> tuple[str, ...]:
    """Boards with so many published rows that a latency can be estimated."""
    names = [line["board"] for line in published_table("latency_ms")]
    return tuple(name for name in dict.fromkeys(names) if names.count(name) >= LEAST_ROWS and _one_engine(name))


def published_latencies(network: Network) -> list[dict[str, str]]:
    """The published lines of a network, in the order of the cards: board, engine, latency_ms, ..."""
    return [line for line in published_table("latency_ms") if _network(line) == network]


def published_memory(network: Network) -> list[dict[str, str]]:
    """The published memory figures of a network in KiB, one line for each version of the tool."""
    return [line for line in published_table("memory_footprint_kib") if _network(line) == network]


def estimate(board: str, *, macs: int, traffic: int) -> Estimate:
    """Estimate the latency of an int8 network on a board from the networks whose latency was published for it.

    Time is taken to be so much for each multiply-accumulate and so much for each byte read or written, neither
    negative, fitted on relative errors. It is for networks of the same kinds of layers and of a similar size; an engine
    that lacks one of the layers will be far off.

    Args:
        board: a name from `boards()`.
        macs: of one inference, as `models.complexity` counts them.
        traffic: bytes, as `footprint` counts them.

    Raises:
        ValueError: another board.
    """
    if board not in boards():
        raise ValueError(f"no estimate for board {board!r}: with enough published rows there are {', '.join(boards())}")
    lines = [line for line in published_table("latency_ms") if line["board"] == board]
    costs = [costs_of(_network(line)) for line in lines]
    work = np.array([[cost["macs"], cost["traffic"]] for cost in costs], float)
    times = np.array([float(line["latency_ms"]) for line in lines])
    errors = []
    for k in range(len(times)):
        others = np.arange(len(times)) != k
        errors.append(abs(work[k] @ _fit(work[others], times[others]) / times[k] - 1))
    per_mac, per_byte = _fit(work, times)
    return Estimate(
        board,
        float(per_mac * macs + per_byte * traffic),
        bool(work[:, 1].min() <= traffic <= work[:, 1].max()),
        float(np.mean(errors)),
        float(max(errors)),
        len(times),
        float(1e6 * per_mac),
        float(1e6 * per_byte),
    )


def _fit(work: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Milliseconds for each multiply-accumulate and each byte, (2,), by least squares of the relative errors."""
    scale = work.mean(axis=0)  # the two are of different sizes
    return nnls(work / scale / times[:, None], np.ones(len(times)))[0] / scale


def costs_of(network: Network) -> dict[str, int]:
    """Multiply-accumulates, and bytes of memory, of a published network.

    Raises:
        ValueError: another network.
    """
    if network not in _costs():
        raise ValueError(f"{network} is none of the published networks; `mbhelpers footprint` counts any file")
    return _costs()[network]


@cache
def _costs() -> dict[Network, dict[str, int]]:
    with COSTS.open(encoding="utf-8") as stream:
        return {
            _network(line): {key: int(line[key]) for key in line if key not in ("architecture", "alpha", "resolution")}
            for line in csv.DictReader(stream)
        }


_WAYS = {
    "ram": "depthwise layers in place, outputs in the arena",
    "ram_no_overlap": "outputs in the arena",
    "ram_outputs_apart": "depthwise layers in place, outputs apart",
    "ram_no_overlap_outputs_apart": "outputs apart",
}

_NO_LESS = (
    "less than weights and biases alone, 1,038.7 KiB, so no account of this network can give it; version 10.0.0 "
    "published what we count"
)
_BIGGER = (
    "the published arena is what comes out if depthwise layers have memory of their own and the outputs, floats, are "
    "kept apart from it all the time; for 416 px the same version published less, as if they were inside"
)
_AS_BEFORE = "the card repeats the figure of version 9.1.0, of which see there"
_EXPLAINED = {
    ("9.1.0", 192, "flash"): _NO_LESS,
    ("9.1.0", 224, "flash"): _NO_LESS,
    ("9.1.0", 256, "flash"): _NO_LESS,
    ("9.1.0", 192, "RAM"): _BIGGER + "; version 10.0.0 published 521.2 for the same file",
    ("9.1.0", 224, "RAM"): _BIGGER,
    ("9.1.0", 256, "RAM"): _BIGGER,
    ("10.0.0", 224, "RAM"): _AS_BEFORE,
    ("10.0.0", 256, "RAM"): _AS_BEFORE,
    ("10.0.0", 416, "RAM"): "between what our accounts give with the outputs in the arena and apart; not found out",
}


def memory_figures() -> tuple[MemoryFigure, ...]:
    """Every published memory figure beside what is counted for the same network, built here (`benchmarks/costs.py`).

    A detector's anchors are int8 in files that ST converted, which STM32Cube.AI stores as such up to version 9 and as
    floats from 10 on. Which way of laying out the activations fits was looked for after the figures were seen.
    """
    found = []
    for line in published_table("memory_footprint_kib"):
        network, tool = _network(line), line["stm32cubeai"]
        cost = costs_of(network)
        flash = _flash(network, cost, floats=int(tool.split(".")[0]) >= 10)
        published = float(line["weights_flash"])
        known = tool, network[2]
        found.append(
            MemoryFigure(network, tool, "flash", published, flash, flash, "", _EXPLAINED.get((*known, "flash"), ""))
        )
        published = float(line["activation_ram"])
        ways = {key: cost[key] / 1024 for key in _WAYS}
        best = min(ways, key=lambda key: round(abs(math.log(ways[key] / published)), 3))  # of like ones the first
        why = _EXPLAINED.get((*known, "RAM"), "")
        found.append(MemoryFigure(network, tool, "RAM", published, ways["ram"], ways[best], _WAYS[best], why))
    return tuple(found)


def _flash(network: Network, cost: dict[str, int], *, floats: bool) -> float:
    """Weights, biases and anchors in KiB; our own files hold the anchors as floats."""
    bytes_ = cost["weights"] + cost["biases"]
    if network[0].startswith("ssd_") and not floats:
        bytes_ -= 3 * 4 * len(make_anchors(network[2]))
    return bytes_ / 1024


def _network(line: dict[str, Any]) -> Network:
    return line["architecture"], float(line["alpha"]), int(line["resolution"])


def _one_engine(board: str) -> bool:
    return len({line["engine"] for line in published_table("latency_ms") if line["board"] == board}) == 1
