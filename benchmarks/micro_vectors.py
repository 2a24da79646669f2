r"""Whose numbers a microcontroller gives: test vectors of deployed folders, played back by LiteRT for Microcontrollers.

    .venv/bin/mbhelpers deploy results/flowers/mobilenet_v2_0.35_128_fft/model_int8.tflite -o deployed/flowers_128_fft
    .venv/bin/mbhelpers deploy results/flowers/mobilenet_v3_small_1.0_128_tfs/model_int8.tflite -o deployed/flowers_v3
    .venv/bin/mbhelpers deploy results/drawn_persons/ssd_mobilenet_v2_fpnlite_0.35_128/model_int8.tflite -o deployed/ssd
    .venv/bin/mbhelpers deploy results/coco2017_person/ssd_mobilenet_v2_fpnlite_0.35_192/model_int8.tflite \
        -o deployed/ssd_192
    python benchmarks/micro_vectors.py deployed/*

To be run in an environment of its own that has numpy and tflite-micro (this script imports nothing of the
project). It runs the same C++ as a board, by its plain kernels, on this machine's processor.

For each folder, each output of each vector is compared, bit by bit, with what LiteRT's default kernels gave and with
what its reference kernels gave: `equal` of `compared` outputs, and `largest_steps`, by how many steps of its rounding
the worst number is off; outputs that nothing rounds (constants) are compared, and have no steps.
Results go to `benchmarks/results/micro_vectors.json`.
"""

import argparse
import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).resolve().parent / "results" / "micro_vectors.json"


def main() -> None:
    """Compare every folder, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="made by mbhelpers deploy")
    folders = parser.parse_args().folders
    found = {
        "command": "python benchmarks/micro_vectors.py " + " ".join(folder.name for folder in folders),
        "versions": {name: version(name) for name in ("tflite-micro", "numpy")} | {"python": platform.python_version()},
        "machine": {"processor": platform.machine(), "system": platform.system()},
        "folders": {folder.name: compare(folder) for folder in folders},
    }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found["folders"], indent=1))


def compare(folder: Path) -> dict:
    """What one folder's model gives on its vectors; see the module."""
    from tflite_micro import runtime

    told = json.loads((folder / "vectors" / "vectors.json").read_text(encoding="utf-8"))
    network = runtime.Interpreter.from_file(str(folder / "model.tflite"))
    counts = {kernels: {"equal": 0, "compared": 0, "largest_steps": 0.0} for kernels in told["kernels"]}
    for vector in told["vectors"]:
        network.set_input(_tensor(folder, vector["input"]), 0)
        network.invoke()
        for kernels, outputs in vector["outputs"].items():
            count = counts[kernels]
            for k, (output, end) in enumerate(zip(outputs, told["outputs"], strict=True)):
                mine, other = network.get_output(k), _tensor(folder, output)
                step = end["step"] if mine.dtype.kind == "f" else 1
                count["compared"] += 1
                count["equal"] += int(mine.tobytes() == other.tobytes())
                apart = float(np.abs(mine.astype(np.float64) - other.astype(np.float64)).max())
                count["largest_steps"] = max(count["largest_steps"], apart / step if step else 0.0)
    return {"sha256": told["model"]["sha256"], "litert": told["made"]["runtime"], "kernels": counts}


def _tensor(folder: Path, told: dict) -> np.ndarray:
    return np.fromfile(folder / "vectors" / told["file"], told["type"]).reshape(told["shape"])


if __name__ == "__main__":
    main()
