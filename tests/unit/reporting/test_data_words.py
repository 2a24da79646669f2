import pytest

from mbhelpers.reporting import data_words as words
from mbhelpers.reporting.box_facts import box_facts

from .test_box_facts import FOUND


@pytest.mark.parametrize(
    ("share", "said"),
    [(0, "0 %"), (0.0001, "under 0.1 %"), (0.026, "2.6 %"), (0.0994, "9.9 %"), (0.0999, "10 %"), (0.494, "49 %")],
)
def test_percent(share, said):
    assert words.percent(share) == said


@pytest.mark.parametrize(
    ("n", "thing", "said"),
    [(1, "image", "1 image"), (1234, "image", "1,234 images"), (0, "box", "0 boxes"), (2, "class", "2 classes"),
     (1, "categor", "1 category"), (80, "categor", "80 categories")],
)  # fmt: skip
def test_count(n, thing, said):
    assert words.count(n, thing) == said


def test_some():
    assert words.some(["a", "b"], 2) == "a, b"
    assert words.some(["a", "b", "c", "d"], 2) == "a, b and 2 more"


def images(**changed) -> dict:
    plain = {
        "skipped": [],
        "tiny": [],
        "sizes": {"smallest": [224, 224], "largest": [224, 224], "median": [224, 224], "different": 1,
                  "far_from_square": 0.0, "square": 1.0},
        "brightness": {"mean": 100.0, "too_dark": 0.0, "too_bright": 0.0},
    }  # fmt: skip
    return plain | changed


CLASSES = {"counts": {"cat": 20, "dog": 30}, "ratio": 1.5, "few": [], "differ_in_brightness": {}}
BOXES = box_facts(FOUND) | {"without_boxes": [], "few": [], "problems": {"count": 0, "first": []}}
LARGE = BOXES | {"below": {"192": {"4": 0.0, "8": 0.05}}}


@pytest.mark.parametrize(
    ("facts", "says", "why"),
    [
        (images(), None, "nothing to warn of"),
        (images(skipped=[{"file": "cat/a.jpg", "reason": "empty file"}]), "1 file left out: cat/a.jpg (empty file)",
         "one is named"),
        (images(tiny=[{"file": "a.png", "width": 16, "height": 9}]), "a.png (16 x 9)", "with its size"),
        (images(sizes=images()["sizes"] | {"far_from_square": 0.25}), "25 % of the images are 2 times as long",
         "stretching hurts a quarter"),
        (images(brightness={"too_dark": 0.03, "too_bright": 0.0}), "3.0 % of the images are very dark", "a few"),
        ({"classes": CLASSES}, None, "1.5 to 1 is no matter"),
        ({"classes": CLASSES | {"counts": {"cat": 3, "dog": 30}, "few": ["cat"]}}, "measure on: cat 3 images",
         "the class and its number"),
        ({"classes": CLASSES | {"ratio": 12.0}}, "12.0 times", "the ratio"),
        ({"classes": CLASSES | {"differ_in_brightness": {"cat": -1.4, "dog": 1.2}}}, "cat (-), dog (+)", "which way"),
        ({"background": {"accuracy": 0.49, "chance": 0.03, "n": 400, "interval": (0.44, 0.54)}},
         "49 % of 400 images (chance 3.0 %)", "far above chance"),
        ({"background": {"accuracy": 0.30, "chance": 0.24, "n": 400, "interval": (0.26, 0.34)}}, None, "a little"),
        ({"copies": {"across_classes": [["a/1", "b/2"]], "across_classes_exact": 0, "across_parts": 0}},
         "none of them byte for byte; look whether one is wrong or they are only alike, such as a/1 and b/2", "alike"),
        ({"copies": {"across_classes": [], "across_parts": 2}}, "2 groups of copies on both sides", "a leak"),
        ({"copies": {"across_classes": [], "across_parts": 0}}, None, "copies that agree and stay together"),
        ({"boxes": LARGE | {"without_boxes": ["kite"]}}, "no box of 1 category: kite", "nothing to learn it from"),
        ({"boxes": LARGE | {"few": ["dog"]}}, "dog 1 box", "the category and its number"),
        ({"boxes": LARGE | {"problems": {"count": 3, "first": [{"where": "annotation 7", "why": "no area"}]}}},
         "3 problems in the annotations, such as annotation 7: no area", "the first as an example"),
        ({"boxes": BOXES}, "33 % of the boxes are under 8 px at an input of 192 px", "one of three"),
    ],
)  # fmt: skip
def test_warnings(facts, says, why):
    found = words.find_warnings(facts)
    if says is None:
        assert found == [], why
    else:
        assert len(found) == 1
        assert says in found[0], why


@pytest.mark.parametrize(
    ("counts", "says"),
    [({"cat": 5, "dog": 5}, "10 images of 2 classes, 5 of each."),
     ({"cat": 5, "dog": 15}, "from 5 of cat to 15 of dog, which alone has 75 % of them.")],
)  # fmt: skip
def test_balance(counts, says):
    assert says in words.of_balance(counts)


@pytest.mark.parametrize(
    ("low", "says"),
    [(0.10, "nothing that chance doesn't"), (0.30, "tells a little"), (0.42, "gives the class away")],
)
def test_background(low, says):
    score = {"accuracy": low + 0.05, "chance": 0.25, "n": 300, "interval": (low, low + 0.1)}
    assert says in words.of_background(score)


@pytest.mark.parametrize(
    ("explained", "says"),
    [((0.31, 0.16), "More at the border"), ((0.01, 0.2), "More in the middle"), ((0.02, 0.03), "Little of either")],
)
def test_means(explained, says):
    assert says in words.of_means(explained, 100)


def test_sizes_and_modes():
    sizes = images()["sizes"]
    assert words.of_sizes(sizes, 7) == "All 7 images are 224 x 224."
    assert "from 224 x 224 to 500 x 333" in words.of_sizes(sizes | {"different": 2, "largest": [500, 333]}, 7)
    assert words.of_modes({"RGB": 7}) == "All are RGB."
    assert words.of_modes({"RGB": 7, "L": 2}).startswith("RGB 7, L 2;")


def test_boxes():
    facts = box_facts(FOUND)
    assert "4 boxes in 3 images: 2 in the median image, 2 in the fullest, none in 1." in words.of_boxes_per_image(facts)
    assert "67 % of the objects are small" in words.of_box_sizes(facts)
    assert "median box is 1.00 times as wide as high" in words.of_box_shapes(facts)
    assert "33 % of the boxes have a side under 8 px and 33 % one under 4 px" in words.of_small_at(facts)
    assert "67 % touch the border" in words.of_positions(facts)
