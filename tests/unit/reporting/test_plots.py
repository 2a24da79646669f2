from itertools import pairwise

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from mbhelpers.evaluation.classification import evaluate
from mbhelpers.reporting import plots


def names(count: int) -> tuple[str, ...]:
    return tuple(f"class_{k:02d}" for k in range(count))


def result(classes: int, seed: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), 6)
    return evaluate(rng.random((len(labels), classes)), labels, names(classes))


def results(classes: int) -> dict[str, dict]:
    return {"float": result(classes), "int8": result(classes, 1)}


def pictures(classes: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (min(classes, 11), 8, 8, 3), np.uint8)


def counts(classes: int) -> dict[str, dict[str, int]]:
    return {part: {name: k + 1 for k, name in enumerate(names(classes))} for part in ("train", "validation", "test")}


HISTORY = [
    {"loss": 1.5, "accuracy": 0.4, "val_loss": 1.4, "val_accuracy": 0.5, "seconds": 1.0},
    {"loss": 1.0, "accuracy": 0.6, "val_loss": 1.1, "val_accuracy": 0.6, "seconds": 1.0},
    {"loss": 0.5, "accuracy": 0.8, "val_loss": 1.2, "val_accuracy": 0.7, "seconds": 1.0},
]

CHARTS = {
    "plot_counts": lambda n: plots.plot_counts(counts(n)),
    "plot_history": lambda n: plots.plot_history(HISTORY),
    "plot_history of one epoch": lambda n: plots.plot_history(HISTORY[:1]),
    "plot_confusion": lambda n: plots.plot_confusion(results(n), names(n)),
    "plot_accuracy": lambda n: plots.plot_accuracy(results(n), {"int8": 88.0}),
    "plot_accuracy, nothing published": lambda n: plots.plot_accuracy(results(n)),
    "plot_per_class": lambda n: plots.plot_per_class(results(n)),
    "plot_sizes": lambda n: plots.plot_sizes({"model_float.tflite": 1_600_000, "model_int8.tflite": 500_000}),
}
GRIDS = {
    "show_images": lambda n: plots.show_images(pictures(n)),
    "show_predictions": lambda n: plots.show_predictions(
        pictures(n), np.arange(len(pictures(n))), np.eye(n)[: len(pictures(n))], names(n)
    ),
}


def says_what_it_shows(label: str, ticks: list) -> bool:
    """A quantity has a label; an axis of classes or models has their names at its ticks."""
    words = [tick.get_text() for tick in ticks if tick.get_text()]
    return bool(label) or any(any(letter.isalpha() for letter in word) for word in words)


@pytest.mark.parametrize("classes", [2, 39, 101])
@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_names_its_axes(chart, classes):
    figure = CHARTS[chart](classes)
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    assert figure.axes
    for axis in figure.axes:
        if axis.get_label() == "<colorbar>":
            assert axis.get_ylabel()
            continue
        assert says_what_it_shows(axis.get_xlabel(), axis.get_xticklabels()), f"x of {chart}"
        assert says_what_it_shows(axis.get_ylabel(), axis.get_yticklabels()), f"y of {chart}"
    assert plt.get_fignums() == [], "a figure left open is shown a second time in a notebook"


@pytest.mark.parametrize("classes", [2, 39])
@pytest.mark.parametrize("grid", GRIDS)
def test_a_grid_shows_every_picture(grid, classes):
    figure = GRIDS[grid](classes)
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    shown = [axis.images[0].get_array() for axis in figure.axes if axis.images]
    np.testing.assert_array_equal(np.stack(shown), pictures(classes))
    assert not any(axis.axison for axis in figure.axes), "pictures need no ticks"
    assert plt.get_fignums() == []


def test_confusion_shows_counts_of_few_classes_and_colours_only_of_many():
    few = plots.plot_confusion({"int8": result(3)}, names(3))
    assert [int(text.get_text()) for text in few.axes[0].texts] == np.ravel(result(3)["confusion"]).tolist()
    assert not plots.plot_confusion({"int8": result(39)}, names(39)).axes[0].texts
    shares = few.axes[0].images[0].get_array()
    np.testing.assert_allclose(shares.sum(axis=1), 100)


def test_counts_are_stacked_to_their_sum():
    figure = plots.plot_counts({"train": {"cat": 5, "dog": 3}, "validation": {"cat": 1, "dog": 1},
                                "test": {"cat": 2, "dog": 4}})  # fmt: skip
    ends = [bar.get_x() + bar.get_width() for bar in figure.axes[0].containers[2]]
    assert ends == [8, 8]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["train", "validation", "test"]


