"""The detector: ST's network to the weight, targets as by hand, losses, training that goes on, int8 files."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from mbhelpers.data.augment import Augmentation
from mbhelpers.data.boxed import BoxedImages
from mbhelpers.detection.anchors import make_anchors
from mbhelpers.detection.boxes import iou
from mbhelpers.detection.codec import decode, encode
from mbhelpers.detection.outputs import detect, read
from mbhelpers.preprocessing import preset
from mbhelpers.records import Record
from mbhelpers.training.detector_recipes import DetectorRecipe
from mbhelpers.training.recipes import Recipe

from . import tiny

SIDE, CLASSES = 64, 2
ANCHORS = make_anchors(SIDE)
RECIPE = Recipe(
    learning_rate=2e-2, epochs=4, min_steps=0, batch_size=4, batch_norm_momentum=0.8, monitor="none", warmup=0.1
)


def thin_backbone(alpha: float, resolution: int, weights="none"):
    """Stands in for `families.build_backbone`: one strided convolution to each of MobileNetV2's taps."""
    import keras

    from mbhelpers.models.ssd import TAPS

    layers = keras.layers
    values = x = keras.Input((resolution, resolution, 3))
    for strides, tap in ((8, TAPS[0]), (2, TAPS[1]), (2, TAPS[2])):
        x = layers.Conv2D(16, strides + 1, strides, padding="same", use_bias=False)(x)
        x = layers.ReLU(6.0, name=tap)(layers.BatchNormalization()(x))
    return keras.Model(values, x)


def build(classes: int = CLASSES, side: int = SIDE, *, seed: int = 1):
    """A thin detector, from a seed."""
    import keras

    from mbhelpers.models import ssd

    keras.utils.set_random_seed(seed)
    with mock.patch.object(ssd, "build_backbone", thin_backbone):
        return ssd.build_ssd(classes, 0.35, preset("mbhelpers", side), weights="none", channels=16, depth=1)


