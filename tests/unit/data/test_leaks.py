"""Pictures that two sets share."""

import json
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageOps

from mbhelpers.data.folder import perceptual_hash, scan
from mbhelpers.data.leaks import LIKELY_BITS, Leak, leaks
from mbhelpers.data.split import make_split, save_split


@pytest.fixture
def sides(tmp_path, make_folder) -> tuple[Path, Path]:
    """Two folders of different pictures, 128 px."""
    a = make_folder(tmp_path / "a", {"cat": 6, "dog": 6}, side=128)
    b = make_folder(tmp_path / "b", {"cat": 6, "dog": 6}, seed=1, side=128)
    return a, b


def test_different_pictures_are_no_leak(sides):
    assert leaks(*sides) == []


def test_exact_and_near_copies_are_found_under_any_name(sides):
    a, b = sides
    (b / "dog" / "deeper").mkdir()
    (b / "dog" / "deeper" / "x.png").write_bytes((a / "cat" / "cat_002.png").read_bytes())
    picture = Image.open(a / "dog" / "dog_004.png")
    ImageEnhance.Brightness(picture).enhance(1.2).resize((100, 100)).save(b / "cat" / "y.jpg", quality=80)
    assert leaks(a, b) == [
        Leak("dog/dog_004.png", "cat/y.jpg", "near"),
        Leak("cat/cat_002.png", "dog/deeper/x.png", "exact"),
    ]


def test_a_folder_shares_everything_with_itself(sides):
    found = leaks(sides[0], sides[0])
    assert len(found) == 12
    assert {leak.kind for leak in found} == {"exact"}
    assert all(leak.a == leak.b for leak in found)


def manifest(folder: Path) -> Path:
    images = scan(folder)
    return save_split(make_split(images, 1), images, folder.parent / f"{folder.name}.json")


def test_a_manifest_stands_for_its_images(sides):
    a, b = sides
    listed = manifest(a)
    (b / "cat" / "same.png").write_bytes((a / "cat" / "cat_001.png").read_bytes())
    Image.open(a / "dog" / "dog_003.png").save(b / "cat" / "encoded.jpg", quality=90)
    wanted = [
        Leak("dog/dog_003.png", "cat/encoded.jpg", "likely"),
        Leak("cat/cat_001.png", "cat/same.png", "exact"),
    ]
    assert leaks(listed, b) == wanted
    assert leaks(listed, manifest(b)) == wanted, "two manifests, no pixels at all"


def test_what_is_neither_is_refused(tmp_path, sides):
    with pytest.raises(ValueError, match=r"nothing at .*absent; pass a folder of images or a manifest"):
        leaks(tmp_path / "absent", sides[0])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no readable image in"):
        leaks(sides[0], tmp_path / "empty")
    for content in ({"images": {"abc": {"path": "x"}}}, {"other": 1}, [1]):
        (tmp_path / "other.json").write_text(json.dumps(content))
        with pytest.raises(ValueError, match=r"other\.json is no split\.json with content and perceptual hashes"):
            leaks(tmp_path / "other.json", sides[0])


def test_a_manifest_of_persons_has_no_hashes(tmp_path, sides):
    entry = {"set": "val", "class": "person", "reason": "x", "file": "person/1.jpg"}
    (tmp_path / "manifest.json").write_text(json.dumps({"rule": {}, "images": {"val2017/1.jpg": entry}}))
    with pytest.raises(ValueError, match=r"pass the folder of the images \(of a person manifest, the one it lies in\)"):
        leaks(tmp_path / "manifest.json", sides[0])


def test_what_is_left_out_is_said(sides, capsys):
    a, b = sides
    (b / "cat" / "broken.jpg").touch()
    assert leaks(a, b) == []
    assert capsys.readouterr().out == f"{b}: 1 images were left out, such as cat/broken.jpg: empty file\n"
    for file in [*(b / "cat").iterdir(), *(b / "dog").iterdir()]:
        file.unlink()
    (b / "cat" / "link.png").symlink_to(a / "cat" / "cat_000.png")
    with pytest.raises(ValueError, match=r"no readable image in .*cat/link\.png: a link that leads out.*cp -rL"):
        leaks(a, b)


def test_mirrored_and_turned_copies_are_found(sides):
    a, b = sides
    for k, change in enumerate((ImageOps.mirror, lambda p: p.rotate(90), lambda p: p.rotate(270))):
        change(Image.open(a / "cat" / f"cat_{k:03d}.png")).save(b / "dog" / f"x{k}.jpg", quality=90)
    wanted = [Leak(f"cat/cat_{k:03d}.png", f"dog/x{k}.jpg", "turned") for k in range(3)]
    assert leaks(a, b) == wanted
    assert leaks(b, a) == [Leak(leak.b, leak.a, "turned") for leak in wanted]


def test_each_picture_with_a_copy_is_named_but_not_each_with_each(sides):
    a, b = sides
    content = (a / "cat" / "cat_000.png").read_bytes()
    for k in range(3):
        (a / "dog" / f"again_{k}.png").write_bytes(content)
    for k in range(5):
        (b / "dog" / f"again_{k}.png").write_bytes(content)
    Image.open(a / "cat" / "cat_000.png").save(b / "cat" / "encoded.jpg", quality=90)
    found = leaks(a, b)
    assert {leak.a for leak in found} == {"cat/cat_000.png", *(f"dog/again_{k}.png" for k in range(3))}
    assert {leak.b for leak in found} == {"cat/encoded.jpg", *(f"dog/again_{k}.png" for k in range(5))}
    assert [leak.kind for leak in found] == ["near"] + ["exact"] * 8


def test_pictures_may_lie_anywhere_and_other_files_too(sides, tmp_path):
    a, _ = sides
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "one.png").write_bytes((a / "dog" / "dog_001.png").read_bytes())
    (tmp_path / "flat" / "notes.txt").touch()
    (tmp_path / "flat" / "broken.jpg").touch()
    assert leaks(tmp_path / "flat", a) == [Leak("one.png", "dog/dog_001.png", "exact")]


def test_a_manifest_says_likely_only_where_hashes_all_but_agree(sides):
    a, b = sides
    cropped = Image.open(a / "cat" / "cat_003.png").crop((3, 2, 125, 126))
    cropped.save(b / "cat" / "cropped.png")
    assert [leak.kind for leak in leaks(a, b)] == ["near"]
    hashes = [perceptual_hash(Image.open(path)) for path in (a / "cat" / "cat_003.png", b / "cat" / "cropped.png")]
    far = (hashes[0] ^ hashes[1]).bit_count() > LIKELY_BITS
    assert [leak.kind for leak in leaks(manifest(a), b)] == ([] if far else ["likely"])
