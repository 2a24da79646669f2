import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mbhelpers.data import class_names
from mbhelpers.data.drawing.animals import ANIMALS
from mbhelpers.data.drawing.brush import Layer, Pose
from mbhelpers.data.drawing.furnishings import INDOOR
from mbhelpers.data.drawing.objects import OUTDOOR
from mbhelpers.data.drawing.people import STANCES, draw_person
from mbhelpers.data.drawing.places import PLACES, draw_place
from mbhelpers.data.drawing.staging import LEAST_VISIBLE, Actor, Outline, render
from mbhelpers.data.sample import coco
from mbhelpers.data.sample.coco_cases import CASES, keeps_promise

COUNTS = {"train": 44, "val": 22}
PAINTERS = {**OUTDOOR, **ANIMALS, **INDOOR}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    return coco.write_sample(tmp_path_factory.mktemp("drawn"), **COUNTS)


@pytest.fixture(scope="module")
def contents(drawn) -> dict[str, dict]:
    return {part: json.loads((drawn / f"annotations/instances_{part}2017.json").read_text()) for part in COUNTS}


def by_path(contents: dict[str, dict]) -> dict[str, tuple[dict, list[dict]]]:
    """Path to image and its annotations."""
    found = {}
    for part, content in contents.items():
        for image in content["images"]:
            own = [each for each in content["annotations"] if each["image_id"] == image["id"]]
            found[f"{part}2017/{image['file_name']}"] = image, own
    return found


def shares(image: dict, annotation: dict) -> tuple[float, float]:
    """Segment and box as parts of the picture."""
    pixels = image["width"] * image["height"]
    return annotation["area"] / pixels, annotation["bbox"][2] * annotation["bbox"][3] / pixels


def persons(annotations: list[dict]) -> list[dict]:
    return [each for each in annotations if each["category_id"] == 1]


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


# ---- The annotation files


@pytest.mark.parametrize("part", COUNTS)
def test_pycocotools_finds_the_same_areas_and_boxes(drawn, contents, part):
    from pycocotools import mask as mask_utils
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        oracle = COCO(str(drawn / f"annotations/instances_{part}2017.json"))
    assert len(oracle.getImgIds()) == COUNTS[part]
    assert len(contents[part]["annotations"]) > 2 * COUNTS[part]
    for annotation in contents[part]["annotations"]:
        code = annotation["segmentation"]
        height, width = code["size"]
        packed = mask_utils.frPyObjects(code, height, width)
        assert mask_utils.area(packed) == annotation["area"]
        assert mask_utils.toBbox(packed).tolist() == annotation["bbox"]
        assert int(oracle.annToMask(annotation).sum()) == annotation["area"]


def test_the_files_agree_with_the_pictures(drawn, contents):
    listed = by_path(contents)
    assert {path.relative_to(drawn).as_posix() for path in drawn.glob("*2017/*.jpg")} == set(listed)
    sizes = set()
    for path, (image, annotations) in listed.items():
        assert Image.open(drawn / path).size == (image["width"], image["height"])
        assert all(each["segmentation"]["size"] == [image["height"], image["width"]] for each in annotations)
        sizes.add((image["width"], image["height"]))
    assert min(min(size) for size in sizes) >= 155 and max(max(size) for size in sizes) <= 260
    assert len(sizes) > 0.9 * len(listed)
    assert 0.3 < np.mean([width > height for width, height in sizes]) < 0.8, "landscape and portrait"


def test_ids_are_unique_and_the_categories_are_those_of_coco(contents):
    for kind in ("images", "annotations"):
        ids = [each["id"] for content in contents.values() for each in content[kind]]
        assert len(set(ids)) == len(ids)
    for content in contents.values():
        categories = content["categories"]
        assert [(each["id"], each["name"]) for each in categories] == list(
            zip(class_names.COCO_IDS, class_names.COCO, strict=True)
        )
        group = {each["name"]: each["supercategory"] for each in categories}
        last_of = {"person": "person", "truck": "vehicle", "boat": "vehicle", "bench": "outdoor", "giraffe": "animal",
                   "suitcase": "accessory", "tennis racket": "sports", "bottle": "kitchen", "bowl": "kitchen",
                   "cake": "food", "toilet": "furniture", "cell phone": "electronic", "refrigerator": "appliance",
                   "toothbrush": "indoor"}  # fmt: skip
        assert {name: group[name] for name in last_of} == last_of
        assert all(image["license"] == content["licenses"][0]["id"] for image in content["images"])
    used = {each["category_id"] for content in contents.values() for each in content["annotations"]}
    assert len(used) > 25


