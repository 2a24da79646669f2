"""What food comes in: plates, boards, bowls, pans, baskets; each gives the frame of what lies in it."""

from collections.abc import Callable

import numpy as np

from mbhelpers.data.drawing.brush import Layer, Rng, hsv, shaded
from mbhelpers.data.drawing.food.parts import disc, slab
from mbhelpers.data.drawing.food.view import View, tone


def shadow(layer: Layer, view: View, rng: Rng) -> None:
    """Darken the table under and beside the dish, softly."""
    x, y = rng.normal((0.03, 0.06), 0.03)
    for part in np.linspace(1.12, 0.96, 6):
        layer.polygon(_circle() * part + [x, y], np.array([0, 0, 0, 0.1]), view.pose)


def place_beside(layer: Layer, view: View, rng: Rng) -> None:
    """Put a napkin, cutlery, or another dish on the table, partly under the dish or out of the picture."""
    angle, colour, style = rng.uniform(0, 2 * np.pi), _china(rng), rng.integers(3)
    far = rng.uniform(0.9, 1.5)
    place = view.moved(far * np.cos(angle), far * np.sin(angle), rng.uniform(0, 2 * np.pi))
    if style == 0:
        napkin = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * rng.uniform(0.3, 0.7, 2)
        layer.polygon(napkin, colour, place.pose)
        layer.polygon(napkin * [0.5, 0.92], shaded(colour, 0.92), place.pose)
    elif style == 1:
        steel = np.full(3, rng.uniform(0.55, 0.85))
        width = 0.05 * np.sqrt(abs(np.linalg.det(place.pose.matrix)))
        layer.line([[-0.7, 0], [0.3, 0]], width, steel, place.pose)
        layer.polygon(_circle(0.35) * 0.28 + [0.5, 0], steel, place.pose)
    else:
        small = place.moved(scale=rng.uniform(0.35, 0.6))
        shadow(layer, small, rng)
        _dish(layer, small, _circle(), colour)
        layer.polygon(_circle() * 0.7, hsv(rng.uniform(), rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.9)), small.pose)


def _china(rng: Rng) -> np.ndarray:
    """Give the colour of a plate: mostly white."""
    if rng.uniform() < 0.72:
        return hsv(rng.uniform(0.05, 0.6), rng.uniform(0, 0.08), rng.uniform(0.86, 0.98))
    return hsv(rng.uniform(), rng.uniform(0.15, 0.6), rng.uniform(0.25, 0.85))


def _circle(aspect: float = 1.0) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 49)
    return np.stack([np.cos(angle), aspect * np.sin(angle)], 1)


def _dish(layer: Layer, view: View, edge: np.ndarray, china: np.ndarray) -> View:
    """Paint a flat dish with a rim, of any outline."""
    layer.polygon(edge * 1.01, shaded(china, 0.55), view.moved(y=0.02).pose)
    for part, light in ((1.0, 1.0), (0.97, 1.04), (0.76, 0.86), (0.74, 0.97)):
        layer.polygon(edge * part, np.clip(shaded(china, light), 0, 1), view.pose)
    return view.moved(scale=0.9)


def _plate(layer: Layer, view: View, rng: Rng) -> View:
    return _dish(layer, view, _circle(rng.uniform(0.9, 1)), _china(rng))


def _long_plate(layer: Layer, view: View, rng: Rng) -> View:
    """A rounded rectangle."""
    edge = _circle()
    edge = np.sign(edge) * np.abs(edge) ** 0.35 * [1.05, rng.uniform(0.6, 0.75)]
    return _dish(layer, view, edge, _china(rng))


