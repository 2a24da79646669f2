"""Classifiers on the MobileNet family: uint8-valued pixels in, class scores out.

Every network of the family takes values in [-1, 1]. Keras' MobileNetV3 would rescale by itself; it is built without,
so that the one Rescaling layer of the image contract stands first in every model.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mbhelpers.models.weights import Weights, check_architecture, find_weights, load_weights
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import Preprocessing, preset

if TYPE_CHECKING:
    import keras

BACKBONE = "backbone"
"""Name of the layer that holds the backbone."""

NETWORK = "network"
"""Name of the layer that holds the whole network of an ImageNet classifier."""

IMAGENET_CLASSES = (1000, 1001)
"""Outputs of ImageNet classifiers; TF-slim's 1001 have "background" first."""


def build_backbone(
    alpha: float, resolution: int, weights: str | Path = "imagenet", architecture: str = "mobilenet_v2"
) -> "keras.Model":
    """A MobileNet without its classifier.

    Args:
        alpha: width multiplier, one of the architecture's.
        resolution: input height and width in pixels, 32 or more.
        weights: as `find_weights` takes them.
        architecture: a name from `mbhelpers.models.weights.ARCHITECTURES`.

    Returns:
        A model from values in [-1, 1], (B, resolution, resolution, 3), to features, (B, h, w, C).

    Raises:
        ValueError: unknown architecture or width, weights that are absent or don't fit, or a failed download.
    """
    check_architecture(architecture, alpha)
    found = find_weights(weights, alpha, resolution, architecture)
    return _load_network(architecture, alpha, resolution, found, None)


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
        architecture: a name from `mbhelpers.models.weights.ARCHITECTURES`.

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
    pixels, values = pixels_to_values(preprocessing)
    features = backbone(values)
    features = keras.layers.GlobalAveragePooling2D(name="pool")(features)
    features = keras.layers.Dropout(dropout, name="dropout")(features)
    units, activation = (1, "sigmoid") if binary else (classes, "softmax")
    scores = keras.layers.Dense(units, activation=activation, name="scores")(features)
    return keras.Model(pixels, scores, name=f"{architecture}_{alpha}_{side}")


def build_imagenet(
    architecture: str,
    alpha: float,
    resolution: int = 224,
    weights: str | Path = "imagenet",
    classes: int = 1000,
    *,
    preprocessing: Preprocessing | None = None,
) -> "keras.Model":
    """The published ImageNet classifier, with its own head: rescaling, then the network as its authors drew it.

    MobileNetV2: 1x1 convolution to 1280, pooling, dense. V3: 1x1 convolution, pooling, a second one (`conv_2`, to
    1280 or 1024, its width the same at every alpha), hard-swish, logits. EdgeTPU: 1x1 convolution to 1280, pooling,
    logits.

    Args:
        architecture: a name from `mbhelpers.models.weights.ARCHITECTURES`.
        alpha: width multiplier, one of the architecture's.
        resolution: input height and width in pixels, 32 or more.
        weights: as `find_weights` takes them for a classifier; not "sample".
        classes: 1000, or TF-slim's 1001 with "background" first.
        preprocessing: value range, built into the model; ours by default. Its resolution must be `resolution`.

    Returns:
        A model from pixels 0..255, (B, H, W, 3), to probabilities, (B, classes). Its layer `NETWORK` is the network
        from values on.

    Raises:
        ValueError: unknown architecture, width or number of classes, weights that are absent or don't fit, or a
            failed download.
    """
    check_architecture(architecture, alpha)
    preprocessing = preprocessing or preset("mbhelpers", resolution)
    if classes not in IMAGENET_CLASSES:
        raise ValueError(f"an ImageNet classifier has 1000 or 1001 classes, not {classes}; use build_classifier")
    if preprocessing.resolution != resolution:
        raise ValueError(f"the preprocessing gives {preprocessing.resolution} px, the model takes {resolution}")
    found = find_weights(weights, alpha, resolution, architecture, classifier=True)
    if found.name == "imagenet" and classes != 1000:
        raise ValueError(f"Keras' ImageNet weights have 1000 classes, not {classes}; pass 1000, or a file of {classes}")
    network = _load_network(architecture, alpha, resolution, found, classes)
    import keras

    pixels, values = pixels_to_values(preprocessing)
    return keras.Model(pixels, network(values), name=f"{architecture}_{alpha}_{resolution}")


def pixels_to_values(preprocessing: Preprocessing) -> tuple["keras.KerasTensor", "keras.KerasTensor"]:
    """The input of a model, and what its Rescaling layer makes of it."""
    import keras

    side = preprocessing.resolution
    pixels = keras.Input((side, side, 3), name="image")
    scale, offset = preprocessing.scale_and_offset
    return pixels, keras.layers.Rescaling(scale, offset=offset, name="rescaling")(pixels)


def _load_network(
    architecture: str, alpha: float, resolution: int, weights: Weights, classes: int | None
) -> "keras.Model":
    """A network with its weights; a backbone when `classes` is None."""
    load_tensorflow()
    if resolution < 32:
        raise ValueError(f"{architecture} halves its input five times, so it needs 32 px or more, not {resolution}")
    if weights.name == "imagenet":
        try:
            return _network(architecture, alpha, resolution, "imagenet", classes)
        except Exception as error:  # Keras raises plain Exception when a download fails
            raise ValueError(
                f"no ImageNet weights for alpha {alpha} at {resolution} px ({str(error).splitlines()[0][:160]}); "
                "check network and width, or fetch that file elsewhere and pass it, or its folder, with --weights"
            ) from error
    network = _network(architecture, alpha, resolution, None, classes)
    if weights.file is not None:
        load_weights(network, weights)
    return network


def _network(
    architecture: str, alpha: float, resolution: int, weights: str | None, classes: int | None
) -> "keras.Model":
    """Keras Applications' model where it has one, else ours."""
    import keras

    if architecture == "mobilenet_edgetpu":
        from mbhelpers.models.edgetpu import mobilenet_edgetpu

        return mobilenet_edgetpu(alpha, resolution, classes, name=NETWORK if classes else BACKBONE)
    options = {
        "input_shape": (resolution, resolution, 3),
        "alpha": alpha,
        "weights": weights,
        **({"classes": classes, "name": NETWORK} if classes else {"include_top": False, "name": BACKBONE}),
    }
    if architecture == "mobilenet_v2":
        return keras.applications.MobileNetV2(**options)
    large = architecture.startswith("mobilenet_v3_large")
    build = keras.applications.MobileNetV3Large if large else keras.applications.MobileNetV3Small
    minimalistic = architecture.endswith("_minimalistic")
    return build(**options, minimalistic=minimalistic, include_preprocessing=False)


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
        first = model.inputs[0]  # not the first layer's input: a model in the first place has one of its own
    else:
        first_layer = next(la for la in model.layers if not isinstance(la, keras.layers.InputLayer))
        if first_layer is not rescalings[0] or len(rescalings) > 1:
            raise ValueError("the model rescales elsewhere than in its first layer; rebuild it with build_classifier")
        ours = preprocessing.scale_and_offset
        theirs = (first_layer.scale, first_layer.offset)
        if not all(np.allclose(one, other, rtol=1e-6) for one, other in zip(theirs, ours, strict=True)):
            raise ValueError(
                f"the model computes pixel * {first_layer.scale} + {first_layer.offset}, its preprocessing record "
                f"says {preprocessing.formula}; use the record saved with the model"
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
        outputs = model.outputs if len(model.outputs) > 1 else model.outputs[0]
        scores = keras.Model(first, outputs)(values, training=False)
    return keras.Model(values, scores, name=model.name)
