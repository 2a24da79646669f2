"""What a network costs: parameters and multiply-accumulates, layer by layer, of Keras models and .tflite files.

A multiply-accumulate is one product added to a sum: in a convolution, the weights times the positions of its output.
Convolutions and dense layers are counted; biases, normalization, activations, pooling and sums are not, as in the
published tables.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mbhelpers.native import load_tensorflow
from mbhelpers.rows import published_table

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class LayerCost:
    """One layer of a Keras model, or one operator of a .tflite file.

    Attributes:
        name: with the models that it is nested in, "backbone/Conv1"; of an operator, its output tensor's name.
        kind: "Conv2D", or TFLite's "CONV_2D".
        output: shape of what it gives for one image, without the batch.
        trainable: parameters that training changes at present, so 0 in a frozen layer; None in a .tflite file, which
            doesn't say.
        total: all parameters.
        macs: multiply-accumulates for one image.
        window: height and width of a convolution's filter; empty for every other layer.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    trainable: int | None
    total: int
    macs: int
    window: tuple[int, ...] = ()


@dataclass(frozen=True)
class Complexity:
    """The cost of a network for one image.

    Attributes:
        name: of the model or file.
        layers: in the order of execution. A layer that is called twice stands there twice, its parameters once.
    """

    name: str
    layers: tuple[LayerCost, ...]

    @property
    def trainable(self) -> int | None:
        """Parameters that training changes; None for a .tflite file."""
        counts = [layer.trainable for layer in self.layers if layer.trainable is not None]
        return sum(counts) if len(counts) == len(self.layers) else None

    @property
    def total(self) -> int:
        """All parameters; of a .tflite file its weights and biases, in which batch norms are folded."""
        return sum(layer.total for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(layer.macs for layer in self.layers)

    def table(self, *, all_layers: bool = False) -> list[dict[str, Any]]:
        """The layers as rows for a data frame; those that cost nothing are left out unless `all_layers`."""
        return [asdict(layer) for layer in self.layers if all_layers or layer.total or layer.macs]

    def __str__(self) -> str:
        """A line a layer that costs something, and one for the whole."""
        lines = [
            f"{row['name'][-48:]:48} {row['kind'][:22]:22} {'x'.join(map(str, row['output'])):>13} "
            f"{row['total']:>10,} {row['macs']:>12,}"
            for row in self.table()
        ]
        head = f"{self.name[-48:]:48} {'kind':22} {'output':>13} {'parameters':>10} {'MACs':>12}"
        trained = "" if self.trainable is None else f"{self.trainable:,} of them trainable"
        return "\n".join([head, *lines, f"{'in all':48} {trained:36} {self.total:>10,} {self.macs:>12,}"])


def complexity(model: "keras.Model | Path | str") -> Complexity:
    """Parameters and multiply-accumulates per layer and in all.

    Args:
        model: a Keras model of fixed input size, models within it included, or the path of a .keras, .h5 or .tflite
            file.

    Raises:
        ValueError: no such file, no such model, an input of open size, or a layer with weights that has no rule here.
    """
    if isinstance(model, Path | str):
        path = Path(model)
        if path.suffix == ".tflite":
            return Complexity(path.name, tuple(_tflite_layers(path)))
        from mbhelpers.models.load import load_keras

        return Complexity(path.name, tuple(_keras_layers(load_keras(path), "", set())))
    load_tensorflow()
    import keras

    if not isinstance(model, keras.Model):
        raise ValueError(f"a Keras model or the path of a model file was expected, not {type(model).__name__}")
    return Complexity(model.name, tuple(_keras_layers(model, "", set())))


def _keras_layers(model: "keras.Model", prefix: str, counted: set[int]) -> Iterator[LayerCost]:
    """The layers of a model in the order of execution; `counted` holds the ids of weights that were met before."""
    import keras

    graph = model._functional if isinstance(model, keras.Sequential) else model
    if not hasattr(graph, "_nodes_by_depth"):
        raise ValueError(
            f"{model.name} is no graph of layers ({type(model).__name__}); build it with the functional API, "
            "or call it once on an image of its size if it is a Sequential"
        )
    depths = sorted(graph._nodes_by_depth.items(), reverse=True)
    for node in (node for _, nodes in depths for node in nodes if not node.is_input):
        layer = node.operation
        if isinstance(layer, keras.Model):
            yield from _keras_layers(layer, f"{prefix}{layer.name}/", counted)
            continue
        weights = [w for w in getattr(layer, "weights", ()) if id(w) not in counted]
        trainable = {id(w) for w in getattr(layer, "trainable_weights", ())}
        counted |= {id(w) for w in weights}
        output = tuple(node.outputs[0].shape[1:])
        yield LayerCost(
            name=f"{prefix}{layer.name}",
            kind=type(layer).__name__,
            output=output,
            trainable=sum(math.prod(w.shape) for w in weights if id(w) in trainable),
            total=sum(math.prod(w.shape) for w in weights),
            macs=_keras_macs(layer, f"{prefix}{layer.name}", tuple(node.input_tensors[0].shape[1:]), output),
            window=tuple(getattr(layer, "kernel_size", ())),
        )


def _keras_macs(layer: Any, name: str, entering: tuple[int, ...], output: tuple[int, ...]) -> int:
    """Multiply-accumulates of one call; shapes are without the batch."""
    from keras import layers

    def times(kernel: Any, places: tuple[int, ...]) -> int:
        if None in places:
            raise ValueError(f"{name} has an output of open size, {output}; build the model with a fixed input size")
        return math.prod(kernel.shape) * math.prod(places)

    if isinstance(layer, layers.Conv2DTranspose):
        return times(layer.kernel, entering[:-1])
    if isinstance(layer, layers.SeparableConv2D):
        return times(layer.depthwise_kernel, output[:-1]) + times(layer.pointwise_kernel, output[:-1])
    if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D | layers.Dense):
        return times(layer.kernel, output[:-1])
    if any(len(w.shape) > 1 for w in getattr(layer, "weights", ())):
        raise ValueError(
            f"{name} is a {type(layer).__name__}, whose multiply-accumulates have no rule here; there is one for "
            "Conv2D, Conv2DTranspose, SeparableConv2D, DepthwiseConv2D and Dense"
        )
    return 0


