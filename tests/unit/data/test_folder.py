import io
import shutil

import numpy as np
import pytest
from PIL import Image

from mbhelpers.data.folder import class_folders, perceptual_hash, scan


@pytest.fixture
def two(tmp_path, make_folder):
    return make_folder(tmp_path / "two", {"cat": 3, "dog": 2})


def jpeg(picture) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG")
    return stream.getvalue()


def test_what_scan_finds(two):
    images = scan(two)
    assert images.classes == ("cat", "dog")
    assert images.paths.tolist() == [
        "cat/cat_000.png",
        "cat/cat_001.png",
        "cat/cat_002.png",
        "dog/dog_000.png",
        "dog/dog_001.png",
    ]
    assert images.labels.tolist() == [0, 0, 0, 1, 1]
    assert images.counts() == {"cat": 3, "dog": 2}
    assert len(images) == 5
    assert len(set(images.sha256.tolist())) == 5
    assert len(set(images.phash.tolist())) == 5
    assert images.thumbnails.shape == (5, 24, 24)
    assert images.sizes.tolist() == [[64, 64]] * 5
    assert images.skipped == ()


@pytest.mark.parametrize(
    ("name", "content", "reason", "why"),
    [
        ("cut.jpg", lambda good: good[: len(good) // 2], "corrupt image", "a download that stopped"),
        ("zero.jpg", lambda good: b"", "empty file", "zero bytes"),
        ("page.jpg", lambda good: b"<html>", "corrupt image", "an error page under an image's name"),
        ("notes.txt", lambda good: b"hello", "not an image file name", "a text file among images"),
        ("Thumbs.db", lambda good: b"\x00", "not an image file name", "what Windows leaves behind"),
        ("clip.gif", lambda good: good, "not an image file name", "a suffix that is not decoded"),
    ],
)
def test_what_is_left_out_is_named(two, draw, name, content, reason, why):
    (two / "cat" / name).write_bytes(content(jpeg(draw(99))))
    images = scan(two)
    assert len(images) == 5, why
    [(skipped, said)] = images.skipped
    assert skipped == f"cat/{name}"
    assert reason in said, why
    assert str(two) not in said, "reports travel; machine paths must not"


def test_everything_left_out_is_counted(two):
    for i in range(7):
        (two / "dog" / f"empty_{i}.png").touch()
    images = scan(two)
    assert len(images.skipped) == 7
    assert images.counts() == {"cat": 3, "dog": 2}


@pytest.mark.parametrize(
    ("place", "found", "why"),
    [
        ("cat/deep/er/a.png", True, "deeper folders belong to their class"),
        ("cat/A.PNG", True, "suffixes in capitals"),
        ("cat/two words é.png", True, "names are not only ASCII"),
        ("cat/.a.png", False, "a hidden file, such as macOS writes beside each picture"),
        ("cat/.ipynb_checkpoints/a.png", False, "a hidden folder in a class"),
        (".hidden/a.png", False, "a hidden folder is no class"),
        ("a.png", False, "a picture beside the class folders has no class"),
    ],
)
def test_places(two, draw, place, found, why):
    (two / place).parent.mkdir(parents=True, exist_ok=True)
    draw(99).save(two / place)
    images = scan(two)
    assert (place in images.paths) is found, why
    assert images.classes == ("cat", "dog")
    assert images.skipped == ()


def no_folder(root):
    shutil.rmtree(root)


def empty_folder(root):
    for name in ("cat", "dog"):
        shutil.rmtree(root / name)


def one_class(root):
    shutil.rmtree(root / "dog")


def empty_class(root):
    for file in (root / "dog").iterdir():
        file.unlink()


def broken_class(root):
    for file in (root / "dog").iterdir():
        file.write_bytes(b"")


def a_file(root):
    shutil.rmtree(root)
    root.write_text("no folder")


@pytest.mark.parametrize(
    ("harm", "message", "why"),
    [
        (no_folder, "no folder at", "the path is wrong"),
        (a_file, "no folder at", "a file in its place"),
        (empty_folder, "has no class folders; a classifier needs two or more", "an empty folder"),
        (one_class, "has only the class folder 'cat'", "one class"),
        (empty_class, "has no readable image; fill or remove it", "a class without files"),
        (broken_class, "dog has no readable image", "a class of which nothing is readable"),
    ],
)
def test_a_folder_that_is_no_data_set(two, harm, message, why):
    harm(two)
    with pytest.raises(ValueError) as error:
        scan(two)
    assert message in str(error.value), why
    assert str(two) in str(error.value), "the message names the folder"


def test_allowed_classes(two):
    assert scan(two, ("bird", "cat", "dog")).classes == ("cat", "dog"), "a subset may be present"
    with pytest.raises(ValueError, match=r"has class folders dog that this dataset has not; its classes are cat, cow"):
        scan(two, ("cat", "cow"))


def test_class_folders(two):
    (two / "LICENSE.txt").touch()
    assert class_folders(two) == ("cat", "dog")


def test_fingerprint_knows_contents_and_classes_only(two, tmp_path, draw):
    before = scan(two).fingerprint
    other = tmp_path / "elsewhere"
    shutil.copytree(two, other)
    for i, file in enumerate(sorted((other / "cat").iterdir(), reverse=True)):
        file.rename(other / "cat" / f"other_{i}.png")
    assert scan(other).fingerprint == before, "neither names nor place count"
    moved = next((other / "cat").iterdir())
    moved.rename(other / "dog" / moved.name)
    assert scan(other).fingerprint != before, "the class does"
    draw(99).save(two / "cat" / "new.png")
    assert scan(two).fingerprint != before, "so does another picture"


def test_stored_size_of_a_turned_picture(two, draw):
    exif = Image.Exif()
    exif[274] = 6
    draw(5).resize((40, 20)).save(two / "cat" / "z.jpg", exif=exif)
    images = scan(two)
    assert images.sizes[images.paths.tolist().index("cat/z.jpg")].tolist() == [40, 20]


def test_perceptual_hash_tells_pictures_apart_but_not_their_encodings(draw):
    hashes = np.array([perceptual_hash(draw(seed)) for seed in range(40)], np.uint64)
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None])[np.triu_indices(40, 1)]
    assert apart.min() > 8
    assert 28 < apart.mean() < 36, "two pictures agree in half of the 64 bits, as coins do"
    for seed in range(10):
        again = perceptual_hash(Image.open(io.BytesIO(jpeg(draw(seed)))))
        assert int(again ^ int(hashes[seed])).bit_count() <= 6
