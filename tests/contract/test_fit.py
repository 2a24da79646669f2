"""The fit loop: it learns, repeats itself to the bit, and outlives a kill."""

import csv
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mbhelpers.data.imagenet import read_imagenet
from mbhelpers.data.pipeline import load_images
from mbhelpers.preprocessing import preset
from mbhelpers.training import fit as module
from mbhelpers.training import loop
from mbhelpers.training.fit import STATE, discard_state, fit
from mbhelpers.training.published_recipes import published_recipe

from . import tiny

TRAINING, VALIDATION = tiny.easy_images(48, seed=0), tiny.easy_images(24, seed=1)
RECIPE = tiny.RECIPE
LONG = replace(RECIPE, epochs=24)
KILLED = {
    "usual": replace(RECIPE, epochs=40),
    "averaged, mixed, on a plateau": replace(
        RECIPE,
        epochs=40,
        ema=0.9,
        schedule="plateau",
        every=2,
        factor=0.7,
        monitor="val_accuracy",
        augmentation=replace(RECIPE.augmentation, mixup=0.3, cutmix=1.0),
    ),
}
SEED = 3


def train(folder: Path, recipe=RECIPE, seed: int = SEED, **options):
    """A fresh model trained in a folder: history and weights."""
    model = tiny.build(dropout=recipe.dropout)
    history = fit(model, TRAINING, VALIDATION, recipe, folder, seed=seed, **options)
    return history, model


