"""Downloads from a real server on this machine: whole, in pieces, wrong, and killed in the middle."""

import errno
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from mbhelpers.data import download as under_test
from mbhelpers.data import transfer
from mbhelpers.data.catalog import Archive
from mbhelpers.data.download import download

from .website import website

CONTENT = b"PK" + random.Random(7).randbytes(1_000_000)
OTHER = b"PK" + random.Random(8).randbytes(1_000_000)
FILE = "leaves.zip"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No pause between tries, and no proxy in between."""
    monkeypatch.setattr(under_test, "PAUSES", ())
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def site():
    with website() as site:
        site.files[f"/{FILE}"] = CONTENT
        yield site


def archive_of(site, content=CONTENT, *, size=None, digest=None) -> Archive:
    digest = hashlib.sha256(content).hexdigest() if digest is None else digest
    return Archive(site.address + FILE, FILE, len(content) if size is None else size, digest, "leaves")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def ranges(site) -> list[str | None]:
    return [asked for _, asked, _ in site.asked]


def cut_at(site, folder, archive, *lengths):
    """Try once; the connection breaks off."""
    site.cuts = list(lengths)
    with pytest.raises(ValueError, match="connection cut"):
        download(archive, folder)


def test_a_file_arrives_whole_under_its_name(site, tmp_path):
    path = download(archive_of(site), tmp_path / "new" / "downloads")
    assert path == tmp_path / "new" / "downloads" / FILE
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == [FILE], "nothing else is left"
    assert site.asked == [(f"/{FILE}", None, None)]


def test_a_second_call_verifies_and_asks_for_nothing(site, tmp_path, capsys):
    first = download(archive_of(site), tmp_path)
    assert download(archive_of(site), tmp_path) == first
    assert len(site.asked) == 1
    assert "is there; checking it" in capsys.readouterr().out


def test_a_mirror_may_be_named(site, tmp_path):
    site.files["/mirror/leaves"] = CONTENT
    download(archive_of(site), tmp_path, url=site.address + "mirror/leaves")
    assert site.asked[0][0] == "/mirror/leaves"
    with pytest.raises(ValueError, match=r"'file:.*' is no address to download from; it must begin with http"):
        download(archive_of(site), tmp_path, url="file:///etc/hostname")


# ---- Going on


def test_after_a_cut_only_the_missing_bytes_are_sent(site, tmp_path, capsys):
    archive = archive_of(site)
    cut_at(site, tmp_path, archive, 300_000)
    assert names(tmp_path) == [f"{FILE}.part", f"{FILE}.part.json"], "never under the final name"
    assert (tmp_path / f"{FILE}.part").read_bytes() == CONTENT[:300_000]
    assert download(archive, tmp_path).read_bytes() == CONTENT
    assert site.asked[1] == (f"/{FILE}", "bytes=300000-", '"one"')
    assert site.sent == [300_000, len(CONTENT) - 300_000]
    assert names(tmp_path) == [FILE]
    assert "with 300 kB; going on from it" in capsys.readouterr().out


def test_the_error_says_what_is_kept(site, tmp_path):
    site.cuts = [300_000]
    with pytest.raises(ValueError) as error:
        download(archive_of(site), tmp_path)
    for words in ("connection cut", "300 kB have arrived and are kept", f"place it as {tmp_path / FILE}", "--data"):
        assert words in str(error.value)


def test_one_call_tries_again_while_something_comes(site, tmp_path, monkeypatch, capsys):
    paused = []
    monkeypatch.setattr(under_test, "PAUSES", (1.0, 2.0))
    monkeypatch.setattr(under_test.time, "sleep", paused.append)
    site.cuts = [100_000] * 6
    assert download(archive_of(site), tmp_path).read_bytes() == CONTENT
    assert paused == [1.0] * 6, "each brought something, so the count begins anew"
    assert ranges(site) == [None, *(f"bytes={n}00000-" for n in range(1, 7))]
    assert "cut at 100 kB; next try in 1 s" in capsys.readouterr().out


def test_one_call_gives_up_when_nothing_more_comes(site, tmp_path, monkeypatch):
    paused = []
    monkeypatch.setattr(under_test, "PAUSES", (1.0, 2.0))
    monkeypatch.setattr(under_test.time, "sleep", paused.append)
    site.cuts = [100_000, 0, 0, 0, 0]
    with pytest.raises(ValueError, match="100 kB have arrived"):
        download(archive_of(site), tmp_path)
    assert paused == [1.0, 2.0]
    site.ranges, site.cuts, site.asked = False, [100_000] * 20, []
    with pytest.raises(ValueError, match="100 kB have arrived"):
        download(archive_of(site), tmp_path)
    assert len(site.asked) == 3, "the same bytes again are nothing new"


def test_a_cut_before_the_first_byte_is_a_cut(site, tmp_path):
    archive = archive_of(site)
    cut_at(site, tmp_path, archive, 0)
    assert names(tmp_path) == []
    cut_at(site, tmp_path, archive, 300_000)
    site.ranges = False
    cut_at(site, tmp_path, archive, 0)
    assert (tmp_path / f"{FILE}.part").stat().st_size == 300_000, "what is there is not given up for nothing"


def test_a_server_without_ranges_is_asked_for_all(site, tmp_path, capsys):
    archive = archive_of(site)
    cut_at(site, tmp_path, archive, 300_000)
    site.ranges = False
    assert download(archive, tmp_path).read_bytes() == CONTENT
    assert site.sent == [300_000, len(CONTENT)]
    assert "beginning anew" in capsys.readouterr().out


def test_a_changed_file_begins_anew(site, tmp_path):
    cut_at(site, tmp_path, archive_of(site), 300_000)
    site.files[f"/{FILE}"], site.etag = OTHER, '"two"'
    assert download(archive_of(site, OTHER), tmp_path).read_bytes() == OTHER
    assert site.sent == [300_000, len(OTHER)]


def test_another_address_begins_anew(site, tmp_path):
    archive = archive_of(site)
    cut_at(site, tmp_path, archive, 300_000)
    site.files["/mirror"] = CONTENT
    download(archive, tmp_path, url=site.address + "mirror")
    assert ranges(site) == [None, None]


@pytest.mark.parametrize(
    ("etag", "date", "digest", "asked", "why"),
    [
        ('"one"', "", "", ("bytes=300000-", '"one"'), "a strong ETag"),
        ("", "Mon, 02 Mar 2020 10:00:00 GMT", "", ("bytes=300000-", "Mon, 02 Mar 2020 10:00:00 GMT"), "a date"),
        ('W/"one"', "", "", (None, None), "a weak ETag says nothing of bytes"),
        ("", "", "", (None, None), "neither a name nor a checksum to notice a change by"),
        ("", "", None, ("bytes=300000-", None), "the checksum notices"),
    ],
)
def test_what_a_resume_relies_on(site, tmp_path, etag, date, digest, asked, why, monkeypatch, capsys):
    site.etag, site.date = etag, date
    archive = archive_of(site, digest=digest)
    cut_at(site, tmp_path, archive, 300_000)
    assert download(archive, tmp_path).read_bytes() == CONTENT, why
    assert site.asked[1][1:] == asked, why
    assert ("going on from it" in capsys.readouterr().out) is (asked[0] is not None)
    monkeypatch.setattr(under_test, "PAUSES", (0.0,))
    site.cuts = [300_000]
    assert download(archive, tmp_path / "in one call").read_bytes() == CONTENT, why
    assert site.asked[3][1:] == asked, why


def test_a_weak_resume_is_caught_by_the_checksum(site, tmp_path):
    site.etag = ""
    archive = archive_of(site)
    cut_at(site, tmp_path, archive, 300_000)
    (tmp_path / f"{FILE}.part").write_bytes(OTHER[:300_000])
    with pytest.raises(ValueError, match="has sha256"):
        download(archive, tmp_path)
    assert names(tmp_path) == []
    assert download(archive, tmp_path).read_bytes() == CONTENT, "the next try begins anew"


@pytest.mark.parametrize("size", [0, None], ids=["size unknown", "size known"])
def test_a_complete_part_needs_no_byte_more(site, tmp_path, size):
    archive = archive_of(site, size=size)
    cut_at(site, tmp_path, archive, 300_000)
    (tmp_path / f"{FILE}.part").write_bytes(CONTENT)
    assert download(archive, tmp_path).read_bytes() == CONTENT
    assert site.sent == [300_000], "nothing was sent"
    assert len(site.asked) == (1 if archive.size else 2), "where the size is not known, the server says it: 416"


@pytest.mark.parametrize("size", [0, None], ids=["size unknown", "size known"])
def test_a_part_that_is_too_long_begins_anew(site, tmp_path, size):
    archive = archive_of(site, size=size)
    cut_at(site, tmp_path, archive, 300_000)
    (tmp_path / f"{FILE}.part").write_bytes(CONTENT + b"more")
    assert download(archive, tmp_path).read_bytes() == CONTENT
    assert site.sent == [300_000, len(CONTENT)]


def test_a_server_that_sends_another_range_is_not_believed(site, tmp_path, monkeypatch):
    archive = archive_of(site)
    cut_at(site, tmp_path, archive, 300_000)
    monkeypatch.setattr(under_test, "PAUSES", (0.0,))
    note = tmp_path / f"{FILE}.part"
    note.write_bytes(CONTENT[:200_000])
    real = under_test.urllib.request.Request

    def shifted(address, headers):
        return real(address, headers=headers | ({"Range": "bytes=100000-"} if "Range" in headers else {}))

    monkeypatch.setattr(under_test.urllib.request, "Request", shifted)
    assert download(archive, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("note", ["{", "[]", "{}"], ids=["cut short", "a list", "empty"])
def test_a_damaged_note_begins_anew(site, tmp_path, note):
    archive = archive_of(site)
    cut_at(site, tmp_path, archive, 300_000)
    (tmp_path / f"{FILE}.part.json").write_text(note)
    assert download(archive, tmp_path).read_bytes() == CONTENT
    assert ranges(site) == [None, None]


def test_a_redirect_keeps_the_range(site, tmp_path):
    """Mendeley's addresses lead to a store elsewhere."""
    site.moved["/file_downloaded"] = f"/{FILE}"
    archive = replace(archive_of(site), url=site.address + "file_downloaded")
    cut_at(site, tmp_path, archive, 300_000)
    assert download(archive, tmp_path).read_bytes() == CONTENT
    assert site.sent == [300_000, len(CONTENT) - 300_000]


