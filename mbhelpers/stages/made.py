"""What a trained model carries of its making, and how one that is there is held to it."""

from json import dumps, loads
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mbhelpers.data.split import Split
from mbhelpers.files import replacing, write_json
from mbhelpers.records import Record, add_to_keras, read_record
from mbhelpers.runs import Run, machine, versions
from mbhelpers.stages.data import row_preprocessing

if TYPE_CHECKING:
    import keras


def provenance(run: Run, split: Split, boxes: str = "") -> dict[str, Any]:
    """What is needed to make the same thing again; `boxes` is the fingerprint of a detector's annotations."""
    return {
        "command": run.command(),
        "seed": run.seed,
        "smoke": run.smoke,
        "data": {
            "dataset": run.row.dataset,
            "source": {None: "fetched", "sample": "drawn sample"}.get(run.data_dir, "folder"),
            "fingerprint": split.fingerprint,
            "images": {part: len(found) for part, found in split.paths.items()},
        }
        | ({"boxes": boxes} if boxes else {}),
        "versions": versions(),
        "machine": machine(),
    }


def check_boxes(path: Path, boxes: str) -> None:
    """Refuse a detector that is there but learned from other boxes, or other classes, than the data has now.

    Raises:
        ValueError: it did.
    """
    record = read_record(path)
    if record is None or record.made.get("data", {}).get("boxes") != boxes:
        raise ValueError(
            f"{path} was made from other boxes or classes than the data has now; choose another folder (--out), or "
            "delete that one to start again"
        )


def check_made(run: Run, path: Path, recipe: dict[str, Any], split: Split) -> None:
    """Refuse a trained model that is there but is another one than is asked for.

    Raises:
        ValueError: it was made with another recipe, or from other images.
    """
    record = read_record(path)
    if record is None or record.made["recipe"] != loads(dumps(recipe)):
        raise ValueError(f"{path} was made with another recipe; choose another folder (--out), or delete it")
    if record.made["data"]["fingerprint"] != split.fingerprint:
        raise ValueError(f"{path} was made from other images than {run.row}'s split.json; delete one of the two")


def save_trained(
    run: Run, model: "keras.Model", history: list[dict[str, float]], classes: tuple[str, ...], made: dict[str, Any]
) -> Path:
    """Write `history.json` and `model.keras`, which carries its record; the state of its training goes."""
    import keras

    from mbhelpers.training.loop import discard_state

    path = run.folder / "model.keras"
    made = made | {"training_seconds": round(sum(line["seconds"] for line in history), 1)}
    write_json(run.folder / "history.json", history)
    with replacing(path) as temporary:
        # The same layers without the optimizer, whose moments would treble the file.
        keras.Model(model.inputs, model.outputs, name=model.name).save(temporary)
        add_to_keras(temporary, Record(classes, row_preprocessing(run), made))
    discard_state(run.folder)
    return path
