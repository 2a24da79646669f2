"""Things of rooms and tables: furniture, dishes, food, appliances.

Every painter draws one thing at life size, in metres, that stands on (0, 0) of its frame.
"""

import numpy as np

from mbhelpers.data.drawing.brush import Layer, Pose, Rng, any_colour, blade, green, hsv, shaded
from mbhelpers.data.drawing.solids import Painter, ball, box, disc, rounded, stroke, tube, turned


def _wood(rng: Rng) -> np.ndarray:
    return hsv(rng.uniform(0.05, 0.1), rng.uniform(0.35, 0.7), rng.uniform(0.3, 0.75))


def _bottle(layer: Layer, pose: Pose, rng: Rng) -> None:
    colour = hsv(rng.choice([0.3, 0.08, 0.55, 0.97]), rng.uniform(0.4, 0.8), rng.uniform(0.3, 0.8))
    turned(layer, [[0, 0.036], [0.01, 0.039], [0.17, 0.039], [0.2, 0.03], [0.225, 0.014], [0.27, 0.013]], colour, pose)
    label = np.broadcast_to(any_colour(rng) * np.array([0.8, 1.05, 1, 0.75])[:, None], (1, 4, 3))
    layer.patch(np.array([[0, -0.06], [0, -0.13]]), np.full(2, 0.039), label, pose)
    turned(layer, [[0.262, 0.015], [0.285, 0.015]], any_colour(rng), pose)
    stroke(layer, [[-0.024, -0.15], [-0.024, -0.175]], 0.006, np.full(3, 0.95), pose)


def _wine_glass(layer: Layer, pose: Pose, rng: Rng) -> None:
    glass, wine = np.array([0.8, 0.86, 0.88]), hsv(rng.choice([0.98, 0.13]), rng.uniform(0.5, 0.9), 0.6)
    turned(layer, [[0, 0.034], [0.006, 0.03], [0.012, 0.005], [0.09, 0.004], [0.1, 0.012]], glass * 0.9, pose)
    turned(layer, [[0.098, 0.012], [0.12, 0.034], [0.15, 0.038], [0.205, 0.03]], glass, pose)
    turned(layer, [[0.1, 0.012], [0.12, 0.031], [0.15, 0.035]], wine, pose)
    layer.polygon(disc(0.03, 0.006) + [0, -0.205], glass * 0.85, pose)
    stroke(layer, [[-0.022, -0.12], [-0.024, -0.18]], 0.005, np.ones(3), pose)


def _cup(layer: Layer, pose: Pose, rng: Rng) -> None:
    colour = any_colour(rng)
    stroke(layer, disc(0.026, 0.03) + [0.046, -0.052], 0.011, shaded(colour, 0.75), pose)
    turned(layer, [[0, 0.032], [0.02, 0.038], [0.1, 0.042]], colour, pose)
    layer.polygon(disc(0.042, 0.012) + [0, -0.1], shaded(colour, 1.1), pose)
    layer.polygon(disc(0.037, 0.009) + [0, -0.099], hsv(0.07, 0.7, 0.25), pose)


def _bowl(layer: Layer, pose: Pose, rng: Rng) -> None:
    colour = any_colour(rng)
    turned(layer, [[0, 0.045], [0.01, 0.045], [0.03, 0.085], [0.08, 0.115]], colour, pose)
    layer.polygon(disc(0.115, 0.03) + [0, -0.08], shaded(colour, 0.7), pose)
    fill = hsv(rng.uniform(0, 0.33), 0.6, 0.8)
    for x, y in rng.uniform(-1, 1, (14, 2)) * [0.075, 0.012]:
        layer.dot((x, y - 0.082), 0.02, shaded(fill, rng.uniform(0.7, 1.1)), pose)


def _fruit(hue: float, value: float) -> Painter:
    def paint(layer: Layer, pose: Pose, rng: Rng) -> None:
        colour = hsv(rng.choice([hue, hue + 0.03]), 0.85, value)
        ball(layer, (0, -0.04), (0.042, 0.04), colour, pose)
        if hue < 0.05:  # an apple, with stalk and leaf
            stroke(layer, [[0, -0.074], [0.006, -0.095]], 0.005, np.array([0.3, 0.2, 0.1]), pose)
            blade(layer, pose.moved(0.004, -0.088, -0.4), 0, 0.035, 0.009, green(rng), green(rng))
        else:
            layer.dot((0.004, -0.07), 0.006, colour * 0.5, pose)

    return paint


