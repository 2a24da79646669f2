"""Where a backbone's starting weights come from, and whether they fit it."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from mbhelpers import settings
from mbhelpers.files import is_lfs_pointer, sha256

if TYPE_CHECKING:
    import keras

ARCHITECTURES = ("mobilenet_v2",)
"""What `build_backbone` can build."""

KERAS_SIZES = (96, 128, 160, 192, 224)
"""The resolutions for which Keras Applications publishes MobileNetV2 weights; others use those of 224."""

SAMPLE_ALPHA = 0.35


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


def keras_file_name(alpha: float, resolution: int) -> str:
    """The name under which Keras Applications publishes a MobileNetV2 backbone."""
    size = resolution if resolution in KERAS_SIZES else 224
    return f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_{size}_no_top.h5"


def sample_file() -> Path:
    """The committed backbone that `mbhelpers.training.sample_backbone` trains."""
    return Path(str(resources.files("mbhelpers.models"))) / f"sample_mobilenet_v2_{SAMPLE_ALPHA}.weights.h5"


def find_weights(weights: str | Path, alpha: float, resolution: int) -> Weights:
    """Resolve what a user calls weights.

    Args:
        weights: "imagenet" (downloaded by Keras), "none", "sample" (a small backbone trained on drawn pictures,
            alpha 0.35), a weights file, or a folder of files under Keras' own names.
        alpha: width of the backbone they must fit.
        resolution: input size, which picks the file of a folder.

    Raises:
        ValueError: no such file, or none for this width.
    """
    if weights in ("none", "imagenet"):
        return Weights(str(weights))
    if weights == settings.SAMPLE:
        if alpha != SAMPLE_ALPHA:
            raise ValueError(
                f"the sample backbone has alpha {SAMPLE_ALPHA}, not {alpha}; use a row with alpha {SAMPLE_ALPHA}, "
                "or weights 'imagenet' or 'none'"
            )
        return Weights(settings.SAMPLE, sample_file())
    place = Path(weights)
    if place.is_dir():
        # Keras names whole widths "1.0" and reads them so; the number prints the same way here.
        file = place / keras_file_name(alpha, resolution)
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


def load_weights(backbone: "keras.Model", weights: Weights) -> None:
    """Load a file into a backbone.

    Raises:
        ValueError: the file is of another width or architecture, or no weights file at all.
    """
    if weights.file is None:
        raise ValueError(f"weights {weights.name!r} are no file; build the backbone with them instead")
    if is_lfs_pointer(weights.file):
        raise ValueError(f"{weights.file} is a Git LFS pointer, not the file; run `git lfs pull`")
    try:
        backbone.load_weights(weights.file)
    except Exception as error:  # h5py and Keras raise OSError, KeyError, ValueError and more
        raise ValueError(
            f"{weights.file} does not fit {backbone.name} with {backbone.count_params():,} parameters "
            f"({str(error).splitlines()[0][:160]}); the file must be of the row's architecture and alpha"
        ) from error
