"""Person figures: a skeleton in three dimensions, posed, turned, dressed and seen from any side.

Lengths are shares of the figure's height until it is placed; x to the side, y down, z towards the viewer of a
figure that faces them. The proportions are those that drawing schools teach: seven and a half heads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from mbhelpers.data.drawing.brush import Layer, Pose, Rng, any_colour, hsv, shaded
from mbhelpers.data.drawing.solids import ball, disc, stroke, tube

_SKINS = ("f6d7bd", "eebf9f", "d99f77", "bd8258", "8f5a3a", "623d2a", "4a2d20")
_HAIRS = ("14100e", "2e1d14", "55351d", "8a5a2b", "c79a55", "9a9a9a", "e4e2dc", "8c3b1c")
_FACE_FROM = 45  # pixels of height from which eyes and mouth can be seen


@dataclass(frozen=True)
class Limbs:
    """Angles in radians; the first row is the limb on the viewer's left.

    Attributes:
        legs: (2, 3), thigh forward, thigh outward, shin forward.
        arms: (2, 4), upper arm forward and outward, forearm forward and outward.
        lean: of the trunk, forward.
    """

    legs: np.ndarray
    arms: np.ndarray
    lean: float = 0.0


def _standing(rng: Rng) -> Limbs:
    legs = np.stack([rng.normal(0, 0.06, 2), rng.uniform(0.02, 0.12, 2), rng.normal(-0.03, 0.03, 2)], 1)
    if rng.uniform() < 0.2:  # hands on the hips
        return Limbs(legs, np.array([[-0.1, 0.75, 0.2, -0.75]] * 2))
    upper = rng.uniform(0.08, 0.25, 2)
    arms = np.stack([rng.normal(0, 0.1, 2), upper, rng.uniform(0, 0.5, 2), upper * rng.uniform(0.2, 1)], 1)
    return Limbs(legs, arms)


def _walking(rng: Rng) -> Limbs:
    step, side = rng.uniform(0.25, 0.6), rng.permutation([1, -1])
    legs = np.stack([side * step, np.full(2, 0.03), side * step - np.where(side < 0, rng.uniform(0.2, 1), 0.1)], 1)
    bend = rng.uniform(0.2, 0.4) + 1.6 * max(0, step - 0.4)
    arms = np.stack([-side * step * 0.9, np.full(2, 0.12), -side * step * 0.9 + bend, np.full(2, 0.05)], 1)
    return Limbs(legs, arms, lean=0.15 * step)


def _sitting(rng: Rng) -> Limbs:
    out = rng.uniform(0.05, 0.3, 2)
    legs = np.stack([rng.uniform(1.35, 1.55, 2), out, rng.normal(0, 0.12, 2)], 1)
    arms = np.stack([rng.uniform(0.1, 0.5, 2), np.full(2, 0.18), rng.uniform(0.8, 1.4, 2), rng.normal(0, 0.2, 2)], 1)
    return Limbs(legs, arms)


def _arms_up(rng: Rng) -> Limbs:
    arms = np.stack([rng.normal(0, 0.2, 2), rng.uniform(1.7, 2.8, 2), rng.normal(0, 0.2, 2),
                     rng.uniform(2.4, 3.1, 2)], 1)  # fmt: skip
    return Limbs(_standing(rng).legs * [1, 2, 1], arms)


def _waving(rng: Rng) -> Limbs:
    below = _standing(rng)
    arms = below.arms.copy()
    arms[rng.integers(2)] = [0.2, rng.uniform(1.2, 2.2), 0.2, rng.uniform(2.4, 3.0)]
    return Limbs(below.legs, arms)


def _holding(rng: Rng) -> Limbs:
    below = _standing(rng)
    arms = below.arms.copy()
    arms[1] = [0.35, 0.15, 2.0, 0.1]
    return Limbs(below.legs, arms)


STANCES: dict[str, Callable[[Rng], Limbs]] = {
    "standing": _standing,
    "walking": _walking,
    "sitting": _sitting,
    "arms up": _arms_up,
    "waving": _waving,
    "holding": _holding,
}


@dataclass(frozen=True)
class Looks:
    """What a figure looks like; `hair_length` is 0 (bald) to 1 (to the shoulders), `below` names the garment."""

    skin: np.ndarray
    hair: np.ndarray
    top: np.ndarray
    stripe: np.ndarray
    bottom: np.ndarray
    shoes: np.ndarray
    below: str
    long_sleeves: bool
    hair_length: float
    hat: bool
    stout: float
    head: float


def random_looks(rng: Rng, *, child: bool = False) -> Looks:
    """Give looks of any kind: skin, hair, clothes, build."""
    top = any_colour(rng)
    denim = hsv(rng.uniform(0.58, 0.64), rng.uniform(0.3, 0.7), rng.uniform(0.2, 0.55))
    return Looks(
        skin=_hex(_SKINS[rng.integers(len(_SKINS))]),
        hair=_hex(_HAIRS[rng.integers(len(_HAIRS))]),
        top=top,
        stripe=any_colour(rng) if rng.uniform() < 0.25 else top,
        bottom=denim if rng.uniform() < 0.5 else any_colour(rng) * 0.7,
        shoes=any_colour(rng) * rng.choice([0.2, 0.9]),
        below=str(rng.choice(["trousers", "shorts", "skirt"], p=[0.6, 0.22, 0.18])),
        long_sleeves=bool(rng.uniform() < 0.5),
        hair_length=float(rng.choice([0.0, 0.35, 0.6, 1.0], p=[0.08, 0.47, 0.15, 0.3])),
        hat=bool(rng.uniform() < 0.15),
        stout=rng.uniform(0.9, 1.3),
        head=rng.uniform(1.3, 1.5) if child else 1.0,
    )


def draw_person(
    layer: Layer, pose: Pose, rng: Rng, *, stance: str = "standing", yaw: float = 0.0, height: float = 1.7,
    looks: Looks | None = None,
) -> None:  # fmt: skip
    """Draw a figure that stands, or sits with its feet, on (0, 0) of `pose`, a frame in metres.

    Args:
        layer: where to.
        pose: its frame.
        rng: what the pose and, without `looks`, the looks are drawn from.
        stance: one of `STANCES`.
        yaw: where it looks, in radians: 0 at the viewer, pi / 2 to the right, pi away.
        height: metres, when standing.
        looks: of `random_looks`.

    Raises:
        ValueError: no such stance.
    """
    if stance not in STANCES:
        raise ValueError(f"unknown stance {stance!r}; choose from {', '.join(STANCES)}")
    limbs = STANCES[stance](rng)
    looks = looks or random_looks(rng)
    frame = pose.moved(0, 0, 0, height)
    legs, arms, spine = _skeleton(limbs, looks, yaw)
    pixels = height * np.sqrt(abs(np.linalg.det(pose.matrix))) * layer.side / 2
    front = np.cos(yaw) > -0.2

    # What is nearer comes later. Hips are inside the shirt, so that a leg counts from its knee; long hair falls
    # behind the neck of a figure that faces us, and over the back of one that looks away.
    head = spine[-1]
    parts: list[tuple[float, Callable[[], None]]] = [
        (0.0, partial(_torso, layer, frame, looks, spine, legs, yaw)),
        (0.01, partial(_head, layer, frame, looks, head, yaw, face=pixels > _FACE_FROM)),
        (-0.3 if front else 0.009, partial(_long_hair, layer, frame, looks, head, yaw)),
        *((float(leg[1, 2]) - 0.13, partial(_leg, layer, frame, looks, leg)) for leg in legs),
        *((float(arm[1:, 2].mean()) + 0.012, partial(_arm, layer, frame, looks, arm)) for arm in arms),
    ]
    for _, paint in sorted(parts, key=lambda part: part[0]):
        paint()


def _hex(text: str) -> np.ndarray:
    return np.array([int(text[k : k + 2], 16) for k in (0, 2, 4)]) / 255


def _direction(forward: float, outward: float, side: int) -> np.ndarray:
    """Give the unit vector of a bone that hangs down at angles 0."""
    return np.array([side * np.sin(outward), np.cos(outward) * np.cos(forward), np.cos(outward) * np.sin(forward)])


def _skeleton(limbs: Limbs, looks: Looks, yaw: float) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Give legs (hip, knee, ankle, toe), arms (shoulder, elbow, hand) and spine (hip, neck, head), feet at y = 0."""
    up = np.array([0, -np.cos(limbs.lean), np.sin(limbs.lean)])
    neck = 0.315 * up
    spine = np.stack([np.zeros(3), neck, neck + (0.035 + 0.068 * looks.head) * up])
    legs, arms = [], []
    for row, side in enumerate((-1, 1)):
        forward, outward, shin = limbs.legs[row]
        hip = np.array([side * 0.05 * looks.stout, 0.01, 0])
        knee = hip + 0.24 * _direction(forward, outward, side)
        ankle = knee + 0.235 * _direction(shin, outward * 0.4, side)
        toe = ankle + [side * 0.02, 0.012 - 0.4 * min(0, shin) * 0.06, 0.075]
        legs.append(np.stack([hip, knee, ankle, toe]))
        forward, outward, fore, fore_out = limbs.arms[row]
        shoulder = neck * 0.91 + [side * 0.096 * looks.stout**0.5, 0, 0]
        elbow = shoulder + 0.165 * _direction(forward, outward, side)
        arms.append(np.stack([shoulder, elbow, elbow + 0.15 * _direction(fore, fore_out, side)]))
    ground = max(leg[2:, 1].max() for leg in legs) + 0.022
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    drop = np.array([0, ground, 0])
    return [(leg - drop) @ turn.T for leg in legs], [(arm - drop) @ turn.T for arm in arms], (spine - drop) @ turn.T


