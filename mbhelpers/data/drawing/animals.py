"""Animals: one four-legged body in many proportions, and birds. In metres, standing on (0, 0), looking to the right."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mbhelpers.data.drawing.brush import Layer, Pose, Rng, blade, hsv, shaded
from mbhelpers.data.drawing.solids import Painter, ball, stroke, tube


@dataclass(frozen=True)
class Build:
    """Proportions in metres; `ears` is one of up, drop, round, horns; `coat` gives hue, saturation and value."""

    length: float
    leg: float
    chest: float
    thick: float
    neck: float
    rise: float
    head: float
    muzzle: float
    tail: float
    tail_up: float
    ears: str
    coat: Callable[[Rng], np.ndarray]
    marks: str = ""


def _brown(rng: Rng) -> np.ndarray:
    return hsv(rng.uniform(0.05, 0.1), rng.uniform(0.2, 0.7), rng.uniform(0.18, 0.8))


def _grey(rng: Rng) -> np.ndarray:
    return np.full(3, rng.uniform(0.15, 0.9)) if rng.uniform() < 0.5 else hsv(0.08, rng.uniform(0.4, 0.8), 0.8)


_BUILDS = {
    "bear": Build(1.3, 0.45, 0.38, 0.12, 0.25, 0.5, 0.22, 0.16, 0.05, 0.2, "round",
                  lambda rng: hsv(0.07, rng.uniform(0.3, 0.6), rng.uniform(0.15, 0.4))),
    "cat": Build(0.34, 0.15, 0.085, 0.022, 0.07, 0.9, 0.062, 0.025, 0.3, 1.3, "up", _grey, "tabby"),
    "cow": Build(1.5, 0.6, 0.36, 0.075, 0.5, 0.35, 0.19, 0.24, 0.6, -1.3, "horns", lambda rng: np.full(3, 0.92),
                 "patches"),
    "dog": Build(0.55, 0.3, 0.125, 0.035, 0.16, 0.9, 0.088, 0.085, 0.26, 0.9, "drop", _brown),
    "elephant": Build(2.3, 1.1, 0.75, 0.24, 0.35, 0.35, 0.48, 0.1, 0.7, -1.3, "trunk",
                      lambda rng: np.full(3, rng.uniform(0.4, 0.6))),
    "giraffe": Build(1.5, 1.7, 0.38, 0.09, 2.0, 1.2, 0.2, 0.22, 0.7, -1.3, "horns", lambda rng: hsv(0.11, 0.5, 0.88),
                     "net"),
    "horse": Build(1.4, 0.85, 0.31, 0.075, 0.75, 0.9, 0.16, 0.26, 0.7, -1.1, "up", _brown, "mane"),
    "sheep": Build(0.8, 0.35, 0.3, 0.045, 0.2, 0.5, 0.12, 0.1, 0.1, -1.0, "drop", lambda rng: np.full(3, 0.9), "wool"),
    "zebra": Build(1.3, 0.75, 0.3, 0.07, 0.65, 0.9, 0.15, 0.22, 0.5, -1.1, "up", lambda rng: np.full(3, 0.93),
                   "stripes"),
}  # fmt: skip


def _four_legged(build: Build) -> Painter:
    def paint(layer: Layer, pose: Pose, rng: Rng) -> None:
        coat = np.clip(build.coat(rng), 0.05, 1)
        half, step = build.length / 2, build.leg * rng.uniform(0.05, 0.25)
        back = -build.leg - build.chest  # the height of the middle of the trunk
        hips, chest = np.array([-half, back]), np.array([half, back])
        legs = [(x + way * step * 0.5, way, shade) for shade in (0.62, 0.95) for x, way in
                ((-half * 0.9, -1 if shade < 0.9 else 1), (half * 0.85, 1 if shade < 0.9 else -1))]  # fmt: skip
        for x, way, shade in legs[:2]:
            _leg(layer, pose, build, (x - way * step * 0.5, back * 0.92), x + 0.02 * build.length, shaded(coat, shade))
        end = hips + build.tail * np.array([-np.cos(build.tail_up), -np.sin(build.tail_up)])
        bow = (hips + end) / 2 - [build.tail * 0.25, 0]
        stroke(layer, [hips - [build.chest * 0.5, build.chest * 0.4], bow, end], build.thick * 1.1, coat * 0.7, pose)
        crown = chest + build.neck * np.array([np.cos(build.rise), -np.sin(build.rise)]) - [0, build.chest * 0.4]
        tube(layer, chest - [build.chest * 0.3, build.chest * 0.2], crown,
             (build.chest * 0.7, build.head * 0.62), shaded(coat, 0.95), pose)  # fmt: skip
        _trunk(layer, pose, build, hips, chest, coat)
        for x, way, shade in legs[2:]:
            _leg(layer, pose, build, (x - way * step * 0.5, back * 0.95), x, shaded(coat, shade))
        _markings(layer, pose, rng, build, coat, hips, chest, crown)
        _animal_head(layer, pose, build, crown, coat)

    return paint


def _leg(layer: Layer, pose: Pose, build: Build, top: tuple[float, float], foot: float, colour: np.ndarray) -> None:
    knee = ((top[0] + foot) / 2 + build.thick * 0.2, -build.leg * 0.48)
    tube(layer, top, knee, (build.thick * 1.7, build.thick), colour, pose)
    tube(layer, knee, (foot, -build.thick * 0.5), (build.thick, build.thick * 0.7), colour, pose)
    layer.dot((foot + build.thick * 0.3, -build.thick * 0.55), build.thick * 0.85, shaded(colour, 0.6), pose)


def _trunk(layer: Layer, pose: Pose, build: Build, hips: np.ndarray, chest: np.ndarray, coat: np.ndarray) -> None:
    t = np.linspace(0, 1, 9)
    ends = build.chest * 0.75
    spine = hips - [ends, 0] + t[:, None] * (chest - hips + [2 * ends, 0])
    half = build.chest * np.sqrt(np.clip(1 - np.abs(2 * t - 1) ** 3.5, 0.02, 1)) * (0.9 + 0.14 * t)
    light = np.array([0.9, 1.12, 1.05, 0.95, 0.8, 0.62])[None, :, None]
    if build.marks == "wool":
        for angle in np.linspace(0, 2 * np.pi, 26):
            place = (hips + chest) / 2 + [(build.length * 0.72) * np.cos(angle), build.chest * 0.92 * np.sin(angle)]
            layer.dot(place, build.chest * 0.3, shaded(coat, 0.92 - 0.15 * np.sin(angle)), pose)
    layer.patch(spine, half, np.broadcast_to(shaded(coat, light), (8, 6, 3)), pose)


def _markings(
    layer: Layer,
    pose: Pose,
    rng: Rng,
    build: Build,
    coat: np.ndarray,
    hips: np.ndarray,
    chest: np.ndarray,
    crown: np.ndarray,
) -> None:
    dark = np.array([0.1, 0.08, 0.07]) if build.marks != "net" else hsv(0.07, 0.7, 0.5)
    if build.marks in ("stripes", "tabby"):
        ink = dark if build.marks == "stripes" else shaded(coat, 0.6)
        for u in np.linspace(-0.15, 1.1, 11):
            x, y = hips + u * (chest - hips)
            reach = build.chest * np.sqrt(max(0.1, 1 - abs(2 * u - 1) ** 3.5)) * 0.92
            bend = build.length * 0.03
            stroke(layer, [[x, y - reach], [x - bend, y], [x, y + reach * 0.7]], build.length * 0.035, ink, pose)
        if build.marks == "stripes":
            for u in np.linspace(0.25, 0.9, 5):
                x, y = chest + u * (crown - chest)
                width = build.chest * 0.55
                stroke(layer, [[x - width, y - width * 0.5], [x + width * 0.6, y + width * 0.5]], 0.045, dark, pose)
    elif build.marks in ("patches", "net"):
        count = 6 if build.marks == "patches" else 26
        size = build.chest * (0.5 if build.marks == "patches" else 0.2)
        for k in range(count):
            if build.marks == "net" and k % 2:
                place = chest + (0.15 + 0.8 * k / count) * (crown - chest) + rng.normal(0, 0.05, 2)
            else:
                place = hips + (k / count) * (chest - hips) + [0, rng.uniform(-0.55, 0.45) * build.chest]
            angle = np.sort(rng.uniform(0, 2 * np.pi, 7))
            blot = np.stack([np.cos(angle), np.sin(angle) * 0.8], 1) * size * rng.uniform(0.6, 1, (7, 1))
            layer.polygon(blot + place, dark, pose)
    elif build.marks == "mane":
        for u in np.linspace(0.1, 1, 8):
            place = chest - [build.chest * 0.5, build.chest * 0.5] + u * (crown - chest) - [0.02, 0.03]
            layer.dot(place, 0.08, dark, pose)


def _animal_head(layer: Layer, pose: Pose, build: Build, crown: np.ndarray, coat: np.ndarray) -> None:
    size, dark = build.head, np.array([0.08, 0.06, 0.06])
    face = np.array([0.22, 0.2, 0.19]) if build.marks == "wool" else coat
    ear = shaded(face, 0.7)
    if build.ears == "up":
        for x in (-0.55, 0.15):
            layer.polygon(np.array([[x - 0.28, -0.6], [x + 0.05, -1.55], [x + 0.38, -0.7]]) * size + crown, ear, pose)
    elif build.ears in ("horns", "round"):
        for x in (-0.45, 0.35):
            layer.dot(crown + np.array([x - 0.25, -0.75]) * size, size * 0.3, ear, pose)
            if build.ears == "horns":
                stroke(layer, np.array([[x, -0.7], [x + 0.12, -1.4]]) * size + crown, size * 0.2, ear * 0.9, pose)
    nose = crown + np.array([size * 0.6 + build.muzzle, size * 0.3 + build.muzzle * 0.35])
    tube(layer, crown + [size * 0.3, size * 0.1], nose, (size * 0.68, size * 0.42), shaded(face, 1.02), pose)
    ball(layer, crown, (size, size * 0.95), face, pose)
    if build.ears == "trunk":
        t = np.linspace(0, 1, 8)
        path = crown + np.stack([size * 0.9 + 0.35 * np.sin(t * 3), size * 0.2 + 1.6 * t], 1)
        for a, b, r in zip(path[:-1], path[1:], np.linspace(0.2, 0.1, 7), strict=True):
            tube(layer, a, b, (r, r * 0.95), face, pose)
        ball(layer, crown + [-size * 0.55, size * 0.2], (size * 0.75, size * 1.05), shaded(face, 0.8), pose)
        stroke(layer, [path[0] + [0, 0.15], path[0] + [0.55, 0.75]], 0.1, np.array([0.95, 0.93, 0.85]), pose)
    else:
        layer.dot(nose + [size * 0.2, -size * 0.05], size * 0.2, dark, pose)
    if build.ears == "drop":
        ball(layer, crown + [-size * 0.45, size * 0.25], (size * 0.38, size * 0.8), ear, pose)
    layer.dot(crown + [size * 0.4, -size * 0.2], size * 0.17, np.full(3, 0.95), pose)
    layer.dot(crown + [size * 0.46, -size * 0.2], size * 0.12, dark, pose)


def _bird(layer: Layer, pose: Pose, rng: Rng) -> None:
    coat = np.clip(_grey(rng) if rng.uniform() < 0.6 else hsv(rng.uniform(), 0.6, 0.8), 0.06, 1)
    beak = hsv(rng.uniform(0.08, 0.13), 0.9, 0.9)
    flying = rng.uniform() < 0.4
    height = -0.17 if not flying else -0.1
    if not flying:
        for x in (-0.02, 0.03):
            stroke(layer, [[x, height + 0.06], [x + 0.01, 0], [x + 0.05, 0]], 0.012, beak * 0.7, pose)
    body = pose.moved(0, height, -0.25)
    layer.polygon([[-0.1, -0.02], [-0.3, -0.02], [-0.29, 0.05], [-0.1, 0.04]], coat * 0.6, body)
    if flying:
        blade(layer, body.moved(0, 0, -2.2), 0, 0.42, 0.08, coat * 0.55, coat * 0.7, form=(0.7, 0.6), bend=0.06)
    ball(layer, (0, 0), (0.15, 0.085), coat, body)
    ball(layer, (0.15, -0.07), (0.065, 0.06), shaded(coat, 0.95), body)
    layer.polygon([[0.2, -0.09], [0.28, -0.05], [0.2, -0.04]], beak, body)
    layer.dot((0.17, -0.085), 0.014, np.full(3, 0.05), body)
    if flying:
        blade(layer, body.moved(0, 0, -1.9), 0, 0.45, 0.09, coat * 0.8, coat * 0.9, form=(0.7, 0.6), bend=-0.08)
    else:
        blade(layer, body.moved(0.06, -0.01, np.pi - 0.2), 0, 0.27, 0.06, coat * 0.85, coat * 0.55, form=(0.7, 0.7))


ANIMALS: dict[str, Painter] = {"bird": _bird, **{name: _four_legged(build) for name, build in _BUILDS.items()}}
"""COCO category to what draws it."""
