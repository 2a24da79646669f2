from dataclasses import replace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from mbhelpers.models.families import build_classifier
from mbhelpers.preprocessing import preset
from mbhelpers.reporting import training_plots as plots
from mbhelpers.training.published_recipes import ST
from mbhelpers.training.recipes import recipe_for

from .test_training_facts import STEP, candidates, transfer

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)
RECIPES = {"ours": recipe_for("tfs"), "ST": ST["flowers", 128, "tfs"]}


def scores(classes: int) -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.full(classes, 0.3), 6)


def names(count: int) -> list[str]:
    return [f"class_{k:02d}" for k in range(count)]


FIGURES = {
    "show_rows": lambda: plots.show_rows({"as it is": PICTURES, "ours": PICTURES[:4]}),
    "learning rates": lambda: plots.plot_learning_rates(RECIPES, 1740),
    "learning rates of plateaus alone": lambda: plots.plot_learning_rates({"ST": RECIPES["ST"]}, 1740),
    "candidates": lambda: plots.plot_candidates(candidates()),
    "candidates, the first alone": lambda: plots.plot_candidates(dict([*candidates().items()][:1])),
    "candidates, none": lambda: plots.plot_candidates({}),
    "curves": lambda: plots.plot_candidate_curves(candidates()),
    "curves, none": lambda: plots.plot_candidate_curves({}),
    "step": lambda: plots.plot_step_time(STEP),
    "step, nothing": lambda: plots.plot_step_time({}),
    "transfer": lambda: plots.plot_transfer_time(transfer(8.3)),
    "transfer, nothing": lambda: plots.plot_transfer_time({}),
    "soft scores": lambda: plots.plot_soft_scores(PICTURES, scores(5), np.arange(6) % 5, names(5)),
    "soft scores of many classes": lambda: plots.plot_soft_scores(PICTURES, scores(39), np.arange(6), names(39)),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_draws_and_is_closed(name):
    figure = FIGURES[name]()
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    assert not plt.get_fignums(), "a notebook would show it twice"


def test_a_candidate_stands_where_it_was_measured():
    axis = plots.plot_candidates(candidates()).axes[0]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["better", "unclear"]
    drawn = [container[0] for container in axis.containers]
    assert [line.get_xdata()[0] for line in drawn] == pytest.approx([3.0, 2.0, 0.5, -0.2])
    hollow = [line.get_markerfacecolor() == "white" for line in drawn]
    assert hollow == [False, False, True, True], "hollow where the interval holds zero"
    low, high = (segment[0] for segment in axis.containers[0][2][0].get_segments()[0])
    assert (low, high) == pytest.approx((2.0, 4.0))


def test_fewer_pictures_than_the_others_are_told():
    measured = candidates()
    measured["unclear"]["plain"]["n"] = 399
    axis = plots.plot_candidates(measured).axes[0]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["better", "unclear (n = 399)"]
    assert plots.plot_candidate_curves(measured).axes[0].lines[2].get_label().startswith("unclear (n = 399): ")


def test_the_title_tells_what_the_first_reached():
    figure = plots.plot_candidates(candidates())
    assert figure.get_suptitle() == "against “the base”: 86.0 % on plain and 86.0 % on shifted pictures, n = 1,194"


def test_curves_are_as_long_as_their_training():
    lines = plots.plot_candidate_curves(candidates()).axes[0].lines
    assert [len(line.get_xdata()) for line in lines] == [4, 8, 4]
    assert lines[1].get_label() == "better: 57.0 % at the end"


def test_a_plateau_falls_and_stops_as_its_recipe_says():
    ours, st = (replace(recipe, min_steps=0) for recipe in RECIPES.values())
    axis = plots.plot_learning_rates({"ours": ours, "ST": st}, 640).axes[0]
    lines = {line.get_label().partition(":")[0]: line for line in axis.lines}
    best = round(ours.epochs / 3)
    epochs, rates = lines["ST"].get_data()
    assert epochs[-1] == pytest.approx(best + st.patience, abs=0.2), "it stops when it has waited too long"
    assert rates[0] == pytest.approx(st.learning_rate)
    assert rates[epochs < best + st.every][-1] == pytest.approx(st.learning_rate)
    assert rates[-1] == pytest.approx(st.learning_rate * st.factor)
    assert max(lines["ours"].get_ydata()) == pytest.approx(ours.learning_rate, rel=1e-3)


def test_step_time_keeps_kinds_it_does_not_know():
    axis = plots.plot_step_time(STEP).axes[0]
    widths = {bars.get_label(): [bar.get_width() for bar in bars] for bars in axis.containers}
    assert widths["convolution"] == [200, 150]
    assert widths["something new"] == [0, 10]


def test_soft_scores_are_softer_at_a_higher_temperature():
    figure = plots.plot_soft_scores(PICTURES, scores(5), np.arange(6) % 5, names(5), (1, 4))
    below = next(axis for axis in figure.axes if axis.containers)
    plain, soft = ([bar.get_width() for bar in bars] for bars in below.containers)
    assert plain == pytest.approx(100 * scores(5)[0])
    assert sum(soft) == pytest.approx(100)
    assert max(soft) < max(plain)
    assert np.argmax(soft) == np.argmax(plain)


def test_augmented_pictures_stand_below_themselves():
    images = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3), np.uint8)
    ours = RECIPES["ours"]
    mixed = replace(ours, augmentation=replace(ours.augmentation, mixup=0.2))
    figure = plots.plot_augmented(images, {"ours": ours, "mixed": mixed}, seed=3)
    shown = [axis.images[0].get_array() for axis in figure.axes]
    assert [axis.get_ylabel() for axis in figure.axes[::4]] == ["as it is", "ours", "mixed"]
    np.testing.assert_array_equal(shown[0], images[0])
    assert not np.array_equal(shown[4], images[0])
    again = plots.plot_augmented(images, {"ours": ours}, seed=3)
    np.testing.assert_array_equal(again.axes[4].images[0].get_array(), shown[4])


def test_layer_rates_rise_towards_the_classifier():
    model = build_classifier(3, 0.35, preset("mbhelpers", 32), weights="none")
    axis = plots.plot_layer_rates(model, (1.0, 0.75)).axes[0]
    same, rising = (line.get_ydata() for line in axis.lines)
    assert set(same) == {1.0}
    assert len(rising) == 53, "52 convolutions and the classifier"
    assert rising[-1] == 1
    assert (np.diff(rising) >= 0).all()