def _leg(layer: Layer, frame: Pose, looks: Looks, leg: np.ndarray) -> None:
    hip, knee, ankle, toe = leg[:, :2]
    shade = np.clip(0.95 + 2.5 * leg[:, 2].mean(), 0.75, 1.05)
    cloth, skin = shaded(looks.bottom, shade), shaded(looks.skin, shade)
    wide = looks.stout**0.7
    tube(layer, ankle, toe, (0.02, 0.018), shaded(looks.shoes, shade), frame)
    tube(layer, knee, ankle, (0.034 * wide, 0.022), cloth if looks.below == "trousers" else skin, frame)
    tube(layer, hip, knee, (0.05 * wide, 0.037 * wide), skin if looks.below == "skirt" else cloth, frame)


def _arm(layer: Layer, frame: Pose, looks: Looks, arm: np.ndarray) -> None:
    shoulder, elbow, hand = arm[:, :2]
    shade = np.clip(0.95 + 2 * arm[:, 2].mean(), 0.75, 1.05)
    cloth, skin = shaded(looks.top, shade), shaded(looks.skin, shade)
    layer.dot(hand + (hand - elbow) * 0.1, 0.022, skin, frame)
    tube(layer, elbow, hand, (0.024, 0.018), cloth if looks.long_sleeves else skin, frame)
    tube(layer, shoulder, elbow, (0.034, 0.026), cloth, frame)


