"""Flowers through the real TensorFlow Datasets builder, on a tiny archive and without a network."""

import socket
import tarfile
import time

import numpy as np
import pytest

from mbhelpers.data import flowers, source
from mbhelpers.data.catalog import CATALOG
from mbhelpers.data.folder import scan
from mbhelpers.data.split import PARTS, make_split

CLASSES = CATALOG["flowers"].classes
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
def served(archive, monkeypatch):
    """TFDS' download manager hands over the archive as if it had fetched it; the rest is TFDS' own."""
    import tensorflow_datasets as tfds

    asked = []

    def download(self, url):
        asked.append(url)
        return archive

    monkeypatch.setattr(tfds.download.DownloadManager, "download", download)
    return asked


def test_the_result_is_the_unpacked_archive(unpacked, served, no_network, tmp_path):
    started = time.perf_counter()
    target = flowers.fetch(tmp_path)
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
    fetched, placed = scan(flowers.fetch(tmp_path)), scan(unpacked)
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


def test_what_is_there_is_not_fetched_again(served, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MBHELPERS_DATA", str(tmp_path))
    first = source.locate("flowers", None)
    assert "fetching it" in capsys.readouterr().out
    times = {file: file.stat().st_mtime_ns for file in first.rglob("*")}
    assert source.locate("flowers", None) == flowers.fetch(tmp_path) == first
    assert len(served) == 1
    assert {file: file.stat().st_mtime_ns for file in first.rglob("*")} == times


def test_a_failed_download_names_the_way_out(no_network, tmp_path, monkeypatch):
    from urllib3.util.retry import Retry

    # TFDS tries ten times with growing pauses, 204 s in all; the test leaves out the pauses.
    monkeypatch.setattr(Retry, "sleep", lambda self, response=None: None)
    started = time.perf_counter()
    with pytest.raises(ValueError, match=r"downloading tf_flowers failed .* unpack flower_photos.tgz into .*--data"):
        flowers.fetch(tmp_path)
    assert time.perf_counter() - started < 30
    assert no_network, "the download must have been tried, else this says nothing"
    assert not (tmp_path / "flower_photos").exists()


def test_an_archive_that_breaks_off_leaves_nothing(archive, monkeypatch, tmp_path):
    import tensorflow_datasets as tfds

    broken = tmp_path / "flower_photos.tgz"
    broken.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    monkeypatch.setattr(tfds.download.DownloadManager, "download", lambda self, url: broken)
    home = tmp_path / "home"
    with pytest.raises(ValueError, match="downloading tf_flowers failed"):
        flowers.fetch(home)
    assert not (home / "flower_photos").exists()


def test_a_wrong_checksum_is_not_taken(archive, monkeypatch, tmp_path):
    """TFDS knows the official archive's hash; another file under that name, laid where it looks, is refused."""
    manual = tmp_path / "tfds" / "downloads" / "manual"
    manual.mkdir(parents=True)
    (manual / "flower_photos.tgz").write_bytes(archive.read_bytes())
    with pytest.raises(ValueError, match=r"failed \(NonMatchingChecksumError"):
        flowers.fetch(tmp_path)
    assert not (tmp_path / "flower_photos").exists()


def test_a_failure_while_writing_leaves_nothing(served, monkeypatch, tmp_path):
    def full(self, content):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(flowers.Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            flowers.fetch(tmp_path)
    assert not (tmp_path / "flower_photos").exists()
    assert not list(tmp_path.glob(".partial-*"))
    assert flowers.fetch(tmp_path).is_dir(), "called again it goes on"
