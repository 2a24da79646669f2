"""Classifiers small enough to train and convert in a second or two, on pictures that are easy to tell apart.

`MobileNetV2` takes 20 s to trace for training and 20 s to convert on one core, so one real one is made a session;
where the backbone does not matter, a thin one of the same form (convolution, depthwise, batch norm) stands in.
"""

import os
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import numpy as np
from PIL import Image

from mbhelpers.data.augment import Augmentation
from mbhelpers.preprocessing import Preprocessing, preset
from mbhelpers.records import Record, add_to_keras
from mbhelpers.training.recipes import Recipe

SIDE = 32
CLASSES = ("blue", "green", "red")
RECIPE = Recipe(
    learning_rate=1e-2,
    epochs=6,
    min_steps=0,
    batch_size=12,
    dropout=0.2,
    batch_norm_momentum=0.8,
    weight_decay=1e-2,
    augmentation=Augmentation(flip_horizontal=True, translate=0.1, brightness=0.05),
)


@dataclass(frozen=True)
class Files:
    """One classifier in every form, and what it was made from."""

    model: object
    record: Record
    images: np.ndarray
    labels: np.ndarray
    folder: Path
    keras: Path
    float: Path
    int8: Path


def easy_images(n: int, seed: int, classes: int = 3, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Noise with one channel lit, by class: uint8 (N, side, side, 3) and labels (N,)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    images = rng.integers(0, 130, (n, side, side, 3)).astype(np.uint8)
    for k, label in enumerate(labels):
        images[k, ..., 2 - label] += 125
    return images, labels


def write_folder(root: Path, images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> Path:
    """The images as `root/<class>/<i>.png`."""
    for k, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = root / classes[label] / f"{k:03d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place)
    return root


def thin_backbone(alpha: float, resolution: int, weights="none", architecture: str = "mobilenet_v2"):
    """Stands in for `families.build_backbone`; takes the same arguments."""
    import keras

    layers = keras.layers
    values = keras.Input((resolution, resolution, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(values)
    x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.999)(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.999)(x))
    x = layers.BatchNormalization(momentum=0.999)(layers.Conv2D(16, 1, use_bias=False)(x))
    return keras.Model(values, x, name="backbone")


def build(classes: int = 3, *, preprocessing: Preprocessing | None = None, seed: int = 1, **options):
    """`families.build_classifier` on the thin backbone, from a seed."""
    from unittest import mock

    import keras

    from mbhelpers.models import families

    keras.utils.set_random_seed(seed)
    with mock.patch.object(families, "build_backbone", thin_backbone):
        preprocessing = preprocessing or preset("mbhelpers", SIDE)
        return families.build_classifier(classes, 0.35, preprocessing, weights="none", **options)


def set_statistics(model, images: np.ndarray) -> None:
    """Give the batch norms of an untrained model the statistics of these images."""
    import keras

    def norms(part):
        for layer in part.layers:
            if isinstance(layer, keras.Model):
                yield from norms(layer)
            elif isinstance(layer, keras.layers.BatchNormalization):
                yield layer

    pixels = images.astype(np.float32)
    kept = {layer: layer.momentum for layer in norms(model)}
    for layer in kept:
        layer.momentum = 0.0
    model(pixels, training=True)
    for layer, momentum in kept.items():
        layer.momentum = momentum


def solve(model, images: np.ndarray, labels: np.ndarray) -> None:
    """Train the classifier without a gradient, by least squares on the backbone's features."""
    import keras

    pixels = images.astype(np.float32)
    features = np.asarray(keras.Model(model.inputs[0], model.get_layer("pool").output)(pixels, training=False))
    known = np.c_[features, np.ones(len(features))].astype(np.float64)
    outputs = model.output_shape[1]
    wanted = 6.0 * labels[:, None] - 3 if outputs == 1 else 4.0 * np.eye(outputs)[labels] - 2
    found = np.linalg.solve(known.T @ known + np.eye(known.shape[1]), known.T @ wanted)
    model.get_layer("scores").set_weights([found[:-1].astype(np.float32), found[-1].astype(np.float32)])


def easy_model(classes: int = 3, **options):
    """A thin model that tells `easy_images` apart."""
    model = build(classes, **options)
    images, labels = easy_images(48, 0, classes, model.input_shape[1])
    set_statistics(model, images)
    solve(model, images, labels)
    return model


def save(model, record: Record | None, path: Path) -> Path:
    """A .keras file, with a record unless it is None."""
    model.save(path)
    if record:
        add_to_keras(path, record)
    return path


def make_files(folder: Path, model, record: Record, images: np.ndarray, labels: np.ndarray) -> Files:
    """Solve the model on the images, then save and convert it."""
    from mbhelpers.quantization.tflite import to_float, to_int8

    solve(model, images, labels)
    keras_file = save(model, record, folder / "model.keras")
    (folder / "model_float.tflite").write_bytes(to_float(model, record))
    (folder / "model_int8.tflite").write_bytes(to_int8(model, record, images))
    return Files(
        model,
        record,
        images,
        labels,
        folder,
        keras_file,
        folder / "model_float.tflite",
        folder / "model_int8.tflite",
    )


def operators(content: bytes) -> list[str]:
    """Operator names of a .tflite file in the order of execution."""
    from ai_edge_litert import schema_py_generated as schema

    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    graph = schema.ModelT.InitFromPackedBuf(content, 0)
    codes = [names[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in graph.operatorCodes]
    return [codes[operator.opcodeIndex] for operator in graph.subgraphs[0].operators]


def without_seconds(history: list[dict[str, float]]) -> list[dict[str, float]]:
    """A history without its times, to be compared."""
    return [{key: value for key, value in line.items() if key != "seconds"} for line in history]


def save_published(network, path: Path) -> None:
    """Write a network's weights alone, in the HDF5 form in which Keras publishes its ImageNet weights."""
    import h5py
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, network)
