"""Recipes against each other on folds of the flowers that the test part is not in.

    .venv/bin/python benchmarks/recipes.py [VARIANT[/CANDIDATE] ...]

Data and weights: `flowers` and `weights` in the folder that MBHELPERS_REAL names, or `--data`, `--weights`. Train and
validation of the split are cut into five folds, class by class, copies of a picture together. Seed k of three trains on
four of them and is measured on fold k, so that the three together measure three fifths of the images once each. Nothing
is selected on a fold: each run keeps its last epoch. A seed decides order, augmentation and initial weights.

Each candidate is the variant's first one but for what its name says, and is compared with it on the same images. Two
probes: the fold's images as they are, and shifted: the central square less 6 % at each side, slightly bluer and darker,
by nearest neighbour, as a JPEG of quality 40. What a run starts from, and its teacher, have learned from the same four
folds, by `STARTS`: fft starts from tl, tfs that grows from 200 epochs at 64 px.

A run takes minutes; what is done lies in `--work`, and a killed call goes on there. Results go to
`results/flowers/recipes.json`.
"""

import argparse
import hashlib
import io
import shlex
import time
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from training_step import rounded

from mbhelpers import settings, stages
from mbhelpers.data import source
from mbhelpers.data.augment import Augmentation
from mbhelpers.data.pipeline import load_images
from mbhelpers.evaluation.classification import compare, evaluate
from mbhelpers.files import read_json, replacing, write_json
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import preset
from mbhelpers.rows import Row
from mbhelpers.runs import Run, machine, open_run, versions
from mbhelpers.stages.data import start_row
from mbhelpers.training.recipes import Recipe

if TYPE_CHECKING:
    import keras

RESULT = Path(__file__).parents[1] / "results" / "flowers" / "recipes.json"
ROW, SIDE, FOLDS, SEEDS = "flowers/mobilenet_v2_0.35_{side}_{variant}", 128, 5, 3

GEOMETRY = Augmentation(flip_horizontal=True, rotate=0.06, zoom=0.2, translate=0.1)
FULL = Augmentation(
    flip_horizontal=True, rotate=0.08, zoom=0.25, translate=0.12, shear=0.1, contrast=0.25, brightness=0.1
)
_TL = Recipe(
    learning_rate=1e-3,
    epochs=40,
    min_steps=0,
    weight_decay=1e-2,
    dropout=0.3,
    label_smoothing=0.1,
    monitor="none",
    train_backbone=False,
    passes=10,
    augmentation=GEOMETRY,
)
_FFT = replace(
    _TL,
    learning_rate=5e-4,
    warmup=0.1,
    train_backbone=True,
    start_from="tl",
    passes=0,
    augmentation=FULL,
)
_TFS = replace(_TL, learning_rate=4e-3, epochs=120, dropout=0.2, train_backbone=True, passes=0, augmentation=FULL)
_STRONG = replace(
    _TFS,
    epochs=200,
    ema=0.998,
    weight_decay=0.1,
    augmentation=Augmentation(
        flip_horizontal=True, rotate=0.125, zoom=0.3, translate=0.2, shear=0.1, contrast=0.4, brightness=0.1, hue=0.02
    ),
)
_GROWN = replace(_STRONG, epochs=75, start_from="mobilenet_v2_0.35_64_tfs")
STARTS = {"tfs": _STRONG, "tl": _TL, "fft": _FFT}
TEACHER = "mobilenet_v2_0.35_224_fft"
_HIGH = replace(_FFT, learning_rate=1.5e-3)
CANDIDATES: dict[str, dict[str, Recipe]] = {
    "tl": {
        "first": _TL,
        "with colours": replace(_TL, augmentation=FULL),
        "mixup": replace(_TL, augmentation=replace(GEOMETRY, mixup=0.2)),
        "longer": replace(_TL, learning_rate=3e-3, epochs=120, passes=30),
        "no label smoothing": replace(_TL, label_smoothing=0.0),
        "teacher": replace(_TL, teacher=TEACHER, distillation=0.9, augmentation=FULL, passes=20, epochs=80),
    },
    "fft": {
        "first": _FFT,
        "low rate": replace(_FFT, learning_rate=1.5e-4),
        "high rate": _HIGH,
        "high rate, teacher": replace(_HIGH, teacher=TEACHER, distillation=0.9, passes=20),
        "high rate, strong": replace(_HIGH, ema=0.998, augmentation=_STRONG.augmentation),
    },
    "tfs": {
        "first": _TFS,
        "strong": replace(_STRONG, epochs=150),
        "strong, grown": _GROWN,
        "strong, grown, mixed": replace(_GROWN, augmentation=replace(_STRONG.augmentation, mixup=0.2, cutmix=1.0)),
    },
}
# Long ones were measured on fewer folds.
FEWER = {"tl": {"teacher": 2}, "fft": {"high rate, teacher": 2}}
FEWER["tfs"] = dict.fromkeys(CANDIDATES["tfs"], 1)


