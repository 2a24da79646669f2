"""How each variant is trained: plain data, one recipe a variant."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from mbhelpers.data.augment import Augmentation


@dataclass(frozen=True)
class Recipe:
    """All that decides a training run, besides data, model and seed.

    The learning rate rises linearly over the warm-up, then falls to zero on a cosine.

    Attributes:
        learning_rate: its peak.
        epochs: passes over the training images.
        min_steps: small sets are passed over more often, until this many steps are made.
        batch_size: images per step; smaller where there are not enough images for four steps.
        warmup: share of the steps over which the learning rate rises.
        weight_decay: of AdamW; 0 is plain Adam.
        dropout: before the classifier.
        label_smoothing: share of the target spread over all classes.
        batch_norm_momentum: of the moving statistics. Keras' MobileNetV2 comes with 0.999, which needs thousands
            of steps to forget its start: on a few hundred, validation stays at chance while training does well.
        patience: epochs without a better validation loss before training stops early.
        train_backbone: False freezes everything but the classifier.
        start_from: the variant whose trained model this one starts from; empty for the row's weights.
        augmentation: random changes of the training images.
    """

    learning_rate: float
    epochs: int
    min_steps: int
    batch_size: int = 64
    warmup: float = 0.05
    weight_decay: float = 0.0
    dropout: float = 0.0
    label_smoothing: float = 0.0
    batch_norm_momentum: float = 0.9
    patience: int = 1000
    train_backbone: bool = True
    start_from: str = ""
    augmentation: Augmentation = Augmentation()

    def fitted(self, images: int) -> "Recipe":
        """The recipe for a training set of that size: batch and epochs as they will be."""
        batch = min(self.batch_size, max(4, images // 4))
        steps = max(1, images // batch)
        return replace(self, batch_size=batch, epochs=max(self.epochs, math.ceil(self.min_steps / steps)))

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain data."""
        return asdict(self)


_GEOMETRY = Augmentation(flip_horizontal=True, rotate=0.06, zoom=0.2, translate=0.1)
_FULL = Augmentation(
    flip_horizontal=True, rotate=0.08, zoom=0.25, translate=0.12, shear=0.1, contrast=0.25, brightness=0.1
)

RECIPES = {
    "tfs": Recipe(
        learning_rate=4e-3,
        epochs=120,
        min_steps=800,
        weight_decay=1e-2,
        dropout=0.2,
        label_smoothing=0.1,
        patience=40,
        augmentation=_FULL,
    ),
    "tl": Recipe(
        learning_rate=1e-3,
        epochs=40,
        min_steps=160,
        weight_decay=1e-2,
        dropout=0.3,
        label_smoothing=0.1,
        patience=15,
        train_backbone=False,
        augmentation=_GEOMETRY,
    ),
    "fft": Recipe(
        learning_rate=5e-4,
        epochs=40,
        min_steps=200,
        warmup=0.1,
        weight_decay=1e-2,
        dropout=0.3,
        label_smoothing=0.1,
        patience=15,
        start_from="tl",
        augmentation=_FULL,
    ),
}


def recipe_for(variant: str, smoke: bool = False) -> Recipe:
    """The recipe of a variant; in smoke mode two epochs of it.

    Raises:
        ValueError: unknown variant; the message lists the valid ones.
    """
    if variant not in RECIPES:
        raise ValueError(f"unknown variant {variant!r}; choose from {', '.join(RECIPES)}")
    recipe = RECIPES[variant]
    return replace(recipe, epochs=2, min_steps=0) if smoke else recipe