def scenes(n: int, seed: int, objects: int = 2) -> BoxedImages:
    """Grey noise with boxes lit in the colour of their class; the last place of each image is padding."""
    rng = np.random.default_rng(seed)
    images = rng.integers(60, 100, (n, SIDE, SIDE, 3)).astype(np.uint8)
    boxes, labels = np.zeros((n, objects + 1, 4), np.float32), np.zeros((n, objects + 1), np.int64)
    for k in range(n):
        for j in range(objects):
            width, height = rng.integers(18, 30, 2)
            left, top = rng.integers(0, SIDE // 2 - width + 2) + j * SIDE // 2, rng.integers(0, SIDE - height)
            labels[k, j] = rng.integers(CLASSES)
            images[k, top : top + height, left : left + width, labels[k, j]] = 250
            boxes[k, j] = np.array([left, top, left + width, top + height]) / SIDE
    return BoxedImages(images, boxes, labels, np.arange(objects + 1) < np.full((n, 1), objects))


def slow_match(boxes, labels, valid, overlap):
    """Plain Python: classes and boxes of the anchors for one image."""
    pairs = {
        (k, a): value
        for k, row in enumerate(iou(boxes, ANCHORS).tolist())
        if valid[k]
        for a, value in enumerate(row)
        if value > 0
    }
    own: dict[int, int] = {}
    for k, a in sorted(pairs, key=lambda pair: (-pairs[pair], pair)):
        if k not in own.values() and a not in own:
            own[a] = k
    classes, chosen = np.zeros(len(ANCHORS), int), ANCHORS.copy()
    for a in range(len(ANCHORS)):
        near = [(pairs.get((k, a), 0.0), -k) for k in range(len(boxes)) if valid[k]]
        if a not in own and near and max(near)[0] >= overlap:
            own[a] = -max(near)[1]
        if a in own:
            classes[a], chosen[a] = labels[own[a]] + 1, boxes[own[a]]
    return classes, chosen


@pytest.mark.parametrize(
    ("objects", "overlap", "why"),
    [
        (1, 0.5, "an anchor for the one object, and all that overlap it by half"),
        (6, 0.5, "some compete for an anchor"),
        (6, 1.0, "nothing but the greedy pairs"),
        (40, 0.3, "crowded: most have lost their favourite"),
    ],
)
def test_targets_are_those_of_plain_python(objects, overlap, why):
    from mbhelpers.training.matching import assign

    rng = np.random.default_rng(objects)
    centres = rng.uniform(0.2, 0.8, (3, objects, 2)) if objects < 40 else np.full((3, objects, 2), 0.5)
    half = rng.uniform(0.02, 0.3, (3, objects, 2))
    boxes = np.concatenate([centres - half, centres + half], axis=2).astype(np.float32)
    labels, valid = rng.integers(0, 5, (3, objects)), rng.uniform(size=(3, objects)) < 0.8
    valid[:, 0], valid[2] = True, False  # an image without objects
    classes, offsets = assign(ANCHORS, boxes, labels, valid, overlap=overlap)
    for k in range(3):
        wanted, chosen = slow_match(boxes[k], labels[k], valid[k], overlap)
        np.testing.assert_array_equal(classes[k], wanted, err_msg=why)
        np.testing.assert_allclose(offsets[k], encode(chosen, ANCHORS), atol=1e-5, err_msg=why)
    assert (np.asarray(classes[0]) > 0).sum() >= valid[0].sum()
    assert not np.asarray(classes[2]).any()


def test_every_object_has_an_anchor_even_a_tiny_one():
    from mbhelpers.training.matching import assign

    tiny_box = np.array([[[0.5, 0.5, 0.51, 0.52]]], np.float32)
    classes, offsets = assign(ANCHORS, tiny_box, np.zeros((1, 1), int), np.ones((1, 1), bool))
    (place,) = np.nonzero(np.asarray(classes[0]))
    assert len(place) == 1
    np.testing.assert_allclose(decode(np.asarray(offsets[0])[place], ANCHORS[place]), tiny_box[0], atol=1e-6)


def test_losses_by_hand():
    from mbhelpers.training.detector_losses import focal_loss, offsets_loss

    classes = np.array([[0, 2], [1, 0]])
    shares = np.array([[[0.8, 0.1, 0.1], [0.25, 0.25, 0.5]], [[0.3, 0.6, 0.1], [0.9, 0.05, 0.05]]], np.float32)
    true = np.array([0.8, 0.5, 0.6, 0.9])
    for gamma in (0.0, 0.25, 2.0):
        by_hand = -((1 - true) ** gamma * np.log(true)).sum() / 2  # two anchors with objects
        assert float(focal_loss(gamma)(classes, np.log(shares) + 3.0)[0]) == pytest.approx(by_hand, rel=1e-5)
    wanted = np.zeros((1, 3, 5), np.float32)
    wanted[0, :2, 4] = 1
    said = np.array([[[0.1, 0, 0, 0], [0, -2.0, 0, 0.5], [9, 9, 9, 9]]], np.float32)
    assert float(offsets_loss()(wanted, said)[0]) == pytest.approx((0.005 + 1.5 + 0.125) / 2)
    assert float(offsets_loss(3.0, 0.5)(wanted, said)[0]) == pytest.approx(3 * (0.01 + 1.75 + 0.25) / 2)


def test_losses_of_a_sure_network_and_of_no_objects_have_slopes():
    import tensorflow as tf

    from mbhelpers.training.detector_losses import focal_loss, offsets_loss

    logits, offsets = tf.Variable([[[90.0, 0.0], [-90.0, 0.0]]]), tf.Variable(tf.ones((1, 2, 4)))
    with tf.GradientTape() as tape:
        loss = focal_loss(0.25)(np.zeros((1, 2)), logits) + offsets_loss()(np.zeros((1, 2, 5), np.float32), offsets)
    slopes = tape.gradient(loss, [logits, offsets])
    assert float(loss[0]) == pytest.approx(90, rel=1e-3)  # of the anchor that is wrong; nothing divides by 0
    assert all(np.isfinite(slope).all() for slope in slopes)
    assert float(slopes[0][0, 1, 0]) < -0.9


@pytest.mark.parametrize(("side", "anchors"), [(64, 430), (96, 970), (192, 3845), (256, 6820)])
def test_outputs_have_a_row_for_each_anchor(side, anchors):
    model = build(3, side)
    assert [output.shape for output in model.outputs] == [(None, anchors, 4), (None, anchors, 4)]
    assert len(make_anchors(side)) == anchors
    scores, offsets = model.predict(np.zeros((2, side, side, 3), np.uint8), verbose=0)
    np.testing.assert_allclose(scores.sum(axis=2), 1, atol=1e-5)
    np.testing.assert_allclose(scores[..., 0], 0.99, atol=0.05, err_msg="an untrained one sees background")
    assert np.abs(offsets).max() < 10


def test_rows_lie_where_their_anchors_do():
    """What is in one corner of the picture moves the scores of the anchors there more than of those far away."""
    model = build()
    tiny.set_statistics(model, scenes(8, 0).images)
    image = np.full((1, SIDE, SIDE, 3), 90, np.uint8)
    lit = image.copy()
    lit[0, :12, 40:60] = 255
    fine = slice(0, 5 * 8 * 8)
    change = np.abs(model.predict(lit, verbose=0)[1] - model.predict(image, verbose=0)[1])[0, fine].max(axis=1)
    x, y = (ANCHORS[fine, :2] + ANCHORS[fine, 2:]).T / 2
    place = change.reshape(-1, 5).max(axis=1).argmax() * 5
    assert x[place] > 0.5
    assert y[place] < 0.4


def test_the_published_network_has_sts_number_of_weights():
    import keras

    from mbhelpers.models.ssd import build_ssd
    from mbhelpers.training.fused_norm import flat_layers

    model = build_ssd(1, 0.35, preset("mbhelpers", 192), weights="none")
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    kernels = [layer.kernel.shape for layer in flat_layers(model) if isinstance(layer, kinds)]
    assert sum(int(np.prod(shape)) for shape in kernels) == 1_003_616  # of ST's int8 files


@pytest.mark.parametrize(
    ("classes", "side", "message"),
    [(0, 64, "0 classes"), (1, 100, "multiples of 32"), (1, 16, "multiples of 32")],
)
def test_what_cannot_be_built_is_said(classes, side, message):
    with pytest.raises(ValueError, match=message):
        build(classes, side)


def fit(folder, data, recipe=RECIPE, *, seed=3, validation=None, **options):
    """A fresh model trained in a folder: history and model."""
    from mbhelpers.training.detector import fit_detector

    model = build()
    return fit_detector(model, data, validation, DetectorRecipe(recipe, **options), folder, seed=seed), model


def test_two_scenes_are_learned_by_heart(tmp_path):
    data = scenes(2, seed=5)
    often = BoxedImages(*(np.tile(array, (40,) + (1,) * (array.ndim - 1)) for array in data.arrays()))
    history, model = fit(tmp_path, often, replace(RECIPE, epochs=12), offsets_corner=0.1)  # 20 steps an epoch
    assert set(history[0]) >= {"loss", "logits_loss", "offsets_loss", "learning_rate"}
    assert history[-1]["loss"] == pytest.approx(history[-1]["logits_loss"] + history[-1]["offsets_loss"], rel=1e-4)
    for k, outputs in enumerate(zip(*model.predict(data.images, verbose=0), strict=True)):
        named = [
            (name, array[None])
            for name, array in zip(("scores", "offsets", "anchors"), (*outputs, ANCHORS), strict=True)
        ]
        found = detect(named, score_threshold=0.5)
        there = data.valid[k]
        assert len(found) == there.sum()
        overlaps = iou(found.boxes, data.boxes[k, there])
        assert overlaps.max(axis=1).min() > 0.7
        np.testing.assert_array_equal(found.labels, data.labels[k, there][overlaps.argmax(axis=1)])


def test_a_killed_training_goes_on_with_the_same_numbers(tmp_path):
    recipe = replace(
        RECIPE, ema=0.9, monitor="val_loss", augmentation=Augmentation(flip_horizontal=True, translate=0.1)
    )
    data, validation = scenes(8, 1), scenes(4, 2)
    unbroken, whole = fit(tmp_path / "unbroken", data, recipe, validation=validation)
    from mbhelpers.training.keeper import Keeper

    saved = Keeper._save

    def save_and_die(keeper):
        saved(keeper)
        if len(keeper.history) == 2:
            raise KeyboardInterrupt

    with mock.patch.object(Keeper, "_save", save_and_die), pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "killed", data, recipe, validation=validation)
    resumed, again = fit(tmp_path / "killed", data, recipe, validation=validation)
    assert tiny.without_seconds(resumed) == tiny.without_seconds(unbroken)
    assert {"val_loss", "val_logits_loss", "val_offsets_loss"} <= set(unbroken[0])
    for one, two in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(ValueError, match="another run"):
        fit(tmp_path / "killed", data, recipe, validation=validation, gamma=1.0)


