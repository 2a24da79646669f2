import contextlib
import io
import json

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
        (4, "RBRB", "mirrored top to bottom"),
        (5, "RRBB", "mirrored along the diagonal: left comes up"),
        (6, "RRBB", "turned right by 90 degrees: left comes up"),
        (7, "BBRR", "mirrored along the other diagonal: right comes up"),
        (8, "BBRR", "turned left by 90 degrees: right comes up"),
    ],
)
@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.png"])
def test_exif_rotation_is_applied(tmp_path, orientation, expected, why, name):
    exif = Image.Exif()
    exif[274] = orientation
    options = {"jpg": {"quality": 95, "subsampling": 0}, "webp": {"lossless": True}, "png": {}}[name[2:]]
    Image.fromarray(RED_LEFT_BLUE_RIGHT).save(tmp_path / name, exif=exif, **options)
    assert "".join(corners(preset("mbhelpers", 8).load(tmp_path / name))) == expected, why


def test_every_exif_rotation_is_the_one_of_the_standard(tmp_path, draw):
    """A picture without any symmetry, against the turn that each number stands for."""
    picture = np.asarray(draw(5, side=16))
    turns = [
        lambda p: p,
        lambda p: p[:, ::-1],
        lambda p: p[::-1, ::-1],
        lambda p: p[::-1],
        lambda p: p.swapaxes(0, 1),
        lambda p: np.rot90(p, -1),
        lambda p: p[::-1, ::-1].swapaxes(0, 1),
        lambda p: np.rot90(p),
    ]
    for orientation, turn in enumerate(turns, 1):
        exif = Image.Exif()
        exif[274] = orientation
        Image.fromarray(picture).save(tmp_path / "a.png", exif=exif)
        np.testing.assert_array_equal(preset("mbhelpers", 16).load(tmp_path / "a.png"), turn(picture))


def test_the_picture_that_came_is_left_as_it_was(draw):
    picture = draw(1, side=32)
    picture.getexif()[274] = 6
    before = np.asarray(picture).copy()
    turned = preset("mbhelpers", 16).fit(picture)
    np.testing.assert_array_equal(np.asarray(picture), before)
    assert (turned != Preprocessing(16).fit(Image.fromarray(before))).any()


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
        ("a.webp", Image.new("RGBA", (8, 8), (77, 77, 77, 250)), (77, 77, 77), "with transparency"),
        ("a.gif", Image.new("RGB", (8, 8), (200, 100, 50)).quantize(4), (200, 100, 50), "and one with a palette"),
        ("a.jpg", Image.new("L", (8, 8), 77), (77, 77, 77), "a grey JPEG has one channel"),
        ("a.tif", Image.new("CMYK", (8, 8), (0, 255, 255, 0)), (255, 0, 0), "print colours in TIFF"),
        ("a.jpg", Image.new("RGB", (1, 1), (77, 77, 77)), (77, 77, 77), "one pixel is enough"),
    ],
)
def test_every_mode_becomes_rgb(tmp_path, name, picture, expected, why):
    picture.save(tmp_path / name)
    found = preset("mbhelpers", 4).load(tmp_path / name)
    assert found.shape == (4, 4, 3)
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - expected).max() <= 2, why


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("transparent", [0, b"\x00\x80"])
def test_a_palette_with_transparency_keeps_its_colours(tmp_path, transparent):
    picture = Image.fromarray(RED_LEFT_BLUE_RIGHT).quantize(4)
    picture.save(tmp_path / "a.png", transparency=transparent)
    with Image.open(tmp_path / "a.png") as stored:
        assert stored.mode == "P"
        assert "transparency" in stored.info
    assert corners(preset("mbhelpers", 8).load(tmp_path / "a.png")) == ["R", "B", "R", "B"]


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_of_an_animation_the_first_picture_is_taken(tmp_path, name):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=50)
    with Image.open(tmp_path / name) as stored:
        assert stored.n_frames == 3
    assert corners(preset("mbhelpers", 8).load(tmp_path / name)) == ["R"] * 4


