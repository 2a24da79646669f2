"""What int8 costs, by granularity and repair, on models of the zoo.

    .venv/bin/python benchmarks/int8.py [ROW ...]

Data: `flowers` in the folder that MBHELPERS_REAL names, or `--data`. Models: `results/<row>/model.keras`, or, where
there is none, that of the row's run in `--work`, as `mbhelpers run --out` left it. Each is calibrated as there.

- `choice`: every combination of repairs on images that the model has learned and calibration has not seen, 600 a row:
  on how many int8 gives float's answer, and how far scores are off, in points. No label is used, and no test image.
- `test`: what the defaults give, TFLite and ONNX, what comes without repairs, and what quantization-aware training
  gives, with a scale for each tensor, on the test images: int8 against float, paired; and the trained one against the
  repaired one. `pooled` sums the rows of MobileNetV2 up; they share their test images, so its interval is somewhat too
  narrow.

Results go to `results/flowers/int8.json`; a row's results replace its older ones there.
"""

import argparse
import shlex
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from training_step import rounded

from mbhelpers import settings, stages
from mbhelpers.data import source
from mbhelpers.data.pipeline import load_images
from mbhelpers.evaluation.classification import compare
from mbhelpers.evaluation.intervals import mcnemar, paired_difference
from mbhelpers.files import read_json, write_json
from mbhelpers.inference.predictor import Predictor
from mbhelpers.models.load import load_keras
from mbhelpers.native import load_tensorflow
from mbhelpers.quantization import qat
from mbhelpers.quantization.calibration import calibration_set
from mbhelpers.quantization.formats import Converted, convert
from mbhelpers.records import read_record
from mbhelpers.runs import Run, machine, open_run, versions

RESULT = settings.results_folder() / "flowers" / "int8.json"
ROWS = [f"flowers/mobilenet_v2_0.35_{side}_{variant}" for side in (128, 224) for variant in ("tfs", "tl", "fft")]
ROWS.append("flowers/mobilenet_v3_small_1.0_128_tfs")
SEEN = 600
AGAINST = "tensor, trained against tensor"
COMBINATIONS: dict[str, list[tuple[str, ...]]] = {
    "channel": [(), ("biases",), ("silence", "equalize", "biases")],
    "tensor": [
        (),
        ("biases",),
        ("silence",),
        ("silence", "biases"),
        ("equalize", "biases"),
        ("silence", "equalize"),
        ("silence", "equalize", "biases"),
    ],
}


