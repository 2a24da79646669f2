"""The drawn sample: five kinds of flower, in the folder layout of the official flower_photos archive.

It lets every notebook run offline. Within a kind, colour, light, background, scale and number vary; between
kinds colours overlap, so that a model has to see shape and texture. As real collections do, it holds near
duplicates and exact copies (`planted_duplicates`), which a split has to keep on one side. NumPy and Pillow
only. This one is committed; remake it with

    python -m mbhelpers.data.sample data/sample --overwrite
"""

import io
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from mbhelpers import files, settings
from mbhelpers.data.drawing.flowers import CLASSES, draw_flower

_EXACT_COPIES = 2
_LICENSE = """The pictures in these folders were drawn by mbhelpers.data.sample; none is a photograph. They
are dedicated to the public domain under CC0 1.0: https://creativecommons.org/publicdomain/zero/1.0/
"""


def planted_duplicates(per_class: int = 40, seed: int = settings.DEFAULT_SEED) -> list[tuple[str, str]]:
    """Name the pictures that `write_sample` repeats on purpose.

    In every class the last two pictures are near duplicates of others: the same drawing at another JPEG
    quality and, by turns, cropped by a few pixels and resized, or a little brighter. In two classes the
    picture before them is a byte-for-byte copy. With fewer than six pictures a class nothing is planted.

    Args:
        per_class: pictures in a class, as for `write_sample`.
        seed: the sample's seed, as for `write_sample`.

    Returns:
        (original, duplicate), as ("daisy/daisy_012.jpg", "daisy/daisy_038.jpg"): the near ones, two in each
        class, then the two exact ones.
    """
    if per_class < 6:
        return []
    rng = np.random.default_rng([seed, len(CLASSES)])  # a stream that no class uses
    originals = [rng.choice(per_class - 3, 3, replace=False) for _ in CLASSES]
    near = [
        (_name(kind, chosen[k]), _name(kind, per_class - 2 + k))
        for kind, chosen in zip(CLASSES, originals, strict=True)
        for k in range(2)
    ]
    copied = sorted(rng.choice(len(CLASSES), _EXACT_COPIES, replace=False))
    exact = [(_name(CLASSES[c], originals[c][2]), _name(CLASSES[c], per_class - 3)) for c in copied]
    return near + exact


def write_sample(
    root: Path,
    per_class: int = 40,
    size: int = 224,
    seed: int = settings.DEFAULT_SEED,
    *,
    overwrite: bool = False,
) -> Path:
    """Draw the sample into `root/flower_photos/<class>/<class>_000.jpg ...`, with planted duplicates.

    The folder appears, or is replaced, only when the new one is complete. Picture i of a class does not
    depend on how many are drawn, except that the duplicates of `planted_duplicates` take the last places.

    Returns:
        The folder `root/flower_photos`.

    Raises:
        FileExistsError: the folder exists and `overwrite` is false.
    """
    final = Path(root) / "flower_photos"
    if final.exists() and not overwrite:
        raise FileExistsError(f"{final} exists; pass overwrite=True (--overwrite) or choose another folder")
    planted = {duplicate: original for original, duplicate in planted_duplicates(per_class, seed)}
    exact = {duplicate for _, duplicate in planted_duplicates(per_class, seed)[-_EXACT_COPIES:]}
    with files.replacing(final) as folder:
        for kind in CLASSES:
            (folder / kind).mkdir(parents=True)
            for name in (_name(kind, i) for i in range(per_class)):
                if name in exact:
                    shutil.copyfile(folder / planted[name], folder / name)
                elif name in planted:
                    picture = _draw_named(planted[name], seed, size)
                    (folder / name).write_bytes(_near_duplicate(picture, _index(name) % 2 == 0))
                else:
                    (folder / name).write_bytes(_encode_named(name, seed, size))
        (folder / "LICENSE.txt").write_text(_LICENSE, encoding="utf-8")
    return final


def _name(kind: str, index: int) -> str:
    return f"{kind}/{kind}_{index:03d}.jpg"


def _index(name: str) -> int:
    return int(Path(name).stem.rpartition("_")[2])


def _draw_named(name: str, seed: int, size: int) -> np.ndarray:
    kind = name.partition("/")[0]
    stream = np.random.SeedSequence([seed, CLASSES.index(kind), _index(name)])  # its own for each picture
    return draw_flower(kind, int(stream.generate_state(1)[0]), size)


def _encode_named(name: str, seed: int, size: int) -> bytes:
    return _jpeg(_draw_named(name, seed, size))


def _near_duplicate(picture: np.ndarray, cropped: bool) -> bytes:
    if not cropped:
        return _jpeg(np.clip(picture * 1.04, 0, 255).astype(np.uint8), quality=75)
    size = len(picture)
    inner = Image.fromarray(picture).crop((2, 1, size - 1, size - 2))
    return _jpeg(np.asarray(inner.resize((size, size), Image.Resampling.BICUBIC)), quality=92)


def _jpeg(picture: np.ndarray, quality: int = 85) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
