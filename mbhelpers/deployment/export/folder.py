"""A folder for the board from a .tflite file: the model, its C source, a script that runs it, and proof."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mbhelpers import settings
from mbhelpers.deployment.export.c_source import write_header, write_source
from mbhelpers.deployment.export.facts import describe
from mbhelpers.deployment.export.infer_source import write_script
from mbhelpers.deployment.export.readme import write_readme
from mbhelpers.deployment.export.vectors import MAKER, find_images, write_vectors
from mbhelpers.files import read_json, replacing, sha256
from mbhelpers.runs import versions

FILES = ("model.tflite", "labels.txt", "model_data.h", "model_data.c", "infer.py", "README.md", "vectors")
"""What such a folder holds."""


def deploy(
    model: Path,
    folder: Path,
    *,
    images: Sequence[Path] = (),
    labels: Path | None = None,
    preset: str | None = None,
    resize: str | None = None,
    seed: int = settings.DEFAULT_SEED,
) -> dict[str, Any]:
    """Make the folder, whole or not at all.

    Args:
        model: a .tflite classifier or detector, whoever made it.
        folder: to write; an older one of ours is replaced.
        images: picture files, or folders of them, for test vectors besides those that are drawn.
        labels: class names, one a line, for a file that carries none; ImageNet's by default for 1000 or 1001 outputs.
        preset: how pictures are prepared, for a file without a record.
        resize: likewise.
        seed: of the drawn noise.

    Returns:
        folder, model, task, sha256, bytes, files (names to bytes), vectors (their names), kernels, missing (sets of
        kernels that LiteRT lacks for the file, and why), warnings.

    Raises:
        ValueError: the file is no model that can be deployed or contradicts what was passed, a picture is missing or
            broken, or the folder can't be written or holds anything else.
    """
    model, folder = Path(model), Path(folder)
    _check_free(folder)
    facts = describe(model, labels=labels, preset=preset, resize=resize)
    pictures = find_images([Path(path) for path in images])
    content, digest = model.read_bytes(), sha256(model)
    with replacing(folder) as temporary:
        told = write_vectors(facts, digest, temporary / "vectors", images=pictures, seed=seed)
        (temporary / "model.tflite").write_bytes(content)
        for name, text in {
            "labels.txt": "".join(f"{label}\n" for label in facts.labels),
            "model_data.h": write_header(facts, len(content), digest),
            "model_data.c": write_source(facts.labels, content),
            "infer.py": write_script(facts.task, facts.for_script(digest), versions()["mbhelpers"]),
            "README.md": write_readme(facts, told, len(content), digest),
        }.items():
            (temporary / name).write_text(text, encoding="utf-8")
    return {
        "folder": str(folder),
        "model": model.name,
        "task": facts.task,
        "sha256": digest,
        "bytes": len(content),
        "files": {name: _size(folder / name) for name in FILES},
        "vectors": [vector["name"] for vector in told["vectors"]],
        "kernels": told["kernels"],
        "missing": told["missing"],
        "warnings": list(facts.warnings),
    }


def _check_free(folder: Path) -> None:
    """Refuse a folder with content that `deploy` has not made."""
    if folder.name in ("", ".."):
        raise ValueError(f"{folder} can't be replaced while one is in it; name a folder of its own")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ValueError(f"{folder} is a {'link' if folder.is_symlink() else 'file'}; name a folder that is to be made")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    strange = sorted({path.name for path in folder.iterdir()} - set(FILES))
    held = folder / "vectors" / "vectors.json"
    if not strange and held.is_file():
        told = read_json(held)
        if isinstance(told, dict) and told.get("by") == MAKER:
            kept = {file["file"] for vector in told["vectors"] for file in _files_of(vector)} | {held.name}
            strange = sorted({path.name for path in held.parent.iterdir()} - kept)
            if not strange:
                return
    lost = ", ".join(strange[:3]) or "files of another origin"
    raise ValueError(f"{folder} holds {lost}, which would be lost; name a folder of its own")


def _files_of(vector: dict[str, Any]) -> list[dict[str, Any]]:
    return [vector["input"], *(file for files in vector["outputs"].values() for file in files)]


def _size(path: Path) -> int:
    files = [file for file in path.iterdir()] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)
