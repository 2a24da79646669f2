"""What is on the drawn COCO pictures: a cycle of cases, half of them without persons, and how each is put together."""

from collections.abc import Callable, Sequence

import numpy as np

from mbhelpers.data.drawing.animals import ANIMALS
from mbhelpers.data.drawing.brush import Layer, Pose, Rng
from mbhelpers.data.drawing.furnishings import INDOOR
from mbhelpers.data.drawing.objects import OUTDOOR
from mbhelpers.data.drawing.people import draw_person, random_looks
from mbhelpers.data.drawing.places import Place
from mbhelpers.data.drawing.solids import Painter
from mbhelpers.data.drawing.staging import Actor, Outline

CASES = (
    "person", "things", "group", "things", "tiny", "things", "portrait", "things", "hidden", "empty",
    "person", "things", "between", "things", "crowd", "border", "things", "person", "things", "things",
)  # fmt: skip
"""The case of picture i is `CASES[i % 20]`.

`tiny`: persons too small for both public rules. `between`: persons that count by segment area (Visual Wake Words)
though no box is large enough (MLPerf Tiny). `crowd`: a region of many small figures. `border`: a person cut by an edge.
"""

PLACES_OF = {
    "things": ("street", "park", "beach", "room", "table"),
    "empty": ("street", "park", "beach", "room", "table"),
    "tiny": ("street", "park", "beach"),
    "between": ("street", "park", "beach"),
    "crowd": ("street", "park", "beach"),
}
"""Where a case is set, if not in each of street, park, beach and room."""

_PAINTERS: dict[str, Painter] = {**OUTDOOR, **ANIMALS, **INDOOR}
_IN_PLACE = {
    "street": ("car", "car", "bus", "truck", "bicycle", "motorcycle", "traffic light", "stop sign", "fire hydrant",
               "dog", "bench", "suitcase", "cat"),
    "park": ("dog", "bird", "bench", "bicycle", "sports ball", "kite", "horse", "sheep", "cow", "giraffe", "zebra",
             "elephant", "bear", "frisbee", "cat", "airplane"),
    "beach": ("boat", "boat", "umbrella", "surfboard", "sports ball", "bird", "dog", "kite", "frisbee", "chair"),
    "room": ("chair", "couch", "potted plant", "tv", "clock", "dining table", "cat", "dog", "refrigerator", "suitcase",
             "teddy bear", "vase", "book"),
    "table": ("bottle", "bottle", "wine glass", "cup", "cup", "bowl", "banana", "apple", "orange", "pizza", "donut",
              "cake", "book", "laptop", "vase", "teddy bear"),
}  # fmt: skip
_COVERS = {
    "street": ("car", "bicycle", "motorcycle", "bench", "fire hydrant"),
    "park": ("bench", "sheep", "horse", "cow", "bicycle"),
    "beach": ("surfboard", "chair", "umbrella"),
    "room": ("couch", "chair", "dining table", "potted plant"),
}
_OTHERS = {"empty": (0, 0), "things": (2, 6), "portrait": (0, 1)}  # fewest and most things beside persons
_SEATS = {"street": "bench", "park": "bench", "beach": "chair", "room": "couch"}
_ON_TABLE = ("bottle", "cup", "vase", "laptop", "bowl", "wine glass")
_SMALL = {"bird", "book", "cat", "frisbee", "sports ball", "teddy bear", "vase"}
_NEVER_MIRRORED = {"stop sign", "clock"}


def compose(case: str, place: Place, frame: tuple[float, float], rng: Rng) -> list[Actor]:
    """Put together the things of a scene, from the farthest to the nearest.

    Args:
        case: of `CASES`.
        place: where.
        frame: width and height of the picture in units of the longer one.
        rng: what is drawn from.
    """
    actors: list[tuple[float, Actor]] = []
    if case in _CASTS:
        actors = _CASTS[case](place, frame, rng)
    least, most = _OTHERS.get(case, (0, 3))
    count = int(rng.integers(least, most + 1))
    for slot in rng.permutation(max(count, 4))[:count]:
        x = frame[0] * (slot + rng.uniform(0.2, 0.8)) / max(count, 4)
        actors += _thing(place, str(rng.choice(_IN_PLACE[place.kind])), x, frame, rng)
    return [actor for _, actor in sorted(actors, key=lambda pair: pair[0])]


