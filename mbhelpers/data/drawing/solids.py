"""Rounded and flat parts that figures and things are put together from.

A part is drawn in the frame of a `Pose`; where that frame is in metres, so are sizes. Light comes from the upper
left, and colours are RGB in 0..1.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from mbhelpers.data.drawing.brush import Layer, Pose, Rng, shaded

Painter = Callable[[Layer, Pose, Rng], None]
"""Draws one thing that stands on (0, 0) of its frame, in metres, y down, looking to the right."""

_ROUND = np.array([0.78, 1.0, 1.1, 1.0, 0.84, 0.68])  # brightness across a cylinder


def disc(half_width: float, half_height: float, count: int = 40) -> np.ndarray:
    """Give the outline (count, 2) of an ellipse around (0, 0)."""
    angle = np.linspace(0, 2 * np.pi, count)
    return np.stack([half_width * np.cos(angle), half_height * np.sin(angle)], 1)


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """Give the outline (4, 2) of a rectangle."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def rounded(left: float, top: float, right: float, bottom: float, radius: float) -> np.ndarray:
    """Give the outline (24, 2) of a rectangle with round corners."""
    angle = np.linspace(0, np.pi / 2, 6)
    arc = np.stack([np.cos(angle), np.sin(angle)], 1) * radius
    corners = [(right - radius, bottom - radius, 1, 1), (left + radius, bottom - radius, -1, 1),
               (left + radius, top + radius, -1, -1), (right - radius, top + radius, 1, -1)]  # fmt: skip
    return np.vstack([
        (arc if x * y > 0 else arc[::-1]) * [x, y] + [cx, cy] for cx, cy, x, y in corners
    ])  # fmt: skip


def ball(layer: Layer, centre: ArrayLike, half: tuple[float, float], colour: np.ndarray, pose: Pose) -> None:
    """Paint a shaded ellipsoid with half width and half height."""
    x, y = np.asarray(centre, float)
    layer.polygon(disc(*half, 28) + [x, y], shaded(colour, 0.72), pose)
    for part, gain in ((0.86, 0.88), (0.68, 1.0), (0.42, 1.1)):
        shift = (1 - part) * 0.5
        layer.polygon(disc(half[0] * part, half[1] * part, 22) + [x - half[0] * shift, y - half[1] * shift],
                      np.clip(shaded(colour, gain), 0, 1), pose)  # fmt: skip


def tube(
    layer: Layer, start: ArrayLike, end: ArrayLike, radii: tuple[float, float], colour: np.ndarray, pose: Pose
) -> None:
    """Paint a shaded limb or pole with round ends; `radii` at its start and end."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    for point, radius in ((a, radii[0]), (b, radii[1])):
        layer.dot(point, radius, shaded(colour, 0.92), pose)
    if np.hypot(*(b - a)) < 0.2 * max(radii):  # seen end on
        return
    t = np.linspace(0, 1, 4)
    rows = np.broadcast_to(shaded(np.clip(colour, 0.02, 1), _ROUND[None, :, None]), (3, 6, 3))
    layer.patch(a + (b - a) * t[:, None], radii[0] + (radii[1] - radii[0]) * t, rows, pose)


def turned(layer: Layer, profile: ArrayLike, colour: np.ndarray, pose: Pose) -> None:
    """Paint a thing from a lathe, such as a bottle: `profile` (N, 2) of (height above the ground, half width)."""
    heights, widths = np.asarray(profile, float).T
    fine = np.linspace(heights[0], heights[-1], 4 * len(heights))
    rows = np.broadcast_to(shaded(np.clip(colour, 0.02, 1), _ROUND[None, ::-1, None]), (len(fine) - 1, 6, 3))
    layer.patch(np.stack([np.zeros_like(fine), -fine], 1), np.interp(fine, heights, widths), rows, pose)


def stroke(layer: Layer, points: ArrayLike, width: float, colour: np.ndarray, pose: Pose) -> None:
    """Draw a line whose width is in units of the pose, as those of its points."""
    layer.line(points, width * np.sqrt(abs(np.linalg.det(pose.matrix))), colour, pose)


def wheel(layer: Layer, centre: ArrayLike, radius: float, pose: Pose) -> None:
    """Paint a tyre with a bright hub."""
    middle = np.asarray(centre, float)
    for part, grey in ((1, 0.1), (0.62, 0.6), (0.5, 0.75), (0.18, 0.3)):
        layer.polygon(disc(radius * part, radius * part) + middle, np.full(3, grey), pose)
