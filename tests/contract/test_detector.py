"""A detector's file on pictures: boxes where they are, errors that say what to do, and the command line."""

import json

import numpy as np
import pytest
from PIL import Image

from mbhelpers.data import coco
from mbhelpers.data.detections import assemble
from mbhelpers.detection.anchors import make_anchors
from mbhelpers.evaluation.detection_files import evaluate_detector, named_protocol
from mbhelpers.inference.detect import detect_images
from mbhelpers.inference.detector import Detector
from mbhelpers.inference.predictor import Predictor
from mbhelpers.preprocessing import preset
from mbhelpers.records import Record, add_to_tflite

from .test_cli import call

SIDE = 64
SURE = 7
"""The anchor that the drawn detector is sure of, in a bright picture."""


@pytest.fixture(scope="module")
def content():
    """A detector of one class: an object at one anchor if the picture is bright."""
    import tensorflow as tf

    anchors = make_anchors(SIDE)
    weights = np.full(len(anchors), -8.0, np.float32)
    weights[SURE] = 8.0

    @tf.function(input_signature=[tf.TensorSpec((1, SIDE, SIDE, 3), tf.float32)])
    def network(image):
        bright = tf.reshape(tf.reduce_mean(image), (1, 1))  # -1 to 1
        logits = tf.where(weights > 0, weights * bright, weights)
        scores = tf.nn.softmax(tf.stack([tf.zeros_like(logits), logits], axis=-1))
        still = 0 * tf.reshape(bright, (1, 1, 1))
        return scores, still + np.zeros((1, len(anchors), 4), np.float32), still + anchors[None]

    return tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()], network).convert()