def _tflite_layers(path: Path) -> Iterator[LayerCost]:
    """The operators of a .tflite file."""
    from mbhelpers.models.tflite_graph import read_graph
    from mbhelpers.records import read_record

    read_record(path)  # refuses what is no .tflite file
    graph = read_graph(path)
    if any(len(shape := graph.tensors[k].shape) == 4 and shape[1:3] == (1, 1) for k in graph.inputs):
        raise ValueError(f"{path} takes images of any size; convert it with a fixed one")
    constant = {k for k, tensor in enumerate(graph.tensors) if tensor.content is not None}
    counted: set[int] = set()
    for operator in graph.operators:
        output = graph.tensors[operator.outputs[0]]
        if operator.kind == "DEQUANTIZE" and operator.inputs[0] in constant:
            constant.add(operator.outputs[0])  # weights in half precision
        total = macs = 0
        window: tuple[int, ...] = ()
        if operator.kind in _WEIGHTS:
            weights = operator.inputs[_WEIGHTS[operator.kind]]
            kernel = graph.tensors[weights].shape
            places = graph.tensors[operator.inputs[2]].shape if operator.kind == "TRANSPOSE_CONV" else output.shape
            channels = kernel[0] if operator.kind == "FULLY_CONNECTED" else places[-1]
            window = kernel[1:3] if len(kernel) == 4 else ()
            macs = math.prod(kernel) * math.prod(places) // (channels * graph.tensors[graph.inputs[0]].shape[0])
            # The bias comes right after the weights, but behind the input in a transposed convolution.
            bias = operator.inputs[3 if operator.kind == "TRANSPOSE_CONV" else 2 :][:1]
            own = {k for k in (weights, *bias) if k in constant} - counted
            counted |= own
            total = sum(math.prod(graph.tensors[k].shape) for k in own)
        yield LayerCost(output.name, operator.kind, output.shape[1:], None, total, macs, window)


