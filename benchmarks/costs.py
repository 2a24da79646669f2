"""What the published rows cost: multiply-accumulates, memory and traffic of their networks, built here.

    python benchmarks/costs.py

builds each network that a latency or a memory figure is published for (any weights: they change none of these), turns
it into int8 and counts it with `mbhelpers.deployment.footprint`. The table goes to `mbhelpers/deployment/costs.csv`,
which `mbhelpers.deployment.boards` reads, so that nobody has to build nine networks to compare his own with the
published ones. About 6 minutes on two cores.
"""

import csv
import tempfile
from pathlib import Path
from typing import Any

from mbhelpers.deployment.boards import COSTS
from mbhelpers.deployment.footprint import footprint
from mbhelpers.deployment.published_networks import untrained_int8
from mbhelpers.detection.anchors import make_anchors
from mbhelpers.files import replacing
from mbhelpers.models.complexity import complexity
from mbhelpers.rows import published_table

CLASSES = {("mobilenet_v2", 0.35): 5, ("mobilenet_v2", 1.0): 1000, ("ssd_mobilenet_v2_fpnlite", 0.35): 1}
"""Of the published files: flowers, ImageNet, persons; the wider detector knows the 80 things of COCO."""


def published_networks() -> list[tuple[str, float, int]]:
    """Architecture, width and resolution of every row with a memory or a latency figure, each once."""
    lines = published_table("memory_footprint_kib") + published_table("latency_ms")
    return list(dict.fromkeys((ln["architecture"], float(ln["alpha"]), int(ln["resolution"])) for ln in lines))


def cost(architecture: str, alpha: float, resolution: int) -> dict[str, Any]:
    """One line of the table, in multiply-accumulates and bytes."""
    classes = CLASSES.get((architecture, alpha), 80)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(untrained_int8(architecture, alpha, resolution, classes))
        inside, apart = (
            {overlap: footprint(path, overlap=overlap, outside=outside) for overlap in (True, False)}
            for outside in ((), ("outputs",))
        )
        macs = complexity(path).macs
    # ST's files compute their anchors as a third output of floats, where ours hold them as constants
    anchors = 16 * len(make_anchors(resolution)) if architecture.startswith("ssd_") else 0
    return {
        "architecture": architecture,
        "alpha": alpha,
        "resolution": resolution,
        "classes": classes,
        "macs": macs,
        "weights": inside[True].weights,
        "biases": inside[True].biases,
        "traffic": inside[True].traffic,
        "ram": inside[True].ram,
        "ram_no_overlap": inside[False].ram,
        "ram_outputs_apart": apart[True].ram + anchors,
        "ram_no_overlap_outputs_apart": apart[False].ram + anchors,
    }


def main() -> None:
    """Count all networks, and write the table."""
    lines = []
    for network in published_networks():
        lines.append(cost(*network))
        print(lines[-1], flush=True)
    with replacing(COSTS) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    print(f"{COSTS.name}: {len(lines)} networks")


if __name__ == "__main__":
    main()