class Bench:
    """Folds, and runs on them that are made once."""

    def __init__(self, run: Run, work: Path):
        self.run, self.work = run, work
        self.split = stages.prepare(run)
        self.root = source.locate(run.row.dataset, run.data_dir)
        self.paths = np.concatenate([self.split.paths[part] for part in ("train", "validation")])
        self.labels = np.concatenate([self.split.labels[part] for part in ("train", "validation")])
        self.folds = self._folds()

    def _folds(self) -> np.ndarray:
        from sklearn.model_selection import StratifiedGroupKFold

        of_file = {name: k for k, group in enumerate(self.split.groups) for name in group}
        groups = [of_file.get(name, len(of_file) + k) for k, name in enumerate(self.paths)]
        folds = np.zeros(len(self.paths), np.int64)
        cutter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=self.run.seed)
        for k, (_, held) in enumerate(cutter.split(self.paths, self.labels, groups)):
            folds[held] = k
        return folds

    @cache  # noqa: B019, one bench a process
    def images(self, side: int, shift: bool = False) -> np.ndarray:
        """All images at a size, or those of the measured folds, shifted; the others are then black."""
        if not shift:
            return load_images(self.root, self.paths, preset("mbhelpers", side))
        images = np.zeros((len(self.paths), side, side, 3), np.uint8)
        for k in np.flatnonzero(self.folds < SEEDS):
            images[k] = shifted(self.root / self.paths[k], side)
        return images

    def scores(self, variant: str, recipe: Recipe, fold: int, side: int = SIDE) -> dict[str, Any]:
        """Scores of a recipe's model on the fold it has not seen, plain and shifted, and how training went."""
        from mbhelpers.models.load import load_keras
        from mbhelpers.training.views import frozen_outputs

        folder = self.folder(variant, recipe, fold, side)
        done = folder / "scores.npz"
        if not done.is_file():
            history = self.train(variant, recipe, fold, side, folder)
            model, held = load_keras(folder / "model.keras"), self.folds == fold
            found = {name: frozen_outputs(model, self.images(side, name == "shifted")[held]) for name in PROBES}
            write_json(folder / "history.json", history)
            with replacing(done) as temporary, temporary.open("wb") as stream:
                np.savez(stream, **found)  # type: ignore[arg-type]
        with np.load(done) as file:
            return dict(file) | {"history": read_json(folder / "history.json")}

    def train(self, variant: str, recipe: Recipe, fold: int, side: int, folder: Path) -> list[dict[str, float]]:
        """Train on four folds; the model and its history. Called for a model that is there, nothing happens."""
        import keras

        from mbhelpers.models.families import BACKBONE, build_classifier
        from mbhelpers.training.fit import fit, fit_on_features, split_classifier
        from mbhelpers.training.views import frozen_outputs, view_outputs

        start_time = time.perf_counter()
        learned, held = self.folds != fold, self.folds == fold
        training = self.images(side)[learned], self.labels[learned]
        validation = self.images(side)[held], self.labels[held]
        recipe = recipe.fitted(int(learned.sum()))
        taught = self.lessons(recipe, fold, folder) if recipe.teacher else None
        keras.utils.set_random_seed(fold)
        fresh = partial(
            build_classifier,
            len(self.split.classes),
            self.run.row.alpha,
            preset("mbhelpers", side),
            dropout=recipe.dropout,
        )
        if recipe.start_from:
            row = start_row(replace(self.run.row, resolution=side), recipe)
            model = self.start(row, fold)
            if row.resolution != side:
                smaller, model = model, fresh(weights="none")
                model.set_weights(smaller.get_weights())
            model.get_layer("dropout").rate = recipe.dropout
        else:
            model = fresh(weights="none" if variant == "tfs" else self.run.weights)
        model.get_layer(BACKBONE).trainable = recipe.train_backbone
        folder.mkdir(parents=True, exist_ok=True)
        if recipe.train_backbone:
            history = fit(model, training, validation, recipe, folder, seed=fold, taught=taught)
        else:
            trunk, head = split_classifier(model)
            views = view_outputs(
                trunk, *training, recipe, seed=fold, classes=len(self.split.classes), cache=folder / "views"
            )
            kept = frozen_outputs(trunk, validation[0]), validation[1]
            history = fit_on_features(head, views, kept, recipe, folder, seed=fold, taught=taught)
        with replacing(folder / "model.keras") as temporary:
            model.save(temporary)
        print(f"{folder.name}: {(time.perf_counter() - start_time) / 60:.1f} minutes", flush=True)
        return history

    def start(self, row: Row, fold: int) -> "keras.Model":
        """What a start or a teacher learned without a fold, by the recipe of its variant in `STARTS`."""
        from mbhelpers.models.load import load_keras

        recipe = STARTS[row.variant]
        self.scores(row.variant, recipe, fold, row.resolution)
        return load_keras(self.folder(row.variant, recipe, fold, row.resolution) / "model.keras")

    def folder(self, variant: str, recipe: Recipe, fold: int, side: int) -> Path:
        """Where a run lies."""
        return self.work / f"{variant}_{side}_{_digest(recipe)}_{fold}"

    def lessons(self, recipe: Recipe, fold: int, folder: Path) -> np.ndarray:
        """A teacher's scores for all views; it is trained first, by `STARTS`."""
        from mbhelpers.training.views import view_outputs

        row = Row.parse(f"flowers/{recipe.teacher}")
        learned = self.folds != fold
        scores, _ = view_outputs(
            self.start(row, fold),
            self.images(row.resolution)[learned],
            self.labels[learned],
            recipe,
            seed=fold,
            classes=len(self.split.classes),
            cache=folder / "views",
        )
        return scores


