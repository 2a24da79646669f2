"""The drawn food-101, in the layout of the official archive: all 101 classes, with their lists in `meta/`."""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from mbhelpers import files, settings
from mbhelpers.data.class_names import FOODS
from mbhelpers.data.drawing.food import draw_food

_LARGEST = 3_999_971  # a prime: numbers below it keep apart when multiplied modulo it


def write_sample(
    root: Path, per_class: int = 6, size: int = 128, seed: int = settings.DEFAULT_SEED, *, overwrite: bool = False
) -> Path:
    """Draw `images/<class>/<id>.jpg` and `meta/` into `root/food-101`.

    Every third picture is of the official test part, the others of train. The folder appears, or is replaced,
    only when the new one is complete. Picture i of a class does not depend on how many are drawn.

    Args:
        root: the folder that holds `food-101`.
        per_class: pictures a class, at least 3, so that both parts have some.
        size: the short side in pixels; the long one is up to a third longer.
        seed: another seed gives other pictures.
        overwrite: replace a folder that is there.

    Raises:
        ValueError: too few pictures a class.
        FileExistsError: the folder exists and `overwrite` is false.
    """
    if per_class < 3:
        raise ValueError(f"per_class is {per_class}; train and test need 3 pictures a class or more")
    final = Path(root) / "food-101"
    if final.exists() and not overwrite:
        raise FileExistsError(f"{final} exists; pass overwrite=True (--overwrite) or choose another folder")
    with files.replacing(final) as folder:
        for kind in FOODS:
            (folder / "images" / kind).mkdir(parents=True)
            for i in range(per_class):
                (folder / "images" / f"{_name(kind, i)}.jpg").write_bytes(_picture(kind, i, size, seed))
        _write_meta(folder / "meta", per_class)
    return final


def _write_meta(folder: Path, per_class: int) -> None:
    """Write the lists, each as text and the two parts as JSON too."""
    folder.mkdir()
    kinds = sorted(FOODS, key=lambda kind: kind.replace("_", "~"))  # the official order: cheesecake, cheese_plate
    _write_lines(folder / "classes.txt", kinds)
    _write_lines(folder / "labels.txt", [kind.replace("_", " ").capitalize() for kind in kinds])
    for part in ("train", "test"):
        chosen = [i for i in range(per_class) if (i % 3 == 2) == (part == "test")]
        names = {kind: sorted(_name(kind, i) for i in chosen) for kind in kinds}
        _write_lines(folder / f"{part}.txt", [name for kind in kinds for name in names[kind]])
        (folder / f"{part}.json").write_text(json.dumps(names), encoding="utf-8")


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _name(kind: str, index: int) -> str:
    """`<class>/<id>`; the ids look as random as the real ones and never meet."""
    number = 1 + FOODS.index(kind) + index * len(FOODS)
    return f"{kind}/{number * 1_366_127 % _LARGEST}"


def _picture(kind: str, index: int, size: int, seed: int) -> bytes:
    stream = np.random.SeedSequence([seed, FOODS.index(kind), index])  # its own for each picture
    number, shape, stretch = stream.generate_state(3).tolist()
    long = size + stretch % (size // 3 + 1)
    sides = [(size, size), (long, size), (size, long)][shape % 3]
    buffer = io.BytesIO()
    Image.fromarray(draw_food(kind, number, sides)).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()
