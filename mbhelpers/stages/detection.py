"""What the stages do for a detector's row: boxes in place of classes, AP in place of accuracy.

The validation part never trains: AP on it is watched while training goes on, and it picks the score threshold. A recipe
with a monitor chooses its epoch by it, too.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mbhelpers import settings
from mbhelpers.data import source
from mbhelpers.data.class_names import few
from mbhelpers.data.detections import Detections
from mbhelpers.data.predictions import Predictions, load_predictions, save_predictions
from mbhelpers.detection.anchors import map_sizes
from mbhelpers.evaluation.detection import COCO, ST, best_f1, evaluate, pooled_curve
from mbhelpers.evaluation.detection_compare import ap_interval, compare_detections
from mbhelpers.evaluation.detection_files import predict
from mbhelpers.inference.detector import Detector, find_objects
from mbhelpers.models.weights import check_architecture, find_weights
from mbhelpers.native import load_tensorflow
from mbhelpers.runs import DETECTOR as EXAMPLE
from mbhelpers.runs import Run
from mbhelpers.stages.data import part_boxed, part_boxes, prepare, row_preprocessing
from mbhelpers.stages.made import check_boxes, check_made, provenance, save_trained
from mbhelpers.stages.order import is_done, outdate, require
from mbhelpers.training.detector_recipes import DetectorRecipe, detector_recipe

if TYPE_CHECKING:
    import keras

ARCHITECTURE, BACKBONE = "ssd_mobilenet_v2_fpnlite", "mobilenet_v2"
"""Of a detector's row, and of the weights it starts from."""

DRAWN = "drawn_persons/ssd_mobilenet_v2_fpnlite_0.35_128"
"""Folder in `results/` of a small detector that found its way in drawn scenes."""

WATCHED = 500
"""Validation images, at most, that AP is taken of after each epoch."""

KEPT = 100
"""Boxes, at most, that count in an image, the surest; as by COCO's protocol."""


def check_detector(run: Run) -> None:
    """Refuse, before anything is fetched, a row that no network can be built for.

    Raises:
        ValueError: an unknown architecture, width or recipe, a resolution whose maps don't double, or no weights.
    """
    if run.row.architecture != ARCHITECTURE:
        raise ValueError(f"unknown detector {run.row.architecture!r}; there is {ARCHITECTURE}, as in {EXAMPLE}")
    check_architecture(BACKBONE, run.row.alpha)
    map_sizes(run.row.resolution)
    detector_recipe(run.recipe)
    find_weights(run.weights, run.row.alpha, run.row.resolution, BACKBONE)


def build_detector(run: Run) -> "keras.Model":
    """The network as training starts on it; initial weights follow from the run's seed."""
    load_tensorflow()
    import keras

    from mbhelpers.models.ssd import build_ssd

    check_detector(run)
    keras.utils.set_random_seed(run.seed)
    classes = part_boxes(run, "train").categories
    return build_ssd(len(classes), run.row.alpha, row_preprocessing(run), weights=run.weights)


def boxes_fingerprint(run: Run) -> str:
    """One hash for the boxes and classes of a run's data, all parts."""
    return source.load_detections(run.row.dataset, run.data_dir).fingerprint


def train_detector(run: Run, recipe: DetectorRecipe | None = None) -> Path:
    """What `stages.train` does for a detector's row.

    `history.json` tells the losses of both parts, and the AP on the validation part, epoch by epoch.

    Raises:
        ValueError: as `stages.train`; or the training or test part has no object.
    """
    from mbhelpers.training.detector import fit_detector
    from mbhelpers.training.devices import strategy

    check_detector(run)
    path, split, boxes = run.folder / "model.keras", prepare(run), boxes_fingerprint(run)
    recipe = (recipe or detector_recipe(run.recipe, run.smoke, weights=run.weights)).fitted(len(split.paths["train"]))
    if is_done(run, "train"):
        check_made(run, path, recipe.to_json(), split)
        check_boxes(path, boxes)
        return path
    _check_parts(run)
    outdate(run, "train")
    start = find_weights(run.weights, run.row.alpha, run.row.resolution, BACKBONE)
    made = provenance(run, split, boxes) | {"recipe": recipe.to_json(), "start": start.record()}
    held, truth = part_boxed(run, "validation"), part_boxes(run, "validation")
    with strategy().scope():
        model = build_detector(run)
    watch = running_ap(model, held.images, truth)
    history = fit_detector(model, part_boxed(run, "train"), held, recipe, run.folder, seed=run.seed, watch=watch)
    return save_trained(run, model, history, truth.categories, made)


