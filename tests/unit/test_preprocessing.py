import contextlib
import io

import numpy as np
import pytest
from PIL import Image

from mbhelpers.preprocessing import PRESETS, Preprocessing, preset

RED_LEFT_BLUE_RIGHT = np.zeros((8, 8, 3), np.uint8)
RED_LEFT_BLUE_RIGHT[:, :4, 0] = 255
RED_LEFT_BLUE_RIGHT[:, 4:, 2] = 255


def corners(pixels: np.ndarray) -> list[str]:
    """The strongest channel of the four corners, row by row."""
    return ["RGB"[int(pixels[y, x].argmax())] for y in (0, -1) for x in (0, -1)]


@pytest.mark.parametrize(
    ("resize", "expected", "why"),
    [
        ("bilinear", 127.5, "antialiased: every pixel counts, stripes become their mean"),
        ("nearest", 0.0, "one pixel of each 2 x 2 is taken as it is, here always a black one"),
    ],
)
def test_resize(resize, expected, why):
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    found = Preprocessing(32, resize).fit(Image.fromarray(stripes))
    assert found.shape == (32, 32, 3)
    assert found.dtype == np.uint8
    assert abs(float(found[:, 2:-2].mean()) - expected) <= 1, why


def test_a_picture_is_stretched_not_cropped():
    wide = Image.fromarray(RED_LEFT_BLUE_RIGHT).resize((40, 10))
    assert corners(preset("mbhelpers", 16).fit(wide)) == ["R", "B", "R", "B"]


def test_the_right_size_is_left_alone(draw):
    picture = draw(1, side=32)
    for resize in ("bilinear", "nearest"):
        np.testing.assert_array_equal(Preprocessing(32, resize).fit(picture), np.asarray(picture))


@pytest.mark.parametrize(
    ("orientation", "expected", "why"),
    [
        (1, "RBRB", "upright: red left, blue right"),
        (2, "BRBR", "mirrored"),
        (3, "BRBR", "upside down"),
        (6, "RRBB", "turned right by 90 degrees: left comes up"),
        (8, "BBRR", "turned left by 90 degrees: right comes up"),
    ],
)
def test_exif_rotation_is_applied(tmp_path, orientation, expected, why):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(RED_LEFT_BLUE_RIGHT).save(tmp_path / "a.jpg", exif=exif, quality=95, subsampling=0)
    assert "".join(corners(preset("mbhelpers", 8).load(tmp_path / "a.jpg"))) == expected, why


@pytest.mark.parametrize(
    ("name", "picture", "expected", "why"),
    [
        ("a.png", Image.new("RGBA", (8, 8), (200, 100, 50, 128)), (200, 100, 50), "transparency is dropped"),
        ("a.png", Image.new("L", (8, 8), 77), (77, 77, 77), "grey becomes three equal channels"),
        ("a.png", Image.new("LA", (8, 8), (77, 10)), (77, 77, 77), "grey with transparency too"),
        ("a.png", Image.new("1", (8, 8), 1), (255, 255, 255), "a bit is black or white"),
        ("a.png", Image.new("RGB", (8, 8), (200, 100, 50)).quantize(4), (200, 100, 50), "a palette is looked up"),
        ("a.jpg", Image.new("CMYK", (8, 8), (0, 255, 255, 0)), (255, 0, 0), "print colours are converted"),
        ("a.png", Image.fromarray(np.full((8, 8), 128 * 257, np.uint16)), (128, 128, 128), "16 bits are scaled"),
        ("a.png", Image.fromarray(np.full((8, 8), 65535, np.uint16)), (255, 255, 255), "16-bit white stays white"),
        ("a.bmp", Image.new("RGB", (8, 8), (200, 100, 50)), (200, 100, 50), "another container"),
        ("a.webp", Image.new("RGB", (8, 8), (77, 77, 77)), (77, 77, 77), "and another"),
    ],
)
def test_every_mode_becomes_rgb(tmp_path, name, picture, expected, why):
    picture.save(tmp_path / name)
    found = preset("mbhelpers", 4).load(tmp_path / name)
    assert found.shape == (4, 4, 3)
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - expected).max() <= 2, why


