"""The widest detectors of the table, alpha 1.0 with 80 classes: they are built, train, become int8, and are measured.

    .venv/bin/python benchmarks/ssd_wide.py

COCO's images are those in the folder that MBHELPERS_REAL names. At each of `RESOLUTIONS` the network learns `LEARNED`
of them by heart, so that it finds something at all, and is converted in both layouts. What the file with one output
finds in all images is counted by our AP and by pycocotools'. That AP says nothing about the detector: most of what is
found was learned by heart. Seconds are those of one run. Results go to `benchmarks/results/ssd_wide.json`.
"""

import argparse
import os
import platform
import tempfile
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers import settings
from mbhelpers.data.boxed import load_boxed
from mbhelpers.data.class_names import COCO
from mbhelpers.data.detections import Detections
from mbhelpers.data.predictions import Predictions
from mbhelpers.data.source import load_detections
from mbhelpers.evaluation.detection import COCO as COCO_AP
from mbhelpers.evaluation.detection import evaluate
from mbhelpers.evaluation.detection_coco import coco_evaluate
from mbhelpers.evaluation.detection_files import predict
from mbhelpers.files import write_json
from mbhelpers.inference.detector import Detector
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import preset
from mbhelpers.records import Record
from mbhelpers.training.detector import fit_detector
from mbhelpers.training.detector_recipes import detector_recipe

RESULT = Path(__file__).parent / "results" / "ssd_wide.json"
ALPHA, RESOLUTIONS, LEARNED, EPOCHS = 1.0, (256, 416), 16, 40


def compared(found: Detections, predictions: Predictions) -> dict[str, Any]:
    """AP by our count and by pycocotools', and by how much they differ at most, by class."""
    ours, theirs = evaluate(found, predictions, COCO_AP), coco_evaluate(found, predictions)
    pairs = [(one["ap"], other["ap"]) for one, other in zip(ours["per_class"], theirs["per_class"], strict=True)]
    if any((one is None) != (other is None) for one, other in pairs):
        raise RuntimeError("a class has an AP by one count and none by the other")
    defined = [(one, other) for one, other in pairs if one is not None]
    return {
        "images": len(found),
        "truths": ours["truths"],
        "boxes": len(predictions.scores),
        "classes": len(defined),
        "ap": ours["ap"],
        "pycocotools": theirs["ap"],
        "largest_difference_of_a_class": max(abs(one - other) for one, other in defined),
    }


def measure(resolution: int, seed: int, place: Path, coco_folder: Path) -> dict[str, Any]:
    """Build, train, convert, evaluate."""
    load_tensorflow()
    import keras

    from mbhelpers.models.ssd import LAYOUTS, build_ssd, with_anchors
    from mbhelpers.quantization.tflite import float_operators, to_int8

    preprocessing, truth = preset("mbhelpers", resolution), load_detections("coco2017_80", coco_folder)
    data = load_boxed(truth.select(np.argsort(-np.diff(truth.first), kind="stable")[:LEARNED]), preprocessing)
    keras.utils.set_random_seed(seed)
    begun = time.perf_counter()
    model = build_ssd(len(COCO), ALPHA, preprocessing, weights="none")
    result: dict[str, Any] = {
        "parameters": model.count_params(),
        "outputs": [list(output.shape[1:]) for output in model.outputs],
        "build_seconds": round(time.perf_counter() - begun, 1),
    }
    recipe = detector_recipe("ours", weights="none")
    recipe = replace(recipe, training=replace(recipe.training, batch_size=4, epochs=EPOCHS, min_steps=0, ema=0.0))
    history = fit_detector(model, data, None, recipe, place, seed=seed)
    result["losses"] = [round(history[k]["loss"], 4) for k in (0, -1)]
    result["training_seconds"] = round(sum(line["seconds"] for line in history), 1)
    for layout in LAYOUTS:
        begun = time.perf_counter()
        content = to_int8(with_anchors(model, layout), Record(COCO, preprocessing), data.images)
        result[f"int8_{layout}"] = {
            "bytes": len(content),
            "float_operators": float_operators(content),
            "seconds": round(time.perf_counter() - begun, 1),
        }
        (place / f"{layout}.tflite").write_bytes(content)
    detector = Detector(place / "one.tflite")
    result["output_one"] = [list(array.shape) for _, array in detector.outputs(data.images[0])]
    begun = time.perf_counter()
    result["found"] = compared(truth, predict(detector, truth, limit=100))
    result["found"]["seconds"] = round(time.perf_counter() - begun, 1)
    return result


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=settings.DEFAULT_SEED)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    real = settings.real_folder()
    if real is None:
        raise SystemExit("no COCO here: set MBHELPERS_REAL to the folder that holds coco/")
    measured = {}
    for resolution in RESOLUTIONS:
        with tempfile.TemporaryDirectory() as place:
            measured[f"{resolution} px"] = measure(resolution, given.seed, Path(place), real / "coco")
        print(resolution, measured[f"{resolution} px"], flush=True)
    result = {
        "command": ".venv/bin/python benchmarks/ssd_wide.py",
        "seed": given.seed,
        "machine": {"cores": os.cpu_count(), "cores_used": len(os.sched_getaffinity(0)), "system": platform.system()},
        "versions": {"python": platform.python_version(), **{k: version(k) for k in ("tensorflow", "keras")}},
        **measured,
    }
    write_json(given.out, result)


if __name__ == "__main__":
    main()
