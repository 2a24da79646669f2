"""A model's folder as the ONNX model zoo packs it: the file, and inputs with the outputs that belong to them."""

from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers.files import is_lfs_pointer, replacing
from mbhelpers.native import reason

TOLERANCE = 1e-3
"""By how much an output may be off, absolutely and relatively, as the zoo's own check has it."""


def package(model: Path, folder: Path, inputs: np.ndarray) -> Path:
    """Write `<model>.onnx` and `test_data_set_0/{input_0,output_0}.pb` into a folder, whole or not at all.

    Args:
        model: an .onnx file with one input.
        folder: the folder to write; an older package of the same model is replaced.
        inputs: float32, one batch of what the model takes; `Preprocessing.normalize(pixels)` in its layout.

    Raises:
        ValueError: a folder that holds anything else, a file that is no model, or inputs that it doesn't
            take.
    """
    import onnx
    from onnx import numpy_helper

    if folder.exists():
        strange = sorted({path.name for path in folder.iterdir()} - {model.name, "test_data_set_0"})
        if strange:
            raise ValueError(f"{folder} holds {', '.join(strange[:3])}, which would be lost; name a folder of its own")
    session = _session(model)
    name = session.get_inputs()[0].name
    outputs = _run(model, session, {name: inputs})
    with replacing(folder) as temporary:
        data = temporary / "test_data_set_0"
        data.mkdir(parents=True)
        (temporary / model.name).write_bytes(model.read_bytes())
        onnx.save_tensor(numpy_helper.from_array(inputs, name), data / "input_0.pb")
        for k, (end, value) in enumerate(zip(session.get_outputs(), outputs, strict=True)):
            onnx.save_tensor(numpy_helper.from_array(value, end.name), data / f"output_{k}.pb")
    return folder


def verify(folder: Path, tolerance: float = TOLERANCE) -> dict[str, Any]:
    """Run the model of such a folder on its inputs, and compare with its outputs.

    Args:
        folder: one .onnx file, and `test_data_set_*` beside it; the zoo's or one of ours.
        tolerance: by how much an output may be off: |found - told| <= tolerance * (1 + |told|).

    Returns:
        model, sets: for each data set the largest difference and whether all is within the tolerance, and right,
        whether all sets are.

    Raises:
        ValueError: no folder of that kind, a Git LFS pointer in place of a file, or inputs that the model doesn't take.
    """
    models, sets = sorted(folder.glob("*.onnx")), sorted(folder.glob("test_data_set_*"))
    if len(models) != 1 or not sets:
        raise ValueError(
            f"{folder} holds {len(models)} .onnx files and {len(sets)} test_data_set_* folders; one model and one data "
            "set or more are expected, as the ONNX model zoo's archives unpack"
        )
    session = _session(models[0])
    found = {}
    for place in sets:
        given, told = ([_tensor(path) for path in _numbered(place, kind)] for kind in ("input", "output"))
        if len(given) != len(session.get_inputs()) or len(told) != len(session.get_outputs()):
            raise ValueError(
                f"{place} holds {len(given)} inputs and {len(told)} outputs, {models[0].name} has "
                f"{len(session.get_inputs())} and {len(session.get_outputs())}; unpack the archive again"
            )
        feeds = {end.name: value for end, value in zip(session.get_inputs(), given, strict=True)}
        outputs = _run(models[0], session, feeds)
        pairs = list(zip(outputs, told, strict=True))
        if any(one.shape != other.shape for one, other in pairs):
            raise ValueError(f"{place}: outputs of shapes {[o.shape for o in told]}, the model gives others")
        far = max(float(np.abs(one - other).max(initial=0)) for one, other in pairs)
        right = all(np.allclose(one, other, rtol=tolerance, atol=tolerance) for one, other in pairs)
        found[place.name] = {"largest_difference": far, "right": right}
    return {"model": models[0].name, "sets": found, "right": all(each["right"] for each in found.values())}


def _numbered(place: Path, kind: str) -> list[Path]:
    """`<kind>_0.pb`, `<kind>_1.pb`, ... in the order of their numbers."""
    found = [(path.stem.removeprefix(f"{kind}_"), path) for path in place.glob(f"{kind}_*.pb")]
    if strange := [path for number, path in found if not number.isdecimal()]:
        raise ValueError(f"{strange[0]} has no number; {kind}_0.pb, {kind}_1.pb and so on are expected")
    return [path for _, path in sorted(found, key=lambda pair: int(pair[0]))]


def _tensor(path: Path) -> np.ndarray:
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import numpy_helper

    if is_lfs_pointer(path):
        raise ValueError(f"{path} is a Git LFS pointer: run `git lfs pull`")
    try:
        return numpy_helper.to_array(onnx.load_tensor(path))
    except (DecodeError, ValueError, TypeError) as error:
        raise ValueError(f"{path} is not a whole tensor file ({error}); unpack the archive again") from error


def _session(model: Path) -> Any:
    import onnxruntime

    if not model.is_file():
        raise ValueError(f"no model at {model}; check the path")
    if is_lfs_pointer(model):
        raise ValueError(f"{model} is a Git LFS pointer: run `git lfs pull`")
    try:
        return onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own errors have no common class but this
        raise ValueError(
            f"{model} cannot be loaded by ONNX Runtime ({reason(error)}); make or fetch it again"
        ) from error


def _run(model: Path, session: Any, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    try:
        return session.run(None, feeds)
    except Exception as error:
        shapes = {name: value.shape for name, value in feeds.items()}
        raise ValueError(f"{model} does not take {shapes} ({reason(error)}); check size and layout") from error
