"""A small SSD learns persons in drawn scenes from nothing: AP@.5 on scenes of another seed, in float and in int8.

    .venv/bin/python benchmarks/ssd_scenes.py

Scenes are drawn as in the sample of COCO, in equal shares of `CASES`: a person, a group, a portrait, persons behind
something, cut by an edge, or none at all. The sample's other cases (figures of a few pixels, crowds of them) are left
out of training; on them the network is measured, too (`float_all_cases`). Nothing chooses an epoch, the last one
counts (another recipe may have it otherwise). AP is the exact area under the curve at IoU 0.5, crowds ignored.

`seconds` is the training as `fit_detector` is called, with the tracing of the graph; `cpu_seconds` what it took from
the cores. The result is `results/drawn_persons/detectors.json`; the models lie beside it, where notebooks in smoke
mode find a detector.
"""

import argparse
import json
import os
import platform
import resource
import shlex
import sys
import tempfile
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from mbhelpers import settings
from mbhelpers.data import coco
from mbhelpers.data.boxed import BoxedImages, load_boxed
from mbhelpers.data.detections import Detections, assemble
from mbhelpers.data.sample.coco import draw_scene, write_sample
from mbhelpers.evaluation.detection import evaluate
from mbhelpers.evaluation.detection_files import predict
from mbhelpers.evaluation.detection_match import Protocol
from mbhelpers.files import replacing, write_json
from mbhelpers.inference.detector import Detector
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import preset
from mbhelpers.records import Record, add_to_keras
from mbhelpers.stages.detection import DRAWN
from mbhelpers.training.detector import fit_detector
from mbhelpers.training.detector_recipes import RECIPES

if TYPE_CHECKING:
    import keras

RESULT = settings.results_folder() / "drawn_persons" / "detectors.json"
CASES = ("person", "group", "things", "border", "portrait", "hidden")
HALF = Protocol((0.5,), "greedy", most=100)
CLASSES = ("person",)
KEPT = "int8"
CALIBRATION = settings.CALIBRATION_IMAGES
KINDS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("int8", "three", {}),
    ("int8_one", "one", {}),
    ("int8_per_tensor", "three", {"granularity": "tensor"}),
    ("int8_per_tensor_as_converted", "three", {"granularity": "tensor", "repairs": ()}),
)
"""Int8 files: name, layout of the outputs, options of `to_int8`."""


def scenes(folder: Path, number: int, seed: int) -> Detections:
    """Draw scenes into a folder; their persons."""
    folder.mkdir(parents=True)
    paths, sizes, image_of, corners = [], [], [], []
    for k in range(number):
        scene = draw_scene(CASES[k % len(CASES)], np.random.default_rng([seed, k]))
        paths.append(f"{k:05d}.png")
        Image.fromarray(scene.picture).save(folder / paths[-1])
        sizes.append(scene.picture.shape[1::-1])
        for outline in scene.outlines:
            if outline.category in CLASSES:
                rows, columns = (np.flatnonzero(outline.mask.any(axis)) for axis in (1, 0))
                image_of.append(k)
                corners.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    boxes = len(corners)
    return assemble(
        root=folder,
        categories=CLASSES,
        category_ids=np.array([1]),
        paths=paths,
        image_ids=np.arange(number),
        sizes=np.array(sizes),
        image_of=np.array(image_of),
        corners=np.array(corners, np.float64),
        labels=np.zeros(boxes, np.int64),
        areas=np.full(boxes, np.nan),
        crowd=np.zeros(boxes, bool),
        box_ids=np.arange(boxes),
    )


def score(found: Detections, file: Path) -> dict[str, Any]:
    """AP at IoU 0.5 of what a file finds, and its parts by size."""
    told = evaluate(found, predict(Detector(file), found, limit=HALF.most), HALF)
    return {"images": told["images"], "persons": told["truths"], "ap50": told["ap"], "by_size": told["by_size"]}


