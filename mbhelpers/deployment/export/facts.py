"""What a .tflite file is, as a board's firmware, a script and a reader need to know it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers.deployment.export.network import End, Network
from mbhelpers.detection.outputs import Raw, read
from mbhelpers.files import is_lfs_pointer
from mbhelpers.inference.classify import names_of, read_lines
from mbhelpers.inference.detector import Detector
from mbhelpers.inference.predictor import Predictor
from mbhelpers.models.tflite_graph import Graph, read_graph
from mbhelpers.native import quietly
from mbhelpers.preprocessing import Preprocessing
from mbhelpers.records import Record, read_record

TYPES = {"uint8": "uint8_t", "int8": "int8_t", "float32": "float"}
"""The types that an input or output may have: NumPy's names, and C's."""

LONGEST = 4095
"""Bytes of a name: what C99 promises a string literal."""


@dataclass(frozen=True)
class Facts:
    """A file, opened and understood.

    Attributes:
        path: the file.
        task: "classifier" or "detector".
        record: what it says of itself; None of a peer's file.
        preprocessing: how pictures are prepared for it.
        labels: a name for each class.
        labels_origin: where they come from, in words.
        input: the picture.
        outputs: in the file's order.
        roles: of a classifier ("scores",), of a detector with raw outputs which output is "scores", "offsets" and
            "anchors"; empty for the other layouts.
        background: how many columns of a detector's scores come before the first class: 1, or 0.
        operators: kinds of its operators, sorted.
        warnings: what a reader must know.
    """

    path: Path
    task: str
    record: Record | None
    preprocessing: Preprocessing
    labels: tuple[str, ...]
    labels_origin: str
    input: End
    outputs: tuple[End, ...]
    roles: tuple[str, ...]
    background: int
    operators: tuple[str, ...]
    warnings: tuple[str, ...]

    def for_script(self, sha256: str) -> dict[str, Any]:
        """The part that `infer.py` carries, as plain data."""
        return {
            "sha256": sha256,
            "preprocessing": self.preprocessing.to_json(),
            "labels": self.labels,
            "input": asdict(self.input),
            "outputs": [asdict(output) for output in self.outputs],
        }


def describe(path: Path, *, labels: Path | None = None, preset: str | None = None, resize: str | None = None) -> Facts:
    """Open a file and find out what it is.

    Args:
        path: a .tflite classifier or detector.
        labels: class names, one a line, for a file that carries none.
        preset: how pictures are prepared, for a file without a record.
        resize: likewise.

    Raises:
        ValueError: it is no .tflite file, is damaged, has inputs or outputs of another form than a classifier's or a
            detector's, or contradicts what was passed.
    """
    record = _record(path)
    graph = read_graph(path)
    with quietly():
        network = Network(path)
    if len(network.inputs) != 1:
        shapes = [tuple(map(int, end["shape"])) for end in network.inputs]
        raise ValueError(f"{path} has {len(shapes)} inputs, {shapes}; a model that takes one picture is expected")
    _check_fixed(path, network)
    [entry] = [_end(path, told, graph) for told in network.inputs]
    outputs = tuple(_end(path, told, graph) for told in network.outputs)
    if len(outputs) > 1 or any(side > 1 for side in outputs[0].shape[1:-1]):
        read_as = _detector(path, labels, preset, resize, outputs)
    else:
        read_as = _classifier(path, labels, preset, resize)
    _check_labels(path, read_as["labels"])
    if any(tensor.type == "UINT8" and tensor.content is not None for tensor in graph.tensors):
        read_as["warnings"] += (_OLD_WEIGHTS,)
    operators = tuple(sorted({operator.kind for operator in graph.operators}))
    return Facts(path=path, record=record, input=entry, outputs=outputs, operators=operators, **read_as)


def _record(path: Path) -> Record | None:
    """The file's record; refuses what is no .tflite file."""
    if path.suffix in (".keras", ".h5", ".onnx"):
        kept = "the .keras model that it came from" if path.suffix == ".onnx" else str(path)
        raise ValueError(
            f"{path} is no .tflite file, which boards run; make one: mbhelpers quantize {kept} TRAINING_IMAGES "
            "-o model_int8.tflite"
        )
    if path.suffix != ".tflite":
        raise ValueError(f"{path} is no model for a board; a .tflite file is expected")
    if path.is_file() and is_lfs_pointer(path):
        raise ValueError(f"{path} is a Git LFS pointer: run `git lfs pull`")
    return read_record(path)


