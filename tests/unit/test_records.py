import json
import zipfile

import pytest

from mbhelpers.preprocessing import preset
from mbhelpers.records import MEMBER, Record, add_to_keras, read_record

RECORD = Record(("daisy", "Gänseblümchen"), preset("mbhelpers", 96), {"seed": 7, "recipe": {"epochs": 2}})
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"


def keras_like(path, members=()):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {"config.json": b"{}", "model.weights.h5": b"weights", **dict(members)}.items():
            archive.writestr(name, content)
    return path


def test_a_record_comes_back(tmp_path):
    path = keras_like(tmp_path / "model.keras")
    assert read_record(path) is None, "a peer's file has none"
    add_to_keras(path, RECORD)
    assert read_record(path) == RECORD
    with zipfile.ZipFile(path) as archive:
        assert archive.read("model.weights.h5") == b"weights", "the rest is untouched"
        assert archive.testzip() is None


def test_bytes_come_back():
    assert Record.from_bytes(RECORD.to_bytes()) == RECORD
    assert json.loads(RECORD.to_bytes())["classes"] == ["daisy", "Gänseblümchen"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "cut short"),
        (b"\xff", "no text"),
        (b"[]", "another shape"),
        (b"{}", "no fields"),
        (json.dumps({"classes": ["a"], "made": {}}).encode(), "no preprocessing"),
        (json.dumps({"classes": None, "preprocessing": {"resolution": 8}, "made": {}}).encode(), "no classes"),
    ],
)
def test_a_damaged_record(tmp_path, content, why):
    path = keras_like(tmp_path / "model.keras", {MEMBER: content})
    with pytest.raises(ValueError, match=f"{MEMBER} record is damaged .*make the model again"):
        read_record(path)


def test_a_record_of_another_version_names_its_field(tmp_path):
    content = {"classes": ["a", "b"], "preprocessing": {"resolution": 8, "crop": 0.875}, "made": {}}
    path = keras_like(tmp_path / "model.keras", {MEMBER: json.dumps(content).encode()})
    with pytest.raises(ValueError, match="crop"):
        read_record(path)


@pytest.mark.parametrize(
    ("name", "content", "message", "why"),
    [
        ("model.keras", None, "no model at", "missing"),
        ("model.keras", b"", "is not a whole .keras file", "empty"),
        ("model.keras", b"PK\x03\x04 and no end", "is not a whole .keras file", "cut short"),
        ("model.keras", LFS_POINTER, "is not a whole .keras file", "a Git LFS pointer"),
        ("model.tflite", LFS_POINTER, "git lfs pull", "a Git LFS pointer"),
        ("model.tflite", b"\x00" * 40, "is not a .tflite file: make it again", "another content"),
        ("model.tflite", b"", "is not a .tflite file: make it again", "empty"),
    ],
)
def test_a_file_that_is_no_model(tmp_path, name, content, message, why):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError) as error:
        read_record(path)
    assert message in str(error.value), why
    assert str(path) in str(error.value), why


def test_a_damaged_archive_is_an_error_of_ours(tmp_path):
    path = keras_like(tmp_path / "model.keras")
    add_to_keras(path, RECORD)
    content = path.read_bytes()
    assert content.count(b"daisy") == 1
    path.write_bytes(content.replace(b"daisy", b"dxisy"))  # the checksum no longer fits
    with pytest.raises(ValueError, match=r"is not a whole \.keras file"):
        read_record(path)


def test_other_files_carry_no_record(tmp_path):
    (tmp_path / "peer.h5").write_bytes(b"\x89HDF")
    assert read_record(tmp_path / "peer.h5") is None
