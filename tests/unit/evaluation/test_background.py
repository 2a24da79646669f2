import numpy as np
import pytest

from mbhelpers.evaluation.background import border_pixel_score, border_pixels


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 9, 7, 3), np.uint8)


LABELS = np.arange(120) % 3
TRAIN, TEST = np.arange(60), np.arange(60, 120)


def test_border_pixels_are_corners_and_middles_of_sides():
    image = np.zeros((1, 9, 7, 3), np.uint8)
    places = [(0, 0), (0, 3), (0, 6), (4, 0), (4, 6), (8, 0), (8, 3), (8, 6)]
    for k, (row, column) in enumerate(places):
        image[0, row, column] = (10 * k + 1, 10 * k + 2, 10 * k + 3)
    found = border_pixels(image)
    assert found.tolist() == [[10 * k + c for k in range(8) for c in (1, 2, 3)]]


def test_a_telling_background_is_found():
    pixels = noise(120)
    pixels[:, 0, :] = (40 * LABELS + 60)[:, None, None]  # the upper border is painted by class
    score = border_pixel_score(pixels, LABELS, TRAIN, TEST)
    assert score["accuracy"] == 1
    assert score["n"] == 60
    assert score["chance"] == pytest.approx(1 / 3)


def test_a_telling_object_is_not_seen():
    pixels = noise(120)
    pixels[:, 2:7, 2:5] = (40 * LABELS + 60)[:, None, None, None]  # the object differs, the border is noise
    score = border_pixel_score(pixels, LABELS, TRAIN, TEST)
    low, high = score["interval"]
    assert low < score["chance"] < high


def test_chance_is_the_best_constant_answer():
    labels = np.zeros(120, np.int64)
    labels[::5] = 1
    assert border_pixel_score(noise(120), labels, TRAIN, TEST)["chance"] == pytest.approx(0.8)


def test_the_same_seed_gives_the_same_score():
    first, second = (border_pixel_score(noise(120), LABELS, TRAIN, TEST, seed=3) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("pixels", "labels", "train", "test", "says", "why"),
    [
        (noise(120) / 255, LABELS, TRAIN, TEST, "uint8", "numbers that are no pixels"),
        (noise(120)[:, :2], LABELS, TRAIN, TEST, "3 pixels or more", "no middle between the corners"),
        (noise(120)[..., :1], LABELS, TRAIN, TEST, "RGB", "grey"),
        (noise(120), LABELS[:-1], TRAIN, TEST, "119 labels", "one label is missing"),
        (noise(120), LABELS, TRAIN, [], "0 to measure on", "nothing to measure on"),
        (noise(120), LABELS, [], TEST, "0 images to learn from", "nothing to learn from"),
        (noise(120), LABELS, TRAIN, TEST - 1, "1 images are in train and in test", "a leak"),
    ],
)
def test_bad_input(pixels, labels, train, test, says, why):
    with pytest.raises(ValueError, match=says):
        border_pixel_score(pixels, labels, train, test)
