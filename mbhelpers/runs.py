"""One run: a row, what it is made from, and the folder that its artifacts share."""

import os
import platform
import shlex
from dataclasses import dataclass, replace
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from mbhelpers import settings
from mbhelpers.files import read_json, write_json
from mbhelpers.rows import Row

RECIPES_OF = ("ours", "st", "slim")
"""Whose recipe a run trains with."""

DETECTOR = "coco2017_person/ssd_mobilenet_v2_fpnlite_0.35_192"
"""A row that errors name as an example."""


@dataclass(frozen=True)
class Run:
    """What to make and from what; `open_run` fills in the defaults.

    Attributes:
        row: the row of the card.
        data_dir: "sample", a folder, or None for the project's data folder, fetched when it is absent.
        weights: "imagenet", "sample", "none", a file or a folder of Keras-named files.
        out_dir: the folder of all runs.
        seed: of split, training and calibration.
        smoke: short and on drawn data.
        recipe: whose recipe it trains with, a name from `RECIPES_OF`.
    """

    row: Row
    data_dir: str | None
    weights: str
    out_dir: Path
    seed: int
    smoke: bool
    recipe: str = "ours"

    @property
    def folder(self) -> Path:
        """Where this run's artifacts lie."""
        return self.out_dir / str(self.row)

    def variant(self, name: str) -> "Run":
        """The same run of another variant, such as the tl run that fft starts from.

        Raises:
            ValueError: as `open_run`.
        """
        return self.other(replace(self.row, variant=name))

    def other(self, row: Row) -> "Run":
        """The same run of another row, such as that of a teacher.

        Raises:
            ValueError: as `open_run`.
        """
        other = replace(self, row=row, weights="none" if row.variant == "tfs" else self.weights)
        _hold(other)
        return other

    def command(self) -> str:
        """The command that makes this run again; of a full path only its end, for it goes into published files."""
        data = f" --data {_shown(self.data_dir)}" if self.data_dir else ""
        default = self.weights == "imagenet" and not self.smoke
        weights = "" if default else f" --weights {_shown(self.weights)}"
        recipe = "" if self.recipe == "ours" else f" --recipe {self.recipe}"
        smoke = " --smoke" if self.smoke else ""
        return f"mbhelpers run {self.row}{data}{weights}{recipe} --seed {self.seed}{smoke}"


def open_run(
    row: str | Row,
    *,
    data_dir: str | Path | None = None,
    weights: str | Path | None = None,
    out_dir: str | Path | None = None,
    seed: int = settings.DEFAULT_SEED,
    smoke: bool | None = None,
    recipe: str = "ours",
) -> Run:
    """Name a run, and hold its folder to that name.

    Args:
        row: such as "flowers/mobilenet_v2_0.35_128_tl".
        data_dir: None is the real data, or the drawn sample in smoke mode.
        weights: None is "imagenet", or "sample" in smoke mode.
        out_dir: None is `runs/` in the project, or `runs/smoke/` in smoke mode.
        seed: of split, training and calibration.
        smoke: None asks the environment.
        recipe: "ours", or the published one of "st" or "slim".

    Raises:
        ValueError: the row is malformed, a classifier's without a variant or a detector's with one, or of data for
            the other of the two; the recipe is unknown, or the folder holds a run made otherwise.
    """
    parsed = Row.parse(row)
    if recipe not in RECIPES_OF:
        raise ValueError(f"unknown recipe {recipe!r}; choose from {', '.join(RECIPES_OF)}")
    check_task(parsed)
    short = settings.smoke(smoke)
    if data_dir is None and short:
        data_dir = settings.SAMPLE
    elif data_dir is not None and Path(data_dir).resolve() == settings.sample_folder().resolve():
        data_dir = settings.SAMPLE  # by its path or by its name, the sample is the sample
    if parsed.variant == "tfs":
        if weights not in (None, "none"):
            print(f"{parsed} trains from scratch: weights {str(weights)!r} are not used")
        weights = "none"
    if parsed.detects and parsed.dataset == "custom" and data_dir in (None, settings.SAMPLE):
        raise ValueError(f"{parsed} needs boxes of your own: pass --data; drawn ones are for {DETECTOR}")
    run = Run(
        row=parsed,
        data_dir=None if data_dir is None else str(data_dir),
        weights=str(weights) if weights is not None else settings.SAMPLE if short else "imagenet",
        out_dir=Path(out_dir) if out_dir is not None else settings.runs_folder(short),
        seed=int(seed),
        smoke=short,
        recipe=recipe,
    )
    _hold(run)
    return run


def check_task(row: Row) -> None:
    """Refuse a classifier without a variant, a detector with one, and either on the other's data."""
    if not row.detects and row.dataset.startswith("coco2017_"):
        raise ValueError(f"{row.dataset} has boxes; take a detector's row, such as {DETECTOR}, or coco_person")
    if row.detects and not row.dataset.startswith(("coco2017_", "custom")):
        raise ValueError(f"{row.dataset} has no boxes to detect; take a row such as {DETECTOR}")
    if row.detects and row.variant:
        raise ValueError(f"{row}: detectors have no variants; leave _{row.variant} out")
    if not row.detects and not row.variant:
        raise ValueError(f"{row} names no variant; add _tfs, _tl or _fft")


def _hold(run: Run) -> None:
    """Write row.json, or compare with the one that is there: artifacts of two settings must not mix.

    A setting binds once something made with it lies in the folder, so that a mistyped one can be corrected.
    """
    wanted: dict[str, Any] = {"row": str(run.row), "data": _settled(run.data_dir), "weights": _settled(run.weights)}
    wanted |= {"seed": run.seed, "smoke": run.smoke, "recipe": run.recipe}
    path = run.folder / "row.json"
    bound: list[str] = []
    if (run.folder / "split.json").is_file():
        bound += ["data", "seed", "smoke"]
    if any((run.folder / name).is_file() for name in ("training_state.npz", "model.keras")):
        bound += ["weights", "recipe"]
    held = {"recipe": "ours"} | read_json(path) if bound else wanted
    if differs := [key for key in bound if held.get(key) != wanted[key]]:
        made = ", ".join(f"{key} {held.get(key)!r}" for key in differs)
        asked = ", ".join(f"{key} {wanted[key]!r}" for key in differs)
        raise ValueError(
            f"{run.folder} holds a run made with {made}, not {asked}; "
            "choose another folder (--out, in a notebook out_dir), or delete that one to start again"
        )
    if not path.is_file() or read_json(path) != wanted:
        write_json(path, wanted)


def _settled(value: str | None) -> str:
    """A name as it is, a path in its full spelling: another notebook may run in another folder."""
    if value is None:
        return "fetched"
    if value in (settings.SAMPLE, "imagenet", "none"):
        return value
    return str(Path(value).resolve()) if Path(value).exists() else value


def _shown(path: str) -> str:
    return shlex.quote(Path(path).name if Path(path).is_absolute() else path)


def versions() -> dict[str, str]:
    """Versions that decide the numbers."""
    runtimes = ("tensorflow", "keras", "ai-edge-litert", "onnx", "onnxruntime", "tf2onnx")
    found = {"python": platform.python_version()}
    for name in ("mbhelpers", *runtimes, "numpy", "pillow", "scikit-learn"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # tensorflow-cpu, or a checkout on the path that is not installed
            found[name] = getattr(import_module(name.replace("-", "_")), "__version__", "unknown")
    return found


def machine() -> dict[str, Any]:
    """The machine's kind, for times to be read beside it."""
    return {"processor": platform.machine(), "cores": os.cpu_count(), "system": platform.system()}
