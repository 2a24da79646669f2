"""What moving many bytes needs: progress, room on the disk, and plain words when a write fails."""

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

CHUNK = 1 << 18
"""Bytes that are read and written at once."""

LINE_EVERY = 20.0
"""Seconds between two lines of progress where there is no terminal to draw a bar on."""

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers of a full disk and of a used-up quota."""


def in_words(size: float) -> str:
    """A number of bytes as people say it: "5.0 GB"."""
    units = ["GB", "MB", "kB", "bytes"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        units.pop()
    return f"{size:.0f} {units[-1]}" if units[-1] == "bytes" or size >= 100 else f"{size:.1f} {units[-1]}"


class Progress:
    """Bytes so far, their rate and the time left: a bar on a terminal, elsewhere a line every `LINE_EVERY` seconds.

    Args:
        what: said before the numbers.
        total: bytes in all; None where nobody knows.
        done: bytes that were there before.
    """

    def __init__(self, what: str, total: int | None, done: int = 0) -> None:
        self._what, self._total, self._first, self._done = what, total, done, done
        self._started = self._said = time.monotonic()
        # disable=None draws on terminals only
        self._bar = tqdm(desc=what, total=total, initial=done, unit="B", unit_scale=True, disable=None)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def reach(self, done: int) -> None:
        """Say that so many bytes are done, those of before included."""
        self._bar.update(done - self._done)
        self._done = done
        now = time.monotonic()
        if self._bar.disable and now - self._said >= LINE_EVERY:
            self._said = now
            print(self._line(now - self._started), flush=True)

    def _line(self, seconds: float) -> str:
        rate = (self._done - self._first) / seconds
        if not self._total:
            return f"{self._what}: {in_words(self._done)}, {in_words(rate)}/s"
        left = f", {(self._total - self._done) / rate / 60:.0f} min left" if rate else ""
        return f"{self._what}: {in_words(self._done)} of {in_words(self._total)}, {in_words(rate)}/s{left}"


def need_room(folder: Path, size: int, what: str) -> None:
    """Refuse to begin what can't fit.

    Args:
        folder: an existing one, on the disk in question.
        size: bytes that will be written.
        what: needs them.

    Raises:
        ValueError: the disk has less; the message says how much is missing.
    """
    free = shutil.disk_usage(folder).free
    if size > free:
        raise ValueError(
            f"{what} needs {in_words(size)} in {folder}, where {in_words(free)} are free: {in_words(size - free)} are "
            "missing; free them, or choose another folder (MBHELPERS_DATA)"
        )


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turn what the operating system says of a failed write into an error that names the fix.

    Raises:
        ValueError: the disk is full, or `place` can't be written.
    """
    try:
        yield
    except OSError as error:
        said = "the disk is full" if error.errno in FULL else error.strerror or str(error)
        raise ValueError(
            f"cannot write {place}: {said}; make room, or choose another folder (MBHELPERS_DATA)"
        ) from error


def move_missing(source: Path, target: Path) -> None:
    """Move a file, or what is in a folder, to where it is not there yet; `source` is gone afterwards.

    What is there stays as it is. Each file appears whole; a folder that is not there yet, all at once.
    """
    if not target.exists():
        os.replace(source, target)
    elif source.is_dir():
        for item in sorted(source.iterdir()):
            move_missing(item, target / item.name)
        source.rmdir()
    else:
        source.unlink()
