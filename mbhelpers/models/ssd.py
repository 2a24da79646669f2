"""SSD MobileNetV2 FPN-lite: uint8-valued pixels in, the scores and offsets of every anchor out.

Three maps of the backbone (strides 8, 16, 32) become as many channels each. The coarser ones are doubled and added to
the finer ones; two more maps (strides 64, 128) come from the coarsest. A head stands on each of the five maps, with
weights of its own. Every 3x3 convolution is depthwise, followed by a 1x1 one.

Source: STMicroelectronics' STM32 model zoo; with width 0.35 and one class the convolutions have the same 1,003,616
weights as in its .tflite files.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mbhelpers.detection.anchors import RATIOS, STRIDES, make_anchors, map_sizes
from mbhelpers.models.families import BACKBONE, build_backbone, pixels_to_values
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import Preprocessing

if TYPE_CHECKING:
    import keras

TAPS = ("block_5_add", "block_12_add", "out_relu")
"""The layers of MobileNetV2 whose maps have strides 8, 16 and 32."""

SCORES, LOGITS, OFFSETS = "scores", "logits", "offsets"
"""Names of the layers that give the outputs, and what the scores are the softmax of."""

PRIOR = 0.01
"""What an untrained head believes the share of anchors with an object to be; 0.5 would drown the first steps."""

REACH = 1.0
"""How far an exported network's offsets go, in sides of the anchor."""

LAYOUTS = ("three", "one")
"""Forms of an exported network's output; see `with_anchors`."""


def build_ssd(
    classes: int,
    alpha: float,
    preprocessing: Preprocessing,
    *,
    weights: str | Path = "imagenet",
    channels: int = 128,
    depth: int = 4,
) -> "keras.Model":
    """Rescaling, backbone, feature pyramid, five heads.

    Args:
        classes: how many kinds of objects, one or more; background comes on top.
        alpha: width multiplier of the backbone.
        preprocessing: input size, as `anchors.map_sizes` takes it, and value range, built into the model.
        weights: of the backbone, as `models.weights.find_weights` takes them.
        channels: of the pyramid and the heads.
        depth: separable convolutions of a head before its predictors.

    Returns:
        A model from pixels 0..255, (B, H, W, 3), to scores, (B, NA, 1 + classes), background first, summing to 1;
        and offsets, (B, NA, 4), for the anchors of `make_anchors(resolution)`.

    Raises:
        ValueError: no class, a resolution whose maps don't double, or what `build_backbone` raises.
    """
    if classes < 1:
        raise ValueError(f"{classes} classes: a detector needs one or more, background not counted")
    side = preprocessing.resolution
    map_sizes(side)
    load_tensorflow()
    import keras

    whole = build_backbone(alpha, side, weights)
    taps = [whole.get_layer(name).output for name in TAPS]
    backbone = keras.Model(whole.inputs, taps, name=BACKBONE)
    pixels, values = pixels_to_values(preprocessing)
    logits: list[keras.KerasTensor] = []
    offsets: list[keras.KerasTensor] = []
    for stride, features in zip(STRIDES, _pyramid(backbone(values), channels), strict=True):
        for k in range(depth):
            features = _separable(features, channels, f"head_{stride}_{k}")
        for found, units, name in ((logits, 1 + classes, LOGITS), (offsets, 4, OFFSETS)):
            prior = np.log((1 - PRIOR) / PRIOR * classes) if name == LOGITS else 0.0
            found.append(_predictor(features, units, prior, f"{name}_{stride}"))
    outputs = [keras.layers.Concatenate(1, name=name)(f) for f, name in ((logits, LOGITS), (offsets, OFFSETS))]
    outputs[0] = keras.layers.Softmax(name=SCORES)(outputs[0])
    return keras.Model(pixels, outputs, name=f"ssd_mobilenet_v2_fpnlite_{alpha}_{side}")


def is_ssd(model: "keras.Model") -> bool:
    """Whether a model is one of `build_ssd`."""
    return {SCORES, LOGITS, OFFSETS} <= {layer.name for layer in model.layers} and len(model.outputs) == 2


def with_logits(model: "keras.Model") -> "keras.Model":
    """The same network with the scores before the softmax, to be trained; all layers are shared."""
    import keras

    return keras.Model(model.inputs, [model.get_layer(LOGITS).output, model.outputs[1]], name=model.name)


