"""What a recipe is, and garnishes that many dishes share."""

from dataclasses import dataclass

from mbhelpers.data.drawing.food.parts import ball, box, crescent, disc, dots, leaf, pool, slab
from mbhelpers.data.drawing.food.view import Part, mixed, put


@dataclass(frozen=True)
class Recipe:
    """A dish.

    Attributes:
        container: of `dishes.CONTAINERS`.
        parts: what is painted, in turn.
        look: range of the camera's height, from 0 on the table to 1 above it.
        near: how much larger than a full plate it is seen.
        upright: whether the plate keeps its orientation, since the dish has a front.
    """

    container: str
    parts: tuple[Part, ...]
    look: tuple[float, float] = (0.62, 0.97)
    near: float = 1.0
    upright: bool = False


def dish(container: str, *parts: Part) -> Recipe:
    """A dish seen from any side."""
    return Recipe(container, parts)


def aslant(container: str, *parts: Part) -> Recipe:
    """A dish whose layers show: seen from the side, and closer."""
    return Recipe(container, parts, (0.45, 0.7), 1.12, upright=True)


GREENS, HERBS = ("5f8f35", "86ad4a"), ("3f7a2a", "5d9438")
HERB_BITS = dots((10, 26), 0.022, *HERBS)
SALAD = mixed(leaf(0.5, GREENS[0]), leaf(0.55, GREENS[1]), leaf(0.45, "a9c465", 0.4))
LEMON = slab(disc(0.17, end=3.2), ("f0d23c", 0.1))
LIME = slab(disc(0.16, end=3.2), ("8fbf3a", 0.1))
FRIES = slab(box(0.5, 0.08), ("e6b94a", 0.07))
STRAWBERRY = slab(disc(0.13, 1.2), ("c8202c", 0.16), dome=0.9, on=dots(3, 0.012, "f0c060", radius=0.08))
BERRY = mixed(ball(0.07, "3a3f78"), ball(0.07, "b3203c"))
CREAM = slab(disc(0.22, ragged=0.08), ("faf6ec", 0.2), dome=0.9)
SHRIMP = crescent(0.16, 0.075, "ee8a62", "f6c4aa", 4.0)
MINT = put(leaf(0.16, "4f9a3c", 0.4), 3, "ring", 0.03)
SUGAR = dots((40, 80), 0.018, "ffffff", "f4f0ea")
SESAME = dots((14, 26), 0.018, "f4e6c0")


def dip(colour: str, x: float = 0.5, y: float = -0.4) -> Part:
    """A small cup of sauce at the side."""
    return put(slab(disc(0.23), ("f2efe8", 0.16), on=pool(colour, 0.19, 0.02)), x=x, y=y, spread=0.03)


def raised(part: Part, up: float) -> Part:
    """The same part, higher."""
    return lambda layer, view, rng: part(layer, view.moved(up=up), rng)
