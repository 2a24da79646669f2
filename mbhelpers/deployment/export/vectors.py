"""Test vectors of a .tflite file: raw inputs, and the raw outputs of each set of LiteRT's kernels."""

import hashlib
import platform
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers.data.folder import SUFFIXES, files_below
from mbhelpers.deployment.export.facts import Facts
from mbhelpers.deployment.export.network import KERNELS, Network, runtime
from mbhelpers.files import sha256, write_json
from mbhelpers.inference.raw import as_input
from mbhelpers.native import quietly, reason
from mbhelpers.runs import versions

MAKER = "mbhelpers deploy"
"""Who made a folder, as its vectors.json says."""

MOST = 100
"""Pictures, at most: each leaves its input and all outputs."""


def find_images(given: Sequence[Path]) -> list[Path]:
    """The picture files that are named, and those in folders that are, in order.

    Raises:
        ValueError: one is absent, a folder holds no picture, or they are more than `MOST`.
    """
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = [path / name for name in files_below(path) if Path(name).suffix.lower() in SUFFIXES]
            if not inside:
                raise ValueError(f"{path} holds no pictures ({', '.join(SUFFIXES)}); name another folder")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise ValueError(f"no image at {path}; check the path")
    if len(found) > MOST:
        raise ValueError(f"{len(found)} pictures would make a very large folder; name {MOST} or fewer")
    return found


def drawn_pictures(side: int, seed: int) -> dict[str, tuple[np.ndarray, str]]:
    """Pictures that need no data: name to uint8 pixels (side, side, 3) and what they are."""
    along, blank = np.arange(side) * 255 // max(1, side - 1), np.zeros((side, side), np.int64)
    # Red and blue differ as far as they can, or a port that swaps them would go unseen
    ramp = np.stack([255 - along[:, None] // 3 + blank, along[None] + blank, blank], axis=-1).astype(np.uint8)
    row, column = np.indices((side, side))
    ends = np.stack([column % 2, row % 2, (row // 8 + column // 8) % 2], axis=-1) * 255
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    return {
        "ramp": (ramp, "red falls downwards from 255 to 170, green rises to the right from 0 to 255, blue is 0"),
        "noise": (noise, f"every number from 0 to 255 as likely, seed {seed}"),
        "extremes": (
            ends.astype(np.uint8),
            "0 and 255 in turn: red by columns, green by rows, blue in squares of 8 pixels",
        ),
    }


def write_vectors(facts: Facts, digest: str, folder: Path, *, images: Sequence[Path], seed: int) -> dict[str, Any]:
    """Make the files of `vectors/`.

    Args:
        facts: of the file, which runs on one thread.
        digest: SHA-256 of the file.
        folder: to write into.
        images: picture files, prepared as the model's are.
        seed: of the noise.

    Returns:
        What `vectors.json` holds.

    Raises:
        ValueError: a picture can't be read, or an output is not finite.
    """
    folder.mkdir(parents=True)
    networks, missing = _networks(facts.path)
    pictures = [(name, *drawn) for name, drawn in drawn_pictures(facts.preprocessing.resolution, seed).items()]
    for k, path in enumerate(images):
        name = re.sub(r"[^A-Za-z0-9-]+", "_", path.stem)[:40]
        origin = f"{path.name}, SHA-256 {sha256(path)}" if path.is_file() else path.name
        pictures.append((f"image{k}_{name}", facts.preprocessing.load(path), origin))
    vectors = []
    for name, pixels, origin in pictures:
        raw = as_input(pixels, np.dtype(facts.input.type), facts.preprocessing)[None]
        outputs = {}
        for kernels, network in networks.items():
            found = network(raw)
            if any(values.dtype.kind == "f" and not np.isfinite(values).all() for values in found):
                raise ValueError(
                    f"{facts.path} gives numbers that are not finite for {name}; train or convert it again"
                )
            outputs[kernels] = [_save(folder, f"{name}_{kernels}_{k}.bin", values) for k, values in enumerate(found)]
        vectors.append(
            {"name": name, "from": origin, "input": _save(folder, f"{name}_input.bin", raw), "outputs": outputs}
        )
    told = {
        "by": MAKER,
        "model": {"file": "model.tflite", "sha256": digest},
        "made": {"runtime": runtime()[1], "threads": 1, "processor": platform.machine(), "versions": versions()},
        "kernels": list(networks),
        "missing": missing,
        "input": asdict(facts.input),
        "outputs": [asdict(output) for output in facts.outputs],
        "vectors": vectors,
    }
    write_json(folder / "vectors.json", told)
    return told


def _networks(path: Path) -> tuple[dict[str, Network], dict[str, str]]:
    """The file in each set of kernels, and why not where LiteRT lacks one: its reference set is not complete."""
    networks, missing = {}, {}
    for kernels in KERNELS:
        with quietly():
            try:
                networks[kernels] = Network(path, kernels)
            except ValueError as error:
                if kernels == "default":
                    raise
                missing[kernels] = "LiteRT has none: " + reason(error.__cause__ or error).split(". ")[0]
    return networks, missing


def _save(folder: Path, name: str, values: np.ndarray) -> dict[str, Any]:
    """A tensor as a file of its numbers, row by row, little-endian."""
    held = values.astype(values.dtype.newbyteorder("<")).tobytes()
    (folder / name).write_bytes(held)
    digest = hashlib.sha256(held).hexdigest()
    return {"file": name, "shape": list(values.shape), "type": values.dtype.name, "sha256": digest}
