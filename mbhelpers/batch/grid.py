"""A grid: which rows to make, from what, and through which notebooks. A YAML file, or the same as a Python dict.

    settings: {data_dir: sample, weights: sample, smoke: true}
    products:
      - datasets: [flowers]
        architectures: [mobilenet_v2]
        widths: [0.35]
        resolutions: [128, 224]
        variants: [tl, fft]
    rows: [flowers/mobilenet_v2_0.35_128_tfs]
    overrides:
      - {rows: "*_224_*", formats: [int8, onnx]}

`products` multiplies out, `rows` adds single ones. `settings`, `execute`, `formats`, `notebooks` and `parameters` hold
for every row; an override changes them for the rows whose names match its pattern, later ones win. Paths are meant from
the grid's folder. The data set `imagenet` stands for published ImageNet weights, which are measured and not trained;
detectors and ImageNet rows have no variants.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

from mbhelpers import settings
from mbhelpers.models.weights import check_architecture
from mbhelpers.rows import DATASETS, Row
from mbhelpers.runs import RECIPES_OF, check_task

IMAGENET = "imagenet"
"""The data set of rows that measure published weights."""

FORMATS = ("int8", "int8_per_tensor", "qat", "onnx")
"""What a trained classifier may become; each has a notebook."""

EXECUTE = ("notebooks", "stages")
"""How a row is made: through its notebooks, or by `mbhelpers run`'s stages, which is quicker. Those stop before its
report; the batch's card has the same of all rows."""

_SETTINGS = ("data_dir", "weights", "seed", "smoke", "recipe")
_CHANGES = (*_SETTINGS, "execute", "formats", "notebooks", "parameters")
_AXES = ("datasets", "architectures", "widths", "resolutions", "variants")
_TOP = ("settings", "products", "rows", "execute", "formats", "notebooks", "parameters", "overrides")
_NAMES = (settings.SAMPLE, "imagenet", "none")  # of data and weights, which are no paths


@dataclass(frozen=True)
class GridRow:
    """One row of a grid, with all that holds for it.

    Attributes:
        name: of the row, and of its folder.
        row: the row of a card; of an ImageNet row the same network with the data set "custom", which is not used.
        data_dir: as `open_run` takes it.
        weights: likewise.
        seed: likewise.
        smoke: likewise; never None.
        recipe: likewise.
        execute: a name from `EXECUTE`.
        formats: names from `FORMATS`.
        notebooks: notebooks besides those that the row goes through anyway, without `.ipynb`.
        parameters: by notebook, values for parameters that only it has.
    """

    name: str
    row: Row
    data_dir: str | None = None
    weights: str | None = None
    seed: int = settings.DEFAULT_SEED
    smoke: bool = False
    recipe: str = "ours"
    execute: str = "notebooks"
    formats: tuple[str, ...] = ("int8",)
    notebooks: tuple[str, ...] = ()
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def is_imagenet(self) -> bool:
        """Whether it measures published weights."""
        return self.name.startswith(f"{IMAGENET}/")


@dataclass(frozen=True)
class Grid:
    """Rows to make.

    Attributes:
        name: the file's, without its suffix.
        rows: in the order of the file, each once.
    """

    name: str
    rows: tuple[GridRow, ...]


