"""From a grid to its jobs: which notebooks each row goes through, and what must be done before.

| rows | notebooks |
|---|---|
| all of one data set, once | 10, 11, 12 or 13; 14 for detectors; none for a folder of one's own |
| classifiers | 21, 22 or 23 by their variant, one for each format, 40, and what `notebooks` adds |
| detectors | 51, 52 |
| imagenet | 24 |
| rows with a published recipe, or `execute: stages` | none: the stages of `mbhelpers run`, but for its report |

Formats: int8 is 30, int8_per_tensor 31, qat 32, onnx 33. A row waits for the rows that its recipe starts from or learns
from, if the grid has them; if not, it makes them itself.
"""

from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from mbhelpers import settings
from mbhelpers.batch.grid import FORMATS, Grid, GridRow
from mbhelpers.batch.jobs import Job, with_needed
from mbhelpers.notebooks import SHARED_PARAMETERS, parameter_defaults
from mbhelpers.rows import Row
from mbhelpers.stages.data import row_recipe, start_row

DATA_NOTEBOOKS = {
    "flowers": "10_data_flowers",
    "plant_village": "11_data_plant_village",
    "food101": "12_data_food101",
    "coco_person": "13_data_coco_person",
    "coco2017_person": "14_data_coco_detection",
    "coco2017_80": "14_data_coco_detection",
}
TRAIN_NOTEBOOKS = {"tfs": "21_train_from_scratch", "tl": "22_transfer_learning", "fft": "23_full_fine_tuning"}
FORMAT_NOTEBOOKS = dict(
    zip(
        FORMATS, ("30_int8_tflite", "31_int8_per_tensor", "32_quantization_aware_training", "33_onnx_int8"), strict=True
    )
)
EVALUATION = "40_evaluate_classifiers"
DETECTOR_NOTEBOOKS = ("51_train_ssd", "52_detection_ap")
IMAGENET_NOTEBOOK = "24_imagenet_weights"


def plan_jobs(grid: Grid) -> list[Job]:
    """All jobs of a grid, data first, the others row by row, each behind those that it needs.

    Raises:
        ValueError: a notebook or a parameter that is not there, or a row that no recipe is for.
    """
    last_training: dict[str, str] = {}
    data = _data_jobs(grid)
    jobs: list[Job] = list(data.values())
    unused = {(row.name, notebook) for row in grid.rows for notebook in row.parameters}
    per_row: dict[str, list[Job]] = {}
    for row in grid.rows:
        made = _row_jobs(row, data.get(_data_key(row)))
        per_row[row.name], last_training[row.name] = made, made[0].name
        unused -= {(row.name, notebook) for notebook in (step_notebook(job) for job in (*made, *data.values()))}
    if unused:
        name, notebook = sorted(unused)[0]
        known = ", ".join(step_notebook(job) for job in per_row[name])
        raise ValueError(f"parameters of {notebook}: {name} does not go through it, but through {known}")
    for row in grid.rows:
        first, *others = per_row[row.name]
        needed = [last_training[name] for name in _needed_rows(row) if name in last_training]
        jobs += [replace(first, after=tuple(dict.fromkeys((*first.after, *needed)))), *others]
    return jobs


def chosen_jobs(jobs: list[Job], grid: Grid, pattern: str | None) -> list[Job]:
    """Of a grid's jobs those of the rows whose names match, such as "flowers/*_tl", and those that these need.

    Raises:
        ValueError: no row matches.
    """
    if pattern is None:
        return jobs
    rows = {row.name for row in grid.rows if fnmatchcase(row.name, pattern)}
    if not rows:
        raise ValueError(
            f"none of the {len(grid.rows)} rows of grid {grid.name} matches {pattern!r}; one is {grid.rows[0].name}"
        )
    return with_needed([job for job in jobs if job.row in rows], jobs)


def step_notebook(job: Job) -> str:
    """The name of a job's notebook without its suffix; of stages the step."""
    return job.notebook.removesuffix(".ipynb") or job.step


def _data_key(row: GridRow) -> tuple[Any, ...]:
    """What rows must have in common for their data to be prepared once."""
    return (row.row.dataset, row.data_dir, row.seed, row.smoke, row.row.detects)


