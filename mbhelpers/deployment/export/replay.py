"""Test vectors: inputs of a file with the outputs that belong to them, played back and compared bit by bit."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers.deployment.export.network import End, Network, runtime


def replay(folder: Path, ends: tuple[End, ...]) -> dict[str, Any]:
    """Run `model.tflite` of a folder on the inputs in `vectors/`, and compare with the outputs there.

    Args:
        folder: made by `mbhelpers deploy`.
        ends: the file's outputs, in its order.

    Returns:
        runtime; made_with, the one that the outputs came from; vectors, how many; kernels, the sets they were played
        back on; missing, the others with the reason; and differences, for each output that is not the same to the last
        bit: kernels, vector, output, values (how many of them differ), largest, unit ("steps" of its rounding, or
        "absolute" where there is none).

    Raises:
        ValueError: a file is missing or is not the one that was made, or the runtime lacks the kernels.
    """
    told = read_vectors(folder)
    content(folder / "model.tflite", told["model"]["sha256"])
    differences = []
    for kernels in told["kernels"]:
        network = Network(folder / "model.tflite", kernels)
        for vector in told["vectors"]:
            found = network(_array(folder, vector["input"]))
            for k, end in enumerate(ends):
                apart = difference(found[k], _array(folder, vector["outputs"][kernels][k]), end.step)
                if apart:
                    differences.append({"kernels": kernels, "vector": vector["name"], "output": end.name, **apart})
    return {
        "runtime": runtime()[1],
        "made_with": told["made"]["runtime"],
        "vectors": len(told["vectors"]),
        "kernels": told["kernels"],
        "missing": told["missing"],
        "differences": differences,
    }


def difference(found: np.ndarray, told: np.ndarray, step: float) -> dict[str, Any]:
    """How far two outputs of a shape and type are apart: values, largest and unit of `replay`; empty if not at all."""
    bits = f"u{found.dtype.itemsize}"
    values = int((found.view(bits) != told.view(bits)).sum())
    if not values:
        return {}
    unit = 1.0 if found.dtype.kind in "iu" else step
    largest = float(np.abs(found.astype(np.float64) - told.astype(np.float64)).max())
    return {"values": values, "largest": largest / (unit or 1), "unit": "steps" if unit else "absolute"}


def read_vectors(folder: Path) -> dict[str, Any]:
    """`vectors/vectors.json` of a folder.

    Raises:
        ValueError: it is missing or damaged.
    """
    try:
        return json.loads((folder / "vectors" / "vectors.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"no vectors/vectors.json to read in {folder} ({error}); copy the whole folder") from error


def content(path: Path, sha256: str) -> bytes:
    """What a file holds.

    Raises:
        ValueError: it is missing, or its content is another than when the hash was taken.
    """
    try:
        held = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} can't be read ({error.strerror}); copy the whole folder") from error
    if hashlib.sha256(held).hexdigest() != sha256:
        raise ValueError(f"{path} is not the file that was made with this folder; copy the folder again")
    return held


def _array(folder: Path, told: dict[str, Any]) -> np.ndarray:
    """A tensor from its file, little-endian."""
    held = content(folder / "vectors" / told["file"], told["sha256"])
    return np.frombuffer(held, np.dtype(told["type"]).newbyteorder("<")).reshape(told["shape"])
