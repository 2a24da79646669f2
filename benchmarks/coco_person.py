"""Person labels from annotation files of growing size, against pycocotools building its index of the same file.

    .venv/bin/python benchmarks/coco_person.py

reads real COCO annotations (`--coco`, else the folder that MBHELPERS_REAL names), writes them out 1, 10 and 100 times
over with new numbers, and draws one file of the size of instances_train2014.json: 82,783 images, 604,900 boxes,
polygons of 30 to 60 numbers, crowds with run lengths. Each file is then read in processes of its own, by turns: by us,
up to the labels by both rules, without looking for the images; and by pycocotools, up to its index, and from there to
the same labels, which must agree with ours. Three processes each, one for the drawn file; a process repeats its work
until a second has passed, twenty times at most, and the least time counts. `peak_mb` is the most memory that a process
held, `imports_mb` what it held before the work. Ours maps the file, so its peak counts the file's pages, which the
system may drop. Results go to `benchmarks/results/coco_person.json`.
"""

import argparse
import contextlib
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from mbhelpers import settings
from mbhelpers.data import coco
from mbhelpers.data.person import RULES, label
from mbhelpers.files import write_json

RESULT = Path(__file__).parent / "results" / "coco_person.json"
IMAGES, BOXES = 82_783, 604_900
"""Of instances_train2014.json (its boxes rounded)."""


def grow(source: Path, times: int, target: Path) -> None:
    """Write an annotation file `times` over, each copy with numbers and file names of its own."""
    content = json.loads(source.read_bytes())
    images = 1 + max(image["id"] for image in content["images"])
    boxes = 1 + max(box["id"] for box in content["annotations"])
    for kind in ("images", "annotations"):
        content[kind] = [
            entry
            | {"id": entry["id"] + k * (images if kind == "images" else boxes)}
            | (
                {"file_name": f"{k}_{entry['file_name']}"}
                if kind == "images"
                else {"image_id": entry["image_id"] + k * images}
            )
            for k in range(times)
            for entry in content[kind]
        ]
    target.write_bytes(msgspec.json.encode(content))


def draw(target: Path, seed: int) -> None:
    """Write an annotation file of the size of instances_train2014.json, all numbers drawn."""
    rng = np.random.default_rng(seed)
    numbers = np.sort(rng.choice(581_921, IMAGES, replace=False)) + 1
    sizes = rng.integers(300, 641, (IMAGES, 2))
    home = rng.integers(0, IMAGES, BOXES)
    with target.open("wb") as stream:
        stream.write(b'{"info": {"description": "drawn"}, "licenses": [], "images": [')
        for k, (number, size) in enumerate(zip(numbers.tolist(), sizes.tolist(), strict=True)):
            stream.write((b", " if k else b"") + msgspec.json.encode(_image(number, size)))
        stream.write(b'], "annotations": [')
        for k in range(BOXES):
            box = _box(rng, k + 1, int(numbers[home[k]]), sizes[home[k]])
            stream.write((b", " if k else b"") + msgspec.json.encode(box))
        categories = [
            {"supercategory": "drawn", "id": k + 1, "name": "person" if k == 0 else f"thing {k}"} for k in range(80)
        ]
        stream.write(b'], "categories": ' + msgspec.json.encode(categories) + b"}")


def _image(number: int, size: list[int]) -> dict[str, Any]:
    name = f"COCO_train2014_{number:012d}.jpg"
    return {
        "license": 1 + number % 8,
        "file_name": name,
        "coco_url": f"http://images.cocodataset.org/train2014/{name}",
        "height": size[1],
        "width": size[0],
        "date_captured": "2013-11-14 16:28:13",
        "flickr_url": f"http://farm{number % 10}.staticflickr.com/3153/{number:010d}_{number:010x}_z.jpg",
        "id": number,
    }


def _box(rng: np.random.Generator, number: int, image: int, size: np.ndarray) -> dict[str, Any]:
    """A box with a polygon, a person in three of ten; one in eighty is a crowd, with run lengths."""
    span = (size * rng.beta(1, 4, 2)).round(2) + 1
    corner = (rng.random(2) * (size - span)).round(2)
    crowd = rng.random() < 1 / 80
    if crowd:
        segment: Any = {"counts": rng.integers(1, 500, 600).tolist(), "size": [int(size[1]), int(size[0])]}
    else:
        points = (corner + rng.random((int(rng.integers(15, 31)), 2)) * span).round(2)
        segment = [points.ravel().tolist()]
    return {
        "segmentation": segment,
        "area": float(span.prod() * rng.uniform(0.3, 0.9)),
        "iscrowd": int(crowd),
        "image_id": image,
        "bbox": [*corner.tolist(), *span.tolist()],
        "category_id": 1 if rng.random() < 0.3 else int(rng.integers(2, 81)),
        "id": number,
    }


def ours(file: Path) -> tuple[float, float, dict[str, list[int]]]:
    """Seconds up to the boxes, seconds up to the labels by both rules, and how many there are of each."""
    start = time.perf_counter()
    found = coco.read(file, file.parent, check=False)
    read = time.perf_counter() - start
    labels = {name: label(found, rule)[0] for name, rule in RULES.items()}
    labelled = time.perf_counter() - start
    return read, labelled, {name: [int((values == k).sum()) for k in (1, 0, -1)] for name, values in labels.items()}