def _check_fixed(path: Path, network: Network) -> None:
    """Refuse shapes that are open; only the number of pictures may be, which is 1 then."""
    for told in (*network.inputs, *network.outputs):
        signature = [int(n) for n in told.get("shape_signature", told["shape"])]
        if -1 in signature[1:]:
            raise ValueError(
                f"{path}: {told['name']!r} has an open shape, {tuple(signature)}; a board needs one that is fixed: "
                "convert the model for one size of pictures"
            )


def _end(path: Path, told: dict[str, Any], graph: Graph) -> End:
    """What LiteRT says of an input or output."""
    kind = np.dtype(told["dtype"]).name
    scale, zero_point = told["quantization"]
    if kind not in TYPES or (kind != "float32" and not scale):
        raise ValueError(
            f"{path}: {told['name']!r} is {kind}{'' if scale else ' without a scale'}; inputs and outputs are float32, "
            "or uint8 or int8 with a scale: convert the model again"
        )
    shape = tuple(int(n) for n in told["shape"])
    return End(told["name"], kind, shape, float(scale), int(zero_point), _step(told["index"], kind, graph))


def _step(index: int, kind: str, graph: Graph) -> float:
    """The scale of the integers that a float output is made from."""
    makers = [op for op in graph.operators if op.kind == "DEQUANTIZE" and index in op.outputs]
    scale = graph.tensors[makers[0].inputs[0]].scale if makers else np.zeros(0)
    return float(scale[0]) if kind == "float32" and len(scale) == 1 else 0.0


def _classifier(path: Path, labels: Path | None, preset: str | None, resize: str | None) -> dict[str, Any]:
    predictor = Predictor(path, preset=preset, resize=resize)
    names, origin = names_of(predictor, labels)
    warnings = [_ASSUMED.format(predictor.preprocessing)] if predictor.preprocessing_assumed else []
    if origin.startswith("none"):
        warnings.append(_UNNAMED)
    elif predictor.classes and predictor.classes_assumed:
        warnings.append("the order of the classes was only a guess when the file was quantized")
    return {
        "task": "classifier",
        "preprocessing": predictor.preprocessing,
        "labels": names,
        "labels_origin": origin,
        "roles": ("scores",),
        "background": 0,
        "warnings": tuple(warnings),
    }


_UNNAMED = "its classes have no names but numbers; `mbhelpers deploy --labels FILE` takes them, one a line"

_OLD_WEIGHTS = (
    "its weights are uint8, a form older than int8 that LiteRT for Microcontrollers doesn't run; for one, make an int8 "
    "file of it with `mbhelpers quantize`"
)

_ASSUMED = "the file doesn't say how pictures are prepared; assumed: {}. If that is wrong, so are its answers"


def _detector(
    path: Path, labels: Path | None, preset: str | None, resize: str | None, ends: tuple[End, ...]
) -> dict[str, Any]:
    listed = read_lines(labels) if labels else ()
    detector = Detector(path, classes=listed, preset=preset, resize=resize)
    if not detector.class_count:
        raise ValueError(f"{path} gives numbers of classes and no names; pass --labels, a file with one name a line")
    names = detector.classes or tuple(f"class {k}" for k in range(detector.class_count))
    origin = str(labels) if listed else "the file" if detector.classes else "none: the classes are numbered from 0"
    warnings = [_ASSUMED.format(detector.preprocessing)] if detector.preprocessing_assumed else []
    if not detector.classes:
        warnings.append(_UNNAMED)
    outputs = detector.outputs(np.full((detector.resolution, detector.resolution, 3), 128, np.uint8))
    seen = read(outputs, classes=len(names))
    roles: tuple[str, ...] = ()
    if isinstance(seen, Raw) and len(outputs) == 3:
        known = {"anchors": seen.anchors, "offsets": seen.offsets}
        found = [[role for role, held in known.items() if np.array_equal(values[0], held)] for _, values in outputs]
        roles = tuple(fitting[0] if fitting else "scores" for fitting in found)
    columns = next((end.shape[-1] for end, role in zip(ends, roles, strict=False) if role == "scores"), None)
    if isinstance(seen, Raw) and columns is None:
        columns = ends[0].shape[-1] - 8
    return {
        "task": "detector",
        "preprocessing": detector.preprocessing,
        "labels": names,
        "labels_origin": origin,
        "roles": roles,
        "background": 0 if columns is None else columns - len(names),
        "warnings": tuple(warnings),
    }


def _check_labels(path: Path, labels: tuple[str, ...]) -> None:
    """One name a line, and one string literal each."""
    for label in labels:
        if not label.strip() or len(label.splitlines()) != 1 or "\0" in label or len(label.encode()) > LONGEST:
            raise ValueError(
                f"{path}: {label[:40]!r} can't be a line of labels.txt; a name has no line break, something to read, "
                f"and {LONGEST} bytes at most"
            )
