"""The "sample" ImageNet classifier: 1000 outputs that know drawn pictures, made in half a minute, for work offline.

What is drawn for a class has one of 20 shapes and one of 50 pairs of colours (`mbhelpers.data.sample.imagenet`). The
sample backbone knows the shapes and is blind to colours, which its first layers still see. So two dense layers of 1000
outputs each are added up: one on the backbone's last features, one on those of its first blocks. Each repeats what a
logistic regression has learned of 20 shapes, or 50 pairs of colours, for all classes that have it.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mbhelpers import settings
from mbhelpers.data.drawing.shapes import SHAPES
from mbhelpers.data.imagenet import CLASSES, development_kit, read_imagenet, wnids
from mbhelpers.data.pipeline import load_images
from mbhelpers.data.sample.imagenet import write_sample
from mbhelpers.files import locked, replacing
from mbhelpers.models.families import BACKBONE, build_backbone
from mbhelpers.models.weights import SAMPLE_ALPHA, SAMPLE_ARCHITECTURE
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import Preprocessing, preset
from mbhelpers.records import Record, add_to_keras
from mbhelpers.runs import versions

if TYPE_CHECKING:
    import keras

RESOLUTION = 128
"""That of the sample backbone's training; others work too, less well."""

PICTURES = 800
"""Drawn to learn from."""

_EARLY = ("Conv1_relu", "block_1_expand_relu", "block_2_expand_relu", "block_3_expand_relu")
_APART = 1_000_000
"""Added to a seed, so that the pictures learned from are none of the sample's."""


def sample_classifier(
    folder: Path, *, resolution: int = RESOLUTION, pictures: int = PICTURES, seed: int = settings.DEFAULT_SEED
) -> Path:
    """A `.keras` file of the classifier; made once, then found again.

    On 500 pictures that it had not learned from it named 55.6 % (95 % interval 51 to 60 %), and had the right class
    among its first five for 81 %; chance is 0.1 %. It knows nothing of photographs.

    Args:
        folder: for the file, whose name tells resolution, pictures and seed.
        resolution: input height and width in pixels.
        pictures: drawn to learn from; with 400 it named 40 %.
        seed: of these pictures. Those of the drawn sample are none of them, whatever its seed.

    Returns:
        The file, which carries its class names (what is drawn, as `spiral_in_red_and_mint`), preprocessing and origin.
    """
    path = folder / f"sample_{SAMPLE_ARCHITECTURE}_{SAMPLE_ALPHA}_{resolution}_{pictures}_{seed}.keras"
    with locked(folder):
        if not path.is_file():
            print(f"drawing {pictures} pictures for the sample classifier to learn from", flush=True)
            _make(path, preset("mbhelpers", resolution), pictures, seed)
    return path


def _make(path: Path, contract: Preprocessing, pictures: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        drawn = read_imagenet(write_sample(Path(folder), images=pictures, seed=seed + _APART))
        images = load_images(drawn.root, drawn.paths, contract)
    coloured = np.ptp(images, axis=3).max(axis=(1, 2)) > 0  # of the gray ones there is no colour to be learned
    images, labels = images[coloured], drawn.labels[coloured]
    model = _untrained(contract, seed)
    parts = _Parts.of_classes()
    for name, kinds, strength in (("shape", parts.shape, 0.01), ("colours", parts.colours, 1.0)):
        features = _features(model, name, images)
        model.get_layer(name).set_weights(_learn(features, kinds[labels], kinds, strength))
    made = {
        "command": "mbhelpers.training.sample_classifier.sample_classifier",
        "task": "the drawn sample of ImageNet",
        "pictures": pictures,
        "seed": seed,
        "versions": versions(),
    }
    with replacing(path) as temporary:
        model.save(temporary)
        add_to_keras(temporary, Record(drawn.names, contract, made))


@dataclass(frozen=True)
class _Parts:
    """Shape, 0..19, and pair of colours, 0..49, of each class as models count them, (1000,)."""

    shape: np.ndarray
    colours: np.ndarray

    @classmethod
    def of_classes(cls) -> "_Parts":
        number = {wnid: k for k, wnid in enumerate(development_kit())}
        drawn = np.array([number[wnid] for wnid in wnids()])
        return cls(drawn % len(SHAPES), drawn // len(SHAPES))


def _untrained(contract: Preprocessing, seed: int) -> "keras.Model":
    """The network with its heads still blank."""
    load_tensorflow()
    import keras

    keras.utils.set_random_seed(seed)
    layers, side = keras.layers, contract.resolution
    backbone = build_backbone(SAMPLE_ALPHA, side, settings.SAMPLE)
    taps = [backbone.get_layer(name).output for name in _EARLY]
    backbone = keras.Model(backbone.input, [*taps, backbone.output], name=BACKBONE)
    pixels = keras.Input((side, side, 3), name="image")
    scale, offset = contract.scale_and_offset
    *early, late = (
        layers.GlobalAveragePooling2D()(features)
        for features in backbone(layers.Rescaling(scale, offset=offset, name="rescaling")(pixels))
    )
    shape = layers.Dense(CLASSES, name="shape")(late)
    colours = layers.Dense(CLASSES, name="colours")(layers.Concatenate()(early))
    scores = layers.Softmax(name="scores")(layers.Add()([shape, colours]))
    return keras.Model(pixels, scores, name=f"sample_{SAMPLE_ARCHITECTURE}_{SAMPLE_ALPHA}_{side}")


def _features(model: "keras.Model", head: str, images: np.ndarray) -> np.ndarray:
    """What goes into one of the heads, (N, C)."""
    import keras

    part = keras.Model(model.input, model.get_layer(head).input)
    return part.predict(images, batch_size=64, verbose=0)


def _learn(features: np.ndarray, targets: np.ndarray, kinds: np.ndarray, strength: float) -> list[np.ndarray]:
    """Weights and bias of a head: what was learned of a kind, for every class of that kind.

    Args:
        features: (N, C).
        targets: kind of each picture, (N,).
        kinds: kind of each class, (1000,).
        strength: scikit-learn's C; the more features, the smaller.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # scikit-learn's own

    mean, std = features.mean(axis=0), features.std(axis=0) + 1e-3 * features.std()
    with threadpool_limits(1):  # threads that wait for each other take ten times as long on a busy machine
        found = LogisticRegression(C=strength, max_iter=300, tol=1e-3).fit((features - mean) / std, targets)
    weights, bias = np.zeros((kinds.max() + 1, features.shape[1])), np.full(kinds.max() + 1, found.intercept_.min())
    weights[found.classes_], bias[found.classes_] = found.coef_ / std, found.intercept_
    bias = bias - weights @ mean
    return [weights[kinds].T.astype(np.float32), bias[kinds].astype(np.float32)]