def _board(layer: Layer, view: View, rng: Rng) -> View:
    edge = np.sign(_circle()) * np.abs(_circle()) ** 0.25 * [1.08, rng.uniform(0.7, 0.85)]
    wood = hsv(rng.uniform(0.06, 0.1), rng.uniform(0.4, 0.6), rng.uniform(0.45, 0.75))
    for up, light in ((0.0, 0.45), (0.04, 0.6), (0.08, 1.0)):
        layer.polygon(edge, shaded(wood, light), view.moved(up=up).pose)
    for y in rng.uniform(-0.6, 0.6, 9):
        path = np.stack([np.linspace(-1, 1, 9), y + 0.02 * np.sin(np.arange(9))], 1)
        layer.line(path, 0.004, shaded(wood, rng.uniform(0.75, 0.9)), view.moved(up=0.08).pose)
    return view.moved(up=0.08, scale=0.9)


def _vessel(colour: Callable[[Rng], np.ndarray], depth: float, foot: float = 0.55) -> Callable[..., View]:
    """Make a bowl, a dish or a pan: its wall widens from `foot` to 1, food lies a little below the rim."""

    def paint(layer: Layer, view: View, rng: Rng) -> View:
        china, edge = colour(rng), _circle()
        for t in np.linspace(0, 1, 12):
            part = foot + (1 - foot) * t**0.6
            layer.polygon(edge * part, shaded(china, 0.5 + 0.35 * t), view.moved(up=depth * t).pose)
        top = view.moved(up=depth)
        layer.polygon(edge, np.clip(china * 1.05, 0, 1), top.pose)
        layer.polygon(edge * 0.93, shaded(china, 0.62), top.pose)
        layer.polygon(edge * 0.86, shaded(china, 0.8), view.moved(up=depth * 0.8).pose)
        return view.moved(up=depth * 0.8, scale=0.86)

    return paint


def _glass(layer: Layer, view: View, rng: Rng) -> View:
    """A tumbler on a saucer; the recipe fills it."""
    saucer = _plate(layer, view, rng)
    return saucer.moved(scale=0.8)


def _paper(layer: Layer, view: View, rng: Rng) -> View:
    """A basket lined with crumpled paper, plain or checked."""
    weave = hsv(rng.uniform(0, 0.12), rng.uniform(0.4, 0.9), rng.uniform(0.4, 0.8))
    inner = _vessel(lambda _: weave, 0.25, 0.75)(layer, view, rng)
    edge = disc(1.12, 1.0, 0.06)(rng)
    edge = edge * (1 + 0.12 * (np.arange(25) % 2))[:, None]
    layer.polygon(edge, hsv(0.1, rng.uniform(0.02, 0.3), 0.93), inner.pose)
    layer.polygon(edge * 0.8, hsv(0.1, rng.uniform(0.02, 0.3), 0.84), inner.pose)
    return inner


def _steamer(layer: Layer, view: View, rng: Rng) -> View:
    bamboo = tone(rng, "c99a58")
    inner = _vessel(lambda _: bamboo, 0.35, 0.98)(layer, view, rng)
    for y in np.linspace(-0.85, 0.85, 12):
        half = np.sqrt(1 - y * y)
        layer.line([[-half, y], [half, y]], 0.006, shaded(bamboo, 0.6), inner.pose)
    return inner


def _pan(layer: Layer, view: View, rng: Rng) -> View:
    iron = np.full(3, rng.uniform(0.1, 0.22))
    slab(lambda _: np.array([[0.9, -0.1], [1.7, -0.08], [1.7, 0.08], [0.9, 0.1]]), ("222222", 0.08))(layer, view, rng)
    return _vessel(lambda _: iron, 0.15, 0.85)(layer, view, rng)


CONTAINERS: dict[str, Callable[[Layer, View, Rng], View]] = {
    "plate": _plate,
    "long plate": _long_plate,
    "board": _board,
    "bowl": _vessel(_china, 0.5),
    "dark bowl": _vessel(lambda rng: np.full(3, rng.uniform(0.1, 0.25)) + rng.normal(0, 0.02, 3), 0.45),
    "brown bowl": _vessel(lambda rng: tone(rng, "7a4a28"), 0.6, 0.7),
    "ramekin": _vessel(_china, 0.3, 0.92),
    "glass": _glass,
    "basket": _paper,
    "steamer": _steamer,
    "pan": _pan,
}
"""How food comes to the table; each paints its vessel and gives the frame of what lies in it."""
