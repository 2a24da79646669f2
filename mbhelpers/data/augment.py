"""Random changes that keep the label, as stateless functions of a key, so that every run can be repeated."""

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Literal

from mbhelpers.data.augment_pixels import render
from mbhelpers.native import load_tensorflow

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class Augmentation:
    """How far each random change may go; 0 or False leaves it out.

    What is drawn is uniform between the limits, for each image anew. The colours are changed in the order hue,
    contrast, brightness, noise, after the geometry.

    Attributes:
        flip_horizontal: mirror half of the images.
        flip_vertical: turn half of them upside down.
        rotate: up to this share of a full turn, either way.
        zoom: the side shown changes by up to this share, in or out, width and height each by its own.
        translate: shift by up to this share of the side.
        shear: slant by up to this ratio.
        contrast: factor between 1 - contrast and 1 + contrast about the mean.
        brightness: shift by up to this share of the 0..255 range.
        hue: turn by up to this share of the full circle of colours, either way; as `tf.image.adjust_hue`, so the H
            of HSV changes, S and V stay.
        noise: normal noise, of a standard deviation up to this share of the 0..255 range.
        crop: random-resized-crop: up to this share of the area is cut away, at a random place; the sides of what
            stays are in a ratio between 3:4 and 4:3. Inception's crop, which keeps 8 % to 100 %, is 0.92.
        erase: in half of the images a rectangle of up to this share of the area, of a ratio between 1:3 and 3:1,
            becomes grey.
        mixup: alpha of the beta distribution that an image's share in the mixture with another comes from.
        cutmix: likewise for the share of the area that stays when a rectangle comes from another image. With both,
            each image gets one of the two.
        interpolation: "bilinear", or "nearest" as in ST's recipes.
    """

    flip_horizontal: bool = False
    flip_vertical: bool = False
    rotate: float = 0.0
    zoom: float = 0.0
    translate: float = 0.0
    shear: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0
    hue: float = 0.0
    noise: float = 0.0
    crop: float = 0.0
    erase: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    interpolation: Literal["bilinear", "nearest"] = "bilinear"

    def __post_init__(self):
        for field in fields(self):
            value, end = getattr(self, field.name), _BELOW.get(field.name, math.inf)
            if field.name != "interpolation" and not 0 <= value < end:
                raise ValueError(f"augmentation {field.name} must be at least 0 and less than {end:g}, not {value}")
            if field.name in ("mixup", "cutmix") and 0 < value < 0.01:
                raise ValueError(f"augmentation {field.name} must be 0 or at least 0.01, not {value}")
        if self.interpolation not in ("bilinear", "nearest"):
            raise ValueError(f"unknown interpolation {self.interpolation!r}; choose from bilinear, nearest")

    @property
    def mixes(self) -> bool:
        """Whether images are mixed, which makes targets of the labels."""
        return self.mixup > 0 or self.cutmix > 0


_BELOW = {"zoom": 1.0, "crop": 1.0, "erase": 1.0}

_A0 = Augmentation(
    flip_horizontal=True, flip_vertical=True, translate=0.2, rotate=0.125, zoom=0.2, interpolation="nearest"
)
_A2 = Augmentation(
    flip_horizontal=True,
    translate=0.25,
    rotate=0.125,
    zoom=0.25,
    contrast=0.6,
    brightness=0.05,
    shear=0.15,
    interpolation="nearest",
)
ST_RECIPES: dict[str, Augmentation] = {
    "A0": _A0,
    "A1": replace(_A0, contrast=0.2, brightness=0.2, shear=0.1),
    "A2": _A2,
    "A3": replace(_A2, flip_vertical=True, rotate=0.25, contrast=0.2, brightness=0.25, shear=0.06),
    "A4": replace(_A2, zoom=0.2, hue=0.04),
}
"""The augmentation of ST's model zoo.

ST writes a factor f for a range of -f..f: `rotate` f of a full turn (0.125 is 45 degrees either way), `zoom` 1 - f to
1 + f of the side, `translate` f of the side, `contrast` a factor of 1 - f to 1 + f, `brightness` f of the range of
pixels, `hue` f of the circle, `shear` an angle of f radians (0.15 is a ratio of 0.151). A2 stands here as trained on
flowers at 224 px; other rows change a field or two, with `dataclasses.replace`:

    flowers-224 fft        replace(A2, noise=0.005)
    plant-224 tfs          replace(A2, contrast=0.4, shear=0.0515)
    food-128/224 tl        replace(A2, shear=0)
    food tfs, food-224 fft replace(A2, contrast=0.4, brightness=0.25, shear=0.25, noise=0.005)
    food-128 fft           replace(A2, contrast=0.4, brightness=0.15, noise=0.005)

Where we differ: ST changes colours before the geometry, resamples once for each change of the geometry, wraps around
at the border when it shears (we mirror always), and draws the noise's deviation from 0.0001 to 0.005, which we take as
shares of the range, from 0 up: 0.0001 of it is far below one grey level.

Source: the training configurations published beside ST's models.
"""