def pycocotools(file: Path) -> tuple[float, float, dict[str, list[int]]]:
    """Seconds up to the index, seconds up to the labels by both rules, and how many there are of each."""
    from pycocotools.coco import COCO

    start = time.perf_counter()
    with contextlib.redirect_stdout(None):
        index = COCO(str(file))
    read = time.perf_counter() - start
    counts = {"vww": [0, 0, 0], "mlperf_tiny": [0, 0, 0]}
    person = index.getCatIds(catNms=["person"])
    for number, image in index.imgs.items():
        area = image["width"] * image["height"]
        persons = index.loadAnns(index.getAnnIds(imgIds=number, catIds=person))
        large = any(one["area"] / area >= 0.005 for one in persons)
        counts["vww"][0 if large else 1] += 1
        boxes = [one["bbox"][2] * one["bbox"][3] / area for one in persons if not one["iscrowd"]]
        counts["mlperf_tiny"][1 if not boxes else 0 if max(boxes) > 0.025 else 2] += 1
    return read, time.perf_counter() - start, counts


WORKERS = {"ours": ours, "pycocotools": pycocotools}


def work(who: str, file: Path) -> dict[str, Any]:
    """Be one of the measured processes: the best of the runs that a second has room for."""
    begun = _peak()
    runs = [WORKERS[who](file)]
    peak = _peak()
    while sum(labelled for _, labelled, _ in runs) < 1 and len(runs) < 20:
        runs.append(WORKERS[who](file))
    return {
        "read_s": min(read for read, _, _ in runs),
        "labelled_s": min(labelled for _, labelled, _ in runs),
        "imports_mb": begun,
        "peak_mb": peak,
        "counts": runs[0][2],
    }


def _peak() -> float:
    """The most memory this process has held, in MB; getrusage would give that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def measure(file: Path, repeats: int) -> dict[str, Any]:
    """Both on one file, by turns, each in a new process."""
    runs: dict[str, list[dict[str, Any]]] = {who: [] for who in WORKERS}
    for _ in range(repeats):
        for who, done in runs.items():
            command = [sys.executable, __file__, "--worker", who, "--file", str(file)]
            ended = subprocess.run(command, capture_output=True, text=True, check=True)
            done.append(json.loads(ended.stdout))
    best = {who: min(done, key=lambda run: run["labelled_s"]) for who, done in runs.items()}
    counts = {who: run.pop("counts") for who, run in best.items()}
    if counts["ours"] != counts["pycocotools"]:
        raise ValueError(f"the labels of {file.name} differ: {counts}")
    found = coco.read(file, file.parent, check=False)
    mine, theirs, file_mb = best["ours"], best["pycocotools"], file.stat().st_size / 1e6
    return {
        "images": len(found),
        "annotations": len(found.boxes),
        "file_mb": file_mb,
        "person_notperson_skipped": counts["ours"],
        **best,
        "times_as_fast_as_pycocotools_index": theirs["read_s"] / mine["labelled_s"],
        "pycocotools_peak_over_ours": theirs["peak_mb"] / mine["peak_mb"],
        "our_bytes_per_annotation_beside_the_file": 1e6
        * max(0, mine["peak_mb"] - mine["imports_mb"] - file_mb)
        / len(found.boxes),
    }


def run(annotations: Path, seed: int) -> dict[str, Any]:
    """All four files."""
    with tempfile.TemporaryDirectory() as place:
        cases = {}
        for name in ("1x", "10x", "100x", "train2014_size"):
            file = Path(place) / f"{name}.json"
            if name.endswith("x"):
                grow(annotations, int(name[:-1]), file)
            else:
                draw(file, seed)
            cases[name] = measure(file, repeats=3 if name.endswith("x") else 1)
            ratio = cases[name]["times_as_fast_as_pycocotools_index"]
            print(f"{name}: {cases[name]['ours']['labelled_s']:.3f} s, {ratio:.1f} times as fast as pycocotools' index")
            file.unlink()
    grown = [cases[name] for name in ("1x", "10x", "100x")]
    logs = np.log([(case["annotations"], case["ours"]["labelled_s"]) for case in grown])
    steps = np.diff(logs[:, 1]) / np.diff(logs[:, 0])
    return {
        "cases": cases,
        "log_log_slope": np.polyfit(logs[:, 0], logs[:, 1], 1)[0],
        "log_log_slope_of_each_step": steps.tolist(),
    }


def _machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {"cpu": models[0] if models else platform.processor(), "cores": os.cpu_count(), "system": platform.system()}


def main() -> None:
    """Measure, or be one of the measured processes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--coco", type=Path, help="COCO's folder; default: the real one for tests")
    parser.add_argument("--seed", type=int, default=settings.DEFAULT_SEED, help="of the drawn file")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--worker", choices=WORKERS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        print(json.dumps(work(given.worker, given.file)))
        return
    real = settings.real_folder()
    folder = given.coco or (real and real / "coco")
    if folder is None:
        parser.error("no real COCO here: pass --coco with the folder that holds annotations/")
    annotations = coco.annotation_files(folder)[0]
    packages = ("numpy", "msgspec", "pycocotools")
    result = {
        "command": shlex.join([".venv/bin/python", "benchmarks/coco_person.py", *sys.argv[1:]]),
        "annotations": annotations.name,
        "seed": given.seed,
        "machine": _machine(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        **run(annotations, given.seed),
    }
    write_json(given.out, _rounded(result))


def _rounded(content: Any) -> Any:
    """Four significant digits: more would be noise."""
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_rounded(value) for value in content]
    return float(f"{content:.4g}") if isinstance(content, float) else content


if __name__ == "__main__":
    main()
