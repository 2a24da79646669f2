import json
from dataclasses import replace

import pytest

from mbhelpers.rows import VARIANTS, Row
from mbhelpers.training.recipes import GROWN_EPOCHS, RECIPES, Recipe, grown, recipe_for

RECIPE = Recipe(learning_rate=1e-3, epochs=40, min_steps=300)


@pytest.mark.parametrize(
    ("images", "batch", "epochs", "why"),
    [
        (12, 4, 100, "batches of 4, 3 steps an epoch: 300 steps take 100 epochs"),
        (140, 35, 75, "a quarter of them, 4 steps an epoch: 75 epochs"),
        (255, 63, 75, "just too few for a full batch"),
        (256, 64, 75, "just enough: 4 steps of 64"),
        (1740, 64, 40, "27 steps an epoch make 300 in 12 epochs; the recipe's 40 stand"),
        (3, 4, 300, "fewer than a batch are one step"),
    ],
)
def test_fitted(images, batch, epochs, why):
    fitted = RECIPE.fitted(images)
    assert (fitted.batch_size, fitted.epochs) == (batch, epochs), why
    assert fitted.fitted(images) == fitted, "fitting twice changes nothing"
    assert RECIPE.epochs == 40


def test_fitted_changes_nothing_else():
    fitted = RECIPES["tfs"].fitted(12).to_json()
    before = RECIPES["tfs"].to_json()
    assert {key for key in before if before[key] != fitted[key]} == {"batch_size", "epochs"}


@pytest.mark.parametrize("variant", RECIPES)
def test_a_variant_has_its_recipe(variant):
    recipe = recipe_for(variant)
    assert recipe is RECIPES[variant]
    assert json.loads(json.dumps(recipe.to_json())) == recipe.to_json(), "it is saved as JSON"


def test_variants_do_what_their_names_say():
    assert list(RECIPES) == list(VARIANTS)
    assert not RECIPES["tl"].train_backbone, "only the head trains"
    assert RECIPES["fft"].train_backbone and RECIPES["tfs"].train_backbone
    assert RECIPES["fft"].start_from == "tl"
    assert RECIPES["tfs"].start_from == RECIPES["tl"].start_from == ""


@pytest.mark.parametrize(
    ("side", "start"),
    [
        (32, ""),
        (64, ""),
        (96, "mobilenet_v2_0.35_64_tfs"),
        (128, "mobilenet_v2_0.35_64_tfs"),
        (160, "mobilenet_v2_0.35_128_tfs"),
        (224, "mobilenet_v2_0.35_128_tfs"),
    ],
)
def test_from_scratch_grows_from_the_next_smaller(side, start):
    row = Row.parse(f"flowers/mobilenet_v2_0.35_{side}_tfs")
    recipe = grown(RECIPES["tfs"], row)
    assert recipe == replace(RECIPES["tfs"], start_from=start, epochs=GROWN_EPOCHS if start else RECIPES["tfs"].epochs)
    if start:
        assert Row.parse(f"flowers/{start}").resolution < side


@pytest.mark.parametrize("images", [12, 140, 1740])
@pytest.mark.parametrize("variant", RECIPES)
def test_smoke_is_two_epochs_of_any_size(variant, images):
    recipe = recipe_for(variant, smoke=True)
    assert recipe.fitted(images).epochs == 2
    changed = {key for key, value in recipe.to_json().items() if value != RECIPES[variant].to_json()[key]}
    passes = {"passes"} if recipe.passes else set()
    assert changed == {"epochs", "min_steps"} | passes, "smoke swaps configuration, not the lesson"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"optimizer": "adagrad"}, "unknown optimizer 'adagrad' of a recipe; choose from adamw, adam, sgd, rmsprop"),
        ({"schedule": "step"}, "unknown schedule 'step'.*cosine, exponential, plateau, constant"),
        ({"batch_norm": "off"}, "unknown batch_norm 'off'.*train, freeze"),
        ({"monitor": "none", "schedule": "plateau"}, "a plateau is one of validation"),
        ({"monitor": "accuracy"}, "unknown monitor 'accuracy'.*val_loss, val_accuracy"),
        ({"learning_rate": 0.0}, "learning_rate must be more than 0, not 0"),
        ({"epochs": 0}, "epochs must be a whole number of 1 or more, not 0"),
        ({"epochs": 2.5}, "epochs must be a whole number of 1 or more, not 2.5"),
        ({"passes": -1}, "passes must be a whole number, 0 or more, not -1"),
        ({"dropout": 1.0}, "dropout must be at least 0 and less than 1, not 1"),
        ({"ema": 1.0}, "ema must be at least 0 and less than 1, not 1"),
        ({"layer_decay": 0.0}, "layer_decay must be more than 0 and at most 1, not 0"),
        ({"factor": 1.5}, "factor must be more than 0 and at most 1, not 1.5"),
        ({"temperature": 0.0}, "temperature must be more than 0"),
        ({"weight_decay": -1e-4}, "weight_decay must be 0 or more"),
        ({"warmup": 0.5, "hold": 0.3, "descent": 0.3}, "warm-up 0.5, hold 0.3 and descent 0.3 .* together at most 1"),
        ({"distillation": 0.5}, "teacher '' with distillation 0.5.*give both or neither"),
        ({"teacher": "mobilenet_v2_1.0_224_tl", "passes": 3}, "distillation 0.0.*give both or neither"),
        ({"teacher": "mobilenet_v2_1.0_224_tl", "distillation": 0.5}, "set passes"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        replace(RECIPE, **fields)


def test_a_short_recipe_prepares_no_more_views_than_it_sees():
    recipe = replace(RECIPE, passes=20, teacher="mobilenet_v2_1.0_224_tl", distillation=0.5)
    assert (recipe.short().epochs, recipe.short().passes, recipe.short().distillation) == (2, 2, 0.5)
    assert RECIPE.short().passes == 0


def test_an_unknown_variant_lists_the_known():
    with pytest.raises(ValueError, match="unknown variant 'qat'; choose from tfs, tl, fft"):
        recipe_for("qat")
