"""From a model file to a board, on the command line: footprint, latency, npu, deploy, card."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mbhelpers.cli_detect import AsJson


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
    beside = f", {found.ends / 1024:,.1f} beside the arena" if found.ends else ""
    shape = " x ".join(map(str, largest.shape[1:]))
    print(f"RAM    {found.ram / 1024:9,.1f} KiB of activations{beside}; the most at {largest.kind} to {shape}")
    print("The runtime's code and state come on top: on ST's cards about 33 KiB of RAM and 115 KiB of flash for a")
    print("classifier, 70 and 190 for a detector.")
    if not found.integer:
        print("Latency on boards is published, and so estimated, for int8 files alone.")
        return
    print("latency, estimated from published rows of int8 networks:")
    for one in guesses:
        print(
            f"  {one.board:18} {one.ms:8,.1f} ms, off by {100 * one.mean_error:.0f} % on average, at worst "
            f"{100 * one.worst_error:.0f} %"
        )


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
    from mbhelpers.deployment.board_logs import benchmark_command, read_log

    measured = [read_log(path) for path in log or []]
    times = timing.measure(models, threads=threads, rounds=rounds, delegate=delegate)
    profiles = {path.name: timing.profile(path, threads=threads, rounds=rounds) for path in models} if profile else {}
    lines = [one.to_json() for one in times]
    for line, one in zip(lines[1:], times[1:], strict=True):
        line["ratio"], line["ratio_interval"] = one.ratio(times[0])
    command = next((benchmark_command(path, threads=threads) for path in models if path.suffix == ".tflite"), None)
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
            f"{line['model']}: {line['median_ms']:.2f} ± {line['spread_ms']:.2f} ms here, 90 % below "
            f"{line['p90_ms']:.2f} ({line['runtime']}, {threads} thread{'s' if threads > 1 else ''}){ratio}"
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
    if command:
        print(f"\non a Linux board: {command}\nand then here: --log {Path(models[0]).stem}.log")


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
        print(json.dumps([figures_of(folder) for folder in run_folders(runs)], indent=1))
        return
    print(*written, sep="\n")
