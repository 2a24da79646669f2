"""What diseases leave on leaves: spots with rings and halos, films, mottles, stripes, yellow margins.

Sizes are in units of the square root of the leaf's area. A disease is a row of marks, painted one over the other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from mbhelpers.data.drawing.brush import Rng
from mbhelpers.data.drawing.scene import noise


@dataclass
class Leaf:
    """A painted leaf.

    Attributes:
        picture: RGB, square; only what `mask` covers counts.
        mask: L, where the leaf is.
        veins: (side, side) float32, 1 on a main vein, 0 between veins.
        angle: of the midrib from the x axis.
    """

    picture: Image.Image
    mask: Image.Image
    veins: np.ndarray
    angle: float

    @cached_property
    def inside(self) -> np.ndarray:
        """(N, 2) int64: x, y of the leaf's pixels."""
        return np.argwhere(np.asarray(self.mask))[:, ::-1]

    @cached_property
    def depth(self) -> np.ndarray:
        """(side, side) float32: about 0.5 at the edge, 1 well inside."""
        small = self.mask.resize((self.mask.width // 4,) * 2)
        return np.asarray(small.filter(ImageFilter.GaussianBlur(3)).resize(self.mask.size), np.float32) / 255

    def blend(self, colour: str, weight: np.ndarray) -> None:
        """Tint the leaf by weights (side, side) in 0..1."""
        shade = Image.fromarray((np.clip(weight, 0, 1) * 255).astype(np.uint8))
        self.picture.paste(_rgb(colour), (0, 0), shade)


Mark = Callable[[Leaf, Rng, float], None]
"""Paints on a leaf with a strength of about 1."""


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour))


def _spots(count: tuple[int, int], radius: tuple[float, float], *rings: tuple[float, str, float], stretch: float = 1,
           ragged: float = 0.12, edge: bool = False) -> Mark:  # fmt: skip
    """Make a mark of spots.

    Args:
        count: fewest and most.
        radius: least and largest.
        rings: (radius relative to the spot's, colour, opacity), from the outside in.
        stretch: how much longer than wide they are, along the leaf.
        ragged: how irregular their outline is.
        edge: whether they sit at the leaf's edge.
    """
    circle = np.linspace(0, 2 * np.pi, 13)[:-1]
    ring = np.stack([np.cos(circle) * np.sqrt(stretch), np.sin(circle) / np.sqrt(stretch)], 1)

    def paint(leaf: Leaf, rng: Rng, strength: float) -> None:
        pen, unit = ImageDraw.Draw(leaf.picture, "RGBA"), np.sqrt(len(leaf.inside))
        places = leaf.inside
        if edge:
            near = leaf.depth[places[:, 1], places[:, 0]]
            places = places[near <= np.quantile(near, 0.2)]
        number = max(1, round(rng.integers(count[0], count[1] + 1) * strength))
        cos, sin = np.cos(leaf.angle), np.sin(leaf.angle)
        for place in places[rng.integers(len(places), size=number)]:
            outline = ring * (1 + rng.normal(0, ragged, (12, 1))) * rng.uniform(*radius) * unit
            outline = outline @ np.array([[cos, sin], [-sin, cos]])
            for part, colour, opacity in rings:
                ink = (*_rgb(colour), round(255 * opacity))
                pen.polygon((place + outline * part).ravel().tolist(), fill=ink)

    return paint


def _film(colour: str, opacity: float, cells: int, cover: float, *, veins: float = 0.0) -> Mark:
    """Make a mark of cloudy patches.

    Args:
        colour: hexadecimal.
        opacity: where it is thickest.
        cells: how many bumps across the picture.
        cover: share of the leaf.
        veins: how free the veins stay.
    """

    def paint(leaf: Leaf, rng: Rng, strength: float) -> None:
        cloud = noise(rng, len(leaf.veins), cells, 3)
        x, y = leaf.inside[::16].T
        level = np.quantile(cloud[y, x], 1 - min(cover * strength, 0.95))
        leaf.blend(colour, np.clip((cloud - level) * 8, 0, 1) * opacity * (1 - veins * leaf.veins))

    return paint


def _margin(colour: str, opacity: float, veins: float = 0.0) -> Mark:
    """Make a mark that discolours the leaf from its edge inward."""

    def paint(leaf: Leaf, rng: Rng, strength: float) -> None:
        reach = np.clip((1.02 - leaf.depth) * 2.2 * strength, 0, 1) * (0.5 + noise(rng, len(leaf.veins), 6, 2))
        leaf.blend(colour, np.clip(reach, 0, 1) * opacity * (1 - veins * leaf.veins))

    return paint


def _tiger(leaf: Leaf, rng: Rng, strength: float) -> None:
    """Paint the stripes of esca: the blade yellows, then dies, between the veins."""
    cloud = noise(rng, len(leaf.veins), 5, 2) + 0.35 * (1 - leaf.depth) - 1.1 * leaf.veins
    for level, colour, opacity in ((0.52, "c9b440", 0.75), (0.6, "8c4a22", 0.9), (0.68, "5a2c18", 0.8)):
        leaf.blend(colour, np.clip((cloud - level / strength**0.3) * 12, 0, 1) * opacity)


