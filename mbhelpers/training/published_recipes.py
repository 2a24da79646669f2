"""The peers' own recipes as data, so that a row can be trained their way: ST's 21, and TF-slim's two for ImageNet.

`mbhelpers run ROW --recipe st` trains a row so. Three things stay ours. The split: they measured on the images that
chose the checkpoint, we on a test part that nothing has seen. The image contract: they read pixels as x / 127.5 - 1
after a nearest-neighbour resize, we as (x - 128) / 128 after a bilinear one. And the augmentation's details, which
`mbhelpers.data.augment.ST_RECIPES` lists.
"""

from dataclasses import replace

from mbhelpers.data.augment import ST_RECIPES, Augmentation
from mbhelpers.rows import Row
from mbhelpers.training.recipes import Recipe, grown, recipe_for

_COMMON = Recipe(
    learning_rate=1e-3,
    epochs=1000,
    min_steps=0,
    batch_size=64,
    optimizer="adam",
    schedule="plateau",
    warmup=0.0,
    batch_norm_momentum=0.999,
    monitor="val_accuracy",
)
"""What all of ST's share; 0.999 is what Keras' MobileNetV2 comes with."""

_A0, _A1, _A2, _A3, _A4 = (ST_RECIPES[name] for name in ("A0", "A1", "A2", "A3", "A4"))
_NOISE = 0.005


def _plateau(rate: float, every: int, factor: float, patience: int, dropout: float, how: Augmentation) -> Recipe:
    return replace(
        _COMMON, learning_rate=rate, every=every, factor=factor, patience=patience, dropout=dropout, augmentation=how
    )


def _cosine(
    peak: float, spans: tuple[int, int, int], epochs: int, patience: int, dropout: float, how: Augmentation
) -> Recipe:
    """From 1e-5 to the peak, there, and down to 5e-5, for so many epochs each; the rest stays at 5e-5."""
    warmup, hold, descent = (span / epochs for span in spans)
    return replace(
        _COMMON,
        learning_rate=peak,
        epochs=epochs,
        schedule="cosine",
        start_rate=1e-5,
        end_rate=5e-5,
        warmup=warmup,
        hold=hold,
        descent=descent,
        patience=patience,
        dropout=dropout,
        augmentation=how,
    )


def _frozen(recipe: Recipe) -> Recipe:
    return replace(recipe, train_backbone=False)


def _tuned(recipe: Recipe) -> Recipe:
    return replace(recipe, start_from="tl")


_FLOWERS_224 = replace(_A2, contrast=0.6, brightness=0.05, shear=0.15)
_PLANT_224 = replace(_A2, contrast=0.4, brightness=0.05, shear=0.0515)
_FOOD_TL = replace(_A2, contrast=0.6, brightness=0.05, shear=0.0)
_FOOD = replace(_A2, contrast=0.4, brightness=0.25, shear=0.25, noise=_NOISE)
_FOOD_128_FFT = replace(_A2, contrast=0.4, brightness=0.15, shear=0.15, noise=_NOISE)
_TL = _frozen(_plateau(1e-3, 20, 0.1, 30, 0.3, _A0))
_TFS_128 = _plateau(1e-2, 30, 0.5, 50, 0.5, _A1)
_FFT_128 = _tuned(_plateau(1e-4, 30, 0.1, 60, 0.5, _A1))
_FOOD_TFS = _cosine(2.5e-3, (30, 20, 500), 800, 80, 0.4, _FOOD)

ST: dict[tuple[str, int, str], Recipe] = {
    ("flowers", 128, "tfs"): _TFS_128,
    ("flowers", 128, "tl"): _TL,
    ("flowers", 128, "fft"): _FFT_128,
    ("flowers", 224, "tfs"): _plateau(1e-3, 30, 0.5, 100, 0.9, _FLOWERS_224),
    ("flowers", 224, "tl"): _TL,
    ("flowers", 224, "fft"): _tuned(_plateau(1e-4, 30, 0.5, 100, 0.9, replace(_FLOWERS_224, noise=_NOISE))),
    ("plant_village", 128, "tfs"): _TFS_128,
    ("plant_village", 128, "tl"): _TL,
    ("plant_village", 128, "fft"): _FFT_128,
    ("plant_village", 224, "tfs"): _plateau(1e-2, 30, 0.5, 50, 0.5, _PLANT_224),
    ("plant_village", 224, "tl"): _TL,
    ("plant_village", 224, "fft"): _tuned(_plateau(1e-4, 60, 0.5, 90, 0.5, _A3)),
    ("food101", 128, "tfs"): _FOOD_TFS,
    ("food101", 128, "tl"): _frozen(_plateau(1e-3, 40, 0.5, 60, 0.2, _FOOD_TL)),
    ("food101", 128, "fft"): _tuned(_cosine(2e-3, (10, 10, 300), 500, 50, 0.2, _FOOD_128_FFT)),
    ("food101", 224, "tfs"): _FOOD_TFS,
    ("food101", 224, "tl"): _frozen(_plateau(1e-3, 40, 0.5, 60, 0.5, _FOOD_TL)),
    ("food101", 224, "fft"): _tuned(_cosine(2.5e-3, (20, 10, 300), 500, 50, 0.4, _FOOD)),
    ("coco_person", 128, "tfs"): replace(_plateau(1e-2, 20, 0.5, 60, 0.4, _A4), batch_size=128),
    ("coco_person", 128, "tl"): _frozen(replace(_plateau(1e-3, 40, 0.5, 60, 0.5, _A4), epochs=800)),
    ("coco_person", 128, "fft"): _tuned(replace(_plateau(1e-3, 30, 0.5, 50, 0.3, _A4), epochs=800)),
}
"""ST's recipe of each of its 21 rows of MobileNetV2 0.35, by data set, resolution and variant.

Adam, 64 images a step; where the validation accuracy has not risen for `every` epochs the learning rate is multiplied
with `factor`, after `patience` epochs training stops. A cosine here moves with every step, ST's with every epoch.

Source: the training configurations published beside ST's models.
"""

