import pytest

from mbhelpers.models.complexity import Complexity, LayerCost, PublishedFigure
from mbhelpers.reporting import cost_facts
from mbhelpers.reporting.cost_facts import Point


def layer(name: str, output: tuple[int, ...], macs: int, params: int, window: tuple[int, ...] = (1, 1)) -> LayerCost:
    return LayerCost(name, "Conv2D", output, params, params, macs, window)


NETWORK = Complexity(
    "small",
    (
        LayerCost("rescaling", "Rescaling", (32, 32, 3), 0, 0, 0),
        layer("network/Conv1", (16, 16, 8), 900, 90, (3, 3)),
        LayerCost("network/bn_Conv1", "BatchNormalization", (16, 16, 8), 16, 32, 0),
        layer("network/expanded_conv_depthwise", (16, 16, 8), 300, 30, (3, 3)),
        layer("network/expanded_conv_project", (16, 16, 8), 200, 20),
        layer("network/expanded_conv_1_expand", (8, 8, 24), 700, 70, (3, 3)),
        layer("network/expanded_conv_1_squeeze_excite_conv", (1, 1, 8), 40, 45),
        layer("network/expanded_conv_1_squeeze_excite_conv_1", (1, 1, 24), 40, 45),
        layer("network/expanded_conv_1_project", (8, 8, 12), 250, 25),
        layer("network/block_2_expand", (8, 8, 48), 480, 48),
        layer("network/block_2_depthwise", (4, 4, 48), 180, 18, (3, 3)),
        layer("network/block_2_project", (4, 4, 16), 160, 16),
        layer("network/Conv_1", (4, 4, 64), 640, 64),
        layer("network/conv_2", (1, 1, 80), 500, 500),
        layer("scores", (5,), 400, 405, ()),
    ),
)
"""One layer of every role, as the networks of the family name them."""


def test_every_layer_has_its_role_and_its_block():
    found = cost_facts.parts(NETWORK)
    assert [part.role for part in found] == [
        "stem", "depthwise", "project", "fused expand", "squeeze-excite", "squeeze-excite", "project",
        "expand", "depthwise", "project", "last convolution", "head", "head",
    ]  # fmt: skip
    blocks = ["expanded_conv"] * 2 + ["expanded_conv_1"] * 4 + ["block_2"] * 3
    assert [part.block for part in found] == ["", *blocks, "", "", ""]
    assert {part.role for part in found} == set(cost_facts.ROLES)
    assert [(part.side, part.channels) for part in found][-3:] == [(4, 64), (1, 80), (1, 5)]


def test_nothing_is_lost_and_batch_norms_go_to_their_convolution():
    found = cost_facts.parts(NETWORK)
    assert sum(part.macs for part in found) == NETWORK.macs
    assert sum(part.parameters for part in found) == NETWORK.trainable
    assert found[0].parameters == 90 + 16
    by_role = cost_facts.by_role(NETWORK)
    assert list(by_role) == list(cost_facts.ROLES)
    assert by_role["squeeze-excite"] == (80, 90)
    assert tuple(map(sum, zip(*by_role.values(), strict=True))) == (NETWORK.macs, NETWORK.trainable)


def test_a_role_that_is_absent_is_left_out():
    plain = Complexity("plain", NETWORK.layers[:5])
    assert cost_facts.by_role(plain) == {"stem": (900, 106), "depthwise": (300, 30), "project": (200, 20)}


def test_another_network_is_refused():
    other = Complexity("resnet", (layer("conv2_block1_1_conv", (8, 8, 8), 10, 10),))
    with pytest.raises(ValueError, match=r"conv2_block1_1_conv is no layer of the MobileNet family; pass a Keras"):
        cost_facts.parts(other)


def test_widths_name_the_stages():
    assert cost_facts.widths(NETWORK) == {"stem": 8, "0": 8, "1": 12, "2": 16, "last": 64, "conv_2": 80}


def test_published_points_take_accuracy_from_the_row_and_costs_from_the_count():
    table = "imagenet_mobilenet_edgetpu"
    figures = [
        PublishedFigure(table, "mobilenet_edgetpu", alpha, 224, "8-bit", column, "1", counted)
        for alpha in (0.75, 1.0)
        for column, counted in (("macs_m", 600 * alpha), ("params_m", 4 * alpha))
    ]
    points = cost_facts.published_points(figures)
    assert points == (
        Point("mobilenet_edgetpu", 0.75, 224, "8-bit", 73.5, 450, 3),
        Point("mobilenet_edgetpu", 1.0, 224, "8-bit", 75.6, 600, 4),
    )
    assert points[1].megabytes == 4
    assert Point("mobilenet_v2", 1.0, 224, "float", 71.8, 300, 3.5).megabytes == 14


@pytest.mark.parametrize(
    ("pairs", "expected", "why"),
    [
        ([(10, 50), (20, 60), (30, 55)], [(10, 50), (20, 60)], "dearer and worse"),
        ([(20, 60), (10, 50)], [(10, 50), (20, 60)], "in any order"),
        ([(10, 50), (10, 55)], [(10, 55)], "as cheap and better"),
        ([(10, 50), (20, 50)], [(10, 50)], "as good and cheaper"),
        ([], [], "nothing to choose from"),
    ],
)
def test_front(pairs, expected, why):
    points = [Point("mobilenet_v2", 1.0, 224, "float", top1, macs, 1) for macs, top1 in pairs]
    best = cost_facts.front(points, lambda point: point.macs)
    assert [(point.macs, point.top1) for point in best] == expected, why