_EARLY_BLIGHT = ((1.5, "c9bd4a", 0.45), (1.0, "4a2f18", 1), (0.82, "84603a", 1), (0.64, "4a2f18", 1),
                 (0.46, "84603a", 1), (0.25, "3a2412", 1))  # fmt: skip
_LATE_BLIGHT = (
    _spots((1, 3), (0.2, 0.34), (1.25, "a9b070", 0.5), (1, "3a3622", 0.9), (0.72, "54422c", 0.8), (0.4, "3a2c1c", 0.6),
           ragged=0.2, edge=True),
    _spots((1, 4), (0.05, 0.1), (1.2, "8a9055", 0.5), (1, "35301f", 0.85), ragged=0.3),
)  # fmt: skip

DISEASES: dict[str, tuple[Mark, ...]] = {
    "healthy": (),
    "Apple_scab": (
        _spots((6, 15), (0.04, 0.1), (1.3, "4d5528", 0.4), (1, "3a3a20", 0.7), (0.6, "26251a", 0.7), ragged=0.35),
    ),
    "Black_rot": (
        _spots((6, 14), (0.035, 0.065), (1.25, "3c1810", 0.9), (1, "96582c", 1), (0.55, "b98a58", 1),
               (0.2, "2a120c", 1)),
    ),
    "Cedar_apple_rust": (
        _spots((9, 22), (0.022, 0.045), (1.6, "d8d048", 0.6), (1, "e87a14", 1), (0.4, "8a300c", 1)),
    ),
    "Powdery_mildew": (
        _film("e4e6dc", 0.4, 6, 0.35),
        _spots((6, 16), (0.04, 0.09), (1.2, "e4e8dc", 0.2), (0.9, "eceee6", 0.3), (0.6, "f6f7f2", 0.35), ragged=0.25),
    ),
    "Cercospora_leaf_spot Gray_leaf_spot": (
        _spots((30, 60), (0.012, 0.024), (1.5, "8a7a35", 0.6), (1, "c3ac86", 1), stretch=6, ragged=0.05),
    ),
    "Common_rust": (
        _spots((80, 180), (0.006, 0.012), (1.8, "bfae50", 0.5), (1, "86390f", 1), stretch=1.6),
    ),
    "Northern_Leaf_Blight": (
        _spots((2, 4), (0.06, 0.1), (1.15, "6a6430", 0.8), (1, "b09a72", 1), (0.6, "94805e", 0.9), stretch=5),
    ),
    "Esca_(Black_Measles)": (_tiger,),
    "Leaf_blight_(Isariopsis_Leaf_Spot)": (
        _margin("b9a845", 0.5),
        _spots((6, 12), (0.05, 0.12), (1.2, "8a5a2a", 0.6), (1, "442218", 0.95), ragged=0.45),
    ),
    "Haunglongbing_(Citrus_greening)": (_film("d8cf48", 0.85, 3, 0.55, veins=0.9),),
    "Bacterial_spot": (
        _film("cfc650", 0.4, 3, 0.25),
        _spots((35, 80), (0.009, 0.02), (1.9, "d6cc50", 0.4), (1, "2e2016", 1), ragged=0.25),
    ),
    "Early_blight": (_spots((4, 9), (0.05, 0.095), *_EARLY_BLIGHT, ragged=0.06),),
    "Late_blight": _LATE_BLIGHT,
    "Leaf_scorch": (
        _margin("8f3a3c", 0.6),
        _spots((40, 90), (0.014, 0.035), (1.3, "a84a4c", 0.5), (1, "5e1c30", 0.9), (0.4, "8a5048", 0.8), ragged=0.3),
    ),
    "Leaf_Mold": (
        _spots((6, 13), (0.06, 0.12), (1.35, "d4d258", 0.35), (1, "d0c840", 0.55), (0.5, "94823a", 0.75), ragged=0.25),
    ),
    "Septoria_leaf_spot": (
        _spots((30, 70), (0.01, 0.019), (1.3, "3a2a16", 1), (0.75, "c4bcaa", 1), (0.2, "2a2018", 1)),
    ),
    "Spider_mites Two-spotted_spider_mite": (
        _film("c2b060", 0.5, 4, 0.5),
        _spots((200, 350), (0.005, 0.009), (1, "e6e2a8", 0.8)),
    ),
    "Target_Spot": (
        _spots((9, 20), (0.025, 0.05), (1.15, "5e3c1e", 0.9), (0.9, "c4a070", 1), (0.55, "7a5028", 1),
               (0.3, "d8bc8c", 1)),
    ),
    "Tomato_Yellow_Leaf_Curl_Virus": (_margin("e0da4c", 0.95, veins=0.6), _film("d8d650", 0.4, 5, 0.4, veins=0.8)),
    "Tomato_mosaic_virus": (_film("c6d878", 0.75, 8, 0.45), _film("1e4a22", 0.6, 9, 0.3)),
}  # fmt: skip
"""Disease, as in the class names after the species, to its marks."""
