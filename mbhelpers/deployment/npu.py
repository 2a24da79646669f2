"""What a .tflite file will take on an Arm Ethos-U55 or U65, as Arm's compiler Vela estimates it without a board.

Vela's configuration names a clock and the bandwidth of two memories. Its own `vela.ini` has, in GB/s at their best:

| system configuration          | clock    | SRAM | second memory |
|-------------------------------|----------|------|---------------|
| `Ethos_U55_Deep_Embedded`     | 200 MHz  | 1.6  | flash 0.1     |
| `Ethos_U55_High_End_Embedded` | 500 MHz  | 4    | flash 0.5     |
| `Ethos_U65_Embedded`          | 500 MHz  | 8    | flash 0.5     |
| `Ethos_U65_Mid_End`           | 500 MHz  | 8    | DRAM 3.75     |
| `Ethos_U65_High_End`          | 1000 MHz | 16   | DRAM 3.75     |
| `Ethos_U65_Client_Server`     | 1000 MHz | 16   | DRAM 12       |

The memory mode says what lies where. `Sram_Only`: all in SRAM, however large. `Shared_Sram`: weights in the second
memory, activations in SRAM. `Dedicated_Sram_<n>KB`: weights and activations in DRAM, `n` KiB of SRAM as the NPU's own
scratch memory; without a number it is unlimited.

NXP's i.MX 93 has a U65 of 256 multipliers at up to 1 GHz, 640 KB of memory on the chip, and 16-bit LPDDR4X at up to
3.7 GT/s, 7.5 GB/s at best: between `High_End` and `Client_Server`. The latter with `Dedicated_Sram_384KB` is what Vela
takes for a U65 when nothing is asked for, and so does this module.

Each step of the network takes as long as the slowest of the NPU and the memories; the estimate is their sum. It counts
neither operators that stay on the CPU nor what the driver needs to start the NPU.

Source: Vela's `vela.ini`, OPTIONS.md and PERFORMANCE.md; what NXP says of the i.MX 93 in public
"""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mbhelpers.deployment import vela
from mbhelpers.deployment.npu_estimate import NpuEstimate, NpuOperator
from mbhelpers.files import replacing, write_json
from mbhelpers.models.tflite_graph import Graph, Operator, read_graph
from mbhelpers.records import read_record
from mbhelpers.rows import published_table

_DEFAULTS = {
    "ethos-u55": ("Ethos_U55_High_End_Embedded", "Shared_Sram"),
    "ethos-u65": ("Ethos_U65_Client_Server", "Dedicated_Sram_384KB"),
}
TARGETS = {
    f"{family}-{macs}": _DEFAULTS[family]
    for family, sizes in (("ethos-u55", (32, 64, 128, 256)), ("ethos-u65", (256, 512)))
    for macs in sizes
}
"""Each NPU by multipliers, with the system configuration and memory mode that Vela takes unless told otherwise."""

BOARDS = {"ethos-u65-256": "i.MX 93"}
"""Boards of the published table, by their NPU."""

MEMORIES = {"SRAM": ("sram",), "DRAM": ("dram",), "flash": ("on_chip_flash", "off_chip_flash")}
"""Memories by Vela's names for them."""

NPU_OPERATOR = "CUSTOM ethos-u"
"""What Vela puts in the place of the operators that run on the NPU."""


