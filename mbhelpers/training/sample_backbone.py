"""Train the "sample" backbone: a small MobileNetV2 that has seen drawn shapes, so that transfer works offline.

Run `python -m mbhelpers.training.sample_backbone`; it takes about ten minutes on two cores and writes the weights
and what they were made with into `mbhelpers/models/`. The shapes are another task than the flowers of the sample.
"""

import json
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from mbhelpers.data.augment import Augmentation
from mbhelpers.data.sample import SHAPES, draw_shape
from mbhelpers.evaluation.classification import evaluate
from mbhelpers.files import replacing, write_json
from mbhelpers.models.families import BACKBONE, build_classifier
from mbhelpers.models.weights import SAMPLE_ALPHA, sample_file
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import preset
from mbhelpers.runs import machine, versions
from mbhelpers.training.recipes import Recipe

RESOLUTION = 128
PER_CLASS = {"train": 120, "validation": 15, "test": 30}
SEED = 2026
RECIPE = Recipe(
    learning_rate=4e-3,
    epochs=24,
    min_steps=0,
    weight_decay=1e-2,
    dropout=0.2,
    label_smoothing=0.1,
    augmentation=Augmentation(flip_horizontal=True, zoom=0.15, translate=0.1, contrast=0.2),
)


def draw_part(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Drawn shapes of one part, no picture in two parts: uint8 (N, 128, 128, 3) and labels (N,)."""
    start = {"train": 0, "validation": 10_000, "test": 20_000}[part]
    jobs = [(kind, start + k) for kind in SHAPES for k in range(PER_CLASS[part])]
    with ProcessPoolExecutor() as pool:
        images = list(pool.map(_draw, jobs, chunksize=32))
    return np.stack(images), np.repeat(np.arange(len(SHAPES)), PER_CLASS[part])


def _draw(job: tuple[str, int]) -> np.ndarray:
    return draw_shape(job[0], job[1], RESOLUTION)


def main() -> None:
    """Draw, train, measure on shapes not trained on, save."""
    parts = {part: draw_part(part) for part in PER_CLASS}
    # TensorFlow is loaded after the drawing processes have ended: a fork of it may hang.
    load_tensorflow()
    import keras

    from mbhelpers.training.fit import fit

    keras.utils.set_random_seed(SEED)
    preprocessing = preset("mbhelpers", RESOLUTION)
    model = build_classifier(len(SHAPES), SAMPLE_ALPHA, preprocessing, weights="none", dropout=RECIPE.dropout)
    with tempfile.TemporaryDirectory() as folder:
        fit(model, parts["train"], parts["validation"], RECIPE, Path(folder), seed=SEED)
    images, labels = parts["test"]
    found = evaluate(model.predict(images, verbose=0), labels, tuple(SHAPES))
    path = sample_file()
    with replacing(path) as temporary:
        model.get_layer(BACKBONE).save_weights(temporary)
    made = {
        "command": "python -m mbhelpers.training.sample_backbone",
        "task": f"{len(SHAPES)} kinds of drawn shapes",
        "images_per_class": PER_CLASS,
        "seed": SEED,
        "test": {key: found[key] for key in ("n", "correct", "top1", "interval")},
        "recipe": RECIPE.to_json(),
        "versions": versions(),
        "machine": machine(),
    }
    write_json(path.with_suffix("").with_suffix(".json"), made)
    print(json.dumps(made["test"]))


if __name__ == "__main__":
    main()