def _banana(layer: Layer, pose: Pose, rng: Rng) -> None:
    t = np.linspace(-1, 1, 10)
    spine = np.stack([0.095 * t, -0.022 - 0.05 * t**2], 1)
    half = 0.02 * (1 - np.abs(t) ** 5 * 0.85)
    colour = hsv(rng.uniform(0.13, 0.16), 0.8, 0.95)
    light = np.array([0.7, 0.95, 1.1, 0.85])[::-1][None, :, None]
    layer.patch(spine, half, np.broadcast_to(shaded(colour, light), (9, 4, 3)), pose)
    for end in (0, -1):
        layer.dot(spine[end], 0.007, np.array([0.3, 0.22, 0.1]), pose)


def _pizza(layer: Layer, pose: Pose, rng: Rng) -> None:
    flat = 0.45  # seen aslant
    layer.polygon(disc(0.185, 0.185 * flat) + [0, -0.05], np.full(3, 0.9), pose)
    for part, colour in ((1, hsv(0.08, 0.65, 0.6)), (0.94, hsv(0.09, 0.6, 0.8)), (0.84, hsv(0.02, 0.8, 0.7)),
                         (0.8, hsv(0.12, 0.6, 0.95))):  # fmt: skip
        layer.polygon(disc(0.165 * part, 0.165 * part * flat) + [0, -0.06], colour, pose)
    topping = [hsv(0.99, 0.75, 0.7), hsv(0.3, 0.7, 0.4), np.full(3, 0.12)]
    for k in range(26):
        r, angle = 0.125 * np.sqrt(rng.uniform()), rng.uniform(0, 2 * np.pi)
        size = rng.uniform(0.012, 0.022) if k % 3 == 0 else rng.uniform(0.004, 0.008)
        spot = disc(size, size * 0.6, 12) + [r * np.cos(angle), -0.062 + flat * r * np.sin(angle)]
        layer.polygon(spot, topping[k % 3], pose)
    for angle in (0.5, 1.55, 2.6):
        reach = 0.16 * np.array([np.cos(angle), flat * np.sin(angle)])
        stroke(layer, [[0, -0.06] - reach, [0, -0.06] + reach], 0.003, hsv(0.08, 0.7, 0.5), pose)


def _donut(layer: Layer, pose: Pose, rng: Rng) -> None:
    glaze = hsv(rng.choice([0.93, 0.07, 0.55]), 0.5, rng.choice([0.4, 0.95]))
    turn = np.linspace(0, 2 * np.pi + 0.5, 26)  # past the start, so that no seam shows
    ring = np.stack([np.cos(turn), np.sin(turn) * 0.6], 1) * 0.036
    light = np.array([0.8, 1.1, 1.0, 0.75])[None, :, None]
    dough = np.broadcast_to(shaded(hsv(0.09, 0.6, 0.8), light), (25, 4, 3))
    layer.patch(ring + [0, -0.03], np.full(26, 0.02), dough, pose)
    layer.patch(ring + [0, -0.034], np.full(26, 0.0165), np.broadcast_to(shaded(glaze, light), (25, 4, 3)), pose)
    for place in ring[::2] + rng.normal(0, 0.005, (13, 2)):
        layer.dot(place - [0, 0.034], 0.003, hsv(rng.uniform(), 0.7, 1), pose)