def with_anchors(model: "keras.Model", layout: str = "three") -> "keras.Model":
    """The same network as it is exported: offsets bounded, and its anchors beside what it says of them.

    Nothing trains the offsets of background, and they may reach many sides of the anchor either way, which an int8 file
    would spend its 256 steps on. Those of an object that overlaps the anchor by half are never more than one side, so
    all are cut there (`REACH`); the convolutions do so at no cost.

    As "one" all columns of an int8 file share one scale, of about 1/100: a score may read half a step above 1, where by
    themselves scores have steps of 1/256, and the anchors of "three" are exact floats. On drawn scenes AP at IoU 0.5
    was 0.87 with both (`benchmarks/ssd_scenes.py`).

    Args:
        model: from `build_ssd`; all layers are shared.
        layout: "three" gives scores (B, NA, 1 + NC), offsets (B, NA, 4) and anchors (B, NA, 4), the last a constant.
            "one" gives (B, NA, 1 + NC + 8): in each row the scores, background first, then four offsets, then the
            anchor as xyxy, normalized.

    Raises:
        ValueError: no such layout.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"unknown layout {layout!r}; choose from {', '.join(LAYOUTS)}")
    import keras

    scores = model.outputs[0]
    bounded = [keras.ops.clip(model.get_layer(f"{OFFSETS}_{stride}").output, -REACH, REACH) for stride in STRIDES]
    rows = [keras.layers.Reshape((-1, 4))(found) for found in bounded]
    offsets = keras.layers.Concatenate(1, name=OFFSETS)(rows)
    anchors = _anchors_layer()(model.input_shape[1], name="anchors")(scores)
    outputs = [scores, offsets, anchors]
    if layout == "one":
        outputs = [keras.layers.Concatenate(name="detections")(outputs)]
    return keras.Model(model.inputs, outputs, name=model.name)


def _pyramid(maps: list["keras.KerasTensor"], channels: int) -> list["keras.KerasTensor"]:
    """Five maps of as many channels, finest first, from the backbone's three."""
    from keras import layers

    fine, middle, coarse = (
        _normalized(layers.Conv2D(channels, 1, use_bias=False, name=f"lateral_{stride}"), found)
        for stride, found in zip(STRIDES, maps, strict=False)
    )
    levels = [coarse]
    for stride, lateral in ((16, middle), (8, fine)):
        doubled = layers.UpSampling2D(interpolation="bilinear", name=f"double_{stride}")(levels[0])
        summed = layers.Add(name=f"sum_{stride}")([lateral, doubled])
        levels.insert(0, _separable(summed, channels, f"smooth_{stride}"))
    for stride in STRIDES[3:]:
        levels.append(_separable(levels[-1], channels, f"halve_{stride}", strides=2))
    return levels


def _separable(features: "keras.KerasTensor", channels: int, name: str, strides: int = 1) -> "keras.KerasTensor":
    """A 3x3 depthwise and a 1x1 convolution, each normalized; ReLU6 after the second."""
    from keras import layers

    features = _depthwise(features, name, strides)
    features = _normalized(layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_pointwise"), features)
    return layers.ReLU(6.0, name=f"{name}_relu")(features)


def _predictor(features: "keras.KerasTensor", units: int, prior: float, name: str) -> "keras.KerasTensor":
    """Numbers for each anchor of a map, (B, h * w * 5, units); `prior` is what the first of each begins at."""
    from keras import layers

    last = layers.Conv2D(len(RATIOS) * units, 1, name=name)
    rows = layers.Reshape((-1, units), name=f"{name}_rows")(last(_depthwise(features, name)))
    last.bias.assign(np.tile([prior] + [0.0] * (units - 1), len(RATIOS)))
    return rows


def _depthwise(features: "keras.KerasTensor", name: str, strides: int = 1) -> "keras.KerasTensor":
    from keras import layers

    layer = layers.DepthwiseConv2D(3, strides, padding="same", use_bias=False, name=f"{name}_depthwise")
    return _normalized(layer, features)


def _normalized(layer: "keras.Layer", features: "keras.KerasTensor") -> "keras.KerasTensor":
    from keras import layers

    return layers.BatchNormalization(name=f"{layer.name}_norm")(layer(features))


@cache
def _anchors_layer() -> type:
    import keras

    class Anchors(keras.layers.Layer):
        """The anchors of a resolution, for every image of a batch the same."""

        def __init__(self, resolution: int, **options):
            super().__init__(**options)
            self.resolution, self.anchors = resolution, make_anchors(resolution)

        def get_config(self):
            return super().get_config() | {"resolution": self.resolution}

        def call(self, scores):
            return keras.ops.broadcast_to(self.anchors, (keras.ops.shape(scores)[0], *self.anchors.shape))

    return Anchors