# ---- Wrong files


def test_a_wrong_checksum_leaves_nothing_and_says_both(site, tmp_path):
    wanted, got = "0" * 64, hashlib.sha256(CONTENT).hexdigest()
    archive = archive_of(site, digest=wanted)
    for _ in range(2):
        with pytest.raises(ValueError, match=f"has sha256 {got}, expected {wanted}; it was removed"):
            download(archive, tmp_path)
        assert names(tmp_path) == []
    assert ranges(site) == [None, None], "the second try began anew"


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1], ids=["longer", "shorter"])
def test_another_size_is_refused_before_it_is_fetched(site, tmp_path, size):
    with pytest.raises(ValueError, match=f"it has {len(CONTENT)} bytes, expected {size}: it changed at its source"):
        download(archive_of(site, size=size), tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (len(CONTENT) - 1, f"has {len(CONTENT)} bytes, expected {len(CONTENT) - 1}"),
        (len(CONTENT) + 1, "connection cut"),
    ],
    ids=["longer", "shorter"],
)
def test_a_server_that_names_no_length_is_measured(site, tmp_path, size, message):
    site.length = False
    with pytest.raises(ValueError, match=message):
        download(archive_of(site, size=size), tmp_path)
    assert not (tmp_path / FILE).exists()


def test_a_server_that_does_not_stop_is_stopped(site, tmp_path):
    site.length = False
    site.files[f"/{FILE}"] = CONTENT * 30
    with pytest.raises(ValueError, match=r"has \d{7} bytes, expected 1000002"):  # not 30 MB
        download(archive_of(site), tmp_path)


