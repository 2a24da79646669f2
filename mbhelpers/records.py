"""What a model file says of itself: class names, preprocessing, how it was made. Kept inside the file."""

import struct
import zipfile
from dataclasses import dataclass, field
from json import JSONDecodeError, dumps, loads
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mbhelpers.files import is_lfs_pointer
from mbhelpers.preprocessing import Preprocessing

if TYPE_CHECKING:
    import onnx

MEMBER = "mbhelpers.json"
"""Name of the record: a member of the .keras archive, a metadata entry of the .tflite or .onnx file."""


@dataclass(frozen=True)
class Record:
    """A model file's own record.

    Attributes:
        classes: class names in the order of the outputs. A single sigmoid output is the probability of the second.
        preprocessing: how images must be prepared.
        made: recipe, seed, data, weights, versions; free-form.
    """

    classes: tuple[str, ...]
    preprocessing: Preprocessing
    made: dict[str, Any] = field(default_factory=dict)

    @property
    def assumed(self) -> tuple[str, ...]:
        """What of it was only a guess when the file was made: "classes", "preprocessing"."""
        return tuple(self.made.get("assumed", ()))

    def to_bytes(self) -> bytes:
        """The record as JSON."""
        content = {
            "classes": self.classes,
            "preprocessing": self.preprocessing.to_json(),
            "made": self.made,
        }
        return dumps(content, ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Record":
        """Read what `to_bytes` gave.

        Raises:
            ValueError: it is no such record.
        """
        try:
            data = loads(content)
            return cls(
                classes=tuple(data["classes"]),
                preprocessing=Preprocessing.from_json(data["preprocessing"]),
                made=data["made"],
            )
        except (JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"the file's {MEMBER} record is damaged ({error!r}); make the model again") from error


def read_record(path: Path) -> Record | None:
    """The record inside a .keras, .tflite or .onnx file, None where it has none (a peer's file).

    Raises:
        ValueError: the file is missing, is no model of its suffix, or its record is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no model at {path}; check the path")
    if path.suffix == ".keras":
        try:
            with zipfile.ZipFile(path) as archive:
                return Record.from_bytes(archive.read(MEMBER)) if MEMBER in archive.namelist() else None
        except zipfile.BadZipFile as error:
            raise ValueError(f"{path} is not a whole .keras file ({error}); {_repair(path)}") from error
    if path.suffix == ".onnx":
        return _onnx_record(path)
    if path.suffix == ".tflite":
        content = _tflite_metadata(path.read_bytes(), path)
        return Record.from_bytes(content) if content is not None else None
    return None


def add_to_keras(path: Path, record: Record) -> None:
    """Add the record to a freshly saved .keras archive; Keras itself passes over it."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(MEMBER, record.to_bytes())


def add_to_tflite(model: bytes, record: Record) -> bytes:
    """The same .tflite model with the record as a metadata entry; runtimes pass over it."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    content = schema.ModelT.InitFromPackedBuf(model, 0)
    buffer = schema.BufferT()
    buffer.data = list(record.to_bytes())
    content.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name = MEMBER.encode()
    entry.buffer = len(content.buffers) - 1
    content.metadata = [*(content.metadata or []), entry]
    builder = flatbuffers.Builder(len(model) + len(buffer.data) + 1024)
    builder.Finish(content.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def add_to_onnx(model: "onnx.ModelProto", record: Record) -> bytes:
    """The .onnx file of a graph, with the record as a metadata property; runtimes pass over it."""
    entry = model.metadata_props.add()
    entry.key, entry.value = MEMBER, record.to_bytes().decode()
    return model.SerializeToString()


def _onnx_record(path: Path) -> Record | None:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path)
    except DecodeError as error:
        raise ValueError(f"{path} is not a whole .onnx file: {_repair(path)}") from error
    found = [entry.value for entry in model.metadata_props if entry.key == MEMBER]
    return Record.from_bytes(found[0].encode()) if found else None


def _tflite_metadata(content: bytes, path: Path) -> bytes | None:
    from ai_edge_litert import schema_py_generated as schema

    if content[4:8] != b"TFL3":
        raise ValueError(f"{path} is not a .tflite file: {_repair(path)}")
    try:
        model = schema.Model.GetRootAs(content, 0)
        for i in range(model.MetadataLength()):
            entry = model.Metadata(i)
            if entry.Name() == MEMBER.encode():
                return model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
    except (struct.error, ValueError, AttributeError, TypeError) as error:  # offsets that lead outside the file
        raise ValueError(f"{path} is not a whole .tflite file ({error}); make it again") from error
    return None


def _repair(path: Path) -> str:
    return "it is a Git LFS pointer: run `git lfs pull`" if is_lfs_pointer(path) else "make it again"
