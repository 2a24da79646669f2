"""Parts and blocks of the networks as Keras builds them."""

from itertools import pairwise

import pytest

from mbhelpers.models.complexity import complexity, imagenet_cost
from mbhelpers.models.edgetpu import divisible
from mbhelpers.models.families import BACKBONE, NETWORK, build_classifier, build_imagenet
from mbhelpers.preprocessing import preset
from mbhelpers.reporting import cost_facts


@pytest.mark.parametrize(
    ("architecture", "alpha", "last"),
    [
        ("mobilenet_v2", 0.35, 1280),
        ("mobilenet_v2", 1.4, 1792),
        ("mobilenet_v3_small", 0.75, 1024),
        ("mobilenet_v3_large_minimalistic", 1.0, 1280),
        ("mobilenet_edgetpu", 0.75, 1280),
    ],
)
def test_parts_are_the_whole_and_widths_are_rounded(architecture, alpha, last):
    cost = imagenet_cost(architecture, alpha, 32)
    found = cost_facts.parts(cost)
    assert sum(part.macs for part in found) == cost.macs
    assert sum(part.parameters for part in found) == cost.trainable
    widths, base = (cost_facts.widths(imagenet_cost(architecture, a, 32)) for a in (alpha, 1.0))
    for name, channels in base.items():
        if name not in ("last", "conv_2"):
            assert widths[name] == divisible(alpha * channels), name
    assert list(widths.values())[-1] == last


def test_own_classifiers_have_parts_too():
    model = build_classifier(5, 0.35, preset("mbhelpers", 32), weights="none")
    found = cost_facts.parts(complexity(model))
    assert (found[-1].role, found[-1].parameters) == ("head", 1281 * 5)
    assert sum(part.parameters for part in found) == 402_533
    assert len(cost_facts.blocks(model.get_layer(BACKBONE))) == 17


@pytest.mark.parametrize(
    ("architecture", "number", "roles", "activations", "squeeze", "residual"),
    [
        ("mobilenet_v2", 0, "depthwise project", "ReLU6 linear", [], False),
        ("mobilenet_v2", 2, "expand depthwise project", "ReLU6 ReLU6 linear", [], True),
        ("mobilenet_v3_small", 0, "depthwise project", "ReLU linear", [8, 16], False),
        ("mobilenet_v3_small", 4, "expand depthwise project", "hard-swish hard-swish linear", [64, 240], True),
        ("mobilenet_v3_small_minimalistic", 4, "expand depthwise project", "ReLU ReLU linear", [], True),
        ("mobilenet_edgetpu", 0, "project", "linear", [], False),
        ("mobilenet_edgetpu", 2, "fused expand project", "ReLU linear", [], True),
        ("mobilenet_edgetpu", 13, "expand depthwise project", "ReLU ReLU linear", [], False),
    ],
)
def test_blocks(networks, architecture, number, roles, activations, squeeze, residual):
    block = cost_facts.blocks(networks(architecture))[number]
    assert " ".join(part.role for part in block.parts) == roles
    assert " ".join(block.activations) == activations
    assert [part.channels for part in block.squeeze] == squeeze
    assert block.residual == residual
    assert block.macs == sum(part.macs for part in (*block.parts, *block.squeeze))


def test_what_enters_a_block_is_what_left_the_one_before(networks):
    for architecture in ("mobilenet_v2", "mobilenet_v3_small", "mobilenet_edgetpu"):
        found = cost_facts.blocks(networks(architecture))
        for one, other in pairwise(found):
            assert (other.side, other.channels) == (one.parts[-1].side, one.parts[-1].channels)
            assert not other.residual or other.channels == other.parts[-1].channels


def test_the_model_around_a_network_is_refused():
    model = build_imagenet("mobilenet_edgetpu", 0.75, 32, "none")
    with pytest.raises(ValueError, match=r"is the model around network; pass model.get_layer\('network'\)"):
        cost_facts.blocks(model)


@pytest.fixture(scope="module")
def networks():
    """`networks(architecture)` gives that of alpha 1 at 64 px, built once."""
    built = {}

    def get(architecture):
        if architecture not in built:
            built[architecture] = build_imagenet(architecture, 1.0, 64, "none").get_layer(NETWORK)
        return built[architecture]

    return get
