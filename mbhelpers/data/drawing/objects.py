"""Things of streets, parks and beaches: vehicles, animals, signs and what people play with.

Every painter draws one thing at life size, in metres, that stands on (0, 0) of its frame and looks to the right.
"""

import numpy as np

from mbhelpers.data.drawing.brush import Layer, Pose, Rng, any_colour, blade, hsv, shaded
from mbhelpers.data.drawing.solids import Painter, ball, box, disc, rounded, stroke, tube, turned, wheel

_GLASS = np.array([0.55, 0.68, 0.76])
_METAL = np.array([0.62, 0.64, 0.66])


def _paint(rng: Rng) -> np.ndarray:
    """Give a colour of lacquer or plastic: strong, or white, or black."""
    kind = rng.uniform()
    if kind < 0.6:
        return hsv(rng.uniform(), rng.uniform(0.6, 0.95), rng.uniform(0.5, 0.95))
    return np.full(3, rng.uniform(0.85, 0.95) if kind < 0.8 else rng.uniform(0.12, 0.4))


def _car(layer: Layer, pose: Pose, rng: Rng) -> None:
    colour = _paint(rng)
    roof = -rng.uniform(1.38, 1.6)
    cabin = np.array([[-1.7, -0.85], [-1.15, roof], [0.35, roof], [1.05, -0.85]])
    layer.polygon(cabin, shaded(colour, 0.9), pose)
    pane = cabin * [0.9, 1] + [-0.03, 0.07]
    layer.polygon(pane, _GLASS * 0.75, pose)
    layer.polygon(pane * [0.98, 1] + [0.05, 0.03], _GLASS, pose)
    layer.polygon(box(-0.42, roof, -0.32, -0.85), shaded(colour, 0.85), pose)
    body = np.array([[-2.1, -0.35], [-2.08, -0.9], [-1.5, -0.98], [1.1, -0.92], [1.95, -0.75], [2.1, -0.35]])
    layer.polygon(body, colour, pose)
    layer.polygon(box(-2.1, -0.45, 2.1, -0.26), shaded(colour, 0.62), pose)
    layer.polygon(box(-2.0, -0.86, 1.3, -0.82), np.clip(colour * 1.25 + 0.08, 0, 1), pose)
    layer.polygon(disc(0.12, 0.1) + [1.95, -0.62], np.array([1, 0.97, 0.8]), pose)
    layer.polygon(box(-2.1, -0.75, -1.98, -0.58), np.array([0.8, 0.12, 0.1]), pose)
    stroke(layer, [[-0.37, -0.84], [-0.37, -0.45]], 0.02, colour * 0.5, pose)
    for x in (-1.3, 1.3):
        layer.polygon(disc(0.41, 0.41) + [x, -0.34], colour * 0.35, pose)
        wheel(layer, (x, -0.33), 0.33, pose)


def _bus(layer: Layer, pose: Pose, rng: Rng) -> None:
    colour, band = _paint(rng), _paint(rng)
    layer.polygon(rounded(-5, -3.05, 5, -0.35, 0.25), colour, pose)
    layer.polygon(box(-5, -0.75, 5, -0.4), shaded(band, 0.8), pose)
    layer.polygon(box(-4.9, -3.0, 4.9, -2.85), np.clip(colour * 1.2 + 0.1, 0, 1), pose)
    for x in np.arange(-4.7, 3.4, 1.35):
        layer.polygon(rounded(x, -2.55, x + 1.15, -1.5, 0.1), _GLASS * 0.65, pose)
        layer.polygon([[x + 0.1, -2.5], [x + 0.6, -2.5], [x + 0.25, -1.55], [x + 0.1, -1.55]], _GLASS, pose)
    layer.polygon(rounded(3.5, -2.6, 4.3, -0.5, 0.08), _GLASS * 0.7, pose)
    layer.polygon(rounded(4.45, -2.6, 4.98, -1.3, 0.1), _GLASS, pose)
    for x in (-3.2, 2.7):
        wheel(layer, (x, -0.48), 0.48, pose)


