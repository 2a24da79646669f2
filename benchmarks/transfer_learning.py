"""Transfer learning of 30 epochs at 128 px with augmentation, against plain Keras with the backbone frozen.

    .venv/bin/python benchmarks/transfer_learning.py

Data and weights: `flowers` and `weights` in the folder that MBHELPERS_REAL names, or `--data` and `--weights`; the
split is that of a run of `mbhelpers`, and both sides learn from its training part and look at its validation part.

- `keras`: `image_dataset_from_directory`, batches of 64, Keras' augmentation layers first in the model, the backbone
  frozen, Adam with 1e-3, `Model.fit`.
- `ours`: the stage `train` with the recipe of tl, but for 30 epochs, `--passes` of them different, the same changes,
  without a teacher.

Both begin at files and weights and end at a trained model: decoding, building, tracing, conversion, features and the
training of the classifier are in the seconds; importing TensorFlow and making the split are not. The sides take turns,
a seed each; ours goes on with seeds of its own, since one accuracy on so few images says little. A seed decides order,
augmentation and initial classifier.

`accuracy` is on the validation part: of Keras at its best epoch (what a checkpoint of the best would keep) and at its
last; of ours with the saved model, in which the epoch of the smallest loss is kept, and, to compare with the former,
at its best epoch. Results go to `benchmarks/results/transfer_learning.json`.
"""

import argparse
import os
import shlex
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from training_step import keras_changes, link, rounded

from mbhelpers import settings, stages
from mbhelpers.data import source
from mbhelpers.data.augment import Augmentation
from mbhelpers.data.split import Split
from mbhelpers.files import read_json, write_json
from mbhelpers.models.families import build_classifier
from mbhelpers.models.load import load_keras
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import preset
from mbhelpers.runs import Run, machine, open_run, versions
from mbhelpers.training.recipes import Recipe, recipe_for

RESULT = Path(__file__).parent / "results" / "transfer_learning.json"
ROW, EPOCHS, BATCH = "flowers/mobilenet_v2_0.35_128_tl", 30, 64
CHANGES = Augmentation(flip_horizontal=True, rotate=0.06, zoom=0.2, translate=0.1)


def keras_side(run: Run, split: Split, folder: Path, seed: int) -> dict[str, Any]:
    """Train the plain way; seconds and accuracies."""
    import keras

    side = run.row.resolution
    root = source.locate(run.row.dataset, run.data_dir)
    places = {part: link(root, split, part, folder) for part in ("train", "validation")}
    start = time.perf_counter()
    keras.utils.set_random_seed(seed)
    files = {
        part: keras.utils.image_dataset_from_directory(
            place, batch_size=BATCH, image_size=(side, side), seed=seed, verbose=False
        )
        for part, place in places.items()
    }
    classifier = build_classifier(
        len(split.classes), run.row.alpha, preset("mbhelpers", side), weights=run.weights, dropout=recipe().dropout
    )
    classifier.get_layer("backbone").trainable = False
    pixels = keras.Input((side, side, 3))
    model = keras.Model(pixels, classifier(keras_changes(CHANGES)(pixels)))
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(files["train"], validation_data=files["validation"], epochs=EPOCHS, verbose=0).history
    seconds = time.perf_counter() - start
    accuracies = history["val_accuracy"]
    return {"seconds": seconds, "accuracy_best_epoch": max(accuracies), "accuracy_last_epoch": accuracies[-1]}


def our_side(run: Run, split: Split, how: Recipe) -> dict[str, Any]:
    """Train by the stage; seconds and accuracies."""
    start = time.perf_counter()
    path = stages.train(run, how)
    seconds = time.perf_counter() - start
    images, labels = stages.part_images(run, "validation")
    scores = load_keras(path).predict(images.astype(np.float32), verbose=0)
    history = read_json(run.folder / "history.json")
    return {
        "seconds": seconds,
        "classifier_seconds": sum(line["seconds"] for line in history),
        "accuracy_saved_model": float((scores.argmax(1) == labels).mean()),
        "accuracy_best_epoch": max(line["val_accuracy"] for line in history),
        "accuracy_last_epoch": history[-1]["val_accuracy"],
    }


def recipe(passes: int = 0) -> Recipe:
    """The recipe of tl for this comparison."""
    # The monitor of ours is none, and then the validation part trains; here it must stay out.
    fixed: dict[str, Any] = {"epochs": EPOCHS, "min_steps": 0, "monitor": "val_loss", "augmentation": CHANGES}
    return replace(recipe_for("tl"), **fixed, passes=passes, teacher="", distillation=0.0)


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder that holds flower_photos; default: the real flowers")
    parser.add_argument("--weights", type=Path, help="folder of Keras' weight files; default: beside the real flowers")
    parser.add_argument("--seed", type=int, default=settings.DEFAULT_SEED)
    parser.add_argument("--passes", type=int, default=recipe_for("tl").passes, help="epochs that differ")
    parser.add_argument("--rounds", type=int, default=1, help="trainings of Keras, and of ours with them")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of ours")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    real = settings.real_folder()
    data, weights = given.data or (real and real / "flowers"), given.weights or (real and real / "weights")
    if data is None or weights is None:
        parser.error("no real flowers here: pass --data and --weights")
    load = [round(value, 1) for value in os.getloadavg()]
    load_tensorflow()
    how = recipe(given.passes)
    found: dict[str, list[dict[str, Any]]] = {"keras": [], "ours": []}
    loads = []
    with tempfile.TemporaryDirectory() as name:
        first = open_run(ROW, data_dir=data, weights=weights, out_dir=Path(name) / "split", seed=given.seed)
        split = stages.prepare(first)
        for k in range(max(given.seeds, given.rounds)):
            seed = given.seed + k
            loads.append([round(value, 1) for value in os.getloadavg()])
            if k < given.rounds:
                found["keras"].append(keras_side(first, split, Path(name) / f"keras{k}", seed))
                print("keras", found["keras"][-1], flush=True)
            run = open_run(ROW, data_dir=data, weights=weights, out_dir=Path(name) / f"ours{k}", seed=seed)
            write_json(run.folder / "split.json", read_json(first.folder / "split.json"))
            found["ours"].append(our_side(run, split, how))
            print("ours", found["ours"][-1], flush=True)
    result = {
        "command": shlex.join([".venv/bin/python", "benchmarks/transfer_learning.py", *sys.argv[1:]]),
        "row": ROW,
        "data": {"fingerprint": split.fingerprint, "images": {part: len(p) for part, p in split.paths.items()}},
        "changes": asdict(CHANGES),
        "recipe": how.fitted(len(split.paths["train"])).to_json(),
        "seed": given.seed,
        "machine": {**machine(), "load_before": load},
        "versions": versions(),
        "load": loads,
        "summary": summary(found),
        "trainings": found,
    }
    write_json(given.out, rounded(result))


def summary(found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Mean of every number over the trainings of a side, and how many times as fast ours was, by pairs."""
    means = {
        side: {key: float(np.mean([line[key] for line in lines])) for key in lines[0]} for side, lines in found.items()
    }
    pairs = zip(found["keras"], found["ours"], strict=False)  # ours has more
    return {**means, "times_as_fast_by_pairs": [keras["seconds"] / ours["seconds"] for keras, ours in pairs]}


if __name__ == "__main__":
    main()