@pytest.fixture(scope="module")
def bare(content, tmp_path_factory):
    """Without a record, as others write it."""
    path = tmp_path_factory.mktemp("bare") / "detector.tflite"
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A bright one, twice as wide as high, and a dark one; the annotations tell of an object in the bright one."""
    root = tmp_path_factory.mktemp("pictures")
    left, top, right, bottom = np.clip(make_anchors(SIDE)[SURE], 0, 1) * [200, 100, 200, 100]
    for name, grey in (("bright.png", 250), ("dark.png", 5)):
        Image.fromarray(np.full((100, 200, 3), grey, np.uint8)).save(root / name)
    found = assemble(
        root=root,
        categories=["person", "kite"],
        category_ids=np.array([1, 38]),
        paths=["bright.png", "dark.png"],
        image_ids=np.array([3, 9]),
        sizes=np.array([[200, 100]] * 2),
        image_of=np.array([0]),
        corners=np.array([[left, top, right, bottom]]),
        labels=np.array([0]),
        areas=np.array([(right - left) * (bottom - top)]),
        crowd=np.array([False]),
        box_ids=np.array([1]),
    )
    coco.write(found, root / "annotations.json")
    return root


def test_a_box_lies_where_it_is_in_the_picture(bare, pictures):
    told = detect_images(bare, [pictures / "bright.png", pictures / "dark.png"], classes=("person",))
    bright, dark = told["results"]
    [one] = bright["found"]
    wanted = np.clip(make_anchors(SIDE)[SURE], 0, 1) * [200, 100, 200, 100]
    assert one["class"] == "person" and one["score"] > 0.99
    np.testing.assert_allclose(one["box"], wanted, atol=0.06)
    assert dark["found"] == []
    [warning] = told["warnings"]
    assert "doesn't say how pictures are prepared" in warning and "--preset" in warning


def test_without_names_classes_are_numbered(bare, pictures):
    [one] = detect_images(bare, [pictures / "bright.png"])["results"][0]["found"]
    assert one["class"] == "class 0"


def test_a_record_needs_nothing_else(content, pictures, tmp_path):
    path = tmp_path / "detector.tflite"
    path.write_bytes(add_to_tflite(content, Record(("person",), preset("mbhelpers", SIDE))))
    told = detect_images(path, [pictures / "bright.png"])
    assert told["warnings"] == [] and told["results"][0]["found"][0]["class"] == "person"
    with pytest.raises(ValueError, match="carries its own classes, person; pass no others"):
        Detector(path, classes=("kite",))
    with pytest.raises(ValueError, match=r"carries its own preprocessing.*leave preset and resize out"):
        Detector(path, preset="st")


def test_evaluation(bare, pictures):
    found = evaluate_detector(bare, pictures / "annotations.json", pictures, classes=("person",))
    assert (found["ap"], found["truths"], found["images"]) == (pytest.approx(1.0), 1, 2)
    assert found["protocol"] == "ST's, IoU 0.4"
    coco_found = evaluate_detector(bare, pictures / "annotations.json", pictures, classes=("person",), protocol="coco")
    assert len(coco_found["by_threshold"]) == 10 and coco_found["ap"] > 0.9


@pytest.mark.parametrize(
    ("options", "message", "why"),
    [
        ({"classes": ("horse",)}, "no category horse; choose from person, kite", "a typing error"),
        ({}, "finds 1 classes, the annotations have 2 .*--classes", "which of them it finds is not known"),
        (
            {"classes": ("person", "kite")},
            "sum to 1 at every anchor, so one is the background; name 1",
            "the background counted",
        ),
        ({"classes": ("person",), "protocol": "voc"}, "unknown protocol 'voc'; choose from st, coco", ""),
        ({"classes": ("person",), "iou": 2.0}, "more than 0 and at most 1, not 2.0", ""),
        ({"classes": ("person",), "protocol": "coco", "iou": 0.5}, "ten IoU thresholds; leave --iou out", ""),
    ],
)
def test_what_does_not_fit_is_refused(options, message, why, bare, pictures):
    with pytest.raises(ValueError, match=message):
        evaluate_detector(bare, pictures / "annotations.json", pictures, **options)


def test_annotations_of_other_images_are_refused(bare, pictures, tmp_path):
    for name in ("bright.png", "dark.png"):
        Image.new("RGB", (200, 90)).save(tmp_path / name)
    with pytest.raises(ValueError, match=r"bright\.png is 200 x 90 pixels, the annotations say 200 x 100 \(2 such"):
        evaluate_detector(bare, pictures / "annotations.json", tmp_path, classes=("person",))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.onnx", b"", r"suffix must be \.keras or \.tflite"),
        ("empty.keras", b"", "empty.keras is not a whole .keras file"),
        ("absent.tflite", None, "absent.tflite"),
        ("broken.tflite", b"TFL3 and no more", "broken.tflite"),
    ],
)
def test_no_detector(name, content, message, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        Detector(tmp_path / name)


def test_a_classifier_is_no_detector(thin):
    with pytest.raises(ValueError, match=r"gives \(1, 3\), as a classifier does; take `mbhelpers classify`"):
        Detector(thin.int8)
    with pytest.raises(ValueError, match=r"as a classifier does; take `mbhelpers classify`"):
        Detector(thin.keras)


def test_a_detector_is_no_classifier(bare):
    with pytest.raises(ValueError, match=r"to \[\(1, .*; a detector is for `mbhelpers detect`"):
        Predictor(bare)


def test_a_threshold_is_a_score(bare, pictures):
    with pytest.raises(ValueError, match=r"threshold of the score is from 0 to 1, not 50"):
        detect_images(bare, [pictures / "bright.png"], threshold=50)
    with pytest.raises(ValueError, match=r"overlap \(IoU\) is from 0 to 1, not -1"):
        detect_images(bare, [pictures / "bright.png"], iou_threshold=-1)
    with pytest.raises(ValueError, match="the limit is one box or more, not 0"):
        detect_images(bare, [pictures / "bright.png"], limit=0)


def test_suppression_can_be_chosen(bare, pictures):
    """Every anchor has some score: without suppression all are boxes, the surest first."""
    everything = {"threshold": 0.0, "limit": 10_000}
    [loose] = detect_images(bare, [pictures / "bright.png"], iou_threshold=1.0, **everything)["results"]
    [tight] = detect_images(bare, [pictures / "bright.png"], iou_threshold=0.1, **everything)["results"]
    [few] = detect_images(bare, [pictures / "bright.png"], iou_threshold=1.0, threshold=0.0, limit=3)["results"]
    assert len(loose["found"]) > 4 * len(tight["found"]) > 0
    assert few["found"] == loose["found"][:3]


def test_protocols_by_name():
    assert named_protocol("st").thresholds == (0.4,)
    assert named_protocol("st", 0.5).thresholds == (0.5,)
    assert named_protocol("coco").points == 101


def test_the_command_line(bare, pictures, tmp_path):
    ended = call("detect", bare, pictures / "bright.png", "--classes", "person", "-o", tmp_path / "drawn")
    assert ended.returncode == 0, ended.stderr
    assert "1 above 50 %" in ended.stdout and "%  person  " in ended.stdout
    with Image.open(tmp_path / "drawn" / "bright.png") as drawn:
        pixels = np.asarray(drawn.convert("RGB"))
        assert pixels.std() > 5, "a frame on a plain picture"
        assert pixels.shape[1] == 2 * pixels.shape[0] >= 100, "the picture's shape, no margin around it"
    told = call("evaluate-detections", bare, pictures / "annotations.json", pictures, "--classes", "person", "--json")
    assert json.loads(told.stdout)["ap"] == pytest.approx(1.0)
    plain = call("evaluate-detections", bare, pictures / "annotations.json", pictures, "--classes", "person")
    assert "ST's, IoU 0.4: AP 100.00 % (95 % interval 100.0 to 100.0), 1 objects in 2 images" in plain.stdout
    refused = call("evaluate-detections", bare, pictures / "annotations.json", pictures, "--classes", "horse")
    assert refused.returncode == 2 and refused.stderr.startswith("error: no category horse")


def test_twins_are_not_drawn_over_each_other(pictures, tmp_path):
    from mbhelpers.reporting.detection_plots import save_found

    results = [{"image": str(pictures / name), "found": []} for name in ("bright.png", "bright.png")]
    with pytest.raises(ValueError, match=r"bright\.png would be drawn twice"):
        save_found(results, tmp_path)