def compile_for_npu(
    path: Path,
    *,
    target: str = "ethos-u65-256",
    system_config: str | None = None,
    memory_mode: str | None = None,
    config: Path | None = None,
    keep_on_cpu: Sequence[str] = (),
    output: Path | None = None,
) -> NpuEstimate:
    """Compile a file for an NPU and read what Vela estimates of it; about a second.

    Args:
        path: a .tflite file of 8-bit or 16-bit integers.
        target: the NPU, of `TARGETS`.
        system_config: a name from the configuration file. Default: the target's.
        memory_mode: likewise.
        config: a .ini file in Vela's format, for another board. Default: the one that comes with Vela.
        keep_on_cpu: kinds of operators that are not to run on the NPU, as "TILE".
        output: a folder that `<model>_vela.tflite` and its estimate as `<model>_vela.json` are written to.

    Raises:
        ValueError: Vela isn't installed; unknown target, configuration or mode; no .tflite file, or one that is cut
            off, has several graphs, is compiled already or has nothing for an NPU; Vela failed; or the output can't
            be written.
    """
    version = vela.installed().version
    if target not in TARGETS:
        raise ValueError(f"unknown target {target!r}; choose from {', '.join(TARGETS)}")
    known, defaults = vela.Configurations(config), TARGETS[target]
    chosen = system_config or defaults[0], memory_mode or defaults[1]
    # In Vela's own file a system's name begins with its NPU's; another's may have any
    known.check("System_Config", chosen[0], "" if config else defaults[0][: len("Ethos_U65_")])
    known.check("Memory_Mode", chosen[1])
    graph = _readable(path)
    arguments = ["--accelerator-config", target, "--config", str(known.path.resolve())]
    arguments += ["--system-config", chosen[0], "--memory-mode", chosen[1], "--enable-debug-db"]
    arguments += ["--ignore-ops", ",".join(keep_on_cpu)] if keep_on_cpu else []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        # Under a name of its own: Vela takes its files' names from it, and a name may begin with a dash
        copy = Path(shutil.copyfile(path, folder / "model.tflite"))
        try:
            said = vela.run(copy, folder, arguments)
        except ValueError as error:
            raise ValueError(f"Vela {version} cannot compile {path}: {error}{_hint(str(error), graph)}") from None
        compiled = folder / "model_vela.tflite"
        operators, calls = _operators(graph, read_graph(compiled), folder, vela.reasons(said), keep_on_cpu)
        if not calls:
            raise ValueError(f"nothing of {path} can run on the NPU: {_left(operators)}")
        kept = output / f"{path.stem}_vela.tflite" if output else None
        line = vela.read_summary(folder)
        estimate = NpuEstimate(
            path.name, target, *chosen, **_figures(line, known.ports(chosen[0])),
            operators=operators, calls=calls, vela=version, compiled=kept,
        )  # fmt: skip
        if kept:
            with replacing(kept) as temporary:
                shutil.copyfile(compiled, temporary)
            write_json(kept.with_suffix(".json"), estimate.to_json())
    return estimate


def published_milliseconds(target: str = "ethos-u65-256") -> dict[str, float]:
    """Published times on a board with this NPU: "mobilenet_v2_1.0_224, i.MX 93" to milliseconds.

    Source: `mbhelpers/published/latency_ms.csv`, NXP's model zoo card.
    """
    board = BOARDS.get(target)
    return {
        f"{line['architecture']}_{line['alpha']}_{line['resolution']}, {board}": float(line["latency_ms"])
        for line in published_table("latency_ms")
        if line["board"] == board and line["engine"] == "NPU"
    }


def _readable(path: Path) -> Graph:
    """The graph of a file that Vela can be given.

    Raises:
        ValueError: it is no whole .tflite file of one graph, or nothing in it is for an NPU.
    """
    if path.suffix != ".tflite":
        raise ValueError(f"{path} is no .tflite file, which Vela takes; make an int8 one with `mbhelpers quantize`")
    read_record(path)  # refuses what is no .tflite file
    graph = read_graph(path)
    if any(operator.kind == NPU_OPERATOR for operator in graph.operators):
        raise ValueError(f"{path} is compiled for an Ethos-U already; name the file that it was made from")
    computed = [tensor for tensor in graph.tensors if tensor.content is None]
    if not any(tensor.type in ("INT8", "UINT8", "INT16") and len(tensor.scale) for tensor in computed):
        raise ValueError(
            f"nothing of {path} can run on the NPU: it computes in float; quantize its activations too: "
            "`mbhelpers quantize MODEL DIR -o int8.tflite --input-type int8 --output-type int8`"
        )
    return graph


