"""Desserts and sweet breakfasts of food-101."""

from mbhelpers.data.drawing.food.kitchen import BERRY, CREAM, MINT, STRAWBERRY, SUGAR, Recipe, aslant, dip, dish, raised
from mbhelpers.data.drawing.food.parts import box, corners, disc, dots, drizzle, pool, ring, roll, slab, stripes, wedge
from mbhelpers.data.drawing.food.view import Part, all_of, mixed, put

_ICE = [
    slab(disc(0.3, ragged=0.03), (colour, 0.4), dome=1.0)
    for colour in ("f6ead0", "5a3220", "f2a8b8", "b9d8a0", "f0c070")
]
_MACARONS = [
    slab(disc(0.22), (colour, 0.1), ("fbf2e2", 0.05), (colour, 0.1), dome=0.25)
    for colour in ("e88aa8", "9cc46a", "c89a68", "b08ad0", "f2d060", "7ac0c8")
]
_BITS = ("f04a8a", "4ac0e0", "f6e04a")
_DONUTS = [
    all_of(ring(0.27, 0.17, "d09a54", glaze), raised(dots(bits, 0.022, *_BITS, radius=0.36), 0.2))
    for glaze, bits in (("f29ab8", 24), ("4a2614", 0), ("f4ead8", 18), ("5a3018", 24), ("e8c890", 0))
]


def _cake(*layers: tuple[str, float], on: Part | None = None) -> Part:
    """A slice in the middle of the plate."""
    return put(slab(wedge(1.05), *layers, on=on), 1, turn=0.3, spread=0.06)


def _icing(colour: str) -> Part:
    """A swirl on a cup cake, with sprinkles."""
    rounds = [raised(slab(disc(0.22 - 0.055 * k), (colour, 0.1), dome=0.5), 0.07 * k) for k in range(4)]
    return all_of(*rounds, raised(dots(9, 0.022, "e84a8a", "3aa0e0", "f4d03a", radius=0.15), 0.12))


