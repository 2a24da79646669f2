"""The fit loop: Keras' own, with a state on disk that a killed run goes on from."""

import csv
import io
import json
import sys
import time
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from mbhelpers.data.pipeline import check_pixels, ordered_batches, steps_per_epoch, training_batches
from mbhelpers.files import replacing
from mbhelpers.native import load_tensorflow
from mbhelpers.training.recipes import Recipe

if TYPE_CHECKING:
    import keras

STATE = "training_state.npz"


def fit(
    model: "keras.Model",
    training: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    recipe: Recipe,
    folder: Path,
    *,
    seed: int,
) -> list[dict[str, float]]:
    """Train a classifier; it ends with the weights of the epoch with the lowest validation loss.

    Every epoch leaves one whole state file: model, optimizer, best weights so far and history. Called again after
    a kill, training goes on behind the last epoch finished, with the same batches as an unbroken run. TensorBoard
    logs and `history.csv` lie beside it.

    Args:
        model: from `build_classifier`; one sigmoid output or softmax.
        training: uint8 images (N, H, W, 3) and integer labels (N,).
        validation: likewise; nothing but the choice of the epoch sees it.
        recipe: what to do; `Recipe.fitted` adapts it to N.
        folder: where the state, the history and the logs go.
        seed: of order and augmentation. Initial weights and dropout were seeded when the model was built.

    Returns:
        One dict an epoch: loss, accuracy, val_loss, val_accuracy, seconds.

    Raises:
        ValueError: images are not uint8 of the model's size, labels don't fit the outputs, the loss is not
            finite, or the folder can't be written.
    """
    load_tensorflow()
    import keras

    side = model.input_shape[1]
    for images, labels in (training, validation):
        check_pixels(images, side)
        _check_labels(labels, len(images), model.output_shape[1])
    recipe = recipe.fitted(len(training[0]))
    steps = steps_per_epoch(len(training[0]), recipe.batch_size)
    _set_batch_norm_momentum(model, recipe.batch_norm_momentum)
    _compile(model, recipe, steps * recipe.epochs)
    identity = {"recipe": recipe.to_json(), "seed": seed, "parameters": model.count_params()}
    keeper = _make_keeper(model, recipe, folder, steps, identity)
    first = keeper.restore()
    if not keeper.finished(first):
        batches = training_batches(
            *training,
            batch_size=recipe.batch_size,
            seed=seed,
            epochs=recipe.epochs,
            first_epoch=first,
            augmentation=recipe.augmentation,
            classes=max(2, model.output_shape[1]),
        )
        outputs = model.output_shape[1]
        model.fit(
            batches.map(lambda x, y: (x, _targets(y, outputs))),
            validation_data=ordered_batches(*validation).map(lambda x, y: (x, _targets(y, outputs))),
            epochs=recipe.epochs,
            initial_epoch=first,
            steps_per_epoch=steps,
            shuffle=False,  # the batches are shuffled already
            verbose=0,
            callbacks=[
                keeper,
                keras.callbacks.TensorBoard(str(folder / "tensorboard"), write_graph=False),
                keras.callbacks.TerminateOnNaN(),
            ],
        )
        keeper.raise_if_broken()
    keeper.load_best()
    # A saved model names its metrics, and must load where ours is not known.
    model.compile(optimizer=model.optimizer, loss=model.loss, metrics=["accuracy"], jit_compile=False)
    return keeper.history


def discard_state(folder: Path) -> None:
    """Remove the state of a training run whose model has been saved."""
    (folder / STATE).unlink(missing_ok=True)


def _check_labels(labels: np.ndarray, n: int, outputs: int) -> None:
    classes = max(2, outputs)
    if len(labels) != n or n == 0:
        raise ValueError(f"{n} images and {len(labels)} labels; give one label an image, and at least one image")
    if np.min(labels) < 0 or np.max(labels) >= classes:
        raise ValueError(
            f"labels run from {np.min(labels)} to {np.max(labels)}, the model knows {classes} classes; "
            "build it with as many classes as the data has"
        )


def _set_batch_norm_momentum(model: "keras.Model", momentum: float) -> None:
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _set_batch_norm_momentum(layer, momentum)
        elif isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum


def _targets(labels, outputs: int):
    """What the loss compares the outputs with, from labels (B,) or, of mixed images, shares of classes (B, classes)."""
    import keras

    if len(labels.shape) == 2:
        return labels[:, 1:] if outputs == 1 else labels
    if outputs == 1:
        return keras.ops.cast(keras.ops.reshape(labels, (-1, 1)), "float32")
    return keras.ops.one_hot(labels, outputs)


def _compile(model: "keras.Model", recipe: Recipe, steps: int) -> None:
    import keras

    warmup = round(recipe.warmup * steps)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else recipe.learning_rate,
        decay_steps=max(1, steps - warmup),
        warmup_target=recipe.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)
    # Scales and shifts have nothing to decay towards.
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    binary = model.output_shape[1] == 1
    shares = binary and recipe.augmentation.mixes
    loss = keras.losses.BinaryCrossentropy if binary else keras.losses.CategoricalCrossentropy
    model.compile(
        optimizer=optimizer,
        loss=loss(label_smoothing=recipe.label_smoothing),
        metrics=[keras.metrics.MeanMetricWrapper(_accuracy_of_shares, "accuracy") if shares else "accuracy"],
        jit_compile=False,  # XLA makes depthwise training about ten times slower on a CPU
    )