def test_neither_length_nor_size(site, tmp_path):
    site.length = False
    assert download(archive_of(site, size=0), tmp_path).read_bytes() == CONTENT


PAGES = [
    (b"<!DOCTYPE html>\n<html>sign in", "it is a web page, not an archive"),
    (b"\n <HTML><body>moved", "it is a web page, not an archive"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "the pointer that Git LFS leaves"),
    (b"", "it is empty"),
]


@pytest.mark.parametrize(("content", "message"), PAGES, ids=["a page", "another", "a pointer", "empty"])
def test_a_page_in_place_of_the_archive(site, tmp_path, content, message):
    site.files[f"/{FILE}"] = content
    for archive in (archive_of(site), archive_of(site, size=0, digest="")):
        with pytest.raises(
            ValueError, match=rf"gives no leaves.zip: .*{message}.*fetch http.* by hand and place it as"
        ):
            download(archive, tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [*PAGES, (OTHER, "has sha256"), (OTHER[:9], "has 9 bytes, expected")],
    ids=["a page", "another", "a pointer", "empty", "other content", "other size"],
)
def test_a_wrong_file_that_was_placed_by_hand_is_set_aside(site, tmp_path, content, message):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{message}.*set aside as leaves.zip.wrong, run again"):
        download(archive_of(site), tmp_path)
    assert names(tmp_path) == [f"{FILE}.wrong"]
    assert not site.asked
    assert download(archive_of(site), tmp_path).read_bytes() == CONTENT