def _truck(layer: Layer, pose: Pose, rng: Rng) -> None:
    colour, load = _paint(rng), _paint(rng)
    layer.polygon(box(-3.6, -0.9, 3, -0.5), np.full(3, 0.2), pose)
    layer.polygon(box(-3.6, -3.1, 1.4, -0.8), load, pose)
    layer.polygon(box(-3.6, -3.1, 1.4, -2.9), np.clip(load * 1.2 + 0.06, 0, 1), pose)
    for x in np.linspace(-3.1, 0.9, 7):
        stroke(layer, [[x, -2.9], [x, -0.85]], 0.03, load * 0.75, pose)
    layer.polygon([[1.6, -0.5], [1.6, -2.6], [2.7, -2.6], [3.2, -1.6], [3.3, -0.5]], colour, pose)
    layer.polygon([[1.9, -1.6], [1.9, -2.4], [2.6, -2.4], [3.0, -1.6]], _GLASS, pose)
    for x in (-2.7, -1.7, 2.4):
        wheel(layer, (x, -0.48), 0.48, pose)


def _bicycle(layer: Layer, pose: Pose, rng: Rng) -> None:
    colour, dark = _paint(rng), np.full(3, 0.12)
    for x in (-0.52, 0.52):
        rim = disc(0.33, 0.33) + [x, -0.34]
        for spoke in np.linspace(0, np.pi, 5)[:-1]:
            reach = 0.31 * np.array([np.cos(spoke), np.sin(spoke)])
            stroke(layer, np.stack([-reach, reach]) + [x, -0.34], 0.008, _METAL, pose)
        stroke(layer, rim, 0.045, dark, pose)
    pedals, seat, head, hub = [-0.08, -0.3], [-0.2, -0.78], [0.36, -0.8], [-0.52, -0.34]
    for path in ([pedals, seat, head, pedals], [pedals, hub, seat]):
        stroke(layer, path, 0.045, colour, pose)
    stroke(layer, [[0.52, -0.34], head, [0.33, -0.98], [0.45, -1.02]], 0.04, colour * 0.8, pose)
    stroke(layer, [seat, [-0.22, -0.88]], 0.035, dark, pose)
    layer.polygon(disc(0.15, 0.045) + [-0.22, -0.91], dark, pose)
    stroke(layer, [[-0.18, -0.3], [0.04, -0.28]], 0.04, dark, pose)
    layer.dot(pedals, 0.075, _METAL * 0.7, pose)


def _motorcycle(layer: Layer, pose: Pose, rng: Rng) -> None:
    colour, dark = _paint(rng), np.full(3, 0.13)
    for x in (-0.68, 0.72):
        wheel(layer, (x, -0.32), 0.32, pose)
    tube(layer, (0.72, -0.32), (0.42, -0.95), (0.04, 0.04), _METAL, pose)
    layer.polygon([[-0.35, -0.25], [0.3, -0.22], [0.38, -0.6], [-0.4, -0.6]], _METAL * 0.6, pose)
    stroke(layer, [[-0.95, -0.3], [-0.2, -0.26]], 0.09, _METAL, pose)
    ball(layer, (0.18, -0.74), (0.33, 0.16), colour, pose)
    layer.polygon([[-0.95, -0.8], [-0.15, -0.72], [-0.1, -0.6], [-0.85, -0.58]], dark, pose)
    layer.polygon([[-1.0, -0.72], [-0.4, -0.62], [-0.45, -0.5], [-0.9, -0.5]], colour, pose)
    stroke(layer, [[0.42, -0.95], [0.3, -1.08], [0.15, -1.08]], 0.05, dark, pose)
    ball(layer, (0.55, -0.88), (0.1, 0.1), np.array([1, 0.95, 0.75]), pose)