def _cake(layer: Layer, pose: Pose, rng: Rng) -> None:
    cream, fill = hsv(rng.uniform(), rng.uniform(0.1, 0.5), 0.95), hsv(rng.uniform(0, 0.1), 0.7, 0.5)
    turned(layer, [[0, 0.17], [0.012, 0.17]], np.full(3, 0.85), pose)
    for bottom, colour in ((0.012, fill), (0.045, cream), (0.06, fill), (0.09, cream)):
        turned(layer, [[bottom, 0.125], [bottom + 0.034, 0.125]], colour, pose)
    layer.polygon(disc(0.125, 0.035) + [0, -0.124], shaded(cream, 1.08), pose)
    for angle in np.linspace(0, 2 * np.pi, 9)[:-1]:
        ball(layer, (0.1 * np.cos(angle), -0.13 + 0.026 * np.sin(angle)), (0.017, 0.015), hsv(0.98, 0.8, 0.8), pose)


def _chair(layer: Layer, pose: Pose, rng: Rng) -> None:
    wood = _wood(rng) if rng.uniform() < 0.6 else any_colour(rng)
    legs = [(-0.2, 0.0, 0.8), (0.24, -0.04, 0.8), (-0.24, 0.04, 1.0), (0.2, 0.05, 1.0)]
    for x, y, gain in legs[:2]:
        tube(layer, (x, y), (x * 0.95, -0.44), (0.018, 0.022), shaded(wood, gain), pose)
    for x in (-0.2, 0.2):
        tube(layer, (x - 0.02, -0.42), (x - 0.05, -0.95), (0.022, 0.02), wood, pose)
    for y in (-0.9, -0.76, -0.62):
        layer.polygon(box(-0.25, y - 0.045, 0.17, y + 0.045), shaded(wood, 1.05), pose)
    seat = [[-0.24, -0.49], [0.2, -0.49], [0.25, -0.41], [-0.26, -0.41]]
    layer.polygon(seat, shaded(wood, 1.12), pose)
    layer.polygon(box(-0.26, -0.41, 0.25, -0.37), shaded(wood, 0.75), pose)
    for x, y, gain in legs[2:]:
        tube(layer, (x, y), (x, -0.38), (0.018, 0.024), shaded(wood, gain), pose)


def _couch(layer: Layer, pose: Pose, rng: Rng) -> None:
    colour = any_colour(rng) * 0.9
    half, seats = (0.9, 2) if rng.uniform() < 0.6 else (0.55, 1)
    for x in (-half, half):
        layer.polygon(box(x - 0.04, -0.1, x + 0.04, 0.02), np.array([0.25, 0.17, 0.1]), pose)
    layer.polygon(rounded(-half, -0.88, half, -0.2, 0.12), shaded(colour, 0.85), pose)
    for k in range(seats):
        left, right = -half + 2 * half * k / seats, -half + 2 * half * (k + 1) / seats
        layer.polygon(rounded(left + 0.04, -0.82, right - 0.02, -0.4, 0.1), shaded(colour, 1.0), pose)
        layer.polygon(rounded(left + 0.02, -0.47, right - 0.01, -0.3, 0.06), shaded(colour, 1.12), pose)
    layer.polygon(box(-half, -0.33, half, -0.08), shaded(colour, 0.75), pose)
    for side in (-1, 1):
        layer.polygon(rounded(side * half - 0.12, -0.62, side * half + 0.12, -0.06, 0.11), shaded(colour, 0.95), pose)


def _potted_plant(layer: Layer, pose: Pose, rng: Rng) -> None:
    colour, leaf = hsv(rng.uniform(0.02, 0.08), rng.uniform(0.3, 0.7), rng.uniform(0.5, 0.8)), green(rng)
    count = int(rng.integers(9, 16))
    for k in rng.permutation(count):
        angle = -np.pi / 2 + 1.25 * (2 * k / (count - 1) - 1)
        frame = pose.moved(0, -0.26, angle)
        bend, shade = 0.12 * np.sign(angle + np.pi / 2), rng.uniform(0.7, 1.1)
        blade(layer, frame, 0, rng.uniform(0.4, 0.62), rng.uniform(0.03, 0.06), shaded(leaf, 0.6 * shade),
              shaded(leaf, shade), bend=bend, cells=(7, 4), fold=0.2)  # fmt: skip
    turned(layer, [[0, 0.1], [0.22, 0.14], [0.225, 0.155], [0.28, 0.16]], colour, pose)


