"""MobileNetEdgeTPU, which Keras Applications lacks: MobileNetV3's blocks for accelerators.

Plain ReLU, no squeeze-and-excite; the early blocks fuse expansion and depthwise into one full convolution, which has
more multiply-accumulates but keeps a matrix unit busy.

Source: TF-slim's `mobilenet_v3.py` (`V3_EDGETPU`); https://arxiv.org/abs/1905.02244 for the block.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mbhelpers.native import load_tensorflow

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Stage:
    """Blocks of one width; the first has the stride and, unlike the others, no residual.

    Attributes:
        fused: one k x k convolution expands; else a 1 x 1 one does, and a k x k depthwise one follows.
        kernel: k.
        channels: outputs of each block at alpha 1.
        stride: of the first block.
        expansions: inner channels over input channels, block by block.
    """

    fused: bool
    kernel: int
    channels: int
    stride: int
    expansions: tuple[int, ...]


STEM, HEAD = 32, 1280
STAGES = (
    Stage(True, 3, 16, 1, (1,)),
    Stage(True, 3, 32, 2, (8, 4, 4, 4)),
    Stage(True, 3, 48, 2, (8, 4, 4, 4)),
    Stage(False, 3, 96, 2, (8, 4, 4, 4)),
    Stage(False, 3, 96, 1, (8, 4, 4, 4)),
    Stage(False, 5, 160, 2, (8, 4, 4, 4)),
    Stage(False, 3, 192, 1, (8,)),
)


def divisible(channels: float, divisor: int = 8) -> int:
    """Channels rounded to a multiple, half up; one multiple more where rounding would lose over 10 %."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def mobilenet_edgetpu(alpha: float, resolution: int, classes: int | None = None, *, name: str) -> "keras.Model":
    """A MobileNetEdgeTPU without weights.

    Layers are named as Keras names those of MobileNetV3, that is as slim's scopes: `expanded_conv_3/project` is
    `expanded_conv_3_project`, its `BatchNorm` `expanded_conv_3_project_bn`, `Logits/Conv2d_1c_1x1` is `logits`.

    Args:
        alpha: width multiplier. The last 1280 channels stay, as in slim's published 0.75.
        resolution: input height and width in pixels, 32 or more.
        classes: outputs; None leaves pooling and classifier out.
        name: of the model.

    Returns:
        A model from values in [-1, 1], (B, resolution, resolution, 3), to features, (B, h, w, 1280), or
        probabilities, (B, classes).
    """
    load_tensorflow()
    import keras

    layers = keras.layers
    values = keras.Input((resolution, resolution, 3))
    x = _convolve(values, divisible(STEM * alpha), 3, 2, "conv")
    number = 0
    for stage in STAGES:
        for position, expansion in enumerate(stage.expansions):
            prefix = f"expanded_conv_{number}_" if number else "expanded_conv_"
            x = _block(x, stage, expansion, divisible(stage.channels * alpha), position == 0, prefix)
            number += 1
    x = _convolve(x, HEAD, 1, 1, "conv_1")
    if classes is not None:
        x = layers.GlobalAveragePooling2D(keepdims=True, name="avg_pool")(x)
        x = layers.Dropout(0.2, name="dropout")(x)
        x = layers.Conv2D(classes, 1, name="logits")(x)
        x = layers.Flatten(name="flatten")(x)
        x = layers.Softmax(name="predictions")(x)
    return keras.Model(values, x, name=name)


def _block(
    x: "keras.KerasTensor", stage: Stage, expansion: int, channels: int, first: bool, prefix: str
) -> "keras.KerasTensor":
    """Expand, filter, project; add the input unless it is the first of its stage."""
    import keras

    shortcut, entering = x, x.shape[-1]
    stride = stage.stride if first else 1
    if expansion > 1:  # slim leaves out an expansion that adds no channel, the fused first one too
        kernel, step = (stage.kernel, stride) if stage.fused else (1, 1)
        x = _convolve(x, divisible(entering * expansion), kernel, step, f"{prefix}expand")
    if not stage.fused:
        depthwise = keras.layers.DepthwiseConv2D(
            stage.kernel, stride, padding="same", use_bias=False, name=f"{prefix}depthwise"
        )
        x = _normalize(depthwise(x), f"{prefix}depthwise")
    x = _convolve(x, channels, 1, 1, f"{prefix}project", activate=False)
    return x if first else keras.layers.Add(name=f"{prefix}add")([shortcut, x])


def _convolve(
    x: "keras.KerasTensor", channels: int, kernel: int, stride: int, name: str, *, activate: bool = True
) -> "keras.KerasTensor":
    import keras

    convolution = keras.layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False, name=name)
    return _normalize(convolution(x), name, activate=activate)


def _normalize(x: "keras.KerasTensor", name: str, *, activate: bool = True) -> "keras.KerasTensor":
    """Batch norm with slim's constants, then ReLU."""
    import keras

    x = keras.layers.BatchNormalization(epsilon=1e-3, momentum=0.997, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x) if activate else x