def test_an_unpublished_checksum_is_noted_and_a_change_noticed(site, tmp_path, capsys):
    archive = archive_of(site, size=0, digest="")
    digest = hashlib.sha256(CONTENT).hexdigest()
    download(archive, tmp_path)
    assert f"this one's sha256 is {digest}" in capsys.readouterr().out
    assert (tmp_path / f"{FILE}.sha256").read_text() == f"{digest}  {FILE}\n", "as sha256sum reads it"
    (tmp_path / FILE).unlink()
    site.files[f"/{FILE}"] = OTHER
    with pytest.raises(ValueError, match=rf"expected {digest} as leaves.zip.sha256 says; delete that if"):
        download(archive, tmp_path)
    assert names(tmp_path) == [f"{FILE}.sha256"]
    (tmp_path / f"{FILE}.sha256").unlink()
    assert download(archive, tmp_path).read_bytes() == OTHER


# ---- No server, no room


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_refusal_is_not_repeated(site, tmp_path, monkeypatch, code):
    monkeypatch.setattr(under_test, "PAUSES", (0.0, 0.0))
    site.codes = [code]
    with pytest.raises(ValueError, match=rf"the server answers {code} .*: the file may have moved; .* --data"):
        download(archive_of(site), tmp_path)
    assert len(site.asked) == 1


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_busy_server_is_asked_again(site, tmp_path, monkeypatch, code):
    monkeypatch.setattr(under_test, "PAUSES", (0.0, 0.0))
    site.codes = [code, code]
    assert download(archive_of(site), tmp_path).read_bytes() == CONTENT
    site.codes = [code] * 3
    with pytest.raises(ValueError, match=f"the server answers {code}"):
        download(archive_of(site), tmp_path / "again")


