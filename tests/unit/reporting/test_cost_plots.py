from dataclasses import replace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex

from mbhelpers.models.complexity import Complexity, PublishedFigure
from mbhelpers.models.weights import ARCHITECTURES
from mbhelpers.reporting import cost_plots
from mbhelpers.reporting.cost_drawings import ROLE_COLOURS
from mbhelpers.reporting.cost_facts import Point, parts

from .test_cost_facts import NETWORK
from .test_data_plots import overlapping

POINTS = (
    Point("mobilenet_v2", 0.35, 96, "float", 45.5, 11.9, 1.68),
    Point("mobilenet_v2", 1.0, 224, "float", 71.8, 300.8, 3.5),
    Point("mobilenet_v3_small", 1.0, 224, "float", 67.5, 56.5, 2.54),
    Point("mobilenet_v3_small", 1.0, 224, "8-bit", 64.9, 56.5, 2.54),
    Point("mobilenet_v3_large", 1.0, 224, "float", 75.2, 216.6, 5.48),
    Point("mobilenet_v3_large", 1.0, 224, "8-bit", 73.9, 216.6, 5.48),
)
FIGURES = tuple(
    PublishedFigure("t", architecture, alpha, 224, "float", column, published, counted, why)
    for architecture, alpha, column, published, counted, why in (
        ("mobilenet_v2", 0.35, "macs_m", "11", 11.93, ""),
        ("mobilenet_v2", 0.35, "params_m", "1.66", 1.677, ""),
        ("mobilenet_v3_small", 1.0, "macs_m", "66", 56.51, "stale"),
        ("mobilenet_v3_small", 1.0, "params_m", "2.9", 2.543, "stale"),
        ("mobilenet_v3_small", 0.75, "params_m", "2.4", 2.042, "stale"),
        ("mobilenet_edgetpu", 1.0, "macs_m", "990", 990.7, ""),
        ("mobilenet_edgetpu", 1.0, "params_m", "4.0", 4.09, ""),
    )
)


def enlarged(factor: int) -> Complexity:
    return Complexity("", tuple(replace(part, macs=factor * part.macs) for part in NETWORK.layers))


GRID = {(alpha, size): enlarged(int(1000 * alpha * size)) for alpha in (0.5, 1.0) for size in (96, 224)}
CHARTS = {
    "depth": lambda: cost_plots.plot_depth(NETWORK),
    "roles": lambda: cost_plots.plot_roles({"one": NETWORK, "another": NETWORK}),
    "roles in millions": lambda: cost_plots.plot_roles({"one": NETWORK}, share=False),
    "rounding": lambda: cost_plots.plot_rounding(
        ["stem\n32", "3\n32", "last\n1280"], [11.2, 11.2, 448], [16, 16, 1280]
    ),
    "knobs": lambda: cost_plots.plot_knobs(GRID),
    "published": lambda: cost_plots.plot_published(FIGURES),
    "accuracy over costs": lambda: cost_plots.plot_accuracy_costs(POINTS),
    "int8 loss": lambda: cost_plots.plot_int8_loss(POINTS),
}


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_names_its_axes_and_no_texts_overlap(chart):
    figure = CHARTS[chart]()
    figure.draw_without_rendering()
    assert any(axis.get_xlabel() for axis in figure.axes)
    assert figure.axes[0].get_ylabel() or any(label.get_text() for label in figure.axes[0].get_yticklabels())
    for axis in figure.axes:
        assert not overlapping(axis.texts)
        assert not overlapping(axis.get_xticklabels())
    assert plt.get_fignums() == []


def labels(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_every_architecture_has_a_name_and_a_look_of_its_own():
    assert list(cost_plots.FAMILIES) == list(ARCHITECTURES)
    assert len({(colour, marker) for _, colour, marker in cost_plots.FAMILIES.values()}) == len(ARCHITECTURES)


def test_depth_has_a_bar_a_layer_in_the_colour_of_its_role():
    above, below = cost_plots.plot_depth(NETWORK).axes
    found = parts(NETWORK)
    assert [bar.get_height() for bar in above.patches] == pytest.approx([part.macs / 1e6 for part in found])
    assert [bar.get_height() for bar in below.patches] == pytest.approx([part.parameters / 1e3 for part in found])
    wanted = [ROLE_COLOURS[part.role].lower() for part in found]
    assert [to_hex(bar.get_facecolor()) for bar in above.patches] == wanted


def test_depth_names_the_side_where_the_picture_gets_smaller_and_not_that_of_squeeze_and_excite():
    axis = cost_plots.plot_depth(NETWORK).axes[0]
    assert [text.get_text() for text in axis.texts] == ["16", "8", "4", "1"]
    assert [line.get_xdata()[0] for line in axis.lines] == [2.5, 7.5, 10.5]


def test_roles_are_shares_of_the_whole():
    left, right = cost_plots.plot_roles({"one": NETWORK}).axes
    for axis, whole in ((left, "0.0 M"), (right, "0.00 M")):
        assert sum(bar.get_width() for bar in axis.patches) == pytest.approx(100)
        assert axis.texts[-1].get_text().strip() == whole
    assert left.patches[0].get_width() == pytest.approx(100 * 900 / NETWORK.macs)


def test_roles_in_millions_are_as_long_as_they_are_many():
    axis = cost_plots.plot_roles({"one": NETWORK}, share=False).axes[0]
    assert sum(bar.get_width() for bar in axis.patches) == pytest.approx(NETWORK.macs / 1e6)


def test_rounding_says_how_far_it_went():
    axis = CHARTS["rounding"]().axes[0]
    assert [text.get_text() for text in axis.texts] == ["16\n+43 %", "16\n+43 %", "1280\n+186 %"]


def test_knobs_show_the_square_only_where_alpha_1_is_there():
    assert len(cost_plots.plot_knobs(GRID).axes[1].lines) == 2
    without = {point: cost for point, cost in GRID.items() if point[0] != 1.0}
    assert len(cost_plots.plot_knobs(without).axes[1].lines) == 1


def test_published_figures_that_disagree_are_named():
    figure = cost_plots.plot_published(FIGURES)
    left, right = ([text.get_text() for text in axis.texts] for axis in figure.axes)
    assert left == ["V3 small 1.0: 56.5, not 66"]
    assert right == ["V3 small 1.0: 2.54, not 2.9", "V3 small 0.75: 2.04, not 2.4"]
    assert labels(figure) == ["MobileNetV2", "V3 small", "EdgeTPU"]


def test_accuracy_marks_8_bit_rows_and_those_that_none_beats():
    left, right = cost_plots.plot_accuracy_costs(POINTS).axes
    assert left.lines[0].get_ydata().tolist() == [45.5, 67.5, 75.2]
    assert right.lines[0].get_ydata().tolist() == [64.9, 73.9, 75.2]
    faces = [line.get_markerfacecolor() for line in left.lines[1:]]
    assert [face == "white" for face in faces] == [point.format == "8-bit" for point in POINTS]
    assert right.lines[2].get_xdata()[0] == pytest.approx(14), "3.5 M parameters of four bytes"


def test_int8_loss_of_those_that_have_both():
    axis = cost_plots.plot_int8_loss(POINTS).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["V3 small 1.0", "V3 large 1.0"]
    assert [text.get_text() for text in axis.texts] == ["-2.6", "-1.3"]
    with pytest.raises(
        ValueError, match="no network with a float and an 8-bit row; pass those of imagenet_mobilenet_v3"
    ):
        cost_plots.plot_int8_loss(POINTS[:3])