def read_grid(path: Path) -> Grid:
    """Read a grid from a YAML file.

    Raises:
        ValueError: the file is missing or no YAML, or as `make_grid`.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError):
        shipped = sorted(file.name for file in (settings.project_folder() / "grids").glob("*.yaml"))
        told = f"; the project has grids/{', grids/'.join(shipped)}" if shipped else ""
        raise ValueError(f"no grid at {path}{told}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    return make_grid(content, path.stem, path.parent)


def make_grid(content: Any, name: str = "grid", folder: Path | None = None) -> Grid:
    """Read a grid from a dict of the same form.

    Args:
        content: what a YAML file would hold.
        name: of the grid.
        folder: what relative paths start at; the current folder if not given.

    Raises:
        ValueError: an unknown key, data set or other name, a value of another kind, no row, or one twice.
    """
    found = _keys(content, _TOP, f"grid {name}")
    given = _keys(found.get("settings") or {}, _SETTINGS, "settings")
    shared = given | {key: found[key] for key in ("execute", "formats", "notebooks", "parameters") if key in found}
    overrides = [_keys(one, ("rows", *_CHANGES), "overrides") for one in _list(found, "overrides")]
    names = [made for block in _list(found, "products") for made in _multiplied(block)]
    names += [str(row) for row in _list(found, "rows")]
    if not names:
        raise ValueError(f"grid {name} names no row; list some under rows, or multiply them under products")
    if twice := [row for row in dict.fromkeys(names) if names.count(row) > 1]:
        raise ValueError(f"grid {name} names {', '.join(twice)} more than once; each row has one folder")
    rows = [_changed(_parse(row), shared, "settings", folder) for row in names]
    for one in overrides:
        pattern = str(one.get("rows", ""))
        matching = [row.name for row in rows if fnmatchcase(row.name, pattern)]
        if not matching:
            raise ValueError(f"an override's rows {pattern!r} match none of the grid's rows, such as {names[0]}")
        changes = {key: value for key, value in one.items() if key != "rows"}
        rows = [_changed(row, changes, "overrides", folder) if row.name in matching else row for row in rows]
    smoke = {row.smoke for row in rows}
    if len(smoke) > 1:
        raise ValueError(f"grid {name} has smoke and real rows; one folder holds one kind: make two grids")
    return Grid(name, tuple(rows))


def _multiplied(block: Any) -> Iterable[str]:
    """The names that a product gives."""
    found = _keys(block, _AXES, "products")
    if missing := [axis for axis in _AXES[:4] if not found.get(axis)]:
        raise ValueError(f"a product needs {', '.join(_AXES[:4])}; {missing[0]} is missing")
    axes = [_list(found, axis) for axis in _AXES[:4]]
    for dataset, architecture, alpha, resolution in product(*axes):
        for variant in _list(found, "variants") or [""]:
            yield f"{dataset}/{architecture}_{_width(alpha)}_{resolution}" + (f"_{variant}" if variant else "")


def _width(alpha: Any) -> float:
    if isinstance(alpha, bool) or not isinstance(alpha, int | float):
        raise ValueError(f"a width is a number such as 0.35, not {alpha!r}")
    return float(alpha)


def _parse(name: str) -> GridRow:
    """The row of a name, if there can be such a row."""
    dataset, _, network = name.partition("/")
    if dataset not in (*DATASETS, IMAGENET):
        raise ValueError(f"unknown dataset {dataset!r} in {name!r}; choose from {', '.join((*DATASETS, IMAGENET))}")
    row = Row.parse(f"custom/{network}" if dataset == IMAGENET else name)
    if dataset != IMAGENET:
        check_task(row)
    elif row.variant or row.detects:
        raise ValueError(
            f"{name}: ImageNet rows are measured, not trained; take imagenet/ARCHITECTURE_ALPHA_RESOLUTION"
        )
    if not row.detects:
        check_architecture(row.architecture, row.alpha)
    spelled = f"{IMAGENET}/{str(row).partition('/')[2]}" if dataset == IMAGENET else str(row)
    return GridRow(spelled, row, smoke=settings.smoke())


def _changed(row: GridRow, changes: dict[str, Any], where: str, folder: Path | None) -> GridRow:
    """The row with some of its settings replaced; of parameters, those named."""
    new: dict[str, Any] = {}
    for key, value in changes.items():
        if key in ("data_dir", "weights"):
            new[key] = _place(value, key, folder)
        elif key in ("formats", "notebooks"):
            new[key] = tuple(map(str, _list(changes, key)))
        elif key == "parameters":
            new[key] = _merged(row.parameters, value)
        else:
            wanted = {"seed": int, "smoke": bool, "recipe": str, "execute": str}[key]
            if not isinstance(value, wanted) or (key == "seed" and isinstance(value, bool)):
                raise ValueError(f"{where}: {key} is {value!r}; give {_KIND[key]}")
            if key == "seed" and value not in range(2**32):
                raise ValueError(f"{where}: seed is {value}; give one from 0 to {2**32 - 1}, as numpy takes it")
            new[key] = value
    made = replace(row, **new)
    if made.recipe not in RECIPES_OF:
        raise ValueError(f"{where}: unknown recipe {made.recipe!r}; choose from {', '.join(RECIPES_OF)}")
    if made.execute not in EXECUTE:
        raise ValueError(f"{where}: unknown way to execute {made.execute!r}; choose from {', '.join(EXECUTE)}")
    if strange := [name for name in made.formats if name not in FORMATS]:
        raise ValueError(f"{where}: unknown format {strange[0]!r}; choose from {', '.join(FORMATS)}")
    return made


_KIND = {"seed": "a whole number", "smoke": "true or false", "recipe": "a name", "execute": "a name"}


def _merged(held: dict[str, dict[str, Any]], value: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(value, dict) or not all(isinstance(one, dict) for one in value.values()):
        raise ValueError("parameters are given by notebook, such as {30_int8_tflite: {calibration_sizes: [10]}}")
    return {name: held.get(name, {}) | value.get(name, {}) for name in [*held, *(n for n in value if n not in held)]}


def _place(value: Any, key: str, folder: Path | None) -> str | None:
    """A name as it is, a path in full, since every job has its own current folder."""
    if value is None or value in _NAMES:
        return value
    path = ((folder or Path()) / Path(str(value)).expanduser()).resolve()
    if not path.exists():
        raise ValueError(f"{key}: nothing at {path}; correct the path, or leave {key} out to have it fetched")
    return str(path)


def _keys(content: Any, valid: tuple[str, ...], where: str) -> dict[str, Any]:
    """A mapping with no other than the valid keys."""
    if not isinstance(content, dict):
        raise ValueError(f"{where} must be a mapping with keys from {', '.join(valid)}, not {content!r}"[:300])
    if unknown := [str(key) for key in content if key not in valid]:
        raise ValueError(f"{where}: unknown key {', '.join(unknown)}; choose from {', '.join(valid)}")
    return content


def _list(content: dict[str, Any], key: str) -> list[Any]:
    found = content.get(key) or []
    if not isinstance(found, list | tuple):
        raise ValueError(f"{key} must be a list, not {found!r}")
    return list(found)
