"""The forms a model can be deployed in, by name, and a conversion's result with all that made it."""

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from mbhelpers.files import replacing
from mbhelpers.inference.predictor import Predictor
from mbhelpers.quantization import onnx, tflite
from mbhelpers.records import Record
from mbhelpers.runs import versions

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Format:
    """One way to store a model.

    Attributes:
        suffix: of its files.
        about: what it is for, in a line.
        convert: from model, record and, where `calibrated`, calibration images to a file's content.
        calibrated: whether it needs calibration images.
    """

    suffix: str
    about: str
    convert: Callable[..., bytes]
    calibrated: bool = False


FORMATS: Mapping[str, Format] = {
    "float32": Format(
        ".tflite", "the reference; for a CPU with a float unit", partial(tflite.to_float, weights="float32")
    ),
    "float16": Format(".tflite", "half the size; computes in float", partial(tflite.to_float, weights="float16")),
    "dynamic_range": Format(
        ".tflite", "int8 weights, activations in float32; for a phone's CPU", partial(tflite.to_float, weights="int8")
    ),
    "int8": Format(
        ".tflite",
        "all integer, a scale for each channel; for boards",
        partial(tflite.to_int8, granularity="channel"),
        calibrated=True,
    ),
    "int8_per_tensor": Format(
        ".tflite",
        "all integer, one scale a layer; for accelerators that want it",
        partial(tflite.to_int8, granularity="tensor"),
        calibrated=True,
    ),
    "onnx_float32": Format(".onnx", "the reference for ONNX Runtime", onnx.to_onnx),
    "onnx_qoperator": Format(".onnx", "integer operators, opset 12", onnx.to_qoperator, calibrated=True),
    "onnx_qdq": Format(
        ".onnx", "quantize-dequantize pairs, opset 12", partial(onnx.to_qdq, per_channel=False), calibrated=True
    ),
    "onnx_qdq_per_channel": Format(
        ".onnx", "the same with a scale for each channel, opset 18", partial(onnx.to_qdq, per_channel=True), True
    ),
}
"""Names are the file names' ends: `model_int8.tflite`."""


@dataclass(frozen=True)
class Converted:
    """A converted model.

    Attributes:
        content: the file.
        format: its name in `FORMATS`.
        record: the model's own, which is in the file too.
        options: what was asked for beyond the format's defaults.
        calibration: SHA-256 of each calibration image, of its file by its name or of its pixels by its number; empty
            for a format without any.
        versions: of the converter and all it needs.
    """

    content: bytes
    format: str
    record: Record
    options: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=versions)

    @property
    def tensors(self) -> list[dict[str, Any]]:
        """Name, shape, type, scales and zero-points of every tensor that is quantized, and their axis."""
        suffix = FORMATS[self.format].suffix
        return (tflite if suffix == ".tflite" else onnx).quantized_tensors(self.content)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Scores of uint8 images (N, H, W, 3), (N, classes), as `Predictor` gives them for the file."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"model{FORMATS[self.format].suffix}"
            path.write_bytes(self.content)
            return Predictor(path).predict(images)

    def save(self, path: Path) -> Path:
        """Write the file, and beside it how it was made, as `<file>.json`; each is whole or absent.

        Raises:
            ValueError: another suffix than the format's, or a folder that can't be written.
        """
        suffix = FORMATS[self.format].suffix
        if path.suffix != suffix:
            raise ValueError(f"{path.name} must end in {suffix}: it is to be {self.format}")
        told = {
            "format": self.format,
            "options": dict(self.options),
            "made": self.record.made,
            "calibration": dict(self.calibration),
            "versions": dict(self.versions),
            "tensors": self.tensors,
        }
        with replacing(path) as temporary:
            temporary.write_bytes(self.content)
        with replacing(path.with_name(f"{path.name}.json")) as temporary:
            temporary.write_text(json.dumps(told, ensure_ascii=False) + "\n", encoding="utf-8")
        return path


def convert(
    model: "keras.Model",
    record: Record,
    name: str,
    calibration: np.ndarray | None = None,
    *,
    images: Mapping[str, str] | None = None,
    **options: Any,
) -> Converted:
    """Convert a classifier to one of `FORMATS`.

    Args:
        model: with or without its Rescaling layer.
        record: classes and preprocessing of the model; goes into the file.
        name: the format's.
        calibration: uint8 training images, (N, H, W, 3), for a format that needs them.
        images: SHA-256 of each one's file, by its name, to be remembered; without it, of its pixels, by its number.
        **options: of the format's function, such as input_type.

    Raises:
        ValueError: an unknown format, no calibration images where there must be some, or what the format's function
            raises.
    """
    chosen = find(name)
    if chosen.calibrated and calibration is None:
        raise ValueError(f"{name} is calibrated: pass training images, a few hundred of them")
    known = inspect.signature(chosen.convert).parameters.values()
    bound = getattr(chosen.convert, "keywords", {})  # what makes it this format
    free = {parameter.name for parameter in known if parameter.kind is parameter.KEYWORD_ONLY} - set(bound)
    if strange := sorted(set(options) - free):
        raise ValueError(f"{name} has no option {strange[0]!r}; leave it out")
    given = (calibration,) if chosen.calibrated else ()
    content = chosen.convert(model, record, *given, **options)
    seen: Mapping[str, str] = {}
    if chosen.calibrated and calibration is not None:
        seen = images or {str(k): hashlib.sha256(image.tobytes()).hexdigest() for k, image in enumerate(calibration)}
    return Converted(content, name, record, options, seen)


def find(name: str) -> Format:
    """A format by its name.

    Raises:
        ValueError: unknown; the message lists the valid ones.
    """
    if name not in FORMATS:
        raise ValueError(f"unknown format {name!r}; choose from {', '.join(FORMATS)}")
    return FORMATS[name]