class TestAspect:
    @staticmethod
    def marked(width: int, height: int, box: tuple[int, int, int, int]) -> Image.Image:
        """A white rectangle on black; the box in pixels, xyxy."""
        picture = np.zeros((height, width, 3), np.uint8)
        picture[box[1] : box[3], box[0] : box[2]] = 255
        return Image.fromarray(picture)

    @pytest.mark.parametrize("resize", ["bilinear", "nearest"])
    @pytest.mark.parametrize(
        ("aspect", "central"), [("stretch", 1), ("stretch", 0.875), ("crop", 1), ("crop", 0.8), ("pad", 1)]
    )
    @pytest.mark.parametrize(("width", "height"), [(200, 120), (97, 201), (64, 64), (300, 299), (31, 50)])
    def test_a_rectangle_and_its_box_land_together(self, aspect, central, resize, width, height):
        contract = Preprocessing(64, resize, mean=0.0, aspect=aspect, central=central)
        left, top, right, bottom = int(width * 0.4), int(height * 0.35), int(width * 0.6), int(height * 0.7)
        white = contract.fit(self.marked(width, height, (left, top, right, bottom)))[..., 0] > 127
        rows, columns = np.nonzero(white.any(1))[0], np.nonzero(white.any(0))[0]
        extent = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        box = np.array([[left / width, top / height, right / width, bottom / height]], np.float32)
        moved = contract.boxes_to_input(box, width, height)
        assert moved.dtype == np.float32
        assert np.abs(64 * moved[0] - extent).max() <= 1
        np.testing.assert_allclose(contract.boxes_to_picture(moved, width, height), box, atol=1e-6)

    @pytest.mark.parametrize(("width", "height"), [(97, 201), (201, 97), (1, 50), (63, 64)])
    def test_a_padded_picture_lies_on_whole_pixels(self, width, height):
        contract = Preprocessing(64, mean=0.0, aspect="pad")
        white = contract.fit(Image.new("RGB", (width, height), (255, 255, 255)))[..., 0]
        rows, columns = np.nonzero(white.any(1))[0], np.nonzero(white.any(0))[0]
        extent = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        whole = contract.boxes_to_input(np.float32([0, 0, 1, 1]), width, height)
        np.testing.assert_allclose(64 * whole, extent, atol=1e-4)

    def test_what_each_shows(self):
        wide = Image.fromarray(RED_LEFT_BLUE_RIGHT).resize((80, 20), Image.Resampling.NEAREST)
        brush = np.array(wide)
        brush[:, :20], brush[:, 60:] = (0, 255, 0), (0, 255, 0)
        wide = Image.fromarray(brush)
        assert corners(Preprocessing(16).fit(wide)) == ["G"] * 4, "all of it"
        assert corners(Preprocessing(16, aspect="crop").fit(wide)) == ["R", "B", "R", "B"], "the middle"
        padded = Preprocessing(16, aspect="pad").fit(wide)
        assert (padded[:6] == 128).all()
        assert (padded[10:] == 128).all()
        assert corners(padded[6:10]) == ["G"] * 4

    @pytest.mark.parametrize("resize", ["bilinear", "nearest"])
    def test_cropping_is_resizing_the_short_side_and_taking_the_middle(self, draw, resize):
        picture = draw(4, side=90).resize((90, 60))
        whole = picture.resize((48, 32), getattr(Image.Resampling, resize.upper()))
        found = Preprocessing(32, resize, aspect="crop").fit(picture)
        np.testing.assert_array_equal(found, whole.crop((8, 0, 40, 32)))

    @pytest.mark.parametrize(
        ("mean", "fill"), [(128.0, 128), (127.5, 128), (0.0, 0), (63.2, 63), (300.0, 255), (-4.0, 0)]
    )
    def test_padding_is_next_to_zero_for_the_network(self, mean, fill):
        padded = Preprocessing(8, mean=mean, aspect="pad").fit(Image.new("RGB", (80, 10), (9, 9, 9)))
        assert padded[0, 0].tolist() == [fill] * 3

    @pytest.mark.parametrize("aspect", ["stretch", "crop", "pad"])
    @pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (32, 32), (33, 32)])
    def test_extreme_sizes(self, aspect, size):
        contract = Preprocessing(32, aspect=aspect)
        assert contract.fit(Image.new("RGB", size, (200, 0, 0))).shape == (32, 32, 3)
        assert (contract.fit(Image.new("RGB", size, (200, 0, 0))) == (200, 0, 0)).all(-1).any()
        moved = contract.boxes_to_input(np.float32([[0, 0, 1, 1]]), *size)
        assert np.isfinite(moved).all()
        assert (moved[:, :2] < moved[:, 2:]).all()

    def test_slim_keeps_the_middle_seven_eighths(self, draw):
        picture = draw(4, side=128).resize((160, 96))
        cut = picture.crop((10, 6, 150, 90))
        difference = np.abs(preset("slim", 64).fit(picture).astype(int) - Preprocessing(64).fit(cut))
        assert difference[1:-1, 1:-1].max() <= 1 and difference.max() < 9, (
            "but for what lies beyond the edge of the cut"
        )

    def test_onnx_is_short_side_256_and_centre_crop_224(self, draw):
        """Exact where the short side is 256 already; else about the same picture, resampled once and not twice."""
        contract = preset("onnx", 224)
        picture = draw(4, side=256).resize((320, 256))
        np.testing.assert_array_equal(contract.fit(picture), np.asarray(picture)[16:240, 48:272])
        larger = draw(4, side=512).resize((640, 512))
        theirs = np.asarray(larger.resize((320, 256), Image.Resampling.BILINEAR).crop((48, 16, 272, 240)))
        difference = np.abs(contract.fit(larger).astype(int) - theirs)
        assert difference.mean() < 0.2 and difference.max() <= 3

    def test_a_picture_of_the_right_size_is_still_cut(self, draw):
        picture = draw(1, side=32)
        assert (Preprocessing(32, central=0.875).fit(picture) != np.asarray(picture)).any()

    def test_bars_have_the_colour_of_the_mean(self):
        contract = Preprocessing(32, mean=(123.675, 300.0, -5.0), aspect="pad")
        assert contract.fill == (124, 255, 0)
        assert (contract.fit(Image.new("RGB", (64, 32)))[[0, -1]] == contract.fill).all()

    def test_a_square_is_the_same_in_all(self, draw):
        pictures = [Preprocessing(32, aspect=a).fit(draw(2, side=64)) for a in ("stretch", "crop", "pad")]
        np.testing.assert_array_equal(pictures[0], pictures[1])
        np.testing.assert_array_equal(pictures[0], pictures[2])


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
    for name in ("nxp", "slim"):
        assert preset(name, 8).normalize(ends).tolist() == [-1, 1]
    black, white = preset("onnx", 8).normalize(np.array([[0, 0, 0], [255, 255, 255]], np.uint8))
    np.testing.assert_allclose(black, [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225], rtol=1e-6)
    np.testing.assert_allclose(white, [0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mbhelpers", "stretch, bilinear, (pixel - 128) / 128"),
        ("slim", "stretch, middle 87.5 %, bilinear, (pixel - 127.5) / 127.5"),
        (
            "onnx",
            "crop, middle 87.5 %, bilinear, (pixel - [123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375]",
        ),
    ],
)
def test_a_contract_in_words(name, expected):
    assert str(preset(name, 224)) == expected


