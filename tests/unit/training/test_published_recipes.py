"""The peers' recipes, against a second copy of their tables, row by row as published."""

import json
from dataclasses import replace

import pytest

from mbhelpers.data.augment import ST_RECIPES
from mbhelpers.rows import Row, published_rows
from mbhelpers.training.published_recipes import ST, published_recipe, run_recipe
from mbhelpers.training.recipes import RECIPES

# Data sets and resolutions, variant, learning rate, patience and factor of the plateau, early stopping, epochs and
# dropout.
PLATEAUS = [
    ("flowers-128 plant_village-128", "tfs", 1e-2, 30, 0.5, 50, 1000, (0.5, 0.5), "A1"),
    ("flowers-128 flowers-224", "tl", 1e-3, 20, 0.1, 30, 1000, (0.3, 0.3), "A0"),
    ("plant_village-128 plant_village-224", "tl", 1e-3, 20, 0.1, 30, 1000, (0.3, 0.3), "A0"),
    ("flowers-128 plant_village-128", "fft", 1e-4, 30, 0.1, 60, 1000, (0.5, 0.5), "A1"),
    ("flowers-224", "tfs", 1e-3, 30, 0.5, 100, 1000, (0.9,), "A2"),
    ("flowers-224", "fft", 1e-4, 30, 0.5, 100, 1000, (0.9,), "A2"),
    ("plant_village-224", "tfs", 1e-2, 30, 0.5, 50, 1000, (0.5,), "A2"),
    ("plant_village-224", "fft", 1e-4, 60, 0.5, 90, 1000, (0.5,), "A3"),
    ("food101-128 food101-224", "tl", 1e-3, 40, 0.5, 60, 1000, (0.2, 0.5), "A2"),
    ("coco_person-128", "tfs", 1e-2, 20, 0.5, 60, 1000, (0.4,), "A4"),
    ("coco_person-128", "tl", 1e-3, 40, 0.5, 60, 800, (0.5,), "A4"),
    ("coco_person-128", "fft", 1e-3, 30, 0.5, 50, 800, (0.3,), "A4"),
]
# Peak, epochs of warm-up, hold and descent, early stopping, epochs, dropout.
COSINES = [
    ("food101-128 food101-224", "tfs", 2.5e-3, (30, 20, 500), 80, 800, 0.4),
    ("food101-128", "fft", 2e-3, (10, 10, 300), 50, 500, 0.2),
    ("food101-224", "fft", 2.5e-3, (20, 10, 300), 50, 500, 0.4),
]
# What a row changes about A2: contrast, brightness, shear, noise.
CHANGED = {
    "flowers-224 tfs": (0.6, 0.05, 0.15, 0.0),
    "flowers-224 fft": (0.6, 0.05, 0.15, 0.005),
    "plant_village-224 tfs": (0.4, 0.05, 0.0515, 0.0),
    "food101-128 tl": (0.6, 0.05, 0.0, 0.0),
    "food101-224 tl": (0.6, 0.05, 0.0, 0.0),
    "food101-128 tfs": (0.4, 0.25, 0.25, 0.005),
    "food101-224 tfs": (0.4, 0.25, 0.25, 0.005),
    "food101-128 fft": (0.4, 0.15, 0.15, 0.005),
    "food101-224 fft": (0.4, 0.25, 0.25, 0.005),
}


def recipe(place: str, variant: str):
    dataset, side = place.split("-")
    return published_recipe(f"{dataset}/mobilenet_v2_0.35_{side}_{variant}")


def test_there_is_one_for_every_published_row():
    rows = [row for row in published_rows() if row.architecture == "mobilenet_v2" and row.variant]
    assert len(ST) == 21
    assert {(row.dataset, row.resolution, row.variant) for row in rows} == set(ST)


@pytest.mark.parametrize(("places", "variant", "rate", "wait", "factor", "stop", "epochs", "dropouts", "how"), PLATEAUS)
def test_plateaus(places, variant, rate, wait, factor, stop, epochs, dropouts, how):
    for place, dropout in zip(places.split(), dropouts, strict=True):
        found = recipe(place, variant)
        assert (found.schedule, found.learning_rate, found.every, found.factor) == ("plateau", rate, wait, factor)
        assert (found.patience, found.epochs, found.dropout, found.warmup) == (stop, epochs, dropout, 0)
        if how != "A2":
            assert found.augmentation == ST_RECIPES[how]


