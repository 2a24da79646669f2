"""Drawn pictures in the layout of the ImageNet (ILSVRC2012) validation set.

    imagenet/ILSVRC2012_img_val/ILSVRC2012_val_00000001.JPEG ...
    imagenet/ILSVRC2012_validation_ground_truth.txt     one number a line, 1..1000, for the pictures in their order
    imagenet/map_clsloc.txt                             <wnid> <number> <name>, in the order of the numbers
    imagenet/synset_words.txt                           <wnid> <name>, sorted by wnid

Two orders are in use, and mixing them up is an old trap: the numbers of the ground truth are those of the
development kit (`map_clsloc.txt`: 1 is n02119789), while models count the sorted wnids from 0 (line k + 1 of
`synset_words.txt` is class k; 0 is n01440764). The names are those of what is drawn, such as
"spiral_in_red_and_mint", since no picture shows what its wnid stands for.

Each of the 1000 classes has one of 20 shapes and one of 50 pairs of colours, of which one is that of the dark parts
and one that of the light parts. As in the real set, sizes and aspect ratios vary, a few pictures are gray, and one
is CMYK.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from mbhelpers import files, settings
from mbhelpers.data.drawing.shapes import SHAPES, draw_shape
from mbhelpers.data.imagenet import CLASSES, development_kit

_DARK = {
    "black": (14, 14, 16), "brown": (70, 34, 10), "red": (125, 6, 14), "olive": (70, 70, 0), "green": (0, 74, 24),
    "teal": (0, 76, 82), "blue": (8, 34, 130), "indigo": (46, 6, 110), "purple": (98, 0, 98), "crimson": (118, 0, 58),
}  # fmt: skip
_LIGHT = {
    "white": (250, 250, 250), "yellow": (255, 236, 96), "mint": (150, 250, 190), "sky": (150, 212, 255),
    "pink": (255, 176, 206),
}  # fmt: skip
_PALETTES = [(dark, light) for dark in _DARK for light in _LIGHT]
_GRAY_EVERY, _CMYK = 25, 13
_LICENSE = """The pictures in this folder were drawn by mbhelpers.data.sample; none is a photograph, and none shows the
class of its wnid. They are dedicated to the public domain under CC0 1.0:
https://creativecommons.org/publicdomain/zero/1.0/
"""


def write_sample(root: Path, *, images: int = 100, seed: int = settings.DEFAULT_SEED, overwrite: bool = False) -> Path:
    """Draw the sample into `root/imagenet`; the folder appears, or is replaced, only when the new one is complete.

    Picture i does not depend on how many are drawn; each 25th is gray, and the 14th is CMYK.

    Args:
        root: the folder that holds the top folder.
        images: how many.
        seed: another seed gives other pictures and classes.
        overwrite: replace a sample that is there.

    Returns:
        The folder `root/imagenet`.

    Raises:
        FileExistsError: the folder exists and `overwrite` is false.
    """
    final = Path(root) / "imagenet"
    if final.exists() and not overwrite:
        raise FileExistsError(f"{final} exists; pass overwrite=True (--overwrite) or choose another folder")
    wnids = development_kit()
    lines = [f"{wnid} {number} {class_name(number)}\n" for number, wnid in enumerate(wnids, start=1)]
    words = sorted(f"{wnid} {class_name(number)}\n" for number, wnid in enumerate(wnids, start=1))
    numbers = np.random.default_rng([seed, 0]).integers(1, CLASSES + 1, images).tolist()
    with files.replacing(final) as folder:
        (folder / "ILSVRC2012_img_val").mkdir(parents=True)
        for index, number in enumerate(numbers):
            picture = Image.fromarray(_draw(number, np.random.default_rng([seed, 1, index])))
            mode = "CMYK" if index == _CMYK else "L" if index % _GRAY_EVERY == 7 else "RGB"
            buffer = io.BytesIO()
            picture.convert(mode).save(buffer, "JPEG", quality=90)
            name = f"ILSVRC2012_val_{index + 1:08d}.JPEG"
            (folder / "ILSVRC2012_img_val" / name).write_bytes(buffer.getvalue())
        truth = "".join(f"{number}\n" for number in numbers)
        (folder / "ILSVRC2012_validation_ground_truth.txt").write_text(truth, encoding="utf-8")
        (folder / "map_clsloc.txt").write_text("".join(lines), encoding="utf-8")
        (folder / "synset_words.txt").write_text("".join(words), encoding="utf-8")
        (folder / "LICENSE.txt").write_text(_LICENSE, encoding="utf-8")
    return final


def class_name(number: int) -> str:
    """Name what is drawn for a class, as "spiral_in_red_and_mint".

    Args:
        number: the development kit's, 1..1000.
    """
    dark, light = _PALETTES[(number - 1) // len(SHAPES)]
    return f"{SHAPES[(number - 1) % len(SHAPES)]}_in_{dark}_and_{light}"


def _draw(number: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one picture of a class, uint8 (h, w, 3), its shorter side 96 to 160 pixels."""
    shorter = int(rng.integers(96, 161))
    longer = min(240, round(shorter * rng.uniform(1, 1.7)))
    width, height = (longer, shorter) if rng.uniform() < 0.65 else (shorter, longer)
    square = draw_shape(SHAPES[(number - 1) % len(SHAPES)], int(rng.integers(2**31)), longer)
    left, top = (longer - width) // 2, (longer - height) // 2
    tone = square[top : top + height, left : left + width].astype(np.float32) @ [0.3, 0.59, 0.11]
    low, high = np.percentile(tone, [2, 98])
    tone = np.clip((tone - low) / (high - low + 1e-6), 0, 1)[..., None]
    dark, light = _PALETTES[(number - 1) // len(SHAPES)]
    a, b = np.array(_DARK[dark], np.float32), np.array(_LIGHT[light], np.float32)
    return (a + (b - a) * tone + 0.5).astype(np.uint8)
