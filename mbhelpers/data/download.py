"""One file from the network: a cut connection costs nothing, and a wrong file does not pass for the right one."""

import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from contextlib import closing, suppress
from pathlib import Path, PurePosixPath

import mbhelpers
from mbhelpers.data.catalog import Archive
from mbhelpers.data.transfer import CHUNK, FULL, Progress, in_words, need_room, writing
from mbhelpers.files import locked, read_json, replacing, sha256, write_json

TIMEOUT = 20.0
"""Seconds of silence after which a connection counts as cut."""

PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each new try; the count begins anew when a try brought something."""


def download(archive: Archive, folder: Path, *, url: str | None = None) -> Path:
    """Download an archive into a folder, going on where an earlier try was cut, killed or ran out of tries.

    What has arrived lies under `<file>.part`, and the final name appears only once size and checksum are right. An
    archive that lies there already is verified in place of a download. Where nobody published a checksum, the one of
    the first download is printed and kept in `<file>.sha256`, so that a change is noticed the next time.

    Args:
        archive: of the catalog.
        folder: is made if need be; other processes that download into it wait.
        url: a mirror of the same file; None is the official address.

    Raises:
        ValueError: no connection, no such address, a page in place of the archive, another size or checksum than
            expected, or no room; the message says how to place the file by hand.
    """
    address = url or archive.url
    if not address.startswith(("http://", "https://")):
        raise ValueError(f"{address!r} is no address to download from; it must begin with http:// or https://")
    final = folder / archive.file
    with writing(folder), locked(folder):
        if final.is_file():
            _verify_placed(archive, final)
            return final
        part = _Part(archive, final, address)
        _complete(part)
        if problem := _mismatch(archive, final, part.size, part.digest.hexdigest()):
            part.remove()
            raise ValueError(f"{address}: {problem}; it was removed; try again, or {_by_hand(archive, final)}")
        _remember(archive, final, part.digest.hexdigest())
        os.replace(part.path, final)
        part.remove()
    return final


def part_of(final: Path) -> Path:
    """Where a file lies as long as it is not complete."""
    return final.with_name(f"{final.name}.part")


def _by_hand(archive: Archive, final: Path) -> str:
    return (
        f"fetch {archive.url} by hand and place it as {final}, "
        f"or pass --data with the folder that holds {PurePosixPath(archive.gives).parts[0]}/"
    )


# ---- Is it the right file?


def _mismatch(archive: Archive, final: Path, size: int, digest: str) -> str:
    note = _note_of(final)
    expected = archive.sha256 or (note.read_text(encoding="utf-8").partition(" ")[0] if note.is_file() else "")
    if archive.size and size != archive.size:
        return f"{archive.file} has {size} bytes, expected {archive.size}"
    if expected and digest != expected:
        source = "" if archive.sha256 else f" as {note.name} says; delete that if the change is wanted"
        return f"{archive.file} has sha256 {digest}, expected {expected}{source}"
    return ""


def _note_of(final: Path) -> Path:
    return final.with_name(f"{final.name}.sha256")


def _remember(archive: Archive, final: Path, digest: str) -> None:
    if not archive.sha256 and not _note_of(final).is_file():
        print(f"{archive.file}: nobody published a checksum; this one's sha256 is {digest}, kept in {_note_of(final)}")
        with replacing(_note_of(final)) as temporary:
            temporary.write_text(f"{digest}  {final.name}\n", encoding="utf-8")  # as sha256sum writes it


def _verify_placed(archive: Archive, final: Path) -> None:
    print(f"{final} is there; checking it")
    digest = sha256(final)
    with final.open("rb") as stream:
        head = stream.read(512)
    if problem := _no_archive(head) or _mismatch(archive, final, final.stat().st_size, digest):
        aside = final.with_name(f"{final.name}.wrong")
        os.replace(final, aside)
        raise ValueError(f"{final}: {problem}; it was set aside as {aside.name}, run again to download it")
    _remember(archive, final, digest)


def _no_archive(head: bytes) -> str:
    """What stands in place of an archive, by its first bytes; empty for what may be one."""
    if not head:
        return "it is empty"
    if head.startswith(b"version https://git-lfs"):
        return "it is the pointer that Git LFS leaves in place of a file"
    if head.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html", b"<?xml")):
        return "it is a web page, not an archive"
    return ""


# ---- What has arrived so far


class _Part:
    """The beginning of a file, as far as it has arrived; outlives the process that fetches it.

    Attributes:
        archive, final, address: what it is to become, where, and from where.
        path: where it lies.
        size: bytes so far.
        digest: sha256 so far.
        validator: the server's name for this version of the file, empty if it gave none.
    """

    def __init__(self, archive: Archive, final: Path, address: str) -> None:
        self.archive, self.final, self.address = archive, final, address
        self.path, self._note = part_of(final), final.with_name(f"{final.name}.part.json")
        self.size, self.digest, self.validator = 0, hashlib.sha256(), ""
        with suppress(ValueError):  # no note, or a damaged one: begin anew
            match read_json(self._note):
                case {"address": known, "validator": str(validator)} if known == address and self.path.is_file():
                    self.validator = validator
                    self._take_up()

    @property
    def can_go_on(self) -> bool:
        """Whether it would be noticed if the rest came from another version of the file."""
        return bool(self.validator or self.archive.sha256)

    def _take_up(self) -> None:
        if not self.can_go_on:
            return
        print(f"{self.path} is there with {in_words(self.path.stat().st_size)}; going on from it", flush=True)
        with self.path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                self.digest.update(chunk)
                self.size += len(chunk)

    def begin(self, validator: str) -> None:
        """Begin anew, with nothing."""
        self.size, self.digest, self.validator = 0, hashlib.sha256(), validator
        # In this order a kill in between leaves an empty part, never the bytes of one version with the name of another.
        self.path.open("wb").close()
        write_json(self._note, {"address": self.address, "validator": validator})

    def add(self, chunk: bytes) -> None:
        """Append; on a full disk give back what was taken."""
        try:
            with self.path.open("ab") as stream:
                stream.write(chunk)
        except OSError as error:
            if error.errno in FULL:
                needed = max(self.archive.size, self.size + len(chunk))
                self.remove()
                need_room(self.path.parent, needed, self.archive.file)
            raise
        self.digest.update(chunk)
        self.size += len(chunk)

    def remove(self) -> None:
        """Leave nothing."""
        self.size, self.digest, self.validator = 0, hashlib.sha256(), ""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


# ---- The transfer


class _Cut(Exception):
    """A connection that ended too early; `reached` says whether the server was ever heard."""

    def __init__(self, why: str, *, reached: bool = True) -> None:
        super().__init__(why)
        self.reached = reached


def _complete(part: _Part) -> None:
    """Transfer until all is there; new tries go on from what has arrived."""
    tries, furthest, reached = 0, part.size, False
    while True:
        try:
            return _transfer(part)
        except _Cut as cut:
            reached |= cut.reached
            if part.size > furthest:
                tries, furthest = 0, part.size
            if not reached or tries == len(PAUSES):
                kept = f"; {in_words(part.size)} have arrived and are kept for the next try" if part.size else ""
                way_out = f"check the network, or {_by_hand(part.archive, part.final)}"
                raise ValueError(f"cannot download {part.address} ({cut}){kept}; {way_out}") from cut
            print(f"{part.archive.file}: {cut} at {in_words(part.size)}; next try in {PAUSES[tries]:.0f} s", flush=True)
            time.sleep(PAUSES[tries])
            tries += 1


def _transfer(part: _Part) -> None:
    """One connection: append to the part what the server sends."""
    if part.archive.size and part.size == part.archive.size:
        return
    if (response := _open(part)) is None:
        return
    with closing(response):
        total, chunk = _total(response), _read(response)
        if total and not chunk:
            raise _Cut("connection cut")
        if response.status != 206:
            _begin(part, response, chunk)
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {part.size}-"):
            part.remove()
            raise _Cut("the server sent another range than asked for")
        wanted = total or part.archive.size
        need_room(part.path.parent, wanted - part.size, part.archive.file)
        with Progress(part.archive.file, wanted or None, part.size) as progress:
            while chunk:
                part.add(chunk)
                progress.reach(part.size)
                if wanted and part.size > wanted:
                    return  # too long, which the check of the size will say
                chunk = _read(response)
    if part.size < wanted:
        raise _Cut("connection cut")


def _open(part: _Part) -> http.client.HTTPResponse | None:
    """Ask for what is not there yet; None if the server says that all is."""
    headers = {"User-Agent": f"mbhelpers/{mbhelpers.__version__}"}
    if part.size and part.can_go_on:
        headers["Range"] = f"bytes={part.size}-"
        if part.validator:
            headers["If-Range"] = part.validator
    try:
        return urllib.request.urlopen(urllib.request.Request(part.address, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and part.size:
            if error.headers.get("Content-Range") == f"bytes */{part.size}":
                return None
            part.remove()  # longer than the file is now
            return _open(part)
        why = f"the server answers {error.code} {error.reason}"
        if error.code == 429 or error.code >= 500:
            raise _Cut(why) from error
        raise ValueError(
            f"cannot download {part.address} ({why}): the file may have moved; {_by_hand(part.archive, part.final)}"
        ) from error
    except urllib.error.URLError as error:
        raise _Cut(f"no connection: {error.reason}", reached=False) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Cut(f"no answer: {error or type(error).__name__}") from error


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(CHUNK)  # what has arrived, so that nothing is lost when the rest does not
    except (OSError, http.client.HTTPException) as error:
        raise _Cut(f"connection cut ({error or type(error).__name__})") from error


def _total(response: http.client.HTTPResponse) -> int:
    """Bytes of the whole file; 0 if the server does not say."""
    if response.status == 206:
        found = re.search(r"/(\d+)$", response.headers.get("Content-Range", ""))
        return int(found[1]) if found else 0
    return int(response.headers.get("Content-Length") or 0)


def _begin(part: _Part, response: http.client.HTTPResponse, head: bytes) -> None:
    """Begin a file anew, if it looks like the one that was asked for."""
    archive, total = part.archive, _total(response)
    problem = _no_archive(head)
    if not problem and archive.size and total and total != archive.size:
        problem = f"it has {total} bytes, expected {archive.size}: it changed at its source"
    if problem:
        raise ValueError(f"{part.address} gives no {archive.file}: {problem}; {_by_hand(archive, part.final)}")
    if part.size:
        print(f"{archive.file}: the server sends the whole file, it changed or can't be resumed; beginning anew")
    etag = response.headers.get("ETag", "")  # a weak one, W/..., may stand for other bytes
    part.begin("" if etag.startswith("W/") else etag or response.headers.get("Last-Modified", ""))
