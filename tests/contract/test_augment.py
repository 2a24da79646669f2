"""Random changes: what each field means, that a key decides everything, and that boxes go where the pixels go."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mbhelpers.data.augment import ST_RECIPES, Augmentation, affine, augment, draw_changes
from mbhelpers.data.augment_boxes import augment_boxes
from mbhelpers.data.augment_mix import mix
from mbhelpers.data.augment_pixels import render
from mbhelpers.native import load_tensorflow

HEIGHT, WIDTH = 48, 64
FULL = Augmentation(
    flip_horizontal=True,
    flip_vertical=True,
    rotate=0.125,
    zoom=0.2,
    translate=0.2,
    shear=0.1,
    contrast=0.3,
    brightness=0.2,
)


@pytest.fixture(scope="module", autouse=True)
def tensorflow():
    load_tensorflow()
    import tensorflow as tf

    return tf


@pytest.fixture(scope="module")
def images(draw):
    """Sixteen smooth pictures, uint8 (16, 48, 64, 3)."""
    return np.stack([np.asarray(draw(k, 64).resize((WIDTH, HEIGHT))) for k in range(16)])


def key(number: int = 0):
    import tensorflow as tf

    return tf.constant([7, number], tf.int64)


def changed(images, how: Augmentation, number: int = 0) -> np.ndarray:
    return augment(images, key(number), how).numpy()


def first_version(images, key, how):
    """How augmentation was first written, before XLA: one projective transform, then the colours."""
    import tensorflow as tf

    n, (height, width) = len(images), images.shape[1:3]
    draws = iter(range(100))

    def uniform(limit):
        return tf.random.stateless_uniform((n,), key + [0, next(draws) << 32], -limit, limit)

    def sign(wanted):
        drawn = uniform(1.0)
        return tf.where(drawn < 0, -1.0, 1.0) if wanted else tf.ones_like(drawn)

    angle = uniform(2 * math.pi * how.rotate)
    zoom_x, zoom_y, slant = 1 + uniform(how.zoom), 1 + uniform(how.zoom), uniform(how.shear)
    zoom_x, zoom_y = zoom_x * sign(how.flip_horizontal), zoom_y * sign(how.flip_vertical)
    shift_x, shift_y = uniform(how.translate) * width, uniform(how.translate) * height
    cos, sin = tf.cos(angle), tf.sin(angle)
    a, b, c, d = zoom_x * cos, zoom_y * (slant * cos - sin), zoom_x * sin, zoom_y * (slant * sin + cos)
    x, y, zero = (width - 1) / 2, (height - 1) / 2, tf.zeros_like(angle)
    rows = [a, b, x - a * x - b * y + shift_x, c, d, y - c * x - d * y + shift_y, zero, zero]
    moved = projected(images, tf.stack(rows, axis=1))
    factor, shift = (1 + uniform(how.contrast))[:, None, None, None], (255 * uniform(how.brightness))
    mean = tf.reduce_mean(moved, axis=(1, 2), keepdims=True)
    lit = (moved - mean) * factor + mean + shift[:, None, None, None]
    return tf.cast(tf.clip_by_value(tf.round(lit), 0, 255), tf.uint8).numpy()


def projected(images, matrix8, interpolation="BILINEAR", fill="REFLECT"):
    import tensorflow as tf

    return tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(images, tf.float32),
        transforms=matrix8,
        output_shape=images.shape[1:3],
        fill_value=128.0,
        interpolation=interpolation,
        fill_mode=fill,
    )


@pytest.mark.parametrize(
    "how",
    [
        FULL,
        replace(FULL, contrast=0.0, brightness=0.0),
        Augmentation(flip_horizontal=True),
        Augmentation(translate=0.9, rotate=0.5, zoom=0.9),
        Augmentation(contrast=0.3),
        Augmentation(brightness=0.2),
    ],
)
def test_a_seed_means_what_it_meant_before_there_were_more_fields(images, how):
    difference = np.abs(changed(images, how).astype(int) - first_version(images, key(), how))
    assert difference.max() <= 1, "a value between two grey levels may be rounded either way"
    assert (difference > 0).mean() < 1e-3


def test_what_is_off_is_not_drawn_and_disturbs_nothing(images):
    assert augment(images, key(), Augmentation()) is images
    assert set(draw_changes(images, key(), Augmentation(hue=0.1))) == {"hue"}
    alone = draw_changes(images, key(), FULL)
    more = draw_changes(images, key(), replace(FULL, hue=0.1, noise=0.1, erase=0.3, mixup=1.0))
    for name, drawn in alone.items():
        np.testing.assert_array_equal(drawn, more[name])


@pytest.mark.parametrize(
    "how",
    [
        *(Augmentation(**{name: True}) for name in ("flip_horizontal", "flip_vertical")),
        *(
            Augmentation(**{name: 0.2})
            for name in ("rotate", "zoom", "translate", "shear", "contrast", "brightness", "hue", "noise", "crop")
        ),
        Augmentation(erase=0.5),
        replace(FULL, hue=0.1, noise=0.05, crop=0.5, erase=0.3, interpolation="nearest"),
    ],
)
def test_the_key_decides(images, how, tensorflow):
    once = changed(images, how)
    assert once.dtype == np.uint8
    assert once.shape == images.shape
    np.testing.assert_array_equal(once, changed(images, how))
    inside_a_graph = tensorflow.function(lambda x, k: augment(x, k, how))(images, key())
    np.testing.assert_array_equal(once, inside_a_graph)
    assert (once != images).any()
    assert (once != changed(images, how, 1)).any()


def numbers(n: int, **values: float):
    """Arguments of `affine`, the same for n images."""
    import tensorflow as tf

    neutral = {"angle": 0.0, "zoom_x": 1.0, "zoom_y": 1.0, "slant": 0.0, "shift_x": 0.0, "shift_y": 0.0}
    return {name: tf.fill((n,), np.float32(value)) for name, value in (neutral | values).items()}


class TestKeras:
    """Keras' layers, held at one value, do the same: so the ranges mean the same."""

    @pytest.mark.parametrize(
        ("layer", "ours", "why"),
        [
            (lambda k: k.RandomRotation((0.125, 0.125)), {"angle": math.pi / 4}, "a share of the full turn"),
            (lambda k: k.RandomZoom((0.2, 0.2), (0.2, 0.2)), {"zoom_x": 1.2, "zoom_y": 1.2}, "positive shows more"),
            (lambda k: k.RandomZoom((-0.2, -0.2), (0.1, 0.1)), {"zoom_x": 1.1, "zoom_y": 0.8}, "height first"),
            (lambda k: k.RandomTranslation((0.25, 0.25), 0), {"shift_y": -0.25 * HEIGHT}, "of the height"),
            (lambda k: k.RandomTranslation(0, (0.25, 0.25)), {"shift_x": -0.25 * WIDTH}, "of the width"),
        ],
    )
    def test_geometry(self, images, layer, ours, why, tensorflow):
        import keras

        keras_layer = layer(keras.layers)
        wanted = np.asarray(keras_layer(images.astype(np.float32), training=True))
        matrix = affine(np.float32(HEIGHT), np.float32(WIDTH), **numbers(len(images), **ours))
        found = render(images, {"matrix": matrix}).numpy()
        assert np.abs(found - wanted).max() <= 0.51, why

    def test_shear_is_a_ratio_of_pixels(self, images):
        """Keras slants about the upper left corner, to a side that it draws for each image; we about the centre."""
        import keras

        assert keras.layers.RandomShear(x_factor=0.15).x_factor == (-0.15, 0.15)
        theirs = np.asarray(keras.layers.RandomShear(x_factor=(0.15, 0.15))(images.astype(np.float32), training=True))
        unlike = []
        for slant in (-0.15, 0.15):
            values = numbers(len(images), slant=slant, shift_x=slant * (HEIGHT - 1) / 2)
            ours = render(images, {"matrix": affine(np.float32(HEIGHT), np.float32(WIDTH), **values)}).numpy()
            unlike.append(np.abs(ours - theirs).max(axis=(1, 2, 3)))
        assert (np.min(unlike, axis=0) <= 0.51).all()
        assert (np.max(unlike, axis=0) > 50).all()

    @pytest.mark.parametrize("value", [-0.2, 0.2])
    def test_colours(self, images, value, tensorflow):
        import keras

        fixed = tensorflow.fill((len(images),), np.float32(value))
        brightness = keras.layers.RandomBrightness((value, value))(images.astype(np.float32), training=True)
        assert np.abs(render(images, {"brightness": 255 * fixed}).numpy() - np.asarray(brightness)).max() <= 0.51
        contrast = tensorflow.image.adjust_contrast(images.astype(np.float32), 1 + value)
        found = render(images, {"contrast": 1 + fixed}).numpy()
        assert np.abs(found - np.clip(contrast, 0, 255)).max() <= 0.51

    def test_the_contrast_layer_draws_from_that_range(self, images):
        import keras

        flat = np.zeros((64, 8, 8, 3), np.float32)
        flat[:, :4], flat[:, 4:] = 100, 156  # about a mean of 128, so that the factor can be read from one pixel
        # Given as a pair: of a single number Keras 3.15 draws from 1 to 1 + f, against its own description.
        theirs = (np.asarray(keras.layers.RandomContrast((0.6, 0.6))(flat, training=True))[:, 0, 0, 0] - 128) / -28
        ours = (changed(np.repeat(flat.astype(np.uint8), 8, 0), Augmentation(contrast=0.6))[:, 0, 0, 0] - 128.0) / -28
        for factors in (theirs, ours):
            assert 0.4 - 0.02 <= factors.min() < 0.5
            assert 1.5 < factors.max() <= 1.6 + 0.02


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("outside", ["mirror", "grey"])
def test_sampling_equals_the_projective_transform(images, interpolation, outside, tensorflow):
    how = Augmentation(translate=0.7, rotate=0.5, zoom=0.5, shear=0.3)
    matrix = draw_changes(images, key(), how)["matrix"]
    matrix8 = tensorflow.pad(matrix, [[0, 0], [0, 2]])
    fill = {"mirror": "REFLECT", "grey": "CONSTANT"}[outside]
    wanted = projected(images, matrix8, interpolation.upper(), fill).numpy()
    found = render(images, {"matrix": matrix}, interpolation=interpolation, outside=outside).numpy()
    close = np.abs(found - wanted) <= 0.51
    assert close.mean() > 0.999, "a coordinate halfway between two pixels may be rounded either way"
    assert outside == "mirror" or (found == 128).all(axis=-1).mean() > 0.1, "else nothing lay outside"


