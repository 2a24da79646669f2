"""What dishes are made of: slabs in layers, rolls, balls, rings, strands, leaves, sauces, eggs, shells.

Lengths are in plate radii, colours hexadecimal RGB; each function makes a part (see `view`).
"""

import numpy as np

from mbhelpers.data.drawing.brush import Layer, Rng, blade, shaded
from mbhelpers.data.drawing.food.view import Count, Outline, Part, View, number_of, tone


def _cells(layer: Layer, view: View, length: float) -> int:
    """How many cells along a body of some length: one for each five pixels or so."""
    pixels = length * layer.side * np.sqrt(abs(np.linalg.det(view.pose.matrix)))
    return int(np.clip(pixels / 10, 4, 16))


def disc(
    radius: float, aspect: float = 1.0, ragged: float = 0.0, start: float = 0.0, end: float = 2 * np.pi
) -> Outline:
    """Make an ellipse, a half-moon (`end` of pi), or a ragged blob."""

    def outline(rng: Rng) -> np.ndarray:
        angle = np.linspace(start, end, 25)
        size = radius * (1 + ragged * np.sin(angle * rng.integers(2, 5) + rng.uniform(0, 6)))
        size = size + radius * ragged * rng.normal(0, 0.3, 25) * (angle < end)
        return np.stack([np.cos(angle), aspect * np.sin(angle)], 1) * size[:, None]

    return outline


def corners(*points: tuple[float, float]) -> Outline:
    """Make a polygon, a little off its corners."""
    return lambda rng: np.array(points) * rng.uniform(0.93, 1.07, (1, 2))


def box(width: float, height: float) -> Outline:
    """Make a rectangle around the origin."""
    x, y = width / 2, height / 2
    return corners((-x, -y), (x, -y), (x, y), (-x, y))


def wedge(radius: float, angle: float = 0.75) -> Outline:
    """Make a slice of cake; its tip shows to the viewer's left."""
    arc = np.linspace(-angle / 2, angle / 2, 7)
    rim = np.stack([np.cos(arc), np.sin(arc)], 1) * radius - [radius / 2, 0]
    return corners((-radius / 2, 0), *((float(x), float(y)) for x, y in rim))


def slab(outline: Outline, *layers: tuple[str, float], dome: float = 0.0, on: Part | None = None) -> Part:
    """Make a body with straight or rounded sides.

    Args:
        outline: of its base.
        layers: (colour, thickness) from the bottom up.
        dome: 0 for straight sides, 1 for half a ball.
        on: what lies on it.
    """
    total = sum(thick for _, thick in layers)

    def paint(layer: Layer, view: View, rng: Rng) -> None:
        edge, up, colour = outline(rng), 0.0, np.zeros(3)
        layer.polygon(edge * 1.05, np.array([0, 0, 0, 0.25]), view.moved(0.02, 0.03).pose)
        for name, thick in layers:
            colour = tone(rng, name)
            steps = int(np.clip(thick * view.rise * layer.side / 2 + 1, 5 * thick / total if dome else 1, 9))
            for _ in range(steps):
                up += thick / steps
                part = np.sqrt(1.02 - dome * (up / total) ** 2)
                layer.polygon(edge * part, shaded(colour, 0.6 + (0.5 if dome else 0.22) * up / total),
                              view.moved(up=up).pose)  # fmt: skip
        if not dome:
            layer.polygon(edge, shaded(colour, 1.0), view.moved(up=total).pose)
            layer.polygon(edge * 0.8 - 0.015, shaded(colour, 1.06), view.moved(up=total).pose)
        if on:
            on(layer, view.moved(up=total), rng)

    return paint


def pool(colour: str, radius: float, ragged: float = 0.12, gloss: float = 0.1) -> Part:
    """Make a flat pool of sauce."""
    outline = disc(radius, ragged=ragged)

    def paint(layer: Layer, view: View, rng: Rng) -> None:
        edge, ink = outline(rng), tone(rng, colour)
        layer.polygon(edge, shaded(ink, 0.85), view.pose)
        layer.polygon(edge * 0.93, ink, view.pose)
        layer.polygon(edge * [0.35, 0.2] - radius * 0.35, np.append(np.clip(ink + 0.25, 0, 1), 4 * gloss), view.pose)

    return paint


def ball(radius: float, colour: str, rough: bool = False) -> Part:
    """Make a ball, lit from the upper left."""

    def paint(layer: Layer, view: View, rng: Rng) -> None:
        ink, size = tone(rng, colour), radius * rng.uniform(0.9, 1.1)
        view = view.moved(up=radius)
        layer.dot((0.02, 0.04), size * 1.05, shaded(ink, 0.35), view.pose)
        for part in (1.0, 0.82, 0.6, 0.35):
            shift = -0.3 * (1 - part) * size
            layer.dot((shift, shift), size * part, shaded(ink, 1.2 - 0.6 * part), view.pose)
        for x, y in rng.normal(0, 0.4, (9 if rough else 0, 2)) * size:
            layer.dot((x, y), size * 0.12, shaded(ink, rng.choice([0.45, 1.1])), view.pose)

    return paint


