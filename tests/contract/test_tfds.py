"""Every data set through its real TensorFlow Datasets builder, on tiny archives and without a network."""

import io
import json
import socket
import tarfile
import time
import zipfile

import numpy as np
import pytest

from mbhelpers.data import tfds as under_test
from mbhelpers.data.catalog import CATALOG
from mbhelpers.data.class_names import COCO, COCO_IDS, FOODS, PLANTS
from mbhelpers.data.folder import scan
from mbhelpers.data.imagenet import read_imagenet
from mbhelpers.data.imagenet_sets import SETS
from mbhelpers.data.split import PARTS, make_split
from mbhelpers.data.tfds import write_out

FLOWERS = CATALOG["flowers"]
CLASSES = FLOWERS.classes
PER_CLASS = 5


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Every connection and look-up fails at once, and is counted."""
    tried = []

    def refuse(*arguments, **_):
        tried.append(arguments)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return tried


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory, draw):
    """The official archive's layout, five drawn JPEGs a class, one of them twice."""
    root = tmp_path_factory.mktemp("archive") / "flower_photos"
    for k, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for i in range(PER_CLASS):
            draw(100 * k + i, 96).save(root / name / f"{1000 * k + i}_a1b2.jpg", quality=85)
    copied = root / CLASSES[0] / "0_a1b2.jpg"
    (root / CLASSES[0] / "9_copy.jpg").write_bytes(copied.read_bytes())
    (root / "LICENSE.txt").write_text("All images in this archive are licensed ...")
    return root


@pytest.fixture(scope="module")
def archive(unpacked):
    path = unpacked.parent / "flower_photos.tgz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(unpacked, "flower_photos")
    return path


@pytest.fixture
def serve(monkeypatch):
    """`serve({url: file})`: TFDS' download manager hands over the files as if fetched; the rest is TFDS' own."""
    import tensorflow_datasets as tfds
    from etils import epath
    from promise import Promise

    def install(files):
        asked = []

        def take(self, resource):
            url = getattr(resource, "url", resource)
            asked.append(url)
            return Promise.resolve(epath.Path(files[url]))

        monkeypatch.setattr(tfds.download.DownloadManager, "_download_or_get_cache", take)
        monkeypatch.setattr(under_test, "_reach", lambda url: None)
        return asked

    return install


@pytest.fixture
def served(archive, serve):
    return serve({FLOWERS.forms["original"][0].url: archive})


def test_the_result_is_the_unpacked_archive(unpacked, served, no_network, tmp_path):
    started = time.perf_counter()
    target = write_out(FLOWERS, tmp_path)
    assert time.perf_counter() - started < 60, "a look-up hangs"
    assert served == ["http://download.tensorflow.org/example_images/flower_photos.tgz"]
    assert not no_network
    assert target == tmp_path / "flower_photos"
    for name in CLASSES:
        ours = {file.read_bytes() for file in (target / name).iterdir()}
        theirs = {file.read_bytes() for file in (unpacked / name).iterdir()}
        assert ours == theirs, "byte for byte"
        assert len(list((target / name).iterdir())) == len(list((unpacked / name).iterdir())), "copies are kept"
        assert all(file.suffix == ".jpg" for file in (target / name).iterdir())
    assert sorted(f.name for f in target.iterdir()) == sorted(CLASSES)


def test_fingerprint_and_split_do_not_tell_the_source(unpacked, served, tmp_path):
    fetched, placed = scan(write_out(FLOWERS, tmp_path)), scan(unpacked)
    assert fetched.classes == placed.classes == CLASSES, "sorted, whatever the order of TFDS' labels"
    assert len(set(fetched.sha256)) == len(set(placed.sha256)) == PER_CLASS * len(CLASSES)
    assert fetched.fingerprint == placed.fingerprint
    splits = [make_split(images, seed=2026) for images in (fetched, placed)]
    for part in PARTS:
        shas = [
            [dict(zip(images.paths, images.sha256, strict=True))[path] for path in split.paths[part]]
            for images, split in zip((fetched, placed), splits, strict=True)
        ]
        assert shas[0] == shas[1]
        np.testing.assert_array_equal(splits[0].labels[part], splits[1].labels[part])


