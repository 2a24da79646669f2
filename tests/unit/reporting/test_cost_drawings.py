import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
from matplotlib.patches import Rectangle

from mbhelpers.reporting import cost_drawings
from mbhelpers.reporting.cost_facts import Block, Part

from .test_data_plots import overlapping


def part(role: str, window: int, side: int, channels: int, macs: int = 1_000_000) -> Part:
    return Part(f"b_{role}", role, "b", (window, window), side, channels, macs, 1)


EXPANDING = (part("expand", 1, 56, 144), part("depthwise", 3, 28, 144), part("project", 1, 28, 32))
ACTIVATIONS = ("ReLU6", "ReLU6", "linear")
SQUEEZE = (part("squeeze-excite", 1, 1, 40), part("squeeze-excite", 1, 1, 144))
BLOCKS = {
    "halving": Block("b", 56, 24, EXPANDING, ACTIVATIONS, (), False),
    "adding and squeezing": Block("b", 56, 32, EXPANDING, ACTIVATIONS, SQUEEZE, True),
    "fused": Block(
        "b", 28, 48, (part("fused expand", 3, 28, 144), part("project", 1, 28, 48)), ("ReLU", "linear"), (), True
    ),
    "thin": Block(
        "b", 112, 16, (part("depthwise", 5, 112, 16), part("project", 1, 112, 16)), ("ReLU", "linear"), SQUEEZE, True
    ),
    "one layer": Block("b", 112, 32, (part("project", 1, 112, 16),), ("linear",), (), False),
}


def words(axis) -> str:
    return "\n".join(text.get_text() for text in axis.texts)


@pytest.mark.parametrize("names", [*([name] for name in BLOCKS), list(BLOCKS)], ids=lambda names: " ".join(names))
def test_blocks_are_drawn_whole_and_no_text_covers_another(names):
    figure = cost_drawings.draw_blocks({name: BLOCKS[name] for name in names})
    figure.draw_without_rendering()
    for axis, name in zip(figure.axes, names, strict=True):
        assert not overlapping([*axis.texts, axis.title, axis._left_title])
        page = figure.bbox
        for text in axis.texts:
            box = text.get_window_extent()
            assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1, text.get_text()
        assert ("added" in words(axis)) == BLOCKS[name].residual
        assert ("squeeze-excite" in words(axis)) == bool(BLOCKS[name].squeeze)
    assert plt.get_fignums() == []


def test_bars_are_as_high_as_there_are_channels_and_as_wide_as_there_are_pixels():
    axis = cost_drawings.draw_blocks({"halving": BLOCKS["halving"]}).axes[0]
    bars = [patch for patch in axis.patches if type(patch) is Rectangle]
    highs = [bar.get_height() for bar in bars]
    assert [high / highs[1] for high in highs] == pytest.approx([24 / 144, 1, 1, 32 / 144])
    wide = [bar.get_width() for bar in bars]
    assert [one / wide[0] for one in wide] == pytest.approx([1, 1, 0.5, 0.5])
    assert "28 x 28\nx 32" in words(axis)
    assert "depthwise 3 x 3, stride 2\nReLU6\n1.0 M" in words(axis)
    assert axis.get_title(loc="left") == "halving: 3.0 M multiply-accumulates"


def test_squeeze_is_told_at_the_tensor_that_it_weighs():
    axis = cost_drawings.draw_blocks({"": BLOCKS["adding and squeezing"]}).axes[0]
    note = next(text for text in axis.texts if text.get_text().startswith("squeeze"))
    assert note.get_text() == "squeeze-excite: means of 144 channels, to 40, to 144 factors; 2.0 M"
    bars = [patch for patch in axis.patches if type(patch) is Rectangle]
    assert note.get_position()[0] == pytest.approx(bars[2].get_x() + bars[2].get_width() / 2), (
        "behind the depthwise one"
    )


def test_convolutions_are_counted_by_hand():
    figure = cost_drawings.draw_convolutions(14, 96, 160)
    figure.draw_without_rendering()
    said = [axis.get_title() + "\n" + words(axis) for axis in figure.axes]
    for text, products, weights, macs in zip(
        said, ("3 x 3 x 96 = 864", "3 x 3 x 1 = 9", "1 x 1 x 96 = 96"), ("138,240", "864", "15,360"),
        ("27.1 M", "0.2 M", "3.0 M"), strict=True,
    ):  # fmt: skip
        assert products in text
        assert f"{weights} weights at 196 places\n{macs} multiply" in text
    for axis in figure.axes:
        assert not overlapping([*axis.texts, axis.title])
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("count", "text"), [(1_234_567, "1.2 M"), (120_000, "0.1 M"), (99_000, "99.0 k"), (7680, "7.7 k")]
)
def test_millions(count, text):
    assert cost_drawings.millions(count) == text
