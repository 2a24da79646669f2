"""Memory of ST's own files against the figures on ST's cards."""

import pytest

from mbhelpers import settings
from mbhelpers.deployment.boards import published_memory
from mbhelpers.deployment.footprint import KIB, footprint

pytestmark = pytest.mark.real

FLOWERS = "st_flowers/mobilenet_v2_0.35_{}_fft_int8.tflite"
PERSONS = "st_ssd_person/ssd_mobilenet_v2_fpnlite_035_{}_int8.tflite"
CLASSIFIER, DETECTOR = ("mobilenet_v2", 0.35), ("ssd_mobilenet_v2_fpnlite", 0.35)


@pytest.fixture(scope="module")
def peers():
    real = settings.real_folder()
    if real is None:
        pytest.skip("no real files here: set MBHELPERS_REAL to their folder (or lay them in ../shared/real)")
    return real / "peer_models"


@pytest.mark.parametrize(
    ("file", "side", "network", "tool", "options", "flash", "ram", "why"),
    [
        (FLOWERS, 128, CLASSIFIER, "8.1.0", {}, 0.01, 0.6, "depthwise layers in place; ours lacks 1 KiB of scratch"),
        (FLOWERS, 224, CLASSIFIER, "8.1.0", {}, 0.01, 0.1, "the same"),
        (PERSONS, 416, DETECTOR, "9.1.0", {"overlap": False}, 0.01, 0.3, "depthwise layers apart"),
        (PERSONS, 192, DETECTOR, "9.1.0", {"overlap": False, "outside": ("outputs",)}, None, 3.0, "outputs apart"),
        (PERSONS, 192, DETECTOR, "10.0.0", {"dequantized": True}, 0.01, 3.4, "anchors stored as floats"),
        (PERSONS, 416, DETECTOR, "10.0.0", {"dequantized": True}, 0.01, None, "its RAM was not found out"),
    ],
)
def test_against_the_cards(peers, file, side, network, tool, options, flash, ram, why):
    found = footprint(peers / file.format(side), **options)
    card = next(line for line in published_memory((*network, side)) if line["stm32cubeai"] == tool)
    if flash is not None:
        assert found.flash / KIB == pytest.approx(float(card["weights_flash"]), rel=flash / 100), why
    if ram is not None:
        assert found.ram / KIB == pytest.approx(float(card["activation_ram"]), rel=ram / 100), why


def test_the_published_flash_of_192_pixels_is_less_than_its_own_weights_and_biases(peers):
    """Of version 9.1.0; so no way to count this file can give it."""
    found = footprint(peers / PERSONS.format(192))
    anchors = 4 * 3845
    assert (found.flash - anchors) / KIB == pytest.approx(1038.7, abs=0.1)
    assert float(published_memory((*DETECTOR, 192))[0]["weights_flash"]) == 984.25