def roll(length: float, width: float, colour: str, end: str = "", ridges: int = 0, bend: float = 0.0) -> Part:
    """Make a cylinder that lies, its right end cut (`end`), with ridges across or scorched stripes."""

    def paint(layer: Layer, view: View, rng: Rng) -> None:
        cells = max(_cells(layer, view, length), min(2 * ridges, 30))
        t = np.linspace(-0.5, 0.5, cells + 1)
        spine = np.stack([t * length, (bend + rng.normal(0, 0.04)) * (4 * t * t - 1) * length / 2], 1)
        half = width * np.clip(1 - (2 * np.abs(t)) ** 8 * (0.2 if end else 0.7), 0.1, 1)
        light = np.array([0.62, 1.0, 1.1, 0.75])[None, :, None]
        if ridges:
            light = light * (1 + 0.22 * np.sign(np.sin(t[:-1] * np.pi * ridges)))[:, None, None]
        ink = tone(rng, colour)
        for up, shade in ((0.0, 0.35), (width * 0.4, 0.6)):
            layer.patch(spine, half, np.broadcast_to(shaded(ink, shade), (cells, 1, 3)), view.moved(up=up).pose)
        body = view.moved(up=width * 0.8)
        layer.patch(spine, half, shaded(ink, np.broadcast_to(light, (cells, 4, 1))), body.pose)
        if end:
            face = disc(width * 0.85, 1.0)(rng) * [0.5, 1]
            layer.polygon(face + spine[-1], tone(rng, end), body.pose)

    return paint


def ring(radius: float, thick: float, colour: str, glaze: str = "") -> Part:
    """Make a ring that lies, with a glaze on it."""

    def paint(layer: Layer, view: View, rng: Rng) -> None:
        cells = 2 * _cells(layer, view, 3 * radius)
        circle = np.linspace(0, 2 * np.pi, cells + 1)
        spine = np.stack([np.cos(circle), np.sin(circle) * rng.uniform(0.85, 1)], 1) * radius
        light = np.array([0.7, 1.1, 0.85, 0.6])[None, :, None]
        for ink, half, up in ((colour, thick, thick * 0.6), (glaze, thick * 0.75, thick))[: 1 + bool(glaze)]:
            shades = shaded(tone(rng, ink), np.broadcast_to(light, (cells, 4, 1)))
            layer.patch(spine, np.full(cells + 1, half), shades, view.moved(up=up).pose)

    return paint


def crescent(radius: float, width: float, colour: str, stripe: str = "", arc: float = 2.6) -> Part:
    """Make a curved body such as a shrimp, a dumpling or a pod, with stripes or pleats across."""

    def paint(layer: Layer, view: View, rng: Rng) -> None:
        cells = _cells(layer, view, arc * radius)
        t = np.linspace(-arc / 2, arc / 2, cells + 1)
        spine = np.stack([np.cos(t) - 0.6, np.sin(t)], 1) * radius
        half = width * np.clip(np.cos(t / arc * 2.7), 0.08, 1) ** 0.7
        light = np.array([0.75, 1.08, 0.7])[None, :, None]
        shades = np.array(shaded(tone(rng, colour), np.broadcast_to(light, (cells, 3, 1))))
        if stripe:
            shades[1::2] = tone(rng, stripe)
        layer.patch(spine + [0.01, 0.03], half * 1.05, shades[:, :1] * 0.45, view.pose)
        layer.patch(spine, half, shades, view.moved(up=width * 0.6).pose)

    return paint


def leaf(length: float, colour: str, width: float = 0.3) -> Part:
    """Make a leaf of salad or a herb."""

    def paint(layer: Layer, view: View, rng: Rng) -> None:
        ink = tone(rng, colour)
        reach, tip = length * rng.uniform(0.8, 1.2), np.clip(ink * 1.15, 0, 1)
        blade(layer, view.pose, 0, reach, length * width, ink * 0.75, tip,
              form=(1.1, 0.6), bend=rng.normal(0, 0.12) * length, cells=(5, 2), fold=0.16)  # fmt: skip

    return paint


def egg(radius: float, white: str = "f8f4ea", yolk: str = "f4b41e") -> Part:
    """Make a fried egg."""

    def paint(layer: Layer, view: View, rng: Rng) -> None:
        pool(white, radius, 0.16, 0.0)(layer, view, rng)
        x, y = rng.normal(0, 0.08 * radius, 2)
        slab(disc(radius * 0.42), (yolk, radius * 0.25), dome=0.8)(layer, view.moved(x, y), rng)

    return paint