def assert_same(first, second):
    """Equal histories and weights, to the bit."""
    assert tiny.without_seconds(first[0]) == tiny.without_seconds(second[0])
    for one, two in zip(first[1].get_weights(), second[1].get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def epochs_written(folder: Path) -> int:
    try:
        return len((folder / "history.csv").read_text().splitlines()) - 1
    except FileNotFoundError:
        return 0


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, *train(folder)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    return train(tmp_path_factory.mktemp("unbroken"), LONG)


def test_loss_falls_on_an_easy_set(run):
    _, history, model = run
    assert len(history) == RECIPE.epochs
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert history[-1]["val_accuracy"] > 0.9
    images, labels = VALIDATION
    assert (model.predict(images, verbose=0).argmax(1) == labels).mean() > 0.9


def test_it_ends_with_the_weights_of_the_best_epoch(run):
    import keras

    _, history, model = run
    images, labels = VALIDATION
    wanted = keras.ops.one_hot(labels, 3)
    loss = float(np.mean(keras.losses.categorical_crossentropy(wanted, model.predict(images, verbose=0))))
    assert loss == pytest.approx(min(line["val_loss"] for line in history), rel=1e-5)


def test_history_and_logs_lie_beside_the_state(run):
    folder, history, _ = run
    with (folder / "history.csv").open() as stream:
        lines = list(csv.DictReader(stream))
    assert [int(line.pop("epoch")) for line in lines] == list(range(1, RECIPE.epochs + 1))
    assert [{key: float(value) for key, value in line.items()} for line in lines] == history
    assert set(history[0]) == {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"}
    logs = folder / "tensorboard"
    assert {file.parent.name for file in logs.rglob("events.out.tfevents.*")} == {"train", "validation"}
    assert (folder / STATE).is_file()
    assert not list(folder.glob(".*"))


def test_one_seed_one_result_to_the_bit(run, tmp_path):
    _, *first = run
    assert_same(first, train(tmp_path / "again"))
    other, _ = train(tmp_path / "other", seed=SEED + 1)
    assert tiny.without_seconds(other) != tiny.without_seconds(first[0]), "else the seed says nothing"


def test_a_finished_run_called_again_trains_no_more(run, monkeypatch):
    folder, *first = run
    monkeypatch.setattr(module, "training_batches", None)
    assert_same(first, train(folder))


class TestKilled:
    """SIGKILL in the middle; the same call goes on."""

    @staticmethod
    def start(folder: Path, *extra: str) -> subprocess.Popen:
        driver = Path(__file__).with_name("driver.py")
        return subprocess.Popen([sys.executable, str(driver), "fit", str(folder), *extra], stdout=subprocess.DEVNULL)

    def test_while_the_state_is_being_written(self, unbroken, tmp_path, capsys):
        process = self.start(tmp_path, "--die-writing", "4")
        assert process.wait(timeout=90) == -signal.SIGKILL
        assert [p for p in tmp_path.iterdir() if p.name.startswith(".partial-")], "the half-written file of the dead"
        resumed = train(tmp_path, LONG)
        assert f"going on after epoch 3 of {LONG.epochs}" in capsys.readouterr().out, "one epoch is lost, not more"
        assert_same(unbroken, resumed)
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["history.csv", "tensorboard", STATE])


@pytest.mark.parametrize("name", KILLED)
def test_killed_ten_times_it_ends_as_if_nothing_had_been(name, tmp_path):
    """After steps that are random but the same in every test run, and a moment more."""
    driver = Path(__file__).with_name("driver.py")
    command = [sys.executable, str(driver), "lives", str(tmp_path), name, "10"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    unbroken = train(tmp_path / "unbroken", KILLED[name])
    said, _ = process.communicate(timeout=300)
    told = json.loads(said)
    assert told["kills"] == 10
    assert told["steps"] > 4 * KILLED[name].epochs, "some steps were made again, behind the last whole epoch"
    assert {p.name for p in tmp_path.iterdir()} == {"history.csv", "tensorboard", STATE, "result.npz", "unbroken"}
    with np.load(tmp_path / "result.npz") as result:
        assert json.loads(str(result["history"])) == tiny.without_seconds(unbroken[0])
        for k, weights in enumerate(unbroken[1].get_weights()):
            np.testing.assert_array_equal(result[f"arr_{k}"], weights)


class TestWithoutMonitor:
    """A recipe that chooses no epoch."""

    RECIPE = replace(RECIPE, epochs=3, monitor="none", ema=0.9)

    def test_the_last_epoch_is_kept(self, tmp_path):
        import keras

        history, model = train(tmp_path, self.RECIPE)
        images, labels = VALIDATION
        wanted = keras.ops.one_hot(labels, 3)
        loss = float(np.mean(keras.losses.categorical_crossentropy(wanted, model.predict(images, verbose=0))))
        assert loss == pytest.approx(history[-1]["val_loss"], rel=1e-5)

    def test_it_needs_no_validation_and_learns_the_same(self, tmp_path):
        with_it = train(tmp_path / "with", self.RECIPE)
        model = tiny.build(dropout=self.RECIPE.dropout)
        history = fit(model, TRAINING, None, self.RECIPE, tmp_path / "without", seed=SEED)
        assert set(history[0]) == {"loss", "accuracy", "learning_rate", "seconds"}
        for one, two in zip(with_it[1].get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)

    def test_others_need_it(self, tmp_path):
        with pytest.raises(ValueError, match="the epoch of the best val_loss; give validation images"):
            fit(tiny.build(), TRAINING, None, RECIPE, tmp_path, seed=SEED)


class TestState:
    @pytest.mark.parametrize(
        ("recipe", "seed", "why"),
        [
            (replace(RECIPE, learning_rate=2e-2), SEED, "another learning rate"),
            (replace(RECIPE, epochs=7), SEED, "more epochs, and with them another schedule"),
            (replace(RECIPE, augmentation=replace(RECIPE.augmentation, zoom=0.1)), SEED, "another augmentation"),
            (RECIPE, SEED + 1, "another seed"),
        ],
    )
    def test_of_another_run_is_refused(self, recipe, seed, why, run):
        with pytest.raises(ValueError, match=r"state of another run \(other recipe, seed, model, .*--out"):
            train(run[0], recipe, seed)

    def test_of_another_model_is_refused(self, run):
        model = tiny.build(5)
        with pytest.raises(ValueError, match="state of another"):
            fit(model, TRAINING, VALIDATION, RECIPE, run[0], seed=SEED)

    def test_damaged_is_named(self, run, tmp_path):
        whole = (run[0] / STATE).read_bytes()
        (tmp_path / STATE).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match=f"{STATE} .*delete it"):
            train(tmp_path)

    def test_is_discarded_once_the_model_is_saved(self, run, tmp_path):
        (tmp_path / STATE).write_bytes(b"")
        discard_state(tmp_path)
        discard_state(tmp_path)
        assert not (tmp_path / STATE).exists()


class TestNotFinite:
    def test_from_the_first_epoch(self, tmp_path):
        with pytest.raises(ValueError, match=r"not finite after epoch 0; lower the learning rate \(it is 1e\+25\)"):
            train(tmp_path, replace(RECIPE, learning_rate=1e25))
        assert not (tmp_path / STATE).exists()

    def test_later_the_state_keeps_the_last_good_epoch(self, tmp_path):
        import keras

        class Fuse(keras.layers.Layer):
            """Passes values on, until it has seen so many training steps."""

            def build(self, shape):
                self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

            def call(self, x, training=False):
                if training:
                    self.count.assign(self.count + 1)
                return keras.ops.where(self.count > 9, np.float32("nan"), x)

        inner = tiny.build()
        model = keras.Sequential([keras.Input((tiny.SIDE, tiny.SIDE, 3)), inner, Fuse()])
        with pytest.raises(ValueError, match=r"not finite after epoch 2; .* keeps the last good epoch"):
            fit(model, TRAINING, VALIDATION, RECIPE, tmp_path, seed=SEED)
        with np.load(tmp_path / STATE) as state:
            assert len(json.loads(str(state["meta"]))["history"]) == 2
            assert all(np.isfinite(state[name]).all() for name in state.files if name != "meta")
        assert epochs_written(tmp_path) == 2


def test_a_frozen_backbone_stays_as_it_was_to_the_bit(tmp_path):
    recipe = replace(RECIPE, epochs=3)
    changed = {}
    for trainable in (False, True):
        model = tiny.build(dropout=0.2)
        backbone = model.get_layer("backbone")
        backbone.trainable = trainable
        before = {v.path: np.array(v) for v in model.weights}
        fit(model, TRAINING, VALIDATION, recipe, tmp_path / str(trainable), seed=SEED)
        changed[trainable] = {v.path for v in model.weights if (before[v.path] != np.array(v)).any()}
        inside = {v.path for v in backbone.weights}
    assert {path.rsplit("/", 1)[1] for path in inside} >= {"kernel", "gamma", "moving_mean", "moving_variance"}
    assert not changed[False] & inside, "batch-norm statistics included"
    assert changed[False], "the head must learn"
    assert changed[True] >= {path for path in inside if "moving" in path or "kernel" in path}


def test_early_stopping_stops(tmp_path):
    rng = np.random.default_rng(0)
    noise = tuple((rng.integers(0, 256, (24, tiny.SIDE, tiny.SIDE, 3), np.uint8), rng.integers(0, 3, 24)))
    recipe = replace(RECIPE, epochs=60, patience=3)
    history = fit(tiny.build(), TRAINING, noise, recipe, tmp_path, seed=SEED)
    best = int(np.argmin([line["val_loss"] for line in history]))
    assert len(history) == best + 1 + recipe.patience < recipe.epochs


@pytest.mark.parametrize(
    ("images", "labels", "message", "why"),
    [
        (lambda x: x, lambda y: y + 1, "labels run from 1 to 3, the model knows 3", "counted from one"),
        (lambda x: x, lambda y: y - 1, "labels run from -1 to 1", "counted from minus one"),
        (lambda x: x, lambda y: y[:-1], "24 images and 23 labels", "one missing"),
        (lambda x: x[:0], lambda y: y[:0], "0 images and 0 labels", "an empty part"),
        (lambda x: x / 255, lambda y: y, "must be uint8 pixels", "scaled by the caller"),
        (lambda x: x[:, ::2, ::2], lambda y: y, r"\(N, 32, 32, 3\), not uint8 \(24, 16, 16, 3\)", "another size"),
    ],
)
@pytest.mark.parametrize("part", ["training", "validation"])
def test_data_that_does_not_fit_is_refused_before_training(part, images, labels, message, why, tmp_path):
    good = VALIDATION
    bad = images(good[0]), labels(good[1])
    with pytest.raises(ValueError, match=message):
        fit(tiny.build(), *((bad, good) if part == "training" else (good, bad)), RECIPE, tmp_path, seed=SEED)
    assert not list(tmp_path.iterdir())


def test_two_devices_learn_what_one_learns(tmp_path):
    """With batch norm frozen, the same but for rounding; training, each device normalizes by its own half."""
    driver = Path(__file__).with_name("driver.py")
    said = subprocess.run(
        [sys.executable, str(driver), "mirrored", str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert said.returncode == 0, said.stderr[-2000:]
    found = json.loads(said.stdout.splitlines()[-1])
    assert found["freeze"]["weights"] < 1e-5
    assert found["freeze"]["loss"] < 1e-5
    assert found["train"]["weights"] > 1e-4, "else the devices would share their statistics"
    assert found["train"]["val_accuracy"] > 0.9


def test_devices_share_a_batch_equally_or_not_at_all(tmp_path):
    three = SimpleNamespace(distribute_strategy=SimpleNamespace(num_replicas_in_sync=3))
    with pytest.raises(ValueError, match=r"3 devices can't share a batch of 16 images equally; .*CUDA_VISIBLE_DEVICES"):
        loop.train(three, None, replace(RECIPE, batch_size=16), tmp_path, steps=1, loss=None, identity={})


def test_half_precision_learns_and_leaves_float32(run, tmp_path):
    history, model = train(tmp_path, half=True)
    assert [line["loss"] for line in history] != [line["loss"] for line in run[1]], "else it was not half"
    assert history[-1]["val_accuracy"] > 0.9
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    assert {weight.dtype for weight in model.weights} == {"float32"}


class TestRoom:
    """What would end a training hours later is said before it starts."""

    def test_too_little(self, tmp_path, monkeypatch):
        monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 2**20}))
        with pytest.raises(ValueError, match=r"training needs \d+ MiB at .*, 1 MiB are free; make room"):
            train(tmp_path / "new")

    def test_none_at_all(self, tmp_path):
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(ValueError, match=r"cannot write .*file.*choose another folder"):
            train(tmp_path / "file" / "run")


@pytest.mark.parametrize("architecture", ["mobilenet_v2", "mobilenet_v3_small"])
def test_slims_imagenet_recipes_learn_on_an_imagenet_folder(architecture, tmp_path):
    from mbhelpers.data.sample.imagenet import write_sample
    from mbhelpers.models.families import build_imagenet

    images = read_imagenet(write_sample(tmp_path, images=48))
    pixels = load_images(images.root, images.paths, preset("mbhelpers", 64))
    alpha = {"mobilenet_v2": 0.35, "mobilenet_v3_small": 0.75}[architecture]
    model = build_imagenet(architecture, alpha, 64, "none")
    before = [weight.copy() for weight in model.get_weights()]
    recipe = published_recipe(f"custom/{architecture}_{alpha}_64_tfs", "slim").fitted(len(pixels)).short()
    history = fit(model, (pixels, images.labels), None, replace(recipe, monitor="none"), tmp_path, seed=1)
    assert len(history) == 2 and all(np.isfinite(line["loss"]) for line in history)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert any((old != new).any() for old, new in zip(before, model.get_weights(), strict=True))
