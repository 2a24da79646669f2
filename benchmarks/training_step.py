"""How fast a whole MobileNetV2 0.35 trains at 128 px, against plain Keras, and where a step's time goes.

    .venv/bin/python benchmarks/training_step.py

Data: a folder with a sub-folder a class (`--images`, else flower_photos in the folder that MBHELPERS_REAL names), split
as a run of `mbhelpers` splits it. Batches of 64 everywhere. In training images a second over whole epochs, validation
and what is saved after an epoch included, all sides by turns:

- `keras`: `image_dataset_from_directory`, Keras' augmentation layers first in the model, `Model.fit`. Random draws,
  geometry and colours are those of `CHANGES`.
- `keras_unaugmented`: the same without the layers.
- `ours`: `mbhelpers.training.fit` with the same changes, in the pipeline, and the same optimizer.
- `tfs`, `fft`: `fit` with the recipes as they are; what a teacher says is given, as numbers of the right shape.

The model is built and traced before the clock starts; ours drops the first epoch of each round, in which it traces.
Decoding the files, which ours does once a run and Keras in every epoch, is `decode_seconds`, and not in our rates.
`rounds` holds every round; the rates are those of the best. `load` is the machine's load average before each round:
more than this process's own two says that others took a part.

The profile is TensorFlow's own, of eight steps in the middle of the first epoch: milliseconds a step by type of
operation, added up over threads. `bound` compares a step with what the machine can do: bytes that the step's operations
read and write, if each touched every tensor once, against copying; multiplications and additions against a product of
two matrices. Results go to `benchmarks/results/training_step.json`.
"""

import argparse
import functools
import os
import re
import shlex
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from mbhelpers import settings
from mbhelpers.data.augment import Augmentation
from mbhelpers.data.folder import scan
from mbhelpers.data.pipeline import load_images, steps_per_epoch
from mbhelpers.data.split import Split, make_split
from mbhelpers.files import write_json
from mbhelpers.models.families import build_classifier
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import preset
from mbhelpers.runs import machine, versions
from mbhelpers.training.fit import fit
from mbhelpers.training.recipes import Recipe, recipe_for

RESULT = Path(__file__).parent / "results" / "training_step.json"
SIDE, BATCH, ALPHA, ROUNDS, TIMED, PROFILED = 128, 64, 0.35, 3, 2, (12, 19)
CONTRACT = preset("mbhelpers", SIDE)
CHANGES = Augmentation(
    flip_horizontal=True, rotate=0.08, zoom=0.25, translate=0.12, shear=0.1, contrast=0.25, brightness=0.1
)
PLAIN = Recipe(learning_rate=1e-3, epochs=1, min_steps=0, optimizer="adam", dropout=0.2, augmentation=CHANGES)

Data = dict[str, tuple[np.ndarray, np.ndarray]]


def link(root: Path, split: Split, part: str, folder: Path) -> Path:
    """One part of the split as a folder of links, a sub-folder a class, for Keras to read."""
    for k, name in enumerate(split.paths[part]):
        place = folder / part / split.classes[split.labels[part][k]] / f"{k}{Path(name).suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to((root / name).resolve())
    return folder / part


def keras_changes(changes: Augmentation) -> Any:
    """Keras' layers for the changes that Keras has by the same names."""
    import keras

    layers = keras.layers
    made = {
        "flip_horizontal": lambda _: layers.RandomFlip("horizontal"),
        "translate": lambda most: layers.RandomTranslation(most, most),
        "rotate": layers.RandomRotation,
        "zoom": lambda most: layers.RandomZoom(most, most),
        "shear": layers.RandomShear,
        "contrast": layers.RandomContrast,
        "brightness": layers.RandomBrightness,
    }
    wanted = {name: value for name, value in asdict(changes).items() if value and name != "interpolation"}
    return keras.Sequential([made[name](value) for name, value in wanted.items()], name="changes")