def _operators(
    graph: Graph, compiled: Graph, folder: Path, reasons: dict[tuple[str, str], str], kept: Sequence[str]
) -> tuple[tuple[NpuOperator, ...], int]:
    """What becomes of each operator, and how often the NPU is started.

    What is left on the CPU is read from the compiled file, where it stands as it was, under the name of its output.
    Steps on the NPU come from the debug database, whose sources are the file's operators by index.
    """
    source, steps = vela.read_debug(folder, ("source", "perf"))
    index = {line["id"]: int(line["ext_key"]) for line in source}
    taken: dict[int, list[dict[str, str]]] = {}
    for step in steps:
        taken.setdefault(index[step["source_id"]], []).append(step)
    left = [(op.kind, _name(compiled, op)) for op in compiled.operators if op.kind != NPU_OPERATOR]
    added, found = list(left), []
    for op in graph.operators:
        key = op.kind, _name(graph, op)
        if key in added:
            added.remove(key)
            found.append(NpuOperator(op.index, *key, "CPU", "as asked" if op.kind in kept else reasons.get(key, "")))
            continue
        mine = [step for step in taken.get(op.index, ()) if step["operator"] != "Passthrough"]
        place = "NPU" if mine else "merged"
        found.append(
            NpuOperator(
                op.index, *key, place,
                cycles=sum(int(step["op_cycles"]) for step in mine),
                cycles_by=_cycles_by(mine) if mine else None,
                macs=sum(int(step["mac_count"]) for step in mine),
            )
        )  # fmt: skip
    found += [NpuOperator(None, *key, "CPU", "added by Vela") for key in added]
    return tuple(found), len(compiled.operators) - len(left)


def _name(graph: Graph, operator: Operator) -> str:
    return graph.tensors[operator.outputs[0]].name if operator.outputs else ""


def _cycles_by(steps: vela.Rows) -> dict[str, int]:
    """Cycles of the NPU and of each memory that steps use; a memory that is not connected has no column."""
    columns = {
        "NPU": ["npu_cycles"],
        "SRAM": ["Sram_ac"],
        "DRAM": ["Dram_ac"],
        "flash": ["OnChipFlash_ac", "OffChipFlash_ac"],
    }
    there = {name: [column for column in mine if column in steps[0]] for name, mine in columns.items()}
    return {name: sum(int(step[c]) for step in steps for c in mine) for name, mine in there.items() if mine}


def _figures(line: dict[str, str], ports: set[str]) -> dict[str, Any]:
    """Fields of `NpuEstimate` from the summary, whose sizes are in KiB and bandwidths in GiB/s.

    With all in SRAM, Vela books the weights under a flash on the chip that the system does not have: it is SRAM too.
    """
    merged = {**MEMORIES}
    if "OnChipFlash" not in ports:
        merged |= {"SRAM": ("sram", "on_chip_flash"), "flash": ("off_chip_flash",)}
    used = {name: round(1024 * sum(float(line[f"{m}_memory_used"]) for m in mine)) for name, mine in merged.items()}
    moved = {name: sum(int(line[f"{m}_total_bytes"]) for m in mine) for name, mine in merged.items()}
    there = [name for name in merged if used[name] or moved[name]]
    areas = {name: f"cycles_{mine[0]}_access" for name, mine in merged.items()}
    return {
        "clock": round(float(line["core_clock"])),
        "cycles": int(line["cycles_total"]),
        "cycles_by": {"NPU": int(line["cycles_npu"])} | {name: int(line[areas[name]]) for name in there},
        "bandwidth": {name: 2**30 * float(line[f"{merged[name][0]}_bandwidth"]) for name in there},
        "memory": {name: used[name] for name in there},
        "traffic": {name: moved[name] for name in there},
        "weights": (int(line["total_original_weights"]), int(line["total_npu_encoded_weights"])),
        "macs": int(line["nn_macs"]),
    }


def _left(operators: Sequence[NpuOperator]) -> str:
    """The operators on the CPU with Vela's reasons, the first three."""
    told = [f"{operator.kind} ({operator.reason or 'no reason given'})" for operator in operators]
    return "; ".join(told[:3]) + ("; ..." if len(told) > 3 else "")


def _hint(error: str, graph: Graph) -> str:
    """What helps against the crash that files of an open batch size bring about (Vela 5.2.0, ST's detectors)."""
    kinds = {operator.kind for operator in graph.operators}
    if not error.startswith("it crashed") or "SHAPE" not in kinds:
        return ""
    told = "; it computes shapes while it runs (SHAPE), as files of an open batch size do: convert it with a fixed one"
    return told + (", or leave TILE on the CPU (--keep-on-cpu TILE)" if "TILE" in kinds else "")