def _torso(layer: Layer, frame: Pose, looks: Looks, spine: np.ndarray, legs: list[np.ndarray], yaw: float) -> None:
    hip, neck, head = spine[:, :2]
    tube(layer, neck, neck + (head - neck) * 0.6, (0.027, 0.025), shaded(looks.skin, 0.8), frame)
    up = neck - hip
    across, deep = abs(np.cos(yaw)), abs(np.sin(yaw))
    wide = np.array([0.08, 0.086, 0.076, 0.09, 0.108, 0.114, 0.088, 0.034]) * looks.stout**0.8
    thick = np.array([0.06, 0.065, 0.058, 0.066, 0.075, 0.07, 0.056, 0.036]) * looks.stout
    half = np.hypot(wide * across, thick * deep)
    along = np.array([-0.12, 0.05, 0.3, 0.55, 0.78, 0.9, 0.98, 1.05])
    light = np.array([0.8, 1.0, 1.08, 1.0, 0.88, 0.76])[None, :, None]
    rows = np.where((np.arange(7) % 2 == 0)[:, None], looks.top, looks.stripe)[:, None, :]
    layer.patch(hip + along[:, None] * up, half, shaded(np.clip(rows, 0.02, 1), light), frame)
    if looks.below == "skirt":
        knees = np.mean([leg[1, :2] for leg in legs], axis=0)
        reach = np.linspace(-0.25, 0.95, 5)[:, None]
        flare = np.linspace(0.075, 0.125, 5) * looks.stout**0.8
        pleats = np.array([0.78, 1.02, 0.9, 1.1, 0.92, 1.02, 0.78])[None, :, None]
        cloth = np.broadcast_to(shaded(np.clip(looks.bottom, 0.02, 1), pleats), (4, 7, 3))
        layer.patch(hip + reach * (knees - hip), flare, cloth, frame)