@pytest.mark.parametrize("how", ["refused", "no name"])
def test_without_a_network_it_says_so_at_once(tmp_path, monkeypatch, how):
    monkeypatch.setattr(under_test, "PAUSES", (100.0,))
    monkeypatch.setattr(under_test.time, "sleep", lambda seconds: pytest.fail("it waited"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/"
    if how == "no name":
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(socket.gaierror(-2, "none")))
    with pytest.raises(ValueError) as error:
        download(archive_of(SimpleNamespace(address=address)), tmp_path)
    assert str(error.value).startswith(f"cannot download {address}{FILE} (no connection: ")
    for words in ("check the network", "by hand and place it as", f"{tmp_path / FILE}", "--data with the folder"):
        assert words in str(error.value)
    assert names(tmp_path) == []


def test_a_silent_server_counts_as_cut(site, tmp_path, monkeypatch):
    monkeypatch.setattr(under_test, "TIMEOUT", 0.2)
    site.cuts, site.hold = [300_000], threading.Event()
    with pytest.raises(ValueError, match=r"connection cut \(timed out\)\); 300 kB have arrived"):
        download(archive_of(site), tmp_path)


def test_too_little_room_is_said_before(site, tmp_path, monkeypatch):
    free = SimpleNamespace(free=900_000)
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: free)
    archive = archive_of(site)
    with pytest.raises(ValueError, match=r"needs 1.0 MB in .*, where 900 kB are free: 100 kB are missing"):
        download(archive, tmp_path)
    free.free = 10**9
    cut_at(site, tmp_path, archive, 300_000)
    free.free = 700_002
    assert download(archive, tmp_path).read_bytes() == CONTENT, "what is there needs no room"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_disk_that_fills_up(site, tmp_path):
    archive = archive_of(site)
    (tmp_path / f"{FILE}.part").symlink_to("/dev/full")
    with pytest.raises(ValueError, match=r"cannot write .*: the disk is full; make room"):
        download(archive, tmp_path)
    assert names(tmp_path) == [], "it gives the room back"
    assert download(archive, tmp_path).read_bytes() == CONTENT


def test_a_disk_that_fills_up_says_how_much_is_missing(site, tmp_path, monkeypatch):
    free = [10**9]
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: SimpleNamespace(free=free[0]))

    def full(self, *arguments, **_):
        if self.name.endswith(".part") and arguments == ("ab",):
            free[0] = 800_000
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, *arguments, **_)

    real = Path.open
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(ValueError, match="where 800 kB are free: 200 kB are missing"):
            download(archive_of(site), tmp_path)
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_written(site, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"cannot write .*file.*: .*MBHELPERS_DATA"):
        download(archive_of(site), tmp_path / "file" / "downloads")


# ---- Other processes

PROGRAM = """
import sys
from pathlib import Path
from mbhelpers.data.catalog import Archive
from mbhelpers.data.download import download
url, file, size, digest, folder = sys.argv[1:]
print(download(Archive(url, file, int(size), digest, "leaves"), Path(folder)), flush=True)
"""


def start(archive: Archive, folder: Path) -> subprocess.Popen:
    values = [archive.url, archive.file, str(archive.size), archive.sha256, str(folder)]
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *values], stdout=subprocess.PIPE, text=True)


def wait_for_size(path: Path, size: int, process: subprocess.Popen) -> None:
    while not (path.is_file() and path.stat().st_size == size):
        assert process.poll() is None


def test_a_killed_process_is_gone_on_from(site, tmp_path):
    archive = archive_of(site)
    site.cuts, site.hold = [300_000], threading.Event()
    process = start(archive, tmp_path)
    wait_for_size(tmp_path / f"{FILE}.part", 300_000, process)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    site.hold.set()
    assert not (tmp_path / FILE).exists()
    assert download(archive, tmp_path).read_bytes() == CONTENT
    assert ranges(site) == [None, "bytes=300000-"]


def test_a_second_process_waits_and_takes_what_the_first_got(site, tmp_path):
    archive = archive_of(site)
    site.hold = threading.Event()
    site.length = False  # so that the end is not known before the server lets go
    first = start(archive, tmp_path)
    wait_for_size(tmp_path / f"{FILE}.part", len(CONTENT), first)
    second = start(archive, tmp_path)
    assert "another process works in" in second.stdout.readline()
    site.hold.set()
    for process in (first, second):
        assert process.communicate(timeout=30)[0].splitlines()[-1] == str(tmp_path / FILE)
    assert len(site.asked) == 1
    assert names(tmp_path) == [FILE]
