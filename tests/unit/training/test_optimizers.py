"""Learning rates against numbers worked out by hand, and optimizers against the formulas of their papers."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mbhelpers.training.optimizers import layer_rates, learning_rates, make_optimizer, plateau_factor
from mbhelpers.training.recipes import Recipe

PLAIN = Recipe(learning_rate=0.8, epochs=10, min_steps=0, warmup=0.0)


@pytest.mark.parametrize(
    ("fields", "steps", "wanted", "why"),
    [
        ({}, 1, {0: 0.8, 5: 0.4, 9: 0.8 * 0.5 * (1 + math.cos(0.9 * math.pi))}, "a cosine to zero over all steps"),
        ({"warmup": 0.2}, 10, {0: 0.0, 10: 0.4, 19: 0.76, 20: 0.8, 60: 0.4}, "rises over 20 steps, falls over 80"),
        (
            {"warmup": 0.1, "start_rate": 0.2, "hold": 0.2, "descent": 0.4, "end_rate": 0.1},
            10,
            {0: 0.2, 5: 0.5, 10: 0.8, 30: 0.8, 50: 0.45, 70: 0.1, 99: 0.1},
            "rises from 0.2, stays for 20 steps, falls over 40, stays at the end",
        ),
        ({"schedule": "constant", "warmup": 0.1}, 10, {5: 0.4, 10: 0.8, 99: 0.8}, "rises and stays"),
        ({"schedule": "plateau"}, 1, {0: 0.8, 9: 0.8}, "what a plateau takes comes from the history"),
        (
            {"schedule": "exponential", "factor": 0.5, "every": 2.5},
            4,
            {0: 0.8, 9: 0.8, 10: 0.4, 19: 0.4, 20: 0.2, 39: 0.1},
            "2.5 epochs of 4 steps are 10 steps",
        ),
        (
            {"schedule": "exponential", "factor": 0.5, "every": 2, "warmup": 0.3},
            1,
            {0: 0.0, 1: 0.8 / 3, 3: 0.4, 4: 0.2},
            "decays from the first epoch on, warm-up included",
        ),
        ({"warmup": 1.0}, 1, {0: 0.0, 9: 0.72}, "a warm-up and nothing else"),
    ],
)
def test_learning_rates(fields, steps, wanted, why):
    rates = learning_rates(replace(PLAIN, **fields), steps)
    assert rates.shape == (10 * steps,)
    assert {step: pytest.approx(float(rates[step]), abs=1e-6) for step in wanted} == wanted, why


def keras_plateau(scores: list[float], patience: int, factor: float, monitor: str) -> list[float]:
    """What Keras' own callback makes of a learning rate of 1, an epoch at a time."""
    import keras

    mode = "max" if monitor == "val_accuracy" else "min"
    callback = keras.callbacks.ReduceLROnPlateau(monitor, factor=factor, patience=patience, mode=mode)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1.0))
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, score in enumerate(scores):
        callback.on_epoch_end(epoch, {monitor: score})
        rates.append(float(np.array(model.optimizer.learning_rate)))
    return rates


@pytest.mark.parametrize(("monitor", "patience"), [("val_accuracy", 2), ("val_loss", 3)])
def test_a_plateau_is_keras_own(monitor, patience):
    rng = np.random.default_rng(patience)
    scores = [round(float(value), 2) for value in rng.uniform(0.4, 0.8, 40)]  # ties too
    recipe = replace(PLAIN, schedule="plateau", factor=0.5, every=patience, monitor=monitor)
    ours = [plateau_factor(recipe, [{monitor: score} for score in scores[: k + 1]]) for k in range(len(scores))]
    theirs = keras_plateau(scores, patience, 0.5, monitor)
    assert ours == pytest.approx(theirs)
    assert 0 < ours[-1] < 0.1, "it fell several times"
    assert plateau_factor(replace(recipe, schedule="cosine"), [{monitor: 0.5}] * 20) == 1


def network(names: tuple[str, ...], frozen: tuple[str, ...] = ()):
    """Dense layers of these names as a backbone, and a classifier."""
    import keras

    values = x = keras.Input((2,))
    for name in names:
        layer = keras.layers.Dense(2, use_bias=False, name=name)
        layer.trainable = name not in frozen
        x = layer(x)
    backbone = keras.Model(values, x, name="backbone")
    pixels = keras.Input((2,))
    return keras.Model(pixels, keras.layers.Dense(3, name="scores")(backbone(pixels)))


NAMES = ("Conv1", "expanded_conv_depthwise", "block_1_expand", "block_1_project", "block_2_expand", "Conv_1")


