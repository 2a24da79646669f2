"""Five kinds of flower, each with its own petals, leaves and growth."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mbhelpers.data.drawing.brush import Layer, Pose, Rng, blade, grass, green, hsv, shaded, stem
from mbhelpers.data.drawing.scene import background, blur, develop, paste

GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))  # between successive leaves or florets of most plants


def _bright(rng: Rng, *hues: float, white: float = 0.15) -> np.ndarray:
    """Give a petal colour near one of the hues (turns), or a white."""
    if rng.uniform() < white:
        return hsv(rng.uniform(0.05, 0.2), rng.uniform(0.02, 0.15), rng.uniform(0.88, 1))
    hue = hues[rng.integers(len(hues))] + rng.normal(0, 0.012)
    return hsv(hue, rng.uniform(0.6, 0.95), rng.uniform(0.86, 1))


def _florets(layer: Layer, pose: Pose, rng: Rng, radius: float, count: int, colours: list[np.ndarray]) -> None:
    """Paint a disc of florets in a spiral; colours go from the middle to the edge."""
    circle = np.linspace(0, 2 * np.pi, 40)
    edge = np.stack([np.cos(circle), np.sin(circle)], 1) * radius
    layer.polygon(edge * 1.06, colours[-1] * 0.4, pose)
    layer.polygon(edge, colours[-1] * 0.6, pose)
    size = 1.25 * radius / np.sqrt(count)
    for k in range(count)[::-1]:
        r, angle = np.sqrt((k + 0.5) / count), k * GOLDEN_ANGLE
        x, y = radius * r * np.cos(angle), radius * r * np.sin(angle)
        place = r * (len(colours) - 1)
        low = min(int(place), len(colours) - 2)
        colour = colours[low] + (colours[low + 1] - colours[low]) * (place - low)
        colour = colour * rng.uniform(0.8, 1.15) * (1 - 0.22 * (x + y) / radius)  # a dome lit from the upper left
        layer.dot((x, y), size, colour * 0.55, pose)
        layer.dot((x - size * 0.25, y - size * 0.25), size * 0.65, colour, pose)


def _whorl(layer: Layer, pose: Pose, rng: Rng, count: int, colour: np.ndarray, start: float, end: float,
           width: float, **form) -> None:  # fmt: skip
    """Paint a ring of petals, in random order so that they overlap as grown ones do."""
    tip = np.clip(colour * rng.uniform(0.95, 1.15) + rng.uniform(0, 0.08), 0, 1)
    turn = rng.uniform(0, 2 * np.pi)
    for k in rng.permutation(count):
        petal = pose.moved(0, 0, turn + 2 * np.pi * (k + rng.normal(0, 0.12)) / count)
        light = rng.uniform(0.86, 1.06)
        reach = end * rng.uniform(0.9, 1.04)
        blade(layer, petal, start, reach, width * rng.uniform(0.85, 1.15), shaded(colour, light),
              shaded(tip, light), bend=rng.normal(0, 0.05), **form)  # fmt: skip


def _daisy(layer: Layer, pose: Pose, rng: Rng) -> None:
    colour = _bright(rng, 0.92, 0.13, 0.8, white=0.5)
    colour = colour + (1 - colour) * 0.45
    count, disc = int(rng.integers(10, 22)), rng.uniform(0.2, 0.32)
    width = rng.uniform(1.4, 1.9) / count
    for shade, end in ((0.8, 1.0), (1.0, 0.95)):
        _whorl(layer, pose, rng, count, shaded(colour, shade), disc * 0.7, end, width, form=(1.5, 0.45),
               cells=(12, 7), ridge=0.05, fold=0.05, rim=-0.16, root=0.45)  # fmt: skip
    yellow = hsv(rng.uniform(0.11, 0.15), 0.9, rng.uniform(0.85, 1))
    _florets(layer, pose, rng, disc, 110, [yellow * [0.85, 0.9, 0.6], yellow, yellow * [0.95, 0.85, 0.8]])


def _dandelion(layer: Layer, pose: Pose, rng: Rng) -> None:
    if rng.uniform() < 0.4:
        _puffball(layer, pose, rng)
        return
    colour = hsv(rng.uniform(0.125, 0.165), rng.uniform(0.8, 0.95), rng.uniform(0.88, 1))
    for end in np.linspace(1, 0.22, 7):
        shade = colour * [1, 1 - 0.12 * (1 - end), 1 - 0.6 * (1 - end)] * rng.uniform(0.9, 1)
        _whorl(layer, pose, rng, int(12 + 22 * end), shade, 0.02, end, 0.05, form=(1.35, 0.3), cells=(4, 3),
               root=0.6, rim=-0.2, fold=0.1)  # fmt: skip
    for _ in range(14):  # stigmas
        place = rng.normal(0, 0.17, 2)
        layer.dot(place, 0.025, colour * [0.95, 0.75, 0.4], pose)


def _puffball(layer: Layer, pose: Pose, rng: Rng) -> None:
    circle = np.linspace(0, 2 * np.pi, 40)
    tone = hsv(rng.uniform(0.05, 0.6), rng.uniform(0, 0.1), rng.uniform(0.85, 1))
    ring = np.stack([np.cos(circle), np.sin(circle)], 1)
    for r, opacity in ((0.97, 0.16), (0.8, 0.24), (0.6, 0.3)):
        layer.polygon(ring * r, np.append(tone, opacity), pose)
    layer.dot((0, 0), 0.16, hsv(0.1, 0.4, 0.35), pose)
    count = 110
    for k in range(count):
        depth = (k + 0.5) / count  # 0 at the rim of the ball, 1 nearest to the viewer
        r, angle = np.sqrt(1 - depth**2) * 0.9, k * GOLDEN_ANGLE
        end = np.array([np.cos(angle), np.sin(angle)]) * r
        shade = tone * rng.uniform(0.8, 1.0)
        layer.line([end * 0.25, end], 0.001, shade * 0.8, pose)
        layer.dot(end * 0.28, 0.02, hsv(0.08, 0.5, 0.3), pose)
        for hair in np.linspace(0, 2 * np.pi, 9)[:-1] + rng.uniform(0, 1):
            reach = 0.16 * np.array([np.cos(hair), np.sin(hair)])
            layer.line([end, end * 1.04 + reach], 0.001, shade, pose)


def _rose(layer: Layer, pose: Pose, rng: Rng) -> None:
    colour = _bright(rng, 0.97, 0.99, 0.93, 0.13, 0.06)
    depth = np.array([rng.normal(0, 0.08), -rng.uniform(0, 0.25)])  # the heart of a cup seen aslant moves up
    turn = rng.uniform(0, 2 * np.pi)
    for shade in (0.8, 0.92):  # the outer petals, bent outward
        _whorl(layer, pose, rng, 5, shaded(colour, shade), 0.1, 1.0, 0.52, form=(1.9, 0.42), cells=(14, 9),
               rim=0.14, root=0.6, ridge=0.02, fold=0.06)  # fmt: skip
    arc = np.linspace(-1, 1, 25)
    for k, radius in enumerate(np.geomspace(0.86, 0.1, int(rng.integers(14, 19)))):
        inward = 1 - radius
        x, y = depth * inward
        cup = pose.moved(x, y, turn + k * GOLDEN_ANGLE + rng.normal(0, 0.15))
        lit = shaded(colour, (1.08 - 0.3 * inward) * rng.uniform(0.94, 1.05))
        spread = rng.uniform(1.15, 1.5)
        crest = radius * (1 - 0.3 * np.abs(arc) ** 3 + 0.03 * np.sin(arc * 6 + k))  # ends tuck under neighbours
        edge = np.stack([np.cos(arc * spread), np.sin(arc * spread)], 1) * crest[:, None]
        layer.polygon(edge * 1.03, shaded(lit, 0.45), cup)
        layer.polygon(edge, np.clip(lit * 1.06 + 0.1, 0, 1), cup)  # the rolled rim catches the light
        for part in np.linspace(0.95, 0.5, 7):
            layer.polygon(edge * part, shaded(lit, 0.3 + 0.75 * part**2), cup)


def _sunflower(layer: Layer, pose: Pose, rng: Rng) -> None:
    colour = _bright(rng, 0.13, 0.14, 0.12, 0.15, 0.07, white=0.04)
    count, disc = int(rng.integers(14, 23)), rng.uniform(0.42, 0.56)
    for shade, end in ((0.78, 1.05), (1.0, 0.98)):
        _whorl(layer, pose, rng, count, shaded(colour, shade), disc * 0.8, end, 2.1 / count,
               form=(0.95, 0.8), cells=(12, 7), ridge=0.07, root=0.35)  # fmt: skip
    brown = hsv(rng.uniform(0.03, 0.1), rng.uniform(0.5, 0.8), rng.uniform(0.2, 0.42))
    heart = green(rng) * 0.8 if rng.uniform() < 0.4 else brown * 1.2
    edge = brown + np.array([0.3, 0.18, 0.02])
    _florets(layer, pose, rng, disc, 240, [heart, brown * 0.7, brown * 0.9, edge])


def _tulip(layer: Layer, pose: Pose, rng: Rng) -> None:
    colour = _bright(rng, 0.97, 0.93, 0.0, 0.13, 0.06, 0.8)
    base = _bright(rng, 0.13, 0.97, white=0.4) if rng.uniform() < 0.35 else colour * rng.uniform(0.75, 1)
    if rng.uniform() < 0.15:
        _open_tulip(layer, pose, rng, colour)
        return
    upright = pose.moved(0, 0, -np.pi / 2)
    openness = rng.uniform(0.1, 0.42)
    width = rng.uniform(0.36, 0.46)
    petals = [
        (-0.55, 1, 0.62),
        (0.6, 1, 0.66),
        (0.05, 1.04, 0.72),
        (-1, 0.97, 0.9),
        (1, 0.97, 0.86),
        (0.0, 0.92, 1),
    ]
    for side, length, shade in petals:
        petal = upright.moved(-0.75, side * 0.16, side * openness)
        form, bend = (0.78, 0.6), -side * 0.22
        blade(layer, petal, -0.02, 1.68 * length + 0.02, width + 0.03, shaded(base, 0.5),
              shaded(colour, 0.55), form=form, bend=bend, cells=(9, 2))  # fmt: skip
        blade(layer, petal, 0, 1.65 * length, width, shaded(base, shade), shaded(colour, shade),
              form=form, bend=bend, root=0.3, fold=0.13, ridge=0.05, rim=0.12, cells=(20, 15))  # fmt: skip


def _open_tulip(layer: Layer, pose: Pose, rng: Rng, colour: np.ndarray) -> None:
    """Paint a tulip in full sun, seen from above."""
    for shade, end in ((0.8, 1), (1, 0.9)):
        _whorl(layer, pose, rng, 3, shaded(colour, shade), 0.0, end, 0.46, form=(1.05, 0.6), cells=(18, 13),
               root=0.7, ridge=0.04, rim=-0.08)  # fmt: skip
    for k in range(6):
        layer.dot((0.22 * np.cos(k), 0.22 * np.sin(k)), 0.06, hsv(0.7, 0.4, 0.15), pose)
    layer.dot((0, 0), 0.1, hsv(0.2, 0.5, 0.75), pose)


@dataclass(frozen=True)
class _Kind:
    """How a kind grows: its head, and its leaves in head radii (form and teeth as in `blade`)."""

    head: Callable[[Layer, Pose, Rng], None]
    stem: float
    leaves: int
    length: float
    width: float
    form: tuple[float, float]
    teeth: float
    basal: bool
    tilt: float


_KINDS = {
    "daisy": _Kind(_daisy, 0.07, 4, 1.2, 0.16, (1.6, 0.7), 0.2, True, 0.9),
    "dandelion": _Kind(_dandelion, 0.08, 5, 2.2, 0.3, (1.4, 0.7), 0.6, True, 0.7),
    "roses": _Kind(_rose, 0.09, 5, 1.0, 0.33, (0.8, 0.7), 0.15, False, 0.6),
    "sunflowers": _Kind(_sunflower, 0.13, 3, 1.3, 0.5, (0.7, 0.7), 0.08, False, 0.7),
    "tulips": _Kind(_tulip, 0.11, 3, 2.6, 0.3, (0.8, 0.9), 0.0, True, 0.1),
}
CLASSES = tuple(_KINDS)


def _leaf(layer: Layer, kind: _Kind, rng: Rng, x: float, y: float, radius: float, turn: float) -> None:
    colour = green(rng) * rng.uniform(0.75, 1.05)
    pose = Pose.place(x, y, radius * rng.uniform(0.8, 1.2), turn)
    length, bend = kind.length, rng.normal(0, 0.15) * kind.length
    blade(layer, pose, 0, length, kind.width, colour * 0.75, colour, form=kind.form,
          teeth=kind.teeth, bend=bend, cells=(30, 12), veins=0.05, fold=0.14)  # fmt: skip
    t = np.linspace(0, 0.95, 9)
    layer.line(np.stack([length * t, bend * t**2], 1), 0.004, colour * 1.25, pose)


def _plant(layer: Layer, kind: _Kind, rng: Rng, x: float, y: float, radius: float) -> None:
    """Paint the stem from a head at (x, y) to below the picture, and the leaves on it or at its foot."""
    foot = np.array([x + rng.normal(0, 0.12), 1.1])
    colour = green(rng)
    bend = rng.normal(0, 0.06)
    if kind.basal:
        for _ in range(kind.leaves):
            _leaf(layer, kind, rng, foot[0], 1.02, radius, -np.pi / 2 + rng.normal(0, 0.5))
    stem(layer, (x, y), foot, max(0.008, kind.stem * radius), colour, bend)
    if not kind.basal:
        for k in range(kind.leaves):
            t = rng.uniform(0.15, 0.9)
            node_x, node_y = (x, y) + (foot - (x, y)) * t
            _leaf(layer, kind, rng, node_x, node_y, radius, rng.normal(0, 0.5) + np.pi * (k % 2))


def _places(rng: Rng, count: int) -> list[tuple[float, float]]:
    """Give centres of heads that keep away from each other, back to front."""
    places = [(rng.uniform(0.36, 0.64), rng.uniform(0.34, 0.58))] if count == 1 else []
    while len(places) < count:
        tries = rng.uniform((0.12, 0.18), (0.88, 0.72), (12, 2))
        gaps = [min([np.hypot(*(here - there)) for there in places], default=0) for here in tries]
        places.append(tuple(tries[int(np.argmax(gaps))]))
    return sorted(places, key=lambda place: place[1])


def _heads(rng: Rng, kind: _Kind, size: int, count: int, radius: float) -> tuple[Layer, Layer]:
    """Paint `count` flowers: a layer of stems and leaves, and one of heads."""
    plants, heads = Layer(size), Layer(size)
    from_above = rng.uniform() < 0.25 and kind.tilt > 0.5
    for x, y in _places(rng, count):
        r = radius * rng.uniform(0.85, 1.15)
        if from_above:
            for _ in range(kind.leaves + 1):
                _leaf(plants, kind, rng, x, y, r * 0.9, rng.uniform(0, 2 * np.pi))
        else:
            _plant(plants, kind, rng, x, y, r)
        turn = rng.normal(0, 0.2)
        toward = rng.uniform(0, 2 * np.pi) if from_above else np.pi / 2 + rng.normal(0, 0.4)
        kind.head(heads, Pose.place(x, y, r, turn, rng.uniform(0, kind.tilt), toward), rng)
    return plants, heads


def draw_flower(kind: str, seed: int, size: int = 224) -> np.ndarray:
    """Draw one picture of a kind of flower.

    Args:
        kind: one of `CLASSES`.
        seed: any natural number; the same seed gives the same picture.
        size: side in pixels.

    Returns:
        uint8 (size, size, 3), RGB.

    Raises:
        ValueError: no such kind.
    """
    if kind not in _KINDS:
        raise ValueError(f"unknown kind of flower {kind!r}; choose from {', '.join(CLASSES)}")
    rng = np.random.default_rng([seed, CLASSES.index(kind)])
    flower = _KINDS[kind]
    scene = background(rng, size)
    if rng.uniform() < 0.5:
        for layer in _heads(rng, flower, size, int(rng.integers(1, 4)), rng.uniform(0.06, 0.11)):
            scene = paste(scene, layer)
    scene = blur(scene, rng.uniform(0.003, 0.02))
    count = int(rng.choice([1, 2, 3, 5], p=[0.6, 0.2, 0.12, 0.08]))
    plants, heads = _heads(rng, flower, size, count, rng.uniform(0.24, 0.4) / count**0.45)
    offset = (rng.uniform(-0.04, 0.04), rng.uniform(0.01, 0.05))
    shadow = rng.uniform(0.2, 0.6)
    scene = paste(paste(scene, plants, shadow, offset), heads, shadow, offset)
    if rng.uniform() < 0.35:
        front = Layer(size)
        grass(front, rng, int(rng.integers(3, 12)), 1.08, rng.uniform(0.3, 0.6))
        scene = paste(scene, front, 0.3)
    return develop(scene, rng, size)
