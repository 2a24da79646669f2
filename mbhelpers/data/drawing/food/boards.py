"""Dishes of food-101 that come on a board, on a long plate or in a basket."""

from mbhelpers.data.drawing.food.kitchen import FRIES, HERBS, LEMON, Recipe, aslant, dip, dish, raised
from mbhelpers.data.drawing.food.parts import (
    ball,
    box,
    crescent,
    disc,
    dots,
    drizzle,
    leaf,
    pool,
    ring,
    roll,
    slab,
    stripes,
    wedge,
)
from mbhelpers.data.drawing.food.view import all_of, mixed, put

_TOAST = slab(disc(0.36, 0.6), ("c88a42", 0.1))
_MAKI = [
    slab(
        disc(0.17), ("1c2420", 0.22), on=all_of(slab(disc(0.155), ("f6f3ea", 0.015)), slab(disc(0.075), (heart, 0.02)))
    )
    for heart in ("f0803c", "c83a3a", "7fb04a", "f2cf4a")
]
_NIGIRI = [
    all_of(roll(0.42, 0.12, "f6f3ea"), raised(roll(0.46, 0.12, fish, ridges=9), 0.1))
    for fish in ("f08a4a", "c8303c", "f2d6c0")
]


ON_BOARDS: dict[str, Recipe] = {
    "baby_back_ribs": dish(
        "board", put(roll(1.1, 0.11, "70260f", "ead8b8", ridges=7), (5, 6), "row", 0.65, turn=1.5),
        drizzle("96380f", 0.05, 0.5), dip("7a2a10", 0.75, 0.3),
    ),
    "bruschetta": dish(
        "board",
        put(
            all_of(
                _TOAST,
                raised(
                    all_of(
                        put(slab(box(0.12, 0.11), ("d2321f", 0.08)), 14, spread=0.22),
                        put(leaf(0.14, "3f8a2c"), 3, spread=0.15)),
                    0.1)),
            (3, 4), "row", 0.75, turn=1.4),
    ),
    "cheese_plate": dish(
        "board", put(slab(wedge(0.7), ("f0c348", 0.26)), x=-0.5, y=-0.2, spread=0.05),
        put(
            slab(wedge(0.65), ("f6f0dc", 0.2), on=dots(8, 0.03, "7a90a8", radius=0.15)), x=0.35, y=-0.3,
            spread=0.05),
        put(ball(0.1, "6a2a5a"), (8, 12), x=0.6, y=0.3, spread=0.22, height=0.2),
        put(slab(disc(0.18), ("d8b070", 0.04)), 4, "row", 0.4, x=-0.2, y=0.45),
    ),
    "chicken_wings": dish(
        "basket", put(crescent(0.3, 0.17, "c0501a", "d87a34", 2.2), (9, 12), spread=0.55, height=0.35),
        put(roll(0.6, 0.06, "a8cc6a"), 3, x=-0.6, y=-0.35, spread=0.15, turn=0.8), dip("f6f2e6", 0.65, -0.45),
    ),
    "fish_and_chips": dish(
        "basket", put(FRIES, (22, 28), x=0.1, y=0.2, spread=0.6, height=0.2),
        put(roll(1.35, 0.22, "d0902e", bend=0.2), (1, 2), "row", 0.35, y=-0.2, turn=0.3),
        put(LEMON, x=-0.5, y=0.55), dip("f4f2e2", 0.6, 0.5),
    ),
    "french_fries": dish("basket", put(FRIES, (75, 85), spread=0.62, height=0.45), dip("b8201a", 0.65, 0.5)),
    "garlic_bread": dish(
        "long plate",
        put(
            slab(
                disc(0.34, 0.7), ("b87830", 0.08), ("ecd088", 0.03),
                on=all_of(dots(22, 0.025, *HERBS, radius=0.26), pool("f0dc98", 0.12))),
            (4, 5), "row", 0.85, turn=1.5),
    ),
    "gyoza": dish(
        "long plate", put(crescent(0.36, 0.16, "f0dcae", "c08a40", 1.9), (5, 6), "row", 0.8, turn=0.1),
        dip("2a120a", 0.8, -0.4),
    ),
    "hot_dog": dish(
        "basket",
        put(
            all_of(
                roll(1.4, 0.3, "d49a4e"),
                raised(all_of(roll(1.55, 0.14, "a83a22"), drizzle("f2c020", 0.03, 0.55, 8)), 0.25)),
            (1, 2), "row", 0.5, turn=1.3),
    ),
    "lobster_roll_sandwich": aslant(
        "basket",
        put(
            all_of(
                roll(1.3, 0.36, "dca85c"),
                raised(
                    put(
                        mixed(
                            slab(disc(0.15, 0.8, 0.15), ("e8694a", 0.1)),
                            slab(disc(0.15, 0.8, 0.15), ("fbeee2", 0.1))),
                        20, spread=0.4, height=0.2),
                    0.3)),
            1, turn=0.4),
        put(LEMON, x=-0.7, y=0.5),
    ),
    "onion_rings": dish(
        "basket", put(ring(0.33, 0.085, "c0802c"), (9, 12), spread=0.45, height=0.5), dip("b8301c", 0.65, -0.5),
    ),
    "peking_duck": dish(
        "long plate",
        put(slab(disc(0.3, 0.55, 0.04), ("eccca8", 0.05), ("9a3e12", 0.05)), (7, 9), "row", 0.85, turn=1.3),
        put(roll(0.45, 0.04, "a8cc74"), 4, "row", 0.25, x=-0.6, y=0.45), dip("2a0e08", 0.7, 0.45),
    ),
    "pizza": Recipe(
        "board",
        (
            slab(disc(0.95, ragged=0.015), ("d09a4a", 0.06)), pool("c0341a", 0.84, 0.02),
            pool("f0cc68", 0.79, 0.07, 0), dots(30, 0.08, "f6e2a0", "e0a840", radius=0.7),
            mixed(
                put(slab(disc(0.13), ("b0261c", 0.02)), (9, 12), spread=0.68),
                all_of(
                    put(leaf(0.22, "3f8a2c", 0.4), 6, spread=0.55),
                    put(slab(disc(0.16), ("f8f4e6", 0.02)), 6, spread=0.6)),
                put(ring(0.07, 0.03, "2a1c2a"), 14, spread=0.65)),
            stripes("a8702e", 1, 1.8, 1, cross=True)),
        (0.75, 1.0),
    ),
    "sashimi": dish(
        "long plate", put(roll(0.5, 0.02, "f6f4ee"), 16, spread=0.5),
        put(
            slab(box(0.24, 0.5), ("f0813c", 0.07), on=stripes("f8c8a0", 4, 0.2, 0.1)), 4, "row", 0.4, x=-0.5,
            turn=0.2),
        put(slab(box(0.22, 0.48), ("b82834", 0.07)), 4, "row", 0.4, x=0.45, turn=0.2),
        put(leaf(0.4, "3f8a2c", 0.45), 2, x=0.0, y=-0.3, spread=0.1), put(ball(0.09, "9cc060"), x=0.9, y=0.3),
    ),
    "sushi": dish(
        "board", put(mixed(*_MAKI), (5, 6), "row", 0.85, y=-0.3, turn=0),
        put(mixed(*_MAKI), (5, 6), "row", 0.85, y=0.08, turn=0),
        put(mixed(*_NIGIRI), (2, 3), "row", 0.7, y=0.48, turn=1.3), put(ball(0.09, "9cc060"), x=0.9, y=0.4),
    ),
    "takoyaki": dish(
        "long plate", put(ball(0.26, "bc7630"), 4, "row", 0.8, y=-0.25),
        put(ball(0.26, "bc7630"), 4, "row", 0.8, y=0.25),
        raised(
            all_of(
                drizzle("3a160a", 0.04, 0.75, 7), drizzle("faf4d8", 0.018, 0.75, 9),
                dots(30, 0.03, "3f7a2a", "d8a878", radius=0.65)),
            0.4),
    ),
}  # fmt: skip
"""Class of food-101 to its recipe."""