def _check_parts(run: Run) -> None:
    """Before anything is trained: there must be something to learn from, and something to measure on."""
    for part in ("train", "test"):
        found = part_boxes(run, part)
        if found.crowd.all():
            raise ValueError(
                f"the {part} part of {run.row} has {len(found)} images and no object among them; add images with "
                "boxes, or split anew with another seed (--seed)"
            )
        if absent := sorted(set(found.categories) - {found.categories[k] for k in found.labels[~found.crowd]}):
            print(f"warning: the {part} part has no {few(absent)} ({len(absent)} of {len(found.categories)} classes)")


def running_ap(model: "keras.Model", images: np.ndarray, truth: Detections) -> Callable[[], dict[str, float]]:
    """What to ask after an epoch: the model's AP by ST's protocol on the same images as before.

    Args:
        model: from `build_ssd`.
        images: uint8 (N, H, W, 3) of its size; of many, `WATCHED` that are evenly spaced serve.
        truth: their boxes. Without any there is no AP, and nothing is told.
    """
    seen = np.unique(np.linspace(0, len(truth) - 1, min(len(truth), WATCHED)).astype(int))
    images, truth = images[seen], truth.select(seen)
    if not len(truth.boxes):
        return dict
    from mbhelpers.models.ssd import with_anchors

    whole = with_anchors(model)

    def ask() -> dict[str, float]:
        return {"val_ap": evaluate(truth, find_objects(whole, images), ST)["ap"]}

    return ask


def evaluate_detector(run: Run, files: dict[str, Path]) -> dict[str, Any]:
    """Measure a detector's files on the test part; `predictions.npz` keeps what they find.

    Args:
        run: the run.
        files: by kind: "float", "float_tflite" and "int8".

    Returns:
        Of each kind, what `evaluation.detection.evaluate` gives by ST's protocol, with n (images), interval, and
        coco (AP by COCO's); paired, int8 minus float on the same images; and threshold, the score with the best F1 of
        the int8 file on the validation part, None where it finds nothing there.

    Raises:
        ValueError: the test part has no object, or the boxes are not those that the model learned from.
    """
    check_boxes(files["float"], boxes_fingerprint(run))
    truth = part_boxes(run, "test")
    found = {kind: predict(Detector(file), truth, limit=KEPT) for kind, file in files.items()}
    metrics: dict[str, Any] = {}
    for kind, predictions in found.items():
        low, high = ap_interval(truth, predictions, ST)
        told = evaluate(truth, predictions, ST)
        metrics[kind] = told | {
            "n": len(truth),
            "interval": (low, high),
            "coco": evaluate(truth, predictions, COCO)["ap"],
        }
    held = part_boxes(run, "validation")
    metrics |= {
        "classes": truth.categories,
        "protocol": f"ST's: every-point AP at IoU 0.4, at most {KEPT} boxes an image",
        "paired": compare_detections(truth, found["float"], found["int8"], ST),
        "threshold": _threshold(held, predict(Detector(files["int8"]), held, limit=KEPT)),
    }
    save_predictions(run.folder / "predictions.npz", truth.paths, found)
    return metrics


def found_in(run: Run, part: str) -> tuple[Detections, dict[str, Predictions]]:
    """A part of a detector's split, and what the run's float and int8 file find in it, missing stages first.

    In smoke mode there is no time to train one that finds anything: the files of `DRAWN`, which know persons, are
    asked instead.

    Returns:
        The part's images and boxes; "float" and "int8" to at most `KEPT` boxes in each image.

    Raises:
        ValueError: as the stages; or, in smoke mode, other classes than person, or no checkout of the project.
    """
    truth = part_boxes(run, part)
    if run.smoke:
        place = settings.results_folder() / DRAWN
        if truth.categories != ("person",):
            raise ValueError(
                f"in smoke mode {DRAWN} is asked, which knows persons alone; take a row of them, {EXAMPLE}"
            )
        if not place.is_dir():
            raise ValueError(
                f"no {place}: smoke mode needs a checkout of the project (`git clone`); there "
                "`benchmarks/ssd_scenes.py` makes it"
            )
        print(f"smoke mode: asked is {DRAWN}, which `benchmarks/ssd_scenes.py` trained on drawn scenes")
        files = {"float": place / "model.keras", "int8": place / "model_int8.tflite"}
    else:
        files = {"float": require(run, "model.keras"), "int8": require(run, "model_int8.tflite")}
        check_boxes(files["float"], boxes_fingerprint(run))
        if part == "test":
            path = require(run, "predictions.npz")
            return truth, {kind: load_predictions(path, kind) for kind in files}
    return truth, {kind: predict(Detector(file), truth, limit=KEPT) for kind, file in files.items()}


def _threshold(truth: Detections, predictions: Predictions) -> dict[str, float] | None:
    if not len(truth.boxes):
        return None
    curve = pooled_curve(truth, predictions, ST)
    return best_f1(curve) if curve.recall[-1:].sum() else None