def _dining_table(layer: Layer, pose: Pose, rng: Rng) -> None:
    wood, half = _wood(rng), rng.uniform(0.6, 0.95)
    for x, y, gain in ((-0.9, -0.1, 0.6), (0.9, -0.1, 0.6), (-0.95, 0.02, 0.9), (0.95, 0.02, 0.9)):
        tube(layer, (x * half, y), (x * half, -0.7), (0.025, 0.035), shaded(wood, gain), pose)
    layer.polygon([[-half, -0.86], [half, -0.86], [half * 1.1, -0.73], [-half * 1.1, -0.73]], shaded(wood, 1.12), pose)
    layer.polygon(box(-half * 1.1, -0.73, half * 1.1, -0.67), shaded(wood, 0.8), pose)


def _tv(layer: Layer, pose: Pose, rng: Rng) -> None:
    layer.polygon([[-0.2, 0], [0.2, 0], [0.08, -0.05], [-0.08, -0.05]], np.full(3, 0.15), pose)
    layer.polygon(box(-0.04, -0.12, 0.04, -0.02), np.full(3, 0.12), pose)
    layer.polygon(rounded(-0.55, -0.72, 0.55, -0.08, 0.02), np.full(3, 0.07), pose)
    _screen(layer, pose, rng, (-0.52, -0.69, 0.52, -0.12))


def _screen(layer: Layer, pose: Pose, rng: Rng, edges: tuple[float, float, float, float]) -> None:
    left, top, right, bottom = edges
    on = rng.uniform() < 0.7
    shade = any_colour(rng) if on else np.full(3, 0.16)
    layer.polygon(box(*edges), shade, pose)
    if on:
        line = top + (bottom - top) * rng.uniform(0.45, 0.75)
        layer.polygon(box(left, line, right, bottom), any_colour(rng) * 0.7, pose)
    glare = [[left, top], [left + (right - left) * 0.35, top], [left, bottom]]
    layer.polygon(glare, np.clip(shade * 1.1 + 0.08, 0, 1), pose)


def _laptop(layer: Layer, pose: Pose, rng: Rng) -> None:
    case = np.full(3, rng.choice([0.2, 0.75]))
    layer.polygon(rounded(-0.16, -0.25, 0.16, -0.03, 0.01), case, pose)
    _screen(layer, pose, rng, (-0.148, -0.24, 0.148, -0.045))
    layer.polygon([[-0.16, -0.04], [0.16, -0.04], [0.19, 0.01], [-0.19, 0.01]], case * 0.85, pose)
    for y in (-0.032, -0.022, -0.012):
        stroke(layer, [[-0.145, y], [0.145, y]], 0.006, case * 0.45, pose)


def _book(layer: Layer, pose: Pose, rng: Rng) -> None:
    height = 0.0
    for _ in range(rng.integers(1, 4)):
        thick, half, colour = rng.uniform(0.025, 0.05), rng.uniform(0.09, 0.14), any_colour(rng)
        layer.polygon(box(-half, -height - thick, half, -height), colour, pose)
        layer.polygon(box(-half + 0.012, -height - thick * 0.8, half + 0.004, -height - thick * 0.2), np.full(3, 0.93),
                      pose)  # fmt: skip
        layer.polygon(box(-half, -height - thick, -half + 0.03, -height), shaded(colour, 0.75), pose)
        height += thick


def _clock(layer: Layer, pose: Pose, rng: Rng) -> None:
    rim = any_colour(rng) * 0.8
    for radius, colour in ((0.17, rim * 0.7), (0.16, rim), (0.135, np.full(3, 0.95))):
        layer.polygon(disc(radius, radius), colour, pose)
    for angle in np.arange(12) * np.pi / 6:
        way = np.array([np.cos(angle), np.sin(angle)])
        stroke(layer, [0.105 * way, 0.125 * way], 0.012, np.full(3, 0.15), pose)
    for reach, width in ((0.065, 0.016), (0.1, 0.011)):
        angle = rng.uniform(0, 2 * np.pi)
        stroke(layer, [[0, 0], [reach * np.cos(angle), reach * np.sin(angle)]], width, np.full(3, 0.1), pose)


