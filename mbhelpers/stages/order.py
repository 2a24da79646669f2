"""Stages in order, what each leaves behind, and making what is missing."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mbhelpers.files import locked
from mbhelpers.runs import Run

ARTIFACTS = {
    "prepare": ("split.json",),
    "train": ("model.keras", "history.json"),
    "quantize": ("model_float.tflite", "model_int8.tflite"),
    "evaluate": ("metrics.json", "predictions.npz"),
    "report": ("report.html",),
}
"""Stages in order, and what each leaves in the run's folder. A stage is done when all of it is there."""

_STAGES: dict[str, Callable[[Run], Any]] = {}
"""Which function makes which artifact."""


def stage(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Mark the function of a stage. One process at a time runs it in a folder; a second waits, and finds it done."""

    def marked(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def guarded(run: Run, *args: Any, **kwargs: Any) -> Any:
            with locked(run.folder):
                return function(run, *args, **kwargs)

        _STAGES.update(dict.fromkeys(ARTIFACTS[name], guarded))
        return guarded

    return marked


def is_done(run: Run, name: str) -> bool:
    """Whether all that a stage leaves is there."""
    return all((run.folder / artifact).is_file() for artifact in ARTIFACTS[name])


def outdate(run: Run, name: str) -> None:
    """Before a stage is made anew: remove what was made from its former artifacts."""
    names = list(ARTIFACTS)
    for later in names[names.index(name) :]:
        for artifact in ARTIFACTS[later]:
            (run.folder / artifact).unlink(missing_ok=True)


def require(run: Run, name: str) -> Path:
    """An artifact of a run; if it isn't there yet, the stages that make it are run, saying so.

    Raises:
        ValueError: no stage makes such an artifact.
    """
    if name not in _STAGES:
        raise ValueError(f"no stage makes {name!r}; choose from {', '.join(_STAGES)}")
    path = run.folder / name
    if not path.is_file():
        print(f"{run.row}: {name} is not there yet, running the stage {_STAGES[name].__name__!r}")
        _STAGES[name](run)
    return path
