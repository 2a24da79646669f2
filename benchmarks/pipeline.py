"""Decode, resize and augment at 128 px, against Keras' own way, and how long training waits for its batches.

    .venv/bin/python benchmarks/pipeline.py

Data: a folder with a sub-folder a class (`--images`, else flower_photos in the folder that MBHELPERS_REAL names).
The changes are ST's A1: flips, translation, rotation, zoom, shear, contrast, brightness; batches of 64, bilinear.

Throughput, in images that come out a second, all ways by turns, three rounds, the best counts:

- `ours_first_epoch`: `load_images` and one epoch of `training_batches`, all of it in the time.
- `ours_5_epochs`: the same for five epochs; files are decoded once.
- `ours_5_epochs_disk`: five epochs of images that lie in a cache file, opened in the time.
- `keras_epoch`: one epoch of `image_dataset_from_directory` with Keras' layers mapped on it, files decoded each epoch.
- `keras_5_epochs_cache`: the same with `.cache()` behind the decoding, five epochs.
- `ours_cached_epoch`, `keras_cached_epoch`: the last four of the five, in which both only augment.

Keras' datasets are built, their functions traced, before the clock starts; ours are built in the time. What XLA takes
to compile our changes, once a process, is `compile_seconds`, and is in none of the times.

Waiting: MobileNetV2 0.35 is trained whole, step by step in a loop of our own, in blocks by turns: on one batch held in
memory (the ceiling), on our batches, on Keras'. `waiting` is the share of the time in which `next(batches)` had not
returned; `slowdown` is the time of a step against the ceiling, which also counts the cores that the pipeline takes
from the training. The first steps of a block, which find batches made in the meantime, don't count.
Results go to `benchmarks/results/pipeline.json`.
"""

import argparse
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from importlib.metadata import version
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers import settings
from mbhelpers.data.augment import ST_RECIPES
from mbhelpers.data.folder import scan
from mbhelpers.data.pipeline import load_images, training_batches
from mbhelpers.files import write_json
from mbhelpers.models.families import build_classifier
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import preset

RESULT = Path(__file__).parent / "results" / "pipeline.json"
SIDE, BATCH, EPOCHS, ROUNDS, SKIPPED = 128, 64, 5, 3, 10
CONTRACT = preset("mbhelpers", SIDE)
HOW = replace(ST_RECIPES["A1"], interpolation="bilinear")


def our_batches(images: np.ndarray, labels: np.ndarray, seed: int, epochs: int) -> Any:
    """Our batches of images already decoded."""
    return training_batches(images, labels, batch_size=BATCH, seed=seed, epochs=epochs, augmentation=HOW)


def keras_batches(root: Path, seed: int, cached: bool) -> Any:
    """Keras' batches with the same changes; they decode the files of every epoch, or keep them in memory."""
    import keras
    import tensorflow as tf

    layers = keras.layers
    changes = keras.Sequential(
        [
            layers.RandomFlip(),
            layers.RandomTranslation(HOW.translate, HOW.translate),
            layers.RandomRotation(HOW.rotate),
            layers.RandomZoom(HOW.zoom, HOW.zoom),
            layers.RandomShear(HOW.shear),
            layers.RandomContrast((HOW.contrast, HOW.contrast)),
            layers.RandomBrightness(HOW.brightness),
        ]
    )
    files = keras.utils.image_dataset_from_directory(
        root, batch_size=BATCH, image_size=(SIDE, SIDE), seed=seed, verbose=False
    )
    files = files.cache() if cached else files
    changed = files.map(lambda x, y: (changes(x, training=True), y), num_parallel_calls=tf.data.AUTOTUNE)
    return changed.prefetch(tf.data.AUTOTUNE)


def drain(batches: Any) -> int:
    """Take all batches; returns how many images they held."""
    return sum(int(pixels.shape[0]) for pixels, _ in batches)


