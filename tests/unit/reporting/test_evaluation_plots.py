from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from mbhelpers.evaluation.answers import Answers
from mbhelpers.evaluation.reliability import calibration, threshold_curve
from mbhelpers.preprocessing import preset
from mbhelpers.reporting import evaluation_plots as plots

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 300)
SCORES = np.stack([1 - LABELS, LABELS], axis=1) * 0.4 + 0.6 * RNG.dirichlet((1, 1), 300)
FOUND = calibration(SCORES, LABELS)
CURVE = threshold_curve(SCORES, LABELS, ("notperson", "person"))
UNKNOWN = calibration(np.full((3, 2), 7.0), np.array([0, 1, 1]))
LISTED = [
    {"file": "a", "true": t, "first": "cat", "second": "dog", "first_score": 0.9, "second_score": 7.5}
    for t in ("cat", "dog", "emu")
]
FIGURES = {
    "reliability": lambda: plots.plot_reliability({"": FOUND}),
    "reliability of two, one unknown": lambda: plots.plot_reliability({"float": FOUND, "int8": FOUND, "x": UNKNOWN}),
    "thresholds": lambda: plots.plot_thresholds(CURVE),
    "differences": lambda: plots.show_differences(np.zeros((3, 8, 8, 3), np.uint8), LISTED),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_draws_and_is_closed(name):
    figure = FIGURES[name]()
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    assert not plt.get_fignums(), "a notebook would show it twice"


def test_reliability_shows_what_was_measured():
    upper, lower = plots.plot_reliability({"int8": FOUND}).axes
    assert upper.get_title().startswith(f"int8 (n = 300)\nECE {100 * FOUND['ece']:.1f} points, ")
    points = upper.containers[0][0]
    assert points.get_xdata() == pytest.approx([100 * entry["confidence"] for entry in FOUND["bins"]])
    assert points.get_ydata() == pytest.approx([100 * entry["accuracy"] for entry in FOUND["bins"]])
    reach = [segment[:, 1].tolist() for segment in upper.containers[0][2][0].get_segments()]
    assert reach == [pytest.approx([100 * end for end in entry["interval"]]) for entry in FOUND["bins"]]
    assert [bar.get_height() for bar in lower.patches] == [entry["n"] for entry in FOUND["bins"]]


def test_thresholds_mark_the_default_and_the_best():
    [axis] = plots.plot_thresholds(CURVE).axes
    marked = {line.get_linestyle(): line.get_xdata()[0] for line in axis.lines if str(line.get_label()).find(":") > 0}
    assert marked == {":": 0.5, "--": pytest.approx(CURVE["best"]["threshold"])}
    assert [line.get_label() for line in axis.lines[::3]][:3] == ["precision", "recall", "F1"]
    assert axis.get_xlabel() == "lowest score that counts as person"


def test_differences_say_who_is_right():
    axes = plots.show_differences(np.zeros((3, 8, 8, 3), np.uint8), LISTED).axes
    assert axes[0].get_title() == "float: cat 90 %\nint8: dog\ntruly cat", "7.5 is no share"
    colours = [axis.title.get_color() for axis in axes[:3]]
    assert len(set(colours)) == 3 and colours == [plots.BLUE, plots.RED, plots.GREY]


def test_the_worst_mistakes(tmp_path):
    for k in range(4):
        Image.new("RGB", (20, 20), (60 * k, 0, 0)).save(tmp_path / f"{k}.png")
    paths = np.array([f"{k}.png" for k in range(4)])
    labels, predicted, scores = np.array([0, 1, 1, 0]), np.array([0, 0, 2, 2]), np.array([0.9, 0.6, 0.8, 0.7])
    # ImageNet's names may be others on the two sides: what is right is told, not read from names
    outputs = ("background", "cat", "dog")
    kept = Answers(
        Path(tmp_path), paths, labels, predicted, np.array([1, 0, 0, 0], bool), scores, ("cat", "dog"), outputs,
        preset("mbhelpers", 16),
    )  # fmt: skip
    titles = [axis.get_title() for axis in plots.show_worst(kept).axes]
    assert titles == ["dog 80 %\ntruly dog", "dog 70 %\ntruly cat", "background 60 %\ntruly dog"]
    shown = plots.show_worst(kept, most=1).axes[0].images[0].get_array()
    assert (shown[0, 0] == (120, 0, 0)).all()
    right = Answers(**vars(kept) | {"right": np.ones(4, bool)})
    assert plots.show_worst(right) is None


@pytest.mark.parametrize(
    ("draw", "reason"),
    [
        (lambda: plots.plot_reliability({"x": UNKNOWN}), "nothing to draw: the scores are neither shares"),
        (lambda: plots.plot_thresholds({"reason": "the images are all of one class"}), "nothing to draw: the images"),
    ],
)
def test_nothing_to_draw_is_said(draw, reason):
    with pytest.raises(ValueError, match=reason):
        draw()
