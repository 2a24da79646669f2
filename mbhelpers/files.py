"""Files that are either whole or absent, and JSON in one house style."""

import fcntl
import glob
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; on success it is renamed to `path`, on failure removed.

    The name keeps the suffix, since writers such as Keras choose the format by it. Works for a file or a folder;
    a folder is replaced only after the new one is complete. What a killed process left half-written is removed.

    Raises:
        ValueError: the folder can't be written, or a file is to replace a folder.
    """
    temporary = path.with_name(f".partial-{platform.node()}-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(temporary)
        _remove_of_the_dead(path)
        probe = path.with_name(f".probe-{os.getpid()}")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"cannot write {path}: {error.strerror or error}; free it, or choose another folder"
        ) from error
    try:
        yield temporary
        if path.is_dir() and temporary.is_dir():
            # Set aside, not deleted: at every moment one of the two is there.
            aside = path.with_name(f".old-{path.name}")
            _remove(aside)
            os.replace(path, aside)
            os.replace(temporary, path)
            _remove(aside)
        elif path.is_dir():
            raise ValueError(f"cannot write {path}: it is a folder; choose another name")
        else:
            os.replace(temporary, path)
    finally:
        _remove(temporary)


_HELD: set[Path] = set()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder while the block runs; wait, saying so, while one is in it.

    The same process may enter again. The operating system frees the lock of a killed process.
    """
    key = folder.resolve()
    if key in _HELD:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    place = os.open(folder, os.O_RDONLY)  # the folder itself carries the lock, no file is left behind
    try:
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another process works in {folder}; waiting for it", flush=True)
            fcntl.flock(place, fcntl.LOCK_EX)
        _HELD.add(key)
        yield
    finally:
        _HELD.discard(key)
        os.close(place)


def told_apart(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of some paths by which they differ: "m.tflite", or "a/m.tflite" and "b/m.tflite"."""
    parts = [Path(path).resolve().parts for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(one[-length:]) for one in parts]
        if len(set(names)) == len(set(parts)):
            break
    return names


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is the pointer that Git LFS leaves in place of the content."""
    with path.open("rb") as stream:
        return stream.read(40).startswith(b"version https://git-lfs")


def write_json(path: Path, content: Any) -> Path:
    """Write `content` as indented JSON, whole or not at all."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        ValueError: the file is missing or is no JSON; the message names it.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path} is missing; rerun the stage that makes it") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid JSON ({error}); delete it and rerun the stage") from error


def sha256(path: Path) -> str:
    """Content hash of a file, as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_of_the_dead(path: Path) -> None:
    """Remove what processes that are no more were writing to `path`."""
    begin = f".partial-{platform.node()}-"
    for left in path.parent.glob(f"{glob.escape(begin)}*-{glob.escape(path.name)}"):
        number = left.name.removeprefix(begin).split("-")[0]
        if number.isdigit() and not _alive(int(number)):
            _remove(left)


def _alive(process: int) -> bool:
    if os.name != "posix":
        return True  # asking would end the process there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
