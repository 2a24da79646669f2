"""Vela's estimates for an i.MX 93, whose NPU is an Ethos-U65 of 256 multipliers, beside the time that NXP measured.

    .venv/bin/python benchmarks/npu.py

Data: the folder that MBHELPERS_REAL names. Written to `benchmarks/results/npu.json`:

- `mobilenet_v2_1.0_224`: slim's weights, quantized by us with int8 ends, in every system configuration of 1 GHz and
  every memory mode of Vela's own file, and with DRAM as fast as an i.MX 93's at best (`imx93`: 16 bits, 3.73 GT/s,
  7.47 GB/s, between Vela's two). `difference_percent`: the estimate above the published time. `slowest`: the operator
  that takes longest.
- `others`: our own files and ST's detectors by Vela's defaults: time, and what stays on the CPU. ST's crash Vela unless
  TILE is kept there.

Estimates have no interval: Vela computes, and gives the same each time.
"""

import argparse
import shlex
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from mbhelpers import settings
from mbhelpers.deployment import vela
from mbhelpers.deployment.npu import compile_for_npu, published_milliseconds
from mbhelpers.deployment.npu_estimate import NpuEstimate
from mbhelpers.files import write_json
from mbhelpers.quantization.files import quantize_file

RESULT = Path(__file__).parent / "results" / "npu.json"
TARGET = "ethos-u65-256"
DRAM_GB = 2 * 3.733
"""Of an i.MX 93 at best: two bytes at 3.733 GT/s."""


def board(folder: Path) -> Path:
    """Vela's own configurations, and `imx93`: `Ethos_U65_Client_Server` with the DRAM of that board."""
    text = vela.Configurations().path.read_text(encoding="utf-8")
    path = folder / "imx93.ini"
    # Vela's scale is against 16 bytes a cycle at 1 GHz
    own = f"[System_Config.imx93]\ninherit=System_Config.Ethos_U65_Client_Server\nDram_clock_scale={DRAM_GB / 16}\n"
    path.write_text(f"{text}\n{own}", encoding="utf-8")
    return path


def told(estimate: NpuEstimate) -> dict[str, Any]:
    """What the result keeps of an estimate."""
    slowest = max(estimate.operators, key=lambda operator: operator.cycles)
    return {
        "milliseconds": round(estimate.milliseconds, 3),
        "cycles": estimate.cycles,
        "cycles_by": estimate.cycles_by,
        "bandwidth_gb": {name: round(value / 1e9, 2) for name, value in estimate.bandwidth.items()},
        "memory_kib": {name: round(size / 1024, 1) for name, size in estimate.memory.items()},
        "traffic_mb": {name: round(size / 1e6, 2) for name, size in estimate.traffic.items()},
        "operators": {place: len(estimate.at(place)) for place in ("NPU", "merged", "CPU")},
        "on_cpu": dict(Counter(operator.kind for operator in estimate.at("CPU"))),
        "npu_calls": estimate.calls,
        "slowest": {
            "index": slowest.index,
            "kind": slowest.kind,
            "milliseconds": round(1000 * slowest.cycles / estimate.clock, 3),
            "bound": slowest.bound,
        },
    }


def sweep(model: Path, config: Path, published: float) -> list[dict[str, Any]]:
    """Every configuration of 1 GHz in every memory mode."""
    found = []
    for system in ("Ethos_U65_High_End", "imx93", "Ethos_U65_Client_Server"):
        for mode in vela.Configurations(config).names("Memory_Mode"):
            estimate = compile_for_npu(model, target=TARGET, system_config=system, memory_mode=mode, config=config)
            line: dict[str, Any] = {"system_config": system, "memory_mode": mode, **told(estimate)}
            line["difference_percent"] = round(100 * (estimate.milliseconds / published - 1), 1)
            found.append(line)
            print(
                f"{system:24} {mode:22} {estimate.milliseconds:.3f} ms {line['difference_percent']:+6.1f} %  "
                f"SRAM {line['memory_kib']['SRAM']:,.0f} KiB; {line['slowest']}",
                flush=True,
            )
    return found


def others(real: Path) -> dict[str, Any]:
    """Other files by Vela's defaults."""
    results, st = settings.results_folder(), real / "peer_models"
    files = sorted(results.glob("*/*/model_int8.tflite"))
    files += sorted(st.glob("st_flowers/*_int8.tflite")) + sorted(st.glob("st_ssd_person/*.tflite"))
    found: dict[str, Any] = {}
    for path in files:
        ours = path.is_relative_to(results)
        name = path.parent.relative_to(results).as_posix() if ours else f"ST's {path.stem}"
        try:
            found[name] = told(compile_for_npu(path, target=TARGET))
        except ValueError as error:
            kept = compile_for_npu(path, target=TARGET, keep_on_cpu=("TILE",))
            crash = str(error).partition(path.name)[2].strip(": ")
            found[name] = {"without_more": crash, "kept_on_cpu": ["TILE"], **told(kept)}
        print(name, found[name]["milliseconds"], found[name]["operators"], found[name]["on_cpu"], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=RESULT)
    chosen = parser.parse_args()
    real = settings.real_folder()
    if real is None:
        raise SystemExit("no real models here: set MBHELPERS_REAL to their folder")
    [(name, published)] = published_milliseconds(TARGET).items()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        model = quantize_file(
            real / "peer_models" / "coral_imagenet" / "mobilenet_v2_1.0_224_quant.tflite",
            real / "imagenet",
            folder / "mobilenet_v2_1.0_224.tflite",
            number=20,
            seed=1,
            conversion={"input_type": "int8", "output_type": "int8"},
            preset="slim",
        )
        result = {
            "command": shlex.join([".venv/bin/python", "benchmarks/npu.py", *sys.argv[1:]]),
            "vela": vela.installed().version,
            "target": TARGET,
            "published": {name: published},
            "mobilenet_v2_1.0_224": sweep(model, board(folder), published),
            "others": others(real),
        }
    print(write_json(chosen.output, result))


if __name__ == "__main__":
    main()
