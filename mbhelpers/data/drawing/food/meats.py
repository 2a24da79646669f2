"""Meat, fish and seafood of food-101 on a round plate."""

from mbhelpers.data.drawing.food.kitchen import (
    BERRY,
    CREAM,
    FRIES,
    GREENS,
    HERB_BITS,
    LEMON,
    MINT,
    SESAME,
    Recipe,
    aslant,
    dip,
    dish,
    raised,
)
from mbhelpers.data.drawing.food.parts import (
    box,
    corners,
    disc,
    dots,
    drizzle,
    leaf,
    pool,
    ring,
    roll,
    shell,
    slab,
    stripes,
)
from mbhelpers.data.drawing.food.view import all_of, mixed, put

MEATS: dict[str, Recipe] = {
    "beef_carpaccio": dish(
        "plate",
        put(
            slab(disc(0.36, 0.85, 0.08), ("ad2f36", 0.015), on=dots(6, 0.03, "d88080", radius=0.25)), (8, 10),
            "ring", 0.45),
        put(leaf(0.3, "4f8a30"), (8, 12), spread=0.25, height=0.15),
        put(slab(box(0.2, 0.1), ("f2e8be", 0.02)), (4, 8)),
    ),
    "beef_tartare": aslant(
        "plate", put(leaf(0.4, "6f9a3c"), 5, x=-0.6, spread=0.2),
        slab(
            disc(0.48), ("9c2f2a", 0.32),
            on=all_of(
                dots(60, 0.05, "b8433c", "8a2824", "c86a5c", radius=0.44),
                slab(disc(0.2), ("f6a81e", 0.16), dome=0.9))),
    ),
    "chicken_curry": dish(
        "plate", pool("c8902a", 0.72, 0.06),
        put(slab(disc(0.15, ragged=0.15), ("dca04a", 0.14)), (9, 12), x=0.2, spread=0.42),
        put(
            slab(disc(0.4, ragged=0.06), ("f6f2e6", 0.25), dome=0.8, on=dots(20, 0.02, "e6e0cc", radius=0.2)),
            x=-0.55, spread=0.03),
        HERB_BITS,
    ),
    "crab_cakes": dish(
        "plate", put(leaf(0.35, GREENS[0]), 7, x=-0.4, spread=0.25),
        put(
            slab(
                disc(0.3, ragged=0.05), ("c08638", 0.2), dome=0.35,
                on=dots(26, 0.035, "8a5a20", "dca858", radius=0.24)),
            (2, 3), "ring", 0.34),
        put(CREAM, x=0.1), put(LEMON, x=0.6),
    ),
    "filet_mignon": aslant(
        "plate", pool("4a1c10", 0.6), put(roll(0.8, 0.05, "5f9438"), 5, "row", 0.3, x=-0.6, turn=1.4),
        slab(
            disc(0.4, 0.9, 0.05), ("4a2010", 0.14), ("8a3428", 0.08), ("4a2010", 0.16),
            on=stripes("1e0c06", 3, 0.6, 0.16)),
    ),
    "foie_gras": aslant(
        "plate", drizzle("3a140c", 0.03, 0.75), slab(box(0.7, 0.5), ("d0984c", 0.14)),
        raised(slab(disc(0.36, 0.65, 0.12), ("b87a40", 0.2), dome=0.4, on=stripes("7a4418", 3, 0.4, 0.12)), 0.14),
        put(BERRY, 5, x=0.6, spread=0.18),
    ),
    "fried_calamari": dish(
        "plate", put(ring(0.17, 0.06, "d49e4e"), (22, 28), spread=0.55, height=0.35), put(LEMON, x=-0.65),
        dip("b8301c", 0.6, -0.45), HERB_BITS,
    ),
    "grilled_salmon": dish(
        "plate", put(roll(0.8, 0.05, "5f9438"), 5, "row", 0.3, y=0.5, turn=0.1),
        slab(
            disc(0.65, 0.42, 0.03), ("e88650", 0.16),
            on=all_of(stripes("f6c09a", 6, 0.6, 0.09), put(stripes("8a3c18", 4, 0.4, 0.26), turn=1.4, spread=0.02)),
        ),
        put(LEMON, 2, x=-0.6, y=-0.4, spread=0.15), HERB_BITS,
    ),
    "oysters": dish(
        "plate", dots(90, 0.06, "e6eef4", "cfdce6", "f6fafc", radius=0.85),
        put(shell(0.62, "6e6a62", "ece8e0", "b8b09c"), 6, "ring", 0.58), put(LEMON, 2, spread=0.1),
    ),
    "pork_chop": dish(
        "plate", put(slab(disc(0.3, ragged=0.08), ("f2e8c8", 0.16), dome=0.6), x=-0.55, y=-0.3),
        put(roll(0.5, 0.035, "5a8f38"), 8, x=0.1, y=-0.5, spread=0.2, turn=0.1),
        put(
            all_of(
                put(roll(0.5, 0.06, "efe0c4"), x=0.6, turn=0),
                slab(disc(0.46, 0.75, 0.08), ("b4783e", 0.14), on=stripes("6a3614", 4, 0.6, 0.15))),
            y=0.25),
    ),
    "prime_rib": dish(
        "plate", pool("6a2a14", 0.8, 0.05),
        slab(
            disc(0.68, 0.8, 0.08), ("5a2c18", 0.14),
            on=all_of(
                pool("e6c8a4", 0.5, 0.1, 0), pool("c0505a", 0.46, 0.12, 0.02),
                dots(16, 0.035, "e0a0a0", radius=0.36))),
        put(slab(disc(0.24, ragged=0.1), ("f6eed2", 0.16), dome=0.6), x=-0.6, y=-0.45),
    ),
    "scallops": dish(
        "plate", mixed(pool("e8c860", 0.6), pool("8aa84a", 0.6), pool("f0e6d0", 0.6)),
        put(
            slab(disc(0.22), ("f4e6c6", 0.18), on=dots(22, 0.06, "b8742a", "8a4c18", "d09a4a", radius=0.15)),
            (4, 5), "ring", 0.4),
        put(leaf(0.2, "5f9a34"), 5, spread=0.15),
    ),
    "steak": dish(
        "plate", put(FRIES, (12, 18), x=-0.4, y=-0.4, spread=0.32, height=0.2),
        put(slab(disc(0.58, 0.62, 0.09), ("52240f", 0.12), on=all_of(stripes("241008", 5, 0.85, 0.13))), y=0.15),
        put(slab(box(0.14, 0.36), ("b84a48", 0.13), ("4a2010", 0.03)), 3, "row", 0.3, x=0.45, y=0.2, turn=0.2),
    ),
    "tuna_tartare": aslant(
        "plate",
        slab(
            disc(0.42), ("9cba52", 0.2), ("b02434", 0.22),
            on=all_of(put(slab(box(0.13, 0.12), ("bc2c3c", 0.08)), 26, spread=0.34), SESAME, raised(MINT, 0.1))),
        put(slab(corners((-0.2, 0.15), (0.2, 0.15), (0, -0.25)), ("dca850", 0.03)), 4, "ring", 0.72),
    ),
}  # fmt: skip
"""Class of food-101 to its recipe."""
