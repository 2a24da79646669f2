import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from mbhelpers.reporting import data_plots, plots


def names(count: int) -> list[str]:
    return [f"class_number_{k:03d}" for k in range(count)]


def pictures(n: int, side: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (n, side, side, 3), np.uint8)


def sheet(figure) -> np.ndarray:
    return figure.axes[0].images[0].get_array()


def holds(whole: np.ndarray, picture: np.ndarray) -> bool:
    """Whether a picture lies somewhere in a larger one, pixel by pixel."""
    high, wide = picture.shape[:2]
    rows, columns = np.nonzero((whole[: 1 - high, : 1 - wide] == picture[0, 0]).all(axis=-1))
    return any((whole[r : r + high, c : c + wide] == picture).all() for r, c in zip(rows, columns, strict=True))


def overlapping(texts: list) -> list[str]:
    """Texts of a drawn figure that lie on each other."""
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text()]
    return [f"{a[0]} / {b[0]}" for k, a in enumerate(boxes) for b in boxes[:k] if a[1].overlaps(b[1])]


COUNTS = {name: 3 + 2 * k for k, name in enumerate(names(101))}
LABELS = np.repeat(np.arange(101), 3)
CHARTS = {
    "balance": lambda n: data_plots.plot_balance({name: COUNTS[name] for name in names(n)}),
    "balance of very different ones": lambda n: data_plots.plot_balance({"a": 9000, "b": 2, "c": 0, "d": 1}, "boxes"),
    "shapes": lambda n: data_plots.plot_shapes(np.array([[500, 333]] * 5 + [[240, 320], [100, 100]])),
    "shapes of hundreds of sizes": lambda n: data_plots.plot_shapes(np.arange(1000).reshape(500, 2) + 20),
    "brightness": lambda n: data_plots.plot_brightness(pictures(3 * n, 4)[..., 0], LABELS[: 3 * n], names(n)),
    "background": lambda n: data_plots.plot_background(
        {"accuracy": 0.49, "chance": 0.03, "n": 500, "interval": (0.45, 0.53)}
    ),
}


@pytest.mark.parametrize("classes", [2, 39, 101])
@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_names_its_axes_and_no_names_overlap(chart, classes):
    figure = CHARTS[chart](classes)
    figure.draw_without_rendering()
    assert figure.get_figheight() <= 11, "one page"
    for axis in figure.axes:
        assert axis.get_xlabel()
        assert axis.get_ylabel() or any(label.get_text() for label in axis.get_yticklabels())
        assert not overlapping(axis.get_yticklabels())
        assert not overlapping(axis.get_xticklabels())
    assert plt.get_fignums() == [], "a figure left open is shown a second time in a notebook"


@pytest.mark.parametrize("classes", [5, 39, 101])
def test_balance_shows_every_class_from_most_to_fewest(classes):
    figure = data_plots.plot_balance({name: COUNTS[name] for name in names(classes)})
    shown, widths, colours = [], [], []
    for axis in figure.axes:
        shown += [label.get_text() for label in axis.get_yticklabels()]
        widths += [bar.get_width() for bar in axis.patches]
        colours += [to_hex(bar.get_facecolor()) for bar in axis.patches]
    assert shown == names(classes)[::-1]
    assert widths == [COUNTS[name] for name in shown]
    few = [plots.RED.lower() if width < 10 else plots.BLUE.lower() for width in widths]
    assert colours == few
    assert "fewer than 10" in figure.axes[0].get_title(loc="left")


def test_balance_takes_powers_of_ten_where_bars_would_vanish():
    assert data_plots.plot_balance({"a": 100, "b": 50}).axes[0].get_xscale() == "linear"
    axis = data_plots.plot_balance({"a": 100, "b": 2, "c": 1}).axes[0]
    assert axis.get_xscale() == "log"
    assert "ten times" in axis.get_xlabel()
    assert axis.get_xlim()[0] < 1, "a bar of one is seen"


def test_shapes_have_equal_axes_and_all_sizes():
    sizes = np.array([[500, 333]] * 5 + [[240, 320], [100, 100]])
    left, right = data_plots.plot_shapes(sizes).axes
    assert left.get_aspect() == 1
    assert left.get_xlim() == left.get_ylim()
    dots = left.collections[0]
    assert {tuple(place) for place in dots.get_offsets().tolist()} == {(500, 333), (240, 320), (100, 100)}
    area = dict(zip([int(x) for x, _ in dots.get_offsets()], dots.get_sizes(), strict=True))
    assert area[500] > area[240] == area[100]
    assert sum(bar.get_height() for bar in right.patches) == 7


def test_aspects_lie_equally_far_from_square_both_ways():
    figure, axis = plt.subplots()
    data_plots.plot_aspects(axis, np.array([0.5, 2.0, 1.0, 100.0]), "boxes")
    plt.close(figure)
    at = {round(bar.get_x() + bar.get_width() / 2, 1): bar.get_height() for bar in axis.patches if bar.get_height()}
    assert len(at) == 4
    assert sorted(-k for k in at if abs(k) < 2) == sorted(k for k in at if abs(k) < 2)
    assert [label.get_text() for label in axis.get_xticklabels()][3:6] == ["1:2", "1:1", "2:1"]


