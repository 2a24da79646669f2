import errno
import os
from dataclasses import replace

import numpy as np
import pytest

from mbhelpers.data import pipeline
from mbhelpers.data.pipeline import check_pixels, load_images, steps_per_epoch
from mbhelpers.preprocessing import Preprocessing, preset

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


class TestCache:
    names = tuple(f"cat/cat_{i:03d}.png" for i in range(6))

    @pytest.fixture
    def root(self, tmp_path, make_folder):
        return make_folder(tmp_path / "pictures", {"cat": 6})

    @pytest.fixture
    def decoded(self, monkeypatch):
        """The names of the files that were decoded."""
        seen = []
        kept = Preprocessing.load
        monkeypatch.setattr(Preprocessing, "load", lambda self, path: seen.append(path.name) or kept(self, path))
        return seen

    @pytest.fixture(autouse=True)
    def few_at_once(self, monkeypatch):
        monkeypatch.setattr(pipeline, "_AT_ONCE", 4)

    def test_holds_the_same_images(self, root, tmp_path):
        images = load_images(root, self.names, OURS, tmp_path / "cache")
        np.testing.assert_array_equal(images, load_images(root, self.names, OURS))
        assert images.dtype == np.uint8
        assert isinstance(images, np.memmap), "on disk, not in memory"
        assert not images.flags.writeable
        assert len(os.listdir(tmp_path / "cache")) == 1, "one whole file"

    def test_is_read_the_next_time(self, root, tmp_path, decoded):
        first = load_images(root, self.names, OURS, tmp_path)
        assert sorted(decoded) == [name[4:] for name in self.names]
        decoded.clear()
        np.testing.assert_array_equal(load_images(root, np.array(self.names), OURS, tmp_path), first)
        same_pixels = replace(OURS, std=64.0)
        assert not decoded
        load_images(root, self.names, same_pixels, tmp_path)
        assert not decoded, "the value range is the model's affair"

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            (lambda root, names: (names, preset("mbhelpers", 16)), "another size"),
            (lambda root, names: (names, preset("st", 32)), "another resize method"),
            (lambda root, names: (names, replace(OURS, aspect="crop")), "another aspect"),
            (lambda root, names: (names, replace(OURS, aspect="pad")), "another aspect"),
            (lambda root, names: (names[::-1], OURS), "another order"),
            (lambda root, names: (names[:-1], OURS), "fewer"),
            (lambda root, names: (os.utime(root / names[0], (1, 1)), (names, OURS))[1], "a file written anew"),
        ],
    )
    def test_of_anything_else_is_not_taken(self, root, tmp_path, decoded, change, why):
        load_images(root, self.names, OURS, tmp_path)
        decoded.clear()
        names, contract = change(root, self.names)
        images = load_images(root, names, contract, tmp_path)
        assert len(decoded) == len(names), why
        np.testing.assert_array_equal(images, load_images(root, names, contract))

    @pytest.mark.parametrize(
        ("damage", "why"),
        [
            (lambda content: content[:-1], "one byte short"),
            (lambda content: content[:100], "cut in the header"),
            (lambda content: b"", "empty"),
            (lambda content: b"x" * len(content), "another format"),
        ],
    )
    def test_damaged_is_made_again(self, root, tmp_path, decoded, capsys, damage, why):
        whole = np.array(load_images(root, self.names, OURS, tmp_path / "cache"))
        [file] = (tmp_path / "cache").iterdir()
        file.write_bytes(damage(file.read_bytes()))
        decoded.clear()
        np.testing.assert_array_equal(load_images(root, self.names, OURS, tmp_path / "cache"), whole)
        assert len(decoded) == 6, why
        assert f"{file} is damaged; decoding the images again" in capsys.readouterr().out

    def test_a_full_disk_is_one_error_and_leaves_nothing(self, root, tmp_path, monkeypatch):
        kept = Preprocessing.load

        def fill_up(self, path):
            if path.name == "cat_005.png":
                raise OSError(errno.ENOSPC, "No space left on device")
            return kept(self, path)

        monkeypatch.setattr(Preprocessing, "load", fill_up)
        with pytest.raises(ValueError, match=r"cannot keep 0\.00 GB of images in .*No space left .*do without a cache"):
            load_images(root, self.names, OURS, tmp_path / "cache")
        assert not os.listdir(tmp_path / "cache")

    def test_a_bad_image_is_named_and_leaves_nothing(self, root, tmp_path):
        (root / self.names[5]).write_bytes(b"")
        with pytest.raises(ValueError, match=r"cat_005\.png is not a readable image"):
            load_images(root, self.names, OURS, tmp_path / "cache")
        assert not os.listdir(tmp_path / "cache")
        with pytest.raises(ValueError, match=r"no image at .*gone\.png; check the path"):
            load_images(root, ["gone.png"], OURS, tmp_path / "cache")

    def test_a_file_in_the_way_is_an_error(self, root, tmp_path):
        (tmp_path / "cache").write_text("")
        with pytest.raises(ValueError, match=r"cannot keep .* in .*cache"):
            load_images(root, self.names, OURS, tmp_path / "cache")


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