@pytest.mark.parametrize(("places", "variant", "peak", "spans", "stop", "epochs", "dropout"), COSINES)
def test_cosines(places, variant, peak, spans, stop, epochs, dropout):
    for place in places.split():
        found = recipe(place, variant)
        assert (found.schedule, found.learning_rate, found.start_rate, found.end_rate) == ("cosine", peak, 1e-5, 5e-5)
        shares = (found.warmup, found.hold, found.descent)
        assert [share * epochs for share in shares] == pytest.approx(spans)
        assert (found.patience, found.epochs, found.dropout) == (stop, epochs, dropout)


@pytest.mark.parametrize("row", CHANGED)
def test_augmentation(row):
    contrast, brightness, shear, noise = CHANGED[row]
    wanted = replace(ST_RECIPES["A2"], contrast=contrast, brightness=brightness, shear=shear, noise=noise)
    assert recipe(*row.split()).augmentation == wanted


@pytest.mark.parametrize("row", ST, ids=str)
def test_what_all_share(row):
    found = ST[row]
    assert (found.optimizer, found.monitor, found.weight_decay, found.label_smoothing) == ("adam", "val_accuracy", 0, 0)
    assert found.batch_size == (128 if row == ("coco_person", 128, "tfs") else 64)
    assert found.train_backbone is (row[2] != "tl")
    assert found.start_from == ("tl" if row[2] == "fft" else "")
    assert (found.ema, found.layer_decay, found.passes, found.teacher) == (0, 1, 0, "")
    assert json.loads(json.dumps(found.to_json())) == found.to_json()


@pytest.mark.parametrize(
    ("architecture", "rate", "batch", "epsilon", "factor", "every", "decay"),
    [("mobilenet_v2", 0.045, 96, 1.0, 0.98, 2.5, 4e-5), ("mobilenet_v3_large", 0.16, 1536, 0.002, 0.99, 3, 1e-5)],
)
def test_slim(architecture, rate, batch, epsilon, factor, every, decay):
    found = published_recipe(f"custom/{architecture}_1.0_224_tfs", "slim")
    assert (found.learning_rate, found.batch_size, found.epsilon) == (rate, batch, epsilon)
    assert (found.schedule, found.factor, found.every) == ("exponential", factor, every)
    assert (found.optimizer, found.momentum, found.decay, found.weight_decay) == ("rmsprop", 0.9, 0.9, decay)
    assert (found.label_smoothing, found.ema, found.batch_norm_momentum, found.dropout) == (0.1, 0.9999, 0.997, 0.2)
    assert found.warmup * found.epochs == pytest.approx(5 if "v3" in architecture else 0)


@pytest.mark.parametrize(
    ("row", "source", "message"),
    [
        ("custom/mobilenet_v2_0.35_128_tl", "st", r"ST published no recipe for custom/.*food101/mobilenet_v2_0.35_128"),
        ("flowers/mobilenet_v2_1.0_128_tl", "st", "ST published no recipe for flowers/mobilenet_v2_1.0_128_tl"),
        ("flowers/mobilenet_v3_small_0.35_128_tl", "st", "ST published no recipe"),
        ("flowers/mobilenet_v2_0.35_128_tl", "slim", r"TF-slim published no recipe .* from scratch \(tfs\)"),
        ("flowers/mobilenet_edgetpu_1.0_224_tfs", "slim", "for mobilenet_v2 and mobilenet_v3"),
        ("flowers/mobilenet_v2_0.35_128_tl", "keras", "unknown source of recipes 'keras'; choose from st, slim"),
    ],
)
def test_what_nobody_published_is_refused(row, source, message):
    with pytest.raises(ValueError, match=message):
        published_recipe(row, source)


def test_a_run_takes_one_of_them():
    row = Row.parse("flowers/mobilenet_v2_0.35_128_tl")
    assert run_recipe(row, "ours") is RECIPES["tl"]
    large = Row.parse("flowers/mobilenet_v2_0.35_224_tfs")
    assert run_recipe(large, "ours").start_from == "mobilenet_v2_0.35_128_tfs", "from scratch grows"
    assert run_recipe(large, "st").start_from == "", "theirs does not"
    assert run_recipe(row, "st") == published_recipe(row)
    short = run_recipe(row, "st", smoke=True)
    changed = {key for key, value in short.to_json().items() if value != published_recipe(row).to_json()[key]}
    assert (short.epochs, changed) == (2, {"epochs"})
