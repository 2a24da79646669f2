"""From a model file to a board, on the command line: footprint, latency, npu, deploy, card."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mbhelpers.cli_detect import AsJson, Preset, Resize

if TYPE_CHECKING:
    from mbhelpers.deployment.npu_estimate import NpuEstimate

LONGEST = 5
"""Operators that are named as those that take longest."""


def footprint(
    model: Annotated[Path, typer.Argument(help=".tflite")],
    overlap: Annotated[
        bool, typer.Option(help="Depthwise convolutions write over their input, as STM32Cube.AI does.")
    ] = True,
    outside: Annotated[
        str, typer.Option(help="What lies in buffers beside the arena: inputs, outputs, or inputs,outputs.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Count flash, RAM and multiply-accumulates of a file without a board, and estimate its latency on some."""
    from mbhelpers.deployment.boards import boards, estimate
    from mbhelpers.deployment.footprint import footprint as count
    from mbhelpers.models.complexity import complexity

    apart: Any = tuple(name.strip() for name in outside.split(",") if name.strip())
    found = count(model, overlap=overlap, outside=apart)
    macs = complexity(model).macs
    guesses = [estimate(board, macs=macs, traffic=found.traffic) for board in boards() if found.integer]
    if as_json:
        told = {"model": model.name, "macs": macs} | found.to_json()
        told["estimates"] = [
            {"board": one.board, "ms": one.ms, "mean_error": one.mean_error, "worst_error": one.worst_error}
            for one in guesses
        ]
        print(json.dumps(told, indent=1))
        return
    largest = max(found.steps, key=lambda step: step.live)
    print(f"{model.name}: {found.file / 1024:,.1f} KiB, {macs / 1e6:,.1f} million multiply-accumulates")
    print(
        f"flash  {found.flash / 1024:9,.1f} KiB: weights {found.weights / 1024:,.1f}, biases {found.biases / 1024:,.1f}"
    )
    beside = f", {found.ends:,} bytes of it beside the arena" if found.ends else ""
    shape = " x ".join(map(str, largest.shape[1:]))
    print(f"RAM    {found.ram / 1024:9,.1f} KiB of activations{beside}; the most at {largest.kind} to {shape}")
    print("The runtime's code and state come on top: on ST's cards about 33 KiB of RAM and 115 KiB of flash for a")
    print("classifier, 70 and 190 for a detector. Versions of ST's tool lay a detector's activations out otherwise, by")
    print("up to 41 % more than this (notebook 41).")
    if not found.integer:
        print("Latency on boards is published, and so estimated, for int8 files alone.")
        return
    print("latency, estimated from published rows of int8 networks:")
    for one in guesses:
        reach = f"off by {100 * one.mean_error:.0f} % on average, at worst {100 * one.worst_error:.0f} %"
        reach = reach if one.known else "but smaller or larger than every network with a published time there"
        print(f"  {one.board:18} {one.ms:8,.1f} ms, {reach}")