def throughput(root: Path, paths: np.ndarray, labels: np.ndarray, seed: int) -> dict[str, list[float]]:
    """Images a second of every way, by rounds."""
    plain = keras_batches(root, seed, cached=False)
    rates: dict[str, list[float]] = {}

    def note(name: str, images: int, seconds: float) -> None:
        rates.setdefault(name, []).append(images / seconds)
        print(f"{name}: {images / seconds:.0f} images/s", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        load_images(root, paths, CONTRACT, cache)
        for _ in range(ROUNDS):
            start = time.perf_counter()
            images = load_images(root, paths, CONTRACT)
            taken = drain(our_batches(images, labels, seed, 1))
            first = time.perf_counter()
            note("ours_first_epoch", taken, first - start)
            later = drain(our_batches(images, labels, seed, EPOCHS - 1))
            end = time.perf_counter()
            note("ours_cached_epoch", later, end - first)
            note("ours_5_epochs", taken + later, end - start)
            start = time.perf_counter()
            taken = drain(our_batches(load_images(root, paths, CONTRACT, cache), labels, seed, EPOCHS))
            note("ours_5_epochs_disk", taken, time.perf_counter() - start)
            start = time.perf_counter()
            note("keras_epoch", drain(plain), time.perf_counter() - start)
            kept = keras_batches(root, seed, cached=True)
            start = time.perf_counter()
            taken = drain(kept)
            first = time.perf_counter()
            later = sum(drain(kept) for _ in range(EPOCHS - 1))
            end = time.perf_counter()
            note("keras_5_epochs_cache", taken + later, end - start)
            note("keras_cached_epoch", later, end - first)
    return rates


def make_step(classes: int) -> Callable[[Any, Any], Any]:
    """One training step of the whole network."""
    import keras
    import tensorflow as tf

    model = build_classifier(classes, 0.35, CONTRACT, weights="none")
    model.trainable = True
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(model.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy()

    @tf.function(reduce_retracing=True)
    def step(pixels: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            value = loss(labels, model(tf.cast(pixels, tf.float32), training=True))
        optimizer.apply_gradients(
            zip(tape.gradient(value, model.trainable_variables), model.trainable_variables, strict=True)
        )
        return value

    return step


def forever(batches: Any) -> Iterator[Any]:
    """Epoch after epoch."""
    while True:
        yield from batches


def waiting(root: Path, images: np.ndarray, labels: np.ndarray, seed: int, steps: int) -> dict[str, Any]:
    """Seconds a step, and the share of them spent waiting, for each source of batches."""
    step = make_step(int(labels.max()) + 1)
    batches = our_batches(images, labels, seed, 10**4)
    sources: dict[str, Iterator[Any]] = {
        "ceiling": repeat(next(iter(batches))),
        "ours": iter(batches),
        "keras": forever(keras_batches(root, seed, cached=False)),
    }
    found: dict[str, dict[str, list[float]]] = {name: {"step_ms": [], "waiting": []} for name in sources}
    for source in sources.values():  # traced and compiled before the clock starts
        step(*next(source))
    for _ in range(ROUNDS):
        for name, source in sources.items():
            waited, start = 0.0, 0.0
            for k in range(SKIPPED + steps):
                before = time.perf_counter()
                if k == SKIPPED:
                    waited, start = 0.0, before
                batch = next(source)
                waited += time.perf_counter() - before
                float(step(*batch))
            took = time.perf_counter() - start
            found[name]["step_ms"].append(1000 * took / steps)
            found[name]["waiting"].append(waited / took)
            print(f"{name}: {1000 * took / steps:.0f} ms a step, {waited / took:.1%} of it waiting", flush=True)
    best = {name: int(np.argmin(rounds["step_ms"])) for name, rounds in found.items()}
    ceiling = min(found["ceiling"]["step_ms"])
    return {
        "steps_a_block": steps,
        "blocks": ROUNDS,
        **{
            name: {
                "step_ms": rounds["step_ms"][best[name]],
                "waiting": rounds["waiting"][best[name]],
                "slowdown": rounds["step_ms"][best[name]] / ceiling,
                "of_each_block": rounds,
            }
            for name, rounds in found.items()
        },
    }


def ratios(best: dict[str, float]) -> dict[str, float]:
    """How many times as fast we are; from the best rounds."""
    return {
        "first_epoch_to_keras": best["ours_first_epoch"] / best["keras_epoch"],
        "5_epochs_to_keras": best["ours_5_epochs"] / best["keras_epoch"],
        "5_epochs_to_keras_cache": best["ours_5_epochs"] / best["keras_5_epochs_cache"],
        "5_epochs_disk_to_keras_cache": best["ours_5_epochs_disk"] / best["keras_5_epochs_cache"],
        "cached_epoch_to_keras_cached_epoch": best["ours_cached_epoch"] / best["keras_cached_epoch"],
    }


def _machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    load = round(os.getloadavg()[1], 1)
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "load_before": load,
    }


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=Path, help="folder with a sub-folder a class; default: the real flowers")
    parser.add_argument("--seed", type=int, default=settings.DEFAULT_SEED)
    parser.add_argument("--steps", type=int, default=30, help="of each block of training")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    real = settings.real_folder()
    root = given.images or (real and real / "flowers" / "flower_photos")
    if root is None:
        parser.error("no real flowers here: pass --images with a folder that holds a folder a class")
    machine = _machine()
    load_tensorflow()
    found = scan(root)
    paths, labels = found.paths, found.labels
    images = load_images(root, paths, CONTRACT)
    start = time.perf_counter()
    drain(our_batches(images[:BATCH], labels[:BATCH], given.seed, 1))
    compiling = time.perf_counter() - start
    rates = throughput(root, paths, labels, given.seed)
    best = {name: max(rounds) for name, rounds in rates.items()}
    result = {
        "command": shlex.join([".venv/bin/python", "benchmarks/pipeline.py", *sys.argv[1:]]),
        "data": {"folder": root.name, "images": len(paths), "side": SIDE, "batch": BATCH},
        "augmentation": asdict(HOW),
        "seed": given.seed,
        "machine": machine,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("tensorflow", "keras", "pillow", "numpy")},
        },
        "compile_seconds": compiling,
        "images_per_second": {name: {"best": best[name], "rounds": rounds} for name, rounds in rates.items()},
        "ratios": ratios(best),
        "training": waiting(root, images, labels, given.seed, given.steps),
    }
    write_json(given.out, _rounded(result))


def _rounded(content: Any) -> Any:
    """Four significant digits: more would be noise."""
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_rounded(value) for value in content]
    return float(f"{content:.4g}") if isinstance(content, float) else content


if __name__ == "__main__":
    main()
