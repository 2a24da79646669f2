import io
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from mbhelpers.data.folder import (
    class_folders,
    files_below,
    fingerprint_of,
    list_images,
    look,
    perceptual_hash,
    scan,
)


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
    assert images.modes.tolist() == ["RGB"] * 5
    assert images.official is None
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
        ("__MACOSX/a.png", False, "what macOS adds to an archive"),
    ],
)
def test_places(two, draw, place, found, why):
    (two / place).parent.mkdir(parents=True, exist_ok=True)
    draw(99).save(two / place)
    images = scan(two)
    assert (place in images.paths) is found, why
    assert images.classes == ("cat", "dog")
    assert images.skipped == ()


def test_a_picture_beside_the_class_folders_is_reported(two, draw):
    draw(99).save(two / "a.png")
    assert scan(two).skipped == (("a.png", "lies in no class folder"),)


class TestListing:
    def test_it_lists_what_scan_reads(self, two, draw):
        (two / "cat" / "deep").mkdir()
        draw(98).save(two / "cat" / "deep" / "b.PNG")
        draw(99).save(two / "a.png")
        (two / "dog" / "notes.txt").write_text("hello")
        (two / "cat" / ".hidden.png").touch()
        listed, scanned = list_images(two), scan(two)
        assert listed.classes == scanned.classes and listed.skipped == scanned.skipped
        assert listed.paths.tolist() == scanned.paths.tolist()
        assert listed.labels.tolist() == scanned.labels.tolist()
        names = [listed.classes[k] for k in listed.labels]
        assert fingerprint_of(names[::-1], scanned.sha256.tolist()[::-1]) == scanned.fingerprint

    def test_it_opens_no_file(self, two):
        (two / "cat" / "cut.png").write_bytes(b"cut")
        assert "cat/cut.png" in list_images(two).paths

    def test_a_class_without_any_image(self, two):
        empty_class(two)
        (two / "dog" / "notes.txt").write_text("hello")
        with pytest.raises(ValueError, match=r"dog has no readable image \(left out: not an image file name"):
            list_images(two)


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
        (empty_folder, "has no class folders and no images; a classifier needs two or more", "an empty folder"),
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


@pytest.mark.parametrize(
    ("names", "message", "why"),
    [
        (
            ("train", "val"),
            r"train, val, the parts of a set that is split already.*pass one of them, such as .*train$",
            "",
        ),
        (("Test", "Training", "valid"), "Test, Training, valid, the parts of a set", "Roboflow's name for validation"),
        (("images", "labels"), "images and labels, as sets with boxes have", "YOLO's layout"),
        (("train", "tram"), None, "a class of vehicles"),
        (("images", "textures"), None, "a class by that name"),
    ],
)
def test_folders_that_are_no_classes(two, names, message, why):
    for folder in list(two.iterdir()):
        shutil.rmtree(folder)
    for name in names:
        (two / name / "cat").mkdir(parents=True)
    if message is None:
        assert class_folders(two) == names, why
        return
    with pytest.raises(ValueError, match=message):
        scan(two)


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


def test_modes_as_stored(two, draw):
    for mode, name in (("L", "grey.png"), ("CMYK", "print.jpg"), ("P", "palette.png"), ("RGBA", "glass.png")):
        draw(7).convert(mode).save(two / "dog" / name)
    images = scan(two)
    found = dict(zip(images.paths.tolist(), images.modes.tolist(), strict=True))
    assert found == {
        **{name: "RGB" for name in found if "_" in name},
        "dog/glass.png": "RGBA",
        "dog/grey.png": "L",
        "dog/palette.png": "P",
        "dog/print.jpg": "CMYK",
    }


# ---- Looking at listed files


def test_look_goes_by_the_list(two, draw):
    draw(50).save(two / "é 1.png")
    names = ["dog/dog_001.png", "é 1.png", "cat/cat_000.png"]
    looks = look(two, names)
    assert looks.paths.tolist() == names, "in the order asked for"
    scanned = scan(two)
    place = scanned.paths.tolist().index("dog/dog_001.png")
    for column in ("sha256", "phash", "thumbnails", "sizes", "modes"):
        np.testing.assert_array_equal(getattr(looks, column)[0], getattr(scanned, column)[place], column)