def test_what_is_there_is_not_fetched_again(served, tmp_path, capsys):
    first = write_out(FLOWERS, tmp_path)
    assert f"copy in {tmp_path / 'tfds'} may be deleted" in capsys.readouterr().out
    times = {file: file.stat().st_mtime_ns for file in first.rglob("*")}
    assert write_out(FLOWERS, tmp_path) == first
    assert len(served) == 1
    assert {file: file.stat().st_mtime_ns for file in first.rglob("*")} == times


def test_a_failed_download_names_the_way_out(no_network, tmp_path):
    started = time.perf_counter()
    with pytest.raises(ValueError, match=r"downloading tf_flowers failed .* unpack flower_photos.tgz into .*--data"):
        write_out(FLOWERS, tmp_path)
    assert time.perf_counter() - started < 30, "by itself TFDS tries ten times, 204 s in all"
    assert len(no_network) == 1, "the download must have been tried, else this says nothing"
    assert not (tmp_path / "flower_photos").exists()


def test_an_archive_that_breaks_off_leaves_nothing(archive, serve, tmp_path):
    broken = tmp_path / "flower_photos.tgz"
    broken.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    serve({FLOWERS.forms["original"][0].url: broken})
    home = tmp_path / "home"
    with pytest.raises(ValueError, match="downloading tf_flowers failed"):
        write_out(FLOWERS, home)
    assert not (home / "flower_photos").exists()


def test_a_wrong_checksum_is_not_taken(archive, monkeypatch, tmp_path):
    """TFDS knows the official archive's hash; another file under that name, laid where it looks, is refused."""
    manual = tmp_path / "tfds" / "downloads" / "manual"
    manual.mkdir(parents=True)
    (manual / "flower_photos.tgz").write_bytes(archive.read_bytes())
    with pytest.raises(ValueError, match=r"failed \(NonMatchingChecksumError"):
        write_out(FLOWERS, tmp_path)
    assert not (tmp_path / "flower_photos").exists()


def test_a_failure_while_writing_leaves_nothing(served, monkeypatch, tmp_path):
    def full(self, content):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(under_test.Path, "write_bytes", full)
        with pytest.raises(ValueError, match=r"cannot write .*: the disk is full; make room"):
            write_out(FLOWERS, tmp_path)
    assert not (tmp_path / "flower_photos").exists()
    assert not list(tmp_path.glob(".*"))
    assert write_out(FLOWERS, tmp_path).is_dir(), "called again it goes on"


def test_a_form_that_tfds_has_not_names_those_it_has(tmp_path):
    with pytest.raises(ValueError, match="no form with_augmentation of plant_village, only without_augmentation"):
        write_out(CATALOG["plant_village"], tmp_path, form="with_augmentation")
    with pytest.raises(ValueError, match="no form 'x'; choose from"):
        write_out(CATALOG["plant_village"], tmp_path, form="x")


def jpeg(draw, number):
    with io.BytesIO() as stream:
        draw(number, 64).resize((80, 50)).save(stream, "JPEG")
        return stream.getvalue()


def zipped(path, members):
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return path


def packed_as(path, members):
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as packed:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return path


def content_of(folder):
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_plant_village_keeps_its_names_and_lacks_the_background(serve, draw, tmp_path, capsys):
    dataset = CATALOG["plant_village"]
    top = "Plant_leave_diseases_dataset_without_augmentation"
    members = {f"{top}/{name}/image ({k}).JPG": jpeg(draw, k) for k, name in enumerate(PLANTS)}
    members[f"{top}/{PLANTS[0]}/image (99).JPG"] = jpeg(draw, 0)
    (source,) = dataset.forms["without_augmentation"]
    asked = serve({source.url: zipped(tmp_path / source.file, members)})
    target = write_out(dataset, tmp_path / "home")
    assert asked == [source.url]
    assert target == tmp_path / "home" / top
    background = f"{top}/Background_without_leaves/"
    kept = {name: content for name, content in members.items() if not name.startswith(background)}
    assert len(kept) == len(members) - 1
    assert {f"{top}/{name}": content for name, content in content_of(target).items()} == kept
    assert "leaves out Background_without_leaves; the official archive has it" in capsys.readouterr().out


