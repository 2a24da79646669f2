"""Figures that a user measured on a board, read back from what the board's tools print."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Measured:
    """What a tool's log says of a model on a board. None is what it doesn't say.

    Attributes:
        tool: "benchmark_model" or "STM32Cube.AI".
        file: name of the log.
        latency_ms: mean of one inference.
        spread_ms: standard deviation of it.
        runs: how many it is the mean of.
        first_ms: the first inference, which loads and prepares.
        memory_mib: what the process took on a Linux board, about.
        weights: flash of the constants, in bytes.
        activations: RAM of the activations, in bytes.
        macs: multiply-accumulates of one inference as the tool counts them.
        board: chip and clock, as the tool names them.
        operators: milliseconds of one inference by kind of operator.
    """

    tool: str
    file: str
    latency_ms: float | None = None
    spread_ms: float | None = None
    runs: int | None = None
    first_ms: float | None = None
    memory_mib: float | None = None
    weights: int | None = None
    activations: int | None = None
    macs: int | None = None
    board: str | None = None
    operators: dict[str, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """What it says, without what it doesn't."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def benchmark_command(model: Path | str, *, threads: int = 1, delegate: str | None = None, runs: int = 50) -> str:
    """The line to type on a Linux board beside a .tflite file; `read_log` takes what it prints.

    Args:
        model: the file, by its name there.
        threads: of LiteRT.
        delegate: path of the delegate's library on the board, as /usr/lib/libethosu_delegate.so.
        runs: at least.
    """
    words = ["benchmark_model", f"--graph={Path(model).name}", f"--num_threads={threads}", f"--num_runs={runs}"]
    words += ["--warmup_runs=10", "--enable_op_profiling=true"]
    if delegate:
        words.append(f"--external_delegate_path={delegate}")
    return shlex.join(words) + f" 2>&1 | tee {shlex.quote(Path(model).stem)}.log"


def read_log(path: Path | str) -> Measured:
    """Read a log of LiteRT's `benchmark_model`, or a report or console log of STM32Cube.AI (ST Edge AI).

    Args:
        path: the text file: of benchmark_model what it prints; of STM32Cube.AI `network_analyze_report.txt`,
            `network_validate_report.txt`, or what the test application on the board prints.

    Raises:
        ValueError: there is no such file, or it holds none of these figures.

    Source: benchmark_model.cc of TensorFlow; UM2526 and the reports of STM32Cube.AI 3 to ST Edge AI Core 4.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ValueError(f"no log at {path} ({error.strerror}); pass the file that the board's tool wrote") from error
    if "Inference timings in us" in text or "Timings (microseconds)" in text:
        return _benchmark_model(path.name, text)
    found = _cube(path.name, text)
    if found.latency_ms is None and found.weights is None:
        raise ValueError(
            f"{path} holds neither the timings of benchmark_model nor a report of STM32Cube.AI; pass the whole of what "
            "one of them printed"
        )
    return found


_FLOAT = r"([\d.]+(?:e[+-]?\d+)?)"


def check_macs(logs: Sequence[Measured], macs: int) -> None:
    """Refuse logs that are about another network: their tool counts its multiply-accumulates within 10 % of ours.

    A log of benchmark_model doesn't say what it ran; only its user knows.

    Raises:
        ValueError: one counts otherwise.
    """
    for one in logs:
        if one.macs is not None and abs(one.macs / macs - 1) > 0.1:
            raise ValueError(
                f"{one.file} is of a network of {one.macs:,} multiply-accumulates, the model has {macs:,}; pass the "
                "log of this model"
            )


def _number(pattern: str, text: str) -> float | None:
    """What one of a pattern's groups matched last, as a number, thousands' commas taken out."""
    matches = list(re.finditer(pattern, text))
    return float(next(filter(None, matches[-1].groups())).replace(",", "")) if matches else None


def _whole(pattern: str, text: str) -> int | None:
    number = _number(pattern, text)
    return None if number is None else int(number)


def _benchmark_model(file: str, text: str) -> Measured:
    said = text.partition("Inference timings in us")  # behind it come the profiler's own counts
    micro = _number(rf"Inference \(avg\): {_FLOAT}", said[2])
    lines = re.findall(r"count=\d+ first=.*", said[0])
    if micro is None and not said[1] and lines:  # builds before 2020
        micro = _number(rf"\bavg={_FLOAT}", lines[-1])
    if micro is None or not lines:
        raise ValueError(f"{file} was cut off before the timings of benchmark_model; run it to its end")
    spread = _number(rf"\bstd={_FLOAT}", lines[-1])
    first = _number(rf"First inference: {_FLOAT}", said[2])
    return Measured(
        "benchmark_model",
        file,
        latency_ms=micro / 1000,
        spread_ms=None if spread is None else spread / 1000,
        runs=_whole(r"count=(\d+)", lines[-1]),
        first_ms=None if first is None else first / 1000,
        memory_mib=_number(r"(?:emory footprint.*|footprint delta.*)overall=([\d.]+)", text),
        operators=_operators(text),
    )


def _operators(text: str) -> dict[str, float] | None:
    """The last table "Summary by node type": kind and milliseconds of one run."""
    tables = text.split("Summary by node type")[1:]
    if not tables:
        return None
    lines = re.findall(r"^\s*(\S.*?)\s+\d+\s+([\d.]+)\s+[\d.]+%\s+[\d.]+%\s+[\d.]+\s+\d+\s*$", tables[-1], re.MULTILINE)
    return {kind: float(ms) for kind, ms in lines} or None


def _cube(file: str, text: str) -> Measured:
    chip = re.findall(r"(STM32[\w/]+)\s*@(\d+)(?:/\d+)?\s?MHz", text)
    return Measured(
        "STM32Cube.AI",
        file,
        latency_ms=_number(r"(?m)^\s*(?:duration|inference time)\s*:\s*([\d.,]+)\s*ms", text),
        runs=_whole(r"Results for (?:\"[^\"]*\", )?(\d+) inference|nb sample\(s\)\s*:\s*(\d+)", text),
        weights=_whole(r"weights \(ro\)\s*:\s*([\d,]+) B", text),
        activations=_whole(r"activations \(rw\)\s*:\s*([\d,]+) B", text),
        macs=_whole(r"(?m)^\s*macc\s*:\s*([\d,]+)\s*$|\(complexity: (\d+) MACC\)", text),
        board=f"{chip[-1][0]} at {chip[-1][1]} MHz" if chip else None,
    )
