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
from PIL import ExifTags, Image, ImageOps

_RESAMPLING = {"nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR}

_ASPECTS = ("stretch", "crop", "pad")

UNREADABLE = (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)
"""What Pillow raises on a damaged file; struct.error comes from damaged EXIF data."""


def upright_rgb(image: Image.Image) -> Image.Image:
    """An opened picture of any mode as 8-bit RGB, its EXIF rotation applied; transparency is dropped.

    Of an animation it is the first picture. A picture that is upright RGB already is given back itself: the two
    copies that Pillow would make take a third of the time of reading a small JPEG.
    """
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode == "RGB":
        image.load()
        return image
    if image.mode.startswith("I;16"):  # convert would clip 16 bits at 255, which leaves an all but white picture
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # the way to RGB that Pillow doesn't warn of
    return image.convert("RGB")


@dataclass(frozen=True)
class Preprocessing:
    """Size, resize method and value range of a model's input.

    Attributes:
        resolution: height and width in pixels.
        resize: "bilinear" (antialiased when shrinking, as Pillow does) or "nearest".
        mean: subtracted from a pixel, in pixel units.
        std: divides the difference, in pixel units.
        aspect: how a picture becomes a square: "stretch"; "crop", which keeps the largest square in its middle
            (short side to the resolution, then centre crop); "pad", which keeps all of it, between two bars of the
            colour that is nearest to `mean`, and so to 0 in the network.
    """

    resolution: int
    resize: Literal["bilinear", "nearest"] = "bilinear"
    mean: float = 128.0
    std: float = 128.0
    aspect: Literal["stretch", "crop", "pad"] = "stretch"

    def __post_init__(self):
        if self.resize not in _RESAMPLING:
            raise ValueError(f"unknown resize {self.resize!r}; choose from {', '.join(_RESAMPLING)}")
        if self.aspect not in _ASPECTS:
            raise ValueError(f"unknown aspect {self.aspect!r}; choose from {', '.join(_ASPECTS)}")
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
        method, square = _RESAMPLING[self.resize], (self.resolution, self.resolution)
        if rgb.size == square:
            return np.asarray(rgb)
        if self.aspect != "pad":
            return np.asarray(rgb.resize(square, method, box=self._window(*rgb.size)))
        left, top, width, height = self._picture_in_square(*rgb.size)
        padded = Image.new("RGB", square, (min(max(round(self.mean), 0), 255),) * 3)
        padded.paste(rgb.resize((width, height), method), (left, top))
        return np.asarray(padded)

    def boxes_to_input(self, boxes: np.ndarray, width: int, height: int) -> np.ndarray:
        """Where boxes in a picture lie in the square that `fit` makes of it.

        Args:
            boxes: float, (..., 4), xyxy, shares of the picture's width and height.
            width: of the upright picture, in pixels.
            height: likewise.

        Returns:
            float32, (..., 4), xyxy, shares of the square; of a cropped picture they may reach beyond 0..1.
        """
        left, top, right, bottom = self._window(width, height)
        origin, extent = np.array([left, top] * 2), np.array([right - left, bottom - top] * 2)
        return ((boxes * np.array([width, height] * 2) - origin) / extent).astype(np.float32)

    def boxes_to_picture(self, boxes: np.ndarray, width: int, height: int) -> np.ndarray:
        """The way back from `boxes_to_input`: from the square that a detector saw to the picture; same arguments."""
        left, top, right, bottom = self._window(width, height)
        origin, extent = np.array([left, top] * 2), np.array([right - left, bottom - top] * 2)
        return ((boxes * extent + origin) / np.array([width, height] * 2)).astype(np.float32)

    def _window(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The part of a picture that fills the square, xyxy in its pixels; padding lies beyond the picture."""
        if self.aspect == "crop":
            side = min(width, height)
            left, top = (width - side) / 2, (height - side) / 2
            return left, top, left + side, top + side
        if self.aspect == "pad":
            left, top, inner_width, inner_height = self._picture_in_square(width, height)
            x, y = width / inner_width, height / inner_height
            return -left * x, -top * y, (self.resolution - left) * x, (self.resolution - top) * y
        return 0, 0, width, height

    def _picture_in_square(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, width and height of a padded picture in the square."""
        scale = self.resolution / max(width, height)
        inner_width, inner_height = max(1, round(width * scale)), max(1, round(height * scale))
        return (self.resolution - inner_width) // 2, (self.resolution - inner_height) // 2, inner_width, inner_height

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

    def changed(
        self, resize: str | None, mean: float | None, std: float | None, aspect: str | None = None
    ) -> "Preprocessing":
        """The same contract with those fields replaced that are not None."""
        passed: dict[str, Any] = {"resize": resize, "mean": mean, "std": std, "aspect": aspect}
        return replace(self, **{key: value for key, value in passed.items() if value is not None})

    def to_json(self) -> dict[str, Any]:
        """The contract as plain data, to be saved with a model."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Preprocessing":
        """Read back what `to_json` gave; records from before there was `aspect` mean "stretch".

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