def shell(length: float, outer: str, inner: str, meat: str) -> Part:
    """Make an open shell with meat in it."""
    t = np.linspace(0, 2 * np.pi, 21)
    drop = np.stack([np.cos(t), 0.55 * np.sin(t) * (1 - 0.35 * np.cos(t))], 1) * length / 2

    def paint(layer: Layer, view: View, rng: Rng) -> None:
        layer.polygon(drop * 1.06 + [0.01, 0.03], np.array([0, 0, 0, 0.3]), view.pose)
        for part, ink in ((1.0, outer), (0.86, inner), (0.7, inner)):
            layer.polygon(drop * part, shaded(tone(rng, ink), 1.1 - 0.25 * (part == 0.86)), view.pose)
        slab(disc(length * 0.24, 0.6, 0.12), (meat, length * 0.1), dome=0.8)(layer, view, rng)

    return paint


def strands(count: Count, radius: float, width: float, *colours: str, height: float = 0.3) -> Part:
    """Make a nest of noodles."""

    def paint(layer: Layer, view: View, rng: Rng) -> None:
        inks = [tone(rng, colour) for colour in colours]
        pool(colours[0], radius * 0.92, 0.1, 0)(layer, view, rng)
        number = number_of(rng, count)
        for k in range(number):
            r = radius * np.sqrt(rng.uniform()) * 0.75
            where, curl = rng.uniform(0, 2 * np.pi), radius * rng.uniform(0.25, 0.6)
            angle = rng.uniform(0, 2 * np.pi) + np.linspace(0, rng.uniform(1.5, 4), 12)
            path = np.stack([np.cos(angle), np.sin(angle)], 1) * curl * [1, rng.uniform(0.5, 1)]
            path = path * 0.6 + np.array([np.cos(where), np.sin(where)]) * r
            ink = inks[rng.integers(len(inks))] * (0.75 + 0.3 * k / number)
            up = height * (1 - (r / radius) ** 2) * k / number
            lifted = view.moved(up=up).pose
            scale = np.sqrt(abs(np.linalg.det(lifted.matrix)))
            layer.line(path + [0, 0.5 * width], width * scale * 1.5, shaded(ink, 0.5), lifted)
            layer.line(path, width * scale, np.clip(ink, 0, 1), lifted)

    return paint


def dots(count: Count, size: float, *colours: str, radius: float = 0.5) -> Part:
    """Scatter round bits: seeds, peas, sugar, pepper, herbs."""

    def paint(layer: Layer, view: View, rng: Rng) -> None:
        inks = [tone(rng, colour) for colour in colours]
        number = number_of(rng, count)
        angle, r = rng.uniform(0, 2 * np.pi, number), radius * np.sqrt(rng.uniform(size=number))
        for x, y, k in zip(r * np.cos(angle), r * np.sin(angle), rng.integers(len(inks), size=number), strict=True):
            layer.dot((x, y + 0.3 * size), size, shaded(inks[k], 0.45), view.pose)
            layer.dot((x, y), size * rng.uniform(0.7, 1), inks[k] * rng.uniform(0.9, 1.05), view.pose)

    return paint


def drizzle(colour: str, width: float = 0.03, radius: float = 0.5, turns: int = 5) -> Part:
    """Run a sauce in a zigzag."""

    def paint(layer: Layer, view: View, rng: Rng) -> None:
        x = np.linspace(-radius, radius, 2 * turns + 1)
        half = np.sqrt(np.maximum(radius**2 - x**2, 0.02)) * np.where(np.arange(len(x)) % 2, 1, -1)
        path = np.stack([x, half], 1) + rng.normal(0, 0.03, (len(x), 2))
        turned = view.moved(turn=rng.uniform(0, 3))
        layer.line(path, width * np.sqrt(abs(np.linalg.det(view.pose.matrix))), tone(rng, colour), turned.pose)

    return paint


def stripes(colour: str, count: int, length: float, gap: float, cross: bool = False) -> Part:
    """Brand grill marks, or with `cross` a lattice."""

    def paint(layer: Layer, view: View, rng: Rng) -> None:
        ink = tone(rng, colour)
        for turn in (0.0, np.pi / 2)[: 1 + cross]:
            frame = view.moved(turn=turn)
            for y in (np.arange(count) - (count - 1) / 2) * gap:
                half = length / 2 * np.sqrt(max(1 - (2.0 * y / (count * gap)) ** 2, 0.15)) if not cross else length / 2
                layer.line(
                    [[-half, y], [half, y]], 0.03 * np.sqrt(abs(np.linalg.det(view.pose.matrix))), ink, frame.pose
                )

    return paint
