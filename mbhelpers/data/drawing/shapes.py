"""Generic drawn things: the task on which the sample backbone is trained before it meets a flower.

Twenty kinds that differ in outline, texture and symmetry, and never in colour, so that a net that tells them
apart has learned edges, corners, stripes, rays and lobes. Speed matters more than beauty here.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image

from mbhelpers.data.drawing.brush import (
    SUPERSAMPLE,
    Layer,
    Pose,
    Rng,
    any_colour,
    blade,
    shaded,
)
from mbhelpers.data.drawing.scene import blur, develop, noise, paste

Painter = Callable[[Layer, Pose, Rng, np.ndarray, np.ndarray], None]


def _outline(points: Callable[[Rng], np.ndarray], *, hollow: bool = False) -> Painter:
    """Make a painter of a closed outline (N, 2): filled, framed, or as a line.

    A `hollow` one does not hold the origin, so that no smaller copies fit into it.
    """

    def paint(layer: Layer, pose: Pose, rng: Rng, main: np.ndarray, other: np.ndarray) -> None:
        edge = points(rng)
        style = rng.integers(3)
        if style == 2:
            layer.line(np.vstack([edge, edge[:2]]), rng.uniform(0.015, 0.045), main, pose)
            return
        layer.polygon(edge, other if style else main, pose)
        for part in () if hollow else np.linspace(0.85, 0.3, 4):
            layer.polygon(edge * part, shaded(main, 1.25 - 0.4 * part), pose)

    return paint


def _circle(count: int, radius: float | np.ndarray = 1.0, start: float = 0.0, end: float = 2 * np.pi) -> np.ndarray:
    angle = np.linspace(start, end, count)
    return np.stack([np.cos(angle), np.sin(angle)], 1) * np.reshape(radius, (-1, 1))


def _star(rng: Rng) -> np.ndarray:
    tips = int(rng.integers(4, 8))
    return _circle(2 * tips + 1, np.resize([1, rng.uniform(0.35, 0.55)], 2 * tips + 1))


def _heart(rng: Rng) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 40)
    x, y = 16 * np.sin(t) ** 3, 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([x, -y], 1) / 17


def _crescent(rng: Rng) -> np.ndarray:
    outer = _circle(24, 1, 0.6, 2 * np.pi - 0.6) - np.array([np.cos(0.6), 0])  # the cusps at x = 0
    inner = outer * np.array([rng.uniform(0.4, 0.7), 1])
    return np.vstack([outer, inner[::-1]]) + np.array([0.9, 0])


def _cross(rng: Rng) -> np.ndarray:
    w = rng.uniform(0.18, 0.4)
    arm = np.array([[1, -w], [1, w], [w, w]])
    quarter = np.array([[0, 1], [-1, 0]])
    return np.vstack([arm @ np.linalg.matrix_power(quarter, k) for k in range(4)])


def _petals(low: int, high: int) -> Painter:
    def paint(layer: Layer, pose: Pose, rng: Rng, main: np.ndarray, other: np.ndarray) -> None:
        count, form = int(rng.integers(low, high + 1)), (rng.uniform(0.8, 1.6), rng.uniform(0.4, 0.9))
        for k in range(count):
            blade(layer, pose.moved(0, 0, 2 * np.pi * k / count), 0.1, 1, 1.9 / count, main,
                  shaded(main, 1.1), form=form, cells=(6, 4), rim=-0.2, root=0.5)  # fmt: skip
        layer.dot((0, 0), rng.uniform(0.12, 0.3), other, pose)

    return paint


def _ring(layer: Layer, pose: Pose, rng: Rng, main: np.ndarray, other: np.ndarray) -> None:
    width = np.full(33, rng.uniform(0.07, 0.22))
    for radius in (0.8, 0.35)[: rng.integers(1, 3)]:
        shade = shaded(main, np.linspace(0.7, 1.1, 3)[None, :, None])
        layer.patch(_circle(33, radius), width * radius, np.broadcast_to(shade, (32, 3, 3)), pose)


def _spiral(layer: Layer, pose: Pose, rng: Rng, main: np.ndarray, other: np.ndarray) -> None:
    t = np.linspace(0.05, 1, 56)
    spine = _circle(56, t, 0, rng.choice([-1, 1]) * 2 * np.pi * rng.uniform(1.8, 3.2))
    shade = np.linspace(0, 1, 55)[:, None, None]
    layer.patch(spine, 0.02 + rng.uniform(0.05, 0.1) * t, np.repeat(main + (other - main) * shade * 0.5, 2, 1), pose)


def _leaf(layer: Layer, pose: Pose, rng: Rng, main: np.ndarray, other: np.ndarray) -> None:
    blade(layer, pose, -1, 0.9, rng.uniform(0.3, 0.55), shaded(main, 0.7), main,
          form=(rng.uniform(0.6, 1.1), 0.8), bend=rng.normal(0, 0.15), teeth=rng.uniform(0, 0.3),
          cells=(18, 8), veins=0.12)  # fmt: skip
    layer.line([[-1.1, 0], [0.8, 0]], 0.01, other, pose)


def _butterfly(layer: Layer, pose: Pose, rng: Rng, main: np.ndarray, other: np.ndarray) -> None:
    upper, lower = rng.uniform(0.6, 0.9), rng.uniform(0.6, 0.9)
    for side in (-1, 1):
        for angle, length, width in ((0.5, 0.75 * lower, 0.32), (-0.6, 1.1 * upper, 0.38)):
            wing = pose.moved(0, 0, np.pi / 2 * (1 - side) + side * angle)
            blade(
                layer,
                wing,
                0.05,
                length,
                width,
                shaded(main, 0.6),
                main,
                form=(1.7, 0.5),
                rim=-0.5,
                cells=(8, 6),
            )
            layer.dot((length * 0.7, 0), 0.1, other, wing)
    blade(layer, pose.moved(0, 0, np.pi / 2), -0.6, 0.6, 0.08, shaded(other, 0.4), shaded(other, 0.6))


def _stripes(layer: Layer, pose: Pose, rng: Rng, main: np.ndarray, other: np.ndarray) -> None:
    step = rng.uniform(0.16, 0.5)
    for k, y in enumerate(np.arange(-1.6, 1.6, step)):
        half = step * rng.uniform(0.2, 0.3)
        ends = 1.6 + rng.uniform(0, 0.2, 2)
        box = [[-ends[0], y - half], [ends[1], y - half], [ends[1], y + half], [-ends[0], y + half]]
        layer.polygon(box, other if k % 3 == 0 else main, pose)


def _waves(layer: Layer, pose: Pose, rng: Rng, main: np.ndarray, other: np.ndarray) -> None:
    x, step = np.linspace(-1.6, 1.6, 30), rng.uniform(0.3, 0.5)
    crest = rng.uniform(0.1, 0.18) * np.sin(x * rng.uniform(4, 8))
    shade = shaded(main, np.array([0.7, 1.1])[None, :, None])
    for y in np.arange(-1.5, 1.5, step):
        colours = np.broadcast_to(shade, (29, 2, 3))
        layer.patch(np.stack([x, y + crest], 1), np.full(30, step * 0.22), colours, pose)


def _dots(layer: Layer, pose: Pose, rng: Rng, main: np.ndarray, other: np.ndarray) -> None:
    step = rng.uniform(0.28, 0.6)
    radius = step * rng.uniform(0.2, 0.38)
    for row, y in enumerate(np.arange(-1.4, 1.5, step)):
        for x in np.arange(-1.4, 1.5, step):
            layer.dot((x + step / 2 * (row % 2), y), radius, main if row % 3 else other, pose)


def _checker(layer: Layer, pose: Pose, rng: Rng, main: np.ndarray, other: np.ndarray) -> None:
    step, cell = rng.uniform(0.22, 0.5), np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    count = int(2.6 / step)
    for row in range(count):
        for column in range(row % 2, count, 2):
            place = (cell + np.array([column, row])) * step - 1.3
            layer.polygon(place, shaded(main, rng.uniform(0.8, 1.1)), pose)


def _tree(layer: Layer, pose: Pose, rng: Rng, main: np.ndarray, other: np.ndarray) -> None:
    layer.polygon([[-0.12, 1], [0.12, 1], [0.06, -0.2], [-0.06, -0.2]], other, pose)
    if rng.uniform() < 0.4:  # a fir
        for y, half in ((0.5, 0.6), (0.1, 0.48), (-0.3, 0.34)):
            layer.polygon([[-half, y], [half, y], [0, y - 0.75]], shaded(main, 0.8 - 0.4 * y), pose)
        return
    for x, y in rng.normal((0, -0.35), (0.3, 0.24), (26, 2)):
        layer.dot((x, y), rng.uniform(0.12, 0.24), shaded(main, rng.uniform(0.75, 1.0) - 0.3 * (y + 0.35)), pose)


def _cloud(layer: Layer, pose: Pose, rng: Rng, main: np.ndarray, other: np.ndarray) -> None:
    bumps = [(x, rng.uniform(-0.25, 0.0), 0.45 * (1.25 - abs(x))) for x in np.linspace(-0.8, 0.8, rng.integers(4, 8))]
    for lift, part in ((0.06, shaded(main, 0.75)), (-0.03, main)):
        layer.polygon([[-0.95, 0.05], [0.95, 0.05], [0.9, 0.3 + lift], [-0.9, 0.3 + lift]], part, pose)
        for x, y, radius in bumps:
            layer.dot((x, y + lift), radius, part, pose)


def _fish(layer: Layer, pose: Pose, rng: Rng, main: np.ndarray, other: np.ndarray) -> None:
    height = rng.uniform(0.28, 0.5)
    layer.polygon([[0.5, 0], [1.05, -0.42], [0.9, 0], [1.05, 0.42]], other, pose)
    layer.polygon([[-0.3, -0.2], [0.3, -height - 0.2], [0.4, -0.1]], other, pose)
    blade(layer, pose, -1, 0.7, height, main, shaded(main, 0.8), form=(0.85, 0.7), cells=(12, 6), ridge=0.1)
    layer.dot((-0.68, -0.07), 0.08, np.ones(3), pose)
    layer.dot((-0.7, -0.07), 0.045, np.zeros(3), pose)


def _house(layer: Layer, pose: Pose, rng: Rng, main: np.ndarray, other: np.ndarray) -> None:
    roof, eave = -rng.uniform(0.6, 1), rng.uniform(-0.3, 0)
    layer.polygon([[-0.7, eave], [0.7, eave], [0.7, 0.9], [-0.7, 0.9]], main, pose)
    layer.polygon([[-0.9, eave], [0.9, eave], [rng.uniform(-0.3, 0.3), roof]], other, pose)
    layer.polygon([[-0.15, 0.35], [0.15, 0.35], [0.15, 0.9], [-0.15, 0.9]], shaded(main, 0.4), pose)
    for x in (-0.45, 0.45):
        pane = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 0.13 + [x, eave + 0.3]
        layer.polygon(pane, shaded(other, 1.2), pose)


_PAINTERS: dict[str, Painter] = {
    "butterfly": _butterfly,
    "checker": _checker,
    "cloud": _cloud,
    "crescent": _outline(_crescent, hollow=True),
    "cross": _outline(_cross),
    "dots": _dots,
    "fish": _fish,
    "heart": _outline(_heart),
    "house": _house,
    "leaf": _leaf,
    "petals_few": _petals(3, 4),
    "petals_many": _petals(11, 16),
    "petals_some": _petals(6, 7),
    "ring": _ring,
    "spiral": _spiral,
    "star": _outline(_star),
    "stripes": _stripes,
    "tree": _tree,
    "triangle": _outline(lambda rng: _circle(4) * [1, rng.uniform(0.7, 1.1)]),
    "waves": _waves,
}
SHAPES = tuple(_PAINTERS)
"""The kinds of `draw_shape`, in alphabetical order."""

_UPRIGHT = {"cloud", "house", "tree"}


def draw_shape(kind: str, seed: int, size: int = 128) -> np.ndarray:
    """Draw one picture of a kind of generic thing.

    Args:
        kind: one of `SHAPES`.
        seed: any natural number; the same seed gives the same picture.
        size: side in pixels.

    Returns:
        uint8 (size, size, 3), RGB.

    Raises:
        ValueError: no such kind.
    """
    if kind not in _PAINTERS:
        raise ValueError(f"unknown kind of shape {kind!r}; choose from {', '.join(SHAPES)}")
    rng = np.random.default_rng([seed, SHAPES.index(kind)])
    ground, main, other = _colours(rng)
    layer = Layer(size)
    turn = rng.normal(0, 0.15) if kind in _UPRIGHT else rng.uniform(0, 2 * np.pi)
    x, y = rng.uniform(0.38, 0.62, 2)
    pose = Pose.place(x, y, rng.uniform(0.24, 0.44), turn, rng.uniform(0, 0.7), rng.uniform(0, 2 * np.pi))
    _PAINTERS[kind](layer, pose, rng, main, other)
    scene = _ground(rng, size, ground)
    scene = paste(scene, layer, rng.choice([0.0, 0.4]))
    front = Layer(size)
    _clutter(front, rng, int(rng.integers(0, 4)), 0.06)
    return develop(paste(scene, front), rng, size)


def _colours(rng: Rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give a ground and two colours that stand out from it."""
    ground, found = any_colour(rng), list[np.ndarray]()
    while len(found) < 2:
        colour = any_colour(rng)
        if np.abs(colour - ground).max() > 0.35:
            found.append(colour)
    return ground, found[0], found[1]


def _ground(rng: Rng, size: int, colour: np.ndarray) -> Image.Image:
    """Paint a mottled ground, sometimes with blurred clutter on it."""
    side = size * SUPERSAMPLE
    mottle = noise(rng, side, int(rng.integers(2, 24)), 2)
    picture = colour * (1 + rng.uniform(0.1, 0.7) * (mottle - 0.5))[..., None]
    scene = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))
    if rng.uniform() < 0.6:
        layer = Layer(size)
        _clutter(layer, rng, int(rng.integers(3, 12)), 0.15)
        scene = blur(paste(scene, layer), rng.uniform(0.002, 0.02))
    return scene


def _clutter(layer: Layer, rng: Rng, count: int, radius: float) -> None:
    """Scatter small spots, twigs and scraps of any colour."""
    for style in rng.integers(3, size=count):
        pose = Pose.place(rng.uniform(), rng.uniform(), radius * rng.uniform(0.3, 1))
        colour = any_colour(rng)
        if style == 0:
            layer.dot((0, 0), 1, colour, pose)
        elif style == 1:
            layer.line(rng.normal(0, 1.5, (3, 2)), 0.008, colour, pose)
        else:
            layer.polygon(rng.normal(0, 1, (4, 2)), colour, pose)
