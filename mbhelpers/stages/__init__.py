"""One function a stage. The notebooks and the command line run a row through these and nothing else."""

import shutil
from typing import Any

from mbhelpers.files import read_json
from mbhelpers.models.weights import check_architecture, find_weights
from mbhelpers.runs import Run
from mbhelpers.stages.aware import quantize_aware
from mbhelpers.stages.data import (
    calibration_images,
    learned_parts,
    part_boxed,
    part_boxes,
    part_images,
    prepare,
    recipe_of,
    row_preprocessing,
    starts_of,
)
from mbhelpers.stages.detection import boxes_fingerprint, build_detector, check_detector, found_in
from mbhelpers.stages.made import check_boxes
from mbhelpers.stages.measure import evaluate, quantize, report
from mbhelpers.stages.order import ARTIFACTS, require
from mbhelpers.stages.train import VIEWS, build_model, train

__all__ = [
    "ARTIFACTS",
    "VIEWS",
    "build_detector",
    "build_model",
    "calibration_images",
    "evaluate",
    "found_in",
    "learned_parts",
    "part_boxed",
    "part_boxes",
    "part_images",
    "prepare",
    "quantize",
    "quantize_aware",
    "recipe_of",
    "report",
    "require",
    "row_preprocessing",
    "run_row",
    "starts_of",
    "train",
]


def run_row(run: Run) -> dict[str, Any]:
    """All stages of one row, those already done skipped; returns the metrics.

    Raises:
        ValueError: what the row needs is missing; as far as it can, before anything is fetched or trained.
    """
    if run.row.detects:
        check_detector(run)
    else:
        check_architecture(run.row.architecture, run.row.alpha)
        recipe_of(run)
        find_weights(run.weights, run.row.alpha, run.row.resolution, run.row.architecture)
    run.folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(run.folder).free < 200 * 2**20:
        raise ValueError(f"less than 200 MiB are free at {run.folder}; free some, or choose another folder (--out)")
    if run.row.detects and (run.folder / "model.keras").is_file():
        check_boxes(run.folder / "model.keras", boxes_fingerprint(run))
    for names in ARTIFACTS.values():
        require(run, names[0])
    return read_json(run.folder / "metrics.json")
