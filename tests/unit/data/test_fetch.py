"""Data sets from a real server on this machine, as tiny archives in the official form."""

import hashlib
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mbhelpers.data import download, transfer
from mbhelpers.data.catalog import CATALOG, Archive, Dataset
from mbhelpers.data.class_names import FLOWERS, FOODS, PLANTS
from mbhelpers.data.fetch import fetch, form_of, missing, top_folder
from mbhelpers.data.imagenet_sets import SETS

from .test_unpack import content_of, make_tgz, make_zip
from .website import website


def coco(year: str) -> dict[str, dict[str, bytes]]:
    """The three archives of a year: file name to members."""
    names = {
        part: f"COCO_{part}2014_000000000009.jpg" if year == "2014" else f"{part}9.jpg" for part in ("train", "val")
    }
    listed = {
        f"annotations/{kind}_{part}{year}.json": json.dumps({"images": [names[part]]}).encode()
        for kind in ("captions", "instances")
        for part in ("train", "val")
    }
    pictures = {f"{part}{year}.zip": {f"{part}{year}/{names[part]}": part.encode()} for part in ("train", "val")}
    return {f"annotations_trainval{year}.zip": listed} | pictures


TINY = {
    ("flowers", "original"): {
        "flower_photos.tgz": {f"flower_photos/{name}/1_a.jpg": name.encode() for name in FLOWERS}
        | {"flower_photos/LICENSE.txt": b"by"}
    },
    ("plant_village", "without_augmentation"): {
        "Plant_leaf_diseases_dataset_without_augmentation.zip": {
            f"Plant_leave_diseases_dataset_without_augmentation/{name}/image (1).JPG": name.encode() for name in PLANTS
        }
    },
    ("plant_village", "with_augmentation"): {
        "Plant_leaf_diseases_dataset_with_augmentation.zip": {
            f"Plant_leave_diseases_dataset_with_augmentation/{name}/image (1).JPG": name.encode() for name in PLANTS
        }
    },
    ("food101", "original"): {
        "food-101.tar.gz": {f"food-101/images/{name}/1.jpg": name.encode() for name in FOODS}
        | {"food-101/meta/train.txt": b"apple_pie/1\n"}
    },
    ("coco_person", "2014"): coco("2014"),
    ("coco_person", "2017"): coco("2017"),
    ("coco2017_80", "2017"): coco("2017"),
}
ROWS = pytest.mark.parametrize(("name", "form"), TINY)


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(download, "PAUSES", ())
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with website() as site:
        yield site


@pytest.fixture
def tiny(site, tmp_path):
    """`tiny(name, form)` is that data set of the catalog with its archives made small and served from here."""

    def make(name: str, form: str) -> Dataset:
        dataset = CATALOG[name]
        small = []
        for archive in dataset.forms[form]:
            maker = make_zip if archive.file.endswith(".zip") else make_tgz
            path = maker(tmp_path / archive.file, TINY[name, form][archive.file])
            content = path.read_bytes()
            path.unlink()
            site.files[f"/{archive.file}"] = content
            known = bool(archive.sha256)
            digest, size = (hashlib.sha256(content).hexdigest(), len(content)) if known else ("", 0)
            small.append(replace(archive, url=site.address + archive.file, size=size, sha256=digest))
        return replace(dataset, forms=dataset.forms | {form: tuple(small)})

    return make


def members(name: str, form: str) -> dict[str, bytes]:
    """What the archives hold, relative to the data folder."""
    into = CATALOG[name].forms[form][0].into
    inner = {path: content for archive in TINY[name, form].values() for path, content in archive.items()}
    return {f"{into}/{path}" if into else path: content for path, content in inner.items()}


@ROWS
def test_a_form_lies_as_its_archives_unpack(tiny, site, tmp_path, name, form, capsys):
    dataset, home = tiny(name, form), tmp_path / "home"
    assert missing(dataset, home, form=form) == dataset.forms[form]
    target = fetch(dataset, home, form=form)
    assert target == home / top_folder(dataset, form)
    assert target.name in dataset.top_folders
    found = content_of(home)
    notes = {path for path in found if path.startswith("downloads/")}
    assert {path: found[path] for path in found.keys() - notes} == members(name, form)
    unpublished = [f"downloads/{a.file}.sha256" for a in dataset.forms[form] if not a.sha256]
    assert notes == set(unpublished), "archives go once they are unpacked"
    said = capsys.readouterr().out
    for archive in dataset.forms[form]:
        assert f"{archive.gives} is not in {home}; fetching {archive.file}" in said
    assert missing(dataset, home, form=form) == ()


@ROWS
def test_what_is_there_is_not_fetched_again(tiny, site, tmp_path, name, form):
    dataset = tiny(name, form)
    first = fetch(dataset, tmp_path / "home", form=form)
    site.asked.clear()
    assert fetch(dataset, tmp_path / "home", form=form) == first
    assert not site.asked


def test_the_first_form_is_the_default():
    assert form_of(CATALOG["plant_village"], None) == "without_augmentation"
    assert form_of(CATALOG["coco_person"], "2017") == "2017"
    assert top_folder(CATALOG["plant_village"], "with_augmentation") == "Plant_leave_diseases_dataset_with_augmentation"
    assert top_folder(CATALOG["coco_person"]) == "coco"