SWEET: dict[str, Recipe] = {
    "apple_pie": aslant(
        "plate",
        _cake(
            ("c8924a", 0.07), ("d2a04e", 0.12), ("b8782c", 0.08), ("dca858", 0.07),
            on=stripes("b07830", 4, 0.8, 0.17, cross=True)),
        put(_ICE[0], x=-0.35, y=0.4),
    ),
    "baklava": aslant(
        "plate",
        put(
            slab(
                corners((-0.3, 0), (0, -0.2), (0.3, 0), (0, 0.2)), ("b87830", 0.06), ("6f7a30", 0.08),
                ("d89a3e", 0.06), ("8a8038", 0.05), ("e0aa48", 0.05),
                on=dots(16, 0.025, "7fa03a", "9ab84a", radius=0.1)),
            (3, 5), "ring", 0.4, turn=0),
    ),
    "beignets": dish(
        "plate", pool("f4f0ea", 0.75, 0.12, 0),
        put(
            slab(
                box(0.55, 0.45), ("c88c48", 0.3), dome=0.6,
                on=dots((60, 90), 0.035, "ffffff", "f6f2ec", radius=0.2)),
            (3, 4), "ring", 0.38),
    ),
    "bread_pudding": aslant(
        "plate", pool("f0deb0", 0.75),
        slab(
            box(0.9, 0.65), ("b87c3c", 0.42),
            on=put(slab(box(0.2, 0.18), ("d09a54", 0.1), on=dots(2, 0.03, "4a2614", radius=0.08)), 14, spread=0.32),
        ),
    ),
    "cannoli": dish(
        "plate",
        put(
            all_of(
                roll(0.95, 0.2, "c4843e", ridges=3),
                put(
                    slab(disc(0.17), ("faf6ea", 0.16), dome=0.8, on=dots(5, 0.03, "4a2614", "7aa83a", radius=0.1)),
                    2, "row", 0.9, turn=0)),
            (2, 3), "row", 0.5, turn=1.4),
        SUGAR,
    ),
    "carrot_cake": aslant(
        "plate",
        _cake(
            ("b06c34", 0.15), ("f8f0e0", 0.05), ("b06c34", 0.15), ("faf4e6", 0.07),
            on=all_of(dots(26, 0.045, "8a5a30", "a8743e", radius=0.3), roll(0.22, 0.05, "f0802a"))),
    ),
    "cheesecake": aslant(
        "plate", _cake(("a06c34", 0.07), ("f4e4b4", 0.28), on=mixed(pool("c02838", 0.28), pool("e8a83a", 0.2))),
        put(STRAWBERRY, 2, x=-0.5, y=0.4, spread=0.15),
    ),
    "chocolate_cake": aslant(
        "plate", _cake(("42200f", 0.13), ("1c0c06", 0.04), ("42200f", 0.13), ("1c0c06", 0.06)),
        drizzle("2a140a", 0.02, 0.7), put(BERRY, 3, x=-0.5, y=0.4, spread=0.12),
    ),
    "chocolate_mousse": aslant(
        "glass", slab(disc(0.55), ("3a1c0e", 0.25), ("5a3018", 0.55), ("4a2614", 0.1)),
        raised(all_of(CREAM, dots(16, 0.03, "3a1c0e", radius=0.4), raised(MINT, 0.2)), 0.9),
    ),
    "churros": dish(
        "basket", put(roll(1.25, 0.085, "b06a2c", ridges=24), (7, 9), spread=0.35, turn=0.6, height=0.3), SUGAR,
        dip("3a1a0c", 0.6, 0.5),
    ),
    "creme_brulee": dish(
        "ramekin", pool("e0a83e", 0.98, 0, 0.2), dots((40, 60), 0.1, "9c5a18", "c8842a", "7a3f10", radius=0.85),
        mixed(put(STRAWBERRY, 2, spread=0.2), put(BERRY, 4, spread=0.2)), MINT,
    ),
    "cup_cakes": aslant(
        "board",
        *(put(slab(disc(0.24), (paper, 0.22), ("c8924e", 0.08), on=_icing(icing)), x=x, y=y, spread=0.03) for paper,
          icing, x, y in (("f0e6d8", "f29ab8", -0.5, -0.35), ("5a3a28", "f8f2e6", 0.5, -0.35), ("8ab8d8", "5a3020",
          -0.25, 0.3), ("f0e6d8", "9ad0c8", 0.6, 0.3))),
    ),
    "donuts": dish("plate", put(mixed(*_DONUTS), (3, 4), "ring", 0.47)),
    "french_toast": dish(
        "plate", pool("8a4614", 0.6),
        put(
            slab(box(0.75, 0.7), ("c8883a", 0.06), ("ecc880", 0.08), ("d09446", 0.05)), (2, 3), "row", 0.35,
            turn=0.5),
        SUGAR, put(mixed(STRAWBERRY, BERRY), (4, 6), spread=0.35, height=0.1),
    ),
    "frozen_yogurt": aslant(
        "glass", slab(disc(0.6), ("f0f0f2", 0.5)),
        *(raised(slab(disc(0.55 - 0.13 * k), ("f6e4e2", 0.2), dome=0.4), 0.5 + 0.15 * k) for k in range(4)),
        raised(put(mixed(STRAWBERRY, BERRY, slab(box(0.14, 0.14), ("f4b83a", 0.1))), (7, 9), "ring", 0.4), 0.55),
    ),
    "ice_cream": aslant(
        "glass", slab(disc(0.62), ("e6eef2", 0.35)),
        raised(put(mixed(*_ICE), (3, 4), "ring", 0.27, height=0.2), 0.35),
        raised(put(slab(corners((-0.1, 0.05), (0.1, 0.05), (0.3, -0.6)), ("c8924a", 0.05)), x=0.1, turn=0), 0.6),
    ),
    "macarons": aslant(
        "long plate", put(mixed(*_MACARONS), (5, 6), "row", 0.85, turn=0),
        put(mixed(*_MACARONS), 3, "row", 0.5, y=0.35, turn=0),
    ),
    "pancakes": aslant(
        "plate",
        *(raised(slab(disc(0.62, ragged=0.015), ("f0d49a", 0.06), ("cc8e40", 0.03)), 0.09 * k) for k in range(5)),
        raised(all_of(pool("8a4212", 0.34, 0.25, 0.2), slab(box(0.2, 0.18), ("f8e480", 0.1))), 0.46),
    ),
    "panna_cotta": aslant(
        "plate", mixed(pool("b01c34", 0.62), pool("c8802a", 0.62)),
        slab(
            disc(0.4), ("fbf6ec", 0.48), dome=0.35,
            on=all_of(mixed(pool("c02038", 0.25), pool("d8922e", 0.25)), put(BERRY, 3, spread=0.1))),
    ),
    "red_velvet_cake": aslant(
        "plate",
        _cake(
            ("8a1420", 0.12), ("faf2ec", 0.05), ("8a1420", 0.12), ("faf2ec", 0.05), ("8a1420", 0.08),
            ("fcf6f0", 0.06), on=dots(14, 0.03, "9a1c28", radius=0.3)),
    ),
    "strawberry_shortcake": aslant(
        "plate",
        slab(
            disc(0.48, ragged=0.04), ("d8a860", 0.18), ("faf6ee", 0.07), ("c82438", 0.07), ("faf6ee", 0.05),
            ("dcae68", 0.14), on=all_of(CREAM, put(STRAWBERRY, 3, "ring", 0.17))),
        put(STRAWBERRY, (3, 5), "ring", 0.72), drizzle("b81c30", 0.02, 0.8),
    ),
    "tiramisu": aslant(
        "plate",
        slab(
            box(0.95, 0.7), ("6a3c1c", 0.1), ("f6ead0", 0.1), ("6a3c1c", 0.1), ("f6ead0", 0.1), ("5a2e14", 0.02),
            on=dots(60, 0.03, "42200e", "5a3018", radius=0.36)),
        dots(30, 0.014, "42200e", radius=0.85),
    ),
    "waffles": dish(
        "plate",
        slab(disc(0.72), ("c88a3a", 0.08), ("dca650", 0.05), on=stripes("96601f", 8, 1.2, 0.16, cross=True)),
        raised(
            all_of(
                mixed(
                    put(STRAWBERRY, 4, spread=0.2), slab(box(0.22, 0.2), ("f8e480", 0.1)),
                    put(BERRY, 6, spread=0.25)),
                put(CREAM, x=0.2, y=0.1)),
            0.13),
        SUGAR,
    ),
}  # fmt: skip
"""Class of food-101 to its recipe."""
