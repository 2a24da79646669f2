"""Classifiers are trained: on images, or on what a frozen backbone says of them."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mbhelpers.data.pipeline import check_pixels, ordered_batches, steps_per_epoch, training_batches
from mbhelpers.native import load_tensorflow
from mbhelpers.training.devices import has_gpu
from mbhelpers.training.loop import STATE, check_monitor, discard_state, train
from mbhelpers.training.losses import accuracy, labels_loss, make_loss, make_targets
from mbhelpers.training.recipes import Recipe

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

__all__ = ["STATE", "discard_state", "fit", "fit_on_features", "split_classifier"]


def fit(
    model: "keras.Model",
    training: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray] | None,
    recipe: Recipe,
    folder: Path,
    *,
    seed: int,
    taught: np.ndarray | None = None,
    half: bool | None = None,
) -> list[dict[str, float]]:
    """Train a classifier; it ends with the weights of its best epoch on the validation images.

    Every epoch leaves one whole state file: model, optimizer, averaged and best weights and history. Called again
    after a kill, training goes on behind the last epoch finished, with the same batches as an unbroken run.
    TensorBoard logs and `history.csv` lie beside it. A model built in the scope of a `tf.distribute` strategy trains
    on all its devices.

    Args:
        model: from `build_classifier`; one sigmoid output or softmax.
        training: uint8 images (N, H, W, 3), in memory or mapped from a file, and integer labels (N,).
        validation: likewise; nothing but the choice of the epoch, and a plateau, sees it. None for none, where the
            recipe's monitor needs none.
        recipe: what to do; `Recipe.fitted` adapts it to N.
        folder: where the state, the history and the logs go.
        seed: of order and augmentation. Initial weights and dropout were seeded when the model was built.
        taught: for a recipe with a teacher, its scores for all views, (passes * steps an epoch, B, outputs).
        half: compute in float16 where it serves; None does so on a GPU.

    Returns:
        One dict an epoch: loss, accuracy, val_loss and val_accuracy (with validation), learning_rate, seconds.

    Raises:
        ValueError: images are not uint8 of the model's size, labels or `taught` don't fit, the loss is not finite, or
            the folder can't be written or has too little room.
    """
    load_tensorflow()
    side, outputs = model.input_shape[1], model.output_shape[1]
    for images, labels in (training, validation) if validation else (training,):
        check_pixels(images, side)
        _check_labels(labels, len(images), outputs)
    recipe = recipe.fitted(len(training[0]))
    steps = steps_per_epoch(len(training[0]), recipe.batch_size)

    def batches(first: int) -> "tf.data.Dataset":
        return training_batches(
            *training,
            batch_size=recipe.batch_size,
            seed=seed,
            epochs=recipe.epochs,
            first_epoch=first,
            augmentation=recipe.augmentation,
            classes=max(2, outputs),
            passes=recipe.passes,
        )

    return _train(
        model,
        batches,
        (lambda: ordered_batches(*validation)) if validation else None,
        recipe,
        folder,
        steps=steps,
        half=has_gpu() if half is None else half,
        taught=taught,
        identity={"seed": seed},
    )


def fit_on_features(
    head: "keras.Model",
    training: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray] | None,
    recipe: Recipe,
    folder: Path,
    *,
    seed: int,
    taught: np.ndarray | None = None,
) -> list[dict[str, float]]:
    """Train the part of a classifier behind a frozen one, on what the frozen one says of each view.

    Everything else is as in `fit`: with the features of `recipe.passes` epochs it learns the same as in its place.

    Args:
        head: from features (B, C) to scores, as `split_classifier` gives it.
        training: features (passes * steps an epoch, B, C), in memory or mapped from a file, and labels in the same
            order: integers (passes * steps, B), or shares of classes (passes * steps, B, classes).
        validation: features (N, C) and integer labels (N,), or None.
        recipe: fitted to the images that the views were made of.
        folder: as for `fit`.
        seed: that of the views.
        taught: as for `fit`.

    Returns:
        As `fit`.

    Raises:
        ValueError: the views are no whole number of passes, or as `fit`.
    """
    load_tensorflow()
    outputs = head.output_shape[1]
    features, labels = training
    if not recipe.passes or len(features) % recipe.passes or features.shape[:2] != labels.shape[:2]:
        raise ValueError(
            f"features {features.shape} and labels {labels.shape} of {recipe.passes} passes don't belong together; "
            "both need one entry for each batch, the same number in every pass"
        )
    if labels.ndim == 2:
        _check_labels(labels.reshape(-1), labels.size, outputs)
    if validation:
        _check_labels(validation[1], len(validation[0]), outputs)

    steps = len(features) // recipe.passes
    import tensorflow as tf

    return _train(
        head,
        lambda first: _entries((features, labels), first * steps, recipe.epochs * steps),
        (lambda: tf.data.Dataset.from_tensor_slices(validation).batch(1024)) if validation else None,
        recipe,
        folder,
        steps=steps,
        half=False,
        taught=taught,
        identity={"seed": seed, "features": zlib.crc32(np.asarray(features[0]).tobytes())},
    )


def split_classifier(model: "keras.Model") -> tuple["keras.Model", "keras.Model"]:
    """The frozen part of a classifier and the one that learns; both share its layers, so the whole learns with them.

    Args:
        model: from `build_classifier`.

    Returns:
        From pixels to pooled features, (B, C), and from these to scores.
    """
    import keras

    with model.distribute_strategy.scope():
        pooled = model.get_layer("pool").output
        features = scores = keras.Input(pooled.shape[1:])
        for layer in model.layers[model.layers.index(model.get_layer("pool")) + 1 :]:
            scores = layer(scores)
        return keras.Model(model.inputs, pooled), keras.Model(features, scores)


def _check_labels(labels: np.ndarray, n: int, outputs: int) -> None:
    classes = max(2, outputs)
    if len(labels) != n or n == 0:
        raise ValueError(f"{n} images and {len(labels)} labels; give one label an image, and at least one image")
    if np.min(labels) < 0 or np.max(labels) >= classes:
        raise ValueError(
            f"labels run from {np.min(labels)} to {np.max(labels)}, the model knows {classes} classes; "
            "build it with as many classes as the data has"
        )


def _check_taught(taught: np.ndarray | None, recipe: Recipe, steps: int, outputs: int) -> None:
    if (taught is None) != (recipe.distillation == 0):
        raise ValueError(
            f"a recipe with distillation {recipe.distillation} and {'no ' if taught is None else ''}scores of a "
            "teacher; give fit the scores (taught) exactly where the recipe has a teacher"
        )
    if taught is not None and (len(taught) != recipe.passes * steps or taught.shape[2] != outputs):
        raise ValueError(
            f"the teacher's scores are {taught.shape}; {recipe.passes} passes of {steps} batches for {outputs} outputs "
            f"need ({recipe.passes * steps}, B, {outputs})"
        )


def _train(
    model: "keras.Model",
    batches: Callable[[int], "tf.data.Dataset"],
    validation: Callable[[], "tf.data.Dataset"] | None,
    recipe: Recipe,
    folder: Path,
    *,
    steps: int,
    half: bool,
    taught: np.ndarray | None,
    identity: dict[str, Any],
) -> list[dict[str, float]]:
    """Train with labels, for batches of anything: `batches(e)` gives those from epoch e on, (inputs, labels)."""
    import keras

    outputs = model.output_shape[1]
    check_monitor(recipe, validation is not None)
    _check_taught(taught, recipe, steps, outputs)
    history = train(
        model,
        lambda first: _make_data(batches, validation, recipe, first, steps, outputs, taught),
        recipe,
        folder,
        steps=steps,
        loss=make_loss(recipe, outputs),
        metrics=[keras.metrics.MeanMetricWrapper(accuracy, "accuracy")],
        half=half,
        identity=identity | {"taught": None if taught is None else zlib.crc32(np.asarray(taught[0]).tobytes())},
    )
    # A saved model names how it was compiled, and must load where ours is not known.
    model.compile(loss=labels_loss(recipe, outputs), metrics=["accuracy"], jit_compile=False)
    return history


def _make_data(
    batches: Callable[[int], "tf.data.Dataset"],
    validation: Callable[[], "tf.data.Dataset"] | None,
    recipe: Recipe,
    first: int,
    steps: int,
    outputs: int,
    taught: np.ndarray | None,
) -> tuple["tf.data.Dataset", "tf.data.Dataset | None"]:
    """Training batches from epoch `first` on, and validation batches, with what the loss compares with."""
    import tensorflow as tf

    def targets(inputs, labels):
        return inputs, make_targets(labels, outputs)

    def beside(pair, scores):
        return pair[0], tf.concat([pair[1], scores[0]], axis=1)

    @tf.autograph.experimental.do_not_convert  # nothing here branches on a tensor, and converting takes seconds
    def make():
        training = batches(first).map(targets)
        if taught is not None:
            scores = _entries((taught,), first * steps, recipe.epochs * steps)
            training = tf.data.Dataset.zip(training, scores).map(beside)
        return training, validation().map(targets) if validation else None

    return make()


def _entries(arrays: tuple[np.ndarray, ...], first: int, end: int) -> "tf.data.Dataset":
    """Entries first to end of arrays that repeat, read when they are needed."""
    import tensorflow as tf

    def read(number: np.int64) -> list[np.ndarray]:
        return [np.asarray(array[number % len(array)]) for array in arrays]

    def entry(number: "tf.Tensor") -> tuple["tf.Tensor", ...]:
        found = tf.numpy_function(read, [number], [array.dtype for array in arrays], stateful=False)
        for part, array in zip(found, arrays, strict=True):
            part.set_shape((None, *array.shape[2:]))
        return tuple(found)

    numbers = tf.data.Dataset.range(first, end)
    return numbers.map(entry, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)
