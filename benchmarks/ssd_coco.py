"""The detector of persons from ImageNet weights, on COCO: AP of float and int8 on splits of several seeds.

    .venv/bin/python benchmarks/ssd_coco.py

COCO's images and the weights are those in the folder that MBHELPERS_REAL names: 318 images, of which each seed's split
trains on 222. They are few, so the AP is that of a lesson, far below what 64,000 images give; what it can tell is
whether int8 keeps it. A seed's files, int8 with a scale a channel, and with a scale a tensor, repaired and as
converted, find what they find in its own test part, on which nothing was selected. `pooled` counts the test parts of
all seeds as one set, an image of two of them twice, each time with what another network finds; its intervals are
somewhat too narrow for that.

Each run lies in `--work`; a killed call goes on there. `results/<row>/` gets `metrics.json`, `history.json` and
`model_int8.tflite` of the first seed, `results/coco2017_person/detectors.json` the summary.
"""

import argparse
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from training_step import rounded

from mbhelpers import settings
from mbhelpers.data.detections import Detections
from mbhelpers.data.predictions import Predictions
from mbhelpers.data.source import load_detections
from mbhelpers.evaluation.detection import COCO50, ST, evaluate
from mbhelpers.evaluation.detection_compare import ap_interval, compare_detections
from mbhelpers.evaluation.detection_files import predict
from mbhelpers.files import read_json, replacing, sha256, write_json
from mbhelpers.inference.detector import Detector
from mbhelpers.models.weights import keras_file_name
from mbhelpers.records import read_record
from mbhelpers.runs import DETECTOR, Run, machine, open_run, versions
from mbhelpers.stages import calibration_images, part_boxes, run_row
from mbhelpers.stages.detection import KEPT

RESULT = settings.results_folder() / "coco2017_person" / "detectors.json"
SEEDS = (2026, 2027)
PER_TENSOR: dict[str, tuple[str, ...] | None] = {"int8_per_tensor": None, "int8_per_tensor_as_converted": ()}
"""Repairs of the files with a scale a tensor; None are the default ones."""


def files_of(run: Run) -> dict[str, Path]:
    """The run's files, and two more with a scale a tensor."""
    from mbhelpers.models.load import load_keras
    from mbhelpers.models.ssd import with_anchors
    from mbhelpers.quantization.tflite import to_int8

    run_row(run)
    files = {"float": run.folder / "model.keras", "int8": run.folder / "model_int8.tflite"}
    record, digest = read_record(files["float"]), sha256(files["float"])
    if record is None:
        raise ValueError(f"{files['float']} was not made by this collection")
    for name, repairs in PER_TENSOR.items():
        files[name] = run.folder / f"model_{name}_{digest[:8]}.tflite"
        if not files[name].is_file():
            model = with_anchors(load_keras(files["float"]))
            content = to_int8(model, record, calibration_images(run)[0], granularity="tensor", repairs=repairs)
            with replacing(files[name]) as temporary:
                temporary.write_bytes(content)
    return files


def measured(truth: Detections, found: dict[str, Predictions]) -> dict[str, Any]:
    """AP of each file, and beside that of the float one."""
    distinct = len(set(truth.paths.tolist()))
    result: dict[str, Any] = {"images": len(truth), "distinct_images": distinct, "persons": len(truth.boxes)}
    result["protocol"] = "ST's, IoU 0.4"
    for name, predictions in found.items():
        result[name] = {"ap": evaluate(truth, predictions, ST)["ap"], "interval": ap_interval(truth, predictions, ST)}
        result[name]["coco_ap50"] = evaluate(truth, predictions, COCO50)["ap"]
        if name != "float":
            pair = compare_detections(truth, found["float"], predictions, ST)
            result[name]["against_float"] = {key: pair[key] for key in ("difference", "interval", "inside_noise")}
    return result


def joined(parts: list[Predictions]) -> Predictions:
    """Predictions of several sets of images as of one."""
    return Predictions.from_images(
        [(p.boxes[p.of(k)], p.scores[p.of(k)], p.labels[p.of(k)]) for p in parts for k in range(len(p))]
    )


def main() -> None:
    """Train what is not trained, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--work", type=Path, default=settings.runs_folder(smoke=False) / "ssd_coco")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    real = settings.real_folder()
    if real is None:
        parser.error("no COCO here: set MBHELPERS_REAL to the folder that holds coco/ and weights/")
    weights = real / "weights" / keras_file_name(0.35, 224)
    result: dict[str, Any] = {}
    truths, every = [], []
    for seed in given.seeds:
        run = open_run(DETECTOR, data_dir=real / "coco", weights=weights, out_dir=given.work / str(seed), seed=seed)
        files = files_of(run)
        truth = part_boxes(run, "test")
        found = {name: predict(Detector(file), truth, limit=KEPT) for name, file in files.items()}
        metrics = read_json(run.folder / "metrics.json")
        result[f"seed {seed}"] = measured(truth, found)
        result[f"seed {seed}"] |= {"training_seconds": metrics["made"]["training_seconds"]}
        truths.append(truth)
        every.append(found)
        print(seed, result[f"seed {seed}"], flush=True)
        if seed == SEEDS[0] and given.out == RESULT:
            place = settings.results_folder() / DETECTOR
            place.mkdir(parents=True, exist_ok=True)
            for name in ("metrics.json", "history.json", "model_int8.tflite"):
                shutil.copyfile(run.folder / name, place / name)
    whole = load_detections(run.row.dataset, run.data_dir)
    place_of = {path: k for k, path in enumerate(whole.paths.tolist())}
    tested = whole.select(np.array([place_of[path] for truth in truths for path in truth.paths.tolist()]))
    result["pooled"] = measured(tested, {name: joined([one[name] for one in every]) for name in every[0]})
    content = {
        "command": shlex.join([".venv/bin/python", "benchmarks/ssd_coco.py", *sys.argv[1:]]),
        "row": DETECTOR,
        "recipe": metrics["made"]["recipe"],
        "weights": metrics["made"]["start"],
        "machine": machine(),
        "versions": versions(),
    }
    write_json(given.out, rounded(content | result))
    print(result["pooled"])


if __name__ == "__main__":
    main()
