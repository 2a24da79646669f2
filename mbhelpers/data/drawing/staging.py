"""Scenes of things whose every pixel is known: who covers whom, what is seen of each, and the camera."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from mbhelpers.data.drawing.brush import SUPERSAMPLE, Layer, Rng

LEAST_VISIBLE = 12
"""Pixels. Of a thing with fewer in sight nothing is drawn, so that whatever is drawn has its outline."""

_OPAQUE = 128  # of 255: from here on a pixel belongs to the thing


@dataclass(frozen=True)
class Actor:
    """One thing to draw.

    Attributes:
        category: its COCO name.
        paint: draws it, alone, on a transparent layer.
        shadow: x, y and half width of what it darkens on the ground, in units of the layer; a width of 0 is none.
        crowd: it stands for many that are not told apart.
    """

    category: str
    paint: Callable[[Layer], None]
    shadow: tuple[float, float, float] = (0, 0, 0)
    crowd: bool = False


@dataclass(frozen=True)
class Outline:
    """What is seen of one thing: `mask` (h, w) bool at the resolution of the picture."""

    category: str
    mask: np.ndarray
    crowd: bool


def render(backdrop: Image.Image, size: tuple[int, int], actors: Sequence[Actor]) -> tuple[np.ndarray, list[Outline]]:
    """Draw things over a backdrop.

    Args:
        backdrop: square, as of a `Place`.
        size: width and height of the picture in pixels; it is the upper left part of the square.
        actors: from the farthest to the nearest.

    Returns:
        The picture, float32 (h, w, 3) in 0..255, and the outlines of the actors that are in sight, in their order.
    """
    width, height = size
    sheets = [_sheet(actor, size) for actor in actors]
    covered = np.zeros((height, width), bool)
    seen: list[tuple[Actor, np.ndarray, Outline]] = []
    for actor, sheet in zip(reversed(actors), reversed(sheets), strict=True):
        solid = sheet[..., 3] >= _OPAQUE
        mask = solid & ~covered
        if mask.sum() >= LEAST_VISIBLE:
            covered |= solid
            seen.append((actor, sheet, Outline(actor.category, mask, actor.crowd)))
    seen.reverse()
    picture = np.asarray(backdrop.reduce(SUPERSAMPLE), np.float32)[:height, :width].copy()
    for actor, _, _ in seen:
        _darken(picture, actor.shadow, max(size))
    for _, sheet, _ in seen:
        rows, columns = np.nonzero(sheet[..., 3].any(1))[0], np.nonzero(sheet[..., 3].any(0))[0]
        part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        picture[part] += (sheet[part][..., :3] - picture[part]) * (sheet[part][..., 3:] / np.float32(255))
    return picture, [outline for _, _, outline in seen]


def _sheet(actor: Actor, size: tuple[int, int]) -> np.ndarray:
    """Draw one actor alone: uint8 (h, w, 4)."""
    layer = Layer(max(size))
    actor.paint(layer)
    sheet = np.zeros((max(size), max(size), 4), np.uint8)
    if edges := layer.image.getbbox():  # reducing only what is painted saves most of the time
        left, top = (edge // SUPERSAMPLE for edge in edges[:2])
        right, bottom = (-(-edge // SUPERSAMPLE) for edge in edges[2:])
        whole = left * SUPERSAMPLE, top * SUPERSAMPLE, right * SUPERSAMPLE, bottom * SUPERSAMPLE
        part = layer.image.crop(whole)
        sheet[top:bottom, left:right] = np.asarray(part.reduce(SUPERSAMPLE))
    return sheet[: size[1], : size[0]]


def _darken(picture: np.ndarray, shadow: tuple[float, float, float], side: int) -> None:
    """Put a soft flat ellipse of shade on the ground, in place."""
    x, y, half = (value * side for value in shadow)
    if half <= 0:
        return
    depth = half * 0.28
    top, bottom = max(0, int(y - 2 * depth)), min(len(picture), int(y + 2 * depth) + 1)
    left, right = max(0, int(x - 2 * half)), min(picture.shape[1], int(x + 2 * half) + 1)
    if top < bottom and left < right:
        rows, columns = np.mgrid[top:bottom, left:right]
        far = ((columns - x) / half) ** 2 + ((rows - y) / depth) ** 2
        picture[top:bottom, left:right] *= (1 - 0.5 * np.exp(-1.2 * far**1.5))[..., None]


def photograph(picture: np.ndarray, rng: Rng) -> np.ndarray:
    """Give a rendered picture the light, colour cast and noise of a photograph: uint8 (h, w, 3)."""
    height, width = picture.shape[:2]
    warmth, gamma, gain = rng.normal(0, 0.04), rng.uniform(0.8, 1.15), rng.uniform(0.85, 1.1)
    curve = 255 * (np.arange(256) / 255) ** gamma * gain
    cast = np.array([1 + warmth, 1, 1 - warmth], np.float32)
    lit = curve.astype(np.float32)[np.clip(picture, 0, 255).astype(np.uint8)] * cast
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    direction, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.12)
    light = 1 + strength * (x * np.cos(direction) + y * np.sin(direction)) - rng.uniform(0, 0.15) * (x * x + y * y)
    lit = lit * light[..., None].astype(np.float32)
    lit += rng.standard_normal(lit.shape, np.float32) * np.float32(rng.uniform(1, 4))
    return (np.clip(lit, 0, 255) + 0.5).clip(0, 255).astype(np.uint8)
