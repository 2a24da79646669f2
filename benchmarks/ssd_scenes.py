"""A small SSD learns persons in drawn scenes from nothing: AP@.5 on scenes of another seed, in float and in int8.

    .venv/bin/python benchmarks/ssd_scenes.py

Scenes are drawn as in the sample of COCO, in equal shares of `CASES`: a person, a group, a portrait, persons behind
something, cut by an edge, or none at all. The sample's other cases (figures of a few pixels, crowds of them) are left
out of training; with `--all-cases N` the network is measured on N pictures of the whole sample, too. Nothing chooses an
epoch: the last one counts. AP is the exact area under the curve at IoU 0.5, crowds ignored.

`seconds` is the training as `fit_detector` is called, with the tracing of the graph; `cpu_seconds` what it took from
the cores. Results go to `benchmarks/results/ssd_scenes.json`.
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
from mbhelpers.data.predictions import Predictions
from mbhelpers.data.sample.coco import draw_scene, write_sample
from mbhelpers.detection.anchors import make_anchors
from mbhelpers.detection.boxes import area
from mbhelpers.detection.outputs import Found, detect
from mbhelpers.evaluation.detection import evaluate
from mbhelpers.evaluation.detection_match import Protocol
from mbhelpers.files import write_json
from mbhelpers.models.load import load_keras
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import preset
from mbhelpers.records import Record
from mbhelpers.training.detector import fit_detector
from mbhelpers.training.detector_recipes import RECIPES

if TYPE_CHECKING:
    import keras

RESULT = Path(__file__).parent / "results" / "ssd_scenes.json"
CASES = ("person", "group", "things", "border", "portrait", "hidden")
HALF = Protocol((0.5,), "greedy", most=100)
CLASSES = ("person",)
RECIPE = RECIPES["ours"]


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


def score(found: Detections, detections: list[Found]) -> dict[str, Any]:
    """AP at IoU 0.5 and its parts by size; a box that is inside out has no area and counts for nothing."""
    whole = [(area(one.boxes) > 0, one) for one in detections]
    predictions = Predictions.from_images([(one.boxes[k], one.scores[k], one.labels[k]) for k, one in whole])
    told = evaluate(found, predictions, HALF)
    return {"images": told["images"], "persons": told["truths"], "ap50": told["ap"], "by_size": told["by_size"]}


def run_keras(model: Any, images: np.ndarray) -> list[Found]:
    """What a Keras model finds in each image."""
    anchors = make_anchors(images.shape[1])[None]
    scores, offsets = model.predict(images, batch_size=32, verbose=0)
    return [
        detect([("scores", s[None]), ("offsets", o[None]), ("anchors", anchors)], score_threshold=0.01)
        for s, o in zip(scores, offsets, strict=True)
    ]


def run_file(content: bytes, images: np.ndarray) -> list[Found]:
    """What an int8 file finds in each image."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    given, told = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()
    found = []
    for image in images:
        interpreter.set_tensor(given, image[None])
        interpreter.invoke()
        outputs = [(one["name"], interpreter.get_tensor(one["index"])) for one in told]
        if len(outputs) == 1:
            outputs[0][1][..., :2].clip(0, 1, out=outputs[0][1][..., :2])  # the shared grid may reach beyond 1
        found.append(detect(outputs, score_threshold=0.01))
    return found


def measure(given: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Draw, train, convert, evaluate."""
    load_tensorflow()
    from mbhelpers.models.ssd import LAYOUTS, with_anchors
    from mbhelpers.quantization.tflite import float_operators, to_int8

    preprocessing = preset("mbhelpers", given.resolution)
    training = load_boxed(scenes(place / "train", given.train, given.seed), preprocessing)
    held_out = scenes(place / "test", given.test, given.seed + 1)
    images = load_boxed(held_out, preprocessing).images
    model, told = _kept(given.model) if given.model else _train(given, training, place / "run")
    result: dict[str, Any] = {"training": told, "parameters": model.count_params()}
    result["float"] = score(held_out, run_keras(model, images))
    print(result["float"], flush=True)
    record = Record(CLASSES, preprocessing)
    for layout in LAYOUTS:
        content = to_int8(with_anchors(model, layout), record, training.images[:200])
        file = {"bytes": len(content), "float_operators": float_operators(content)}
        result[f"int8_{layout}"] = file | score(held_out, run_file(content, images))
    if given.all_cases:
        folder = write_sample(place, train=1, val=given.all_cases, seed=given.seed + 2)
        every = coco.read_folder(folder, year=2017).only(CLASSES)
        every = every.select(np.flatnonzero([name.startswith("val") for name in every.paths]))
        result["float_all_cases"] = score(every, run_keras(model, load_boxed(every, preprocessing).images))
    return result


def _train(given: argparse.Namespace, training: BoxedImages, folder: Path) -> tuple["keras.Model", dict[str, Any]]:
    """A new model, and what its training took; both are kept where asked for."""
    import keras

    from mbhelpers.models.ssd import build_ssd

    keras.utils.set_random_seed(given.seed)
    options = {"weights": given.weights, "channels": given.channels, "depth": given.depth}
    model = build_ssd(1, given.alpha, preset("mbhelpers", given.resolution), **options)
    recipe = replace(RECIPE, training=replace(RECIPE.training, epochs=given.epochs))
    begun, used = time.perf_counter(), _cpu()
    history = fit_detector(model, training, None, recipe, folder, seed=given.seed)
    told = {
        "images": len(training),
        "persons": int(training.valid.sum()),
        "seconds": time.perf_counter() - begun,
        "cpu_seconds": _cpu() - used,
        "first": history[0],
        "last": history[-1],
        "recipe": recipe.to_json(),
    }
    if given.keep:
        model.save(given.keep)
        write_json(given.keep.with_suffix(".json"), told)
    return model, told


def _kept(file: Path) -> tuple["keras.Model", dict[str, Any]]:
    """A model that `--keep` saved, and what was written of its training."""
    return load_keras(file), json.loads(file.with_suffix(".json").read_text())


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
    parser.add_argument("--epochs", type=int, default=RECIPE.training.epochs)
    parser.add_argument("--train", type=int, default=1200, help="scenes to learn from")
    parser.add_argument("--test", type=int, default=300, help="scenes to measure on")
    parser.add_argument("--all-cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=settings.DEFAULT_SEED)
    parser.add_argument("--keep", type=Path, help="save the Keras model here, and what its training took")
    parser.add_argument("--model", type=Path, help="measure this model that was kept, in place of training one")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        measured = measure(given, Path(place))
    packages = ("numpy", "tensorflow", "keras", "ai-edge-litert")
    result = {
        "command": shlex.join([".venv/bin/python", "benchmarks/ssd_scenes.py", *sys.argv[1:]]),
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
