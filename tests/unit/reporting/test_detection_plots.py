from dataclasses import replace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from mbhelpers.evaluation.detection import COCO, COCO50, ST, Curve, curves, evaluate, pooled_curve
from mbhelpers.reporting import detection_plots as plots

from ..evaluation.boxes import draw, guess, truth

A, B, FAR = (0, 0, 40, 40), (60, 60, 100, 100), (100, 0, 120, 20)
FOUND = truth([(A, 0), (B, 1)], [(A, 1)])
PREDICTED = guess([(A, 0, 0.9), (FAR, 0, 0.8), (B, 0, 0.3)], [(A, 1, 0.7)])
PICTURES = [np.zeros((128, 128, 3), np.uint8)] * 2


def test_precision_recall_shows_the_curves():
    axis = plots.plot_precision_recall(curves(FOUND, PREDICTED)).axes[0]
    by_label = {line.get_label(): line.get_xydata().tolist() for line in axis.get_lines()}
    assert by_label == {
        "a (AP 100.0, n = 1)": [[0, 1], [1, 1], [1, 1 / 2], [1, pytest.approx(1 / 3)]],
        "b (AP 50.0, n = 2)": [[0, 1], [1 / 2, 1]],
    }
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("recall", "precision")
    assert plt.get_fignums() == []


def test_many_curves_are_grey_but_for_those_with_most_truths():
    many = {f"class {k}": Curve(np.ones(1), np.ones(1), np.full(1, 0.5), k + 1) for k in range(20)}
    figure = plots.plot_precision_recall(many, most=3)
    coloured = [line.get_label() for line in figure.axes[0].get_lines() if to_hex(line.get_color()) != "#777777"]
    assert coloured == [f"class {k} (AP 50.0, n = {k + 1})" for k in (19, 18, 17)]
    assert "17 more" in [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert len(figure.axes[0].get_lines()) == 21
    unlimited = plots.plot_precision_recall(many, most=99).axes[0].get_legend().get_texts()
    assert [text.get_text() for text in unlimited][-1] == "14 more", "there are six colours"


def test_a_curve_without_a_prediction_is_drawn_as_nothing():
    axis = plots.plot_precision_recall(curves(FOUND, guess([], []))).axes[0]
    assert [len(line.get_xdata()) for line in axis.get_lines()] == [0, 0]


def test_ap_by_size():
    found, predicted = draw(2, images=30)
    results = {"float": evaluate(found, predicted, COCO), "int8": evaluate(found, predicted, COCO50)}
    axis = plots.plot_ap_by_size(results).axes[0]
    heights = [[bar.get_height() for bar in bars] for bars in axis.containers]
    for result, drawn in zip(results.values(), heights, strict=True):
        assert drawn == pytest.approx([100 * result["ap"], *(100 * ap for ap in result["by_size"].values())])
    assert [label.get_text() for label in axis.get_xticklabels()] == ["all", "small", "medium", "large"]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["float", "int8"]
    axis.figure.draw_without_rendering()
    bars = [bar.get_window_extent() for bar in axis.patches]
    assert not any(bar.overlaps(axis.get_legend().get_window_extent()) for bar in bars), "the legend hides no bar"


def test_no_bar_where_there_is_no_object_of_the_size():
    result = evaluate(FOUND, PREDICTED)
    assert result["by_size"]["small"] is None
    bars = plots.plot_ap_by_size({"float": result}).axes[0].containers[0]
    assert [round(bar.get_x() + bar.get_width() / 2) for bar in bars] == [0, 2]


def test_thresholds():
    curve = pooled_curve(FOUND, PREDICTED)
    axis = plots.plot_thresholds(curve).axes[0]
    lines = {line.get_label(): line for line in axis.get_lines()}
    assert lines["precision"].get_xdata().tolist() == [0.9, 0.8, 0.7, 0.3]
    np.testing.assert_allclose(lines["precision"].get_ydata(), [1, 1 / 2, 2 / 3, 1 / 2])
    np.testing.assert_allclose(lines["recall"].get_ydata(), [1 / 3, 1 / 3, 2 / 3, 2 / 3])
    np.testing.assert_allclose(lines["F1"].get_ydata(), [1 / 2, 2 / 5, 2 / 3, 4 / 7])
    assert axis.get_title() == "best F1 0.667 from score 0.700 on: precision 0.667, recall 0.667"
    assert [0.7, pytest.approx(2 / 3)] in [line.get_xydata()[0].tolist() for line in axis.get_lines()]


def test_thresholds_show_equal_scores_once():
    curve = Curve(np.array([0.9, 0.5, 0.5]), np.array([1, 1 / 2, 2 / 3]), np.array([1 / 2, 1 / 2, 1]), 2)
    precision = plots.plot_thresholds(curve).axes[0].get_lines()[0]
    assert precision.get_xydata().tolist() == [[0.9, 1], [0.5, 2 / 3]]


def shown(figure) -> list[set[tuple[str, str, tuple[int, ...]]]]:
    """Of each picture the frames: verdict, line style, corners in pixels."""
    names = {colour.lower(): name for name, colour in plots.VERDICTS.items()}
    return [
        {
            (
                names[to_hex(frame.get_edgecolor())],
                frame.get_linestyle(),
                tuple(round(v + 0.5) for v in (*frame.get_xy(), frame.get_x() + frame.get_width(),
                                               frame.get_y() + frame.get_height())),
            )
            for frame in axis.patches
        }
        for axis in figure.axes
    ]  # fmt: skip


def test_detections_beside_the_truth():
    figure = plots.show_detections(PICTURES, FOUND, PREDICTED)
    assert shown(figure) == [
        {("found", "-", A), ("false", "-", FAR), ("missed", "--", B)},
        {("found", "-", A)},
    ]
    assert {text.get_text() for text in figure.axes[0].texts} == {"a 0.90", "a 0.80", "b"}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["found", "false", "missed"]


@pytest.mark.parametrize(
    ("threshold", "second", "why"),
    [
        (0.7, {("found", "-", A)}, "as sure as is asked for"),
        (0.71, {("missed", "--", A)}, "what is not shown has found nothing"),
    ],
)
def test_only_sure_detections_are_shown(threshold, second, why):
    assert shown(plots.show_detections(PICTURES, FOUND, PREDICTED, threshold=threshold))[1] == second, why


@pytest.mark.parametrize(
    ("protocol", "frames", "why"),
    [
        (ST, {("missed", "--", B), ("false", "-", (60, 60, 80, 80))}, "a truth like others"),
        (COCO50, set(), "neither the crowd nor what lies in it"),
    ],
)
def test_crowds(protocol, frames, why):
    found = replace(truth([(B, 0)]), crowd=np.array([True]))
    figure = plots.show_detections(PICTURES[:1], found, guess([((60, 60, 80, 80), 0, 0.9)]), protocol)
    assert shown(figure) == [frames], why


def test_pictures_of_other_images():
    with pytest.raises(ValueError, match="1 pictures, but truth of 2"):
        plots.show_detections(PICTURES[:1], FOUND, PREDICTED)