def test_blocks_learn_more_slowly_the_farther_they_are():
    model = network(NAMES)
    assert layer_rates(model, 0.5) == [0.5**5, 0.5**4, 0.5**3, 0.5**3, 0.5**2, 0.5, 1.0, 1.0]
    assert layer_rates(model, 1.0) == [1.0] * 8
    partly = network(NAMES, frozen=("Conv1", "block_1_expand"))
    assert layer_rates(partly, 0.5) == [0.5**4, 0.5**3, 0.5**2, 0.5, 1.0, 1.0], "frozen layers have no rate"
    third = network(("conv", "expanded_conv_project", "expanded_conv_1_expand", "expanded_conv_2_squeeze", "conv_1"))
    assert layer_rates(third, 0.5)[:5] == [0.5**5, 0.5**4, 0.5**3, 0.5**2, 0.5], "MobileNetV3's names"


@pytest.mark.parametrize("names", [("a", "b"), ("a",)])
def test_without_blocks_there_is_no_layer_decay(names):
    with pytest.raises(ValueError, match=r"layer_decay 0.5 needs a MobileNet .* set it to 1"):
        layer_rates(network(names), 0.5)


def step(recipe: Recipe, weight: float, gradients: list[float], rate: float = 0.1) -> float:
    """One weight of the first block after these gradients."""
    import tensorflow as tf

    model = network(NAMES)
    optimizer = make_optimizer(recipe, model)
    variables = model.trainable_variables
    first = variables[0]
    first.assign(np.full(first.shape, weight))
    for gradient in gradients:
        optimizer.learning_rate = rate
        optimizer.apply([tf.fill(v.shape, gradient) for v in variables], variables)
    return float(np.array(first)[0, 0])


class TestOptimizers:
    """By hand, for a weight of 2 and gradients of 1."""

    @pytest.mark.parametrize(
        ("fields", "gradients", "wanted", "why"),
        [
            ({"optimizer": "sgd", "momentum": 0.0}, [1.0, 1.0], 2 - 0.1 - 0.1, "plain"),
            (
                {"optimizer": "sgd", "momentum": 0.5},
                [1.0, 1.0],
                2 - 0.1 * (1 + 0.5) - 0.1 * (1 + 0.5 * 1.5),
                "Nesterov: the step after the momentum's next",
            ),
            ({"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.5}, [1.0], 2 - 0.1 * (1 + 0.5 * 2), "L2"),
            ({"optimizer": "adam"}, [1.0], 2 - 0.1, "the first step of adam is the rate"),
            ({"optimizer": "adamw", "weight_decay": 0.5}, [1.0], 2 - 0.1 * 0.5 * 2 - 0.1, "decoupled"),
            ({"optimizer": "adam", "weight_decay": 50.0}, [1.0], 2 - 0.1, "L2 is divided by its own size"),
            (
                {"optimizer": "rmsprop", "momentum": 0.0, "decay": 0.75, "epsilon": 0.5},
                [1.0],
                2 - 0.1 / math.sqrt(0.25 + 0.5),
                "epsilon under the root",
            ),
            (
                {"optimizer": "rmsprop", "momentum": 0.5, "decay": 0.0, "epsilon": 1.0},
                [1.0, 1.0],
                2 - 0.1 / math.sqrt(2) * (1 + 1.5),
                "momentum of the scaled gradient",
            ),
            (
                {"optimizer": "sgd", "momentum": 0.0, "layer_decay": 0.5, "weight_decay": 0.5},
                [1.0],
                2 - 0.1 * 0.5**5 * (1 + 0.5 * 2),
                "the first block's rate",
            ),
            ({"optimizer": "adamw", "layer_decay": 0.5, "weight_decay": 0.5}, [1.0], 2 - 0.2 * 0.5**5, "decay too"),
        ],
    )
    def test_steps(self, fields, gradients, wanted, why):
        assert step(replace(PLAIN, **fields), 2.0, gradients) == pytest.approx(wanted, abs=1e-5), why

    def test_biases_do_not_decay(self):
        import tensorflow as tf

        model = network(NAMES)
        optimizer = make_optimizer(replace(PLAIN, weight_decay=0.5), model)
        kernel, bias = model.get_layer("scores").trainable_variables
        bias.assign(np.full(3, 2.0))
        before = np.array(kernel)
        optimizer.apply([tf.zeros(v.shape) for v in model.trainable_variables], model.trainable_variables)
        np.testing.assert_array_equal(bias, np.full(3, 2.0))
        np.testing.assert_allclose(kernel, before * (1 - 0.8 * 0.5), rtol=1e-6)
