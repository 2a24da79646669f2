"""Other dishes of food-101 that come on a round plate: pasta, eggs, breads, salads."""

from mbhelpers.data.drawing.food.kitchen import (
    CREAM,
    FRIES,
    GREENS,
    HERBS,
    LIME,
    MINT,
    SALAD,
    SESAME,
    SHRIMP,
    Recipe,
    aslant,
    dip,
    dish,
    raised,
)
from mbhelpers.data.drawing.food.parts import (
    ball,
    box,
    corners,
    disc,
    dots,
    drizzle,
    egg,
    leaf,
    pool,
    roll,
    slab,
    strands,
    stripes,
)
from mbhelpers.data.drawing.food.view import Part, all_of, mixed, put


def _bun(*filling: Part, seeds: bool = True) -> Part:
    """A round bun with its filling, from the bottom up."""
    parts = [slab(disc(0.55), ("d9a058", 0.16)), *filling]
    parts.append(slab(disc(0.56), ("c8843a", 0.4), dome=0.75, on=SESAME if seeds else None))
    return all_of(*(raised(part, 0.16 * (k > 0) + 0.09 * max(k - 1, 0)) for k, part in enumerate(parts)))


def _pasta(*parts: Part) -> Recipe:
    return dish("plate", strands((38, 50), 0.72, 0.045, "ecca7c", "e2bc66", "f2d898"), *parts)


