"""Classifiers on the MobileNet family: uint8-valued pixels in, class scores out."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mbhelpers.models.weights import ARCHITECTURES, find_weights, load_weights
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import Preprocessing

if TYPE_CHECKING:
    import keras

BACKBONE = "backbone"
"""Name of the layer that holds the backbone."""


def build_backbone(
    alpha: float, resolution: int, weights: str | Path = "imagenet", architecture: str = "mobilenet_v2"
) -> "keras.Model":
    """A MobileNet without its classifier.

    Args:
        alpha: width multiplier.
        resolution: input height and width in pixels, 32 or more.
        weights: as `find_weights` takes them.
        architecture: "mobilenet_v2".

    Returns:
        A model from values in [-1, 1], (B, resolution, resolution, 3), to features, (B, h, w, C).

    Raises:
        ValueError: unknown architecture, weights that are absent or don't fit, or a failed download.
    """
    load_tensorflow()
    import keras

    if architecture not in ARCHITECTURES:
        raise ValueError(f"unknown architecture {architecture!r}; choose from {', '.join(ARCHITECTURES)}")
    found = find_weights(weights, alpha, resolution)
    shape = (resolution, resolution, 3)

    def build(weights: str | None) -> "keras.Model":
        return keras.applications.MobileNetV2(
            input_shape=shape, alpha=alpha, include_top=False, weights=weights, name=BACKBONE
        )

    if found.name == "imagenet":
        try:
            return build("imagenet")
        except Exception as error:  # Keras raises plain Exception when a download fails
            raise ValueError(
                f"no ImageNet weights for alpha {alpha} at {resolution} px ({str(error).splitlines()[0][:160]}); "
                "check network and width, or fetch that file elsewhere and pass it, or its folder, with --weights"
            ) from error
    backbone = build(None)
    if found.file is not None:
        load_weights(backbone, found)
    return backbone


def build_classifier(
    classes: int,
    alpha: float,
    preprocessing: Preprocessing,
    *,
    weights: str | Path = "imagenet",
    dropout: float = 0.0,
    binary: bool = False,
    architecture: str = "mobilenet_v2",
) -> "keras.Model":
    """Rescaling, backbone, global average pooling, dropout, dense.

    The backbone's batch norms run in inference mode while it is frozen, and learn when it is trainable.

    Args:
        classes: how many, two or more.
        alpha: width multiplier.
        preprocessing: input size and value range, built into the model.
        weights: of the backbone, as `find_weights` takes them.
        dropout: share of features dropped before the dense layer while training.
        binary: for two classes, one sigmoid output, the probability of the second class, in place of softmax.
        architecture: "mobilenet_v2".

    Returns:
        A model from pixels 0..255, (B, H, W, 3), to scores, (B, classes), or (B, 1) when binary.

    Raises:
        ValueError: fewer than two classes, binary with more than two, or what `build_backbone` raises.
    """
    load_tensorflow()
    import keras

    if classes < 2 or (binary and classes != 2):
        raise ValueError(
            f"{classes} classes{' with one sigmoid output' if binary else ''}: a classifier needs two or more, "
            "a binary one exactly two"
        )
    side = preprocessing.resolution
    backbone = build_backbone(alpha, side, weights, architecture)
    pixels = keras.Input((side, side, 3), name="image")
    scale = 1 / preprocessing.std
    values = keras.layers.Rescaling(scale, offset=-preprocessing.mean * scale, name="rescaling")(pixels)
    features = backbone(values)
    features = keras.layers.GlobalAveragePooling2D(name="pool")(features)
    features = keras.layers.Dropout(dropout, name="dropout")(features)
    units, activation = (1, "sigmoid") if binary else (classes, "softmax")
    scores = keras.layers.Dense(units, activation=activation, name="scores")(features)
    return keras.Model(pixels, scores, name=f"{architecture}_{alpha}_{side}")


def pooled_features(model: "keras.Model", images: np.ndarray) -> np.ndarray:
    """What the backbone of a classifier says of images, before the classifier itself.

    Args:
        model: from `build_classifier`.
        images: uint8, (N, H, W, 3).

    Returns:
        float32, (N, C); 1,280 features for alpha up to 1.
    """
    import keras

    return keras.Model(model.input, model.get_layer("pool").output).predict(images, batch_size=64, verbose=0)


def without_rescaling(model: "keras.Model", preprocessing: Preprocessing) -> "keras.Model":
    """The part of a classifier that a board runs: from values on, batch of one.

    The rescaling becomes the input tensor's quantization; left in the graph it would cost a MUL and an ADD.

    Args:
        model: a chain of layers. One that starts without a Rescaling layer, such as a peer's file, is taken to
            start at values already.
        preprocessing: must agree with the Rescaling layer, if there is one.

    Raises:
        ValueError: the model's rescaling is not that of `preprocessing`, or stands elsewhere than first.
    """
    import keras

    rescalings = [layer for layer in model.layers if isinstance(layer, keras.layers.Rescaling)]
    if not rescalings:
        layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
        first = layers[0].input
    else:
        first_layer = next(la for la in model.layers if not isinstance(la, keras.layers.InputLayer))
        if first_layer is not rescalings[0] or len(rescalings) > 1:
            raise ValueError("the model rescales elsewhere than in its first layer; rebuild it with build_classifier")
        ours = (1 / preprocessing.std, -preprocessing.mean / preprocessing.std)
        if not np.allclose((first_layer.scale, first_layer.offset), ours, rtol=1e-6):
            raise ValueError(
                f"the model computes pixel * {first_layer.scale} + {first_layer.offset}, its preprocessing record "
                f"says (pixel - {preprocessing.mean}) / {preprocessing.std}; use the record saved with the model"
            )
        first = first_layer.output
    side = preprocessing.resolution
    if tuple(model.input_shape[1:]) != (side, side, 3):
        raise ValueError(f"the model takes {model.input_shape[1:]}, its preprocessing gives ({side}, {side}, 3)")
    values = keras.Input((side, side, 3), batch_size=1, name="image")
    if isinstance(model, keras.Sequential):
        scores = values  # the inner tensors of a Sequential that was loaded from a file are not connected
        for layer in model.layers[len(rescalings) :]:
            scores = layer(scores)
    else:
        scores = keras.Model(first, model.outputs[0])(values, training=False)
    return keras.Model(values, scores, name=model.name)
