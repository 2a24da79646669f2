"""Archives of every kind, honest, broken and hostile: a whole folder comes out, or nothing."""

import errno
import gzip
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from mbhelpers.data import transfer
from mbhelpers.data import unpack as under_test
from mbhelpers.data.unpack import unpack

FILES = {
    "leaves/Corn___Cercospora_leaf_spot Gray_leaf_spot/image (1).JPG": b"one",
    "leaves/Pepper,_bell___healthy/äpfel/ü.jpg": b"two" * 1000,
    "leaves/LICENSE.txt": b"",
}
INNER = {name.removeprefix("leaves/"): content for name, content in FILES.items()}


def make_zip(path: Path, members: dict[str, bytes], **modes: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = modes.get("mode", stat.S_IFREG | 0o644) << 16
            packed.writestr(info, content)
    return path


def make_tgz(path: Path, members: dict[str, bytes], **fields) -> Path:
    with tarfile.open(path, "w:gz") as packed:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for field, value in fields.items():
                setattr(info, field, value)
            packed.addfile(info, io.BytesIO(content))
    return path


MAKERS = pytest.mark.parametrize("make", [make_zip, make_tgz], ids=["zip", "tgz"])


def content_of(folder: Path) -> dict[str, bytes]:
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob("*") if not f.is_dir()}


def refused(archive: Path, message: str, top: str = "leaves") -> None:
    """Unpacking fails with that message and leaves nothing, inside or outside."""
    before = content_of(archive.parent)
    with pytest.raises(ValueError, match=message):
        unpack(archive, archive.parent / "data", top)
    left = list((archive.parent / "data").iterdir()) if (archive.parent / "data").exists() else []
    assert not left
    assert content_of(archive.parent) == before


@MAKERS
def test_everything_comes_out(tmp_path, make, capsys):
    archive = make(tmp_path / "a", FILES)
    assert unpack(archive, tmp_path / "data", "leaves") == tmp_path / "data" / "leaves"
    assert content_of(tmp_path / "data" / "leaves") == INNER
    assert os.listdir(tmp_path / "data") == ["leaves"]
    assert capsys.readouterr().out == ""


def test_folders_of_an_archive_may_be_members(tmp_path):
    source = tmp_path / "leaves"
    (source / "empty").mkdir(parents=True)
    (source / "a b").mkdir()
    (source / "a b" / "1.jpg").write_bytes(b"x")
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as packed:
        packed.add(source, "./leaves")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        for path in sorted(source.rglob("*")):
            packed.write(path, path.relative_to(tmp_path))
    for kind in ("tgz", "zip"):
        target = unpack(tmp_path / f"a.{kind}", tmp_path / kind, "leaves")
        assert sorted(f.relative_to(target).as_posix() for f in target.rglob("*")) == ["a b", "a b/1.jpg", "empty"]


@MAKERS
def test_what_lies_beside_the_folder_is_left_out_saying_so(tmp_path, make, capsys):
    archive = make(tmp_path / "a", FILES | {"__MACOSX/x": b"1", "note.txt": b"2"})
    unpack(archive, tmp_path / "data", "leaves")
    assert os.listdir(tmp_path / "data") == ["leaves"]
    assert "left out __MACOSX, note.txt, which lies outside leaves/" in capsys.readouterr().out


@MAKERS
def test_what_is_there_stays_and_the_rest_joins_it(tmp_path, make):
    """Both years of COCO unpack to `annotations`."""
    parent = tmp_path / "coco"
    (parent / "annotations" / "deeper").mkdir(parents=True)
    (parent / "annotations" / "instances_val2014.json").write_bytes(b"mine")
    members = {"instances_val2014.json": b"theirs", "instances_val2017.json": b"new", "deeper/x": b"y"}
    archive = make(tmp_path / "a", {f"annotations/{name}": content for name, content in members.items()})
    unpack(archive, parent, "annotations")
    assert content_of(parent) == {
        "annotations/instances_val2014.json": b"mine",
        "annotations/instances_val2017.json": b"new",
        "annotations/deeper/x": b"y",
    }
    assert os.listdir(parent) == ["annotations"]


# ---- Hostile


@MAKERS
@pytest.mark.parametrize(
    "name",
    ["../evil", "leaves/../../evil", "/tmp/evil-of-mbhelpers", "leaves/a/../../../evil", "..\\evil", "C:\\evil", "C:x"],
)
def test_a_name_that_leads_out_is_refused(tmp_path, make, name):
    archive = make(tmp_path / "a", FILES | {name: b"evil"})
    refused(archive, r"a holds '.*(evil|C:x).*', a name that leads out of the folder.*nothing was unpacked")
    assert not Path("/tmp/evil-of-mbhelpers").exists()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.FIFOTYPE, "a device"),
    ],
)
@pytest.mark.parametrize("name", ["leaves/evil", "evil"])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind, words, name):
    link = "" if words == "a device" else "/etc/passwd"
    archive = tmp_path / "a.tgz"
    with tarfile.open(archive, "w:gz") as packed:
        info = tarfile.TarInfo("leaves/daisy.jpg")
        packed.addfile(info)
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        packed.addfile(info)
    refused(archive, f"holds '{name}', {words}; no data set needs one")


