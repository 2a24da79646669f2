"""How each variant is trained: plain data, one recipe a variant."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from mbhelpers.data.augment import Augmentation
from mbhelpers.rows import Row


@dataclass(frozen=True)
class Recipe:
    """All that decides a training run, besides data, model and seed.

    Attributes:
        learning_rate: its peak.
        epochs: passes over the training images.
        min_steps: small sets are passed over more often, until this many steps are made.
        batch_size: images per step; smaller where there are not enough images for four steps.
        optimizer: "adamw", "adam", "sgd" (with Nesterov's momentum) or "rmsprop".
        momentum: of sgd and rmsprop.
        decay: of rmsprop's mean of squared gradients, a step.
        epsilon: of adam, adamw and rmsprop, the last one's under the root.
        schedule: how the learning rate goes on after the warm-up. "cosine" falls to `end_rate`; "exponential" is
            multiplied with `factor` after every `every` epochs, counted from the first; "plateau" likewise after
            `every` epochs in which `monitor` got no better by more than 1e-4; "constant" stays.
        warmup: share of the steps over which the learning rate rises, linearly.
        start_rate: where the warm-up starts.
        hold: of cosine, the share of the steps at the peak.
        descent: of cosine, the share of the steps over which it falls; 0 is all that are left.
        end_rate: of cosine, where it ends and stays.
        factor: of exponential and plateau.
        every: of exponential and plateau, in epochs.
        weight_decay: adamw takes it from the weights directly (decoupled), the others add it to the gradient (L2).
            Scales, shifts and biases are spared.
        layer_decay: the learning rate of the backbone's blocks, times this for each block away from the classifier;
            1 trains all alike.
        dropout: before the classifier.
        label_smoothing: share of the target spread over all classes.
        batch_norm: "train", or "freeze": a backbone that trains keeps its statistics, scales and shifts.
        batch_norm_momentum: of the moving statistics. Keras' MobileNetV2 comes with 0.999, which needs thousands
            of steps to forget its start: on a few hundred, validation stays at chance while training does well.
        ema: decay a step of a moving average of the weights, 0 for none. Validation and the model kept take the
            average. Over the first n steps the decay is at most (1 + n) / (10 + n).
        patience: epochs without a better `monitor` before training stops early.
        monitor: "val_loss" or "val_accuracy"; the epoch where it is best is kept, of equals the first. "none" keeps
            the last epoch; since nothing is chosen by them, the validation images of a classifier's run then train
            too.
        train_backbone: False freezes everything but the classifier.
        start_from: the variant whose trained model this one starts from, or a row without its data set, such as
            "mobilenet_v2_0.35_128_tfs", of the same network at another resolution; empty for the row's weights.
        passes: 0 augments every epoch anew. With n, epochs repeat the views of the first n in turn, so that what a
            frozen network says of them is computed once.
        teacher: the row whose model teaches this one, without its data set, such as
            "mobilenet_v2_1.0_224_tl"; empty for none. Needs `passes`. The teacher's own row is trained without. In
            quantization-aware training it is "itself", the float model.
        distillation: share of the loss that compares with the teacher's scores; the rest compares with the labels.
        temperature: logits of both are divided by it before they are compared.
        augmentation: random changes of the training images.
    """

    learning_rate: float
    epochs: int
    min_steps: int
    batch_size: int = 64
    optimizer: Literal["adamw", "adam", "sgd", "rmsprop"] = "adamw"
    momentum: float = 0.9
    decay: float = 0.9
    epsilon: float = 1e-7
    schedule: Literal["cosine", "exponential", "plateau", "constant"] = "cosine"
    warmup: float = 0.05
    start_rate: float = 0.0
    hold: float = 0.0
    descent: float = 0.0
    end_rate: float = 0.0
    factor: float = 0.1
    every: float = 1.0
    weight_decay: float = 0.0
    layer_decay: float = 1.0
    dropout: float = 0.0
    label_smoothing: float = 0.0
    batch_norm: Literal["train", "freeze"] = "train"
    batch_norm_momentum: float = 0.9
    ema: float = 0.0
    patience: int = 1000
    monitor: Literal["val_loss", "val_accuracy", "none"] = "val_loss"
    train_backbone: bool = True
    start_from: str = ""
    passes: int = 0
    teacher: str = ""
    distillation: float = 0.0
    temperature: float = 1.0
    augmentation: Augmentation = Augmentation()

    def __post_init__(self):
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"unknown {name} {getattr(self, name)!r} of a recipe; choose from {', '.join(known)}")
        for name, (holds, range_) in _RANGES.items():
            if not holds(value := getattr(self, name)):
                raise ValueError(f"a recipe's {name} must be {range_}, not {value}")
        if self.warmup + self.hold + self.descent > 1 + 1e-9:
            raise ValueError(
                f"warm-up {self.warmup}, hold {self.hold} and descent {self.descent} are shares of all steps, "
                "so together at most 1"
            )
        if bool(self.teacher) != (self.distillation > 0):
            raise ValueError(
                f"teacher {self.teacher!r} with distillation {self.distillation}: a teacher needs a share of the loss, "
                "and the share a teacher; give both or neither"
            )
        if self.monitor == "none" and self.schedule == "plateau":
            raise ValueError("a plateau is one of validation; set monitor to val_loss or val_accuracy")
        if self.teacher and not self.passes:
            raise ValueError("a teacher scores a fixed number of views; set passes, such as 20, beside teacher")

    def fitted(self, images: int) -> "Recipe":
        """The recipe for a training set of that size: batch and epochs as they will be."""
        batch = min(self.batch_size, max(4, images // 4))
        steps = max(1, images // batch)
        return replace(self, batch_size=batch, epochs=max(self.epochs, math.ceil(self.min_steps / steps)))

    def short(self) -> "Recipe":
        """Two epochs of it, to see that everything works."""
        return replace(self, epochs=2, min_steps=0, passes=min(2, self.passes))

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain data."""
        return asdict(self)


_CHOICES = {
    "optimizer": ("adamw", "adam", "sgd", "rmsprop"),
    "schedule": ("cosine", "exponential", "plateau", "constant"),
    "batch_norm": ("train", "freeze"),
    "monitor": ("val_loss", "val_accuracy", "none"),
}
_POSITIVE = (lambda x: x > 0, "more than 0")
_NOT_NEGATIVE = (lambda x: x >= 0, "0 or more")
_SHARE = (lambda x: 0 <= x <= 1, "from 0 to 1")
_BELOW_ONE = (lambda x: 0 <= x < 1, "at least 0 and less than 1")
_FACTOR = (lambda x: 0 < x <= 1, "more than 0 and at most 1")
_COUNT = (lambda x: x == int(x) and x >= 1, "a whole number of 1 or more")
_RANGES = {
    "learning_rate": _POSITIVE,
    "epochs": _COUNT,
    "batch_size": _COUNT,
    "patience": _COUNT,
    "min_steps": _NOT_NEGATIVE,
    "passes": (lambda x: x == int(x) and x >= 0, "a whole number, 0 or more"),
    "momentum": _BELOW_ONE,
    "decay": _BELOW_ONE,
    "epsilon": _POSITIVE,
    "warmup": _SHARE,
    "hold": _SHARE,
    "descent": _SHARE,
    "start_rate": _NOT_NEGATIVE,
    "end_rate": _NOT_NEGATIVE,
    "factor": _FACTOR,
    "every": _POSITIVE,
    "weight_decay": _NOT_NEGATIVE,
    "layer_decay": _FACTOR,
    "dropout": _BELOW_ONE,
    "label_smoothing": _BELOW_ONE,
    "batch_norm_momentum": _BELOW_ONE,
    "ema": _BELOW_ONE,
    "distillation": _SHARE,
    "temperature": _POSITIVE,
}


_GEOMETRY = Augmentation(flip_horizontal=True, rotate=0.06, zoom=0.2, translate=0.1)
_STRONG = Augmentation(
    flip_horizontal=True, rotate=0.125, zoom=0.3, translate=0.2, shear=0.1, contrast=0.4, brightness=0.1, hue=0.02
)

RECIPES = {
    "tfs": Recipe(
        learning_rate=4e-3,
        epochs=200,
        min_steps=800,
        weight_decay=0.1,
        dropout=0.2,
        label_smoothing=0.1,
        ema=0.998,
        monitor="none",
        augmentation=_STRONG,
    ),
    "tl": Recipe(
        learning_rate=1e-3,
        epochs=40,
        min_steps=160,
        weight_decay=1e-2,
        dropout=0.3,
        label_smoothing=0.1,
        monitor="none",
        train_backbone=False,
        passes=10,
        augmentation=_GEOMETRY,
    ),
    "fft": Recipe(
        learning_rate=1.5e-3,
        epochs=40,
        min_steps=200,
        warmup=0.1,
        weight_decay=1e-2,
        dropout=0.3,
        label_smoothing=0.1,
        monitor="none",
        ema=0.998,
        start_from="tl",
        augmentation=_STRONG,
    ),
}
"""Ours. No epoch is chosen, so the validation images train too, and the last epoch is kept.

Source: `benchmarks/recipes.py`, where tl's is "first", fft's "high rate, strong" and tfs' "strong, grown"; what they
and the others gave is in `results/flowers/recipes.json`.
"""


GROWTH, GROWN_EPOCHS = (64, 128), 75
"""Resolutions at which a network from scratch learns first, if its own is larger, and how long it then does there."""


def grown(recipe: Recipe, row: Row) -> Recipe:
    """A recipe from scratch for a row's resolution: from the same network at the next smaller one, if there is one.

    Pictures of 64 px pass about three times as fast as those of 128 px, and show most of what is to be learned.

    Returns:
        The recipe for a row of 64 px or less; above, one that starts from the row at 64 or 128 px and makes
        `GROWN_EPOCHS` epochs.
    """
    smaller = [side for side in GROWTH if side < row.resolution]
    if not smaller:
        return recipe
    start = replace(row, resolution=smaller[-1])
    return replace(recipe, start_from=str(start).partition("/")[2], epochs=GROWN_EPOCHS)


def recipe_for(variant: str, smoke: bool = False) -> Recipe:
    """The recipe of a variant; in smoke mode two epochs of it.

    Raises:
        ValueError: unknown variant; the message lists the valid ones.
    """
    if variant not in RECIPES:
        raise ValueError(f"unknown variant {variant!r}; choose from {', '.join(RECIPES)}")
    return RECIPES[variant].short() if smoke else RECIPES[variant]