@pytest.mark.parametrize("moved", [False, True])
def test_hue_turns_as_tensorflow_does(images, moved, tensorflow):
    noise = np.random.default_rng(0).integers(0, 256, images.shape, np.uint8)
    geometry = {"matrix": draw_changes(images, key(), FULL)["matrix"]} if moved else {}
    for pictures in (images, noise):
        before = projected(pictures, tensorflow.pad(geometry["matrix"], [[0, 0], [0, 2]])) if moved else pictures
        for turn in (-0.3, 0.04, 0.5):
            wanted = tensorflow.image.adjust_hue(tensorflow.cast(before, tensorflow.float32) / 255, turn) * 255
            changes = geometry | {"hue": tensorflow.fill((len(images),), np.float32(turn))}
            found = render(pictures, changes).numpy()
            assert np.abs(found - wanted).max() <= 0.6
            assert np.abs(found.astype(int) - pictures).max() > 10


def test_noise_is_normal_and_differs_in_strength():
    grey = np.full((40, 64, 64, 3), 128, np.uint8)
    noise = changed(grey, Augmentation(noise=0.1)).astype(float) - 128
    strengths = noise.std(axis=(1, 2, 3)) / 255
    assert strengths.min() < 0.02
    assert 0.08 < strengths.max() <= 0.101
    strong = noise[strengths.argmax()].ravel() / noise[strengths.argmax()].std()
    assert abs(strong.mean()) < 0.05
    assert (np.abs(strong) > 2).mean() == pytest.approx(0.0455, abs=0.006)
    assert (strong**4).mean() == pytest.approx(3, abs=0.2)
    rows = noise[strengths.argmax()][:, :, 0]
    assert abs(np.corrcoef(rows[:-1].ravel(), rows[1:].ravel())[0, 1]) < 0.06


