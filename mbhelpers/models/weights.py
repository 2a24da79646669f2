"""Where a backbone's starting weights come from, and whether they fit it."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from mbhelpers import settings
from mbhelpers.files import is_lfs_pointer, sha256

if TYPE_CHECKING:
    import keras

ARCHITECTURES: dict[str, tuple[float, ...]] = {
    "mobilenet_v2": (0.35, 0.5, 0.75, 1.0, 1.3, 1.4),
    "mobilenet_v3_large": (0.75, 1.0),
    "mobilenet_v3_small": (0.75, 1.0),
    "mobilenet_v3_large_minimalistic": (1.0,),
    "mobilenet_v3_small_minimalistic": (1.0,),
    "mobilenet_edgetpu": (0.75, 1.0),
}
"""What `build_backbone` can build, and the published widths of each."""

KERAS_SIZES = (96, 128, 160, 192, 224)
"""The resolutions for which Keras Applications publishes MobileNetV2 weights; others use those of 224."""

SAMPLE_ARCHITECTURE, SAMPLE_ALPHA = "mobilenet_v2", 0.35


@dataclass(frozen=True)
class Weights:
    """Starting weights, found but not yet loaded.

    Attributes:
        name: how a result names them: "none", "imagenet", "sample" or a file name.
        file: the file; None for "none" and "imagenet".
    """

    name: str
    file: Path | None = None

    def record(self) -> dict[str, str]:
        """Name and content hash, for provenance."""
        return {"name": self.name} | ({"sha256": sha256(self.file)} if self.file else {})


def check_architecture(architecture: str, alpha: float) -> None:
    """Refuse what no builder knows.

    Raises:
        ValueError: unknown architecture, or a width that it was not published in; the valid ones are listed.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"unknown architecture {architecture!r}; choose from {', '.join(ARCHITECTURES)}")
    widths = ARCHITECTURES[architecture]
    if alpha not in widths:
        raise ValueError(f"{architecture} has no width {alpha}; choose from {', '.join(map(str, widths))}")


def keras_file_name(
    alpha: float, resolution: int, architecture: str = "mobilenet_v2", *, classifier: bool = False
) -> str:
    """The name under which Keras Applications publishes weights.

    Args:
        alpha: width multiplier.
        resolution: input size in pixels; MobileNetV2 has a file for each of `KERAS_SIZES`, V3 only that of 224.
        architecture: a name from `ARCHITECTURES`.
        classifier: the file with the 1000 ImageNet outputs, in place of the backbone's.

    Raises:
        ValueError: Keras publishes none for this architecture.
    """
    # Keras spells whole widths "1.0".
    width = float(alpha)
    if architecture == "mobilenet_v2":
        size = resolution if resolution in KERAS_SIZES else 224
        top = "" if classifier else "_no_top"
        return f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{width}_{size}{top}.h5"
    if not architecture.startswith("mobilenet_v3_"):
        raise ValueError(
            f"Keras publishes no weights for {architecture}; convert a slim checkpoint "
            "(mbhelpers weights convert) and pass that file, or weights 'none'"
        )
    flavour = architecture.removeprefix("mobilenet_v3_")
    return f"weights_mobilenet_v3_{flavour}_224_{width}_float{'' if classifier else '_no_top_v2'}.h5"


def sample_file() -> Path:
    """The committed backbone that `mbhelpers.training.sample_backbone` trains."""
    return Path(str(resources.files("mbhelpers.models"))) / f"sample_mobilenet_v2_{SAMPLE_ALPHA}.weights.h5"


