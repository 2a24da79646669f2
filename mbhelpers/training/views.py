"""What a frozen network says of every view of the training images, computed once and kept on disk.

A view is an image as one epoch shows it, augmented. With a recipe's `passes` the views of the first epochs come again
later, so a frozen network need not: its features are what the head of a transfer learning trains on, its scores what
a student learns from. Draws are shares of the side: the views of another resolution, under the same seed, are the same.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from mbhelpers import settings
from mbhelpers.data.pipeline import check_pixels, steps_per_epoch, training_batches
from mbhelpers.files import locked, replacing
from mbhelpers.native import load_tensorflow, quietly, tflite_converters
from mbhelpers.training.fused_norm import flat_layers
from mbhelpers.training.recipes import Recipe

if TYPE_CHECKING:
    import keras

_AT_ONCE = 16
"""Images a call of the runtime. MobileNetV2 0.35 at 128 px on two busy cores: 940, 1,230, 1,340 and 1,350 images/s for
1, 4, 16 and 64 at once, where Keras' `predict` made 480."""


def view_outputs(
    network: "keras.Model",
    images: np.ndarray,
    labels: np.ndarray,
    recipe: Recipe,
    *,
    seed: int,
    classes: int,
    cache: Path,
) -> tuple[np.ndarray, np.ndarray]:
    """Outputs of a frozen network for all views of a recipe's passes, in the order in which training shows them.

    Computed in float by LiteRT, several times as fast as Keras' `predict`. A killed call goes on where it was.

    Args:
        network: from pixels 0..255, (B, H, W, 3), to (B, C), such as a backbone with pooling, or a teacher.
        images: uint8, (N, H, W, 3), of the network's size.
        labels: integers, (N,).
        recipe: fitted to N; its augmentation, batch size and passes define the views.
        seed: of order and augmentation, as `fit` gets it.
        classes: how many there are.
        cache: a folder. What was computed before for the same images, views and weights is found there again; any
            file in it can be deleted at any time.

    Returns:
        float32 outputs (passes * steps an epoch, B, C), mapped from a file, and labels in the same order: int64
        (passes * steps, B), or, where the augmentation mixes images, float32 shares (passes * steps, B, classes).

    Raises:
        ValueError: the recipe has no passes, images or network don't fit, or the cache can't be written.
    """
    if not recipe.passes:
        raise ValueError("the recipe augments every epoch anew, so it has no fixed views; set its passes, such as 8")
    check_pixels(images, network.input_shape[1])
    steps = steps_per_epoch(len(images), recipe.batch_size)
    batch = min(recipe.batch_size, len(images))
    mixes = recipe.augmentation.mixes
    shapes = {
        "outputs": ((recipe.passes * steps, batch, network.output_shape[-1]), np.float32),
        "labels": ((recipe.passes * steps, batch, *((classes,) if mixes else ())), np.float32 if mixes else np.int64),
    }

    def views(first: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        batches = training_batches(
            images,
            labels,
            batch_size=recipe.batch_size,
            seed=seed,
            epochs=recipe.passes,
            first_epoch=first,
            augmentation=recipe.augmentation,
            classes=classes,
        )
        return iter(batches.as_numpy_iterator())

    key = _key(network, images, labels, recipe, seed)
    try:
        with locked(cache):
            found = _Store(cache, key, shapes)
            if not found.complete():
                _fill(found, network, views, recipe.passes, steps, batch)
            return found.read()
    except OSError as error:
        size = sum(np.prod(shape) * np.dtype(kind).itemsize for shape, kind in shapes.values()) / 1e9
        raise ValueError(
            f"cannot keep {size:.2f} GB of views' outputs in {cache} ({error.strerror or error}); make room there, or "
            "choose another folder"
        ) from error


def frozen_outputs(network: "keras.Model", images: np.ndarray) -> np.ndarray:
    """Outputs of a frozen network for images as they are, such as those of validation.

    Args:
        network: as for `view_outputs`.
        images: uint8, (N, H, W, 3).

    Returns:
        float32, (N, C).
    """
    check_pixels(images, network.input_shape[1])
    return compiled(network)(images)


def compiled(network: "keras.Model") -> Callable[[np.ndarray], np.ndarray]:
    """A network as a LiteRT function in float, on all cores.

    Args:
        network: from pixels 0..255, (B, H, W, 3), to (B, C).

    Returns:
        From images, (N, H, W, 3) of any type, to float32 outputs, (N, C), equal to Keras' within 1e-4 of their size.
    """
    load_tensorflow()
    from ai_edge_litert.interpreter import Interpreter

    shape = (_AT_ONCE, *network.input_shape[1:])
    with quietly():
        content = tflite_converters(network, shape)().convert()
        runtime = Interpreter(model_content=content, num_threads=settings.threads())
        runtime.allocate_tensors()
    entry, exit_ = (part[0]["index"] for part in (runtime.get_input_details(), runtime.get_output_details()))

    def run(images: np.ndarray) -> np.ndarray:
        found = []
        for first in range(0, len(images), _AT_ONCE):
            part = np.asarray(images[first : first + _AT_ONCE], np.float32)
            padded = np.zeros(shape, np.float32) if len(part) < _AT_ONCE else part
            padded[: len(part)] = part
            runtime.set_tensor(entry, padded)
            runtime.invoke()
            found.append(runtime.get_tensor(exit_)[: len(part)])
        return np.concatenate(found)

    return run


def _fill(
    store: "_Store",
    network: "keras.Model",
    views: Callable[[int], Iterator[tuple[np.ndarray, np.ndarray]]],
    passes: int,
    steps: int,
    batch: int,
) -> None:
    """Compute the passes that are not there yet."""
    first = store.begin()
    run = compiled(network)
    bar = tqdm(desc="views", total=(passes - first) * steps * batch, unit="img", file=sys.stdout, unit_scale=True)
    with bar:
        batches = views(first)
        for number in range(first, passes):
            outputs, labels = store.opened_to_write()
            for k in range(number * steps, (number + 1) * steps):
                pixels, labels[k] = next(batches)
                outputs[k] = run(pixels)
                bar.update(len(pixels))
            store.note(number + 1, outputs, labels)
    store.finish()


class _Store:
    """Arrays on disk that are filled pass by pass under temporary names."""

    def __init__(self, folder: Path, key: str, shapes: dict[str, tuple[tuple[int, ...], Any]]):
        self.shapes = shapes
        self.files = {name: folder / f"{key}_{name}.npy" for name in shapes}
        self.partial = {name: folder / f".{key}_{name}.partial.npy" for name in shapes}
        self.progress = folder / f".{key}.json"

    def complete(self) -> bool:
        return all(self._opened(name, self.files[name]) is not None for name in self.shapes)

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        outputs, labels = (np.load(self.files[name], mmap_mode="r") for name in ("outputs", "labels"))
        return outputs, labels

    def begin(self) -> int:
        """Make room for all of it; returns the pass to go on with."""
        with suppress(OSError, ValueError, KeyError):
            done = int(json.loads(self.progress.read_text())["passes"])
            if all(self._opened(name, path) is not None for name, path in self.partial.items()):
                return done
        for name, (shape, kind) in self.shapes.items():
            header = {"descr": np.lib.format.dtype_to_descr(np.dtype(kind)), "fortran_order": False, "shape": shape}
            with self.partial[name].open("wb") as stream:
                np.lib.format.write_array_header_1_0(stream, header)
                # Allocated now: a disk that is full later would end the process, since the file is mapped.
                size = int(np.prod(shape)) * np.dtype(kind).itemsize
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(stream.fileno(), stream.tell(), size)
                else:
                    stream.truncate(stream.tell() + size)
        return 0

    def opened_to_write(self) -> tuple[np.ndarray, np.ndarray]:
        outputs, labels = (np.load(self.partial[name], mmap_mode="r+") for name in ("outputs", "labels"))
        return outputs, labels

    def note(self, passes: int, *arrays: Any) -> None:
        """Note how many passes are there, once their numbers are on disk."""
        for array in arrays:
            array.flush()
        with replacing(self.progress) as temporary:
            temporary.write_text(json.dumps({"passes": passes}))

    def finish(self) -> None:
        for name, path in self.partial.items():
            path.replace(self.files[name])
        self.progress.unlink()

    def _opened(self, name: str, path: Path) -> np.ndarray | None:
        try:
            array = np.load(path, mmap_mode="r")
        except (OSError, ValueError, EOFError):
            return None
        return array if (array.shape, array.dtype) == (self.shapes[name][0], np.dtype(self.shapes[name][1])) else None


def _key(network: "keras.Model", images: np.ndarray, labels: np.ndarray, recipe: Recipe, seed: int) -> str:
    """A hash of all that decides the outputs."""
    views = [asdict(recipe.augmentation), recipe.batch_size, recipe.passes, seed, images.shape]
    # By kind and settings: the names of a model's layers depend on what the process built before.
    layers = [[type(la).__name__, {**la.get_config(), "name": ""}] for la in flat_layers(network)]
    made = [metadata.version("ai-edge-litert"), layers]
    digest = hashlib.sha256(json.dumps([views, made], sort_keys=True, default=str).encode())
    for first in range(0, len(images), 1024):
        digest.update(np.ascontiguousarray(images[first : first + 1024]).data)
    digest.update(np.asarray(labels, np.int64).tobytes())
    for weight in network.get_weights():
        digest.update(np.ascontiguousarray(weight).data)
    return digest.hexdigest()[:32]