def test_two_devices_learn_what_one_learns(tmp_path):
    driver = Path(__file__).with_name("driver.py")
    said = subprocess.run(
        [sys.executable, str(driver), "mirrored_detector", str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert said.returncode == 0, said.stderr[-2000:]
    found = json.loads(said.stdout.splitlines()[-1])
    assert found["losses"][0] == pytest.approx(found["losses"][1], rel=1e-3)
    assert found["weights"] < 2e-3, "each device divides by the objects of its half"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dropout": 0.5}, "without dropout"),
        ({"label_smoothing": 0.1}, "without label_smoothing"),
        ({"monitor": "val_accuracy"}, "no val_accuracy"),
        ({"augmentation": Augmentation(mixup=0.2)}, "boxes have none"),
    ],
)
def test_what_a_detector_cannot_use_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        DetectorRecipe(replace(RECIPE, **change))


def test_a_label_that_the_model_does_not_know_is_refused(tmp_path):
    data = scenes(2, 0)
    data.labels[0, 0] = CLASSES
    with pytest.raises(ValueError, match=f"the model knows {CLASSES} classes"):
        fit(tmp_path, data)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A detector that has learned a little, and its scenes."""
    data = scenes(16, 7)
    _, model = fit(tmp_path_factory.mktemp("trained"), data, replace(RECIPE, epochs=30), offsets_corner=0.1)
    return model, data


def outputs_of(content: bytes, image: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Names and contents of what a file says of one image."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]
    values = image if given["dtype"] == np.uint8 else preset("mbhelpers", SIDE).normalize(image)
    interpreter.set_tensor(given["index"], values[None])
    interpreter.invoke()
    return [(told["name"], interpreter.get_tensor(told["index"])) for told in interpreter.get_output_details()]


@pytest.mark.parametrize("layout", ["three", "one"])
def test_files_say_what_the_model_says(trained, layout):
    from mbhelpers.models.ssd import REACH, with_anchors
    from mbhelpers.quantization.tflite import float_operators, quantized_tensors, to_float, to_int8

    model, data = trained
    record = Record(("square", "other"), preset("mbhelpers", SIDE))
    exported = with_anchors(model, layout)
    said = model.predict(data.images[:1], verbose=0)
    offsets = said[1].clip(-REACH, REACH)
    assert (offsets != said[1]).any(), "the model's own are not bounded, or this shows nothing"
    wanted = read([("scores", said[0]), ("offsets", offsets), ("anchors", ANCHORS[None])], classes=CLASSES)
    content = to_float(exported, record)
    found = read(outputs_of(content, data.images[0]), classes=CLASSES)
    for name in ("scores", "boxes", "anchors"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), atol=1e-4, err_msg=name)

    content = to_int8(exported, record, data.images)
    assert float_operators(content) == []
    assert "RESIZE_BILINEAR" in tiny.operators(content)
    assert {"MINIMUM", "MAXIMUM", "RELU_N1_TO_1"}.isdisjoint(tiny.operators(content)), "the bounds cost an operator"
    outputs = outputs_of(content, data.images[0])
    outputs[0][1][..., : 1 + CLASSES].clip(0, 1, out=outputs[0][1][..., : 1 + CLASSES])  # half a step over 1, as "one"
    found = read(outputs, classes=CLASSES)
    if layout == "three":
        assert [name for name, _ in outputs] == ["scores", "offsets", "anchors"]
        np.testing.assert_array_equal(found.anchors, ANCHORS)
        scales = [told["scales"] for told in quantized_tensors(content) if told["shape"] == [1, len(ANCHORS), 4]]
        assert scales
        assert max(max(scale) for scale in scales) <= 2 * REACH / 255 + 1e-6
    else:
        assert [array.shape for _, array in outputs] == [(1, len(ANCHORS), 1 + CLASSES + 8)]
        np.testing.assert_allclose(found.anchors, ANCHORS, atol=0.05)
    assert np.abs(found.scores - wanted.scores).max() < 0.2
    assert np.abs(found.boxes - wanted.boxes).mean() < 0.03


def test_an_unknown_layout_is_refused(trained):
    from mbhelpers.models.ssd import with_anchors

    with pytest.raises(ValueError, match="choose from three, one"):
        with_anchors(trained[0], "two")


def test_a_trained_model_is_saved_and_loaded(trained, tmp_path):
    from mbhelpers.models.load import load_keras

    model, data = trained
    model.save(tmp_path / "model.keras")
    again = load_keras(tmp_path / "model.keras")
    for one, two in zip(model.predict(data.images, verbose=0), again.predict(data.images, verbose=0), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_one_scale_a_tensor_after_repair_says_what_the_model_says(trained):
    """One channel of each head is made 60 times as large, and what reads it as much smaller: the same function."""
    import keras

    from mbhelpers.models.ssd import with_anchors
    from mbhelpers.quantization.repair import repaired
    from mbhelpers.quantization.tflite import to_int8

    trained_model, data = trained
    model = keras.models.clone_model(trained_model)
    model.set_weights(trained_model.get_weights())
    for stride in (8, 16, 32):
        pointwise = model.get_layer(f"head_{stride}_0_pointwise")
        norm = model.get_layer(f"head_{stride}_0_depthwise_norm")
        gamma, beta, mean, variance = norm.get_weights()
        loud = np.where(np.arange(16) == 3, 60.0, 1.0)
        norm.set_weights([gamma * loud, beta * loud, mean, variance])
        (kernel,) = pointwise.get_weights()
        pointwise.set_weights([kernel / loud[:, None]])
    said = trained_model.predict(data.images, verbose=0)[0]
    np.testing.assert_allclose(model.predict(data.images, verbose=0)[0], said, atol=1e-3)
    exported, record = with_anchors(model), Record(("square", "other"), preset("mbhelpers", SIDE))
    copy, done = repaired(exported, record.preprocessing, data.images)
    assert done["equalized_pairs"] > 20, "the backbone's and the heads'"
    np.testing.assert_allclose(copy.predict(data.images, verbose=0)[0], said, atol=2e-3)
    errors = {}
    for repairs in ((), None):
        content = to_int8(exported, record, data.images, granularity="tensor", repairs=repairs)
        found = [dict(outputs_of(content, image))["scores"][0] for image in data.images[:4]]
        errors[repairs] = np.abs(np.array(found) - said[:4]).max(axis=(1, 2)).mean()
    assert errors[None] < 0.15 < errors[()], errors


def test_what_is_watched_joins_the_history(tmp_path):
    """It is asked after each epoch, with the averaged weights in the model; training goes on with its own."""
    seen = []
    from mbhelpers.training.detector import fit_detector

    data = scenes(8, 5)

    def watch():
        seen.append([np.array(weight) for weight in model.weights])
        return {"val_ap": 0.25 * len(seen)}

    recipe = DetectorRecipe(replace(RECIPE, ema=0.9))
    model = build()
    history = fit_detector(model, data, None, recipe, tmp_path / "watched", seed=1, watch=watch)
    plain = build()
    unwatched = fit_detector(plain, data, None, recipe, tmp_path / "plain", seed=1)
    assert [line["val_ap"] for line in history] == [0.25, 0.5, 0.75, 1.0]
    assert [line["loss"] for line in history] == [line["loss"] for line in unwatched]
    for now, last in zip(model.weights, seen[-1], strict=True):
        np.testing.assert_array_equal(np.array(now), last)