def test_masks_do_not_overlap_and_are_worth_an_annotation(contents):
    cropped = coco.near_duplicates(**COUNTS)[1][1]  # what the crop leaves may be smaller
    for path, (_, annotations) in by_path(contents).items():
        masks = [decoded(each["segmentation"]) for each in annotations]
        if masks:
            assert np.sum(masks, axis=0).max() == 1
            assert path == cropped or min(mask.sum() for mask in masks) >= LEAST_VISIBLE


def decoded(code: dict) -> np.ndarray:
    """Decode run lengths as the format says, independently of the writer: columns first, zeros first."""
    values = [k % 2 for k, count in enumerate(code["counts"]) for _ in range(count)]
    return np.array(values, int).reshape(code["size"][::-1]).T


@pytest.mark.parametrize(
    ("mask", "counts", "why"),
    [
        ([[0, 1], [0, 1]], [2, 2], "down the columns"),
        ([[1, 0], [1, 1]], [0, 2, 1, 1], "a set first pixel needs an empty run of zeros"),
        ([[0, 0], [0, 0]], [4], "nothing"),
        ([[1, 1], [1, 1]], [0, 4], "everything"),
    ],
)
def test_run_lengths(mask, counts, why):
    assert coco.run_lengths(np.array(mask, bool)) == counts, why


# ---- The cases


def test_half_of_the_pictures_hold_persons():
    assert sum(case not in ("things", "empty") for case in CASES) == len(CASES) / 2


def test_every_case_is_what_it_promises(contents):
    pictures, cases = by_path(contents), coco.planted(**COUNTS)
    assert all(cases[case] for case in CASES)
    for case in set(CASES):
        for path in cases[case]:
            image, annotations = pictures[path]
            people = persons(annotations)
            alone = [shares(image, each) for each in people if not each["iscrowd"]]
            by_segment = [segment for segment, _ in alone if segment >= 0.005]
            by_box = [box for _, box in alone if box > 0.025]
            kept = {
                "empty": not annotations,
                "things": bool(annotations) and not people,
                "tiny": bool(alone) and not by_segment and not by_box,
                "between": bool(by_segment) and not by_box,
                "crowd": any(each["iscrowd"] for each in people),
                "border": any(touches(image, each) for each in people),
            }.get(case, bool(by_segment and by_box))
            assert kept, (case, path)


@pytest.mark.parametrize(
    ("case", "box", "filled", "crowd", "kept", "why"),
    [
        ("tiny", (6, 10), 1.0, False, True, "0.15 %"),
        ("tiny", (20, 11), 1.0, False, False, "the segment, 0.55 %, counts for Visual Wake Words"),
        ("tiny", (40, 30), 0.1, False, False, "a box of 3 % counts for MLPerf Tiny"),
        ("between", (20, 30), 0.5, False, True, "segment 0.75 %, box 1.5 %"),
        ("between", (30, 40), 0.5, False, False, "a box of 3 % counts for MLPerf Tiny"),
        ("between", (20, 30), 0.1, False, False, "a segment of 0.15 % does not count"),
        ("person", (40, 100), 0.5, False, True, "5 %"),
        ("person", (40, 100), 0.5, True, False, "a crowd is no person"),
        ("crowd", (40, 100), 0.5, True, True, "5 %"),
        ("crowd", (40, 100), 0.5, False, False, "no crowd"),
        ("border", (40, 100), 0.5, False, False, "away from the edges"),
        ("things", (40, 100), 0.5, False, False, "a person"),
        ("empty", (40, 100), 0.5, False, False, "something"),
    ],
)
def test_a_broken_promise_is_noticed(case, box, filled, crowd, kept, why):
    mask = np.zeros((200, 200), bool)
    width, height = box
    part = np.zeros(width * height, bool)
    part[: int(filled * part.size)] = True
    part[-1] = True
    mask[50 : 50 + height, 60 : 60 + width] = part.reshape(height, width)
    assert keeps_promise(case, [Outline("person", mask, crowd)]) == kept, why


