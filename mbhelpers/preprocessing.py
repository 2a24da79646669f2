"""The image contract: how a file becomes the pixels, and the pixels the numbers, that a model sees.

Files are decoded as RGB by Pillow, resized as the contract says and kept uint8. Only the model's own rescaling
(a Keras layer, or the input quantization of an exported file) turns pixels into numbers:
`value = (pixel - mean) / std`.
"""

import struct
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageOps

_RESAMPLING = {"nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR}

UNREADABLE = (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)
"""What Pillow raises on a damaged file; struct.error comes from damaged EXIF data."""


def upright_rgb(image: Image.Image) -> Image.Image:
    """An opened picture of any mode as 8-bit RGB, its EXIF rotation applied; transparency is dropped."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):  # convert would clip 16 bits at 255, which leaves an all but white picture
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    return upright.convert("RGB")


@dataclass(frozen=True)
class Preprocessing:
    """Size, resize method and value range of a model's input.

    Attributes:
        resolution: height and width in pixels; images are stretched to this square.
        resize: "bilinear" (antialiased when shrinking, as Pillow does) or "nearest".
        mean: subtracted from a pixel, in pixel units.
        std: divides the difference, in pixel units.
    """

    resolution: int
    resize: Literal["bilinear", "nearest"] = "bilinear"
    mean: float = 128.0
    std: float = 128.0

    def __post_init__(self):
        if self.resize not in _RESAMPLING:
            raise ValueError(f"unknown resize {self.resize!r}; choose from {', '.join(_RESAMPLING)}")
        if self.resolution < 1 or self.std <= 0:
            raise ValueError(f"resolution and std must be positive, not {self.resolution} and {self.std}")

    def fit(self, image: Image.Image) -> np.ndarray:
        """Turn an opened picture into pixels.

        Args:
            image: any mode and size; an EXIF rotation is applied first.

        Returns:
            uint8 RGB pixels, (resolution, resolution, 3).
        """
        rgb = upright_rgb(image)
        if rgb.size != (self.resolution, self.resolution):
            rgb = rgb.resize((self.resolution, self.resolution), _RESAMPLING[self.resize])
        return np.asarray(rgb)

    def load(self, path: Path | str) -> np.ndarray:
        """Decode and fit one file; returns uint8 RGB, (resolution, resolution, 3).

        Raises:
            ValueError: the file is missing or is no whole image.
        """
        try:
            with Image.open(path) as image:
                return self.fit(image)
        except FileNotFoundError:
            raise ValueError(f"no image at {path}; check the path") from None
        except UNREADABLE as error:
            raise ValueError(f"{path} is not a readable image ({error}); replace or remove it") from error

    def normalize(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels 0..255 to the float32 values that the network computes with, same shape."""
        return (pixels.astype(np.float32) - np.float32(self.mean)) / np.float32(self.std)

    def changed(self, resize: str | None, mean: float | None, std: float | None) -> "Preprocessing":
        """The same contract with those fields replaced that are not None."""
        passed: dict[str, Any] = {"resize": resize, "mean": mean, "std": std}
        return replace(self, **{key: value for key, value in passed.items() if value is not None})

    def to_json(self) -> dict[str, Any]:
        """The contract as plain data, to be saved with a model."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Preprocessing":
        """Read back what `to_json` gave.

        Raises:
            ValueError: a field is unknown or missing.
        """
        try:
            return cls(**content)
        except TypeError as error:
            raise ValueError(f"not a preprocessing record: {content!r} ({error})") from error


PRESETS: dict[str, dict[str, Any]] = {
    "mbhelpers": {"resize": "bilinear", "mean": 128.0, "std": 128.0},
    "st": {"resize": "nearest", "mean": 127.5, "std": 127.5},
    "keras": {"resize": "bilinear", "mean": 127.5, "std": 127.5},
}
"""Named contracts: ours; ST's model zoo (pixel / 127.5 - 1, nearest); Keras Applications' MobileNetV2."""


def preset(name: str, resolution: int) -> Preprocessing:
    """A named contract at a resolution.

    Raises:
        ValueError: unknown name; the message lists the valid ones.
    """
    if name not in PRESETS:
        raise ValueError(f"unknown preprocessing {name!r}; choose from {', '.join(PRESETS)}")
    return Preprocessing(resolution, **PRESETS[name])
