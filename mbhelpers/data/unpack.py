"""Archives to folders: whole or not at all, and never outside the folder that was asked for."""

import gzip
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from mbhelpers.data.transfer import CHUNK, Progress, in_words, move_missing, need_room, writing
from mbhelpers.files import replacing

# Pictures hardly shrink and annotations to about a fifth. What grows more than this fills the disk on purpose.
GROWTH = 100
ALWAYS_FITS = 10**9

# RuntimeError is what zipfile raises for a password or an unknown method.
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, RuntimeError)


def unpack(archive: Path, parent: Path, top: str) -> Path:
    """Unpack a .zip, .tgz or .tar.gz into `parent/top`.

    Only the folder `top` is taken out. It is unpacked under another name and moved when it is complete, so a failure
    leaves nothing. Where the folder is there already (several archives of COCO hold `annotations`), files that are
    not there yet join it and the others stay as they are. Permissions and times are not taken over.

    Args:
        archive: the file; its content says which kind it is.
        parent: the folder to unpack in.
        top: the folder that the archive holds.

    Raises:
        ValueError: the archive is damaged, holds no such folder, unpacks to far more than its size or than the disk
            has, or holds a link, a device or a name that leads out of the folder; the message names the member.
    """
    staged = parent / f".unpacked-{top}"
    with writing(parent):
        with replacing(staged) as temporary:
            temporary.mkdir()
            try:
                _extract(archive, temporary, top)
            except _DAMAGED as error:
                raise ValueError(
                    f"{archive} is damaged or cut short ({type(error).__name__}: {error}); nothing was unpacked; "
                    "delete it and fetch it again"
                ) from error
        move_missing(staged, parent / top)
    return parent / top


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    strange: str  # what it is, if neither a file nor a folder
    folder: bool
    open: Callable[[], IO[bytes] | None]


def _extract(archive: Path, into: Path, top: str) -> None:
    packed = archive.stat().st_size
    unpacked, outside = 0, set()
    with archive.open("rb") as raw, Progress(f"unpacking {archive.name}", packed) as progress:
        for member in _members(raw, archive, into):
            parts = _parts(member, archive)
            if parts[:1] != [top]:
                outside |= set(parts[:1])
                continue
            unpacked += member.size
            if unpacked > ALWAYS_FITS + GROWTH * packed:
                raise ValueError(
                    f"{archive} has {in_words(packed)} and unpacks to more than {in_words(unpacked)}, as no set of "
                    "pictures does; nothing was unpacked"
                )
            _write(member, into.joinpath(*parts[1:]))
            progress.reach(raw.tell())
    if not any(into.iterdir()):
        found = ", ".join(sorted(outside)[:10]) or "nothing"
        raise ValueError(f"{archive} holds no folder {top}/ with files but {found}; is it the official archive?")
    if outside:
        print(f"{archive.name}: left out {', '.join(sorted(outside)[:10])}, which lies outside {top}/")


def _members(raw: IO[bytes], archive: Path, into: Path) -> Iterator[_Member]:
    head = raw.read(4)
    raw.seek(0)
    if head[:2] == b"\x1f\x8b":
        need_room(into, archive.stat().st_size, f"unpacking {archive.name}")  # at least: a tar keeps no sum of sizes
        return _tar_members(raw)
    if head[:2] == b"PK":
        return _zip_members(raw, archive, into)
    raise ValueError(f"{archive} is neither a .zip nor a .tar.gz (it begins with {head!r}); fetch it again")


def _tar_members(raw: IO[bytes]) -> Iterator[_Member]:
    with gzip.GzipFile(fileobj=raw) as stream:
        with tarfile.open(fileobj=stream, mode="r|", encoding="utf-8") as tar:
            for info in tar:
                strange = "" if info.isfile() or info.isdir() else "a link" if info.linkname else "a device"
                yield _Member(info.name, info.size, strange, info.isdir(), partial(tar.extractfile, info))
        while stream.read(CHUNK):  # to the end, where gzip checks its sum
            pass


def _zip_members(raw: IO[bytes], archive: Path, into: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(raw) as packed:
        need_room(into, sum(info.file_size for info in packed.infolist()), f"unpacking {archive.name}")
        for info in packed.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive comes from another system than Unix
            strange = "" if kind in (0, stat.S_IFREG, stat.S_IFDIR) else "a link" if stat.S_ISLNK(kind) else "a device"
            yield _Member(info.filename, info.file_size, strange, info.is_dir(), partial(packed.open, info))


def _parts(member: _Member, archive: Path) -> list[str]:
    """The folders and the name of a member, once it is sure that they stay inside."""
    parts = re.split(r"[\\/]", member.name)
    escapes = ".." in parts or parts[0] == "" or re.match(r"[A-Za-z]:", member.name)
    if member.strange or escapes:
        raise ValueError(
            f"{archive} holds {member.name!r}, {member.strange or 'a name that leads out of the folder'}; "
            "no data set needs one, so nothing was unpacked"
        )
    return [part for part in parts if part not in ("", ".")]


def _write(member: _Member, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    stream = None if member.folder else member.open()
    if stream is None:
        place.mkdir(exist_ok=True)
        return
    with stream, place.open("wb") as out:
        while chunk := stream.read(CHUNK):
            out.write(chunk)