def _boat(layer: Layer, pose: Pose, rng: Rng) -> None:
    hull, sail = _paint(rng), hsv(rng.uniform(0, 0.2), rng.uniform(0, 0.35), rng.uniform(0.85, 1))
    if rng.uniform() < 0.65:
        stroke(layer, [[0.1, -0.5], [0.1, -6.2]], 0.1, np.array([0.35, 0.25, 0.18]), pose)
        layer.polygon([[0.0, -1.0], [0.0, -6.0], [-2.2, -1.0]], sail, pose)
        layer.polygon([[0.0, -1.0], [0.0, -6.0], [-0.8, -1.0]], sail * 0.88, pose)
        layer.polygon([[0.25, -1.0], [0.2, -5.2], [2.2, -1.0]], shaded(_paint(rng), 1.0), pose)
    else:
        layer.polygon(rounded(-1.3, -1.9, 0.7, -0.6, 0.15), np.full(3, 0.9), pose)
        for x in (-1.0, -0.3):
            layer.polygon(rounded(x, -1.65, x + 0.5, -1.15, 0.08), _GLASS * 0.5, pose)
    layer.polygon([[-2.5, -0.75], [2.9, -0.95], [2.0, 0.05], [-2.1, 0.05]], hull, pose)
    layer.polygon([[-2.5, -0.75], [2.9, -0.95], [2.75, -0.75], [-2.45, -0.58]], np.full(3, 0.95), pose)
    layer.polygon([[-2.2, -0.12], [2.2, -0.12], [2.0, 0.05], [-2.1, 0.05]], hull * 0.5, pose)


def _airplane(layer: Layer, pose: Pose, rng: Rng) -> None:
    body, mark = np.full(3, rng.uniform(0.85, 0.98)), _paint(rng)
    layer.polygon([[-9, -0.6], [-11.5, -4.0], [-10.0, -4.0], [-6.5, -0.8]], mark, pose)
    layer.polygon([[-1, -0.2], [-5.5, -3.2], [-4.4, -3.2], [2.2, -0.4]], body * 0.75, pose)
    blade(layer, pose, -11, 11, 1.25, body * 0.9, body, form=(1.1, 0.35), cells=(14, 7), fold=-0.22)
    for x in np.arange(-7, 7.5, 1.1):
        layer.dot((x, -0.2), 0.22, _GLASS * 0.4, pose)
    layer.polygon([[9.2, -0.55], [10.2, -0.3], [9, -0.2]], _GLASS * 0.4, pose)
    layer.polygon([[-0.5, 0.3], [-6.5, 3.6], [-5, 3.6], [3, 0.4]], body * 0.8, pose)
    ball(layer, (-0.6, 1.7), (1.2, 0.5), mark, pose)


def _traffic_light(layer: Layer, pose: Pose, rng: Rng) -> None:
    tube(layer, (0, 0), (0, -2.3), (0.07, 0.06), _METAL * 0.55, pose)
    case = hsv(0.12, 0.85, 0.8) if rng.uniform() < 0.4 else np.full(3, 0.14)
    layer.polygon(rounded(-0.24, -3.3, 0.24, -2.2, 0.08), case, pose)
    lit = rng.integers(3)
    for k, colour in enumerate(((0.95, 0.12, 0.1), (1, 0.75, 0.1), (0.15, 0.9, 0.4))):
        centre = np.array([0, -3.07 + 0.32 * k])
        layer.dot(centre, 0.145, case * 0.5, pose)
        layer.dot(centre, 0.125, np.array(colour) * (1 if k == lit else 0.3), pose)
        if k == lit:
            layer.dot(centre - 0.03, 0.05, np.clip(np.array(colour) + 0.5, 0, 1), pose)


