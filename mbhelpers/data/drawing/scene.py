"""What is behind the drawing, how layers come together, and the camera."""

import numpy as np
from PIL import Image, ImageFilter

from mbhelpers.data.drawing.brush import SUPERSAMPLE, Layer, Rng, any_colour, grass, green, hsv


def noise(rng: Rng, side: int, cells: int, octaves: int = 3) -> np.ndarray:
    """Give smooth random values (side, side) in about 0..1, coarsest with `cells` bumps across."""
    total = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        bumps = rng.random((cells * 2**octave,) * 2, dtype=np.float32)
        total += np.asarray(Image.fromarray(bumps).resize((side, side), Image.Resampling.BICUBIC)) / 2**octave
    return total / (2 - 2 ** (1 - octaves))


def _sky(rng: Rng, side: int) -> np.ndarray:
    down = np.linspace(0, 1, side)[:, None, None]
    blue = hsv(rng.uniform(0.54, 0.64), rng.uniform(0.25, 0.75), rng.uniform(0.6, 0.95))
    haze = np.array([0.9, 0.92, 0.95]) * rng.uniform(0.8, 1.05)
    picture = blue + (haze - blue) * down * rng.uniform(0.3, 1)
    clouds = np.clip(noise(rng, side, int(rng.integers(2, 5)), 4) * 4 - rng.uniform(1.8, 2.8), 0, 1)[..., None]
    picture = picture + (0.97 - picture) * clouds * 0.8
    horizon = rng.uniform(0.6, 1.3) + 0.06 * (noise(rng, side, 5)[:1, :, None] - 0.5)
    return np.where(down > horizon, green(rng) * (0.6 + 0.5 * noise(rng, side, 12)[..., None]), picture)


def _meadow(rng: Rng, side: int) -> np.ndarray:
    light, dark = green(rng), green(rng) * 0.45
    picture = dark + (light - dark) * noise(rng, side, int(rng.integers(5, 12)), 4)[..., None]
    layer = Layer(side // SUPERSAMPLE)
    for row in np.linspace(0.25, 1.2, 5):
        grass(layer, rng, 16, row, rng.uniform(0.25, 0.5))
    return np.asarray(paste(_to_image(picture), layer)) / 255


def _bokeh(rng: Rng, side: int) -> np.ndarray:
    tint = any_colour(rng) if rng.uniform() < 0.4 else green(rng)
    picture = np.stack([noise(rng, side, 3, 2) for _ in range(3)], -1) * 0.3 - 0.15 + tint * rng.uniform(0.4, 0.9)
    y, x = np.mgrid[:side, :side] / side
    for _ in range(rng.integers(3, 14)):
        radius, ball = rng.uniform(0.03, 0.12), any_colour(rng) * 0.4 + tint * 0.5
        edge = np.hypot(x - rng.uniform(), y - rng.uniform())
        mask = np.clip((radius - edge) / (0.2 * radius), 0, 1)[..., None] * rng.uniform(0.2, 0.6)
        picture = picture + (ball + 0.15 - picture) * mask
    return picture


def _soil(rng: Rng, side: int) -> np.ndarray:
    earth = hsv(rng.uniform(0.04, 0.11), rng.uniform(0.2, 0.6), rng.uniform(0.25, 0.6))
    layer = Layer(side // SUPERSAMPLE)
    for _ in range(rng.integers(20, 90)):
        stone, r, (x, y) = (
            earth * rng.uniform(0.5, 1.6) + 0.05,
            rng.uniform(0.004, 0.025),
            rng.uniform(size=2),
        )
        layer.dot((x, y + r / 4), r, stone * 0.4)
        layer.dot((x, y), r, stone)
    return np.asarray(paste(_to_image(earth * (0.4 + 1.1 * noise(rng, side, 16, 4)[..., None])), layer)) / 255


def _wall(rng: Rng, side: int) -> np.ndarray:
    tone = hsv(rng.uniform(), rng.uniform(0.05, 0.55), rng.uniform(0.4, 0.9))
    height = rng.uniform(0.08, 0.2)
    length = rng.choice([0.25, 9.0])  # bricks or planks
    y, x = np.mgrid[:side, :side] / side
    row = np.floor(y / height)
    column = np.floor(x / length + 0.5 * (row % 2))
    shades = rng.uniform(0.75, 1.1, (16, 8))[row.astype(int) % 16, column.astype(int) % 8]
    joint = (y / height % 1 < 0.07) | ((x / length + 0.5 * (row % 2)) % 1 < 0.03)
    grain = 0.8 + 0.4 * noise(rng, side, 30, 2)
    picture = tone * (shades * grain * np.where(joint, rng.choice([0.55, 1.25]), 1))[..., None]
    return picture.swapaxes(0, 1) if length > 1 and rng.uniform() < 0.5 else picture


def _studio(rng: Rng, side: int) -> np.ndarray:
    tone, y = any_colour(rng) * rng.choice([0.25, 1.0]), np.linspace(-1, 1, side)
    glow = np.hypot(y[:, None] - rng.uniform(-1, 1), y[None] - rng.uniform(-1, 1))[..., None]
    return tone * (1.15 - 0.35 * glow) + 0.05 * noise(rng, side, 4)[..., None]


BACKGROUNDS = (_sky, _meadow, _bokeh, _soil, _wall, _studio)


def background(rng: Rng, size: int) -> Image.Image:
    """Paint one of sky, meadow, bokeh, soil, wall, studio: RGB with side `size * SUPERSAMPLE`."""
    painter = BACKGROUNDS[rng.choice(len(BACKGROUNDS), p=[0.17, 0.28, 0.25, 0.1, 0.1, 0.1])]
    return _to_image(painter(rng, size * SUPERSAMPLE))


def _to_image(picture: np.ndarray) -> Image.Image:
    return Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))


