"""Train, quantize and measure the rows of our own model zoo, as `mbhelpers run` does, and keep what came out.

    .venv/bin/python benchmarks/zoo.py [ROW ...]

Data and weights: the folders of the data sets in the one that MBHELPERS_REAL names, or `--data`, which holds them by
the same names, and `--weights`. Without rows: the six of flowers and MobileNetV3-small, and tfs, tl and fft at 128 px
of plant-village, food-101 and COCO person, the last by both rules, Visual Wake Words' and MLPerf Tiny's.

Each run lies in `--work`; a killed call goes on there. `results/<data set>/<row>/` gets `metrics.json` (which names the
command, the data, the seed, versions and the machine), `history.json` and `split.json`; for flowers also `model.keras`
and `model_int8.tflite`. `results/zoo.json` sums up: each row beside the figures published for the whole data set, and
for each data set what int8 loses against float on the test images of all its rows together, paired.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from training_step import rounded

from mbhelpers import settings
from mbhelpers.data import source
from mbhelpers.evaluation.classification import compare
from mbhelpers.files import read_json, replacing, write_json
from mbhelpers.rows import Row, published
from mbhelpers.runs import Run, open_run
from mbhelpers.stages import run_row

VARIANTS = ("tfs", "tl", "fft")
ROWS = [f"flowers/mobilenet_v2_0.35_{side}_{variant}" for side in (128, 224) for variant in VARIANTS]
ROWS.append("flowers/mobilenet_v3_small_1.0_128_tfs")
ROWS += [f"{name}/mobilenet_v2_0.35_128_{variant}" for name in ("plant_village", "food101") for variant in VARIANTS]
ROWS += [
    f"coco_person:{rule}/mobilenet_v2_0.35_128_{variant}" for rule in ("vww", "mlperf_tiny") for variant in VARIANTS
]
KEPT = ("metrics.json", "history.json", "split.json")
MODELS = ("model.keras", "model_int8.tflite")


def opened(name: str, data: Path, weights: Path, work: Path, seed: int) -> Run:
    """The run of a row; `coco_person:mlperf_tiny/...` is COCO person by that rule."""
    row, rule = name, ""
    if ":" in name:
        dataset, _, rest = name.partition(":")
        rule, _, model = rest.partition("/")
        row = f"{dataset}/{model}"
    folder = data / row.partition("/")[0]
    if rule:
        folder = source.build_person(data / "coco", work / f"coco_person_{rule}", rule)
        work = work / rule
    return open_run(row, data_dir=folder, weights=weights, out_dir=work, seed=seed)


def keep(name: str, run: Run, results: Path) -> None:
    """Copy what a reader wants of a run."""
    place = results / name.replace(":", "_")
    place.mkdir(parents=True, exist_ok=True)
    for file in KEPT + (MODELS if run.row.dataset == "flowers" else ()):
        with replacing(place / file) as temporary:
            shutil.copyfile(run.folder / file, temporary)


def entry(metrics: dict[str, Any]) -> dict[str, Any]:
    """One row of the summary."""
    return {
        **{
            kind: {key: metrics[kind][key] for key in ("n", "correct", "top1", "interval")}
            for kind in ("float", "int8")
        },
        "paired": metrics["paired"],
        "published": published(Row.parse(metrics["row"])),
        "training_seconds": metrics["made"]["training_seconds"],
        "command": metrics["made"]["command"],
    }


def pooled(runs: list[Run]) -> dict[str, Any]:
    """Int8 against float on the test images of several rows, as if they were those of one."""
    float_, int8, labels = ([] for _ in range(3))
    for run in runs:
        with np.load(run.folder / "predictions.npz") as file:
            float_.append(file["float"])
            int8.append(file["int8"])
            labels.append(file["labels"])
    return compare(np.concatenate(float_), np.concatenate(int8), np.concatenate(labels))


def main() -> None:
    """Run the rows, keep their results, sum up."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", help="default: all of the zoo")
    parser.add_argument("--data", type=Path, default=settings.real_folder())
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--seed", type=int, default=settings.DEFAULT_SEED)
    parser.add_argument("--work", type=Path, default=Path("runs") / "zoo")
    parser.add_argument("--results", type=Path, default=settings.results_folder())
    given = parser.parse_args()
    if given.data is None:
        parser.error("no real images here: pass --data with a folder that holds flowers, plant_village, food101, coco")
    weights = given.weights or given.data / "weights"
    for name in given.rows or ROWS:
        run = opened(name, given.data, weights, given.work, given.seed)
        metrics = run_row(run)
        keep(name, run, given.results)
        path = given.results / "zoo.json"
        summary = read_json(path) if path.is_file() else {"rows": {}, "int8_minus_float": {}}
        summary["rows"][name] = rounded(entry(metrics))
        group = name.partition("/")[0]
        done = [
            opened(row, given.data, weights, given.work, given.seed)
            for row in summary["rows"]
            if row.startswith(group + "/")
        ]
        summary["int8_minus_float"][group] = rounded(
            pooled([run for run in done if (run.folder / "predictions.npz").is_file()])
        )
        write_json(path, summary)
        print(json.dumps({name: summary["rows"][name]["int8"]}), flush=True)


if __name__ == "__main__":
    main()
