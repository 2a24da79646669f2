"""Detectors are trained: boxes become targets of every anchor, and Keras fits scores and offsets to them."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mbhelpers.data.boxed import BoxedImages
from mbhelpers.data.pipeline import check_pixels, detection_batches, steps_per_epoch
from mbhelpers.detection.anchors import make_anchors
from mbhelpers.models.ssd import with_logits
from mbhelpers.native import load_tensorflow
from mbhelpers.training.detector_losses import focal_loss, offsets_loss
from mbhelpers.training.detector_recipes import DetectorRecipe
from mbhelpers.training.loop import check_monitor, train
from mbhelpers.training.matching import OVERLAP, assign

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


def fit_detector(
    model: "keras.Model",
    training: BoxedImages,
    validation: BoxedImages | None,
    recipe: DetectorRecipe,
    folder: Path,
    *,
    seed: int,
    watch: Callable[[], dict[str, float]] | None = None,
) -> list[dict[str, float]]:
    """Train a detector; it ends with the weights of its best epoch by the recipe's monitor.

    State, resuming, averages, history and logs are as in `training.fit.fit`.

    Args:
        model: from `build_ssd`.
        training: what it learns from.
        validation: nothing but the choice of the epoch, and a plateau, sees it. None where the recipe needs none.
        recipe: what to do; the batch size and the epochs are fitted to the number of images.
        folder: where the state, the history and the logs go.
        seed: of order and augmentation. Initial weights were seeded when the model was built.
        watch: asked after every epoch, while the model has the averaged weights, such as for the AP by now.

    Returns:
        One dict an epoch: loss, logits_loss and offsets_loss, the same of validation with val_ before it, what
        `watch` tells, learning_rate, seconds.

    Raises:
        ValueError: images are not of the model's size, a label that the model doesn't know, or as `training.fit.fit`.
    """
    load_tensorflow()
    side, classes = model.input_shape[1], model.outputs[0].shape[-1] - 1
    for part in (training, validation) if validation else (training,):
        check_pixels(part.images, side)
        _check_labels(part, classes)
    check_monitor(recipe.training, validation is not None)
    recipe = recipe.fitted(len(training))
    fitted = recipe.training
    steps = steps_per_epoch(len(training), fitted.batch_size)
    targets = make_targets(side, recipe.overlap)

    def data(first: int) -> tuple["tf.data.Dataset", "tf.data.Dataset | None"]:
        batches = detection_batches(
            *training.arrays(),
            batch_size=fitted.batch_size,
            seed=seed,
            epochs=fitted.epochs,
            first_epoch=first,
            augmentation=fitted.augmentation,
        )
        return targets(batches), targets(_in_order(validation, fitted.batch_size)) if validation else None

    with model.distribute_strategy.scope():  # else it would be of one device, with variables of several
        learning = with_logits(model)
    return train(
        learning,
        data,
        fitted,
        folder,
        steps=steps,
        loss=[focal_loss(recipe.gamma), offsets_loss(recipe.offsets_weight, recipe.offsets_corner)],
        identity={"seed": seed, "detector": recipe.to_json(), "boxes": _checksum(training)},
        watch=watch,
    )


def make_targets(resolution: int, overlap: float = OVERLAP) -> "Callable[[tf.data.Dataset], tf.data.Dataset]":
    """What the losses compare with, of batches of images, boxes, labels and valid.

    Returns:
        A function from such a data set to one of images and the targets of both outputs: classes (B, NA), and
        (B, NA, 5), offsets and whether there is an object.
    """
    import tensorflow as tf

    anchors = make_anchors(resolution)

    def of_batch(images, boxes, labels, valid):
        classes, offsets = assign(anchors, boxes, labels, valid, overlap=overlap)
        there = tf.cast(classes > 0, tf.float32)[..., None]
        return images, (classes, tf.concat([offsets, there], axis=-1))

    def of_all(batches: "tf.data.Dataset") -> "tf.data.Dataset":
        mapped = batches.map(of_batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return mapped.prefetch(tf.data.AUTOTUNE)

    return of_all


def _in_order(boxed: BoxedImages, batch_size: int) -> "tf.data.Dataset":
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(boxed.arrays()).batch(batch_size)


def _checksum(boxed: BoxedImages) -> int:
    """Tells other boxes or labels from these."""
    return zlib.crc32(boxed.labels.tobytes(), zlib.crc32(boxed.boxes.tobytes()))


def _check_labels(boxed: BoxedImages, classes: int) -> None:
    labels = boxed.labels[boxed.valid]
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        raise ValueError(
            f"labels run from {labels.min()} to {labels.max()}, the model knows {classes} classes; "
            "build it with as many classes as the data has"
        )