def keeps_promise(case: str, outlines: Sequence[Outline]) -> bool:
    """Whether a rendered scene is what its case says; small parts in sight can break it, so that it is drawn anew."""
    persons = [outline for outline in outlines if outline.category == "person"]
    shares = [(outline.mask.mean(), _box_share(outline.mask)) for outline in persons if not outline.crowd]
    if case == "empty":
        return not outlines
    if case == "things":
        return bool(outlines) and not persons
    if case == "tiny":
        return bool(shares) and all(segment < 0.0045 and box < 0.022 for segment, box in shares)
    if case == "between":
        return any(segment > 0.0055 for segment, _ in shares) and all(box < 0.024 for _, box in shares)
    if case == "crowd":
        return any(outline.crowd and outline.mask.mean() > 0.01 for outline in persons)
    if case == "border" and not any(_cut(outline.mask) for outline in persons):
        return False
    return any(segment > 0.01 and box > 0.03 for segment, box in shares)


def _box_share(mask: np.ndarray) -> float:
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    return float((rows[-1] + 1 - rows[0]) * (columns[-1] + 1 - columns[0]) / mask.size)


def _cut(mask: np.ndarray) -> bool:
    return bool(mask[:, 0].any() or mask[:, -1].any() or mask[-1].any())


def _stands(x: float, y: float, scale: float, mirrored: bool = False) -> Pose:
    return Pose(np.array([x, y]), np.diag([-scale if mirrored else scale, scale]))


# ---- Things


def _thing(
    place: Place, category: str, x: float, frame: tuple[float, float], rng: Rng, y: float | None = None
) -> list[tuple[float, Actor]]:
    """Give a thing, with what stands on it, each with the y of the ground under it: what is lower is nearer."""
    bottom = frame[1]
    if y is None:  # small things are only worth a picture near by
        near = rng.uniform(0.45 if category in _SMALL else 0.1, 0.9)
        y = place.far + (bottom - place.far) * near
    scale, lift = place.scale(y), 0.0
    if category in ("kite", "airplane") or (category == "bird" and rng.uniform() < 0.5):
        y, scale = place.horizon * rng.uniform(0.2, 0.75), rng.uniform(0.06, 0.2)
        scale /= {"airplane": 9.0, "bird": 0.4}.get(category, 1.0)
        lift, order = 0.0, place.horizon
    else:
        order = y
    if category == "boat":
        y = order = place.horizon + (place.far - 0.05 - place.horizon) * rng.uniform(0.1, 0.9)
        scale = rng.uniform(0.02, 0.055)
    elif category in ("clock", "tv") and place.kind == "room":  # on the wall
        y = order = place.far
        scale = place.scale(place.far) * rng.uniform(0.9, 1.4)
        lift = {"clock": rng.uniform(1.7, 2.0), "tv": 0.9}[category]
    elif category == "umbrella":
        scale *= 2.2  # a parasol
    elif category in _SMALL - {"cat"} and place.kind != "table":
        scale *= 1.4
    flip = category not in _NEVER_MIRRORED and bool(rng.integers(2))
    pose = _stands(x, y - lift * scale, scale, flip)
    actors = [(order, _actor(category, pose, rng, shadow=lift == 0 and order != place.horizon))]
    if category == "dining table":
        for item in rng.choice(_ON_TABLE, rng.integers(1, 4), replace=False):
            spot = _stands(x + rng.uniform(-0.5, 0.5) * scale, y - 0.79 * scale, scale * 1.3)
            actors.append((order + 1e-4, _actor(str(item), spot, rng, shadow=False)))
    return actors


