"""Brushes: colours, poses, and layers to paint petals, leaves, stems and grass on.

Coordinates are in units of the picture's side, x to the right, y down; colours are RGB in 0..1; angles are
radians. A `Pose` places a thing that is drawn around (0, 0) with radius 1, so that a head of petals can be
scaled, turned and tilted away from the viewer without its petals knowing.
"""

import colorsys
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw

Rng = np.random.Generator

SUPERSAMPLE = 2
"""Pictures are drawn this many times larger, since Pillow's polygons have hard edges."""


def hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """Give an RGB colour (3,) from hue in turns (wraps around), saturation and value in 0..1."""
    return np.array(colorsys.hsv_to_rgb(hue % 1, min(max(saturation, 0), 1), min(max(value, 0), 1)))


def green(rng: Rng) -> np.ndarray:
    """Give one of the greens of leaves, from yellowish to bluish."""
    return hsv(rng.uniform(0.2, 0.38), rng.uniform(0.4, 0.8), rng.uniform(0.35, 0.7))


def any_colour(rng: Rng) -> np.ndarray:
    """Give a colour of any hue."""
    return hsv(rng.uniform(), rng.uniform(0.1, 0.9), rng.uniform(0.25, 1))


def shaded(colour: np.ndarray, gain: float | np.ndarray) -> np.ndarray:
    """Darken or brighten as petals do: light shines through, so that shade is more saturated, not greyer."""
    return colour ** np.clip(1.8 - 0.8 * gain, 0.8, 2) * np.asarray(gain) ** 0.6


@dataclass(frozen=True)
class Pose:
    """An affine map from local coordinates to the picture: `origin` (2,) and `matrix` (2, 2)."""

    origin: np.ndarray
    matrix: np.ndarray

    @classmethod
    def place(cls, x: float, y: float, radius: float, turn: float = 0, tilt: float = 0, toward: float = 0) -> "Pose":
        """Put the unit circle at (x, y), turned by `turn`, foreshortened by `tilt` along `toward`."""
        flat = _rotation(toward) @ np.diag([np.cos(tilt), 1.0]) @ _rotation(-toward)
        return cls(np.array([x, y]), radius * flat @ _rotation(turn))

    def at(self, points: ArrayLike) -> np.ndarray:
        """Map local points (..., 2) to the picture."""
        return self.origin + np.asarray(points) @ self.matrix.T

    def moved(self, x: float, y: float, turn: float = 0, scale: float = 1) -> "Pose":
        """Move by local (x, y), then turn and scale locally."""
        return Pose(self.at((x, y)), scale * self.matrix @ _rotation(turn))


def _rotation(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


PICTURE = Pose(np.zeros(2), np.eye(2))
"""The pose of the picture itself."""


class Layer:
    """A transparent sheet to draw on; `image` is RGBA with side `size * SUPERSAMPLE`."""

    def __init__(self, size: int):
        self.side = size * SUPERSAMPLE
        self.image = Image.new("RGBA", (self.side, self.side), (0, 0, 0, 0))
        self._pen = ImageDraw.Draw(self.image)

    def polygon(self, points: ArrayLike, colour: np.ndarray, pose: Pose = PICTURE) -> None:
        """Fill a polygon (N, 2); a colour may have a fourth part, its opacity."""
        self._pen.polygon((pose.at(points) * self.side).ravel().tolist(), fill=_ink(colour))

    def dot(self, centre: ArrayLike, radius: float, colour: np.ndarray, pose: Pose = PICTURE) -> None:
        """Fill a circle whose radius is in local units; it stays round under a tilt, as a ball would."""
        x, y = pose.at(centre) * self.side
        r = max(0.6, radius * self.side * np.sqrt(abs(np.linalg.det(pose.matrix))))
        self._pen.ellipse((x - r, y - r, x + r, y + r), fill=_ink(colour))

    def line(self, points: ArrayLike, width: float, colour: np.ndarray, pose: Pose = PICTURE) -> None:
        """Draw a line through points (N, 2); its width is in units of the picture's side."""
        path = (pose.at(points) * self.side).ravel().tolist()
        self._pen.line(path, fill=_ink(colour), width=max(1, round(width * self.side)), joint="curve")

    def patch(self, spine: np.ndarray, half_width: np.ndarray, colours: np.ndarray, pose: Pose = PICTURE) -> None:
        """Paint a ribbon of cells along a spine.

        Args:
            spine: (n + 1, 2), from root to tip.
            half_width: (n + 1,).
            colours: (n, m, 3), one for each of m cells across and n cells along.
            pose: the frame of the spine.
        """
        tangent = np.gradient(spine, axis=0)
        normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1) / (np.linalg.norm(tangent, axis=1)[:, None] + 1e-9)
        across = np.linspace(-1, 1, colours.shape[1] + 1)
        grid = spine[:, None] + normal[:, None] * (half_width[:, None] * across)[..., None]  # (n + 1, m + 1, 2)
        grid = pose.at(grid) * self.side
        cells = np.concatenate([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], axis=-1)
        inks = np.clip(colours * 255, 0, 255).astype(int).reshape(-1, 3).tolist()
        for cell, ink in zip(cells.reshape(-1, 8).tolist(), inks, strict=True):
            self._pen.polygon(cell, fill=(*ink, 255))