def augment(images: "tf.Tensor", key: "tf.Tensor", how: Augmentation) -> "tf.Tensor":
    """Change each image of a batch at random. Mixing images is `augment_mix.mix`, which comes after.

    Args:
        images: uint8, (B, H, W, 3).
        key: two integers; the same key gives the same changes.
        how: the limits.

    Returns:
        uint8, (B, H, W, 3); what comes in from outside the picture is its mirror image.
    """
    return render(images, draw_changes(images, key, how), interpolation=how.interpolation)


def draw_changes(images: "tf.Tensor", key: "tf.Tensor", how: Augmentation) -> dict[str, "tf.Tensor"]:
    """Draw what `augment_pixels.render` is to do to each image.

    Every quantity has its own stream of random numbers: to add one changes nothing about the others.

    Args:
        images: (B, H, W, 3); only the shape counts.
        key: two integers.
        how: the limits.

    Returns:
        The changes that are on.
    """
    load_tensorflow()
    import tensorflow as tf

    shape = tf.shape(images)
    size = tf.cast(shape[1:3], tf.float32)
    draws = Draws(key, shape[0])
    changes = {}
    if how.flip_horizontal or how.flip_vertical or how.rotate or how.zoom or how.translate or how.shear or how.crop:
        changes["matrix"] = _draw_matrix(draws, size[0], size[1], how)
    if how.contrast:
        changes["contrast"] = 1 + draws.uniform(8, how.contrast)
    if how.brightness:
        changes["brightness"] = 255 * draws.uniform(9, how.brightness)
    if how.hue:
        changes["hue"] = draws.uniform(14, how.hue)
    if how.noise:
        changes["noise"] = 255 * how.noise * draws.share(15)
        changes["noise_key"] = draws.key(16)
    if how.erase:
        area = tf.where(draws.share(17) < 0.5, how.erase * draws.share(18), 0.0)
        ratio = tf.exp(draws.uniform(19, math.log(3)))
        changes["erase"] = rectangles(shape, area, ratio, draws.share(20), draws.share(21))
    return changes


class Draws:
    """Random numbers for a batch, one an image, from numbered streams under one key."""

    def __init__(self, key: "tf.Tensor", n: "tf.Tensor"):
        self._key = key
        self.shape = (n,)

    def key(self, stream: int) -> "tf.Tensor":
        """The key of a stream, two integers."""
        return self._key + [0, stream << 32]

    def uniform(self, stream: int, limit: float) -> "tf.Tensor":
        """Numbers between -limit and limit, (B,) float32."""
        import tensorflow as tf

        return tf.random.stateless_uniform(self.shape, self.key(stream), -limit, limit)

    def share(self, stream: int) -> "tf.Tensor":
        """Numbers between 0 and 1, (B,) float32."""
        import tensorflow as tf

        return tf.random.stateless_uniform(self.shape, self.key(stream))

    def sign(self, stream: int, wanted: bool) -> "tf.Tensor":
        """-1 or 1, (B,) float32; all 1 unless wanted."""
        import tensorflow as tf

        return tf.where(self.uniform(stream, 1.0) < 0, -1.0, 1.0) if wanted else tf.ones(self.shape)