def test_crop_shows_a_window_within_the_picture():
    many = np.zeros((500, HEIGHT, WIDTH, 3), np.uint8)
    m = draw_changes(many, key(), Augmentation(crop=0.75))["matrix"].numpy()
    wide, high = m[:, 0], m[:, 4]
    assert (m[:, [1, 3]] == 0).all()
    area, ratio = wide * high, wide / high
    assert 0.24 < area.min() < 0.3
    assert 0.9 < area.max() <= 1
    assert 0.75 - 1e-4 <= ratio.min() < 0.8
    assert 1.25 < ratio.max() <= 4 / 3 + 1e-4
    left, top = m[:, 2] + 0.5 - wide / 2, m[:, 5] + 0.5 - high / 2
    for low, extent, size in ((left, wide * WIDTH, WIDTH), (top, high * HEIGHT, HEIGHT)):
        assert low.min() > -1e-3
        assert (low + extent).max() < size + 1e-3
        assert np.corrcoef(low, extent)[0, 1] < -0.3, "a small window may lie anywhere"


def test_erasing_greys_a_rectangle_in_half_of_the_images():
    black = np.zeros((400, HEIGHT, WIDTH, 3), np.uint8)
    erased = changed(black, Augmentation(erase=0.4))
    assert set(np.unique(erased)) == {0, 128}
    area = (erased[..., 0] == 128).mean(axis=(1, 2))
    assert (area > 0).mean() == pytest.approx(0.5, abs=0.08)
    assert 0.3 < area.max() < 0.42
    for image in erased[area > 0][:20, ..., 0]:
        rows, columns = np.nonzero(image.any(1))[0], np.nonzero(image.any(0))[0]
        assert image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all(), "a full rectangle"
    assert (erased == 128).any(axis=(0, 3)).mean() > 0.95, "anywhere"


