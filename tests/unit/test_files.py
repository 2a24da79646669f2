import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mbhelpers.files import locked, read_json, replacing, sha256, told_apart, write_json


def names(folder):
    return sorted(os.listdir(folder))


def test_a_file_is_replaced(tmp_path):
    path = tmp_path / "new" / "a.txt"
    for text in ("one", "two"):
        with replacing(path) as temporary:
            assert temporary.suffix == ".txt", "writers choose their format by it"
            assert temporary.parent == path.parent, "a rename must not cross file systems"
            temporary.write_text(text)
            assert not path.exists() or path.read_text() == "one", "not before it is whole"
        assert path.read_text() == text
    assert names(path.parent) == ["a.txt"]


@pytest.mark.parametrize("old", [None, "old"])
def test_a_failure_leaves_what_was_there(tmp_path, old):
    path = tmp_path / "a.txt"
    if old:
        path.write_text(old)
    with pytest.raises(RuntimeError, match="power cut"), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("power cut")
    assert names(tmp_path) == (["a.txt"] if old else [])
    assert not old or path.read_text() == old


def test_a_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "pictures"
    for name in ("first", "second"):
        with replacing(path) as temporary:
            temporary.mkdir()
            (temporary / name).touch()
    assert names(path) == ["second"], "nothing of the old folder stays"
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.mkdir()
        (temporary / "third").touch()
        raise RuntimeError
    assert names(path) == ["second"]
    assert names(tmp_path) == ["pictures"]


def test_a_file_does_not_replace_a_folder(tmp_path):
    (tmp_path / "model.keras").mkdir()
    with (
        pytest.raises(ValueError, match=r"cannot write .*model\.keras: it is a folder"),
        replacing(tmp_path / "model.keras") as temporary,
    ):
        temporary.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("kept")
    for path in (tmp_path / "file" / "a.txt", tmp_path / "file" / "deeper" / "a.txt"):
        with pytest.raises(ValueError, match=r"cannot write .*a\.txt.*choose another folder"):
            write_json(path, {})
    assert (tmp_path / "file").read_text() == "kept"


def test_json_comes_back(tmp_path):
    content = {"name": "Gänseblümchen", "shares": [0.1, 1 / 3], "none": None}
    path = write_json(tmp_path / "a.json", content)
    assert read_json(path) == content
    assert "Gänseblümchen" in path.read_text(encoding="utf-8")
    assert path.read_text(encoding="utf-8").endswith("}\n")


@pytest.mark.parametrize("content", [{"loss": float("nan")}, {"path": object()}])
def test_what_is_no_json_leaves_the_old_file(tmp_path, content):
    path = write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises((ValueError, TypeError)):
        write_json(path, content)
    assert read_json(path) == {"old": 1}


@pytest.mark.parametrize(
    ("content", "message", "why"),
    [
        (None, "is missing; rerun the stage", "no file"),
        (b"{", "is not valid JSON", "cut short"),
        (b"", "is not valid JSON", "empty"),
        (b"\xff\xfe", "is not valid JSON", "no text"),
    ],
)
def test_read_json_names_the_file(tmp_path, content, message, why):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError) as error:
        read_json(path)
    assert str(path) in str(error.value), why
    assert message in str(error.value), why


def test_sha256(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    # FIPS 180-4's own example
    assert sha256(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223")
    assert sha256(tmp_path / "abc") == hashlib.sha256(b"abc").hexdigest()


def test_a_second_process_waits_for_the_folder(tmp_path):
    code = (
        "import sys; from pathlib import Path; from mbhelpers.files import locked\n"
        "with locked(Path(sys.argv[1])): print('inside', flush=True)"
    )
    with locked(tmp_path / "run"), locked(tmp_path / "run"):  # the same process may enter again
        other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True)
        assert "waiting" in other.stdout.readline()
        assert other.poll() is None
    assert other.communicate(timeout=30)[0] == "inside\n"
    assert not list((tmp_path / "run").iterdir()), "no file is left behind"


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["x/m.tflite"], ["m.tflite"]),
        (["x/a.tflite", "x/b.tflite"], ["a.tflite", "b.tflite"]),
        (["x/m.tflite", "y/m.tflite"], ["x/m.tflite", "y/m.tflite"]),
        (["x/1/m.tflite", "y/1/m.tflite", "y/2/m.tflite"], ["x/1/m.tflite", "y/1/m.tflite", "y/2/m.tflite"]),
        (["x/m.tflite", "x/m.tflite"], ["m.tflite", "m.tflite"]),
    ],
)
def test_paths_are_told_apart_by_the_shortest_ends(paths, names):
    assert told_apart([Path(path) for path in paths]) == names