@pytest.mark.parametrize("name", ["st", "onnx"])
def test_a_rescaling_layer_of_the_same_range(name):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3)).astype(np.uint8)
    scale, offset = preset(name, 4).scale_and_offset
    np.testing.assert_allclose(
        pixels * np.array(scale) + np.array(offset), preset(name, 4).normalize(pixels), atol=1e-6
    )


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
    with pytest.raises(ValueError, match="is a folder; pass the images in it"):
        preset("mbhelpers", 8).load(tmp_path)


@pytest.mark.parametrize(
    ("make", "message", "why"),
    [
        (lambda: preset("vgg", 8), "choose from " + ", ".join(PRESETS), "unknown preset lists the known"),
        (lambda: Preprocessing(8, "lanczos"), "choose from nearest, bilinear", "unknown resize likewise"),
        (lambda: Preprocessing(8, aspect="fit"), "choose from stretch, crop, pad", "ST's word for stretch"),
        (lambda: Preprocessing(0), "must be positive", "no pixels"),
        (lambda: Preprocessing(8, std=0.0), "must be positive", "a division by zero later"),
        (lambda: Preprocessing(8, std=(58.0, 0.0, 57.0)), "must be positive", "in one channel"),
        (lambda: Preprocessing(8, mean=(1.0, 2.0)), "mean is one number or three", "two channels"),
        (lambda: Preprocessing(8, central=0.0), "above 0 and up to 1, not 0", "nothing left"),
        (lambda: Preprocessing(8, central=87.5), "above 0 and up to 1, not 87.5", "percent"),
        (lambda: Preprocessing(8, aspect="pad", central=0.875), "'pad' keeps the whole picture", "a contradiction"),
        (lambda: Preprocessing.from_json({"resolution": 8, "crop": 1}), "not a preprocessing record", "unknown"),
        (lambda: Preprocessing.from_json({"mean": 8}), "not a preprocessing record", "missing field"),
    ],
)
def test_errors(make, message, why):
    with pytest.raises(ValueError) as error:
        make()
    assert message in str(error.value), why


@pytest.mark.parametrize("contract", [Preprocessing(96, "nearest", 127.5, 63.0, "pad"), preset("onnx", 96)])
def test_json_comes_back(contract):
    assert Preprocessing.from_json(json.loads(json.dumps(contract.to_json()))) == contract


def test_a_record_from_before_there_was_an_aspect_means_stretch():
    old = {"resolution": 96, "resize": "nearest", "mean": 127.5, "std": 127.5}
    assert Preprocessing.from_json(old) == Preprocessing(96, "nearest", 127.5, 127.5, "stretch")


def test_a_record_from_before_there_was_a_central_share_means_all_of_it():
    old = {"resolution": 96, "resize": "nearest", "mean": 127.5, "std": 127.5, "aspect": "crop"}
    assert Preprocessing.from_json(old) == Preprocessing(96, "nearest", 127.5, 127.5, "crop", 1.0)


def test_changed_keeps_what_is_none():
    contract = preset("st", 96)
    assert contract.changed(None, None, None) == contract
    assert contract.changed("bilinear", 0.0, None) == Preprocessing(96, "bilinear", 0.0, 127.5)
    assert contract.changed(None, None, None, "crop") == Preprocessing(96, "nearest", 127.5, 127.5, "crop")