class TestMix:
    labels = np.arange(16) % 4

    def mixed(self, images, **fields):
        pixels, targets = mix(images, self.labels, key(), Augmentation(**fields), classes=4)
        assert pixels.dtype == "uint8"
        assert targets.dtype == "float32"
        np.testing.assert_allclose(targets.numpy().sum(1), 1, atol=1e-6)
        return pixels.numpy(), targets.numpy()

    @staticmethod
    def coloured() -> np.ndarray:
        """One plain colour an image, so that a pixel names its image: 0, 16, ... 240."""
        return np.tile((16 * np.arange(16, dtype=np.uint8))[:, None, None, None], (1, HEIGHT, WIDTH, 3))

    def test_cutmix_shares_are_those_of_the_pixels(self):
        pixels, targets = self.mixed(self.coloured(), cutmix=1.0)
        sources = pixels[..., 0] // 16
        counted = np.stack([(self.labels[sources] == c).mean(axis=(1, 2)) for c in range(4)], axis=1)
        np.testing.assert_allclose(targets, counted, atol=1e-6)
        assert (targets.max(1) < 0.99).mean() > 0.3
        assert all(len(np.unique(image)) <= 2 for image in sources)
        assert all(k in image for k, image in enumerate(sources)), "an image keeps some of itself here"

    def test_mixup_shares_are_those_of_the_colours(self):
        pixels, targets = self.mixed(self.coloured(), mixup=1.0)
        values = pixels[:, 0, 0, 0].astype(float)
        assert (pixels == pixels[:, :1, :1, :1]).all()
        for k, (value, target) in enumerate(zip(values, targets, strict=True)):
            own = target[self.labels[k]]
            if own < 1:  # mixed with another class: some image of it explains the colour
                other = np.flatnonzero(self.labels == np.argsort(target)[np.argsort(target) != self.labels[k]][-1])
                assert np.abs(own * 16 * k + (1 - own) * 16 * other - value).min() <= 0.51

    def test_both_give_each_image_one_of_them(self):
        pixels, targets = self.mixed(self.coloured(), mixup=1.0, cutmix=1.0)
        kinds = [len(np.unique(image)) for image in pixels]
        assert set(kinds) == {1, 2}
        assert (pixels[np.array(kinds) == 1][:, 0, 0, 0] % 16 > 0).any()
        assert (targets.max(1) < 0.99).any()

    @pytest.mark.parametrize(("alpha", "low", "high"), [(0.01, 0.9, 1), (0.1, 0.5, 0.75), (1.0, 0.0, 0.05)])
    def test_a_small_alpha_leaves_most_images_whole(self, alpha, low, high):
        many, labels = np.zeros((600, 4, 4, 3), np.uint8), np.arange(600)
        _, targets = mix(many, labels, key(), Augmentation(mixup=alpha), classes=600)
        assert np.isfinite(targets).all()
        assert low <= (targets.numpy().max(1) > 0.99).mean() <= high

    def test_partners_are_not_neighbours(self):
        pixels, _ = self.mixed(self.coloured(), cutmix=1.0)
        sources = [set(np.unique(image // 16)) - {k} for k, image in enumerate(pixels[..., 0])]
        steps = {(int(other) - k) % 16 for k, others in enumerate(sources) for other in others}
        assert len(steps) > 3, "drawn, not the next one or the mirrored one"


class TestBoxes:
    """A white rectangle on grey: after any change its extent and its box agree."""

    n = 48

    def drawn(self, small: bool = False):
        rng = np.random.default_rng(3)
        images = np.full((self.n, HEIGHT, WIDTH, 3), 128, np.uint8)
        boxes = np.zeros((self.n, 3, 4), np.float32)
        for image, box in zip(images, boxes, strict=True):
            wide, high = rng.integers(12, 24, 2)
            left, top = rng.integers(0, WIDTH - wide), rng.integers(0, HEIGHT - high)
            image[top : top + high, left : left + wide] = 255
            box[0] = left / WIDTH, top / HEIGHT, (left + wide) / WIDTH, (top + high) / HEIGHT
        return images, boxes, np.tile([True, False, False], (self.n, 1))

    @pytest.mark.parametrize(
        "how",
        [
            Augmentation(),
            Augmentation(flip_horizontal=True),
            Augmentation(flip_vertical=True),
            Augmentation(translate=0.4),
            Augmentation(zoom=0.4),
            Augmentation(crop=0.8),
            Augmentation(rotate=0.1),
            Augmentation(shear=0.4),
            Augmentation(crop=0.5, flip_horizontal=True, flip_vertical=True, zoom=0.2, translate=0.2, rotate=0.02),
            Augmentation(crop=0.5, zoom=0.2, interpolation="nearest"),
        ],
    )
    def test_go_where_the_pixels_go(self, how):
        images, boxes, valid = self.drawn()
        pixels, moved, kept = (np.asarray(x) for x in augment_boxes(images, boxes, valid, key(), how))
        assert moved.shape == boxes.shape
        assert moved.dtype == np.float32
        assert kept[:, 0].mean() > 0.5
        assert not kept[:, 1:].any(), "padding stays padding"
        assert (moved[~kept] == 0).all()
        assert ((moved >= 0) & (moved <= 1)).all()
        for image, box in zip(pixels[kept[:, 0]], moved[kept[:, 0], 0], strict=True):
            bright = image[..., 0] > 191
            rows, columns = np.nonzero(bright.any(1))[0], np.nonzero(bright.any(0))[0]
            extent = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
            difference = np.abs(extent - box * [WIDTH, HEIGHT, WIDTH, HEIGHT])
            if how.rotate or how.shear:  # the border cuts corners off that the box still counts
                difference = difference[((box > 0) & (box < 1)).all()]
            assert difference.max(initial=0) <= 1.5
        assert how == Augmentation() or (np.abs(moved - boxes)[kept] > 0.02).any()

    def test_what_is_hardly_seen_is_dropped(self):
        images, boxes, valid = self.drawn()
        whole = (images[..., 0] == 255).sum((1, 2))
        how = Augmentation(translate=0.9)
        kept, seen = {}, None
        for visible in (0.25, 0.75):
            pixels, _, flags = augment_boxes(images, boxes, valid, key(), how, visible=visible)
            kept[visible] = np.asarray(flags)[:, 0]
            seen = (np.asarray(pixels)[..., 0] > 191).sum((1, 2)) / whole
            assert (seen[kept[visible]] > visible - 0.12).all()
            assert (seen[~kept[visible]] < visible + 0.12).all()
        assert kept[0.25].sum() > kept[0.75].sum() > 0
        assert not kept[0.25].all()

    def test_no_second_object_comes_in_from_outside(self):
        images, boxes, valid = self.drawn()
        pixels = np.asarray(augment_boxes(images, boxes, valid, key(), Augmentation(zoom=0.9, translate=0.5))[0])
        assert (pixels >= 127).all(), "outside is grey"
        mirrored = changed(images, Augmentation(zoom=0.9, translate=0.5))
        assert (mirrored > 191).sum() > 1.2 * (pixels > 191).sum(), "a mirror would show more of it"

    def test_colours_and_erasing_leave_boxes(self):
        images, boxes, valid = self.drawn()
        how = Augmentation(contrast=0.3, brightness=0.1, hue=0.1, noise=0.02, erase=0.5)
        pixels, moved, kept = augment_boxes(images, boxes, valid, key(), how)
        np.testing.assert_array_equal(moved, boxes)
        np.testing.assert_array_equal(kept, valid)
        assert (np.asarray(pixels) != images).any()

    def test_mixing_is_refused(self):
        with pytest.raises(ValueError, match="boxes have none; set both to 0"):
            augment_boxes(*self.drawn(), key(), Augmentation(mixup=0.2))


@pytest.mark.parametrize(
    ("name", "fields", "why"),
    [
        ("A0", {"flip_vertical": True, "rotate": 0.125, "zoom": 0.2, "translate": 0.2}, "geometry alone"),
        (
            "A1",
            {
                "flip_vertical": True,
                "rotate": 0.125,
                "zoom": 0.2,
                "translate": 0.2,
                "contrast": 0.2,
                "brightness": 0.2,
                "shear": 0.1,
            },
            "A0 with colours",
        ),
        (
            "A2",
            {
                "rotate": 0.125,
                "zoom": 0.25,
                "translate": 0.25,
                "contrast": 0.6,
                "brightness": 0.05,
                "shear": 0.15,
            },
            "as for flowers at 224 px, trained from scratch",
        ),
        (
            "A3",
            {
                "flip_vertical": True,
                "rotate": 0.25,
                "zoom": 0.25,
                "translate": 0.25,
                "contrast": 0.2,
                "brightness": 0.25,
                "shear": 0.06,
            },
            "plant-village at 224 px",
        ),
        (
            "A4",
            {
                "rotate": 0.125,
                "zoom": 0.2,
                "translate": 0.25,
                "contrast": 0.6,
                "brightness": 0.05,
                "shear": 0.15,
                "hue": 0.04,
            },
            "persons",
        ),
    ],
)
def test_st_recipes(name, fields, why, images):
    assert ST_RECIPES[name] == Augmentation(flip_horizontal=True, interpolation="nearest", **fields), why
    assert changed(images, ST_RECIPES[name]).shape == images.shape


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"zoom": -0.1}, "zoom must be at least 0 and less than 1, not -0.1"),
        ({"zoom": 1}, "zoom must be at least 0"),
        ({"crop": 1.0}, "crop must be at least 0 and less than 1"),
        ({"erase": 2}, "erase must be"),
        ({"mixup": -1.0}, "mixup must be at least 0 and less than inf"),
        ({"cutmix": 1e-4}, "cutmix must be 0 or at least 0.01, not 0.0001"),
        ({"hue": math.nan}, "hue must be"),
        ({"interpolation": "cubic"}, "choose from bilinear, nearest"),
    ],
)
def test_limits_are_checked(fields, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**fields)