@pytest.mark.parametrize(("mode", "words"), [(stat.S_IFLNK, "a link"), (stat.S_IFCHR, "a device")])
def test_links_and_devices_in_a_zip_are_refused(tmp_path, mode, words):
    refused(make_zip(tmp_path / "a.zip", {"leaves/evil": b"/etc"}, mode=mode | 0o777), f"'leaves/evil', {words}")


@MAKERS
def test_what_grows_without_measure_is_refused(tmp_path, make, monkeypatch):
    monkeypatch.setattr(under_test, "ALWAYS_FITS", 1000)
    archive = make(tmp_path / "a", {"leaves/bomb": bytes(1_000_000)})
    refused(archive, r"unpacks to more than 1.0 MB, as no set of pictures does")
    monkeypatch.setattr(under_test, "ALWAYS_FITS", 2_000_000)
    assert unpack(archive, tmp_path / "data", "leaves").is_dir(), "a few flat pictures may shrink as much"


# ---- Broken


@MAKERS
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_an_archive_that_breaks_off_leaves_nothing(tmp_path, make, share):
    archive = make(tmp_path / "a", {f"leaves/{k}.jpg": os.urandom(5000) for k in range(20)})
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * share)])
    refused(archive, "is damaged or cut short .*; nothing was unpacked; delete it and fetch it again")


@MAKERS
@pytest.mark.parametrize("place", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("texture", [os.urandom(20_000), str(list(range(5000))).encode()], ids=["noise", "text"])
def test_a_flipped_byte_leaves_nothing(tmp_path, make, place, texture):
    archive = make(tmp_path / "a", {f"leaves/{k}.jpg": texture for k in range(5)})
    content = bytearray(archive.read_bytes())
    content[int(len(content) * place)] ^= 0xFF
    archive.write_bytes(content)
    refused(archive, "is damaged or cut short")


def test_the_sum_at_the_end_of_a_tgz_is_checked(tmp_path):
    archive = make_tgz(tmp_path / "a.tgz", FILES)
    content = bytearray(archive.read_bytes())
    content[-8] ^= 0xFF
    archive.write_bytes(content)
    refused(archive, "is damaged or cut short .*CRC")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is neither a .zip nor a .tar.gz"),
        (b"<!doctype html>", "is neither a .zip nor a .tar.gz .it begins with b'<!do'"),
        (b"PK nothing more", "is damaged"),
        (b"\x1f\x8b nothing more", "is damaged"),
        (gzip.compress(b"no tar at all, but long enough to be a header" * 20), "is damaged"),
    ],
    ids=["empty", "a page", "no zip", "no gzip", "no tar"],
)
def test_what_is_no_archive_is_refused(tmp_path, content, message):
    (tmp_path / "a.zip").write_bytes(content)
    refused(tmp_path / "a.zip", message)


def test_a_password_is_refused(tmp_path):
    content = bytearray(make_zip(tmp_path / "a.zip", FILES).read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := content.find(mark, at + 1)) >= 0:
            content[at + flags] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    refused(tmp_path / "a.zip", "password")


@MAKERS
def test_another_folder_lists_what_was_found(tmp_path, make):
    archive = make(tmp_path / "a", {"daisy/1.jpg": b"1", "roses/2.jpg": b"2"})
    refused(archive, "holds no folder leaves/ with files but daisy, roses; is it the official archive?")
    refused(make(tmp_path / "b", {}), "holds no folder leaves/|damaged")


# ---- The disk


@pytest.mark.parametrize(("make", "needed"), [(make_zip, "3.0 kB"), (make_tgz, "bytes")], ids=["zip", "tgz"])
def test_too_little_room_is_said_before(tmp_path, make, needed, monkeypatch):
    archive = make(tmp_path / "a", FILES)
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    refused(archive, f"unpacking a needs .*{needed} in .*, where 100 bytes are free: .* are missing")


@MAKERS
def test_a_disk_that_fills_up_leaves_nothing(tmp_path, make, monkeypatch):
    archive = make(tmp_path / "a", FILES)
    real = Path.open

    def full(self, mode="r", *rest, **options):
        if mode == "wb":
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, mode, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        refused(archive, "cannot write .*data: the disk is full; make room")
    assert content_of(unpack(archive, tmp_path / "data", "leaves")) == INNER


def test_what_a_killed_process_left_is_cleared(tmp_path):
    data = tmp_path / "data"
    (data / ".unpacked-leaves" / "old").mkdir(parents=True)
    unpack(make_zip(tmp_path / "a.zip", FILES), data, "leaves")
    assert os.listdir(data) == ["leaves"]
    assert content_of(data / "leaves") == INNER
