"""Towards the board on the command line: `mbhelpers npu`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mbhelpers.deployment.npu_estimate import NpuEstimate

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


# ---- npu

LONGEST = 5
"""Operators that are named as those that take longest."""


def npu(
    model: Annotated[Path, typer.Argument(help="An int8 .tflite file.")],
    target: Annotated[
        str, typer.Option(help="ethos-u55-32, -64, -128 or -256; ethos-u65-256 (i.MX 93) or -512.")
    ] = "ethos-u65-256",
    system_config: Annotated[
        str | None, typer.Option(help="Clock and bandwidths, by Vela's name. Default: Vela's for the target.")
    ] = None,
    memory_mode: Annotated[
        str | None, typer.Option(help="What lies in which memory, by Vela's name. Default: likewise.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A .ini file with names of your own. Default: Vela's.")] = None,
    keep_on_cpu: Annotated[
        str | None, typer.Option(help="Kinds of operators that are not to run on the NPU: TILE,PACK")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A folder to keep the compiled file in.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compile a model for an Arm Ethos-U with Vela; print the time, memory and operators that it estimates."""
    from mbhelpers.deployment.npu import compile_for_npu, published_milliseconds

    kinds = tuple(kind.strip() for kind in keep_on_cpu.split(",")) if keep_on_cpu else ()
    estimate = compile_for_npu(
        model,
        target=target,
        system_config=system_config,
        memory_mode=memory_mode,
        config=config,
        keep_on_cpu=kinds,
        output=output,
    )
    published = published_milliseconds(target)
    if as_json:
        print(json.dumps(estimate.to_json() | {"published_milliseconds": published}, indent=1, ensure_ascii=False))
        return
    for text in _npu_lines(estimate):
        print(text)
    for name, value in published.items():
        print(f"published, measured on a board with this NPU: {name}: {value:.2f} ms")


def _npu_lines(estimate: "NpuEstimate") -> list[str]:
    """The estimate as text."""
    speeds = [f"{name} {value / 1e9:.3g} GB/s" for name, value in estimate.bandwidth.items()]
    told = [
        f"{estimate.model} on {estimate.target} at {estimate.clock / 1e6:.0f} MHz, estimated by Vela {estimate.vela}",
        f"{estimate.system_config} ({', '.join(speeds)}), {estimate.memory_mode}",
        "",
        f"time      {estimate.milliseconds:.3f} ms, {estimate.cycles:,} cycles; if only one had to be waited for: "
        + ", ".join(f"{name} {cycles:,}" for name, cycles in estimate.cycles_by.items()),
        "memory    " + ", ".join(f"{name} {size / 1024:,.1f} KiB" for name, size in estimate.memory.items()),
        "moved     " + ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in estimate.traffic.items()),
        "weights   {:,.1f} KiB, packed into {:,.1f} KiB".format(*(size / 1024 for size in estimate.weights)),
        f"MACs      {estimate.macs:,}",
        "operators " + ", ".join(f"{len(estimate.at(place))} {_PLACES[place]}" for place in _PLACES),
        "",
        "longest:",
    ]
    slowest = sorted(estimate.at("NPU"), key=lambda operator: -operator.cycles)[:LONGEST]
    told += [
        f"  {operator.index:4} {operator.kind:20} {1000 * operator.cycles / estimate.clock:8.3f} ms, "
        f"{100 * operator.cycles / estimate.cycles:4.1f} %, waits for the {operator.bound}"
        for operator in slowest
    ]
    if left := estimate.at("CPU"):
        told += ["", "on the CPU:"]
        for operator in left:
            number = "" if operator.index is None else str(operator.index)
            told.append(f"  {number:>4} {operator.kind:20} {operator.reason or 'no reason given'}")
    told += ["", *(f"note: {text}" for text in estimate.notes)] if estimate.notes else []
    return [*told, "", f"compiled: {estimate.compiled}"] if estimate.compiled else told


_PLACES = {"NPU": "on the NPU", "merged": "merged with others", "CPU": "on the CPU"}
