"""Folders, seeds and switches. The only module that reads environment variables."""

import os
from pathlib import Path

CALIBRATION_IMAGES = 100
"""Training images that calibration sees unless told otherwise; smoke mode takes a tenth."""

DEFAULT_SEED = 2026
"""The seed of every run that names none."""

SAMPLE = "sample"
"""The name of the drawn data set and of the backbone trained on drawn pictures."""


def project_folder() -> Path:
    """The checkout that holds this package, or the current folder for an installed package."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


def data_folder() -> Path:
    """Where fetched data sets are kept: `MBHELPERS_DATA`, else `data/` in the project."""
    return Path(os.environ.get("MBHELPERS_DATA") or project_folder() / "data")


def runs_folder(smoke: bool) -> Path:
    """Where runs are kept unless a call names a folder; smoke runs stay apart from real ones."""
    return project_folder() / "runs" / ("smoke" if smoke else "")


def results_folder() -> Path:
    """Where our own measured results and trained models are: `results/` in the project."""
    return project_folder() / "results"


def sample_folder() -> Path:
    """The folder that holds the drawn samples: `flower_photos` and, once they were asked for, the others."""
    return project_folder() / "data" / SAMPLE


def real_folder() -> Path | None:
    """The folder of real images and peer models for tests: `MBHELPERS_REAL`, else `../shared/real`.

    Raises:
        ValueError: `MBHELPERS_REAL` is set and is no folder.
    """
    named = os.environ.get("MBHELPERS_REAL")
    if named:
        if not Path(named).is_dir():
            raise ValueError(f"MBHELPERS_REAL names {named!r}, which is no folder; correct or unset it")
        return Path(named)
    beside = project_folder().parent / "shared" / "real"
    return beside if beside.is_dir() else None


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """Threads that one process should take: `OMP_NUM_THREADS`, which a batch sets for its workers, else all cores.

    Raises:
        ValueError: `OMP_NUM_THREADS` is no positive number.
    """
    value = os.environ.get("OMP_NUM_THREADS") or str(cores())
    if not value.isdigit() or int(value) < 1:
        raise ValueError(f"OMP_NUM_THREADS is {value!r}; set it to a number of threads, or unset it")
    return int(value)


def worker_environment(threads: int) -> dict[str, str]:
    """The environment of this process, for a worker of a batch that may take so many threads."""
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    return dict(os.environ) | dict.fromkeys(names, str(threads)) | {"TF_CPP_MIN_LOG_LEVEL": "2"}


def smoke(explicit: bool | None = None) -> bool:
    """Whether to run short, on drawn data: the explicit choice, else `MBHELPERS_SMOKE`.

    Args:
        explicit: True or False wins over the environment; None asks it.

    Raises:
        ValueError: `MBHELPERS_SMOKE` is neither 0 nor 1.
    """
    if explicit is not None:
        return explicit
    value = os.environ.get("MBHELPERS_SMOKE", "0")
    if value not in ("", "0", "1"):
        raise ValueError(f"MBHELPERS_SMOKE is {value!r}; set it to 1 or 0")
    return value == "1"
