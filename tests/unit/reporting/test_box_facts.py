from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mbhelpers.data.detections import Detections
from mbhelpers.reporting.box_facts import INPUTS, aspects, box_facts, coverage, measured, touching_border

# Three images of 100 x 100, 200 x 100 and 100 x 100 pixels; the third has no box, the last box is a crowd.
BOXES = np.array(
    [[0.1, 0.1, 0.3, 0.3], [0.0, 0.5, 0.02, 0.6], [0.25, 0.0, 0.75, 0.5], [0.1, 0.1, 0.9, 1.0]], np.float32
)
FOUND = Detections(
    root=Path("none"),
    categories=("person", "dog", "kite"),
    category_ids=np.array([1, 18, 38]),
    paths=np.array(["a.jpg", "b.jpg", "c.jpg"]),
    image_ids=np.array([1, 2, 3]),
    sizes=np.array([[100, 100], [200, 100], [100, 100]]),
    first=np.array([0, 2, 4, 4]),
    boxes=BOXES,
    labels=np.array([0, 1, 0, 0]),
    areas=np.array([400.0, 20.0, 5000.0, 14400.0]),
    crowd=np.array([False, False, False, True]),
    problems=(("annotation 3", "clipped by 2.5 pixels"), ("annotation 9", "clipped by 7 pixels"), ("x", "no area")),
)


def test_counts():
    facts = box_facts(FOUND)
    assert (facts["images"], facts["boxes"], facts["empty_images"]) == (3, 4, 1)
    assert facts["per_image"] == {"median": 2.0, "most": 2}
    assert facts["categories"] == {"person": 3, "dog": 1, "kite": 0}
    assert facts["without_boxes"] == ["kite"]
    assert facts["few"] == ["person", "dog"]
    assert facts["crowd"] == 0.25


def test_sizes_leave_crowds_out():
    facts = box_facts(FOUND)
    assert [facts[kind] for kind in ("small", "medium", "large")] == pytest.approx([2 / 3, 1 / 3, 0])
    limits = replace(FOUND, areas=np.array([1023.9, 1024.0, 9216.0, 0.0]))
    assert [box_facts(limits)[kind] for kind in ("small", "medium", "large")] == pytest.approx([1 / 3] * 3)


def test_shapes_are_in_pixels():
    assert aspects(*measured(FOUND)) == pytest.approx([1, 0.2, 2]), "half the width of 200 is twice half the height"
    assert box_facts(FOUND)["aspect"]["median"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("box", "touches", "why"),
    [
        ((0.1, 0.1, 0.9, 0.9), False, "in the middle"),
        ((0.004, 0.1, 0.9, 0.9), True, "0.4 pixels from the left"),
        ((0.006, 0.1, 0.9, 0.9), False, "0.6 pixels from the left"),
        ((0.1, 0.002, 0.9, 0.9), True, "0.4 pixels from the top"),
        ((0.1, 0.1, 0.9961, 0.9), True, "0.39 pixels from the right"),
        ((0.1, 0.1, 0.9, 0.9985), True, "0.3 pixels from the bottom"),
        ((0.1, 0.1, 0.9, 0.996), False, "0.8 pixels from the bottom"),
    ],
)
def test_touching_border(box, touches, why):
    assert touching_border(np.array([box]), np.array([[100, 200]])).tolist() == [touches], why


def test_what_an_input_loses():
    below = box_facts(FOUND)["below"]
    assert list(below) == [str(side) for side in INPUTS]
    # Shorter sides, as shares: 0.2, 0.02, 0.5. Of 192 px: 38.4, 3.84, 96. Of 416: 83, 8.32, 208.
    assert below["192"] == {"4": pytest.approx(1 / 3), "8": pytest.approx(1 / 3)}
    assert below["224"] == {"4": 0.0, "8": pytest.approx(1 / 3)}
    assert below["416"] == {"4": 0.0, "8": 0.0}


def test_coverage():
    shares = coverage(np.array([[0, 0, 0.5, 1], [0, 0, 1, 0.25]], np.float32), 4)
    assert shares.tolist() == [[1, 1, 0.5, 0.5]] + [[0.5, 0.5, 0, 0]] * 3
    assert coverage(np.array([[0.3, 0.3, 0.32, 0.32]]), 4).sum() == 0, "it covers the middle of no cell"
    one = coverage(np.array([[0.3, 0.0, 0.6, 0.2]]), 4)
    assert np.argwhere(one).tolist() == [[0, 1]], "of the middles 0.125, 0.375, 0.625 and 0.875 only one"


def test_problems_are_grouped_by_kind():
    problems = box_facts(FOUND)["problems"]
    assert problems["count"] == 3
    assert problems["kinds"] == {"clipped by # pixels": 2, "no area": 1}
    assert problems["first"][0] == {"where": "annotation 3", "why": "clipped by 2.5 pixels"}


def test_no_box_at_all():
    facts = box_facts(FOUND.only(("kite",)))
    assert facts["boxes"] == 0
    assert facts["empty_images"] == 3
    assert facts["small"] == facts["crowd"] == facts["touching_border"] == 0
    assert facts["below"]["192"] == {"4": 0.0, "8": 0.0}
