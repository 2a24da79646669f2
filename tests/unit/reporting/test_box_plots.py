from dataclasses import replace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from mbhelpers.reporting import box_plots

from .test_box_facts import BOXES, FOUND
from .test_data_plots import overlapping

CHARTS = {
    "boxes per image": box_plots.plot_boxes_per_image,
    "box sizes": box_plots.plot_box_sizes,
    "box shapes": box_plots.plot_box_shapes,
    "positions": box_plots.plot_positions,
    "small at": box_plots.plot_small_at,
}
EMPTY = FOUND.only(("kite",))


@pytest.mark.parametrize("found", [FOUND, EMPTY], ids=["boxes", "no box"])
@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_names_its_axes(chart, found):
    figure = CHARTS[chart](found)
    figure.draw_without_rendering()
    for axis in figure.axes:
        assert axis.get_ylabel()
        assert axis.get_xlabel() or axis.get_label() == "<colorbar>"
        assert not overlapping(axis.get_xticklabels())
    assert plt.get_fignums() == []


def heights(axis) -> list[float]:
    return [bar.get_height() for bar in axis.patches]


def test_boxes_per_image_counts_the_empty_ones():
    assert heights(box_plots.plot_boxes_per_image(FOUND).axes[0]) == [1, 0, 2, 0, 0, 0]


def test_boxes_per_image_gathers_the_fullest_in_the_last_bar():
    lengths = np.array([2] * 300 + [40, 60])
    many = replace(
        FOUND,
        paths=np.array([f"{k}.jpg" for k in range(302)]),
        sizes=np.full((302, 2), 100),
        first=np.concatenate([[0], np.cumsum(lengths)]),
        **{name: np.zeros((700, *getattr(FOUND, name).shape[1:])) for name in ("boxes", "areas")},
        labels=np.zeros(700, np.int64),
        crowd=np.zeros(700, bool),
    )
    axis = box_plots.plot_boxes_per_image(many).axes[0]
    assert heights(axis) == [0, 0, 300, 0, 0, 2]
    assert axis.get_xticklabels()[-1].get_text() == "5+"
    assert "5+: 5 or more" in axis.get_xlabel()


def test_box_sizes():
    left, right = box_plots.plot_box_sizes(FOUND).axes
    assert sum(heights(left)) == 3, "the crowd is left out"
    assert left.get_xscale() == "log"
    assert heights(right) == pytest.approx([100 * 2 / 3, 100 / 3, 0])


def test_small_at():
    axis = box_plots.plot_small_at(FOUND, (192, 416), (4, 8)).axes[0]
    third = 100 / 3  # 0.02 of 192 is 3.8 px, of 416 is 8.3 px
    assert heights(axis) == pytest.approx([third, 0, third, 0])
    assert [label.get_text() for label in axis.get_xticklabels()] == ["192 x 192", "416 x 416"]


def test_positions():
    picture = box_plots.plot_positions(FOUND, cells=4).axes[0].images[0].get_array()
    # By hand: only the box of the upper right quarter covers the middle of the second row, third column.
    assert picture[1, 2] == pytest.approx(100 / 3)
    assert picture[3].tolist() == [0, 0, 0, 0]


def drawn(**changed) -> list:
    images = [np.zeros((100, 100, 3), np.uint8), np.zeros((100, 200, 3), np.uint8)]
    parts = [FOUND.of(k) for k in range(2)]
    passed = {
        "boxes": [FOUND.boxes[part] for part in parts],
        "labels": [FOUND.labels[part] for part in parts],
        "crowd": [FOUND.crowd[part] for part in parts],
    } | changed
    figure = box_plots.show_boxes(images, passed["boxes"], passed["labels"], FOUND.categories, passed["crowd"])
    figure.draw_without_rendering()
    return figure.axes


def test_every_box_is_drawn_in_pixels():
    for k, axis in enumerate(drawn()):
        size = FOUND.sizes[k]
        expected = sorted((BOXES[FOUND.of(k)] * [*size, *size] - 0.5).tolist())
        frames = [patch for patch in axis.patches if isinstance(patch, Rectangle)]
        found = sorted([f.get_x(), f.get_y(), f.get_x() + f.get_width(), f.get_y() + f.get_height()] for f in frames)
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_crowds_are_dashed_and_named_so():
    frames = drawn()[1].patches
    assert {(round(f.get_width()), f.get_linestyle()) for f in frames} == {(160, "--"), (100, "-")}
    assert sorted(text.get_text() for text in drawn()[1].texts) == ["person", "person (crowd)"]


def test_a_category_has_one_colour():
    colours = [{to_hex(f.get_edgecolor()) for f in axis.patches} for axis in drawn()]
    assert len(colours[0]) == 2, "person and dog"
    assert len(colours[1]) == 1, "two persons"
    assert colours[1] < colours[0]


def test_names_do_not_cover_each_other():
    same = [np.tile(BOXES[:1], (20, 1)), BOXES[2:3]]
    axis = drawn(boxes=same, labels=[np.zeros(20, np.int64), np.zeros(1, np.int64)], crowd=())[0]
    assert len(axis.patches) == 20
    assert 1 <= len(axis.texts) < 5
    assert not overlapping(axis.texts)


@pytest.mark.parametrize(
    ("changed", "says", "why"),
    [
        ({"boxes": [BOXES[:2]]}, "2 pictures, but boxes of 1", "boxes of one picture are missing"),
        ({"labels": [np.array([0, 3]), np.array([0, 0])]}, "label 3 has no name", "three categories end at 2"),
        ({"crowd": [np.zeros(2, bool)]}, "crowds of 1", "crowds of one picture are missing"),
    ],
)
def test_bad_input(changed, says, why):
    with pytest.raises(ValueError, match=says):
        drawn(**changed)