def test_normalize_is_exact_for_every_pixel():
    pixels = np.arange(256, dtype=np.uint8)
    values = preset("mbhelpers", 8).normalize(pixels)
    assert values.dtype == np.float32
    # Scale 1/128 and zero-point 128: powers of two, so the float32 values are the fractions themselves.
    assert [float(v) for v in values] == [(p - 128) / 128 for p in range(256)]
    np.testing.assert_array_equal(np.round(values * 128 + 128), pixels)


def test_presets_differ_where_their_authors_do():
    ends = np.array([0, 255], np.uint8)
    assert preset("mbhelpers", 8).normalize(ends).tolist() == [-1, 127 / 128]
    for name in ("st", "keras"):
        assert preset(name, 8).normalize(ends).tolist() == [-1, 1]
    assert preset("st", 8).resize == "nearest"
    assert preset("keras", 8).resize == "bilinear"


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.fixture(scope="module")
def jpeg(draw) -> bytes:
    exif = Image.Exif()
    exif[256] = 99
    exif[274] = 6
    stream = io.BytesIO()
    draw(3).save(stream, "JPEG", exif=exif)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (cut, "a download that stopped"),
        (lambda _: b"", "an empty file"),
        (lambda _: b"<html>404</html>", "an error page under an image's name"),
        (lambda content: content[:2], "nothing but the first bytes"),
    ],
)
def test_a_bad_image_is_named(tmp_path, jpeg, change, why):
    path = tmp_path / "a.jpg"
    path.write_bytes(change(jpeg))
    with pytest.raises(ValueError, match=r"a\.jpg is not a readable image .*replace or remove it"):
        preset("mbhelpers", 8).load(path)


def test_damaged_exif_is_an_error_of_ours(tmp_path, jpeg):
    """One flipped byte: the width's type becomes text, and Pillow can't write the block of the turned picture back."""
    assert jpeg.count(b"\x01\x00\x00\x04") == 1  # tag 256, ImageWidth; type 4, a number
    (tmp_path / "a.jpg").write_bytes(jpeg.replace(b"\x01\x00\x00\x04", b"\x01\x00\x00\x02"))
    # struct.error, as Pillow 13 raises it, would end a whole scan; a Pillow that reads the picture is welcome.
    with contextlib.suppress(ValueError):
        assert preset("mbhelpers", 8).load(tmp_path / "a.jpg").shape == (8, 8, 3)


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no image at .*absent\.jpg"):
        preset("mbhelpers", 8).load(tmp_path / "absent.jpg")
    with pytest.raises(ValueError, match="is not a readable image"):
        preset("mbhelpers", 8).load(tmp_path)


@pytest.mark.parametrize(
    ("make", "message", "why"),
    [
        (lambda: preset("slim", 8), "choose from " + ", ".join(PRESETS), "unknown preset lists the known"),
        (lambda: Preprocessing(8, "lanczos"), "choose from nearest, bilinear", "unknown resize likewise"),
        (lambda: Preprocessing(0), "must be positive", "no pixels"),
        (lambda: Preprocessing(8, std=0.0), "must be positive", "a division by zero later"),
        (lambda: Preprocessing.from_json({"resolution": 8, "crop": 1}), "not a preprocessing record", "unknown"),
        (lambda: Preprocessing.from_json({"mean": 8}), "not a preprocessing record", "missing field"),
    ],
)
def test_errors(make, message, why):
    with pytest.raises(ValueError) as error:
        make()
    assert message in str(error.value), why


def test_json_comes_back():
    contract = Preprocessing(96, "nearest", 127.5, 63.0)
    assert Preprocessing.from_json(contract.to_json()) == contract


def test_changed_keeps_what_is_none():
    contract = preset("st", 96)
    assert contract.changed(None, None, None) == contract
    assert contract.changed("bilinear", 0.0, None) == Preprocessing(96, "bilinear", 0.0, 127.5)