def _draw_matrix(draws: Draws, height: "tf.Tensor", width: "tf.Tensor", how: Augmentation) -> "tf.Tensor":
    import tensorflow as tf

    a, b, c, d, e, f = tf.unstack(
        affine(
            height,
            width,
            angle=draws.uniform(0, 2 * math.pi * how.rotate),
            zoom_x=(1 + draws.uniform(1, how.zoom)) * draws.sign(4, how.flip_horizontal),
            zoom_y=(1 + draws.uniform(2, how.zoom)) * draws.sign(5, how.flip_vertical),
            slant=draws.uniform(3, how.shear),
            shift_x=draws.uniform(6, how.translate) * width,
            shift_y=draws.uniform(7, how.translate) * height,
        ),
        axis=1,
    )
    if how.crop:
        area, ratio = 1 - how.crop * draws.share(10), tf.exp(draws.uniform(11, math.log(4 / 3)))
        # Of the side, not of pixels. A window too long for the picture is cut short, and so a little smaller.
        wide, high = tf.minimum(tf.sqrt(area * ratio), 1.0), tf.minimum(tf.sqrt(area / ratio), 1.0)
        left, top = (1 - wide) * draws.share(12) * width, (1 - high) * draws.share(13) * height
        # A pixel's centre lies half a pixel from its edge, before and after.
        a, b, c = a * wide, b * wide, (c + 0.5) * wide + left - 0.5
        d, e, f = d * high, e * high, (f + 0.5) * high + top - 0.5
    return tf.stack([a, b, c, d, e, f], axis=1)


def affine(
    height: "tf.Tensor",
    width: "tf.Tensor",
    *,
    angle: "tf.Tensor",
    zoom_x: "tf.Tensor",
    zoom_y: "tf.Tensor",
    slant: "tf.Tensor",
    shift_x: "tf.Tensor",
    shift_y: "tf.Tensor",
) -> "tf.Tensor":
    """Where each output pixel comes from: zoom about the centre, then slant, then rotate, then shift.

    Args:
        height: of the images, in pixels.
        width: likewise.
        angle: (B,) in radians.
        zoom_x: (B,) the share of the width that is shown; more than 1 makes things smaller, negative mirrors.
        zoom_y: (B,) likewise of the height.
        slant: (B,) pixels to the side for each pixel down.
        shift_x: (B,) in pixels.
        shift_y: (B,) likewise.

    Returns:
        (B, 6) matrices for `augment_pixels.render`.
    """
    import tensorflow as tf

    cos, sin = tf.cos(angle), tf.sin(angle)
    a, b = zoom_x * cos, zoom_y * (slant * cos - sin)
    c, d = zoom_x * sin, zoom_y * (slant * sin + cos)
    x, y = (width - 1) / 2, (height - 1) / 2
    return tf.stack([a, b, x - a * x - b * y + shift_x, c, d, y - c * x - d * y + shift_y], axis=1)


def rectangles(
    shape: "tf.Tensor", area: "tf.Tensor", ratio: "tf.Tensor", across: "tf.Tensor", down: "tf.Tensor"
) -> "tf.Tensor":
    """Rectangles in whole pixels that lie within the picture.

    Args:
        shape: of the batch, (B, H, W, ...).
        area: (B,) shares of the picture.
        ratio: (B,) width by height, as shares of the picture's; a side too long is cut short.
        across: (B,) 0 puts it to the left border, 1 to the right one.
        down: (B,) likewise from top to bottom.

    Returns:
        int32, (B, 4): left, top, right, bottom; right and bottom are the first pixels outside.
    """
    import tensorflow as tf

    size = tf.cast(shape[1:3], tf.float32)
    wide = tf.round(tf.minimum(tf.sqrt(area * ratio), 1.0) * size[1])
    high = tf.round(tf.minimum(tf.sqrt(area / ratio), 1.0) * size[0])
    left, top = tf.round((size[1] - wide) * across), tf.round((size[0] - high) * down)
    return tf.cast(tf.stack([left, top, left + wide, top + high], axis=1), tf.int32)