def _accuracy_of_shares(targets, scores):
    """Of one output; Keras' own takes every score of a mixed image for wrong, since its target is neither 0 nor 1."""
    import keras

    return keras.metrics.binary_accuracy(keras.ops.round(targets), scores)


def _make_keeper(model, recipe, folder, steps, identity):
    """The callback that keeps state, history and progress. A function, so that keras stays a lazy import."""
    import keras

    class Keeper(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.history: list[dict[str, float]] = []
            self.best: list[np.ndarray] = []
            self.broken = False
            self.bar: Any = None
            self.started = 0.0
            # Binding the names here; Keras sets self.model only when fit starts.
            self.net = model

        def variables(self) -> list[Any]:
            self.net.optimizer.build(self.net.trainable_variables)
            return [*self.net.variables, *self.net.optimizer.variables]

        def restore(self) -> int:
            """Load the state file if it belongs to this very run; returns the epoch to go on with."""
            path = folder / STATE
            if not path.is_file():
                return 0
            try:
                with np.load(path) as file:
                    state = dict(file)
                meta = json.loads(str(state["meta"]))
            except (zipfile.BadZipFile, zlib.error, OSError, EOFError, KeyError, ValueError) as error:
                raise ValueError(f"{path} is damaged ({error}); delete it to start again") from error
            if meta["identity"] != json.loads(json.dumps(identity)):
                raise ValueError(
                    f"{path} is the state of another run (other recipe, seed or model); "
                    "choose another folder (--out), or delete it to start again"
                )
            self.history = meta["history"]
            for k, variable in enumerate(self.variables()):
                variable.assign(state[f"now_{k}"])
            self.best = [state[f"best_{k}"] for k in range(len(self.net.weights))]
            print(f"going on after epoch {len(self.history)} of {recipe.epochs}")
            return len(self.history)

        def best_epoch(self) -> int:
            return int(np.argmin([line["val_loss"] for line in self.history]))

        def finished(self, epoch: int) -> bool:
            """Whether all epochs are done, or none was better for too long."""
            if epoch >= recipe.epochs:
                return True
            return bool(self.history) and epoch - 1 - self.best_epoch() >= recipe.patience

        def load_best(self) -> None:
            self.net.set_weights(self.best)

        def raise_if_broken(self) -> None:
            if self.broken:
                raise ValueError(
                    f"the loss is not finite after epoch {len(self.history)}; lower the learning rate "
                    f"(it is {recipe.learning_rate}) and train in another folder; {folder / STATE} keeps the last "
                    "good epoch"
                )

        def on_train_begin(self, logs=None):
            left = (recipe.epochs - len(self.history)) * steps * recipe.batch_size
            slow = 0.5 if sys.stdout.isatty() else 5.0  # a log file needs no ten lines a second
            self.bar = tqdm(total=left, unit="img", file=sys.stdout, mininterval=slow, unit_scale=True)

        def on_epoch_begin(self, epoch, logs=None):
            self.started = time.perf_counter()

        def on_train_batch_end(self, batch, logs=None):
            self.bar.update(recipe.batch_size)

        def on_epoch_end(self, epoch, logs=None):
            line = {key: float(value) for key, value in (logs or {}).items()}
            if not np.isfinite([line["loss"], line["val_loss"]]).all():
                self.broken, self.net.stop_training = True, True
                return
            line["seconds"] = round(time.perf_counter() - self.started, 3)
            self.history.append(line)
            if self.best_epoch() == epoch:
                self.best = self.net.get_weights()
            self.save()
            self.bar.set_postfix_str(
                f"epoch {epoch + 1}/{recipe.epochs}, val_accuracy {line['val_accuracy']:.3f}", refresh=False
            )
            if self.finished(epoch + 1):
                self.net.stop_training = True

        def on_train_end(self, logs=None):
            self.broken = self.broken or not self.history
            self.bar.close()

        def save(self) -> None:
            arrays = {f"now_{k}": np.asarray(v) for k, v in enumerate(self.variables())}
            arrays |= {f"best_{k}": v for k, v in enumerate(self.best)}
            meta = json.dumps({"identity": identity, "history": self.history})
            with replacing(folder / STATE) as temporary, temporary.open("wb") as stream:
                np.savez(stream, **{"meta": np.array(meta)}, **arrays)  # type: ignore[arg-type]
            table = io.StringIO()
            writer = csv.DictWriter(table, ["epoch", *self.history[0]], lineterminator="\n")
            writer.writeheader()
            writer.writerows({"epoch": k + 1, **line} for k, line in enumerate(self.history))
            with replacing(folder / "history.csv") as temporary:
                temporary.write_text(table.getvalue(), encoding="utf-8")

    return Keeper()
