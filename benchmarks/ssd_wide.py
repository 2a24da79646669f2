"""The widest detector of the table, alpha 1.0 with 80 classes at 256 px: it is built, trains, and becomes int8.

    .venv/bin/python benchmarks/ssd_wide.py

Two epochs of `STEPS` steps, four images each, are trained on noise with boxes anywhere, all 80 classes among them.
Then the network is converted in both layouts. Seconds are those of one run. Results go to
`benchmarks/results/ssd_wide.json`.
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
from mbhelpers.data.boxed import BoxedImages
from mbhelpers.data.class_names import COCO
from mbhelpers.files import write_json
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import preset
from mbhelpers.records import Record
from mbhelpers.training.detector import fit_detector
from mbhelpers.training.detector_recipes import detector_recipe

RESULT = Path(__file__).parent / "results" / "ssd_wide.json"
ALPHA, RESOLUTION, STEPS, OBJECTS = 1.0, 256, 4, 10


def noise(seed: int) -> BoxedImages:
    """Images without sense, and boxes of every class somewhere in them."""
    rng = np.random.default_rng(seed)
    number = 4 * STEPS
    corners = np.sort(rng.uniform(0, 1, (number, OBJECTS, 2, 2)).astype(np.float32), axis=2)
    labels = np.arange(number * OBJECTS).reshape(number, OBJECTS) % len(COCO)
    images = rng.integers(0, 256, (number, RESOLUTION, RESOLUTION, 3)).astype(np.uint8)
    return BoxedImages(images, corners.reshape(number, OBJECTS, 4), labels, np.ones((number, OBJECTS), bool))


def measure(seed: int, place: Path) -> dict[str, Any]:
    """Build, train, convert."""
    load_tensorflow()
    import keras

    from mbhelpers.models.ssd import LAYOUTS, build_ssd, with_anchors
    from mbhelpers.quantization.tflite import float_operators, to_int8

    data, preprocessing = noise(seed), preset("mbhelpers", RESOLUTION)
    keras.utils.set_random_seed(seed)
    begun = time.perf_counter()
    model = build_ssd(len(COCO), ALPHA, preprocessing, weights="none")
    result: dict[str, Any] = {
        "parameters": model.count_params(),
        "outputs": [list(output.shape[1:]) for output in model.outputs],
        "build_seconds": round(time.perf_counter() - begun, 1),
    }
    recipe = detector_recipe("ours", smoke=True)
    recipe = replace(recipe, training=replace(recipe.training, batch_size=4))
    history = fit_detector(model, data, None, recipe, place, seed=seed)
    result["losses"] = [round(line["loss"], 4) for line in history]
    result["epoch_seconds"] = [line["seconds"] for line in history]
    for layout in LAYOUTS:
        begun = time.perf_counter()
        content = to_int8(with_anchors(model, layout), Record(COCO, preprocessing), data.images)
        result[f"int8_{layout}"] = {
            "bytes": len(content),
            "float_operators": float_operators(content),
            "seconds": round(time.perf_counter() - begun, 1),
        }
    return result


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=settings.DEFAULT_SEED)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        measured = measure(given.seed, Path(place))
    result = {
        "command": ".venv/bin/python benchmarks/ssd_wide.py",
        "seed": given.seed,
        "machine": {"cores": os.cpu_count(), "cores_used": len(os.sched_getaffinity(0)), "system": platform.system()},
        "versions": {"python": platform.python_version(), **{k: version(k) for k in ("tensorflow", "keras")}},
        **measured,
    }
    write_json(given.out, result)
    print(measured)


if __name__ == "__main__":
    main()