def touches(image: dict, annotation: dict) -> bool:
    x, y, width, height = annotation["bbox"]
    return x == 0 or x + width == image["width"] or y + height == image["height"]


def test_the_gray_ones_have_one_channel(drawn, contents):
    gray = set(coco.planted(**COUNTS)["gray"])
    assert len(gray) >= 3
    for path in by_path(contents):
        assert Image.open(drawn / path).mode == ("L" if path in gray else "RGB"), path


def test_near_duplicates_are_near_and_span_the_parts(drawn, contents):
    pictures = by_path(contents)
    pairs = coco.near_duplicates(**COUNTS)
    assert [(a[:3], b[:3]) for a, b in pairs] == [("tra", "tra"), ("tra", "tra"), ("tra", "val")]
    stranger = pixels(drawn / pairs[0][0])
    for k, (a, b) in enumerate(pairs):
        first, second = pixels(drawn / a), pixels(drawn / b)
        assert (drawn / a).read_bytes() != (drawn / b).read_bytes()
        if k == 1:  # cropped
            assert second.shape == (first.shape[0] - 3, first.shape[1] - 4, 3)
            first = first[2:-1, 1:-3]
        assert np.abs(first - second).mean() < 14
        small = np.asarray(Image.fromarray(second.astype(np.uint8)).resize(stranger.shape[1::-1])).astype(int)
        if k:
            assert np.abs(stranger - small).mean() > 20, "another scene"
        old, new = pictures[a][1], pictures[b][1]
        assert len(old) == len(new)
        for before, after in zip(old, new, strict=True):
            mask = decoded(before["segmentation"])
            np.testing.assert_array_equal(mask[2:-1, 1:-3] if k == 1 else mask, decoded(after["segmentation"]))


def test_too_few_pictures_have_no_duplicates():
    assert coco.near_duplicates(train=9, val=2) == coco.near_duplicates(train=10, val=1) == []
    assert len(coco.near_duplicates(train=10, val=2)) == 3


# ---- What is drawn


@pytest.mark.parametrize("category", PAINTERS)
def test_things_are_in_their_mask(category):
    assert category in class_names.COCO
    assert_drawn(category, lambda layer, pose, rng: PAINTERS[category](layer, pose, rng))


@pytest.mark.parametrize("stance", STANCES)
@pytest.mark.parametrize("yaw", [0.0, 1.5, 3.1])
def test_persons_are_in_their_mask(stance, yaw):
    assert_drawn("person", lambda layer, pose, rng: draw_person(layer, pose, rng, stance=stance, yaw=yaw))


def assert_drawn(category, paint) -> None:
    """A thing changes the pixels of its mask, all of them, and none that are away from it."""
    for trial in (1.5, 0.2, 0.03):  # units a metre: from cups to airplanes
        layer = Layer(400)
        paint(layer, Pose(np.array([0.5, 0.5]), np.eye(2) * trial), np.random.default_rng(1))
        edges = np.array(layer.image.getbbox() or (0, 0, 0, 0)) / layer.side
        if edges.min() > 0 and edges.max() < 1:
            break
    scale = trial * 0.7 / (edges[2:] - edges[:2]).max()
    origin = 0.5 - (edges.reshape(2, 2).mean(0) - 0.5) * scale / trial
    assert set(np.unique(np.asarray(layer.image)[..., 3])) == {0, 255}, "a half transparent part would be a hole"
    pose = Pose(origin, np.eye(2) * scale)
    actor = Actor(category, lambda layer: paint(layer, pose, np.random.default_rng(1)))
    backdrop = Image.new("RGB", (240, 240), (255, 0, 255))  # as nothing is
    bare, _ = render(backdrop, (120, 120), [])
    picture, (outline,) = render(backdrop, (120, 120), [actor])
    changed = np.abs(picture - bare).max(-1) > 40
    assert changed[outline.mask].mean() > 0.97
    rows, columns = np.nonzero(outline.mask)
    near = np.zeros_like(outline.mask)
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            near[np.clip(rows + down, 0, 119), np.clip(columns + across, 0, 119)] = True
    assert changed[~near].mean() < 0.02, "thin parts only"
    assert 70 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 100


