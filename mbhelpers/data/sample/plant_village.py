"""The drawn plant-village, in the folder layouts of the official archives, with and without augmentation.

All 39 classes, with the traps of the real set: further photographs of one leaf, augmented copies of a leaf under
names that say nothing, and a table whose tint goes with the class (see `mbhelpers.data.drawing.leaves`).
"""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from mbhelpers import files, settings
from mbhelpers.data.class_names import PLANTS
from mbhelpers.data.drawing.leaves import BACKGROUND, draw_leaf

AUGMENTATIONS = ("flip", "gamma", "noise", "colour", "rotation", "scaling")
"""What the real archive's augmented copies went through; here each class has one copy of each kind."""

_PLAIN, _AUGMENTED = (f"Plant_leave_diseases_dataset_{form}_augmentation" for form in ("without", "with"))
_EVERY = 3  # every third class holds a second photograph


def planted_duplicates(per_class: int = 10, seed: int = settings.DEFAULT_SEED) -> list[tuple[str, str]]:
    """Name the further photographs: in every third class the last picture shows the leaf of another one.

    The camera moved by a few pixels and the light changed. With fewer than three pictures a class nothing is
    planted. Both forms of the data set hold them; `planted_copies` has the names in the augmented one.

    Returns:
        (first photograph, second), as ("Corn___healthy/image (4).JPG", "Corn___healthy/image (10).JPG").
    """
    return [
        (_name(kind, original), _name(kind, per_class - 1))
        for kind in PLANTS
        if (original := _photographed_twice(kind, per_class, seed)) is not None
    ]


def planted_copies(per_class: int = 10, seed: int = settings.DEFAULT_SEED) -> list[tuple[str, ...]]:
    """Name the groups of pictures in the augmented form that show one leaf.

    Returns:
        One group a leaf that is there more than once: its photographs, then its augmented copies.
    """
    groups = []
    for kind in PLANTS:
        names, sources = _shuffled_names(kind, per_class, seed), _copied(kind, per_class, seed)
        again = _photographed_twice(kind, per_class, seed)
        for leaf in range(per_class - (again is not None)):
            members = [leaf] + [per_class - 1] * (leaf == again)
            members += [per_class + k for k, source in enumerate(sources) if source in members]
            if len(members) > 1:
                groups.append(tuple(names[k] for k in members))
    return groups


def write_sample(
    root: Path,
    per_class: int = 10,
    size: int = 128,
    seed: int = settings.DEFAULT_SEED,
    *,
    overwrite: bool = False,
) -> Path:
    """Draw the form without augmentation: `<class>/image (1).JPG ...` in the official top folder under `root`.

    The folder appears, or is replaced, only when the new one is complete. Picture i of a class does not depend on
    how many are drawn, but for the last ones (`planted_duplicates`).

    Args:
        root: the folder that holds the top folder.
        per_class: pictures a class.
        size: their side in pixels.
        seed: another seed gives other leaves.
        overwrite: replace a folder that is there.

    Raises:
        FileExistsError: the folder exists and `overwrite` is false.
    """

    def pictures(kind: str) -> dict[str, bytes]:
        return {_name(kind, i): _jpeg(_photograph(kind, i, per_class, size, seed)) for i in range(per_class)}

    return _write(Path(root) / _PLAIN, pictures, overwrite=overwrite)


def write_augmented(
    root: Path,
    per_class: int = 10,
    size: int = 128,
    seed: int = settings.DEFAULT_SEED,
    *,
    overwrite: bool = False,
) -> Path:
    """Draw the form with augmentation: the pictures of `write_sample` and, in each class, one copy an augmentation.

    The names are shuffled within a class. Arguments and errors as `write_sample`.
    """

    def pictures(kind: str) -> dict[str, bytes]:
        photographs = [_photograph(kind, i, per_class, size, seed) for i in range(per_class)]
        rng = np.random.default_rng([seed, PLANTS.index(kind), 2])
        copies = [
            _augment(photographs[source], name, rng)
            for name, source in zip(AUGMENTATIONS, _copied(kind, per_class, seed), strict=True)
        ]
        names = _shuffled_names(kind, per_class, seed)
        return dict(zip(names, map(_jpeg, photographs + copies), strict=True))

    return _write(Path(root) / _AUGMENTED, pictures, overwrite=overwrite)


def _write(final: Path, pictures: Callable[[str], dict[str, bytes]], *, overwrite: bool) -> Path:
    if final.exists() and not overwrite:
        raise FileExistsError(f"{final} exists; pass overwrite=True (--overwrite) or choose another folder")
    with files.replacing(final) as folder:
        for kind in PLANTS:
            (folder / kind).mkdir(parents=True)
            for name, content in pictures(kind).items():
                (folder / name).write_bytes(content)
    return final


def _name(kind: str, index: int) -> str:
    return f"{kind}/image ({index + 1}).JPG"


def _photograph(kind: str, index: int, per_class: int, size: int, seed: int) -> np.ndarray:
    again = _photographed_twice(kind, per_class, seed)
    second = again is not None and index == per_class - 1
    number = again if again is not None and second else index
    stream = np.random.SeedSequence([seed, PLANTS.index(kind), number])  # its own for each leaf
    return draw_leaf(kind, int(stream.generate_state(1)[0]), size, photo=int(second))


def _photographed_twice(kind: str, per_class: int, seed: int) -> int | None:
    """Which leaf of a class the last picture shows again."""
    if kind == BACKGROUND or PLANTS.index(kind) % _EVERY or per_class < 3:
        return None
    return int(np.random.default_rng([seed, PLANTS.index(kind), 0]).integers(per_class - 1))


def _copied(kind: str, per_class: int, seed: int) -> list[int]:
    """Which photograph each augmented copy is made of."""
    return np.random.default_rng([seed, PLANTS.index(kind), 1]).integers(per_class, size=len(AUGMENTATIONS)).tolist()


def _shuffled_names(kind: str, per_class: int, seed: int) -> list[str]:
    """The names of photographs and copies in the augmented form."""
    rng = np.random.default_rng([seed, PLANTS.index(kind), 3])
    return [_name(kind, k) for k in rng.permutation(per_class + len(AUGMENTATIONS)).tolist()]


def _augment(picture: np.ndarray, name: str, rng: np.random.Generator) -> np.ndarray:
    """Make a copy as the archive's authors did: uint8 (size, size, 3) in and out."""
    if name == "flip":
        return picture[:, ::-1] if rng.uniform() < 0.5 else picture[::-1]
    if name == "rotation":
        return np.rot90(picture, int(rng.integers(1, 4)))
    if name == "scaling":  # a part of the picture, enlarged
        size = len(picture)
        margin = rng.uniform(0.03, 0.1) * size
        box = (margin, margin, size - margin, size - margin)
        return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR, box))
    values = picture.astype(np.float32) / 255
    if name == "gamma":
        values = values ** rng.choice([0.6, 1.6])
    elif name == "noise":
        values = values + rng.normal(0, 0.06, values.shape)
    else:  # along the principal colours of the picture
        strengths, axes = np.linalg.eigh(np.cov(values.reshape(-1, 3).T))
        values = values + axes @ (rng.normal(0, 0.5, 3) * np.sqrt(np.maximum(strengths, 0)))
    return (np.clip(values, 0, 1) * 255).astype(np.uint8)


def _jpeg(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()
