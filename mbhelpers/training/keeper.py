"""The callback that holds a training together: state on disk, learning rate, averaged weights, history, progress.

It imports Keras at once, so import it where TensorFlow is loaded.
"""

import csv
import io
import json
import os
import shutil
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from mbhelpers.files import replacing
from mbhelpers.training.fused_norm import flat_layers
from mbhelpers.training.optimizers import goodness, learning_rates, plateau_factor
from mbhelpers.training.recipes import Recipe

_LOGS = 2**24
"""Bytes that history and logs may take."""


class Keeper(keras.callbacks.Callback):
    """Leaves one whole state file after every epoch, from which a killed run goes on with the same numbers.

    Attributes:
        history: one dict an epoch.
    """

    def __init__(
        self,
        model: keras.Model,
        recipe: Recipe,
        state: Path,
        *,
        steps: int,
        identity: dict[str, Any],
        watch: Callable[[], dict[str, float]] | None = None,
    ) -> None:
        """Look for the state of this very run, and load it.

        Args:
            model: compiled.
            recipe: fitted.
            state: the state file; the history goes beside it.
            steps: steps an epoch.
            identity: what tells this run from others, as plain data.
            watch: asked after every epoch, while the model has the averaged weights; what it tells joins the history.

        Raises:
            ValueError: the folder can't be written or has too little room, or the state is damaged or another run's.
        """
        super().__init__()
        self.net, self.recipe, self.state, self.steps = model, recipe, state, steps  # Keras sets self.model later
        self.identity, self.watch = json.loads(json.dumps(identity)), watch
        self.history: list[dict[str, float]] = []
        self.broken = False
        self.rates = learning_rates(recipe, steps)
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)
            self.averages = Averages(model, recipe.ema)
        self.variables = [*model.variables, *model.optimizer.variables]
        self.best: list[np.ndarray] = []
        self._check_room()
        if state.is_file():
            self._restore()
        self.step = len(self.history) * steps

    def _check_room(self) -> None:
        folder = self.state.parent
        probe = folder / f".probe-{os.getpid()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise ValueError(
                f"cannot write {folder}: {error.strerror or error}; free it or choose another folder (--out)"
            ) from error
        # A state is written beside the one before, and only then replaces it.
        numbers = [*self.variables, *self.net.weights, *self.averages.variables]
        needed = _LOGS + 2 * sum(4 * int(np.prod(variable.shape)) for variable in numbers)
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise ValueError(
                f"training needs {needed / 2**20:.0f} MiB at {folder} to keep its state, {free / 2**20:.0f} MiB "
                "are free; make room, or choose another folder (--out)"
            )

    def _restore(self) -> None:
        path = self.state
        try:
            with np.load(path) as file:
                state = dict(file)
            meta = json.loads(str(state["meta"]))
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, KeyError, ValueError) as error:
            raise ValueError(f"{path} is damaged ({error}); delete it to start again") from error
        if meta["identity"] != self.identity:
            raise ValueError(
                f"{path} is the state of another run (other recipe, seed, model, features or teacher); "
                "choose another folder (--out), or delete it to start again"
            )
        self.history = meta["history"]
        for kind, variables in (("now", self.variables), ("average", self.averages.variables)):
            for k, variable in enumerate(variables):
                variable.assign(state[f"{kind}_{k}"])
        self.best = [state[f"best_{k}"] for k in range(len(self.net.weights))]
        print(f"going on after epoch {len(self.history)} of {self.recipe.epochs}")

    def _save(self) -> None:
        arrays = {f"now_{k}": np.asarray(v) for k, v in enumerate(self.variables)}
        arrays |= {f"average_{k}": np.asarray(v) for k, v in enumerate(self.averages.variables)}
        arrays |= {f"best_{k}": v for k, v in enumerate(self.best)}
        meta = json.dumps({"identity": self.identity, "history": self.history})
        with replacing(self.state) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **{"meta": np.array(meta)}, **arrays)  # type: ignore[arg-type]
        table = io.StringIO()
        writer = csv.DictWriter(table, ["epoch", *self.history[0]], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"epoch": k + 1, **line} for k, line in enumerate(self.history))
        with replacing(self.state.parent / "history.csv") as temporary:
            temporary.write_text(table.getvalue(), encoding="utf-8")

    def best_epoch(self) -> int:
        """The epoch that the monitor likes best, counted from 0; of equals the first. Without a monitor, the last."""
        if self.recipe.monitor == "none":
            return len(self.history) - 1
        return int(np.argmax([goodness(line, self.recipe) for line in self.history]))

    def finished(self) -> bool:
        """Whether all epochs are done, or none was better for too long."""
        done = len(self.history)
        return done >= self.recipe.epochs or (done > 0 and done - 1 - self.best_epoch() >= self.recipe.patience)

    def raise_if_broken(self) -> None:
        """Say that the loss was not finite.

        Raises:
            ValueError: it was not.
        """
        if self.broken:
            raise ValueError(
                f"the loss is not finite after epoch {len(self.history)}; lower the learning rate "
                f"(it is {self.recipe.learning_rate}) and train in another folder; {self.state} keeps the last good "
                "epoch"
            )

    def on_train_begin(self, logs=None):
        """Start the progress bar."""
        left = self.recipe.epochs * self.steps - self.step
        slow = 0.5 if sys.stdout.isatty() else 5.0  # a log file needs no ten lines a second
        batch = self.recipe.batch_size
        self.bar = tqdm(total=left * batch, unit="img", file=sys.stdout, mininterval=slow, unit_scale=True)

    def on_epoch_begin(self, epoch, logs=None):
        """Note the time, and what a plateau leaves of the learning rate."""
        self.started = time.perf_counter()
        self.factor = plateau_factor(self.recipe, self.history)
        self.rate = -1.0

    def on_train_batch_begin(self, batch, logs=None):
        """Set the learning rate of this step."""
        rate = float(self.rates[self.step]) * self.factor
        if rate != self.rate:
            self.net.optimizer.learning_rate = self.rate = rate

    def on_train_batch_end(self, batch, logs=None):
        """Average the weights."""
        self.step += 1
        self.averages.update(self.step)
        self.bar.update(self.recipe.batch_size)

    def on_test_begin(self, logs=None):
        """Validate with the averages."""
        self.averages.swap()

    def on_test_end(self, logs=None):
        """Go on training where training was."""
        self.averages.swap()

    def on_epoch_end(self, epoch, logs=None):
        """Keep the best weights, and the state."""
        line = {key: float(value) for key, value in (logs or {}).items()}
        if not np.isfinite([line["loss"], line.get("val_loss", 0.0)]).all():
            self.broken, self.net.stop_training = True, True
            return
        if self.watch is not None:
            self.averages.swap()
            line |= self.watch()
            self.averages.swap()
        line["learning_rate"] = self.rate
        line["seconds"] = round(time.perf_counter() - self.started, 3)
        self.history.append(line)
        if self.best_epoch() == epoch:
            self.averages.swap()
            self.best = self.net.get_weights()
            self.averages.swap()
        self._save()
        measure = next(name for name in ("val_ap", "val_accuracy", "accuracy", "val_loss", "loss") if name in line)
        self.bar.set_postfix_str(
            f"epoch {epoch + 1}/{self.recipe.epochs}, {measure} {line[measure]:.3f}", refresh=False
        )
        if self.finished():
            self.net.stop_training = True

    def on_train_end(self, logs=None):
        """Close the progress bar."""
        self.broken = self.broken or not self.history
        self.bar.close()


class Averages:
    """A moving average of all weights that training changes, batch-norm statistics included."""

    def __init__(self, model: keras.Model, decay: float):
        """Start at the weights as they are; without a decay there is nothing to average."""
        layers = [layer for layer in flat_layers(model) if layer.trainable] if decay else []
        self.decay = decay
        self.weights = [weight for layer in layers for weight in layer.weights]
        self.variables = [keras.Variable(np.asarray(weight), trainable=False) for weight in self.weights]
        self._move = tf.function(self._moved, jit_compile=False)

    def update(self, step: int) -> None:
        """After so many steps, move the averages towards the weights."""
        if self.weights:
            self._move(tf.constant(1 - min(self.decay, (1 + step) / (10 + step)), tf.float32))

    def _moved(self, share: tf.Tensor) -> None:
        for average, weight in zip(self.variables, self.weights, strict=True):
            average.assign(average + share * (weight - average))

    def swap(self) -> None:
        """Exchange averages and weights."""
        for average, weight in zip(self.variables, self.weights, strict=True):
            kept = np.array(weight)
            weight.assign(average)
            average.assign(kept)