_INCEPTION = Augmentation(flip_horizontal=True, crop=0.92, contrast=0.5, brightness=32 / 255, hue=0.2)

SLIM: dict[str, Recipe] = {
    "mobilenet_v2": Recipe(
        learning_rate=0.045,
        epochs=412,
        min_steps=0,
        batch_size=96,
        optimizer="rmsprop",
        momentum=0.9,
        decay=0.9,
        epsilon=1.0,
        schedule="exponential",
        warmup=0.0,
        factor=0.98,
        every=2.5,
        weight_decay=4e-5,
        dropout=0.2,
        label_smoothing=0.1,
        batch_norm_momentum=0.997,
        ema=0.9999,
        augmentation=_INCEPTION,
    ),
    "mobilenet_v3": Recipe(
        learning_rate=0.16,
        epochs=540,
        min_steps=0,
        batch_size=1536,
        optimizer="rmsprop",
        momentum=0.9,
        decay=0.9,
        epsilon=0.002,
        schedule="exponential",
        warmup=5 / 540,
        factor=0.99,
        every=3.0,
        weight_decay=1e-5,
        dropout=0.2,
        label_smoothing=0.1,
        batch_norm_momentum=0.997,
        ema=0.9999,
        augmentation=_INCEPTION,
    ),
}
"""TF-slim's recipes for ImageNet from scratch, by the beginning of an architecture's name.

V2 is written for one GPU: 96 images and 0.045 a GPU, 5.5 million steps, which are 412 epochs of 1,281,167 images. V3
is written for 8 GPUs with 192 images each and 0.16 in all; its authors name no length, 540 epochs are about the steps
(450,000) after which the rate has fallen to a sixth, our choice. Both run on a small set, whose batches are
smaller; the learning rates are then too high for a good result.

Where we differ: variables start as Keras' layers start (V3's authors draw convolutions with a deviation of 0.008),
RMSProp's mean of squares starts at 0 (theirs at 1), and Inception's colours come without its change of saturation.

Source: research/slim/nets/mobilenet/README.md and train_image_classifier.py of tensorflow/models.
"""


def published_recipe(row: str | Row, source: str = "st") -> Recipe:
    """The recipe that a row's authors trained it with, or that TF-slim trains its architecture with.

    Args:
        row: such as "flowers/mobilenet_v2_0.35_128_tl".
        source: "st" or "slim".

    Raises:
        ValueError: unknown source, or none of its recipes is for that row.
    """
    row = Row.parse(row)
    if source == "st":
        found = ST.get((row.dataset, row.resolution, row.variant))
        if found is None or (row.architecture, row.alpha) != ("mobilenet_v2", 0.35):
            rows = sorted({f"{dataset}/mobilenet_v2_0.35_{side}" for dataset, side, _ in ST})
            raise ValueError(f"ST published no recipe for {row}; it did for tfs, tl and fft of {', '.join(rows)}")
        return found
    if source == "slim":
        found = next((recipe for name, recipe in SLIM.items() if row.architecture.startswith(name)), None)
        if found is None or row.variant != "tfs":
            raise ValueError(
                f"TF-slim published no recipe for {row}; it did for {' and '.join(SLIM)} trained from scratch (tfs)"
            )
        return found
    raise ValueError(f"unknown source of recipes {source!r}; choose from st, slim")


def run_recipe(row: Row, source: str, smoke: bool = False) -> Recipe:
    """The recipe that a run takes: ours for the row, or a published one; in smoke mode two epochs of it.

    Raises:
        ValueError: unknown source or variant, or a source without a recipe for the row.
    """
    if source != "ours":
        recipe = published_recipe(row, source)
    elif row.variant == "tfs":
        recipe = grown(recipe_for(row.variant), row)
    else:
        recipe = recipe_for(row.variant)
    return recipe.short() if smoke else recipe