PROBES = ("plain", "shifted")


def shifted(path: Path, side: int) -> np.ndarray:
    """An image as another camera and another program might have brought it, (side, side, 3)."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    width, height = image.size
    square = min(width, height)
    margin = square * 0.06
    left, top = (width - square) / 2 + margin, (height - square) / 2 + margin
    box = tuple(round(value) for value in (left, top, left + square - 2 * margin, top + square - 2 * margin))
    image = image.crop(box).resize((side, side), Image.Resampling.NEAREST)
    pixels = np.asarray(image, np.float32) * (0.92, 1.0, 1.06)
    stream = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(stream, "JPEG", quality=40)
    return np.asarray(Image.open(stream))


def _digest(recipe: Recipe) -> str:
    return hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]


def table(bench: Bench, variant: str, names: list[str]) -> dict[str, Any]:
    """What each candidate got right, alone and against the first on the same folds."""
    found: dict[str, Any] = {}
    folds = {name: range(FEWER[variant].get(name, SEEDS)) for name in dict.fromkeys(["first", *names])}
    runs = {name: [bench.scores(variant, CANDIDATES[variant][name], fold) for fold in of] for name, of in folds.items()}
    for name, run in runs.items():
        labels = np.concatenate([bench.labels[bench.folds == fold] for fold in folds[name]])
        entry: dict[str, Any] = {"recipe": CANDIDATES[variant][name].to_json(), "folds": len(run)}
        for probe in PROBES:
            mine, first = (np.concatenate([part[probe] for part in of]) for of in (run, runs["first"][: len(run)]))
            whole = evaluate(mine, labels, bench.split.classes)
            entry[probe] = {key: whole[key] for key in ("n", "correct", "top1", "interval")}
            if name != "first":
                against = compare(first, mine, labels)
                entry[probe]["against_first"] = {
                    key: against[key] for key in ("difference", "interval", "mcnemar_p", "inside_noise")
                }
        entry["seconds"] = [sum(line["seconds"] for line in part["history"]) for part in run]
        entry["val_accuracy"] = np.mean(
            [[line["val_accuracy"] for line in part["history"]] for part in run], axis=0
        ).tolist()
        found[name] = entry
        print(
            f"{variant}/{name}: "
            + ", ".join(f"{probe} {100 * entry[probe]['top1']:.1f} %" for probe in PROBES)
            + f", n = {len(labels)}, {sum(entry['seconds']) / 60:.1f} minutes",
            flush=True,
        )
    return found


def main() -> None:
    """Run what is asked for and write all that is done."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("which", nargs="*", help="variants, or candidates such as fft/first; default: all")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--seed", type=int, default=settings.DEFAULT_SEED, help="of split and folds")
    parser.add_argument("--work", type=Path, default=Path("runs") / "recipes")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    real = settings.real_folder()
    data, weights = given.data or (real and real / "flowers"), given.weights or (real and real / "weights")
    if data is None or weights is None:
        parser.error("no real flowers here: pass --data and --weights")
    load_tensorflow()
    row = ROW.format(side=SIDE, variant="tl")
    bench = Bench(open_run(row, data_dir=data, weights=weights, out_dir=given.work, seed=given.seed), given.work)
    wanted = given.which or list(CANDIDATES)
    for one in wanted:
        variant, _, name = one.partition("/")
        names = [name] if name else list(CANDIDATES[variant])
        before = read_json(given.out) if given.out.is_file() else {"variants": {}}
        entries = before["variants"].get(variant, {}) | table(bench, variant, names)
        write_json(
            given.out,
            rounded(
                {
                    "command": shlex.join([".venv/bin/python", "benchmarks/recipes.py"]),
                    "data": {"folder": bench.root.name, "images": len(bench.paths), "folds": FOLDS, "seeds": SEEDS},
                    "seed": given.seed,
                    "machine": machine(),
                    "versions": versions(),
                    "variants": before["variants"] | {variant: entries},
                }
            ),
        )


if __name__ == "__main__":
    main()