def test_food101_keeps_ids_and_the_official_split(serve, draw, tmp_path):
    dataset = CATALOG["food101"]
    official = [name for name in FOODS if name != "cheesecake"]
    official.insert(official.index("cheese_plate"), "cheesecake")  # as meta/classes.txt has it
    ids = {
        "train": {name: [f"{name}/{1000 + k}", f"{name}/{200 + k}"] for k, name in enumerate(official)},
        "test": {name: [f"{name}/{30 + k}"] for k, name in enumerate(official)},
    }
    files = {}
    for part, listed in ids.items():
        files[f"meta/{part}.json"] = json.dumps(listed).encode()
        files |= {f"images/{key}.jpg": jpeg(draw, k) for k, keys in enumerate(listed.values()) for key in keys}
    packed_as(tmp_path / "food-101.tar.gz", {f"food-101/{name}": content for name, content in files.items()})
    serve({dataset.forms["original"][0].url: tmp_path / "food-101.tar.gz"})
    target = write_out(dataset, tmp_path / "home")
    assert target == tmp_path / "home" / "food-101"
    found = content_of(target)
    pictures = {name: content for name, content in found.items() if name.startswith("images/")}
    assert pictures == {name: content for name, content in files.items() if name.startswith("images/")}
    for part, listed in ids.items():
        assert json.loads(found[f"meta/{part}.json"]) == {name: sorted(keys) for name, keys in listed.items()}
        lines = found[f"meta/{part}.txt"].decode().splitlines()
        assert lines == [key for name in official for key in sorted(listed[name])]
    assert found["meta/classes.txt"].decode().splitlines() == official
    assert found["meta/labels.txt"].decode().splitlines()[:2] == ["Apple pie", "Baby back ribs"]
    assert found["meta/labels.txt"].endswith(b"\n")
    assert len(found) == len(pictures) + 6