@pytest.mark.parametrize("classes", [39, 101])
def test_names_of_many_classes_stay_apart(classes):
    for figure in (plots.plot_counts(counts(classes)), plots.plot_confusion(results(classes), names(classes)),
                   plots.plot_per_class(results(classes))):  # fmt: skip
        figure.draw_without_rendering()
        assert figure.get_figwidth() <= 12
        assert figure.get_figheight() <= 18, "two matrices, or one page"
        for axis in figure.axes:
            for ticks in (axis.get_xticklabels(), axis.get_yticklabels()):
                boxes = [tick.get_window_extent() for tick in ticks if tick.get_text()]
                assert not any(a.overlaps(b) for a, b in pairwise(boxes))


def test_counts_of_many_classes_are_written_once_each():
    figure = plots.plot_counts(counts(101))
    texts = [text.get_text().strip() for axis in figure.axes for text in axis.texts if text.get_text()]
    assert texts == [str(3 * (k + 1)) for k in range(101)], "the total of each class"


def test_no_number_covers_its_neighbours():
    figure = plots.plot_counts({"train": {"cat": 500}, "validation": {"cat": 4}, "test": {"cat": 100}})
    assert [text.get_text() for text in figure.axes[0].texts] == ["500", "", "100"]


def test_recall_of_many_classes_begins_with_the_hardest():
    shown = results(39)
    axis = plots.plot_per_class(shown).axes[0]
    dots = {line.get_label(): line.get_xdata().tolist() for line in axis.lines}
    recall = [[100 * line["recall"] for line in result["per_class"]] for result in shown.values()]
    order = np.argsort(recall[0], kind="stable")
    assert dots == {"float": [recall[0][k] for k in order], "int8": [recall[1][k] for k in order]}
    assert [tick.get_text() for tick in axis.get_yticklabels()] == [f"class_{k:02d} (6)" for k in order]


@pytest.mark.parametrize(
    ("name", "most", "said"),
    [("tulips", 6, "tulips"), ("Tomato___healthy", 10, "Toma…althy"), ("abcdefghij", 9, "abcd…ghij")],
)  # fmt: skip
def test_short_keeps_both_ends(name, most, said):
    assert plots.short(name, most) == said
    assert len(plots.short(name, most)) <= most


def test_history_marks_the_epoch_kept():
    figure = plots.plot_history(HISTORY)
    marked = [line for line in figure.axes[0].lines if str(line.get_label()).startswith("kept")]
    assert [line.get_label() for line in marked] == ["kept: epoch 2"], "the lowest validation loss"
    accuracy = next(line for line in figure.axes[1].lines if line.get_label() == "train")
    np.testing.assert_allclose(accuracy.get_ydata(), [40, 60, 80])


def test_accuracy_shows_interval_and_n():
    figure = plots.plot_accuracy({"int8": result(2)}, {"int8": 88.0, "float": 90.0})
    axis = figure.axes[0]
    assert axis.get_yticklabels()[0].get_text() == "int8 (n = 12)"
    published = next(line for line in axis.lines if line.get_label() == "published")
    assert published.get_xdata() == [88.0], "only of the models shown"
    bars = axis.containers[0]
    low, high = (segment[0] for segment in bars[2][0].get_segments()[0])
    assert (low, high) == pytest.approx([100 * bound for bound in result(2)["interval"]])


def test_predictions_name_the_truth_where_they_are_wrong():
    scores = np.array([[0.9, 0.1], [0.8, 0.2]])
    figure = plots.show_predictions(pictures(2), np.array([0, 1]), scores, ("cat", "dog"))
    right, wrong = (axis.title for axis in figure.axes)
    assert right.get_text() == "cat 90 %"
    assert wrong.get_text() == "cat 80 %\ntruly dog"
    assert (right.get_color(), wrong.get_color()) == ("black", plots.RED)


def test_worst_mistakes_come_surest_first():
    scores = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.95, 0.05], [0.2, 0.8]])
    labels = np.array([0, 1, 0, 1, 1])  # wrong: 1 (0.6), 2 (0.7), 3 (0.95)
    assert plots.worst_mistakes(scores, labels).tolist() == [3, 2, 1]
    assert plots.worst_mistakes(scores, labels, most=2).tolist() == [3, 2]
    assert plots.worst_mistakes(scores[:1], labels[:1]).tolist() == []


def test_a_detectors_history_has_ap_and_marks_no_epoch_where_none_was_chosen():
    history = [{"loss": 3.0, "val_loss": 2.0 + k, "val_ap": 0.1 * k} for k in range(3)]
    figure = plots.plot_history(history, chosen=False)
    assert figure.axes[1].get_ylabel() == "AP in %"
    assert [line.get_label() for axis in figure.axes for line in axis.lines] == ["train", "validation", "validation"]
    np.testing.assert_allclose(figure.axes[1].lines[0].get_ydata(), [0, 10, 20])
