import numpy as np
import pytest

from mbhelpers.data.pipeline import check_pixels, load_images, steps_per_epoch
from mbhelpers.preprocessing import preset

OURS = preset("mbhelpers", 32)


def test_load_images_keeps_the_order(tmp_path, make_folder):
    make_folder(tmp_path, {"cat": 20})
    names = [f"cat/cat_{i:03d}.png" for i in np.random.default_rng(1).permutation(20)]
    images = load_images(tmp_path, names, OURS)
    assert images.shape == (20, 32, 32, 3)
    assert images.dtype == np.uint8
    for name, image in zip(names, images, strict=True):
        np.testing.assert_array_equal(image, OURS.load(tmp_path / name))


def test_load_images_takes_an_array_of_names(tmp_path, make_folder):
    make_folder(tmp_path, {"cat": 2})
    names = np.array(["cat/cat_001.png", "cat/cat_000.png"])
    np.testing.assert_array_equal(load_images(tmp_path, names, OURS), load_images(tmp_path, list(names), OURS))


def test_load_images_names_the_bad_one(tmp_path, make_folder):
    make_folder(tmp_path, {"cat": 3})
    (tmp_path / "cat" / "cat_001.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"cat_001\.png is not a readable image"):
        load_images(tmp_path, [f"cat/cat_{i:03d}.png" for i in range(3)], OURS)
    with pytest.raises(ValueError, match=r"no image at .*gone\.png"):
        load_images(tmp_path, ["cat/gone.png"], OURS)


def test_load_images_needs_some(tmp_path):
    with pytest.raises(ValueError, match=r"no images to load from .*check the split"):
        load_images(tmp_path, [], OURS)


@pytest.mark.parametrize(
    ("images", "resolution", "came", "why"),
    [
        (np.zeros((2, 8, 8, 3), np.float32), None, "float32 (2, 8, 8, 3)", "scaled already, or never uint8"),
        (np.zeros((2, 8, 8, 3), np.int8), None, "int8", "the range of a board, not of a file"),
        (np.zeros((8, 8, 3), np.uint8), None, "(8, 8, 3)", "one image without a batch axis"),
        (np.zeros((2, 8, 8), np.uint8), None, "(2, 8, 8)", "grey"),
        (np.zeros((2, 8, 8, 4), np.uint8), None, "(2, 8, 8, 4)", "transparency"),
        (np.zeros((2, 3, 8, 8), np.uint8), None, "(2, 3, 8, 8)", "channels first"),
        (np.zeros((2, 8, 8, 3), np.uint8), 16, "(2, 8, 8, 3)", "another size than the model's"),
        (np.zeros((2, 16, 8, 3), np.uint8), 16, "(2, 16, 8, 3)", "no square"),
    ],
)
def test_check_pixels_says_what_came(images, resolution, came, why):
    with pytest.raises(ValueError) as error:
        check_pixels(images, resolution)
    message = str(error.value)
    assert "must be uint8 pixels 0..255 of shape" in message
    assert came in message, why
    assert "Preprocessing.load" in message, "the way out"
    assert resolution is None or f"(N, {resolution}, {resolution}, 3)" in message


def test_check_pixels_lets_pixels_pass():
    check_pixels(np.zeros((2, 8, 6, 3), np.uint8))
    check_pixels(np.zeros((2, 8, 8, 3), np.uint8), 8)
    check_pixels(np.zeros((0, 8, 8, 3), np.uint8), 8)


@pytest.mark.parametrize(
    ("n", "batch_size", "steps", "why"),
    [
        (64, 64, 1, "one full batch"),
        (127, 64, 1, "the smaller one is dropped"),
        (128, 64, 2, "two full ones"),
        (3, 64, 1, "unless it is the only one"),
    ],
)
def test_steps_per_epoch(n, batch_size, steps, why):
    assert steps_per_epoch(n, batch_size) == steps, why