def coco_members(draw, year):
    """Two images a part: three objects, one of them a crowd and one at the border, and none."""
    members = {}
    for k, part in enumerate(("train", "val")):
        begin = f"COCO_{part}2014_" if year == "2014" else ""
        images = [
            {"id": 10 * k + n, "file_name": f"{begin}{10 * k + n:012d}.jpg", "width": 80, "height": 50} for n in (9, 2)
        ]
        rows = [
            (1, [10.25, 5.5, 30.37, 20.01], 300.75, 0),
            (90, [0, 0, 80, 50], 4000.0, 1),
            (13, [79.5, 40.13, 0.5, 9.87], 2.5, 0),
        ]
        annotations = [
            {"id": 900 * (k + 1) - n, "image_id": 10 * k + 9, "category_id": c, "bbox": box, "area": area}
            | {"iscrowd": crowd, "segmentation": []}
            for n, (c, box, area, crowd) in enumerate(rows)
        ]
        categories = [{"id": i, "name": name, "supercategory": "x"} for i, name in zip(COCO_IDS, COCO, strict=True)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        members[f"annotations/instances_{part}{year}.json"] = json.dumps(content).encode()
        members |= {f"{part}{year}/{image['file_name']}": jpeg(draw, image["id"]) for image in images}
    for test in {"2014": ("test2014", "test2015"), "2017": ("test2017",)}[year]:
        image = {"id": 7, "file_name": "7.jpg", "width": 80, "height": 50}
        members[f"annotations/image_info_{test}.json"] = json.dumps(
            {"images": [image], "categories": categories}
        ).encode()
        members[f"{test}/7.jpg"] = jpeg(draw, 7)
    return members


def coco_archives(folder, members, year):
    """The zip files that TFDS asks for, by their addresses."""
    site = CATALOG["coco_person"].forms[year][0].url.rsplit("/", 2)[0]
    files = {}
    for name in sorted({name.split("/")[0] for name in members} - {"annotations"}):
        inside = {key: content for key, content in members.items() if key.startswith(f"{name}/")}
        files[f"{site}/zips/{name}.zip"] = zipped(folder / f"{name}.zip", inside)
        if name.startswith("test"):
            info = f"annotations/image_info_{name}.json"
            listed = zipped(folder / f"image_info_{name}.zip", {info: members[info]})
            files[f"{site}/annotations/image_info_{name}.zip"] = listed
    inside = {key: content for key, content in members.items() if "instances_" in key}
    file = f"annotations_trainval{year}.zip"
    return files | {f"{site}/annotations/{file}": zipped(folder / file, inside)}


@pytest.mark.parametrize(("name", "year"), [("coco_person", "2014"), ("coco2017_80", "2017")])
def test_coco_comes_back_but_for_the_segments(serve, draw, tmp_path, name, year, capsys):
    members = coco_members(draw, year)
    serve(coco_archives(tmp_path, members, year))
    other = tmp_path / "home" / "coco" / "annotations" / "captions.json"
    other.parent.mkdir(parents=True)
    other.write_text("mine")
    target = write_out(CATALOG[name], tmp_path / "home", form=year)
    assert "areas in whole pixels, and no segments" in capsys.readouterr().out
    assert target == tmp_path / "home" / "coco"
    found = content_of(target)
    assert found.pop("annotations/captions.json") == b"mine", "what was there stays"
    pictures = {key: content for key, content in members.items() if key.endswith(".jpg") and "test" not in key}
    assert {key: content for key, content in found.items() if key.endswith(".jpg")} == pictures
    assert len(found) == len(pictures) + 2
    for part in ("train", "val"):
        ours = json.loads(found[f"annotations/instances_{part}{year}.json"])
        theirs = json.loads(members[f"annotations/instances_{part}{year}.json"])
        assert ours["images"] == sorted(theirs["images"], key=lambda image: image["id"])
        assert [{"id": c["id"], "name": c["name"]} for c in theirs["categories"]] == ours["categories"]
        cut = [a | {"area": int(a["area"])} for a in theirs["annotations"]]
        for annotation in cut:
            del annotation["segmentation"]
        assert ours["annotations"] == sorted(cut, key=lambda annotation: annotation["id"])


def test_other_categories_than_coco_s_are_refused(serve, draw, tmp_path, monkeypatch):
    monkeypatch.setattr(under_test, "COCO", (*COCO[1:], COCO[0]))
    serve(coco_archives(tmp_path, coco_members(draw, "2017"), "2017"))
    with pytest.raises(ValueError, match="other categories than COCO's 80, or another order"):
        write_out(CATALOG["coco2017_80"], tmp_path / "home")
    assert not (tmp_path / "home" / "coco").exists()


@pytest.fixture(scope="module")
def imagenet_v2(tmp_path_factory, draw):
    """Two images each of three classes, in the form of the official archive."""
    source = SETS["imagenet_v2"].forms["matched-frequency"][0]
    files = {f"{label}/{k}{label:038x}.jpeg": jpeg(draw, 10 * label + k) for label in (0, 2, 10) for k in (1, 2)}
    members = {f"{source.gives}/{name}": content for name, content in files.items()}
    return packed_as(tmp_path_factory.mktemp("v2") / source.file, members), files


def test_imagenet_v2_comes_in_its_numbered_folders(serve, imagenet_v2, tmp_path):
    dataset, (archive, files) = SETS["imagenet_v2"], imagenet_v2
    asked = serve({dataset.forms["matched-frequency"][0].url: archive})
    target = write_out(dataset, tmp_path)
    assert asked == [dataset.forms["matched-frequency"][0].url]
    assert target == tmp_path / "imagenetv2-matched-frequency-format-val"
    assert content_of(target) == files
    found = read_imagenet(target)
    assert (found.layout, found.labels.tolist()) == ("numbered folders", [0, 0, 10, 10, 2, 2])
    assert write_out(dataset, tmp_path) == target and len(asked) == 1, "what is there is not fetched again"


def test_imagenet_comes_in_folders_named_by_wnid(draw, no_network, tmp_path):
    dataset = SETS["imagenet2012"]
    place = tmp_path / "tfds" / "downloads" / "manual" / "ILSVRC2012_img_val.tar"
    with pytest.raises(ValueError, match=rf"get it from https://image-net.org/.*, lay it at {place}"):
        write_out(dataset, tmp_path)
    assert not (tmp_path / "ILSVRC2012_img_val").exists()
    files = {f"ILSVRC2012_val_{k:08d}.JPEG": jpeg(draw, k) for k in (1, 2, 3)}
    place.parent.mkdir(parents=True)
    packed_as(place, files)
    target = write_out(dataset, tmp_path)
    wnids = ("n01751748", "n09193705", "n02105855")  # a sea snake, an alp, a Shetland sheepdog: the official labels
    assert content_of(target) == {
        f"{wnid}/{name}": content for wnid, (name, content) in zip(wnids, files.items(), strict=True)
    }
    assert read_imagenet(tmp_path).labels.tolist() == [65, 230, 970]
    assert not no_network
