"""Decoding and suppression of 18,070 anchors, against a straightforward Python loop.

    taskset -c 0 python benchmarks/nms.py

runs ST's SSD MobileNetV2 FPN-lite for 416 pixels (peer_models/st_ssd_person in the folder that MBHELPERS_REAL names) on
all COCO images there, keeps its outputs, and then times each image's way from offsets and scores to final detections:
ours, and the loop that is found everywhere, which takes the best box that is left and compares it with the others one
row at a time. Once more with boxes compared in Python, two at a time, as a microcontroller's code is written. Score
above 0.001, IoU 0.5, with the best 100 kept and with all; both must find the very same boxes. Times are the least of
three runs an image (the slow loop runs once), in processor milliseconds of one thread: on a machine with other work
they say more than the wall.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers import settings
from mbhelpers.detection.codec import decode
from mbhelpers.detection.outputs import Raw, read, suppress
from mbhelpers.files import write_json
from mbhelpers.preprocessing import preset
from mbhelpers.runs import machine, versions

FILE, SIDE = Path("peer_models", "st_ssd_person", "ssd_mobilenet_v2_fpnlite_035_416_int8.tflite"), 416
SCORE, IOU = 0.001, 0.5
REPEATS = 3

Way = Callable[[np.ndarray, np.ndarray, np.ndarray, int | None], np.ndarray]
"""Offsets, scores (NA,), anchors and limit to the (K, 4) boxes that stay, best first."""


def ours(offsets: np.ndarray, scores: np.ndarray, anchors: np.ndarray, limit: int | None) -> np.ndarray:
    """What is measured."""
    raw = Raw(scores[:, None], offsets, anchors, "corners")
    return suppress(raw, score_threshold=SCORE, iou_threshold=IOU, limit=limit).boxes


def row_by_row(offsets: np.ndarray, scores: np.ndarray, anchors: np.ndarray, limit: int | None) -> np.ndarray:
    """The loop over boxes, NumPy for each row."""
    boxes = decode(offsets, anchors)
    left, top, right, bottom = boxes.T
    areas = np.maximum(right - left, 0) * np.maximum(bottom - top, 0)
    order = np.flatnonzero(scores > SCORE)
    order = order[np.argsort(-scores[order], kind="stable")]
    kept: list[int] = []
    while len(order) and (limit is None or len(kept) < limit):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        width = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest])
        height = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        union = areas[best] + areas[rest] - shared
        order = rest[shared / np.maximum(union, np.finfo(np.float32).tiny) <= IOU]
    return boxes[kept]


def pair_by_pair(offsets: np.ndarray, scores: np.ndarray, anchors: np.ndarray, limit: int | None) -> np.ndarray:
    """Two loops, numbers of Python, which are float64: of exact float32 boxes, so hardly ever another decision."""
    decoded = decode(offsets, anchors)
    boxes, listed = decoded.tolist(), scores.tolist()
    kept: list[int] = []
    for k in sorted((k for k, score in enumerate(listed) if score > SCORE), key=lambda k: -listed[k]):
        if len(kept) == limit:
            break
        if all(_overlap(boxes[k], boxes[other]) <= IOU for other in kept):
            kept.append(k)
    return decoded[kept]


def _overlap(a: list[float], b: list[float]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [max(box[2] - box[0], 0) * max(box[3] - box[1], 0) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


WAYS: dict[str, Way] = {"ours": ours, "row_by_row": row_by_row, "pair_by_pair": pair_by_pair}


def predict(real: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of persons (N, NA), offsets (N, NA, 4) and anchors (NA, 4) of all images."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(real / FILE), num_threads=1)
    interpreter.allocate_tensors()
    (place,), contract = interpreter.get_input_details(), preset("st", SIDE)
    scores, offsets = [], []
    for path in sorted((real / "coco" / "val2017").glob("*.jpg")):
        interpreter.set_tensor(place["index"], contract.load(path)[None])
        interpreter.invoke()
        details = interpreter.get_output_details()
        raw = read([(one["name"], interpreter.get_tensor(one["index"])) for one in details], classes=1)
        scores.append(raw.scores[:, 0])
        offsets.append(raw.offsets)
    return np.array(scores), np.array(offsets), raw.anchors


def measure(scores: np.ndarray, offsets: np.ndarray, anchors: np.ndarray, limit: int | None) -> dict[str, Any]:
    """All ways on all images, image by image by turns."""
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    numbers, differ = [], dict.fromkeys(WAYS, 0)
    for own, encoded in zip(scores, offsets, strict=True):
        found = {}
        for name, way in WAYS.items():
            runs = []
            for _ in range(REPEATS if name != "pair_by_pair" else 1):
                started = time.process_time()
                found[name] = way(encoded, own, anchors, limit)
                runs.append(time.process_time() - started)
            times[name].append(1e3 * min(runs))
            differ[name] += not np.array_equal(found[name], found["ours"])
        numbers.append(len(found["ours"]))
    if differ["row_by_row"]:
        raise RuntimeError(f"the loop finds other boxes on {differ['row_by_row']} images")
    median = {name: float(np.median(each)) for name, each in times.items()}
    return {
        "limit": limit,
        "detections_per_image": [int(number) for number in np.percentile(numbers, [0, 50, 100])],
        "images_with_other_boxes": {name: differ[name] for name in ("row_by_row", "pair_by_pair")},
        "milliseconds": {
            name: {
                "median": round(median[name], 3),
                "p95": round(float(np.percentile(each, 95)), 3),
                "worst": round(max(each), 3),
            }
            for name, each in times.items()
        },
        "times_as_fast": {name: round(median[name] / median["ours"], 1) for name in ("row_by_row", "pair_by_pair")},
    }


def main() -> None:
    """Run the file, measure, write the result."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "results" / "nms.json")
    given = parser.parse_args()
    real = settings.real_folder()
    if real is None:
        parser.error("no real files here: set MBHELPERS_REAL to their folder")
    scores, offsets, anchors = predict(real)
    above = (scores > SCORE).sum(axis=1)
    content = {
        "command": "taskset -c 0 python benchmarks/nms.py",
        "data": {
            "file": FILE.name,
            "images": len(scores),
            "anchors": len(anchors),
            "above_score_per_image": [int(number) for number in np.percentile(above, [0, 50, 100])],
        },
        "score_threshold": SCORE,
        "iou_threshold": IOU,
        "cases": [measure(scores, offsets, anchors, limit) for limit in (100, None)],
        "machine": machine(),
        "versions": versions(),
    }
    write_json(given.output, content)
    print(json.dumps(content["cases"], indent=1))


if __name__ == "__main__":
    main()