def _long_hair(layer: Layer, frame: Pose, looks: Looks, centre: np.ndarray, yaw: float) -> None:
    if looks.hair_length >= 0.6:
        size = 0.068 * looks.head
        fall = size * (0.4 + 1.6 * looks.hair_length)
        back = centre[:2] + [-0.3 * size * np.sin(yaw), fall * 0.4]
        ball(layer, back, (size * 0.98, size * 0.6 + fall * 0.5), shaded(looks.hair, 0.85), frame)


def _head(layer: Layer, frame: Pose, looks: Looks, centre: np.ndarray, yaw: float, *, face: bool) -> None:
    middle, size = centre[:2], 0.068 * looks.head
    side, towards = np.sin(yaw), np.cos(yaw)
    half = size * (0.76 + 0.12 * abs(side))
    hair = looks.skin if looks.hair_length == 0 else looks.hair
    away = towards < -0.2
    ball(layer, middle + [-0.12 * half * side, -0.06 * size], (half * 1.1, size * 1.05), hair, frame)
    if not away:
        place = middle + [0.26 * half * side, 0.13 * size]
        ball(layer, place, (half * (0.92 - 0.12 * abs(side)), size * 0.86), looks.skin, frame)
        if face:
            _face(layer, frame, looks, place, size, yaw)
    if looks.hat:
        crown = disc(half * 1.18, size * 1.1, 40)
        crown = crown[crown[:, 1] <= 0] + middle + [0, -0.25 * size]
        layer.polygon(crown, looks.stripe * 0.8, frame)
        brim = disc(half * (1.25 + 0.4 * abs(side)), size * 0.14) + middle + [0.5 * half * side, -0.28 * size]
        layer.polygon(brim, looks.stripe * 0.6, frame)


def _face(layer: Layer, frame: Pose, looks: Looks, place: np.ndarray, size: float, yaw: float) -> None:
    def on(x: float, y: float) -> np.ndarray | None:
        """Where a point of the face lies, or None if it is turned away; x in -1..1 across, y in -1..1 down."""
        angle = np.arcsin(x) + yaw
        return place + [0.6 * size * np.sin(angle), y * size] if np.cos(angle) > 0.25 else None

    dark = looks.skin * 0.35
    for x in (-0.42, 0.42):
        if (eye := on(x, -0.1)) is not None:
            layer.dot(eye, size * 0.13, np.full(3, 0.95), frame)
            layer.dot(eye, size * 0.085, np.array([0.13, 0.09, 0.08]), frame)
            brow = eye + np.array([[-0.16, -0.2], [0.16, -0.2]]) * size
            stroke(layer, brow, size * 0.07, np.minimum(looks.hair, dark), frame)
    ends = [point for x in (-0.3, 0.0, 0.3) if (point := on(x, 0.44 + (0.06 if x == 0 else 0))) is not None]
    if len(ends) > 1:
        stroke(layer, ends, size * 0.09, np.array([0.65, 0.25, 0.22]) * (0.5 + 0.5 * looks.skin[0]), frame)
    if (nose := on(0.0, 0.16)) is not None:
        tip = nose + [0.1 * size * np.sin(yaw), 0]
        stroke(layer, [nose - [0, 0.2 * size], tip], size * 0.07, shaded(looks.skin, 0.72), frame)