def blur(image: Image.Image, radius: float) -> Image.Image:
    """Defocus; the radius is in units of the picture's side."""
    return image.filter(ImageFilter.GaussianBlur(radius * image.width))


def paste(
    scene: Image.Image, layer: Layer, shadow: float = 0.0, offset: tuple[float, float] = (0.02, 0.03)
) -> Image.Image:
    """Put a layer on a scene, over the soft shadow that it casts (strength 0..1)."""
    scene = scene.copy()
    alpha = layer.image.getchannel("A")
    if shadow:
        small = alpha.resize((layer.side // 4,) * 2)  # a blurred shadow needs no more
        small = blur(small, 0.02).resize(alpha.size, Image.Resampling.BILINEAR)
        shift = round(offset[0] * layer.side), round(offset[1] * layer.side)
        scene.paste((0, 0, 0), shift, small.point(lambda value: int(value * shadow)))
    scene.paste(layer.image, (0, 0), alpha)
    return scene


def develop(scene: Image.Image, rng: Rng, size: int) -> np.ndarray:
    """Photograph a scene: size, light, colour cast, vignette, blur, sensor noise; uint8 (size, size, 3)."""
    if rng.uniform() < 0.3:
        scene = blur(scene, rng.uniform(0.001, 0.004))
    picture = np.asarray(scene.resize((size, size), Image.Resampling.LANCZOS), np.float32) / 255
    warmth = rng.normal(0, 0.04)
    picture = picture ** rng.uniform(0.75, 1.15) * rng.uniform(0.88, 1.15) * np.array([1 + warmth, 1, 1 - warmth])
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    direction, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.15)
    light = 1 + strength * (x * np.cos(direction) + y * np.sin(direction)) - rng.uniform(0, 0.2) * (x * x + y * y)
    picture = picture * light[..., None] + rng.normal(0, rng.uniform(0.004, 0.02), (size, size, 3))
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
