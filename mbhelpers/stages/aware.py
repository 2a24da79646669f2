"""Quantization-aware training of a run's model, beside what quantizing it without gives."""

import shutil
from dataclasses import replace
from typing import Any

from mbhelpers.files import locked, read_json, replacing, sha256, write_json
from mbhelpers.records import add_to_keras, read_record
from mbhelpers.runs import Run
from mbhelpers.stages.data import calibration_images, learned_parts, part_images
from mbhelpers.stages.order import require


def quantize_aware(run: Run, granularity: str = "tensor") -> dict[str, Any]:
    """Train the run's model with its rounding, make an int8 file of it, and measure it on the test part.

    `qat_<granularity>` in the run's folder gets `model_ptq.tflite`, quantized without training, `model.keras` and
    `model_qat.tflite`, and, last, `metrics.json`. Where they were made from the same model, they are taken as they
    are. A killed training goes on.

    Args:
        run: the run; stages it lacks are run first.
        granularity: "channel" or "tensor", of the weights' scales.

    Returns:
        row, granularity, of (SHA-256 of the model), recipe, history; float, ptq and qat as
        `evaluation.classification.evaluate` gives them; paired, as its `compare` does: "ptq" and "qat" against float,
        and "qat against ptq".

    Raises:
        ValueError: an unknown granularity, or a model that can't be trained so.
    """
    from mbhelpers.evaluation.classification import compare, evaluate
    from mbhelpers.inference.predictor import Predictor
    from mbhelpers.models.load import load_keras
    from mbhelpers.quantization import qat, tflite

    if run.row.detects:
        raise ValueError(
            f"{run.row} is a detector's; only classifiers are trained with their rounding. `mbhelpers quantize` with "
            "--format int8_per_tensor repairs a detector"
        )
    tflite.chosen_repairs(granularity, None)
    path = require(run, "model.keras")
    record, digest = read_record(path), sha256(path)
    if record is None:
        raise ValueError(f"{path} was not made by this collection; delete it and train again")
    folder = run.folder / f"qat_{granularity}"
    with locked(folder):
        if (folder / "metrics.json").is_file() and read_json(folder / "metrics.json")["of"] == digest:
            return read_json(folder / "metrics.json")
        model = load_keras(path)
        recipe = qat.RECIPE.short() if run.smoke else qat.RECIPE
        seen, _ = calibration_images(run)
        state = folder / f"training_{digest[:12]}"
        trained, history = qat.learn(
            model,
            record.preprocessing,
            part_images(run, *learned_parts(recipe)),
            seen,
            state,
            granularity=granularity,
            recipe=recipe,
            seed=run.seed,
        )
        told = {"recipe": recipe.to_json(), "of": digest, "granularity": granularity}
        aware = replace(record, made=record.made | {"qat": told})
        files = {name: folder / f"model_{name}.tflite" for name in ("ptq", "qat")}
        content = {
            "ptq": tflite.to_int8(model, record, seen, granularity=granularity),
            "qat": tflite.to_int8(trained, aware, seen, granularity=granularity, repairs=()),
        }
        for name, file in files.items():
            with replacing(file) as temporary:
                temporary.write_bytes(content[name])
        with replacing(folder / "model.keras") as temporary:
            trained.save(temporary)
            add_to_keras(temporary, aware)
        test, labels = part_images(run, "test")
        scores = {name: Predictor(file).predict(test) for name, file in {"float": path, **files}.items()}
        metrics: dict[str, Any] = {"row": str(run.row), **told, "history": history}
        metrics |= {name: evaluate(found, labels, record.classes) for name, found in scores.items()}
        metrics["paired"] = {name: compare(scores["float"], scores[name], labels) for name in files}
        metrics["paired"]["qat against ptq"] = compare(scores["ptq"], scores["qat"], labels)
        write_json(folder / "metrics.json", metrics)
        shutil.rmtree(state, ignore_errors=True)
        return read_json(folder / "metrics.json")