def _data_jobs(grid: Grid) -> dict[tuple[Any, ...], Job]:
    """One job for each data set that has a notebook, on the first row that takes it."""
    jobs: dict[tuple[Any, ...], Job] = {}
    for row in grid.rows:
        key = _data_key(row)
        notebook = DATA_NOTEBOOKS.get(row.row.dataset)
        if row.is_imagenet or row.execute == "stages" or notebook is None or key in jobs:
            continue
        taken = sum(job.row == row.row.dataset for job in jobs.values())
        place = row.row.dataset if not taken else f"{row.row.dataset}/data_{taken + 1}"
        given = _parameters(row, notebook)
        jobs[key] = Job(f"{place}/{notebook}", "notebook", place, given, (), f"{notebook}.ipynb")
    return jobs


def _row_jobs(row: GridRow, data: Job | None) -> list[Job]:
    """The jobs of a row, each behind the one before, the one that trains first."""
    if row.recipe != "ours" or row.execute == "stages":
        if row.is_imagenet:
            raise ValueError(f"{row.name} is measured by a notebook: leave execute and recipe out")
        if row.formats != ("int8",) or row.notebooks:
            raise ValueError(
                f"{row.name} goes through no notebook (those teach our recipe): leave formats and notebooks out"
            )
        names = ["stages"]
    else:
        names = [*_notebooks(row), *row.notebooks]
    jobs: list[Job] = []
    before = (data.name,) if data else ()
    for name in names:
        full = f"{row.name}/{name}"
        source = (data.parameters["row"],) if data and not jobs and data.parameters["row"] != row.name else ()
        if name == "stages":
            given = {"row": row.name} | {key: getattr(row, key) for key in ("data_dir", "weights", "seed", "smoke")}
            given |= {"recipe": row.recipe, "weights": _weights(row)}
            jobs.append(Job(full, "stages", row.name, given, before, "", *source))
        else:
            jobs.append(Job(full, "notebook", row.name, _parameters(row, name), before, f"{name}.ipynb", *source))
        before = (full,)
    return jobs


def _notebooks(row: GridRow) -> list[str]:
    """What a row goes through anyway, and its formats."""
    if row.is_imagenet:
        return [IMAGENET_NOTEBOOK]
    if row.row.detects:
        return list(DETECTOR_NOTEBOOKS)
    return [TRAIN_NOTEBOOKS[row.row.variant], *(FORMAT_NOTEBOOKS[name] for name in row.formats), EVALUATION]


def _weights(row: GridRow) -> str | None:
    return "none" if row.row.variant == "tfs" else row.weights


def _parameters(row: GridRow, notebook: str) -> dict[str, Any]:
    """Values for the parameters of a notebook: shared ones that it has, and its own that the grid names."""
    defaults = notebook_defaults(notebook)
    own = row.parameters.get(notebook, {})
    if unknown := [name for name in own if name not in defaults or name in SHARED_PARAMETERS]:
        known = ", ".join(name for name in defaults if name not in SHARED_PARAMETERS) or "none of its own"
        told = "; those of every notebook go under settings" if set(unknown) & set(SHARED_PARAMETERS) else ""
        raise ValueError(f"{notebook} has no parameter {', '.join(unknown)} to set here; choose from {known}{told}")
    values: dict[str, Any] = {"row": row.name, "data_dir": row.data_dir, "weights": _weights(row), "out_dir": "."}
    values |= {"seed": row.seed, "smoke": row.smoke}
    if row.is_imagenet:
        # Its files get names from the weights, so each row has a folder of its own to find them in.
        values |= {"out_dir": row.name, "architecture": row.row.architecture}
        values |= {"alpha": row.row.alpha, "resolution": row.row.resolution}
    return {name: value for name, value in values.items() if name in defaults} | own


@cache
def notebook_defaults(name: str) -> dict[str, Any]:
    """Parameters of one of the project's notebooks.

    Raises:
        ValueError: there is no such notebook, or it takes no parameters.
    """
    folder = settings.project_folder() / "notebooks"
    path = folder / f"{name}.ipynb"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("[0-9][0-9]_*.ipynb")))
        told = f"choose from {known}" if known else f"there is none in {folder}: run it from a checkout of the project"
        raise ValueError(f"no notebook {name!r}; {told}")
    return parameter_defaults(path)


def _needed_rows(row: GridRow) -> Iterator[str]:
    """The rows that a row's recipe starts from or learns from."""
    if row.is_imagenet or row.row.detects:
        return
    recipe = row_recipe(row.row, row.recipe, row.smoke)
    if recipe.start_from:
        yield str(start_row(row.row, recipe))
    if recipe.teacher:
        yield str(Row.parse(f"{row.row.dataset}/{recipe.teacher}"))
