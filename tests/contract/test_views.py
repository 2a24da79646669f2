"""Outputs of a frozen network for every view: equal to computing them in place, kept, resumed, never mixed up."""

import json
import multiprocessing
import os
import signal
import time
from dataclasses import replace

import keras
import numpy as np
import pytest

from mbhelpers.data.augment import Augmentation
from mbhelpers.data.pipeline import training_batches
from mbhelpers.training import views as module
from mbhelpers.training.recipes import Recipe
from mbhelpers.training.views import frozen_outputs, view_outputs

SIDE, N, CLASSES, SEED = 16, 37, 3, 4
RECIPE = Recipe(
    learning_rate=0.01,
    epochs=6,
    min_steps=0,
    batch_size=8,
    passes=2,
    augmentation=Augmentation(flip_horizontal=True, rotate=0.1, zoom=0.2, contrast=0.2),
)
STEPS = N // 8
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (N, SIDE, SIDE, 3), dtype=np.uint8)
LABELS = RANDOM.integers(0, CLASSES, N)


def network(seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Rescaling(1 / 128, offset=-1),
            layers.Conv2D(8, 3, strides=2, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(6),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.GlobalAveragePooling2D(),
        ]
    )


def outputs(cache, net=None, recipe=RECIPE, images=IMAGES, labels=LABELS, seed=SEED):
    return view_outputs(net or network(), images, labels, recipe, seed=seed, classes=CLASSES, cache=cache)


def in_place(net: keras.Model, recipe: Recipe, epochs: int):
    batches = training_batches(
        IMAGES,
        LABELS,
        batch_size=8,
        seed=SEED,
        epochs=epochs,
        augmentation=recipe.augmentation,
        classes=CLASSES,
        passes=recipe.passes,
    )
    found = [(net(x.astype(np.float32)).numpy(), y) for x, y in batches.as_numpy_iterator()]
    return np.stack([x for x, _ in found]), np.stack([y for _, y in found])


@pytest.mark.parametrize("mixup", [0.0, 0.3])
def test_they_are_what_training_would_compute(mixup, tmp_path):
    recipe = replace(RECIPE, augmentation=replace(RECIPE.augmentation, mixup=mixup))
    net = network()
    found, labels = outputs(tmp_path, net, recipe)
    assert found.shape == (2 * STEPS, 8, 8) and found.dtype == np.float32
    epochs = 5
    wanted, wanted_labels = in_place(net, recipe, epochs)
    where = np.arange(epochs * STEPS) % len(found)
    np.testing.assert_allclose(found[where], wanted, atol=1e-4)
    np.testing.assert_array_equal(labels[where], wanted_labels)
    assert labels.shape == ((2 * STEPS, 8, CLASSES) if mixup else (2 * STEPS, 8))
    assert np.abs(found[:STEPS] - found[STEPS:]).max() > 0.01, "two passes are two augmentations"


def test_plain_images(tmp_path):
    net = network()
    np.testing.assert_allclose(frozen_outputs(net, IMAGES), net.predict(IMAGES, verbose=0), atol=1e-4)


def test_computed_once(tmp_path, monkeypatch):
    first = [part.copy() for part in outputs(tmp_path)]
    monkeypatch.setattr(module, "compiled", None)
    for one, other in zip(first, outputs(tmp_path), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": SEED + 1},
        {"images": np.flip(IMAGES, 0)},
        {"labels": (LABELS + 1) % CLASSES},
        {"net": 1},
        {"recipe": replace(RECIPE, passes=3)},
        {"recipe": replace(RECIPE, augmentation=replace(RECIPE.augmentation, zoom=0.3))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_question_another_file(change, tmp_path):
    outputs(tmp_path)
    before = set(tmp_path.glob("*.npy"))
    outputs(tmp_path, **{key: network(value) if key == "net" else value for key, value in change.items()})
    assert len(set(tmp_path.glob("*.npy")) - before) == 2


def test_what_head_learns_does_not_matter(tmp_path):
    outputs(tmp_path)
    outputs(tmp_path, recipe=replace(RECIPE, learning_rate=0.5, epochs=9, dropout=0.3))
    assert len(list(tmp_path.glob("*.npy"))) == 2


def _killed_in_the_second_pass(cache) -> None:
    compiled, calls = module.compiled, []

    def slow(net):
        run = compiled(net)

        def counted(images):
            calls.append(1)
            if len(calls) > STEPS + 1:
                (cache / "reached").touch()
                time.sleep(60)
            return run(images)

        return counted

    module.compiled = slow
    outputs(cache)


def test_a_killed_call_goes_on(tmp_path, monkeypatch):
    process = multiprocessing.get_context("spawn").Process(target=_killed_in_the_second_pass, args=(tmp_path,))
    process.start()
    give_up = time.monotonic() + 90
    while not (tmp_path / "reached").exists() and process.is_alive() and time.monotonic() < give_up:
        time.sleep(0.05)
    assert process.is_alive()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not list(tmp_path.glob("[!.]*.npy")), "nothing half-made under its final name"
    note = next(tmp_path.glob(".*.json"))
    assert json.loads(note.read_text()) == {"passes": 1}
    compiled, calls = module.compiled, []

    def counted(net):
        run = compiled(net)
        return lambda images: calls.append(1) or run(images)

    monkeypatch.setattr(module, "compiled", counted)
    found, labels = outputs(tmp_path)
    assert len(calls) == STEPS, "the first pass was there"
    wanted, wanted_labels = in_place(network(), RECIPE, 2)
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    np.testing.assert_array_equal(labels, wanted_labels)
    assert not note.exists()


def test_a_damaged_file_is_made_again(tmp_path):
    first = outputs(tmp_path)[0].copy()
    damaged = next(tmp_path.glob("*_outputs.npy"))
    damaged.write_bytes(damaged.read_bytes()[:200])
    np.testing.assert_array_equal(outputs(tmp_path)[0], first)


def test_no_room_is_one_error(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(ValueError, match=r"cannot keep 0.00 GB of views' outputs in .*No space left.*make room"):
        outputs(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipe": replace(RECIPE, passes=0)}, "set its passes"),
        ({"images": IMAGES[:, :8]}, r"uint8 pixels 0..255 of shape \(N, 16, 16, 3\)"),
        ({"images": IMAGES.astype(np.float32)}, "not float32"),
    ],
)
def test_bad_input(change, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        outputs(tmp_path, **change)