def _vase(layer: Layer, pose: Pose, rng: Rng) -> None:
    colour = any_colour(rng)
    turned(layer, [[0, 0.05], [0.05, 0.08], [0.12, 0.095], [0.2, 0.06], [0.25, 0.035], [0.29, 0.05]], colour, pose)
    band = np.broadcast_to(shaded(any_colour(rng), np.array([0.75, 1, 1.05, 0.8])[:, None]), (1, 4, 3))
    layer.patch(np.array([[0, -0.1], [0, -0.13]]), np.array([0.0915, 0.093]), band, pose)


def _teddy_bear(layer: Layer, pose: Pose, rng: Rng) -> None:
    fur = hsv(rng.uniform(0.05, 0.1), rng.uniform(0.3, 0.65), rng.uniform(0.4, 0.85))
    pale = np.clip(fur * 1.25 + 0.1, 0, 1)
    for side in (-1, 1):
        ball(layer, (side * 0.09, -0.39), (0.042, 0.042), shaded(fur, 0.85), pose)
        ball(layer, (side * 0.13, -0.18), (0.045, 0.08), shaded(fur, 0.9), pose)
    ball(layer, (0, -0.15), (0.11, 0.125), fur, pose)
    ball(layer, (0, -0.14), (0.065, 0.08), pale, pose)
    ball(layer, (0, -0.33), (0.105, 0.09), fur, pose)
    ball(layer, (0, -0.305), (0.042, 0.034), pale, pose)
    for side in (-1, 1):
        ball(layer, (side * 0.085, -0.05), (0.058, 0.05), fur, pose)
        layer.dot((side * 0.085, -0.05), 0.028, pale, pose)
        layer.dot((side * 0.04, -0.35), 0.011, np.full(3, 0.06), pose)
    layer.dot((0, -0.318), 0.013, np.full(3, 0.06), pose)


def _refrigerator(layer: Layer, pose: Pose, rng: Rng) -> None:
    colour = np.full(3, rng.uniform(0.8, 0.95)) if rng.uniform() < 0.6 else any_colour(rng)
    layer.polygon(rounded(-0.34, -1.75, 0.34, 0, 0.04), shaded(colour, 0.82), pose)
    layer.polygon(rounded(-0.32, -1.73, 0.32, -1.2, 0.03), colour, pose)
    layer.polygon(rounded(-0.32, -1.18, 0.32, -0.05, 0.03), colour, pose)
    for top, bottom in ((-1.45, -1.25), (-1.1, -0.8)):
        stroke(layer, [[0.24, top], [0.24, bottom]], 0.03, np.full(3, 0.5), pose)


def _suitcase(layer: Layer, pose: Pose, rng: Rng) -> None:
    colour = any_colour(rng)
    stroke(layer, [[-0.1, -0.55], [-0.1, -0.85], [0.1, -0.85], [0.1, -0.55]], 0.025, np.full(3, 0.25), pose)
    layer.polygon(rounded(-0.22, -0.65, 0.22, -0.05, 0.05), shaded(colour, 0.85), pose)
    for x in (-0.13, 0, 0.13):
        stroke(layer, [[x, -0.61], [x, -0.09]], 0.04, shaded(colour, 1.08), pose)
    for x in (-0.15, 0.15):
        layer.dot((x, -0.025), 0.03, np.full(3, 0.12), pose)


INDOOR: dict[str, Painter] = {
    "apple": _fruit(0.0, 0.75),
    "banana": _banana,
    "book": _book,
    "bottle": _bottle,
    "bowl": _bowl,
    "cake": _cake,
    "chair": _chair,
    "clock": _clock,
    "couch": _couch,
    "cup": _cup,
    "dining table": _dining_table,
    "donut": _donut,
    "laptop": _laptop,
    "orange": _fruit(0.07, 0.95),
    "pizza": _pizza,
    "potted plant": _potted_plant,
    "refrigerator": _refrigerator,
    "suitcase": _suitcase,
    "teddy bear": _teddy_bear,
    "tv": _tv,
    "vase": _vase,
    "wine glass": _wine_glass,
}
"""COCO category to what draws it."""
