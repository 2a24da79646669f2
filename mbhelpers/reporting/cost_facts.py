"""What a network's costs belong to: the parts of its layers, its blocks, and the published rows beside our counts."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mbhelpers.models.complexity import Complexity, LayerCost, PublishedFigure, complexity
from mbhelpers.rows import published_table

if TYPE_CHECKING:
    import keras

ROLES = ("stem", "expand", "fused expand", "depthwise", "squeeze-excite", "project", "last convolution", "head")
"""What a layer is there for, in the order in which an image meets them."""

_ROLE_OF = (
    (r"conv1?", "stem"),
    (r"conv_1", "last convolution"),
    (r"conv_2|logits|predictions|scores", "head"),
    (r".+_squeeze_excite_\w+", "squeeze-excite"),
    (r".+_expand", "expand"),
    (r".+_depthwise", "depthwise"),
    (r".+_project", "project"),
)
"""Names of layers in Keras' MobileNetV2 and V3 and in our EdgeTPU, which follow slim's, and their roles."""

_BLOCK = re.compile(r"(block_\d+|expanded_conv(?:_\d+)?)_(?:expand|depthwise|squeeze_excite|project)")


@dataclass(frozen=True)
class Part:
    """A convolution or dense layer, with the batch norm that follows it.

    Attributes:
        name: of the layer, without the models that it is nested in.
        role: one of `ROLES`.
        block: name of the block it belongs to, "block_3"; empty for stem, last convolution and head.
        window: height and width of the filter; empty for a dense layer.
        side: height of its output in pixels; 1 after pooling.
        channels: of its output.
        macs: multiply-accumulates for one image.
        parameters: that training changes, the batch norm's included.
    """

    name: str
    role: str
    block: str
    window: tuple[int, ...]
    side: int
    channels: int
    macs: int
    parameters: int


@dataclass(frozen=True)
class Block:
    """One block of a network, as it was built.

    Attributes:
        name: "block_3", "expanded_conv_3".
        side: height of what enters, in pixels.
        channels: of what enters.
        parts: expand (or fused expand), depthwise, project; without those that the block doesn't have.
        activations: what follows each of `parts`: "ReLU", "ReLU6", "hard-swish" or "linear".
        squeeze: the two layers of its squeeze-and-excite; empty without one.
        residual: whether what enters is added to what leaves.
    """

    name: str
    side: int
    channels: int
    parts: tuple[Part, ...]
    activations: tuple[str, ...]
    squeeze: tuple[Part, ...]
    residual: bool

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(part.macs for part in (*self.parts, *self.squeeze))


@dataclass(frozen=True)
class Point:
    """One published row of an ImageNet table: what it scores and what it costs.

    Attributes:
        architecture: a name from `ARCHITECTURES`.
        alpha: width multiplier.
        resolution: input size in pixels.
        format: "float" or "8-bit".
        top1: published accuracy in percent.
        macs: counted here, in millions.
        parameters: trainable ones, counted here, in millions.
    """

    architecture: str
    alpha: float
    resolution: int
    format: str
    top1: float
    macs: float
    parameters: float

    @property
    def megabytes(self) -> float:
        """Size of the weights in 10^6 bytes: four bytes a parameter, one in 8 bits."""
        return self.parameters * (4 if self.format == "float" else 1)


def parts(cost: Complexity) -> tuple[Part, ...]:
    """The layers that multiply, in the order of execution; parameters of other layers go to the one before them.

    Args:
        cost: of a Keras model of `mbhelpers.models.families`.

    Raises:
        ValueError: a layer that multiplies has a name that none of the family has.
    """
    found: list[tuple[LayerCost, int]] = []
    for layer in cost.layers:
        if layer.macs:
            found.append((layer, layer.trainable or 0))
        elif found:
            found[-1] = found[-1][0], found[-1][1] + (layer.trainable or 0)
    return tuple(_part(layer, parameters) for layer, parameters in found)


def _part(layer: LayerCost, parameters: int) -> Part:
    name = layer.name.rpartition("/")[2]
    role = next((role for pattern, role in _ROLE_OF if re.fullmatch(pattern, name.lower())), None)
    if role is None:
        raise ValueError(
            f"{layer.name} is no layer of the MobileNet family; pass a Keras model from mbhelpers.models.families"
        )
    if role == "expand" and layer.window != (1, 1):
        role = "fused expand"
    block = _BLOCK.match(name)
    side = layer.output[0] if len(layer.output) == 3 else 1
    return Part(name, role, block[1] if block else "", layer.window, side, layer.output[-1], layer.macs, parameters)


def by_role(cost: Complexity) -> dict[str, tuple[int, int]]:
    """Multiply-accumulates and trainable parameters of each role that the network has, in the order of `ROLES`."""
    found = parts(cost)
    sums = {
        role: (sum(p.macs for p in found if p.role == role), sum(p.parameters for p in found if p.role == role))
        for role in ROLES
    }
    return {role: pair for role, pair in sums.items() if any(pair)}


def widths(cost: Complexity) -> dict[str, int]:
    """Channels that leave each stage: "stem", the number of each block, "last", and "conv_2", which V3 alone has."""
    found = {}
    for part in parts(cost):
        if part.role == "project":
            found[re.sub(r"\D", "", part.block) or "0"] = part.channels
        elif part.role in ("stem", "last convolution") or part.name == "conv_2":
            found[{"stem": "stem", "head": "conv_2"}.get(part.role, "last")] = part.channels
    return found


def blocks(network: "keras.Model") -> tuple[Block, ...]:
    """The blocks of a network, in the order of execution.

    Args:
        network: layer `NETWORK` or `BACKBONE` of a model from `mbhelpers.models.families`.

    Raises:
        ValueError: the model holds another one, or is none of the family.
    """
    if nested := [layer.name for layer in network.layers if hasattr(layer, "layers")]:
        raise ValueError(f"{network.name} is the model around {nested[0]}; pass model.get_layer({nested[0]!r})")
    found = parts(complexity(network))
    names = {layer.name for layer in network.layers}
    activations = _activations(network, {part.name for part in found})
    built = []
    for name in dict.fromkeys(part.block for part in found if part.block):
        members = [part for part in found if part.block == name]
        before = found[found.index(members[0]) - 1]
        main = tuple(part for part in members if part.role != "squeeze-excite")
        built.append(
            Block(
                name=name,
                side=before.side,
                channels=before.channels,
                parts=main,
                activations=tuple(activations[part.name] for part in main),
                squeeze=tuple(part for part in members if part.role == "squeeze-excite"),
                residual=f"{name}_add" in names,
            )
        )
    return tuple(built)


def _activations(network: "keras.Model", multiplying: set[str]) -> dict[str, str]:
    """What stands between each layer that multiplies and the next one."""
    found: dict[str, str] = {}
    current = ""
    for layer in network.layers:
        if layer.name in multiplying:
            current = layer.name
            found[current] = "linear"
        elif type(layer).__name__ == "ReLU":
            found[current] = "ReLU6" if layer.max_value == 6 else "ReLU"
        elif type(layer).__name__ == "Activation" and layer.activation.__name__ == "hard_silu":
            found[current] = "hard-swish"  # SiLU is another name of swish
    return found


def published_points(figures: Sequence[PublishedFigure]) -> tuple[Point, ...]:
    """Every published row with its accuracy and our counts.

    Args:
        figures: what `published_comparison` gives.
    """
    rows = [row for table in dict.fromkeys(figure.table for figure in figures) for row in published_table(table)]
    return tuple(
        Point(m.architecture, m.alpha, m.resolution, m.format, float(row["top1_percent"]), m.counted, p.counted)
        for row, m, p in zip(rows, figures[::2], figures[1::2], strict=True)
    )


def front(points: Iterable[Point], cost: Callable[[Point], float]) -> tuple[Point, ...]:
    """The points that no other one beats, by rising cost: nothing as cheap is better, nothing as good is cheaper.

    Args:
        points: published rows.
        cost: what is to be small.
    """
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (cost(p), -p.top1)):
        if not best or point.top1 > best[-1].top1:
            best.append(point)
    return tuple(best)