def measure(run: Run, results: Path) -> dict[str, Any]:
    """Both tables of one row."""
    path = results / str(run.row) / "model.keras"
    path = path if path.is_file() else run.folder / "model.keras"
    model, record = load_keras(path), read_record(path)
    if record is None:
        raise ValueError(f"{path} was not made by this collection; run the row first")
    split, root = stages.prepare(run), source.locate(run.row.dataset, run.data_dir)
    images = {
        part: load_images(root, split.paths[part], record.preprocessing) for part in ("train", "validation", "test")
    }
    chosen = calibration_set(split.labels["train"], settings.CALIBRATION_IMAGES, run.seed)
    labels = [split.labels[part] for part in ("train", "validation")]
    rest = np.concatenate([np.delete(images["train"], chosen, axis=0), images["validation"]])
    order = np.random.default_rng(run.seed).permutation(len(rest))[:SEEN]
    reference = Predictor(path)
    float_seen, float_test = reference.predict(rest[order]), reference.predict(images["test"])

    seen = images["train"][chosen]

    def converted(name: str, network: Any = model, **options: Any) -> Converted:
        return convert(network, record, name, seen, **options)

    found: dict[str, Any] = {"n_seen": len(order), "choice": {}}
    kinds = {"channel": "int8", "tensor": "int8_per_tensor"}
    for granularity, combinations in COMBINATIONS.items():
        for repairs in combinations:
            start = time.perf_counter()
            made = converted(kinds[granularity], repairs=repairs)
            seconds = time.perf_counter() - start
            scores = made.predict(rest[order])
            name = f"{granularity}: {' + '.join(repairs) or 'none'}"
            found["choice"][name] = {
                "agreement": float((scores.argmax(1) == float_seen.argmax(1)).mean()),
                "points_off": 100 * float(np.abs(scores - float_seen).mean()),
                "seconds": seconds,
            }
            print(f"{run.row} {name}: {rounded(found['choice'][name])}", flush=True)
    with TemporaryDirectory() as folder:
        learned = tuple(np.concatenate(part) for part in ((images["train"], images["validation"]), labels))
        trained, history = qat.learn(model, record.preprocessing, learned, seen, Path(folder), seed=run.seed)
    found["training_seconds"] = sum(line["seconds"] for line in history)
    files = {
        "channel": converted("int8"),
        "channel, not repaired": converted("int8", repairs=()),
        "tensor": converted("int8_per_tensor"),
        "tensor, not repaired": converted("int8_per_tensor", repairs=()),
        "tensor, trained": converted("int8_per_tensor", trained, repairs=()),
        **{name: converted(name) for name in ("onnx_qoperator", "onnx_qdq", "onnx_qdq_per_channel")},
    }
    scores = {name: made.predict(images["test"]) for name, made in files.items()}
    found["test"] = {name: compare(float_test, each, split.labels["test"]) for name, each in scores.items()}
    found["test"][AGAINST] = compare(scores["tensor"], scores["tensor, trained"], split.labels["test"])
    found["top1"] = {
        name: float((each.argmax(1) == split.labels["test"]).mean())
        for name, each in ({"float": float_test} | scores).items()
    }
    for name, told in found["test"].items():
        print(f"{run.row} {name}: {rounded(told)}", flush=True)
    return found


def pooled(rows: dict[str, Any]) -> dict[str, Any]:
    """The rows' test images as if they were those of one; `relative_loss` is the share of what float has right."""
    told: dict[str, Any] = {}
    right = sum(row["top1"]["float"] * row["test"]["channel"]["n"] for row in rows.values())
    for name in next(iter(rows.values()))["test"]:
        n, first, second = (
            sum(row["test"][name][key] for row in rows.values()) for key in ("n", "only_first", "only_second")
        )
        told[name] = {
            "n": n,
            "difference": (second - first) / n,
            "interval": paired_difference(first, second, n),
            "mcnemar_p": mcnemar(first, second),
        }
        if name != AGAINST:
            told[name]["relative_loss"] = (first - second) / right
    return told


def main() -> None:
    """Measure rows, and sum up all of MobileNetV2 that are there."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", default=ROWS)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seed", type=int, default=settings.DEFAULT_SEED)
    parser.add_argument("--work", type=Path, default=Path("runs") / "int8")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    real = settings.real_folder()
    data = given.data or (real and real / "flowers")
    if data is None:
        parser.error("no real flowers here: pass --data")
    load_tensorflow()
    for name in given.rows:
        run = open_run(name, data_dir=data, weights="none", out_dir=given.work, seed=given.seed)
        found = rounded(measure(run, settings.results_folder()))
        before = read_json(given.out) if given.out.is_file() else {"rows": {}}
        rows = before["rows"] | {name: found}
        zoo = {row: told for row, told in rows.items() if "mobilenet_v2" in row and AGAINST in told["test"]}
        write_json(
            given.out,
            {
                "command": shlex.join([".venv/bin/python", "benchmarks/int8.py"]),
                "data": {"folder": Path(data).name, "calibration_images": settings.CALIBRATION_IMAGES},
                "seed": given.seed,
                "machine": machine(),
                "versions": versions(),
                "pooled": rounded(pooled(zoo)) if zoo else {},
                "rows": rows,
            },
        )


if __name__ == "__main__":
    main()