def test_what_is_hidden_is_cut_away_and_what_is_lost_is_not_drawn():
    def block(x: float, y: float, side: float, colour: float) -> Actor:
        corners = np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side]])
        return Actor("book", lambda layer: layer.polygon(corners, np.full(3, colour)))

    far, lost, near = block(0.1, 0.1, 0.4, 0.1), block(0.42, 0.42, 0.2, 0.9), block(0.3, 0.3, 0.4, 0.5)
    backdrop = Image.new("RGB", (200, 200), (255, 255, 255))
    picture, outlines = render(backdrop, (100, 80), [far, lost, near])
    assert len(outlines) == 2
    behind, front = (outline.mask for outline in outlines)
    assert not (behind & front).any()
    assert abs(int(front.sum()) - 40 * 40) < 100 and abs(int(behind.sum()) - (40 * 40 - 20 * 20)) < 100
    assert (np.median(picture[behind]), np.median(picture[front])) == (25, 127)


@pytest.mark.parametrize("kind", PLACES)
def test_places_have_ground_below_the_horizon(kind):
    for seed in range(4):
        place = draw_place(kind, np.random.default_rng(seed), 100, 0.7)
        assert place.picture.size == (200, 200)
        assert place.horizon < place.far < 0.7
        assert place.scale(place.ground(0.2)) == pytest.approx(0.2)
        assert np.asarray(place.picture).std() > 10


# ---- Writing


def test_a_seed_is_a_sample_and_pictures_do_not_depend_on_how_many(tmp_path):
    few = coco.write_sample(tmp_path / "a", train=2, val=1, seed=3)
    more = coco.write_sample(tmp_path / "b", train=3, val=2, seed=3)
    other = coco.write_sample(tmp_path / "c", train=2, val=1, seed=4)
    old = {path.name: path.read_bytes() for path in few.glob("*2017/*.jpg")}
    new = {path.name: path.read_bytes() for path in more.glob("*2017/*.jpg")}
    assert len(old) == 3 and old.items() <= new.items()
    assert not set(old.values()) & {path.read_bytes() for path in other.glob("*2017/*.jpg")}


def test_the_names_of_2014(tmp_path):
    root = coco.write_sample(tmp_path, train=1, val=1, year=2014)
    (name,) = (path.name for path in (root / "val2014").iterdir())
    content = json.loads((root / "annotations/instances_val2014.json").read_text())
    assert name == content["images"][0]["file_name"] == f"COCO_val2014_{content['images'][0]['id']:012d}.jpg"
    assert any(f"val2014/{name}" in paths for paths in coco.planted(train=1, val=1, year=2014).values())


def test_errors_say_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="2014 or 2017, not 2015"):
        coco.write_sample(tmp_path, year=2015)
    with pytest.raises(ValueError, match=r"'persons'; choose from between, border, .*things"):
        coco.draw_scene("persons", np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"'flying'; choose from standing"):
        draw_person(Layer(8), Pose.place(0, 0, 1), np.random.default_rng(0), stance="flying")
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_kept_unless_told_otherwise(tmp_path):
    first = coco.write_sample(tmp_path, train=1, val=0, seed=1)
    before = [path.read_bytes() for path in first.glob("train2017/*")]
    with pytest.raises(FileExistsError, match="overwrite=True"):
        coco.write_sample(tmp_path, train=1, val=0, seed=2)
    assert [path.read_bytes() for path in first.glob("train2017/*")] == before
    coco.write_sample(tmp_path, train=1, val=0, seed=2, overwrite=True)
    assert [path.read_bytes() for path in first.glob("train2017/*")] != before


def test_a_broken_run_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(coco, "photograph", interrupted)
    with pytest.raises(KeyboardInterrupt):
        coco.write_sample(tmp_path, train=1, val=1)
    assert not list(tmp_path.iterdir())