def test_look_reports_what_it_leaves_out(two):
    (two / "cat" / "empty.jpg").touch()
    (two / "cat" / "folder.jpg").mkdir()
    looks = look(two, ["cat/absent.png", "cat/empty.jpg", "cat/cat_001.png", "cat/folder.jpg"])
    assert looks.paths.tolist() == ["cat/cat_001.png"]
    assert looks.skipped == (
        ("cat/absent.png", "not there"),
        ("cat/empty.jpg", "empty file"),
        ("cat/folder.jpg", "not a file"),
    )


@pytest.mark.parametrize("names", [[], ["absent.png"]])
def test_nothing_to_look_at(two, names):
    looks = look(two, names)
    assert len(looks) == 0
    assert looks.thumbnails.shape == (0, 24, 24)
    assert looks.sizes.shape == (0, 2)
    assert looks.phash.dtype == np.uint64


def test_files_below_lists_all_but_hidden_ones(two):
    (two / "dog" / "a").mkdir()
    (two / "dog" / "a" / "notes.txt").touch()
    (two / "dog" / "a-b.png").touch()
    (two / "dog" / ".hidden").mkdir()
    (two / "dog" / ".hidden" / "x.png").touch()
    (two / "dog" / ".x.png").touch()
    assert files_below(two, "dog") == ["dog/a/notes.txt", "dog/a-b.png", "dog/dog_000.png", "dog/dog_001.png"]
    assert len(files_below(two)) == 7


# ---- Links


@pytest.fixture
def outside(tmp_path, draw):
    place = tmp_path / "outside"
    place.mkdir()
    draw(80).save(place / "secret.png")
    return place


OUT = "a link that leads out of the data folder; put the file itself there, as cp -rL does"


@pytest.mark.parametrize(
    ("link", "target", "said", "why"),
    [
        ("cat/link.png", "outside/secret.png", OUT, "a file elsewhere"),
        ("cat/up.png", "two/../outside/secret.png", OUT, "there and back again"),
        ("cat/deeper", "outside", OUT, "a folder elsewhere is not entered"),
        ("cat/broken.png", "outside/absent.png", OUT, "elsewhere, and nothing there"),
        ("cat/lost.png", "two/absent.png", "not there", "within, and nothing there"),
        ("cat/loop.png", "two/cat/loop.png", "not there", "a link to itself"),
        ("cat/deeper", "two/dog", "not an image file name", "a linked folder would be read twice"),
        ("cat/again.png", "two/dog/dog_001.png", None, "a file of the data itself"),
    ],
)
def test_links(two, outside, link, target, said, why):
    (two / link).symlink_to(two.parent / target)
    images = scan(two)
    reasons = dict(images.skipped)
    if said is None:
        assert link in images.paths, why
        assert not reasons
    else:
        assert len(images) == 5, why
        assert [*reasons] == [link]
        assert said in reasons[link], why


def test_the_reason_is_that_of_the_class(two):
    (two / "cat" / "notes.txt").touch()
    broken_class(two)
    with pytest.raises(ValueError, match=r"dog has no readable image \(left out: empty file\)"):
        scan(two)


def test_a_linked_class_folder_is_refused(two, outside):
    (two / "emu").symlink_to(outside, target_is_directory=True)
    with pytest.raises(ValueError, match=rf"class folder .*emu has no readable image \(left out: {OUT}\)"):
        scan(two)


def test_the_data_folder_may_be_a_link(two, tmp_path):
    place = tmp_path / "elsewhere"
    place.symlink_to(two, target_is_directory=True)
    images = scan(place)
    assert len(images) == 5
    assert images.fingerprint == scan(two).fingerprint


def test_a_named_pipe_is_not_waited_for(two):
    os.mkfifo(two / "cat" / "pipe.png")
    assert scan(two).skipped == (("cat/pipe.png", "not a file"),)


def test_a_name_that_is_not_utf8(two):
    shutil.copyfile(two / "cat" / "cat_000.png", os.fsencode(two) + b"/cat/caf\xe9.png")
    assert scan(two).skipped == (("cat/caf\\udce9.png", "its name is not UTF-8"),)
