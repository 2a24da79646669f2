"""ST's own SSD files on COCO images: their anchors are ours, and every reading of their outputs finds the same."""

import json

import numpy as np
import pytest

from mbhelpers.detection.anchors import make_anchors
from mbhelpers.detection.boxes import area, iou, xywh_to_xyxy
from mbhelpers.detection.outputs import detect, read
from mbhelpers.preprocessing import preset

pytestmark = pytest.mark.real

STEP = {192: 0.0065, 416: 0.0046}
"""What the files' int8 anchors may be off by, at each resolution."""

IMAGES = 24


@pytest.fixture(scope="module", params=STEP)
def runs(request):
    """Resolution, and of some images the file name and the named outputs."""
    from ai_edge_litert.interpreter import Interpreter

    from mbhelpers import settings

    folder, side = settings.real_folder(), request.param
    if folder is None:
        pytest.skip("no real images here: set MBHELPERS_REAL to their folder (or lay them in ../shared/real)")
    file = folder / "peer_models" / "st_ssd_person" / f"ssd_mobilenet_v2_fpnlite_035_{side}_int8.tflite"
    interpreter = Interpreter(str(file), num_threads=1)
    interpreter.allocate_tensors()
    (place,), details = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = {}
    for path in sorted((folder / "coco" / "val2017").glob("*.jpg"))[:IMAGES]:
        interpreter.set_tensor(place["index"], preset("st", side).load(path)[None])
        interpreter.invoke()
        outputs[path.name] = [(one["name"], interpreter.get_tensor(one["index"])) for one in details]
    return side, outputs


def test_the_files_anchors_are_ours(runs):
    side, outputs = runs
    for named in outputs.values():
        raw = read(named, classes=1)
        assert raw.scores.shape == (len(make_anchors(side)), 1)
        assert np.abs(raw.anchors - make_anchors(side)).max() < STEP[side]


def test_any_order_and_one_tensor_give_the_same(runs):
    _, outputs = runs
    for named in outputs.values():
        wanted = detect(named)
        side_by_side = [("all", np.concatenate([array for _, array in named], axis=2))]
        for other in (named[::-1], [named[1], named[0], named[2]], side_by_side):
            found = detect(other)
            np.testing.assert_array_equal(found.boxes, wanted.boxes)
            np.testing.assert_array_equal(found.scores, wanted.scores)


def test_large_persons_are_found_by_tight_boxes(runs, real):
    """And decoded the other way by loose ones: an IoU above 0.5 would not tell the codecs apart, above 0.75 does."""
    side, outputs = runs
    content = json.loads((real / "coco" / "annotations" / "instances_val2017.json").read_bytes())
    images = {image["file_name"]: image for image in content["images"]}
    found, number = {"corners": 0, "centre": 0}, 0
    for name, named in outputs.items():
        image = images[name]
        size = np.array([image["width"], image["height"]] * 2)
        persons = [a["bbox"] for a in content["annotations"] if a["image_id"] == image["id"] and a["category_id"] == 1]
        truth = xywh_to_xyxy(np.array(persons).reshape(-1, 4)) / size
        truth = truth[area(truth) > 0.05]
        number += len(truth)
        for codec in found:
            seen = detect(named, anchors=make_anchors(side), codec=codec, score_threshold=0.3)
            found[codec] += int((iou(truth, seen.boxes).max(axis=1, initial=0) > 0.75).sum())
    assert number > 10
    assert found["corners"] > 0.6 * number, f"{found} of {number}"
    assert found["centre"] < 0.4 * number, f"{found} of {number}"
