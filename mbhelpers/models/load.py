"""Keras models from files, the legacy Keras-2 `.h5` files of the field included."""

from pathlib import Path
from typing import TYPE_CHECKING

from mbhelpers.files import is_lfs_pointer
from mbhelpers.native import load_tensorflow

if TYPE_CHECKING:
    import keras


def load_keras(path: Path | str) -> "keras.Model":
    """Load a `.keras` or `.h5` model for inference or further training.

    Keras 2 saved DepthwiseConv2D with a `groups` argument that Keras 3 refuses; it is always 1 and is dropped.

    Raises:
        ValueError: the file is missing, or is no model that Keras 3 can read.
    """
    load_tensorflow()
    import keras

    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no model at {path}; check the path")
    if path.suffix not in (".keras", ".h5"):
        raise ValueError(f"{path.name} is no Keras model file; its suffix must be .keras or .h5")

    class Depthwise(keras.layers.DepthwiseConv2D):
        @classmethod
        def from_config(cls, config):
            # A plain layer comes back, so that a model saved again needs no custom object.
            return keras.layers.DepthwiseConv2D.from_config({k: v for k, v in config.items() if k != "groups"})

    if is_lfs_pointer(path):
        raise ValueError(f"{path} is a Git LFS pointer, not the model; run `git lfs pull`")
    try:
        return keras.models.load_model(path, custom_objects={"DepthwiseConv2D": Depthwise}, compile=False)
    except Exception as error:  # Keras, h5py and zipfile each have their own
        if "No model config found" in str(error):
            raise ValueError(
                f"{path} holds weights alone, without the network; pass it as --weights of a row of that network"
            ) from error
        raise ValueError(
            f"{path} cannot be read as a Keras model ({type(error).__name__}: {str(error).splitlines()[0][:200]}); "
            "check that the file is whole, and that it was saved by Keras 2 or 3"
        ) from error


def classifier_shape(model: "keras.Model", path: Path | str) -> tuple[int, int]:
    """Input side in pixels and number of outputs of a classifier.

    Raises:
        ValueError: the model is none: it has another kind of input or output; `path` is named.
    """
    shape, out = model.input_shape, model.output_shape
    single = isinstance(shape, tuple) and isinstance(out, tuple)
    if not single or len(shape) != 4 or shape[1] is None or shape[1] != shape[2] or shape[3] != 3 or len(out) != 2:
        raise ValueError(
            f"{path} maps {shape} to {out}; a classifier maps (N, side, side, 3), with a fixed side, to (N, classes)"
        )
    return shape[1], out[1]
