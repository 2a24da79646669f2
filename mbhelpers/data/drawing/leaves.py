"""Leaves on a table, healthy and sick, after the classes of plant-village; and pictures without a leaf.

A species has its own outline, veins and green; a disease has its own marks (`lesions`). Pose, light, size and
the number of marks vary within a class, and greens overlap between species, so that a model has to look at
outlines and marks. It can also cheat, as on the real photographs: each class was taken in a session of its own,
so that the tint of the table goes with the class, noisily. A random forest that sees 8 border pixels of 14
pictures a class is right on 0.29 of further ones, where chance is 0.03.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from mbhelpers.data.class_names import PLANTS
from mbhelpers.data.drawing.brush import SUPERSAMPLE, Layer, Pose, Rng, any_colour, hsv, shaded
from mbhelpers.data.drawing.lesions import DISEASES, Leaf
from mbhelpers.data.drawing.scene import background, blur, develop, noise, paste

BACKGROUND = "Background_without_leaves"
_STRAY = 0.025  # how far the table's tint strays within a class, a share of full brightness


@dataclass(frozen=True)
class _Leaflet:
    """One blade of a leaf: where it sits, its outline (N, 2) and its main veins, as angles from the x axis."""

    edge: np.ndarray
    x: float = 0.0
    y: float = 0.0
    turn: float = 0.0
    scale: float = 1.0
    rays: tuple[float, ...] = (0.0,)


def _oval(width: float, form: tuple[float, float] = (0.8, 0.8), teeth: int = 0, depth: float = 0.0,
          tip: float = 0.0) -> Callable[[Rng], np.ndarray]:  # fmt: skip
    """Make an outline from (0, 0) to (1, 0).

    Args:
        width: largest half width.
        form: (a, b) of sin(pi * t**a)**b, as for `brush.blade`.
        teeth: how many a side.
        depth: of the teeth, a share of the half width.
        tip: how much of the length is drawn out to a fine tip.
    """

    def outline(rng: Rng) -> np.ndarray:
        t = np.linspace(0, 1, 14 + 6 * teeth)
        half = width * rng.uniform(0.88, 1.12) * np.sin(np.pi * np.clip(t, 0, 0.999) ** form[0]) ** form[1]
        if teeth:
            half = half * (1 - depth * (t * teeth % 1))
        half = half * (1 - tip * np.clip((t - 0.6) / 0.4, 0, 1))
        wave = 1 + 0.05 * np.sin(t * rng.uniform(5, 11) + rng.uniform(0, 6, (2, 1)))
        return np.vstack([np.stack([t, half * wave[0]], 1), np.stack([t, -half * wave[1]], 1)[::-1]])

    return outline


def _hand(lobes: int, cut: float, teeth: int, depth: float) -> Callable[[Rng], np.ndarray]:
    """Make the outline of a lobed leaf around (0, 0), its stalk to the left, lobes over 300 degrees."""

    def outline(rng: Rng) -> np.ndarray:
        angle = np.linspace(-2.7, 2.7, 180)
        lobe = np.abs(np.cos(angle / 2.4 * np.pi * (lobes - 1) / 2)) ** 1.3
        spread = 1 - 0.25 * np.abs(angle / 2.7) * rng.uniform(0.6, 1.4)
        radius = 0.62 * spread * (1 - cut * (1 - lobe)) * (1 - depth * (np.arange(180) * teeth / 180 % 1))
        radius = radius * (1 + 0.03 * np.sin(angle * 3 + rng.uniform(0, 6)))
        edge = np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None]
        return np.vstack([edge, [[-0.08, 0]]])

    return outline


def _single(outline: Callable[[Rng], np.ndarray]) -> Callable[[Rng], list[_Leaflet]]:
    return lambda rng: [_Leaflet(outline(rng), x=-0.5)]


def _palm(outline: Callable[[Rng], np.ndarray], lobes: int) -> Callable[[Rng], list[_Leaflet]]:
    rays = tuple(np.linspace(-2.4, 2.4, lobes).tolist())
    return lambda rng: [_Leaflet(outline(rng), x=-0.12, rays=rays)]


def _compound(
    outline: Callable[[Rng], np.ndarray], pairs: tuple[float, ...], turn: float, side: float, top: float = 0.6
) -> Callable[[Rng], list[_Leaflet]]:
    """Make a leaf of several leaflets: pairs at places on the stalk, and one on top."""

    def grow(rng: Rng) -> list[_Leaflet]:
        found = []
        for k, x in enumerate(pairs):
            for sign in (-1, 1):
                angle = sign * (turn + rng.normal(0, 0.12))
                scale = side * rng.uniform(0.88, 1.1) * (1 - 0.12 * (len(pairs) - 1 - k))
                found.append(_Leaflet(outline(rng), x, 0.01 * sign, angle, scale))
        return [*found, _Leaflet(outline(rng), pairs[-1] + 0.04, 0, rng.normal(0, 0.08), top * rng.uniform(0.9, 1.1))]

    return grow


@dataclass(frozen=True)
class _Species:
    """How a species looks.

    Attributes:
        grow: makes its leaflets, in a frame of about -0.5..0.5.
        hue: mean hue of its green, in turns.
        light: mean brightness.
        veins: how many side veins.
        slant: how far side veins lean to the tip.
        relief: how strongly the blade bulges between veins.
        gloss: strength of the sheen.
        reach: length in picture sides.
    """

    grow: Callable[[Rng], list[_Leaflet]]
    hue: float = 0.29
    light: float = 0.5
    veins: float = 7
    slant: float = 9.0
    relief: float = 0.12
    gloss: float = 0.15
    reach: float = 0.82


_SPECIES = {
    "Apple": _Species(_single(_oval(0.34, (0.8, 0.7), 16, 0.1)), 0.3, 0.45, 8, 6, 0.1, 0.08),
    "Blueberry": _Species(_single(_oval(0.27, (0.92, 0.75))), 0.31, 0.42, 6, 6, 0.06, 0.3, 0.66),
    "Cherry": _Species(_single(_oval(0.3, (0.95, 0.75), 22, 0.12, 0.55)), 0.28, 0.5, 9, 7, 0.12, 0.2, 0.9),
    "Corn": _Species(_single(_oval(0.2, (0.8, 0.18))), 0.27, 0.55, 0, 0, 0.0, 0.12, 1.9),
    "Grape": _Species(_palm(_hand(5, 0.36, 26, 0.12), 5), 0.27, 0.5, 8, 6, 0.08, 0.1, 0.92),
    "Orange": _Species(_single(_oval(0.23, (0.9, 0.8))), 0.28, 0.48, 9, 4, 0.05, 0.3, 0.84),
    "Peach": _Species(_single(_oval(0.125, (0.85, 0.75), 24, 0.08, 0.35)), 0.26, 0.55, 14, 4, 0.07, 0.16, 0.98),
    "Pepper": _Species(_single(_oval(0.32, (0.62, 0.85), 0, 0, 0.6)), 0.3, 0.48, 5, 8, 0.1, 0.25, 0.86),
    "Potato": _Species(_compound(_oval(0.36, (0.8, 0.65)), (-0.32, 0.0), 1.15, 0.48, 0.56),
                       0.28, 0.5, 5, 6, 0.1, reach=0.9),
    "Raspberry": _Species(_compound(_oval(0.34, (0.75, 0.8), 11, 0.26, 0.35), (-0.08,), 1.15, 0.5, 0.62),
                          0.28, 0.55, 9, 8, 0.18, 0.04, 0.92),
    "Soybean": _Species(_compound(_oval(0.33, (0.72, 0.8), 0, 0, 0.2), (-0.05,), 1.25, 0.5, 0.58),
                        0.26, 0.58, 7, 7, 0.1, 0.06, 0.92),
    "Squash": _Species(_palm(_hand(5, 0.12, 40, 0.06), 5), 0.26, 0.52, 8, 6, 0.09, 0.05, 0.88),
    "Strawberry": _Species(_compound(_oval(0.48, (1.1, 0.55), 8, 0.22), (-0.02,), 1.5, 0.48, 0.5),
                           0.28, 0.52, 7, 9, 0.13, 0.1, 0.92),
    "Tomato": _Species(_compound(_oval(0.4, (0.75, 0.7), 4, 0.36, 0.2), (-0.38, -0.02), 1.2, 0.5, 0.62),
                       0.28, 0.5, 5, 8, 0.12, 0.08, 0.95),
}  # fmt: skip


def draw_leaf(kind: str, seed: int, size: int = 128, *, photo: int = 0) -> np.ndarray:
    """Draw one picture of a class of plant-village.

    Args:
        kind: one of `class_names.PLANTS`.
        seed: any natural number; the same seed gives the same leaf.
        size: side in pixels.
        photo: 1, 2 ... give further photographs of the same leaf, a little shifted, in other light.

    Returns:
        uint8 (size, size, 3), RGB.

    Raises:
        ValueError: no such kind.
    """
    if kind not in PLANTS:
        raise ValueError(f"unknown kind of leaf {kind!r}; choose from {', '.join(PLANTS)}")
    number = PLANTS.index(kind)
    rng, camera = np.random.default_rng([seed, number]), np.random.default_rng([seed, number, 1 + photo])
    if kind == BACKGROUND:
        return develop(_no_leaf(rng, size), camera, size)
    name, _, illness = kind.partition("___")
    species = _SPECIES[name.split(",")[0]]
    leaf, stalk = _grow(rng, species, size, curled="Curl" in illness)
    strength = rng.uniform(0.6, 1.4)
    for mark in DISEASES[illness]:
        mark(leaf, rng, strength)
    stalk.image.paste(leaf.picture, (0, 0), leaf.mask)
    offset = (camera.normal(0.02, 0.012), camera.normal(0.02, 0.012))
    scene = paste(_table(number, camera, size), stalk, camera.uniform(0.25, 0.75), offset)
    if photo:
        scene = _seen_again(scene, camera)
    return develop(scene, camera, size)


def _grow(rng: Rng, species: _Species, size: int, *, curled: bool) -> tuple[Leaf, Layer]:
    """Paint a healthy leaf, mostly tip up; and a layer with the stalk that its blades sit on."""
    layer = Layer(size)
    side = layer.side
    turn = -np.pi / 2 + rng.normal(0, 0.9)
    (x, y), reach = rng.normal(0.5, 0.045, 2), species.reach * rng.uniform(0.8, 1.1)
    pose = Pose.place(x, y, reach, turn, rng.uniform(0, 0.45), rng.uniform(0, 2 * np.pi))
    colour = hsv(species.hue + rng.normal(0.01, 0.02), rng.uniform(0.35, 0.62), species.light * rng.uniform(0.75, 1.2))
    layer.line(pose.at([[-0.62, 0.03], [-0.45, 0.0], [0.02, 0.0]]), 0.012, np.clip(colour * 1.3 + 0.05, 0, 1))
    blank = np.zeros((side, side), np.float32)
    leaf = Leaf(Image.new("RGB", (side, side)), Image.new("L", (side, side)), blank, turn)
    bend, sheen = rng.normal(0, 0.1), noise(rng, side, 3, 2)
    for leaflet in species.grow(rng):
        frame = pose.moved(leaflet.x, leaflet.y, leaflet.turn, leaflet.scale)
        edge = leaflet.edge * [1, rng.uniform(0.45, 0.65) if curled else 1]
        edge = frame.at(edge + np.stack([np.zeros(len(edge)), bend * edge[:, 0] ** 2], 1)) * side
        _paint(leaf, species, leaflet.rays, frame, edge, bend, colour * rng.uniform(0.92, 1.08), sheen)
    return leaf, layer


def _paint(leaf: Leaf, species: _Species, rays: tuple[float, ...], frame: Pose, edge: np.ndarray, bend: float,
           colour: np.ndarray, sheen: np.ndarray) -> None:  # fmt: skip
    """Paint one leaflet, whose outline is `edge` (N, 2) in pixels."""
    side = len(leaf.veins)
    low = np.clip(edge.min(0).astype(int) - 1, 0, side - 1)
    high = np.clip(edge.max(0).astype(int) + 2, low + 1, side)
    box = (slice(low[1], high[1]), slice(low[0], high[0]))
    veins, gain = _relief(species, rays, *_local(frame, box, side, bend))
    gain = np.clip(gain + 2 * species.gloss * (sheen[box] - 0.45), 0.3, 1.8)
    picture = shaded(colour.astype(np.float32), gain[..., None].astype(np.float32))
    picture = picture + (np.clip(colour * 1.5 + 0.1, 0, 1) - picture) * (veins * 0.5)[..., None]
    mask = Image.new("L", veins.shape[::-1])
    ImageDraw.Draw(mask).polygon((edge - low).ravel().tolist(), fill=255)
    leaf.picture.paste(Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8)), tuple(low.tolist()), mask)
    leaf.mask.paste(255, tuple(low.tolist()), mask)
    leaf.veins[box] = np.where(np.asarray(mask) > 0, veins, leaf.veins[box])
    rim = ImageDraw.Draw(leaf.picture, "RGBA")
    rim.line([*edge.ravel().tolist(), *edge[0].tolist()], fill=(20, 35, 10, 70), width=max(1, side // 120))


def _local(frame: Pose, box: tuple[slice, slice], side: int, bend: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of the pixels of a box in the frame of a leaflet whose midrib is bent."""
    v, u = np.mgrid[box].astype(np.float32) / side
    u, v = u - np.float32(frame.origin[0]), v - np.float32(frame.origin[1])
    inverse = np.linalg.inv(frame.matrix).astype(np.float32)
    x, y = inverse[0, 0] * u + inverse[0, 1] * v, inverse[1, 0] * u + inverse[1, 1] * v
    return x, y - np.float32(bend) * x * x


