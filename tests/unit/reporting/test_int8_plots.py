import numpy as np
import pytest

from mbhelpers.quantization.layers import Levels
from mbhelpers.reporting import int8_plots


def levels(**counts: int) -> Levels:
    """Weights that use a few integers, outputs that are all 0."""
    weights, outputs = np.zeros(256, np.int64), np.zeros(256, np.int64)
    for name, count in counts.items():
        weights[int(name.removeprefix("at")) + 128] = count
    outputs[0] = 7
    return Levels("layer", weights, outputs, 0.1, -128)


class TestLevels:
    def test_every_integer_has_a_bar_of_its_share(self):
        figure = int8_plots.plot_levels({"one": levels(at0=3, at127=1), "two": levels(at5=2)})
        first, second = figure.axes
        heights = {round(bar.get_x() + 0.5): bar.get_height() for bar in first.patches}
        assert len(heights) == 256 and (heights[0], heights[127], heights[5]) == (0.75, 0.25, 0)
        assert first.get_title(loc="left") == "one: 2 of 256 integers used"
        assert second.get_title(loc="left") == "two: 1 of 256 integers used"

    def test_outputs(self):
        (axis,) = int8_plots.plot_levels({"one": levels(at0=3)}, "outputs").axes
        assert axis.get_title(loc="left") == "one: 1 of 256 integers used"
        assert max(axis.patches, key=lambda bar: bar.get_height()).get_x() == pytest.approx(-128.5)


def test_a_sweep_shows_every_draw_and_their_mean():
    found = [
        {"images": 1, "seed": 1, "seconds": 2.0, "points_off": 3.0},
        {"images": 1, "seed": 2, "seconds": 4.0, "points_off": 1.0},
        {"images": 50, "seed": 1, "seconds": 5.0, "points_off": 0.5},
    ]
    off, seconds = int8_plots.plot_sweep(found).axes
    draws, mean = off.lines
    assert list(draws.get_ydata()) == [3.0, 1.0, 0.5]
    assert list(mean.get_xdata()) == [1, 50] and list(mean.get_ydata()) == [2.0, 0.5]
    assert list(seconds.lines[1].get_ydata()) == [3.0, 5.0]
    assert off.get_ylim()[0] == 0
