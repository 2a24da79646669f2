"""How detectors are trained, as plain data: ST's recipe and ours."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from mbhelpers.data.augment import Augmentation
from mbhelpers.training.matching import OVERLAP
from mbhelpers.training.recipes import Recipe


@dataclass(frozen=True)
class DetectorRecipe:
    """All that decides the training of a detector, besides data, model and seed.

    Attributes:
        training: how the weights move and the images change. What only classifiers know is left at its default:
            dropout, label smoothing, teachers, mixed images.
        gamma: of the focal loss of the scores.
        offsets_weight: of the offsets' loss, beside that of the scores.
        offsets_corner: where it goes over from a square to a straight line, in sides of the anchor.
        overlap: IoU from which on an anchor answers for an object.
    """

    training: Recipe
    gamma: float = 2.0
    offsets_weight: float = 1.0
    offsets_corner: float = 1.0
    overlap: float = OVERLAP

    def __post_init__(self):
        only = ("dropout", "label_smoothing", "teacher", "passes")
        if strange := [name for name in only if getattr(self.training, name)]:
            raise ValueError(f"detectors are trained without {strange[0]}; leave it at its default")
        if self.training.augmentation.mixes:
            raise ValueError("mixup and cutmix give an image the shares of two classes, boxes have none; set both to 0")
        if self.training.monitor == "val_accuracy":
            raise ValueError("a detector has no val_accuracy while it trains; set monitor to val_loss or none")
        for name, low, high in (("gamma", 0, 10), ("offsets_weight", 0, 1e3), ("offsets_corner", 1e-3, 1e3)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"a recipe's {name} must be from {low} to {high:g}, not {getattr(self, name)}")
        if not 0 < self.overlap <= 1:
            raise ValueError(f"a recipe's overlap must be above 0 and at most 1, not {self.overlap}")

    def fitted(self, images: int) -> "DetectorRecipe":
        """The recipe for a training set of that size: batch and epochs as they will be."""
        return replace(self, training=self.training.fitted(images))

    def short(self) -> "DetectorRecipe":
        """Two epochs of it, to see that everything works."""
        return replace(self, training=self.training.short())

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain data."""
        return asdict(self)


_OURS = DetectorRecipe(
    Recipe(
        learning_rate=4e-3,
        epochs=45,
        min_steps=1500,
        batch_size=16,
        weight_decay=0.02,
        ema=0.995,
        monitor="none",
        augmentation=Augmentation(flip_horizontal=True, zoom=0.15, translate=0.1, contrast=0.2, brightness=0.05),
    ),
    gamma=2.0,
    offsets_weight=2.0,
    offsets_corner=0.1,
)

RECIPES = {
    "ours": _OURS,
    "scratch": replace(
        _OURS,
        overlap=0.3,
        training=replace(_OURS.training, learning_rate=2e-2, augmentation=Augmentation(flip_horizontal=True)),
    ),
    "st": DetectorRecipe(
        Recipe(
            learning_rate=1e-3,
            epochs=1000,
            min_steps=0,
            optimizer="adam",
            schedule="plateau",
            every=20,
            warmup=0.0,
            batch_norm_momentum=0.99,
            patience=40,
            augmentation=Augmentation(
                flip_horizontal=True, rotate=0.02, translate=0.1, crop=0.3, contrast=0.4, brightness=0.2, noise=0.02
            ),
        ),
        gamma=0.25,
    ),
}
"""Ours, from a backbone with weights, and where it has none ("scratch"); neither chooses an epoch.

"scratch" was chosen on drawn scenes that `benchmarks/ssd_scenes.py` doesn't measure on. After five passes over 5,400
scenes, AP at IoU 0.5 of 424 persons was 0.56 with an overlap of 0.5 and a rate of 4e-3; 0.62 and 0.65 with overlaps of
0.4 and 0.3; 0.77 with 0.3 and a rate of 1.2e-2; 0.81 with 0.3 and 2e-2 (one run each). From ImageNet's weights on 222
photographs, an overlap of 0.3, or 1.2e-2 with smaller rates in the backbone, made no difference that 32 pictures show.

On such scenes, after 36,000 pictures, "scratch" reaches an AP at IoU 0.5 of 0.86, ST's 0.24: it is meant for many more
epochs (`benchmarks/ssd_scenes.py` as it is, and with `--recipe st`).

ST's is that of its model zoo as far as it is known: Adam, 1e-3, batches of 64, a plateau of 20 epochs and an end after
40 by the validation loss, gamma 0.25. How strongly it augments is not; it blurs too, for which we have nothing.
"""


def detector_recipe(name: str, smoke: bool = False, *, weights: str = "imagenet") -> DetectorRecipe:
    """A recipe by the name that a run has for it; in smoke mode two epochs of it.

    Args:
        name: "ours" or "st".
        smoke: short.
        weights: of the backbone. Where it has "none", ours is "scratch".

    Raises:
        ValueError: unknown name; the message lists the valid ones.
    """
    if name not in ("ours", "st"):
        raise ValueError(f"unknown recipe {name!r} of a detector; choose from ours, st")
    found = RECIPES["scratch" if name == "ours" and weights == "none" else name]
    return found.short() if smoke else found