_HALF_WIDTH = {"car": 2.1, "bus": 5, "truck": 3.6, "bicycle": 0.8, "motorcycle": 1, "bench": 0.9, "couch": 0.9,
               "horse": 1, "cow": 1, "elephant": 1.5, "giraffe": 1, "zebra": 0.9, "bear": 0.9, "sheep": 0.6,
               "dining table": 0.8, "refrigerator": 0.4, "surfboard": 0.25, "dog": 0.4, "laptop": 0.2, "pizza": 0.18,
               "cake": 0.17, "book": 0.14, "bowl": 0.1, "banana": 0.1, "bottle": 0.05, "cup": 0.05, "wine glass": 0.04,
               "apple": 0.045, "orange": 0.045, "donut": 0.055, "sports ball": 0.12, "teddy bear": 0.16, "vase": 0.09,
               "bird": 0.1, "frisbee": 0.16, "umbrella": 0.5, "boat": 0}  # fmt: skip


def _actor(category: str, pose: Pose, rng: Rng, *, shadow: bool) -> Actor:
    seed, (x, y) = int(rng.integers(2**63)), pose.origin
    half = _HALF_WIDTH.get(category, 0.25) * abs(pose.matrix[1, 1]) if shadow else 0.0
    return Actor(
        category,
        lambda layer: _PAINTERS[category](layer, pose, np.random.default_rng(seed)),
        (float(x), float(y), float(half)),
    )


# ---- Persons


def _person(
    x: float, y: float, tall: float, rng: Rng, *, stance: str | None = None, yaw: float | None = None,
    children: float = 0.2,
) -> tuple[float, Actor]:  # fmt: skip
    """Give a person who stands or sits at (x, y), where 1.7 m are `tall` units of the picture.

    `children` is the share of children, who are smaller.
    """
    seed = int(rng.integers(2**63))
    child = bool(rng.uniform() < children)
    height = rng.uniform(1.0, 1.35) if child else rng.uniform(1.55, 1.9)
    kind = stance or str(rng.choice(["standing", "walking", "arms up", "waving", "holding"],
                                    p=[0.34, 0.34, 0.1, 0.12, 0.1]))  # fmt: skip
    # Most people on photographs look roughly at the camera.
    way = rng.choice([rng.normal(0, 0.6), rng.uniform(-np.pi, np.pi)], p=[0.6, 0.4]) if yaw is None else yaw
    pose = _stands(x, y, tall / 1.7)

    def paint(layer: Layer) -> None:
        own = np.random.default_rng(seed)
        looks = random_looks(own, child=child)
        draw_person(layer, pose, own, stance=kind, yaw=float(way), height=height, looks=looks)

    return y, Actor("person", paint, (x, y, 0.2 * tall))


def _placed_person(
    place: Place, tall: float, x: float, rng: Rng, *, stance: str | None = None, yaw: float | None = None
) -> tuple[float, Actor]:
    """Give a person who stands where the ground is seen on which 1.7 m are `tall` units."""
    return _person(x, max(place.ground(tall / 1.7), place.far), tall, rng, stance=stance, yaw=yaw)


def _one(place: Place, frame: tuple[float, float], rng: Rng) -> list[tuple[float, Actor]]:
    x, tall = rng.uniform(0.2, 0.8) * frame[0], frame[1] * rng.uniform(0.3, 0.92)
    style = rng.uniform()
    if style < 0.25:  # on a seat
        tall = frame[1] * rng.uniform(0.45, 0.8)
        seat, y = _SEATS[place.kind], place.ground(tall / 1.7)
        below = _thing(place, seat, x, frame, rng, y=y)
        return [*below, _person(x, y + 0.02 * tall, tall, rng, stance="sitting", yaw=rng.normal(0, 0.4))]
    if style < 0.4 and place.kind != "room":  # under an umbrella
        y, actor = _placed_person(place, tall, x, rng, stance="holding", yaw=rng.normal(0, 0.4))
        pose = _stands(x + 0.09 * tall, y - 0.56 * tall, tall * 0.6)
        return [(y - 1e-4, _actor("umbrella", pose, rng, shadow=False)), (y, actor)]
    if style < 0.5 and place.kind in ("park", "beach"):
        y, actor = _placed_person(place, tall, x, rng)
        return [(y, actor), *_thing(place, "sports ball", x + 0.25 * tall, frame, rng, y=y + 0.01)]
    return [_placed_person(place, tall, x, rng)]