def _relief(species: _Species, rays: tuple[float, ...], x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Veins (1 on a main one, 0 between) and brightness of a blade, from coordinates along and across its axis."""
    if len(rays) > 1:  # a palmate leaf: take the main vein that is nearest in angle
        angle, radius = np.arctan2(y, x), np.hypot(x, y)
        off = np.stack([angle - ray for ray in rays])
        off = np.take_along_axis(off, np.abs(off).argmin(0)[None], 0)[0]
        x, y = radius * np.cos(off), radius * np.sin(off)
    if not species.veins:  # corn: its veins run along the blade
        wave = np.cos(y * 300)
        main = np.exp(-((y / 0.016) ** 2))
        return np.maximum(main, 0.2 * np.clip(wave, 0, 1)), 1 + 0.04 * wave + 0.12 * np.tanh(y * 25)
    main = np.exp(-((y / (0.012 * (1.6 - np.clip(x, 0, 1)))) ** 2))
    wave = np.cos(2 * np.pi * (x * species.veins - np.abs(y) * species.slant))
    return np.maximum(main, 0.6 * np.clip(wave * 4 - 3, 0, 1)), 1 - species.relief * wave + 0.1 * np.tanh(y * 25)


def _table(number: int, camera: Rng, size: int) -> Image.Image:
    """Paint the plain table of a class's session, in the tint of that session, a little off."""
    session = np.random.default_rng([39, number])
    side = size * SUPERSAMPLE
    tint = hsv(session.uniform(), session.uniform(0.03, 0.24), session.uniform(0.35, 0.85))
    tint = tint + camera.normal(0, _STRAY) + camera.normal(0, _STRAY / 3, 3)
    grain = 0.85 + 0.2 * noise(camera, side, 4, 2) + 0.1 * noise(camera, side, 90, 1)
    return Image.fromarray((np.clip(tint * grain[..., None], 0, 1) * 255).astype(np.uint8))


def _seen_again(scene: Image.Image, camera: Rng) -> Image.Image:
    """Move the camera by a few pixels."""
    side = scene.width
    left, top, right, bottom = (camera.uniform(0, 0.02, 4) * side).tolist()
    return scene.resize((side, side), Image.Resampling.BILINEAR, (left, top, side - right, side - bottom))


def _no_leaf(rng: Rng, size: int) -> Image.Image:
    """Paint a scene without a leaf, sometimes with boxes or balls in it."""
    scene = background(rng, size)
    layer = Layer(size)
    for _ in range(rng.integers(0, 5)):
        x, y = rng.uniform(0.1, 0.9, 2)
        pose = Pose.place(x, y, rng.uniform(0.06, 0.25), rng.normal(0, 0.1))
        colour = any_colour(rng)
        if rng.uniform() < 0.3:
            for part in np.linspace(1, 0.2, 6):
                layer.dot((-0.3 * (1 - part), -0.3 * (1 - part)), part, shaded(colour, 1.2 - 0.6 * part), pose)
            continue
        width, height = rng.uniform(0.4, 1.2, 2)
        box = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [width, height]
        layer.polygon(box, colour, pose)
        layer.polygon(box[[1, 1, 2, 2]] + [[0, 0], [0.4, -0.3], [0.4, -0.3], [0, 0]], shaded(colour, 0.6), pose)
        layer.polygon(box[[0, 1, 1, 0]] + [[0, 0], [0, 0], [0.4, -0.3], [0.4, -0.3]], shaded(colour, 1.2), pose)
    return blur(paste(scene, layer, 0.4), rng.uniform(0.001, 0.006))
