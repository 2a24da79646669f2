"""Places with a ground to stand on: street, park, beach, room, and the top of a table.

A place knows its horizon and how high the camera is, so that a thing of known size gets the right size wherever it
stands. Coordinates are in units of the picture's longer side, as those of a `Layer`; `bottom` is where it is cut.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from mbhelpers.data.drawing.brush import SUPERSAMPLE, Layer, Rng, any_colour, green, hsv, shaded
from mbhelpers.data.drawing.scene import blur, noise, paste
from mbhelpers.data.drawing.solids import box


@dataclass(frozen=True)
class Place:
    """A backdrop and its ground.

    Attributes:
        kind: of `PLACES`.
        picture: square RGB image, side `size * SUPERSAMPLE`.
        horizon: y of the horizon.
        far: y from which things can stand, down to the lower edge.
        camera: height of the camera in metres.
    """

    kind: str
    picture: Image.Image
    horizon: float
    far: float
    camera: float

    def scale(self, y: float) -> float:
        """Units of the picture for a metre, where the ground is seen at `y`."""
        return (y - self.horizon) / self.camera

    def ground(self, scale: float) -> float:
        """Where the ground is seen on which a metre is `scale` units."""
        return self.horizon + self.camera * scale


def _sky_over(rng: Rng, side: int) -> np.ndarray:
    """Paint a sky (side, side, 3), with clouds or without, at noon or in the evening."""
    down = np.linspace(0, 1, side, dtype=np.float32)[:, None, None]
    blue = hsv(rng.uniform(0.53, 0.62), rng.uniform(0.15, 0.65), rng.uniform(0.7, 1))
    haze = hsv(rng.uniform(0.04, 0.14), rng.uniform(0.0, 0.35), rng.uniform(0.85, 1))
    clouds = np.clip(noise(rng, side, 3, 3) * 3 - rng.uniform(1.3, 2.6), 0, 1)[..., None] * 0.8
    sky = blue + (haze - blue) * np.clip(down * 1.8, 0, 1)
    return sky + (0.98 - sky) * clouds


def _ground_below(picture: np.ndarray, y: float, near: np.ndarray, far: np.ndarray, grain: np.ndarray) -> None:
    """Paint the ground below `y` in place, from its colour far away to its colour near by."""
    side = len(picture)
    top = int(y * side)
    down = np.linspace(0, 1, side - top)[:, None, None]
    picture[top:] = (far + (near - far) * np.sqrt(down)) * grain[top:, :, None]


def _image(picture: np.ndarray) -> Image.Image:
    """Enlarge a texture (size, size, 3) to what layers are pasted on; without edges it needs no finer pixels."""
    image = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))
    return image.resize((len(picture) * SUPERSAMPLE,) * 2, Image.Resampling.BILINEAR)


def _street(rng: Rng, size: int, bottom: float) -> Place:
    horizon, kerb = bottom * rng.uniform(0.36, 0.46), bottom * rng.uniform(0.53, 0.58)
    picture = _sky_over(rng, size)
    grain = 0.9 + 0.2 * noise(rng, size, 40, 2)
    grey = np.full(3, rng.uniform(0.3, 0.5))
    _ground_below(picture, kerb, grey * 0.85, grey * 1.1, grain)
    layer = Layer(size)
    x = rng.uniform(-0.2, 0)
    while x < 1:
        width, roof = rng.uniform(0.16, 0.36), bottom * rng.uniform(-0.05, 0.26)
        wall = hsv(rng.uniform(0, 0.14), rng.uniform(0.08, 0.5), rng.uniform(0.4, 0.88))
        layer.polygon(box(x, roof, x + width, kerb), wall)
        layer.polygon(box(x - 0.004, roof, x + width + 0.004, roof + 0.014), shaded(wall, 0.75))
        pane = _pane(rng)
        for top in np.arange(roof + 0.04, kerb - 0.13, 0.085):
            for left in np.arange(x + 0.025, x + width - 0.04, 0.062):
                layer.polygon(box(left, top, left + 0.034, top + 0.05), pane * rng.uniform(0.75, 1.1))
        shop = kerb - 0.085
        layer.polygon(box(x + 0.012, shop, x + width - 0.012, kerb - 0.012), pane * 0.7)
        layer.polygon(box(x + 0.006, shop - 0.02, x + width - 0.006, shop + 0.006), any_colour(rng))
        x += width
    layer.polygon(box(-1, kerb - 0.015, 2, kerb + 0.03), np.full(3, 0.68))
    layer.polygon(box(-1, kerb + 0.03, 2, kerb + 0.037), np.full(3, 0.5))
    lane = kerb + (bottom - kerb) * 0.45
    for left in np.arange(rng.uniform(-0.2, 0), 1, 0.24):
        layer.polygon([[left, lane], [left + 0.12, lane], [left + 0.118, lane + 0.014], [left - 0.006, lane + 0.014]],
                      np.full(3, 0.86))  # fmt: skip
    return Place("street", paste(_image(picture), layer), horizon, kerb + 0.005, rng.uniform(1.4, 1.8))


def _pane(rng: Rng) -> np.ndarray:
    return np.array([0.42, 0.52, 0.6]) * rng.uniform(0.6, 1.2)


def _park(rng: Rng, size: int, bottom: float) -> Place:
    horizon = bottom * rng.uniform(0.34, 0.44)
    picture = _sky_over(rng, size)
    grass, tree = green(rng), green(rng) * 0.6
    _ground_below(picture, horizon + 0.02, grass, grass * 0.75 + 0.12, 0.7 + 0.6 * noise(rng, size, 24, 4))
    layer = Layer(size)
    for _ in range(46):  # a far hedge
        x, reach = rng.uniform(0, 1), rng.uniform(0.015, 0.05)
        layer.dot((x, horizon + 0.012 - reach * 0.6), reach, shaded(tree * 0.8 + 0.15, rng.uniform(0.75, 1.05)))
    if rng.uniform() < 0.6:  # a path
        a, b = rng.uniform(0.3, 0.7), rng.uniform(0.1, 0.9)
        layer.polygon([[a, horizon + 0.02], [a + 0.02, horizon + 0.02], [b + 0.25, bottom], [b - 0.2, bottom]],
                      np.array([0.75, 0.68, 0.55]) * rng.uniform(0.8, 1.1))  # fmt: skip
    for _ in range(rng.integers(1, 5)):
        x, foot = rng.uniform(), horizon + rng.uniform(0.03, 0.12)
        tall = (foot - horizon) * rng.uniform(2.5, 4) + 0.1
        layer.polygon([[x - tall * 0.05, foot], [x + tall * 0.05, foot], [x + tall * 0.03, foot - tall * 0.6],
                       [x - tall * 0.03, foot - tall * 0.6]], hsv(0.07, 0.4, 0.3))  # fmt: skip
        for _ in range(34):
            dx, dy = rng.normal(0, 0.17, 2) * tall
            shade = rng.uniform(0.8, 1.05) - 0.6 * dy / tall - 0.3 * dx / tall
            layer.dot((x + dx, foot - tall * 0.78 + dy), tall * rng.uniform(0.06, 0.14), shaded(tree, max(0.3, shade)))
    return Place("park", paste(_image(picture), layer), horizon, horizon + 0.05, rng.uniform(1.3, 2.0))


def _beach(rng: Rng, size: int, bottom: float) -> Place:
    horizon = bottom * rng.uniform(0.3, 0.42)
    shore = horizon + bottom * rng.uniform(0.1, 0.2)
    picture = _sky_over(rng, size)
    sea = hsv(rng.uniform(0.48, 0.6), rng.uniform(0.4, 0.8), rng.uniform(0.4, 0.75))
    waves = noise(rng, size, 30, 2)
    waves = np.asarray(Image.fromarray(waves[:, : size // 8]).resize((size, size), Image.Resampling.BILINEAR))
    _ground_below(picture, horizon, sea * 1.15 + 0.08, sea * 0.85, 0.85 + 0.3 * waves)
    sand = hsv(rng.uniform(0.08, 0.12), rng.uniform(0.2, 0.45), rng.uniform(0.75, 0.95))
    dry = picture.copy()
    _ground_below(dry, horizon, sand, sand * 0.92, 0.86 + 0.28 * noise(rng, size, 30, 3))
    edge = shore + 0.014 * np.sin(np.linspace(0, rng.uniform(5, 12), size) + rng.uniform(0, 6))
    beyond = np.arange(size)[:, None] / size - edge[None]
    wet = np.clip(beyond / 0.05, 0, 1)[..., None]
    picture = np.where(beyond[..., None] > 0, dry * (0.78 + 0.22 * wet), picture)
    picture[np.abs(beyond) < 0.006] = 0.96  # foam
    return Place("beach", _image(picture), horizon, shore + 0.03, rng.uniform(1.4, 2.2))


def _room(rng: Rng, size: int, bottom: float) -> Place:
    horizon, foot = bottom * rng.uniform(0.34, 0.42), bottom * rng.uniform(0.6, 0.68)
    wall = hsv(rng.uniform(), rng.uniform(0.03, 0.35), rng.uniform(0.6, 0.95))
    picture = np.broadcast_to(wall, (size, size, 3)) * (0.95 + 0.1 * noise(rng, size, 4, 1))[..., None]
    if rng.uniform() < 0.35:  # wallpaper
        stripes = (np.arange(size) // (size // rng.integers(20, 50))) % 2
        picture = picture * (1 - 0.08 * stripes)[None, :, None]
    wood = hsv(rng.uniform(0.05, 0.11), rng.uniform(0.2, 0.6), rng.uniform(0.35, 0.75))
    _ground_below(picture, foot, wood, wood * 0.85, 0.9 + 0.2 * noise(rng, size, 20, 2))
    layer = Layer(size)
    for x in np.linspace(-1.5, 2.5, 33):  # boards run towards the vanishing point
        layer.line([[0.5 + (x - 0.5) * (foot - horizon) / (bottom - horizon), foot], [x, bottom]], 0.002, wood * 0.7)
    layer.polygon(box(-1, foot - 0.03, 2, foot), np.clip(wall * 1.1 + 0.05, 0, 1))
    x = rng.uniform(0.05, 0.65)
    if rng.uniform() < 0.5:
        layer.polygon(box(x, 0.07, x + 0.3, horizon + 0.02), np.full(3, 0.93))
        layer.polygon(box(x + 0.015, 0.085, x + 0.285, horizon + 0.005), hsv(0.56, rng.uniform(0.1, 0.5), 0.95))
        layer.polygon(box(x + 0.145, 0.08, x + 0.155, horizon + 0.01), np.full(3, 0.93))
    else:
        layer.polygon(box(x, 0.1, x + 0.2, 0.25), hsv(0.09, 0.5, 0.35))
        layer.polygon(box(x + 0.015, 0.115, x + 0.185, 0.235), any_colour(rng))
        layer.polygon([[x + 0.015, 0.235], [x + 0.08, 0.16], [x + 0.13, 0.2], [x + 0.185, 0.235]], any_colour(rng))
    if rng.uniform() < 0.5:
        layer.polygon([[0.25, foot + 0.06], [0.75, foot + 0.06], [0.9, bottom - 0.02], [0.1, bottom - 0.02]],
                      any_colour(rng) * 0.85)  # fmt: skip
    return Place("room", paste(_image(picture), layer), horizon, foot + 0.01, rng.uniform(1.3, 1.6))


def _table(rng: Rng, size: int, bottom: float) -> Place:
    edge = bottom * rng.uniform(0.28, 0.5)
    picture = np.stack([noise(rng, size, 3, 2) for _ in range(3)], -1) * 0.3 + any_colour(rng) * 0.7
    layer = Layer(size)
    for _ in range(rng.integers(2, 6)):
        x, y = rng.uniform(0, 1), edge - rng.uniform(0, 0.25)
        layer.polygon(box(x, y, x + rng.uniform(0.05, 0.25), edge), any_colour(rng))
    picture = np.asarray(blur(paste(_image(picture), layer), 0.025).reduce(SUPERSAMPLE)) / 255
    top = hsv(rng.uniform(0.04, 0.11), rng.uniform(0.1, 0.65), rng.uniform(0.4, 0.95))
    fine = noise(rng, size, 40, 2)[:, : size // 10]
    grain = np.asarray(Image.fromarray(np.ascontiguousarray(fine)).resize((size, size), Image.Resampling.BILINEAR))
    _ground_below(picture, edge, top, top * 0.85, 0.82 + 0.36 * grain)
    return Place("table", _image(picture), bottom * rng.uniform(-0.5, -0.1), edge + 0.05, rng.uniform(0.45, 0.8))


_PAINTERS: dict[str, Callable[[Rng, int, float], Place]] = {
    "beach": _beach,
    "park": _park,
    "room": _room,
    "street": _street,
    "table": _table,
}
PLACES = tuple(_PAINTERS)
"""The kinds of `draw_place`."""


def draw_place(kind: str, rng: Rng, size: int, bottom: float = 1.0) -> Place:
    """Paint a backdrop.

    Args:
        kind: one of `PLACES`.
        rng: what it is drawn from.
        size: the longer side of the picture in pixels.
        bottom: where the picture is cut below, in units of `size`.
    """
    return _PAINTERS[kind](rng, size, bottom)
