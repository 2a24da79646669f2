"""What moves the weights: optimizers, learning rates over the steps, learning rates over the layers."""

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mbhelpers.models.families import BACKBONE
from mbhelpers.training.fused_norm import flat_layers
from mbhelpers.training.recipes import Recipe

if TYPE_CHECKING:
    import keras

_NO_DECAY = ("bias", "gamma", "beta")
"""Names of variables that have nothing to decay towards."""

_BLOCK = re.compile(r"(?:block|expanded_conv)_(?:(\d+)_)?")
"""How MobileNets name the layers of a block; the first block has no number."""

_BETTER = 1e-4
"""What counts as better on a plateau, as in Keras."""


def learning_rates(recipe: Recipe, steps_per_epoch: int) -> np.ndarray:
    """The learning rate at each step, before what a plateau takes away.

    Args:
        recipe: fitted, so that its epochs are those to come.
        steps_per_epoch: steps an epoch.

    Returns:
        float32, (epochs * steps_per_epoch,).
    """
    steps = recipe.epochs * steps_per_epoch
    step = np.arange(steps, dtype=np.float64)
    peak = recipe.learning_rate
    warmup, hold = round(recipe.warmup * steps), round(recipe.hold * steps)
    rates = np.full(steps, peak)
    if recipe.schedule == "cosine":
        descent = round(recipe.descent * steps) if recipe.descent else steps - warmup - hold
        fallen = np.clip((step - warmup - hold) / max(1, descent), 0, 1)
        rates = recipe.end_rate + (peak - recipe.end_rate) * 0.5 * (1 + np.cos(math.pi * fallen))
    elif recipe.schedule == "exponential":
        # Steps, not epochs, are divided: every may be half an epoch, and 7 * (1 / 7) is less than 1.
        rates = peak * recipe.factor ** np.floor(step / max(1, round(recipe.every * steps_per_epoch)))
    if warmup:
        rising = recipe.start_rate + (peak - recipe.start_rate) * step / warmup
        rates = np.where(step < warmup, rising, rates)
    return rates.astype(np.float32)


def plateau_factor(recipe: Recipe, history: Sequence[dict[str, float]]) -> float:
    """What the learning rate of the next epoch is multiplied with; 1 unless the schedule is "plateau".

    Args:
        recipe: its `factor`, `every` and `monitor` count.
        history: of the epochs so far.
    """
    if recipe.schedule != "plateau":
        return 1.0
    factor, best, waited = 1.0, -math.inf, 0
    for line in history:
        score = goodness(line, recipe)
        if score > best + _BETTER:
            best, waited = score, 0
            continue
        waited += 1
        if waited >= recipe.every:
            factor, waited = factor * recipe.factor, 0
    return factor


def goodness(line: dict[str, float], recipe: Recipe) -> float:
    """What an epoch's line of the history is judged by, larger is better; the recipe's monitor is not "none"."""
    return line[recipe.monitor] if recipe.monitor == "val_accuracy" else -line[recipe.monitor]


def layer_rates(model: "keras.Model", layer_decay: float) -> list[float]:
    """What the learning rate of each trainable variable is multiplied with.

    The classifier's is 1, and each block of the backbone away from it is `layer_decay` times the one before; the
    backbone's last convolution and its first one are blocks too.

    Args:
        model: from `build_classifier`.
        layer_decay: 1 or less.

    Returns:
        One factor for each of `model.trainable_variables`.

    Raises:
        ValueError: it is less than 1 and the model has no backbone, or one whose layers name no blocks.
    """
    import keras

    if layer_decay == 1:
        return [1.0] * len(model.trainable_variables)
    backbone = next((layer for layer in model.layers if layer.name == BACKBONE), None)
    layers = list(flat_layers(backbone)) if isinstance(backbone, keras.Model) else []
    numbers = [int(match[1] or 0) if (match := _BLOCK.match(layer.name)) else None for layer in layers]
    known = [number for number in numbers if number is not None]
    if not known:
        raise ValueError(
            f"layer_decay {layer_decay} needs a MobileNet from build_classifier, whose layers are named after their "
            "blocks; set it to 1 for other models"
        )
    rates: dict[int, float] = {}
    block = -1
    for layer, number in zip(layers, numbers, strict=True):
        block = number if number is not None else block
        behind = number is None and block == max(known)
        distance = 1 if behind else max(known) + 2 - block
        rates |= {id(variable): layer_decay**distance for variable in layer.trainable_variables}
    return [rates.get(id(variable), 1.0) for variable in model.trainable_variables]


def make_optimizer(recipe: Recipe, model: "keras.Model") -> "keras.optimizers.Optimizer":
    """The recipe's optimizer, its learning rate to be set at every step."""
    from keras import optimizers

    options: dict[str, Any] = {"learning_rate": recipe.learning_rate}
    kinds: dict[str, tuple[type, dict[str, Any]]] = {
        "adamw": (optimizers.Adam, {"epsilon": recipe.epsilon}),
        "adam": (optimizers.Adam, {"epsilon": recipe.epsilon}),
        "sgd": (optimizers.SGD, {"momentum": recipe.momentum, "nesterov": recipe.momentum > 0}),
        "rmsprop": (
            optimizers.RMSprop,
            {"rho": recipe.decay, "momentum": recipe.momentum, "epsilon": recipe.epsilon},
        ),
    }
    base, more = kinds[recipe.optimizer]
    rates = layer_rates(model, recipe.layer_decay)
    decays = [
        0.0 if any(name in variable.name for name in _NO_DECAY) else recipe.weight_decay
        for variable in model.trainable_variables
    ]
    decoupled = recipe.optimizer == "adamw"

    class Optimizer(base):  # type: ignore[misc, valid-type]
        """Keras' own, with a learning rate and a weight decay for each variable."""

        def update_step(self, gradient, variable, learning_rate):
            which = self._get_variable_index(variable)
            rate, decay = learning_rate * rates[which], decays[which]
            if decay and decoupled:
                self.assign_sub(variable, variable * (rate * decay))
            elif decay:
                gradient = gradient + decay * variable
            super().update_step(gradient, variable, rate)

    return Optimizer(**options, **more)
