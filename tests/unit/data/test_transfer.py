import errno
import os
from types import SimpleNamespace

import pytest

from mbhelpers.data import transfer
from mbhelpers.data.transfer import Progress, in_words, move_missing, need_room, writing


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (240_000_000, "240 MB"),
        (4_996_278_331, "5.0 GB"),
        (2.5e12, "2500 GB"),
    ],
)
def test_sizes_in_words(size, words):
    assert in_words(size) == words


@pytest.fixture
def clock(monkeypatch):
    """Seconds that tests set."""
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(transfer.time, "monotonic", lambda: now.seconds)
    return now


def test_without_a_terminal_a_line_now_and_then(clock, capsys):
    with Progress("food-101.tar.gz", 5 * 10**9, 10**9) as progress:
        for second, done in ((1, 1.05e9), (19, 1.9e9), (20, 2e9), (39, 2.4e9), (40, 3e9)):
            clock.seconds = 100 + second
            progress.reach(int(done))
    assert capsys.readouterr().out.splitlines() == [
        "food-101.tar.gz: 2.0 GB of 5.0 GB, 50.0 MB/s, 1 min left",
        "food-101.tar.gz: 3.0 GB of 5.0 GB, 50.0 MB/s, 1 min left",
    ]


def test_an_unknown_total_and_a_standstill(clock, capsys):
    with Progress("a", None) as unknown, Progress("b", 100) as still:
        clock.seconds += 20
        unknown.reach(2000)
        still.reach(0)
    assert capsys.readouterr().out.splitlines() == ["a: 2.0 kB, 100 bytes/s", "b: 0 bytes of 100 bytes, 0 bytes/s"]


def test_on_a_terminal_a_bar(clock, monkeypatch, capsys):
    import sys

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with Progress("food-101.tar.gz", 1000, 500) as progress:
        clock.seconds += 60
        progress.reach(1000)
    said = capsys.readouterr()
    assert said.out == ""
    assert "food-101.tar.gz: 100%" in said.err


def test_room_is_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    need_room(tmp_path, 1000, "it")
    with pytest.raises(ValueError, match=r"it needs 1.5 kB in .*, where 1.0 kB are free: 500 bytes are missing; free"):
        need_room(tmp_path, 1500, "it")


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "the disk is full"), (errno.EACCES, "Permission denied")],
)
def test_what_the_system_says_becomes_plain(tmp_path, number, words):
    message = f"cannot write .*: {words}; make room, or choose another folder"
    with pytest.raises(ValueError, match=message), writing(tmp_path):
        raise OSError(number, os.strerror(number))


def test_other_errors_pass():
    with pytest.raises(KeyError), writing(SimpleNamespace()):
        raise KeyError("x")


def test_what_is_not_there_yet_is_moved(tmp_path):
    for name, content in {"new/a/1": "n", "new/a/2": "n", "new/b/3": "n", "new/4": "n", "old/a/1": "o"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    move_missing(tmp_path / "new", tmp_path / "old")
    found = {f.relative_to(tmp_path).as_posix(): f.read_text() for f in tmp_path.rglob("*") if f.is_file()}
    assert found == {"old/a/1": "o", "old/a/2": "n", "old/b/3": "n", "old/4": "n"}
    assert [f.name for f in tmp_path.iterdir()] == ["old"]