@pytest.mark.parametrize("ask", [fetch, missing], ids=["fetch", "missing"])
def test_an_unknown_form_lists_the_known(tmp_path, ask):
    message = "plant_village has no form 'augmented'; choose from without_augmentation, with_augmentation"
    with pytest.raises(ValueError, match=message):
        ask(CATALOG["plant_village"], tmp_path, form="augmented")
    assert not list(tmp_path.iterdir())


def test_both_years_of_coco_share_a_folder(tiny, site, tmp_path):
    for form in ("2014", "2017"):
        fetch(tiny("coco_person", form), tmp_path / "home", form=form)
    found = {path: c for path, c in content_of(tmp_path / "home").items() if not path.startswith("downloads/")}
    assert found == members("coco_person", "2014") | members("coco_person", "2017")


def test_only_what_is_missing_is_fetched(tiny, site, tmp_path):
    """Whoever has COCO's pictures already keeps them."""
    dataset, home = tiny("coco2017_80", "2017"), tmp_path / "home"
    for part in ("train", "val"):
        (home / "coco" / f"{part}2017").mkdir(parents=True)
    fetch(dataset, home)
    assert [path for path, *_ in site.asked] == ["/annotations_trainval2017.zip"]
    assert not list((home / "coco" / "train2017").iterdir()), "what is there stays as it is"


def test_half_of_the_annotations_is_not_enough(tiny, tmp_path):
    dataset, home = tiny("coco2017_80", "2017"), tmp_path / "home"
    fetch(dataset, home)
    (home / "coco" / "annotations" / "instances_val2017.json").unlink()
    assert [archive.file for archive in missing(dataset, home)] == ["annotations_trainval2017.zip"]


def test_an_archive_placed_by_hand_is_used(tiny, site, tmp_path):
    dataset = tiny("flowers", "original")
    downloads = tmp_path / "home" / "downloads"
    downloads.mkdir(parents=True)
    (downloads / "flower_photos.tgz").write_bytes(site.files["/flower_photos.tgz"])
    assert (fetch(dataset, tmp_path / "home") / "daisy" / "1_a.jpg").is_file()
    assert not site.asked


def test_a_cut_archive_is_gone_on_from(tiny, site, tmp_path):
    dataset = tiny("coco_person", "2014")
    size = len(site.files["/train2014.zip"])
    site.cuts = [10**6, 50]
    with pytest.raises(ValueError, match=r"cannot download .*train2014.zip .*50 bytes have arrived"):
        fetch(dataset, tmp_path / "home")
    assert not (tmp_path / "home" / "coco" / "train2014").exists()
    fetch(dataset, tmp_path / "home")
    asked = [(path, asked) for path, asked, _ in site.asked]
    assert asked == [
        ("/annotations_trainval2014.zip", None),
        ("/train2014.zip", None),
        ("/train2014.zip", "bytes=50-"),
        ("/val2014.zip", None),
    ]
    assert site.sent[1:3] == [50, size - 50]


def test_a_wrong_archive_leaves_no_data(tiny, site, tmp_path):
    dataset = tiny("food101", "original")
    changed = bytearray(site.files["/food-101.tar.gz"])
    changed[100] ^= 0xFF
    site.files["/food-101.tar.gz"] = bytes(changed)
    with pytest.raises(ValueError, match=r"food-101.tar.gz has sha256 \w+, expected \w+"):
        fetch(dataset, tmp_path / "home")
    assert content_of(tmp_path / "home") == {}


def test_an_archive_without_the_folder_leaves_no_data(site, tmp_path):
    site.files["/a.zip"] = make_zip(tmp_path / "a.zip", {"daisy/1.jpg": b"1"}).read_bytes()
    archive = Archive(site.address + "a.zip", "a.zip", 0, "", "flower_photos")
    with pytest.raises(ValueError, match="holds no folder flower_photos/ with files but daisy"):
        fetch(replace(CATALOG["flowers"], forms={"original": (archive,)}), tmp_path / "home")
    assert not (tmp_path / "home" / "flower_photos").exists()


def test_the_room_for_all_is_asked_for_before_the_first_byte(site, tmp_path, monkeypatch):
    """Everything unpacked, and the largest archive beside it."""
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: SimpleNamespace(free=30 * 10**9))
    message = r"annotations_trainval2017.zip and train2017.zip and val2017.zip needs 39.7 GB .* 9.7 GB are missing"
    with pytest.raises(ValueError, match=message):
        fetch(CATALOG["coco2017_80"], tmp_path)
    part = download.part_of(tmp_path / "downloads" / "train2017.zip")
    with part.open("wb") as stream:
        stream.truncate(10 * 10**9)  # a hole: it takes no room
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: SimpleNamespace(free=29 * 10**9))
    with pytest.raises(ValueError, match=r"needs 29.7 GB .* 742 MB are missing"):
        fetch(CATALOG["coco2017_80"], tmp_path)


def test_an_archive_that_takes_an_account_is_not_asked_for(site, tmp_path):
    [archive] = SETS["imagenet2012"].forms["validation"]
    dataset = replace(SETS["imagenet2012"], forms={"validation": (replace(archive, url=site.address),)})
    with pytest.raises(
        ValueError, match=r"ILSVRC2012_img_val.tar is given to those who register: get it from .* tfds, or"
    ):
        fetch(dataset, tmp_path)
    assert not site.asked
    (tmp_path / "ILSVRC2012_img_val").mkdir()
    assert fetch(dataset, tmp_path) == tmp_path / "ILSVRC2012_img_val", "unpacked by hand"