def keras_side(root: Path, split: Split, folder: Path, seed: int, augmented: bool) -> Callable[..., list[float]]:
    """A plain Keras training; the function trains on and returns the seconds of each epoch."""
    import keras

    keras.utils.set_random_seed(seed)
    parts = {
        part: keras.utils.image_dataset_from_directory(
            link(root, split, part, folder), batch_size=BATCH, image_size=(SIDE, SIDE), seed=seed, verbose=False
        )
        for part in ("train", "validation")
    }
    pixels = keras.Input((SIDE, SIDE, 3))
    x = keras_changes(CHANGES)(pixels) if augmented else pixels
    classifier = build_classifier(len(split.classes), ALPHA, CONTRACT, weights="none", dropout=PLAIN.dropout)
    model = keras.Model(pixels, classifier(x))
    # XLA, which Keras would choose for the model without augmentation, is about ten times slower here.
    model.compile(
        keras.optimizers.Adam(PLAIN.learning_rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    ends: list[float] = []
    clock = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda *_: ends.append(-time.perf_counter()),
        on_epoch_end=lambda *_: ends.append(ends.pop() + time.perf_counter()),
    )

    def train(epochs: int, callbacks: tuple[Any, ...] = (), steps: int | None = None) -> list[float]:
        ends.clear()
        model.fit(
            parts["train"].take(steps) if steps else parts["train"],
            validation_data=parts["validation"],
            epochs=epochs,
            verbose=0,
            callbacks=[clock, *callbacks],
        )
        return list(ends)

    train(1, steps=2)
    return train


def our_side(recipe: Recipe, data: Data, classes: int, seed: int, folder: Path) -> list[float]:
    """Train a fresh model by `fit`; seconds of each epoch but the first."""
    model = build_classifier(classes, ALPHA, CONTRACT, weights="none", dropout=recipe.dropout)
    recipe = replace(recipe, epochs=1 + TIMED, min_steps=0, patience=1000)
    taught = None
    if recipe.distillation:
        steps = recipe.passes * steps_per_epoch(len(data["train"][0]), recipe.batch_size)
        taught = np.full((steps, recipe.batch_size, classes), 1 / classes, np.float32)
    history = fit(model, data["train"], data["validation"], recipe, folder, seed=seed, taught=taught)
    return [line["seconds"] for line in history[1:]]


def throughput(sides: dict[str, Callable[[], list[float]]], images: dict[str, int]) -> tuple[dict[str, Any], list[Any]]:
    """Images a second of every side, by rounds, and the load before each round."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    loads = []
    for _ in range(ROUNDS):
        loads.append([round(value, 1) for value in os.getloadavg()])
        for name, side in sides.items():
            seconds = side()
            rates[name].append(images[name] * len(seconds) / sum(seconds))
            print(f"{name}: {rates[name][-1]:.0f} images/s", flush=True)
    return {name: {"best": max(found), "rounds": found} for name, found in rates.items()}, loads


GROUPS = (
    ("depthwise convolution", r"Depthwise"),
    ("convolution", r"Conv2D"),
    ("batch norm", r"FusedBatchNorm"),
    ("relu", r"Relu"),
    ("image warp", r"ImageProjectiveTransform"),
)


def by_operation(logs: Path) -> dict[str, Any]:
    """Milliseconds a step by type of operation, from the newest profile in a folder."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    newest = max(logs.rglob("*.xplane.pb"), key=lambda path: path.stat().st_mtime)
    space = xplane_pb2.XSpace()
    space.ParseFromString(newest.read_bytes())
    steps = PROFILED[1] - PROFILED[0] + 1
    spent: Counter[str] = Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                # An operation is named "where/it/stands:Type"; other events, which contain operations, are not.
                named = re.fullmatch(r"[^:]+:(\w+)", plane.event_metadata[event.metadata_id].name)
                if named and not named[1].endswith(("PartitionedCall", "While", "If")):
                    spent[named[1]] += event.duration_ps / 1e9 / steps  # type: ignore[assignment]
    groups: Counter[str] = Counter()
    for kind, milliseconds in spent.items():
        group = next((name for name, pattern in GROUPS if re.search(pattern, kind)), "element-wise and others")
        groups[group] += milliseconds
    return {
        "groups_ms": dict(groups.most_common()),
        "operations_ms": {kind: value for kind, value in spent.most_common(25)},
        "sum_ms": sum(spent.values()),
    }


def profiles(keras_train: Callable[..., Any], ours: Callable[[Path], Any], folder: Path) -> dict[str, Any]:
    """The profile of a step of plain Keras, and of ours, from the callback that both write logs with."""
    import keras

    profiling = functools.partial(keras.callbacks.TensorBoard, profile_batch=PROFILED)
    keras_train(1, (profiling(str(folder / "before"), write_graph=False),))
    with mock.patch.object(keras.callbacks, "TensorBoard", profiling):
        ours(folder / "after")
    return {name: by_operation(folder / name) for name in ("before", "after")}


def bound(classes: int, step_seconds: float) -> dict[str, float]:
    """A step's bytes and arithmetic against what the machine does in a copy and in a product of matrices."""
    import keras
    import tensorflow as tf

    from mbhelpers.training.fused_norm import flat_layers

    model = build_classifier(classes, ALPHA, CONTRACT, weights="none")
    moved = arithmetic = 0.0
    for layer in flat_layers(model):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        inputs, outputs = (BATCH * sum(np.prod(t.shape[1:]) for t in _all(t)) for t in (layer.input, layer.output))
        norm = isinstance(layer, keras.layers.BatchNormalization)
        # Forward: in, out; a batch norm reads twice, for statistics and for the result. Backward: a convolution reads
        # what came in, and twice the gradient, and writes one; a batch norm reads both twice; an activation once.
        moved += 4 * ((2 * inputs + outputs) + (4 * outputs + inputs) if norm else 3 * inputs + 3 * outputs)
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
            kernel = layer.kernel.shape
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            per_output = kernel[0] * kernel[1] * (1 if depthwise else kernel[2])
            arithmetic += 3 * 2 * float(outputs) * per_output  # forward, gradient of inputs, of weights
    matrix = tf.random.uniform((2048, 2048))
    multiplied = _fastest(lambda: (matrix @ matrix).numpy())
    source = np.ones((os.cpu_count() or 1, 32 * 2**20), np.float32)
    target = np.zeros_like(source)  # written now, so that no page is new while the clock runs
    with ThreadPoolExecutor(len(source)) as pool:
        copied = _fastest(lambda: list(pool.map(np.copyto, target, source)))
    return {
        "step_ms": 1000 * step_seconds,
        "step_gigabytes": moved / 1e9,
        "step_gigabytes_per_second": moved / 1e9 / step_seconds,
        "copy_gigabytes_per_second": 2 * source.nbytes / 1e9 / copied,
        "step_gigaflops": arithmetic / 1e9 / step_seconds,
        "matrix_gigaflops": 2 * 2048**3 / 1e9 / multiplied,
    }


def _all(tensors: Any) -> list[Any]:
    return tensors if isinstance(tensors, list) else [tensors]


def _fastest(call: Callable[[], Any], times: int = 10) -> float:
    """Seconds of the fastest of some calls."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return min(found)


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=Path, help="folder with a sub-folder a class; default: the real flowers")
    parser.add_argument("--seed", type=int, default=settings.DEFAULT_SEED)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    real = settings.real_folder()
    root = given.images or (real and real / "flowers" / "flower_photos")
    if root is None:
        parser.error("no real flowers here: pass --images with a folder that holds a folder a class")
    load = [round(value, 1) for value in os.getloadavg()]
    load_tensorflow()
    split = make_split(scan(root), given.seed)
    start = time.perf_counter()
    data = {p: (load_images(root, split.paths[p], CONTRACT), split.labels[p]) for p in ("train", "validation")}
    decoding = time.perf_counter() - start
    classes, n = len(split.classes), len(split.paths["train"])
    recipes = {"ours": PLAIN, "tfs": recipe_for("tfs"), "fft": recipe_for("fft")}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        augmented = keras_side(root, split, folder / "a", given.seed, augmented=True)
        bare = keras_side(root, split, folder / "b", given.seed, augmented=False)

        def fresh(recipe: Recipe, where: Path | None = None) -> list[float]:
            return our_side(recipe, data, classes, given.seed, where or Path(tempfile.mkdtemp(dir=folder)))

        sides = {"keras": lambda: augmented(1), "keras_unaugmented": lambda: bare(1)}
        sides |= {name: functools.partial(fresh, recipe) for name, recipe in recipes.items()}
        full = steps_per_epoch(n, BATCH) * BATCH
        rates, loads = throughput(sides, {name: n if name.startswith("keras") else full for name in sides})
        profile = profiles(augmented, lambda where: fresh(PLAIN, where), folder)
    best = {name: found["best"] for name, found in rates.items()}
    write_json(
        given.out,
        rounded(
            {
                "command": shlex.join([".venv/bin/python", "benchmarks/training_step.py", *sys.argv[1:]]),
                "data": {"folder": root.name, "train": n, "validation": len(split.paths["validation"])},
                "model": {"architecture": "mobilenet_v2", "alpha": ALPHA, "side": SIDE, "batch": BATCH},
                "changes": asdict(CHANGES),
                "seed": given.seed,
                "machine": {**machine(), "load_before": load},
                "versions": versions(),
                "decode_seconds": decoding,
                "load": loads,
                "images_per_second": rates,
                "times_as_fast_as_keras": {name: best[name] / best["keras"] for name in ("ours", "tfs", "fft")},
                "profile": profile,
                "bound": bound(classes, BATCH / best["ours"]),
            }
        ),
    )


def rounded(content: Any) -> Any:
    """Four significant digits: more would be noise."""
    if isinstance(content, dict):
        return {key: rounded(value) for key, value in content.items()}
    if isinstance(content, list):
        return [rounded(value) for value in content]
    return float(f"{content:.4g}") if isinstance(content, float) else content


if __name__ == "__main__":
    main()