def _stop_sign(layer: Layer, pose: Pose, rng: Rng) -> None:
    tube(layer, (0, 0), (0, -2.0), (0.035, 0.035), _METAL, pose)
    angle = np.arange(8) * np.pi / 4 + np.pi / 8
    edge = np.stack([np.cos(angle), np.sin(angle)], 1)
    for part, colour in ((0.42, (0.96, 0.96, 0.96)), (0.385, (0.78, 0.08, 0.1))):
        layer.polygon(edge * part + [0, -2.1], np.array(colour), pose)
    white = np.full(3, 0.97)  # the four letters, in strokes
    letters = ([[0.5, 0.1], [0, 0.1], [0, 0.5], [0.5, 0.5], [0.5, 0.9], [0, 0.9]], [[0, 0.1], [0.6, 0.1], [0.3, 0.1],
               [0.3, 0.9]], [[0, 0.1], [0.5, 0.1], [0.5, 0.9], [0, 0.9], [0, 0.1]],
               [[0, 0.9], [0, 0.1], [0.5, 0.1], [0.5, 0.5], [0, 0.5]])  # fmt: skip
    for k, letter in enumerate(letters):
        stroke(layer, np.array(letter) * [0.22, 0.24] + [-0.3 + 0.16 * k, -2.22], 0.03, white, pose)


def _hydrant(layer: Layer, pose: Pose, rng: Rng) -> None:
    colour = hsv(rng.choice([0.0, 0.13, 0.6]), 0.85, rng.uniform(0.65, 0.9))
    turned(layer, [[0, 0.2], [0.08, 0.2], [0.1, 0.13], [0.5, 0.13], [0.52, 0.18], [0.58, 0.18], [0.6, 0.14],
                   [0.72, 0.09], [0.75, 0.04], [0.82, 0.04]], colour, pose)  # fmt: skip
    for side in (-1, 1):
        tube(layer, (side * 0.1, -0.42), (side * 0.2, -0.42), (0.06, 0.06), shaded(colour, 0.8), pose)
    layer.dot((0, -0.36), 0.085, shaded(colour, 0.75), pose)
    layer.dot((0, -0.36), 0.05, _METAL, pose)


def _bench(layer: Layer, pose: Pose, rng: Rng) -> None:
    wood = hsv(rng.uniform(0.05, 0.1), rng.uniform(0.4, 0.7), rng.uniform(0.4, 0.7))
    for x in (-0.75, 0.75):
        tube(layer, (x, 0), (x, -0.85), (0.03, 0.03), np.full(3, 0.18), pose)
        tube(layer, (x * 1.05, 0.06), (x * 1.05, -0.4), (0.03, 0.03), np.full(3, 0.2), pose)
    for top in (-0.87, -0.72, -0.57):
        layer.polygon(box(-0.9, top, 0.9, top + 0.1), shaded(wood, 1 + 0.2 * (top + 0.7)), pose)
    for k, top in enumerate((-0.45, -0.39, -0.33)):
        layer.polygon(box(-0.92 - 0.02 * k, top, 0.92 + 0.02 * k, top + 0.045), shaded(wood, 1.12 - 0.08 * k), pose)


def _umbrella(layer: Layer, pose: Pose, rng: Rng) -> None:
    colours = [_paint(rng), _paint(rng)] if rng.uniform() < 0.6 else [_paint(rng)] * 2
    stroke(layer, [[0.0, 0.0], [0, -0.95]], 0.025, np.full(3, 0.15), pose)
    ribs = np.linspace(-1, 1, 7)
    for k in range(6):
        a, b = ribs[k], ribs[k + 1]
        u = np.linspace(0, 1, 9)
        left = np.stack([0.62 * np.sin(a * np.pi / 2) * u, -1.0 + 0.45 * u**2 * (0.75 + 0.25 * a * a)], 1)
        right = np.stack([0.62 * np.sin(b * np.pi / 2) * u, -1.0 + 0.45 * u**2 * (0.75 + 0.25 * b * b)], 1)
        sag = (left[-1] + right[-1]) / 2 - [0, 0.045]
        gain = 1.1 - 0.35 * abs((a + b) / 2 + 0.3)
        layer.polygon(np.vstack([left, sag, right[::-1]]), shaded(colours[k % 2], gain), pose)
    stroke(layer, [[0, -1.0], [0, -1.07]], 0.02, np.full(3, 0.15), pose)