_WEIGHTS = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "TRANSPOSE_CONV": 1}
"""Operators that multiply by weights, and which of their inputs these are."""


# ---- Against the published tables

TABLES = ("imagenet_mobilenet_v2", "imagenet_mobilenet_v3", "imagenet_mobilenet_edgetpu")

_TABLE_SAYS = "the layer table, Keras' and slim's alike, counts to {}; the published {} is stale"
STALE = {
    ("mobilenet_v3_small", 1.0, "macs_m"): _TABLE_SAYS.format("56.5 M", "66"),
    ("mobilenet_v3_small", 1.0, "params_m"): _TABLE_SAYS.format("2.54 M", "2.9"),
    ("mobilenet_v3_small", 0.75, "params_m"): _TABLE_SAYS.format("2.04 M", "2.4"),
    ("mobilenet_v3_small_minimalistic", 1.0, "macs_m"): _TABLE_SAYS.format("52.3 M", "65"),
}
"""Published figures that their own authors' layer tables contradict."""


@dataclass(frozen=True)
class PublishedFigure:
    """One figure of one published row beside what is counted here.

    Attributes:
        table: of `mbhelpers/published`, without its suffix.
        architecture: a name from `ARCHITECTURES`.
        alpha: width multiplier.
        resolution: input size in pixels.
        format: "float" or "8-bit".
        column: "macs_m" or "params_m".
        published: as printed, in millions.
        counted: multiply-accumulates, or trainable parameters, in millions.
        explanation: why the two differ; empty where they agree.
    """

    table: str
    architecture: str
    alpha: float
    resolution: int
    format: str
    column: str
    published: str
    counted: float
    explanation: str = ""

    @property
    def percent(self) -> float:
        """How far the count lies above the published figure, in percent of this."""
        return 100 * (self.counted / float(self.published) - 1)

    @property
    def agrees(self) -> bool:
        """Within 3 %, or one unit of the last printed digit."""
        unit = 10.0 ** -len(self.published.partition(".")[2])
        return abs(self.percent) <= 3 or abs(self.counted - float(self.published)) <= unit


@cache
def imagenet_cost(architecture: str, alpha: float, resolution: int = 224) -> Complexity:
    """The cost of the published classifier with 1000 classes; built once, about a second.

    Args:
        architecture: a name from `mbhelpers.models.weights.ARCHITECTURES`.
        alpha: width multiplier, one of the architecture's.
        resolution: input height and width in pixels.
    """
    from mbhelpers.models.families import build_imagenet

    return complexity(build_imagenet(architecture, alpha, resolution, "none"))


def published_comparison(tables: tuple[str, ...] = TABLES) -> tuple[PublishedFigure, ...]:
    """Every published row's multiply-accumulates and parameters beside ours; builds each network, about a second each.

    Returns:
        Two figures a row, in the order of the tables. Those that don't agree carry an explanation.

    Raises:
        ValueError: unknown table, or a figure that disagrees and that nothing here explains.
    """
    figures = []
    for table in tables:
        for row in published_table(table):
            minimalistic = "_minimalistic" if row.get("flavour") == "minimalistic" else ""
            network = row["architecture"] + minimalistic, float(row["alpha"]), int(row.get("resolution") or 224)
            form, cost = row.get("format", "float"), imagenet_cost(*network)
            for column, count in (("macs_m", cost.macs), ("params_m", cost.trainable or 0)):
                figure = PublishedFigure(table, *network, form, column, row[column], round(count / 1e6, 4))
                figures.append(figure if figure.agrees else _explained(figure))
    return tuple(figures)


def _explained(figure: PublishedFigure) -> PublishedFigure:
    key = figure.architecture, figure.alpha, figure.column
    if key not in STALE:
        raise ValueError(
            f"{figure.table}.csv says {figure.published} for {key}, {figure.counted} is counted; "
            "check the table and the builder, and explain the difference in STALE"
        )
    return PublishedFigure(**asdict(figure) | {"explanation": STALE[key]})