ON_PLATES: dict[str, Recipe] = {
    "beet_salad": dish(
        "plate", put(SALAD, (5, 9), spread=0.4),
        put(slab(box(0.24, 0.2), ("7a1040", 0.14)), (14, 20), spread=0.55, height=0.25),
        put(slab(disc(0.07, ragged=0.2), ("f6f2e8", 0.08)), (6, 10), spread=0.5, height=0.3),
    ),
    "breakfast_burrito": dish(
        "plate", put(roll(1.15, 0.27, "ecd6a4", "e8b83c"), (1, 2), "row", 0.5, turn=1.4),
        dots(16, 0.04, "b87c3a", radius=0.45), put(slab(box(0.12, 0.1), ("d03a28", 0.06)), 14, x=0.62, spread=0.2),
        dip("f6f2e8", -0.65, 0.3),
    ),
    "caprese_salad": dish(
        "plate",
        put(
            all_of(
                slab(disc(0.29), ("d83a28", 0.05)), put(slab(disc(0.22), ("f8f4ea", 0.06)), x=0.22),
                put(leaf(0.26, "3f8a2c", 0.35), 1, x=0.1)),
            (5, 6), "ring", 0.48),
        drizzle("3a1c14", 0.015, 0.6),
    ),
    "chicken_quesadilla": dish(
        "plate",
        put(
            slab(
                corners((-0.36, 0), (0.34, -0.3), (0.34, 0.3)), ("dcb46a", 0.05), ("f4c63a", 0.03),
                ("e6c47e", 0.05), on=dots(12, 0.04, "a86c30", radius=0.22)),
            (4, 5), "ring", 0.45),
        put(CREAM, spread=0.03), dots(14, 0.03, "d23a28", "4f8a30", radius=0.2),
    ),
    "club_sandwich": aslant(
        "plate",
        put(
            slab(
                corners((-0.3, 0.2), (0.3, 0.2), (0, -0.25)), ("d8a860", 0.08), ("6fae3c", 0.05), ("d23a28", 0.05),
                ("f0d2b0", 0.06), ("d8a860", 0.08), ("f2cc4a", 0.04), ("b05a3a", 0.05), ("dcb06a", 0.08),
                on=raised(ball(0.05, "7a9a3a"), 0.08)),
            (3, 4), "ring", 0.48, turn=0),
        put(FRIES, (8, 12), spread=0.22, height=0.15),
    ),
    "croque_madame": aslant(
        "plate",
        slab(
            box(0.95, 0.9), ("c8903f", 0.12), ("e8a8a0", 0.06), ("f0d070", 0.05), ("cc9444", 0.12),
            ("ecc45a", 0.04), on=egg(0.4)),
        put(SALAD, 5, x=0.85, spread=0.2),
    ),
    "deviled_eggs": dish(
        "plate",
        put(
            slab(
                disc(0.27, 0.72), ("faf8f2", 0.14),
                on=all_of(
                    slab(disc(0.16, 0.8, 0.1), ("f2c23a", 0.1), dome=0.7), dots(7, 0.02, "c83a1c", radius=0.1))),
            (6, 7), "ring", 0.58),
        put(leaf(0.3, GREENS[0]), 5, spread=0.15),
    ),
    "eggs_benedict": aslant(
        "plate",
        put(
            all_of(
                slab(disc(0.36), ("d8b078", 0.14)),
                raised(
                    all_of(
                        slab(disc(0.34, ragged=0.08), ("e08878", 0.05)),
                        raised(slab(disc(0.3), ("faf6ea", 0.2), dome=0.8), 0.05),
                        raised(
                            slab(
                                disc(0.26, ragged=0.16), ("f4c22c", 0.08), dome=0.5,
                                on=dots(6, 0.02, "c8441c", "4a7a2a", radius=0.12)),
                            0.17)),
                    0.14)),
            2, "row", 0.75, turn=0),
    ),
    "falafel": dish(
        "plate", put(leaf(0.4, GREENS[1], 0.4), 8, spread=0.5),
        put(ball(0.19, "7c5424", rough=True), (6, 8), spread=0.45, height=0.2), dip("f4ead2", -0.6, -0.4),
        put(slab(box(0.12, 0.1), ("d23a28", 0.06)), 6, x=0.6, spread=0.2),
    ),
    "fried_rice": dish(
        "plate", slab(disc(0.62, ragged=0.05), ("c89a58", 0.3), dome=0.8),
        put(dots(26, 0.032, "e2bf84", "d0a462", "b8843e"), 9, spread=0.28, height=0.2),
        dots(20, 0.045, "5f9a34", "ec8a2e", "f2d05a"), put(SHRIMP, (0, 3)),
    ),
    "grilled_cheese_sandwich": aslant(
        "plate",
        put(
            slab(
                corners((-0.5, 0.35), (0.5, 0.35), (0, -0.4)), ("c08234", 0.11), ("f6c024", 0.06), ("c88a3a", 0.11),
                on=all_of(stripes("8a4e18", 3, 0.5, 0.14))),
            2, "row", 0.7, turn=0.2),
    ),
    "hamburger": aslant(
        "plate",
        _bun(
            slab(disc(0.6, ragged=0.08), ("6fae34", 0.05)), slab(disc(0.58, ragged=0.02), ("4a2410", 0.12)),
            slab(box(0.98, 0.98), ("f4b428", 0.03)), slab(disc(0.52), ("d0301f", 0.06))),
        put(FRIES, (8, 14), x=0.75, y=0.35, spread=0.25, height=0.2),
    ),
    "huevos_rancheros": dish(
        "plate", slab(disc(0.8, ragged=0.02), ("e2bc6c", 0.03)), pool("b8341c", 0.62), put(egg(0.3), 2, "row", 0.6),
        put(ball(0.05, "2a1814"), 14, x=-0.1, y=0.6, spread=0.2),
        put(slab(disc(0.2, 0.5), ("9ab84a", 0.08)), 3, x=0.5, y=-0.5, spread=0.15),
    ),
    "lasagna": aslant(
        "plate", pool("b8321a", 0.7),
        slab(
            box(0.95, 0.75), ("f0d890", 0.06), ("a8301a", 0.08), ("f2dc98", 0.05), ("a03420", 0.08),
            ("f2dc98", 0.05), ("a8301a", 0.06), ("ecc868", 0.06),
            on=dots(26, 0.07, "f6e2a0", "c8702a", "b0401c", radius=0.38)),
    ),
    "nachos": dish(
        "plate",
        put(
            slab(corners((-0.2, 0.16), (0.2, 0.16), (0, -0.24)), ("e4b048", 0.03)), (32, 40), spread=0.68,
            height=0.25),
        drizzle("f4c02c", 0.05, 0.5), dots(16, 0.05, "d23a28", "5f9a34", "2a1814"), put(CREAM, spread=0.1),
    ),
    "omelette": dish(
        "plate",
        slab(
            disc(0.75, 1.0, 0.03, 0, 3.14), ("ecbc3a", 0.14), ("f2cc50", 0.04),
            on=all_of(dots(12, 0.06, "c8842a", radius=0.3), put(dots(14, 0.03, *HERBS), y=0.3))),
        put(SALAD, 6, y=-0.5, spread=0.3), put(ball(0.1, "d2301f"), 3, x=0.4, y=-0.45, spread=0.2),
    ),
    "pad_thai": dish(
        "plate", strands((34, 42), 0.65, 0.06, "cc8a48", "d89c5c", "b8743a"),
        put(roll(0.35, 0.025, "f4f0e0"), 10, spread=0.5), put(SHRIMP, (4, 5), spread=0.45, height=0.1),
        dots(16, 0.035, "c8a060", "7fb03c"), put(LIME, x=0.65),
    ),
    "pulled_pork_sandwich": aslant(
        "plate",
        _bun(
            put(roll(0.3, 0.045, "8a3a18"), 26, spread=0.48), put(roll(0.3, 0.045, "a04c22"), 26, spread=0.48),
            put(roll(0.2, 0.03, "e6e8d0"), 10, spread=0.42), seeds=False),
        dip("7a2a10", 0.75, 0.4),
    ),
    "ravioli": dish(
        "plate", mixed(pool("b8341c", 0.7), pool("f0e0b0", 0.7), pool("d89a4a", 0.7)),
        put(
            slab(box(0.36, 0.36), ("ecd088", 0.03), on=slab(disc(0.13), ("f4dea0", 0.09), dome=0.8)), (6, 8),
            spread=0.5),
        dots(14, 0.03, "fbf6e4"), MINT,
    ),
    "risotto": dish(
        "plate", pool("f0e0ae", 0.7, 0.04), dots((90, 120), 0.035, "f6eac4", "ecd89a", "fbf2d6", radius=0.6),
        mixed(put(slab(disc(0.13, 0.7, 0.1), ("9a6a3c", 0.05)), 9, spread=0.45), dots(24, 0.045, "6fa03a")),
        put(slab(box(0.2, 0.07), ("fbf4dc", 0.02)), 5, spread=0.3),
    ),
    "samosa": dish(
        "plate",
        put(
            slab(
                corners((-0.36, 0.25), (0.36, 0.25), (0, -0.38)), ("b87a30", 0.14), ("c88c40", 0.22), dome=0.75,
                on=dots(8, 0.03, "8a5420", radius=0.12)),
            (3, 4), "ring", 0.42),
        dip("4f8a2c", 0.0, 0.0),
    ),
    "spaghetti_bolognese": _pasta(
        raised(
            all_of(
                pool("a03416", 0.42, 0.12),
                put(slab(disc(0.09, ragged=0.2), ("8a3416", 0.07)), (26, 32), spread=0.36, height=0.2),
                dots(12, 0.025, "faf4de", radius=0.3), MINT),
            0.2),
    ),
    "spaghetti_carbonara": _pasta(
        raised(
            all_of(
                put(slab(box(0.16, 0.1), ("b85a48", 0.05)), (12, 16), spread=0.5),
                dots(30, 0.016, "2a1c14", radius=0.55), slab(disc(0.14), ("f4a81e", 0.12), dome=0.9)),
            0.2),
    ),
    "spring_rolls": dish(
        "plate", put(leaf(0.45, GREENS[1], 0.45), 6, x=-0.3, spread=0.35),
        put(roll(0.95, 0.13, "c48434", "e8d4a0"), (4, 5), spread=0.3, turn=0.5, height=0.3),
        dip("c83a1c", 0.6, 0.4),
    ),
    "tacos": aslant(
        "plate",
        put(
            all_of(
                slab(disc(0.42, 0.35), ("dca642", 0.22), dome=0.2),
                raised(
                    put(
                        mixed(
                            leaf(0.25, "6fae34"), slab(box(0.14, 0.12), ("d2321f", 0.08)),
                            slab(box(0.15, 0.12), ("7a3c1a", 0.08)), slab(box(0.2, 0.04), ("f6c838", 0.03))),
                        26, spread=0.26, height=0.15),
                    0.2),
                raised(slab(disc(0.42, 0.9, 0, 0.1, 3.04), ("eaba58", 0.04)), 0.06)),
            (2, 3), "row", 0.65, turn=1.2),
        put(LIME, x=0.7, y=0.4),
    ),
}  # fmt: skip
"""Class of food-101 to its recipe."""
