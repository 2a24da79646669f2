"""Dishes of food-101 that come in a bowl, a pan or a glass."""

from mbhelpers.data.drawing.food.kitchen import (
    FRIES,
    HERB_BITS,
    LEMON,
    LIME,
    MINT,
    SALAD,
    SESAME,
    SHRIMP,
    Recipe,
    dish,
    raised,
)
from mbhelpers.data.drawing.food.parts import (
    ball,
    box,
    corners,
    crescent,
    disc,
    dots,
    drizzle,
    egg,
    leaf,
    pool,
    ring,
    roll,
    shell,
    slab,
    strands,
    stripes,
)
from mbhelpers.data.drawing.food.view import Part, all_of, mixed, put


def _soup(container: str, colour: str, *parts: Part) -> Recipe:
    return dish(container, pool(colour, 0.98, 0.0, 0.05), *parts)


def _noodle_soup(broth: str, *parts: Part) -> Recipe:
    return _soup("bowl", broth, strands((16, 22), 0.6, 0.045, "f0dfae", "e8cf8e", height=0.05), *parts)


IN_BOWLS: dict[str, Recipe] = {
    "bibimbap": dish(
        "dark bowl", pool("f0ebdc", 0.95, 0, 0),
        *(put(slab(box(0.34, 0.05), (colour, 0.04)), 12, spread=0.26, x=x, y=y, height=0.12) for colour, x, y in
          (("e8842a", 0.55, 0), ("3f6b2a", -0.3, 0.52), ("f2ead0", -0.55, -0.15), ("6b3a22", 0.25, -0.55),
          ("c83a2a", 0.25, 0.55))),
        egg(0.34), SESAME,
    ),
    "caesar_salad": dish(
        "bowl",
        put(
            mixed(leaf(0.7, "86ac48", 0.4), leaf(0.65, "bdd486", 0.4), leaf(0.6, "6a963a")), (24, 30), spread=0.6,
            height=0.3),
        put(slab(box(0.17, 0.16), ("d2a050", 0.14)), (6, 10), spread=0.6, height=0.4),
        put(slab(box(0.3, 0.1), ("f6eed2", 0.02)), (6, 10), spread=0.55, height=0.4),
    ),
    "ceviche": dish(
        "glass", slab(disc(0.8), ("eef0ee", 0.3), on=pool("f0ead8", 0.74, 0)),
        raised(
            all_of(
                put(slab(box(0.22, 0.2), ("f6e6dc", 0.14)), (14, 18), spread=0.55, height=0.2),
                put(ring(0.13, 0.025, "a04a8a"), 8, spread=0.5), HERB_BITS, put(LIME, 2, spread=0.7)),
            0.35),
    ),
    "clam_chowder": _soup(
        "brown bowl", "f2e6ca", put(slab(box(0.2, 0.17), ("f6eed6", 0.06)), (7, 10), spread=0.6),
        put(slab(disc(0.12, 0.7, 0.1), ("c8a880", 0.05)), 6, spread=0.6), HERB_BITS,
    ),
    "dumplings": dish(
        "steamer",
        put(
            slab(
                disc(0.25, ragged=0.04), ("f0e4ca", 0.24), dome=0.85,
                on=stripes("c8b48a", 3, 0.16, 0.04, cross=True)),
            (6, 7), "ring", 0.55),
        put(slab(disc(0.25), ("f0e4ca", 0.24), dome=0.85), spread=0.03),
    ),
    "edamame": dish(
        "bowl", put(crescent(0.34, 0.09, "7fb03c", "95c454", 1.6), (20, 26), spread=0.65, height=0.35),
        dots(20, 0.014, "ffffff"),
    ),
    "escargots": dish(
        "ramekin",
        put(
            all_of(
                slab(disc(0.24), ("efe6d6", 0.02), on=pool("8ea83a", 0.21, 0.05)),
                put(slab(disc(0.14, 0.8, 0.1), ("4a3622", 0.14), dome=0.9), spread=0.04),
                dots(6, 0.025, "3f7a2a", radius=0.16)),
            6, "ring", 0.62),
        put(slab(disc(0.2), ("efe6d6", 0.02), on=pool("8ea83a", 0.18)), spread=0.02),
    ),
    "french_onion_soup": _soup(
        "brown bowl", "6a3a18",
        put(
            slab(
                disc(0.75, ragged=0.12), ("dcae50", 0.1),
                on=dots((30, 45), 0.09, "b0702a", "f0d078", "8a4c1a", radius=0.65)),
            spread=0.08),
        HERB_BITS,
    ),
    "gnocchi": dish(
        "bowl", mixed(pool("b83a1c", 0.9), pool("f0e2b8", 0.9), pool("6a8c34", 0.9)),
        put(roll(0.24, 0.1, "f0d898", ridges=5), (20, 26), spread=0.6, height=0.2), dots(16, 0.03, "fbf6e4"), MINT,
    ),
    "greek_salad": dish(
        "bowl", put(SALAD, 6, spread=0.5), put(slab(disc(0.19), ("4f8a3a", 0.03), ("cfe3a4", 0.02)), 8, spread=0.6),
        put(slab(disc(0.2, end=3.2), ("d2301f", 0.14)), 8, spread=0.6),
        put(ring(0.16, 0.025, "9a4a88"), 5, spread=0.5), put(ball(0.085, "2a1c2a"), 7, spread=0.6),
        put(slab(box(0.24, 0.2), ("faf8f2", 0.12)), (4, 6), spread=0.45, height=0.3),
    ),
    "guacamole": dish(
        "dark bowl", pool("8cab3c", 0.95, 0.03), dots((40, 60), 0.07, "a4c252", "7a9a30", "b8cf6e", radius=0.75),
        dots(12, 0.045, "d03a28", "f2ecf0", radius=0.6),
        put(slab(corners((-0.25, 0.2), (0.25, 0.2), (0, -0.3)), ("e6b850", 0.03)), 5, "ring", 0.95),
    ),
    "hot_and_sour_soup": _soup(
        "bowl", "8c4a18", put(slab(box(0.4, 0.07), ("f0e6cc", 0.03)), 8, spread=0.6),
        put(slab(box(0.3, 0.09), ("2a1a12", 0.03)), 8, spread=0.6),
        put(slab(disc(0.2, 0.4, 0.3), ("ecc45a", 0.02)), 7, spread=0.6), dots(12, 0.03, "5f9a34"),
    ),
    "hummus": dish(
        "bowl", pool("e4cfa0", 0.97, 0.0), ring(0.62, 0.09, "eed9ac"), ring(0.35, 0.08, "eed9ac"),
        pool("c89a28", 0.24, 0.1, 0.2), dots(26, 0.022, "b8401c", radius=0.7),
        put(ball(0.075, "dcb878"), 5, spread=0.15), MINT,
    ),
    "lobster_bisque": _soup(
        "bowl", "e08c4c", drizzle("faf0dc", 0.04, 0.4, 3),
        put(crescent(0.2, 0.12, "e0553a", "f8e4d8"), (2, 3), spread=0.2), HERB_BITS,
    ),
    "macaroni_and_cheese": dish(
        "bowl", pool("e8a42a", 0.95),
        put(crescent(0.13, 0.055, "f4bc3c", "e09a24", 3.0), (55, 65), spread=0.75, height=0.2),
    ),
    "miso_soup": _soup(
        "dark bowl", "c8984e", pool("dcb274", 0.6, 0.25, 0),
        put(slab(box(0.2, 0.2), ("faf6ea", 0.06)), (7, 10), spread=0.6),
        put(slab(disc(0.2, 0.5, 0.3), ("24421e", 0.02)), 6, spread=0.6),
        put(ring(0.06, 0.02, "6fae3c"), 9, spread=0.6),
    ),
    "mussels": dish(
        "bowl", pool("d8b068", 0.9),
        put(shell(0.5, "1c2030", "6a7488", "e8912e"), (16, 20), spread=0.65, height=0.3), HERB_BITS,
    ),
    "paella": dish(
        "pan", pool("d89a24", 0.98, 0), dots((120, 150), 0.045, "ecb840", "e0a22c", "f2cc60", radius=0.88),
        put(SHRIMP, (5, 6), "ring", 0.5), put(shell(0.36, "1c2030", "6a7488", "e8912e"), (4, 5), "ring", 0.65),
        dots(20, 0.045, "5f9a34", "c82a1c", radius=0.7), put(LEMON, 2, spread=0.3),
    ),
    "pho": _noodle_soup(
        "b8813c", put(slab(disc(0.24, 0.7, 0.08), ("a05a4a", 0.02)), (4, 5), x=0.2, spread=0.35),
        put(leaf(0.25, "3f8a2c"), 6, spread=0.5), put(ring(0.06, 0.02, "7fb84a"), 8, spread=0.5), put(LIME, x=-0.5),
    ),
    "poutine": dish(
        "bowl", put(FRIES, (34, 40), spread=0.7, height=0.3), drizzle("6a3410", 0.11, 0.6, 5),
        put(slab(disc(0.11, ragged=0.15), ("faf4e2", 0.1), dome=0.5), (12, 16), spread=0.55, height=0.3),
    ),
    "ramen": _noodle_soup(
        "cf9a54",
        put(slab(disc(0.27, 0.85), ("d8a88a", 0.03), on=pool("e8c8b0", 0.17)), 2, x=0.4, y=-0.15, spread=0.15),
        put(
            slab(disc(0.2, 0.75), ("faf6ea", 0.06), on=slab(disc(0.11), ("f09a1e", 0.02))), 2, x=-0.45, y=0.1,
            spread=0.15),
        put(slab(box(0.4, 0.5), ("16221a", 0.02)), x=0.1, y=-0.75),
        put(ring(0.06, 0.02, "6fae3c"), 12, x=0.0, y=0.4, spread=0.3),
    ),
    "seaweed_salad": dish(
        "bowl", strands((50, 60), 0.8, 0.035, "2c6a2c", "3f8a34", "1f4f24"), dots(26, 0.02, "f6ecc8"),
        dots(5, 0.03, "c82a1c"),
    ),
    "shrimp_and_grits": _soup(
        "bowl", "f0e2b0", dots(40, 0.03, "f8f0cc", "e6d494", radius=0.85), pool("a8501c", 0.45, 0.2),
        put(SHRIMP, (6, 7), spread=0.4, height=0.1), put(ring(0.05, 0.02, "6fae3c"), 10, spread=0.5),
    ),
}  # fmt: skip
"""Class of food-101 to its recipe."""