def _group(place: Place, frame: tuple[float, float], rng: Rng) -> list[tuple[float, Actor]]:
    count = int(rng.integers(2, 7))
    tall, middle = frame[1] * rng.uniform(0.35, 0.8), rng.uniform(0.35, 0.65) * frame[0]
    xs = middle + (np.arange(count) - (count - 1) / 2) * tall * rng.uniform(0.2, 0.4)
    return [_placed_person(place, tall * rng.uniform(0.85, 1.1), float(x), rng) for x in xs]


def _portrait(place: Place, frame: tuple[float, float], rng: Rng) -> list[tuple[float, Actor]]:
    figures = []
    for k in range(rng.integers(1, 3)):
        tall, top = frame[1] * rng.uniform(1.3, 2.4), frame[1] * rng.uniform(0.05, 0.25)
        x = frame[0] * rng.uniform(0.3, 0.7) + k * 0.3 * tall
        figures.append(_person(x, top + tall, tall, rng, yaw=rng.normal(0, 0.5), children=0))
    return figures


def _hidden(place: Place, frame: tuple[float, float], rng: Rng) -> list[tuple[float, Actor]]:
    tall, x = frame[1] * rng.uniform(0.45, 0.85), rng.uniform(0.25, 0.75) * frame[0]
    y, actor = _placed_person(place, tall, x, rng)
    cover = str(rng.choice(_COVERS[place.kind]))
    return [(y, actor), *_thing(place, cover, x + rng.normal(0, 0.12) * tall, frame, rng, y=y + 0.03 * tall)]


def _border(place: Place, frame: tuple[float, float], rng: Rng) -> list[tuple[float, Actor]]:
    tall = frame[1] * rng.uniform(0.5, 1.0)
    x = rng.choice([0.0, frame[0]]) + rng.normal(0, 0.04) * tall
    return [_placed_person(place, tall, float(x), rng)]


def _small_figures(share: Callable[[Rng], float], most: int) -> Callable[..., list[tuple[float, Actor]]]:
    """Make a cast of 1 to `most` persons, each `share` of the square root of the picture's area tall."""

    def cast(place: Place, frame: tuple[float, float], rng: Rng) -> list[tuple[float, Actor]]:
        side = np.sqrt(frame[0] * frame[1])
        return [
            _placed_person(place, share(rng) * side, rng.uniform(0.05, 0.95) * frame[0], rng)
            for _ in range(rng.integers(1, most + 1))
        ]

    return cast


def _crowd(place: Place, frame: tuple[float, float], rng: Rng) -> list[tuple[float, Actor]]:
    tall, left = rng.uniform(0.1, 0.16), rng.uniform(0, 0.4) * frame[0]
    y, right = max(place.ground(tall / 1.7), place.far), left + rng.uniform(0.4, 0.6) * frame[0]
    rows = sorted((y + rng.uniform(0, 0.35) * tall, x) for x in np.linspace(left, right, rng.integers(12, 26)))
    members = [_person(float(x), row, tall * rng.uniform(0.9, 1.1), rng)[1] for row, x in rows]

    def paint(layer: Layer) -> None:
        for member in members:
            member.paint(layer)

    apart = _small_figures(lambda rng: rng.uniform(0.14, 0.3), 2)(place, frame, rng)
    return [(y, Actor("person", paint, crowd=True)), *apart]


_CASTS: dict[str, Callable[..., list[tuple[float, Actor]]]] = {
    "person": _one,
    "group": _group,
    "portrait": _portrait,
    "hidden": _hidden,
    "border": _border,
    "tiny": _small_figures(lambda rng: rng.uniform(0.045, 0.1), 5),
    "between": _small_figures(lambda rng: rng.uniform(0.19, 0.24), 2),
    "crowd": _crowd,
}