def measure(given: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Draw, train, convert, evaluate; the models go to `--keep`."""
    load_tensorflow()
    from mbhelpers.models.ssd import with_anchors
    from mbhelpers.quantization.tflite import float_operators, to_int8

    preprocessing = preset("mbhelpers", given.resolution)
    begun = time.perf_counter()
    training = load_boxed(scenes(place / "train", given.train, given.seed), preprocessing)
    result: dict[str, Any] = {"drawing_seconds": time.perf_counter() - begun}
    held_out = scenes(place / "test", given.test, given.seed + 1)
    validation = None
    if RECIPES[given.recipe].training.monitor != "none":
        validation = load_boxed(scenes(place / "validation", given.test, given.seed + 3), preprocessing)
    model, result["training"] = _train(given, training, validation, place / "run")
    result["parameters"] = model.count_params()
    record = Record(CLASSES, preprocessing, {"command": _command(), "training": result["training"]["recipe"]})
    files = {"float": given.keep / "model.keras"}
    given.keep.mkdir(parents=True, exist_ok=True)
    with replacing(files["float"]) as temporary:
        model.save(temporary)
        add_to_keras(temporary, record)
    result["float"] = score(held_out, files["float"])
    print(result["float"], flush=True)
    for kind, layout, how in KINDS:
        content = to_int8(with_anchors(model, layout), record, training.images[:CALIBRATION], **how)
        files[kind] = (given.keep if kind == KEPT else place) / f"model_{kind}.tflite"
        with replacing(files[kind]) as temporary:
            temporary.write_bytes(content)
        result[kind] = {"bytes": len(content), "float_operators": float_operators(content)}
        result[kind] |= score(held_out, files[kind])
    folder = write_sample(place, train=1, val=given.all_cases, seed=given.seed + 2)
    every = coco.read_folder(folder, year=2017).only(CLASSES)
    every = every.select(np.flatnonzero([name.startswith("val") for name in every.paths]))
    return result | {"float_all_cases": score(every, files["float"])}


def _train(
    given: argparse.Namespace, training: BoxedImages, validation: BoxedImages | None, folder: Path
) -> tuple["keras.Model", dict[str, Any]]:
    """A new model, and what its training took."""
    import keras

    from mbhelpers.models.ssd import build_ssd

    keras.utils.set_random_seed(given.seed)
    options = {"weights": given.weights, "channels": given.channels, "depth": given.depth}
    model = build_ssd(1, given.alpha, preset("mbhelpers", given.resolution), **options)
    recipe = RECIPES[given.recipe]
    recipe = replace(recipe, training=replace(recipe.training, epochs=given.epochs, min_steps=0))
    begun, used = time.perf_counter(), _cpu()
    history = fit_detector(model, training, validation, recipe, folder, seed=given.seed)
    told = {
        "images": len(training),
        "persons": int(training.valid.sum()),
        "seconds": time.perf_counter() - begun,
        "cpu_seconds": _cpu() - used,
        "first": history[0],
        "last": history[-1],
        "recipe": recipe.to_json(),
    }
    return model, told


def _command() -> str:
    return shlex.join([".venv/bin/python", "benchmarks/ssd_scenes.py", *sys.argv[1:]])


def _cpu() -> float:
    """Seconds of all cores that this process has taken."""
    told = resource.getrusage(resource.RUSAGE_SELF)
    return told.ru_utime + told.ru_stime


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--alpha", type=float, default=0.35)
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--weights", default="none", help="of the backbone")
    parser.add_argument("--recipe", default="scratch", help="one with a monitor gets scenes of its own to validate on")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--train", type=int, default=3600, help="scenes to learn from")
    parser.add_argument("--test", type=int, default=300, help="scenes to measure on")
    parser.add_argument("--all-cases", type=int, default=200, help="pictures of the whole sample to measure on, too")
    parser.add_argument("--seed", type=int, default=settings.DEFAULT_SEED)
    parser.add_argument("--keep", type=Path, default=settings.results_folder() / DRAWN, help="gets the models")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        measured = measure(given, Path(place))
    packages = ("numpy", "tensorflow", "keras", "ai-edge-litert")
    result = {
        "command": _command(),
        "seed": given.seed,
        "machine": {"cores": os.cpu_count(), "cores_used": len(os.sched_getaffinity(0)), "system": platform.system()},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "network": {name: getattr(given, name) for name in ("alpha", "resolution", "channels", "depth", "weights")},
        **measured,
    }
    write_json(given.out, _rounded(result))
    print(json.dumps({name: _rounded(told) for name, told in result.items() if name.startswith(("float", "int8"))}))


def _rounded(content: Any) -> Any:
    """Four significant digits: more would be noise."""
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_rounded(value) for value in content]
    return float(f"{content:.4g}") if isinstance(content, float) else content


if __name__ == "__main__":
    main()