def test_brightness_orders_classes_and_shows_their_spread():
    thumbnails = np.zeros((40, 2, 2), np.uint8)
    labels = np.repeat([0, 1], 20)
    thumbnails[:20] = np.linspace(150, 250, 20)[:, None, None].astype(np.uint8)
    thumbnails[20:] = 30
    axis = data_plots.plot_brightness(thumbnails, labels, ["snow", "night"]).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["night", "snow"]
    dots = next(line for line in axis.lines if line.get_marker() == "o")
    assert dots.get_xdata().tolist() == pytest.approx([30, thumbnails[:20].mean()])
    spans = axis.collections[0].get_segments()
    assert spans[0][:, 0].tolist() == [30, 30]
    assert spans[1][:, 0].tolist() == pytest.approx(np.percentile(thumbnails[:20, 0, 0], [10, 90]).tolist())


def test_mean_pictures():
    pixels = np.array([[[[0, 10, 1]]], [[[100, 20, 1]]], [[[50, 15, 0]]], [[[7, 7, 7]]]], np.uint8)
    labels = np.array([1, 1, 1, 0])
    means = data_plots.mean_pictures(pixels, labels, 2)
    assert means.dtype == np.uint8
    assert means[:, 0, 0].tolist() == [[7, 7, 7], [50, 15, 1]], "two thirds are rounded to one"
    with pytest.raises(ValueError, match="class number 2"):
        data_plots.mean_pictures(pixels, labels, 3)


def test_few_classes_get_a_row_each():
    images, labels = pictures(7), np.array([0, 0, 1, 1, 1, 2, 0])
    figure = data_plots.show_classes(images, labels, ["cat", "dog", "Pepper,_bell___healthy"])
    assert all(holds(sheet(figure), image) for image in images)
    texts = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert texts == ["cat", "dog", "Pepper, bell healthy"]
    rows = figure.axes[0].get_yticks()
    assert holds(sheet(figure)[: int(rows[0]) + 10], images[6]), "the third cat lies in the first row"


@pytest.mark.parametrize("classes", [39, 101])
def test_many_classes_get_a_picture_each_with_its_name(classes):
    images = pictures(3 * classes)
    figure = data_plots.show_classes(images, LABELS[: 3 * classes], names(classes))
    figure.draw_without_rendering()
    assert all(holds(sheet(figure), image) for image in images[::3])
    assert not holds(sheet(figure), images[1])
    texts = figure.axes[0].texts
    assert [text.get_text().replace("\n", " ") for text in texts] == [name.replace("_", " ") for name in names(classes)]
    assert not overlapping(texts)


def test_long_names_stay_in_their_place():
    figure = data_plots.show_named(pictures(12), ["Corn___Cercospora_leaf_spot Gray_leaf_spot of_another_kind"] * 12)
    figure.draw_without_rendering()
    assert not overlapping(figure.axes[0].texts)
    assert figure.axes[0].texts[0].get_text().count("\n") == 2


def test_pairs_lie_side_by_side():
    pairs = pictures(8).reshape(4, 2, 16, 16, 3)
    figure = data_plots.show_pairs(pairs, ["a\nb"] * 4, title_colours=["black", plots.RED, "black", "black"])
    shown = [axis for axis in figure.axes if axis.images]
    assert len(shown) == 4
    for axis, (first, second) in zip(shown, pairs, strict=True):
        whole = axis.images[0].get_array()
        np.testing.assert_array_equal(whole[:16, :16], first)
        np.testing.assert_array_equal(whole[:16, -16:], second)
        assert axis.get_title(loc="left") == "a\nb"


def test_augmented_pictures_follow_their_original():
    originals, changed = pictures(2), pictures(6, seed=1).reshape(2, 3, 16, 16, 3)
    figure = data_plots.show_augmented(originals, changed)
    whole = sheet(figure)
    np.testing.assert_array_equal(whole[:16, :16], originals[0])
    np.testing.assert_array_equal(whole[-16:, -16:], changed[1, 2])
    assert [text.get_text() for text in figure.axes[0].texts] == ["original", "as training sees it"]


@pytest.mark.parametrize("shape", [(3, 2, 16, 16, 3), (2, 16, 16, 3), (2, 3, 8, 8, 3)])
def test_augmented_pictures_must_fit(shape):
    with pytest.raises(ValueError, match="don't fit"):
        data_plots.show_augmented(pictures(2), np.zeros(shape, np.uint8))


def test_background_shows_accuracy_and_chance():
    axis = CHARTS["background"](2).axes[0]
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([49, 3])
    assert axis.get_yticklabels()[0].get_text() == "8 border pixels (n = 500)"
    low, high = axis.containers[1][2][0].get_segments()[0][:, 0]
    assert (low, high) == pytest.approx((45, 53))