def _kite(layer: Layer, pose: Pose, rng: Rng) -> None:
    a, b = _paint(rng), _paint(rng)
    frame = pose.moved(0, 0, rng.normal(0, 0.4))
    layer.polygon([[0, -0.9], [0.55, -0.2], [0, 0.8], [-0.55, -0.2]], a, frame)
    layer.polygon([[0, -0.9], [0.55, -0.2], [0, -0.2]], b, frame)
    layer.polygon([[0, 0.8], [-0.55, -0.2], [0, -0.2]], shaded(b, 0.85), frame)
    t = np.linspace(0, 1, 16)
    tail = np.stack([0.25 * np.sin(t * 9) * t, 0.8 + 1.5 * t], 1)
    stroke(layer, tail, 0.05, a * 0.8, frame)
    for x, y in tail[4::4]:
        layer.polygon([[x - 0.16, y - 0.1], [x + 0.16, y + 0.1], [x + 0.16, y - 0.1], [x - 0.16, y + 0.1]], b, frame)


def _sports_ball(layer: Layer, pose: Pose, rng: Rng) -> None:
    kind = rng.integers(3)
    base = [np.full(3, 0.95), hsv(0.06, 0.8, 0.85), hsv(0.19, 0.65, 0.9)][kind]
    ball(layer, (0, -0.12), (0.12, 0.12), base, pose)
    if kind == 0:
        for angle in np.arange(5) * 2 * np.pi / 5 + 0.3:
            spot = disc(0.028, 0.028, 6) + [0.085 * np.cos(angle), -0.12 + 0.085 * np.sin(angle)]
            layer.polygon(spot, np.full(3, 0.1), pose)
        layer.polygon(disc(0.036, 0.036, 6) + [0, -0.12], np.full(3, 0.1), pose)
    else:
        seam = np.linspace(-1, 1, 9)
        for way in (-1, 1):
            arc = np.stack([0.118 * seam, -0.12 + way * 0.06 * (1 - seam**2) * 1.2], 1)
            stroke(layer, arc, 0.012, base * 0.3 if kind == 1 else np.ones(3), pose)


def _frisbee(layer: Layer, pose: Pose, rng: Rng) -> None:
    colour = _paint(rng)
    frame = pose.moved(0, 0, rng.normal(0, 0.3))
    for part, gain in ((1, 0.7), (0.88, 1.0), (0.6, 0.85), (0.52, 1.08)):
        layer.polygon(disc(0.16 * part, 0.06 * part) + [0, -0.01 * part], shaded(colour, gain), frame)


def _surfboard(layer: Layer, pose: Pose, rng: Rng) -> None:
    colour = any_colour(rng)
    frame = pose.moved(0, 0, -np.pi / 2 + rng.normal(0, 0.08))
    blade(layer, frame, 0, 2.1, 0.28, colour, colour, form=(0.9, 0.6), cells=(12, 6), rim=-0.2, root=0.1)
    stroke(layer, [[0.08, 0], [2.0, 0]], 0.03, np.full(3, 0.95), frame)
    stroke(layer, [[0.5, -0.24], [0.75, 0.27]], 0.07, _paint(rng), frame)


OUTDOOR: dict[str, Painter] = {
    "airplane": _airplane,
    "bench": _bench,
    "bicycle": _bicycle,
    "boat": _boat,
    "bus": _bus,
    "car": _car,
    "fire hydrant": _hydrant,
    "frisbee": _frisbee,
    "kite": _kite,
    "motorcycle": _motorcycle,
    "sports ball": _sports_ball,
    "stop sign": _stop_sign,
    "surfboard": _surfboard,
    "traffic light": _traffic_light,
    "truck": _truck,
    "umbrella": _umbrella,
}
"""COCO category to what draws it."""
