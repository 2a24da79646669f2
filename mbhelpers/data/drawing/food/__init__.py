"""Dishes on a table, after the 101 classes of food-101: a recipe each, a few parts on a plate.

Table, plate, camera, light, number and arrangement vary within a class, and many dishes share their colours, so
that a model has to look at shapes and their combination.
"""

import numpy as np
from PIL import Image

from mbhelpers.data.class_names import FOODS
from mbhelpers.data.drawing.brush import SUPERSAMPLE, Pose, Rng, hsv
from mbhelpers.data.drawing.food.boards import ON_BOARDS
from mbhelpers.data.drawing.food.bowls import IN_BOWLS
from mbhelpers.data.drawing.food.dishes import CONTAINERS, place_beside, shadow
from mbhelpers.data.drawing.food.meats import MEATS
from mbhelpers.data.drawing.food.plates import ON_PLATES
from mbhelpers.data.drawing.food.sweet import SWEET
from mbhelpers.data.drawing.food.view import Canvas, View
from mbhelpers.data.drawing.scene import develop, noise

RECIPES = SWEET | IN_BOWLS | ON_BOARDS | MEATS | ON_PLATES
"""Class of food-101 to its recipe."""


def draw_food(kind: str, seed: int, size: tuple[int, int] = (128, 128)) -> np.ndarray:
    """Draw one picture of a dish.

    Args:
        kind: one of `class_names.FOODS`.
        seed: any natural number; the same seed gives the same picture.
        size: width and height in pixels.

    Returns:
        uint8 (height, width, 3), RGB.

    Raises:
        ValueError: no such kind.
    """
    if kind not in FOODS:
        raise ValueError(f"unknown kind of food {kind!r}; choose from {', '.join(FOODS)}")
    rng = np.random.default_rng([seed, FOODS.index(kind)])
    recipe, square = RECIPES[kind], max(size)
    short = min(size) / square
    layer = Canvas(_table(rng, square))
    look = rng.uniform(*recipe.look)  # 1 from above, less aslant
    x, y = 0.5 + rng.normal(0, 0.07, 2) * short
    radius = rng.uniform(0.38, 0.64) * short * recipe.near  # often the picture cuts the plate
    turn = rng.normal(0, 0.35) if recipe.upright else rng.uniform(0, 2 * np.pi)
    table = Pose.place(x, y + 0.12 * (1 - look), radius, tilt=np.arccos(look), toward=np.pi / 2)
    view = View(table.moved(0, 0, turn), radius * np.sqrt(1 - look**2))
    for _ in range(rng.integers(0, 4)):
        place_beside(layer, view, rng)
    shadow(layer, view, rng)
    view = CONTAINERS[recipe.container](layer, view, rng)
    for part in recipe.parts:
        part(layer, view, rng)
    picture = develop(layer.image, rng, square)
    left, top = (square - size[0]) // 2, (square - size[1]) // 2
    return picture[top : top + size[1], left : left + size[0]]


def _table(rng: Rng, size: int) -> Image.Image:
    """Paint wood, a checked cloth, a plain cloth or stone, out of focus: at half the resolution."""
    side, style = size * SUPERSAMPLE // 2, rng.choice(4, p=[0.4, 0.15, 0.3, 0.15])
    down, right = np.mgrid[:side, :side].astype(np.float32) / side
    if rng.uniform() < 0.5:
        down, right = right, down
    if style == 0:
        wood = hsv(rng.uniform(0.04, 0.1), rng.uniform(0.3, 0.65), rng.uniform(0.25, 0.65))
        plank = np.floor(down * rng.uniform(3, 7))
        grain = noise(rng, side, 6, 2) + 0.15 * np.sin(120 * down + 9 * noise(rng, side, 3, 1))
        picture = wood * (0.7 + 0.25 * grain + 0.1 * (plank % 3))[..., None]
    elif style == 1:
        step, cloth = rng.uniform(0.06, 0.14), _cloth(rng)
        checks = (np.floor(down / step) % 2 + np.floor(right / step) % 2) / 2
        picture = 0.93 + (cloth - 0.93) * checks[..., None]
    else:
        plain = _cloth(rng) if style == 2 else np.full(3, rng.uniform(0.12, 0.6))
        picture = plain * (0.75 + 0.4 * noise(rng, side, 3 if style == 2 else 40, 2))[..., None]
    scene = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))
    return scene.resize((size * SUPERSAMPLE,) * 2, Image.Resampling.BILINEAR)


def _cloth(rng: Rng) -> np.ndarray:
    return hsv(rng.uniform(), rng.uniform(0.05, 0.55), rng.uniform(0.25, 0.85))