def _ink(colour: np.ndarray) -> tuple[int, ...]:
    inks = np.clip(np.asarray(colour) * 255, 0, 255).astype(int).tolist()
    return (*inks, 255) if len(inks) == 3 else tuple(inks)


def blade(
    layer: Layer, pose: Pose, start: float, end: float, width: float, base: np.ndarray, tip: np.ndarray, *,
    form: tuple[float, float] = (1.0, 0.7), bend: float = 0.0, teeth: float = 0.0,
    cells: tuple[int, int] = (9, 5), root: float = 0.3, fold: float = 0.12, ridge: float = 0.0,
    rim: float = 0.0, veins: float = 0.0,
) -> None:  # fmt: skip
    """Paint a petal or a leaf along the local x axis.

    Args:
        layer: where to.
        pose: its local frame.
        start: where on the axis it begins.
        end: where it ends.
        width: largest half width.
        base: colour at the root.
        tip: colour at the tip.
        form: (a, b) of the outline sin(pi * u**a)**b: a > 1 widens it towards the tip, a small b is blunt.
        bend: sideways offset of the tip.
        teeth: depth of the sawteeth of the edge, 0..1.
        cells: how many shaded cells along and across.
        root: how much darker the root is.
        fold: how much brighter one half is than the other.
        ridge: strength of two lengthwise furrows.
        rim: how much brighter the edge is (negative: darker).
        veins: strength of the pinnate veins of a leaf.
    """
    along = (1 - np.cos(np.pi * np.linspace(0, 1, cells[0] + 1))) / 2  # dense at the ends, where outlines curve
    half_width = width * np.sin(np.pi * np.clip(along, 1e-6, 1 - 1e-6) ** form[0]) ** form[1]
    if teeth:
        half_width = half_width * (1 - teeth * (1 - along * 6 % 1))
    spine = np.stack([start + (end - start) * along, bend * along**2], 1)
    u, v = (along[:-1, None] + along[1:, None]) / 2, (np.arange(cells[1])[None] + 0.5) / cells[1] * 2 - 1
    gain = 1 - root * (1 - u) ** 3 + fold * v + ridge * np.cos(3 * np.pi * v)
    gain = gain + rim * np.maximum(u**4, v**4) + veins * np.cos(2 * np.pi * (6 * u - 1.5 * np.abs(v)))
    colours = np.clip(base + (tip - base) * u[..., None], 0.01, 1)
    layer.patch(spine, half_width, shaded(colours, gain[..., None]), pose)


def stem(layer: Layer, start: ArrayLike, end: ArrayLike, width: float, colour: np.ndarray, bend: float = 0.0) -> None:
    """Paint a round stem between two points, bent sideways by `bend`."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    t = np.linspace(0, 1, 15)[:, None]
    side = np.array([end[1] - start[1], start[0] - end[0]])
    spine = start + (end - start) * t + side * bend * 4 * t * (1 - t)
    light = np.array([0.7, 1.0, 1.15, 0.9, 0.65])[None, :, None]  # a cylinder lit from the front
    layer.patch(spine, np.full(15, width / 2), np.broadcast_to(colour, (14, 5, 3)) * light)


def grass(layer: Layer, rng: Rng, count: int, bottom: float = 1.05, length: float = 0.5) -> None:
    """Paint blades of grass that grow from around `bottom`."""
    for _ in range(count):
        x, y, reach = rng.uniform(-0.05, 1.05), bottom - rng.uniform(0, 0.15), length * rng.uniform(0.5, 1)
        pose = Pose.place(x, y, reach, -np.pi / 2 + rng.normal(0, 0.3))
        colour = green(rng)
        bend = rng.normal(0, 0.25)
        blade(layer, pose, 0, 1, 0.025, colour * 0.7, colour, form=(0.6, 0.6), bend=bend, cells=(6, 2))