def latency(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help=".tflite or .onnx, timed by turns.")],
    threads: Annotated[int, typer.Option(help="Of LiteRT and ONNX Runtime.")] = 1,
    rounds: Annotated[int, typer.Option(help="How often each is timed, after 10 rounds that don't count.")] = 100,
    delegate: Annotated[
        Path | None, typer.Option(help="An external delegate of LiteRT, the .so or .dll of an NPU or GPU.")
    ] = None,
    profile: Annotated[bool, typer.Option("--profile", help="Of .onnx files: time by kind of operator.")] = False,
    log: Annotated[
        list[Path] | None,
        typer.Option(help="What benchmark_model or STM32Cube.AI printed about the first MODEL on your board."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Time model files on this machine, beside what was published for boards and what you measured on yours."""
    from mbhelpers.deployment import latency as timing
    from mbhelpers.deployment.board_logs import benchmark_command, check_macs, read_log
    from mbhelpers.models.complexity import complexity

    measured = [read_log(path) for path in log or []]
    if measured and models[0].suffix == ".tflite":
        check_macs(measured, complexity(models[0]).macs)
    if profile and (others := [path for path in models if path.suffix == ".tflite"]):
        there_too = benchmark_command(others[0])
        raise ValueError(f"--profile is for .onnx files; LiteRT tells the times of operators on a board: {there_too}")
    times = timing.measure(models, threads=threads, rounds=rounds, delegate=delegate)
    profiles = {path.name: timing.profile(path, threads=threads, rounds=rounds) for path in models} if profile else {}
    lines = [one.to_json() for one in times]
    for line, one in zip(lines[1:], times[1:], strict=True):
        line["ratio"], line["ratio_interval"] = one.ratio(times[0])
    there = next((path for path in models if path.suffix == ".tflite"), None)
    command = benchmark_command(there, threads=threads) if there else None
    if as_json:
        told = {"here": lines, "profiles": profiles, "on_boards": [one.to_json() for one in measured]}
        print(json.dumps(told | {"benchmark_command": command}, indent=1))
        return
    for line in lines:
        ratio = ""
        if "ratio" in line:
            low, high = line["ratio_interval"]
            ratio = f"; {line['ratio']:.2f} times the first ({low:.2f} to {high:.2f})"
        print(
            f"{line['model']}: {line['median_ms']:.2f} ms here (median; half the quartiles' distance "
            f"{line['spread_ms']:.2f}, 90 % below {line['p90_ms']:.2f}; {line['runtime']}, "
            f"{threads} thread{'s' if threads > 1 else ''}){ratio}"
        )
    for name, kinds in profiles.items():
        print(f"\n{name} by operator")
        for kind in kinds:
            print(f"  {kind['kind']:22} {kind['count']:4}  {kind['ms']:8.3f} ms  {100 * kind['share']:5.1f} %")
    for report in measured:
        print(f"\n{report.file} ({report.tool}{', ' + report.board if report.board else ''})")
        for key, value in report.to_json().items():
            if key not in ("tool", "file", "board"):
                print(f"  {key}: {value}")
    if there and not measured:
        print(f"\non a Linux board: {command}\nand then here: --log {there.stem}.log")


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


def deploy(
    model: Annotated[Path, typer.Argument(help="A .tflite classifier or detector.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder to write; an older one is replaced.")],
    images: Annotated[
        list[Path] | None,
        typer.Option(help="A picture, or a folder of pictures, to make test vectors of; may be given several times."),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Class names, one a line. Default: the file's, or ImageNet's for 1000 outputs.")
    ] = None,
    preset: Preset = None,
    resize: Resize = None,
    as_json: AsJson = False,
) -> None:
    """Make a folder for the board: the model, its C source, labels, a script that runs it, test vectors."""
    from mbhelpers.deployment.export.folder import deploy as make

    made = make(model, output, images=images or (), labels=labels, preset=preset, resize=resize)
    if as_json:
        print(json.dumps(made, indent=1, ensure_ascii=False))
        return
    for text in made["warnings"]:
        print(f"warning: {text}")
    for kernels, text in made["missing"].items():
        print(f"warning: no vectors by the {kernels} kernels: {text}")
    print(f"{made['folder']}: {made['task']}, {len(made['vectors'])} test vectors ({', '.join(made['vectors'][:5])})")
    for name, size in made["files"].items():
        print(f"{size / 1024:10,.1f} KiB  {name}")
    print(f"try it: python {output / 'infer.py'} picture.jpg, python {output / 'infer.py'} --check")


def card(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders of runs, or folders that hold such, as results/flowers."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder for card.html, card.md and its figures.")],
    log: Annotated[
        list[Path] | None,
        typer.Option(help="What benchmark_model or STM32Cube.AI printed about the only RUN's model on your board."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the model card of a run, or of several side by side: HTML and Markdown, published figures beside ours."""
    from mbhelpers.deployment.board_logs import read_log
    from mbhelpers.reporting.model_card import figures_of, run_folders, write_card

    logs = [read_log(path) for path in log or []]
    written = write_card(runs, output / "card.html", output / "card.md", logs=logs)
    if as_json:
        print(json.dumps([figures_of(folder, logs) for folder in run_folders(runs)], indent=1))
        return
    print(*written, sep="\n")


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
