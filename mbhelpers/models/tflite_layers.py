"""Keras layers from the operators of a .tflite file, one after the other, with their weights as real numbers."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mbhelpers.models.families import BACKBONE
from mbhelpers.models.tflite_graph import SAME_NUMBERS, Graph, Operator, Tensor
from mbhelpers.preprocessing import Preprocessing

if TYPE_CHECKING:
    import keras

_SCORES = {"SOFTMAX": "softmax", "LOGISTIC": "sigmoid"}


class _Refusal(ValueError):
    """Names the operator already."""


class Builder:
    """Walks the operators of a graph and makes a Keras layer of each."""

    def __init__(self, path: Path, graph: Graph, contract: Preprocessing):
        import keras

        self.path, self.graph, self.contract, self.layers = path, graph, contract, keras.layers
        side = contract.resolution
        self.values = keras.Input((side, side, 3), name="values")
        self.pixels = keras.Input((side, side, 3), name="image")
        self.reached: dict[int, Any] = {graph.inputs[0]: self.values}
        self.read: set[int] = set()
        self.weights: list[Tensor] = []
        self.mapped: list[tuple[str, str]] = []
        self.passed_over: list[str] = []
        self.implied: list[str] = []
        self.in_backbone = True
        self.fused: set[int] = set()
        self.makers: dict[str, Callable[[Operator], Any]] = {
            "CONV_2D": self._conv,
            "DEPTHWISE_CONV_2D": self._depthwise,
            "FULLY_CONNECTED": self._dense,
            "ADD": self._add,
            "PAD": self._pad,
            "MEAN": self._mean,
            "AVERAGE_POOL_2D": self._average_pool,
            "RELU": self._activation,
            "RELU6": self._activation,
            **dict.fromkeys(_SCORES, self._activation),
            **dict.fromkeys(SAME_NUMBERS, self._same_numbers),
        }

    def build(self) -> "keras.Model":
        """The model of the whole graph."""
        import keras

        strange = Counter(op.kind for op in self.graph.operators if op.kind not in self.makers)
        if strange:
            raise ValueError(
                f"{self.path} has operators that are not read back: "
                f"{', '.join(f'{kind} ({count})' for kind, count in sorted(strange.items()))}; "
                f"those of MobileNetV2 are: {', '.join(sorted(self.makers))}"
            )
        for operator in self.graph.operators:
            try:
                self.reached[operator.outputs[0]] = self.makers[operator.kind](operator)
            except _Refusal:
                raise
            except (ValueError, TypeError, LookupError, AttributeError) as error:  # Keras', or from a damaged file
                raise self._refuse(operator, f"{type(error).__name__}: {str(error)[:200]}") from error
        used = self.read | {k for op in self.graph.operators for k in op.outputs}
        left = [t.name for k, t in enumerate(self.graph.tensors) if t.content is not None and k not in used]
        if left:
            raise ValueError(f"{self.path} holds constants that no operator uses: {', '.join(left)}; check the file")
        end = self.graph.outputs[0]
        if end not in self.reached or len(self.reached[end].shape) != 2 or self.in_backbone:
            raise ValueError(f"{self.path} ends in no scores after a global average pool; only classifiers are read")
        return keras.Model(self.pixels, self.reached[end], name="read_back")

    # ---- Reading an operator

    def _refuse(self, operator: Operator, what: str) -> ValueError:
        return _Refusal(f"{self.path}, {operator}: {what}; this cannot be read back into Keras")

    def _computed(self, operator: Operator, place: int = 0) -> Any:
        """The Keras tensor that an operator takes."""
        index = operator.inputs[place]
        if self.reached.get(index) is None:
            raise self._refuse(
                operator, f"its input, tensor {self.graph.tensors[index].name!r}, is no result of an operator before it"
            )
        return self.reached[index]

    def _constant(self, operator: Operator, place: int) -> Tensor:
        """A tensor that an operator takes from the file, which counts as read."""
        index = operator.inputs[place]
        # Half-precision weights come by way of a DEQUANTIZE of their own
        index = {op.outputs[0]: op.inputs[0] for op in self.graph.operators if op.kind == "DEQUANTIZE"}.get(
            index, index
        )
        if self.graph.tensors[index].content is None:
            name = self.graph.tensors[index].name
            raise self._refuse(operator, f"tensor {name!r} is computed, where a constant was expected")
        self.read.add(index)
        return self.graph.tensors[index]

    def _setting(self, operator: Operator, place: int) -> list[Any]:
        """A constant that is no weight, such as a shape."""
        return np.asarray(self._constant(operator, place).content).tolist()

    def _weights(self, operator: Operator) -> tuple[np.ndarray, list[np.ndarray]]:
        """Weights in TFLite's order of axes, and the bias in a list, which is empty without one."""
        places = [place for place in (1, 2) if len(operator.inputs) > place and operator.inputs[place] >= 0]
        tensors = [self._constant(operator, place) for place in places]
        self.weights += tensors
        weights, *bias = [tensor.values() for tensor in tensors]
        return weights, bias

    def _layer(self, operator: Operator, layer: Any, given: Any, weights: list[np.ndarray] | None = None) -> Any:
        """Apply a layer, and then the activation that the operator has in it."""
        result = layer(given)
        if weights is not None:
            layer.set_weights(weights)
        self.mapped.append((str(operator), layer.name))
        kind = operator.activation
        if kind == "NONE" and operator.kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD"):
            kind = self._implied_activation(operator)
            if kind != "NONE":
                self.implied.append(f"{layer.name} {kind}")
        if kind == "NONE":
            return result
        limit = {"RELU": None, "RELU6": 6.0}.get(kind, "")
        if limit == "":
            raise self._refuse(operator, f"activation {kind}, not one of NONE, RELU, RELU6")
        return self.layers.ReLU(limit, name=f"{kind.lower()}_{operator.index}")(result)

    def _implied_activation(self, operator: Operator) -> str:
        """What a range that begins at 0 does: the runtime clamps to it, whether an activation is named or not."""
        tensor = self.graph.tensors[operator.outputs[0]]
        limits = tensor.limits()
        if limits is None or limits[0] < 0:
            return "NONE"
        return "RELU6" if abs(limits[1] - 6) <= tensor.scale[0] else "RELU"

    # ---- One maker a kind of operator

    def _spatial(self, operator: Operator) -> dict[str, Any]:
        """Strides and padding, as Keras takes them."""
        options = operator.options
        return {
            "strides": (options.strideH, options.strideW),
            "padding": ("same", "valid")[options.padding],  # schema.Padding: SAME is 0, VALID 1
        }

    def _image(self, operator: Operator) -> Any:
        """The Keras tensor of an operator that needs height and width."""
        given = self._computed(operator)
        if len(given.shape) != 4:
            raise self._refuse(operator, "it follows the global pool, where there is no height and width")
        return given

    def _conv(self, operator: Operator) -> Any:
        given, options = self._computed(operator), operator.options
        weights, bias = self._weights(operator)  # (out, kh, kw, in)
        if len(given.shape) == 2:
            if weights.shape[1:3] != (1, 1):
                raise self._refuse(operator, f"a {weights.shape[1:3]} kernel after the global pool")
            return self._scores(operator, given, weights[:, 0, 0, :], bias)  # slim's classifier
        if weights.shape[3] != given.shape[3]:
            raise self._refuse(operator, f"weights for {weights.shape[3]} channels on {given.shape[3]}, a grouped one")
        layer = self.layers.Conv2D(
            weights.shape[0],
            weights.shape[1:3],
            dilation_rate=(options.dilationHFactor, options.dilationWFactor),
            use_bias=bool(bias),
            name=f"conv_{operator.index}",
            **self._spatial(operator),
        )
        return self._layer(operator, layer, given, [weights.transpose(1, 2, 3, 0), *bias])

    def _depthwise(self, operator: Operator) -> Any:
        given, options = self._image(operator), operator.options
        weights, bias = self._weights(operator)  # (1, kh, kw, in * multiplier)
        kernel, channels = weights.shape[1:3], given.shape[3]
        if weights.shape[0] != 1 or weights.shape[3] % channels:
            raise self._refuse(operator, f"weights of shape {weights.shape} on {channels} channels")
        layer = self.layers.DepthwiseConv2D(
            kernel,
            depth_multiplier=weights.shape[3] // channels,
            dilation_rate=(options.dilationHFactor, options.dilationWFactor),
            use_bias=bool(bias),
            name=f"depthwise_{operator.index}",
            **self._spatial(operator),
        )
        return self._layer(operator, layer, given, [weights.reshape(*kernel, channels, -1), *bias])

    def _dense(self, operator: Operator) -> Any:
        given = self._computed(operator)
        if operator.options.weightsFormat or len(given.shape) != 2:
            raise self._refuse(operator, f"packed weights, or an input of shape {given.shape}")
        weights, bias = self._weights(operator)  # (out, in)
        return self._scores(operator, given, weights, bias)

    def _scores(self, operator: Operator, given: Any, weights: np.ndarray, bias: list[np.ndarray]) -> Any:
        """A dense layer; the last one takes the name and the softmax or sigmoid that `build_classifier` gives it."""
        if weights.shape[1] != given.shape[1]:
            raise self._refuse(operator, f"weights for {weights.shape[1]} features, {given.shape[1]} come")
        after = self.graph.after(operator)
        alone = operator.activation == self._implied_activation(operator) == "NONE"
        if alone and after is not None and after.kind in _SCORES:
            self.fused.add(after.index)
            activation = _SCORES[after.kind]
        else:
            activation = None
        last = after is None or (after.index in self.fused and self.graph.after(after) is None)
        name = "scores" if last else f"dense_{operator.index}"
        layer = self.layers.Dense(weights.shape[0], activation, use_bias=bool(bias), name=name)
        return self._layer(operator, layer, given, [weights.T, *bias])

    def _activation(self, operator: Operator) -> Any:
        given = self._computed(operator)
        if operator.kind == "SOFTMAX" and operator.options.beta != 1:
            raise self._refuse(operator, f"beta {operator.options.beta}, not 1")
        if operator.index in self.fused:
            self.mapped.append((str(operator), "scores"))
            return given
        name = f"{operator.kind.lower()}_{operator.index}"
        if operator.kind in _SCORES:
            return self._layer(operator, self.layers.Activation(_SCORES[operator.kind], name=name), given)
        return self._layer(operator, self.layers.ReLU(6.0 if operator.kind == "RELU6" else None, name=name), given)

    def _add(self, operator: Operator) -> Any:
        given = [self._computed(operator, place) for place in (0, 1)]
        if given[0].shape != given[1].shape:
            raise self._refuse(operator, f"it adds shapes {given[0].shape} and {given[1].shape}")
        return self._layer(operator, self.layers.Add(name=f"add_{operator.index}"), given)

    def _pad(self, operator: Operator) -> Any:
        given, setting = self._image(operator), self._setting(operator, 1)
        batch, rows, columns, channels = setting
        if any(batch + channels):
            raise self._refuse(operator, f"it pads by {setting}, more than height and width")
        layer = self.layers.ZeroPadding2D((tuple(rows), tuple(columns)), name=f"pad_{operator.index}")
        return self._layer(operator, layer, given)

    def _mean(self, operator: Operator) -> Any:
        self._image(operator)
        axes = self._setting(operator, 1)
        if not isinstance(axes, list) or sorted(axis % 4 for axis in axes) != [1, 2]:
            raise self._refuse(operator, f"a mean over axes {axes}, not over height and width")
        return self._global_pool(operator)

    def _average_pool(self, operator: Operator) -> Any:
        given, options = self._image(operator), operator.options
        size = (options.filterHeight, options.filterWidth)
        if size == tuple(given.shape[1:3]) and self.graph.tensors[operator.outputs[0]].shape[1:3] == (1, 1):
            return self._global_pool(operator)
        layer = self.layers.AveragePooling2D(size, name=f"average_{operator.index}", **self._spatial(operator))
        return self._layer(operator, layer, given)

    def _global_pool(self, operator: Operator) -> Any:
        """Close the backbone and start the classifier, where `build_classifier` does both."""
        import keras

        if not self.in_backbone:
            raise self._refuse(operator, "a second global pool")
        backbone = keras.Model(self.values, self._computed(operator), name=BACKBONE)
        scale, offset = self.contract.scale_and_offset
        rescaling = self.layers.Rescaling(scale, offset=offset, name="rescaling")
        self.in_backbone, self.reached = False, {}
        features = backbone(rescaling(self.pixels))
        pooled = self._layer(operator, self.layers.GlobalAveragePooling2D(name="pool"), features)
        return self.layers.Dropout(0.0, name="dropout")(pooled)

    def _same_numbers(self, operator: Operator) -> Any:
        if operator.kind in ("QUANTIZE", "DEQUANTIZE"):
            self.passed_over.append(str(operator))
            constant = self.graph.tensors[operator.inputs[0]].content is not None
            return None if constant else self._computed(operator)
        given = self._computed(operator)
        if len(operator.inputs) > 1:
            self._setting(operator, 1)
        shape = self.graph.tensors[operator.outputs[0]].shape[1:]
        if len(given.shape) == 2 and sorted(shape)[:-1] == [1] * (len(shape) - 1) and max(shape) == given.shape[1]:
            # What is pooled has no height and width here, while slim's files keep two of 1
            self.passed_over.append(str(operator))
            return given
        return self._layer(operator, self.layers.Reshape(shape, name=f"reshape_{operator.index}"), given)