def find_weights(
    weights: str | Path,
    alpha: float,
    resolution: int,
    architecture: str = "mobilenet_v2",
    *,
    classifier: bool = False,
) -> Weights:
    """Resolve what a user calls weights.

    Args:
        weights: "imagenet" (downloaded by Keras), "none", "sample" (a small backbone trained on drawn pictures,
            MobileNetV2 0.35), a weights file, or a folder of files under Keras' own names.
        alpha: width of the network they must fit.
        resolution: input size, which picks the file of a folder.
        architecture: a name from `ARCHITECTURES`.
        classifier: weights of a whole ImageNet classifier, in place of a backbone's.

    Raises:
        ValueError: no such file, or none for this network.
    """
    if weights == "none":
        return Weights("none")
    if weights == "imagenet":
        keras_file_name(alpha, resolution, architecture, classifier=classifier)  # refuses what Keras doesn't publish
        return Weights("imagenet")
    if weights == settings.SAMPLE:
        if classifier:
            raise ValueError("the sample weights are a backbone's, without ImageNet classes; use build_classifier")
        if architecture != SAMPLE_ARCHITECTURE:
            raise ValueError(
                f"the sample backbone is {SAMPLE_ARCHITECTURE} {SAMPLE_ALPHA}, not {architecture}; "
                f"use a row of {SAMPLE_ARCHITECTURE}_{SAMPLE_ALPHA}, or weights 'imagenet' or 'none'"
            )
        if alpha != SAMPLE_ALPHA:
            raise ValueError(
                f"the sample backbone has alpha {SAMPLE_ALPHA}, not {alpha}; use a row with alpha {SAMPLE_ALPHA}, "
                "or weights 'imagenet' or 'none'"
            )
        return Weights(settings.SAMPLE, sample_file())
    place = Path(weights)
    if place.is_dir():
        file = place / keras_file_name(alpha, resolution, architecture, classifier=classifier)
        if not file.is_file():
            found = sorted(f.name for f in place.glob("*.h5"))
            raise ValueError(
                f"{place} has no {file.name}; it has {', '.join(found) or 'no .h5 files'}; "
                "add the file, or choose a row that fits those"
            )
        return Weights(file.name, file)
    if not place.is_file():
        raise ValueError(
            f"no weights at {place}; pass imagenet, sample, none, a weights file, or a folder of Keras-named files"
        )
    return Weights(place.name, place)


def load_weights(backbone: "keras.Model", weights: Weights) -> tuple[str, ...]:
    """Load a file into a network: weights alone, or those of a whole model that holds such a network.

    Of a whole model (`.keras`, or `.h5` by Keras 2 or 3) each layer is taken by its name. Where the names are others,
    as in files whose backbone was written layer by layer, the layers are taken in their order, if every one of them
    agrees in kind and shapes.

    Args:
        backbone: the network to fill.
        weights: as `find_weights` found them.

    Returns:
        Layers of a whole model that had no place in the network, such as its classifier.

    Raises:
        ValueError: the file is of another width or architecture, or no weights file at all.
    """
    if weights.file is None:
        raise ValueError(f"weights {weights.name!r} are no file; build the backbone with them instead")
    if is_lfs_pointer(weights.file):
        raise ValueError(f"{weights.file} is a Git LFS pointer, not the file; run `git lfs pull`")
    if _is_whole_model(weights.file):
        return _load_from_model(backbone, weights.file)
    try:
        backbone.load_weights(weights.file)
    except Exception as error:  # h5py and Keras raise OSError, KeyError, ValueError and more
        raise ValueError(
            f"{weights.file} does not fit {backbone.name} with {backbone.count_params():,} parameters "
            f"({str(error).splitlines()[0][:160]}); the file must be of the row's architecture and alpha"
        ) from error
    return ()


def _is_whole_model(file: Path) -> bool:
    if file.suffix != ".h5":
        return file.suffix == ".keras"
    import h5py

    try:
        with h5py.File(file) as content:
            return "model_config" in content.attrs
    except OSError:  # no HDF5 file: Keras says what it is not
        return False


def _load_from_model(backbone: "keras.Model", file: Path) -> tuple[str, ...]:
    """Copy the layers of a whole model; see `load_weights`."""
    from mbhelpers.models.load import load_keras

    model = load_keras(file)
    wanted = _layers_with_weights(backbone)
    given = _layers_with_weights(model)
    by_name = {layer.name: layer for layer in given}
    if all(layer.name in by_name for layer in wanted):
        pairs = [(layer, by_name[layer.name]) for layer in wanted]
    else:
        pairs = list(zip(wanted, given, strict=False))
    wrong = [
        f"{there.name} {_shapes(there)} for {here.name} {_shapes(here)}"
        for here, there in pairs
        if type(here) is not type(there) or _shapes(here) != _shapes(there)
    ]
    if wrong or len(pairs) < len(wanted):
        found = wrong[0] if wrong else f"{len(given)} layers for {len(wanted)}"
        raise ValueError(
            f"{file} holds no {backbone.name} with {backbone.count_params():,} parameters ({found}); "
            "the file must be of the row's architecture and alpha"
        )
    for here, there in pairs:
        here.set_weights(there.get_weights())
    taken = {id(there) for _, there in pairs}
    return tuple(layer.name for layer in given if id(layer) not in taken)


def _layers_with_weights(model: "keras.Model") -> list["keras.Layer"]:
    """In the order of the network, those of models inside it too."""
    import keras

    parts = [_layers_with_weights(la) if isinstance(la, keras.Model) else [la] for la in model.layers]
    return [layer for part in parts for layer in part if layer.weights]


def _shapes(layer: "keras.Layer") -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]
