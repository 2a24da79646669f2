"""Where food is painted: a canvas, the frame of a plate on it, and ways to place parts.

A part is a function that paints into a `View`: the plate's frame, of radius 1, with x and y on the table and
heights that rise in the picture as far as the camera looks aslant. Colours are hexadecimal RGB.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from mbhelpers.data.drawing.brush import Layer, Pose, Rng


class Canvas(Layer):
    """An opaque scene to draw on: colours with an opacity blend, where a `Layer` would turn transparent."""

    def __init__(self, scene: Image.Image):
        self.side = scene.width
        self.image = scene
        self._pen = ImageDraw.Draw(scene, "RGBA")


@dataclass(frozen=True)
class View:
    """A frame on the table: its pose, and how far a height of 1 goes up in the picture, in picture sides."""

    pose: Pose
    rise: float

    def moved(self, x: float = 0, y: float = 0, turn: float = 0, scale: float = 1, up: float = 0) -> "View":
        """Move on the table, turn, scale, and go up, all in units of this frame."""
        pose = self.pose.moved(x, y, turn, scale)
        return View(Pose(pose.origin - [0, up * self.rise], pose.matrix), self.rise * scale)


Part = Callable[[Layer, View, Rng], None]
"""Paints something into a frame."""

Outline = Callable[[Rng], np.ndarray]
"""Makes the corners of a polygon, (N, 2)."""

Count = int | tuple[int, int]
"""How many, or fewest and most."""


def tone(rng: Rng, colour: str) -> np.ndarray:
    """Give a colour (3,), a little off: food differs from kitchen to kitchen."""
    rgb = np.array(list(bytes.fromhex(colour))) / 255
    return np.clip(rgb * rng.uniform(0.88, 1.1) + rng.normal(0, 0.03, 3), 0.01, 1)


def number_of(rng: Rng, count: Count) -> int:
    """Draw how many there are."""
    return count if isinstance(count, int) else int(rng.integers(count[0], count[1] + 1))


def put(part: Part, count: Count = 1, how: str = "free", spread: float | None = None, x: float = 0.0, y: float = 0.0,
        turn: float | None = None, height: float = 0.0) -> Part:  # fmt: skip
    """Place copies of a part, back to front.

    Args:
        part: what.
        count: how many, or fewest and most.
        how: "row" from left to right, "ring" around the middle, "free" anywhere within.
        spread: half the row, or the radius; None for 0.4, and next to nothing for a single one.
        x: of the middle.
        y: of the middle.
        turn: of each; None for any, in a ring outward.
        height: of a heap, in the middle.
    """
    if spread is None:
        spread = 0.04 if count == 1 else 0.4

    def paint(layer: Layer, view: View, rng: Rng) -> None:
        number = number_of(rng, count)
        steps = (np.arange(number) - (number - 1) / 2) / max(number / 2, 1)
        angles = np.full(number, turn or 0.0) + rng.normal(0, 0.12, number)
        if how == "row":
            places = np.stack([steps * spread, rng.normal(0, 0.015, number)], 1)
        elif how == "ring":
            around = steps * np.pi + rng.uniform(0, 6)
            places = np.stack([np.cos(around), np.sin(around)], 1) * spread
            angles += around
        else:
            around, r = rng.uniform(0, 2 * np.pi, number), spread * np.sqrt(rng.uniform(size=number))
            places = np.stack([np.cos(around), np.sin(around)], 1) * r[:, None]
        if turn is None and how != "ring":
            angles = rng.uniform(0, 2 * np.pi, number)
        up = height * np.clip(1 - (places**2).sum(1) / max(spread, 0.01) ** 2, 0, 1) * rng.uniform(0.5, 1, number)
        down = view.pose.at(places)[:, 1]
        for k in np.lexsort((down, up.round(1))) if height else np.argsort(down):
            part(layer, view.moved(x + places[k, 0], y + places[k, 1], angles[k], 1, up[k]), rng)

    return paint


def mixed(*parts: Part) -> Part:
    """Make one of several, by chance."""
    return lambda layer, view, rng: parts[rng.integers(len(parts))](layer, view, rng)


def all_of(*parts: Part) -> Part:
    """Paint several in turn, as one."""

    def paint(layer: Layer, view: View, rng: Rng) -> None:
        for part in parts:
            part(layer, view, rng)

    return paint
