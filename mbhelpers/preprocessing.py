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

Channels = float | tuple[float, float, float]
"""One number for all channels, or one each for red, green and blue."""

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
        mean: subtracted from a pixel, in pixel units; one number, or one each for red, green and blue.
        std: divides the difference; likewise.
        aspect: how a picture becomes a square: "stretch"; "crop", which keeps the largest square in its middle
            (short side to the resolution, then centre crop); "pad", which keeps all of it, between two bars of the
            colour that is nearest to `mean`, and so to 0 in the network.
        central: share of each side that is kept, around the middle of what `aspect` chose; the rest is cut off.
            "crop" with 224 / 256 is "short side to 256, centre crop 224" in one step.
    """

    resolution: int
    resize: Literal["bilinear", "nearest"] = "bilinear"
    mean: Channels = 128.0
    std: Channels = 128.0
    aspect: Literal["stretch", "crop", "pad"] = "stretch"
    central: float = 1.0

    def __post_init__(self):
        if self.resize not in _RESAMPLING:
            raise ValueError(f"unknown resize {self.resize!r}; choose from {', '.join(_RESAMPLING)}")
        if self.aspect not in _ASPECTS:
            raise ValueError(f"unknown aspect {self.aspect!r}; choose from {', '.join(_ASPECTS)}")
        for name in ("mean", "std"):
            if np.shape(value := getattr(self, name)) not in ((), (3,)):
                raise ValueError(f"{name} is one number or three (red, green, blue), not {value!r}")
        if self.resolution < 1 or np.min(self.std) <= 0:
            raise ValueError(f"resolution and std must be positive, not {self.resolution} and {self.std}")
        if not 0 < self.central <= 1:
            raise ValueError(f"central is a share of each side, above 0 and up to 1, not {self.central}")
        if self.aspect == "pad" and self.central != 1:
            raise ValueError(f"aspect 'pad' keeps the whole picture, central {self.central} cuts it; choose one")

    def fit(self, image: Image.Image) -> np.ndarray:
        """Turn an opened picture into pixels.

        Args:
            image: any mode and size; an EXIF rotation is applied first.

        Returns:
            uint8 RGB pixels, (resolution, resolution, 3).
        """
        rgb = upright_rgb(image)
        method, square = _RESAMPLING[self.resize], (self.resolution, self.resolution)
        if rgb.size == square and self.central == 1:
            return np.asarray(rgb)
        if self.aspect != "pad":
            return np.asarray(rgb.resize(square, method, box=self._window(*rgb.size)))
        left, top, width, height = self._picture_in_square(*rgb.size)
        padded = Image.new("RGB", square, self.fill)
        padded.paste(rgb.resize((width, height), method), (left, top))
        return np.asarray(padded)

    @property
    def fill(self) -> tuple[int, int, int]:
        """The colour of padding: the pixel nearest to `mean`."""
        red, green, blue = np.broadcast_to(np.clip(np.round(self.mean), 0, 255).astype(int), 3).tolist()
        return red, green, blue

    @property
    def formula(self) -> str:
        """The value range in words, such as "(pixel - 128) / 128"."""
        return f"(pixel - {_in_words(self.mean)}) / {_in_words(self.std)}"

    def __str__(self) -> str:
        """Everything but the resolution, in words."""
        kept = f", middle {100 * self.central:g} %" if self.central != 1 else ""
        return f"{self.aspect}{kept}, {self.resize}, {self.formula}"

    @property
    def scale_and_offset(self) -> tuple[Any, Any]:
        """The same range as a Rescaling layer writes it, `pixel * scale + offset`; lists where channels differ."""
        std = np.asarray(self.std, np.float64)
        return (1 / std).tolist(), (-np.asarray(self.mean, np.float64) * (1 / std)).tolist()

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
        if self.aspect == "pad":
            left, top, inner_width, inner_height = self._picture_in_square(width, height)
            x, y = width / inner_width, height / inner_height
            return -left * x, -top * y, (self.resolution - left) * x, (self.resolution - top) * y
        chosen = (min(width, height),) * 2 if self.aspect == "crop" else (width, height)
        wide, high = (self.central * side for side in chosen)
        return (width - wide) / 2, (height - high) / 2, (width + wide) / 2, (height + high) / 2

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
        return self.load_with_size(path)[0]

    def load_with_size(self, path: Path | str) -> tuple[np.ndarray, tuple[int, int]]:
        """As `load`, and the width and height of the upright picture, which boxes in it need."""
        try:
            with Image.open(path) as image:
                upright = upright_rgb(image)
                return self.fit(upright), upright.size
        except FileNotFoundError:
            raise ValueError(f"no image at {path}; check the path") from None
        except IsADirectoryError:
            raise ValueError(f"{path} is a folder; pass the images in it") from None
        except UNREADABLE as error:
            raise ValueError(f"{path} is not a readable image ({error}); replace or remove it") from error

    def normalize(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels 0..255, (..., 3), to the float32 values that the network computes with, same shape."""
        return (pixels.astype(np.float32) - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)

    def changed(
        self, resize: str | None, mean: Channels | None, std: Channels | None, aspect: str | None = None
    ) -> "Preprocessing":
        """The same contract with those fields replaced that are not None."""
        passed: dict[str, Any] = {"resize": resize, "mean": mean, "std": std, "aspect": aspect}
        return replace(self, **{key: value for key, value in passed.items() if value is not None})

    def to_json(self) -> dict[str, Any]:
        """The contract as plain data, to be saved with a model."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Preprocessing":
        """Read back what `to_json` gave; records from before there was `aspect` mean "stretch",
        from before there was `central` the whole of it.

        Raises:
            ValueError: a field is unknown or missing.
        """
        # JSON has lists where there were tuples
        given: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in content.items()}
        try:
            return cls(**given)
        except TypeError as error:
            raise ValueError(f"not a preprocessing record: {content!r} ({error})") from error


def _in_words(value: Channels) -> str:
    return f"[{', '.join(f'{v:g}' for v in value)}]" if isinstance(value, tuple) else f"{value:g}"


PRESETS: dict[str, dict[str, Any]] = {
    "mbhelpers": {"resize": "bilinear", "mean": 128.0, "std": 128.0},
    "st": {"resize": "nearest", "mean": 127.5, "std": 127.5},
    "keras": {"resize": "bilinear", "mean": 127.5, "std": 127.5},
    "nxp": {"resize": "bilinear", "mean": 127.5, "std": 127.5},
    "slim": {"resize": "bilinear", "mean": 127.5, "std": 127.5, "central": 0.875},
    "onnx": {
        "resize": "bilinear",
        "mean": (123.675, 116.28, 103.53),
        "std": (58.395, 57.12, 57.375),
        "aspect": "crop",
        "central": 224 / 256,
    },
}
"""Named contracts: ours; ST's model zoo (pixel / 127.5 - 1, nearest); Keras Applications' MobileNetV2; NXP's eIQ, which
stretches the whole picture for that same model; TF slim's evaluation (the middle 87.5 % of each side); the ONNX model
zoo's (short side to 256, centre crop 224, ImageNet's mean and standard deviation of each channel).

"slim" and "onnx" cut and resize in one step, antialiased and between whole pixels. slim's TensorFlow 1 code cuts on
whole pixels and doesn't antialias: on 250 ImageNet images of 256 px short side its pixels differ by 2.8 grey levels on
average (1.5 if it antialiased), on COCO's larger photos by 5.8. The zoo resizes before it cuts: 3.3 and 3.2. Of those
250 images slim's quantized MobileNetV2 1.0 224 gets 219 right through "slim", 215 in slim's way; 224 through "onnx",
220 in the zoo's two steps; paired, neither difference is significant."""


def preset(name: str, resolution: int) -> Preprocessing:
    """A named contract at a resolution.

    Raises:
        ValueError: unknown name; the message lists the valid ones.
    """
    if name not in PRESETS:
        raise ValueError(f"unknown preprocessing {name!r}; choose from {', '.join(PRESETS)}")
    return Preprocessing(resolution, **PRESETS[name])
