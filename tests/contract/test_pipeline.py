"""Batches: what they hold depends on seed, epoch and step alone, from memory as from a file."""

from dataclasses import replace

import numpy as np
import pytest

from mbhelpers.data import pipeline
from mbhelpers.data.augment import Augmentation, augment
from mbhelpers.data.augment_boxes import augment_boxes
from mbhelpers.data.pipeline import detection_batches, load_images, ordered_batches, training_batches
from mbhelpers.preprocessing import preset
from mbhelpers.training.fit import fit

from . import tiny

IMAGES, LABELS = tiny.easy_images(26, seed=0)
HOW = Augmentation(flip_horizontal=True, rotate=0.1, zoom=0.2, contrast=0.2, hue=0.1, noise=0.02, erase=0.3, crop=0.4)
MIXED = replace(HOW, mixup=0.4, cutmix=1.0)
OPTIONS = {"batch_size": 8, "seed": 5, "augmentation": HOW}
N = len(IMAGES)
BOXES = np.tile(np.float32([[0.2, 0.3, 0.6, 0.8], [0, 0, 0, 0]]), (N, 1, 1))
BOX_LABELS, VALID = np.stack([LABELS, LABELS], 1), np.tile([True, False], (N, 1))


def arrays(batches) -> list[tuple[np.ndarray, ...]]:
    return [tuple(part.numpy() for part in batch) for batch in batches]


def assert_same(first, second):
    assert len(first) == len(second) > 0
    for one, two in zip(first, second, strict=True):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a, b)


def makers():
    """Every kind of training batches, as a function of what differs between two calls."""
    return {
        "labels": lambda **more: training_batches(IMAGES, LABELS, **OPTIONS | more),
        "shares": lambda **more: training_batches(
            IMAGES, LABELS, classes=3, **OPTIONS | {"augmentation": MIXED} | more
        ),
        "boxes": lambda **more: detection_batches(IMAGES, BOXES, BOX_LABELS, VALID, **OPTIONS | more),
    }


@pytest.fixture(params=["labels", "shares", "boxes"])
def make(request):
    return makers()[request.param]


def test_a_resumed_run_sees_the_batches_of_an_unbroken_one(make):
    whole = arrays(make(epochs=4))
    assert len(whole) == 4 * 3
    assert_same(whole[2 * 3 :], arrays(make(epochs=4, first_epoch=2)))
    assert_same(whole[:3], arrays(make(epochs=1)))


def test_the_seed_decides(make):
    assert_same(arrays(make(epochs=2)), arrays(make(epochs=2)))
    other = arrays(make(epochs=2, seed=6))
    assert (other[0][0] != arrays(make(epochs=1))[0][0]).any()


@pytest.mark.parametrize("calls", [1, 4])
def test_the_number_of_parallel_calls_decides_nothing(make, calls, monkeypatch):
    import tensorflow as tf

    wanted = arrays(make(epochs=2))
    monkeypatch.setattr(tf.data, "AUTOTUNE", calls)
    assert_same(wanted, arrays(make(epochs=2)))


def test_every_image_comes_once_an_epoch_in_an_order_of_its_own():
    numbered = np.tile(np.arange(N, dtype=np.uint8)[:, None, None, None], (1, 4, 4, 3))
    batches = arrays(training_batches(numbered, np.arange(N), batch_size=13, seed=1, epochs=3))
    orders = []
    for epoch in range(3):
        seen = np.concatenate([labels for _, labels in batches[2 * epoch : 2 * epoch + 2]])
        assert sorted(seen) == list(range(N))
        orders.append([set(labels.tolist()) for _, labels in batches[2 * epoch : 2 * epoch + 2]])
    assert orders[0] != orders[1] != orders[2]
    for pixels, labels in batches:
        np.testing.assert_array_equal(pixels[:, 0, 0, 0], labels)


def assert_close(first, second):
    """Equal but for rounding: a graph is rearranged before it runs, what is called by itself is not."""
    for one, two in zip(first, second, strict=True):
        one, two = np.asarray(one), np.asarray(two)
        assert one.dtype == two.dtype
        difference = np.abs(one.astype(float) - two)
        assert difference.max() <= (1 if one.dtype == np.uint8 else 1e-5)
        assert one.dtype != np.uint8 or (difference > 0).mean() < 1e-3


def test_augmentation_is_that_of_the_step():
    import tensorflow as tf

    plain = arrays(training_batches(IMAGES, LABELS, batch_size=8, seed=5, epochs=2))
    changed = arrays(training_batches(IMAGES, LABELS, **OPTIONS, epochs=2))
    for number, ((pixels, labels), after) in enumerate(zip(plain, changed, strict=True)):
        assert_close(after, (augment(pixels, tf.constant([5, number], tf.int64), HOW), labels))


def test_boxes_come_with_their_image():
    import tensorflow as tf

    numbered = BOX_LABELS + 10 * np.arange(N)[:, None]
    boxes = np.where(VALID[..., None], BOXES + np.float32(0.001) * np.arange(N, dtype=np.float32)[:, None, None], 0)
    data = (IMAGES, boxes, numbered, VALID)
    plain = arrays(detection_batches(*data, batch_size=8, seed=5, epochs=1))
    changed = arrays(detection_batches(*data, **OPTIONS, epochs=1))
    assert [part.dtype for part in changed[0]] == [np.uint8, np.float32, np.int64, bool]
    for number, ((pixels, boxes, labels, valid), after) in enumerate(zip(plain, changed, strict=True)):
        moved = augment_boxes(pixels, boxes, valid, tf.constant([5, number], tf.int64), HOW)
        assert_close(after, (moved[0], moved[1], labels, moved[2]))
        assert (after[1] != boxes).any()
        where = labels[:, 0] // 10
        for array, part in zip(data, (pixels, boxes, labels, valid), strict=True):
            np.testing.assert_array_equal(part, array[where])


def test_mixed_labels_are_shares():
    for pixels, shares in arrays(makers()["shares"](epochs=1)):
        assert pixels.dtype == np.uint8
        assert shares.shape == (8, 3)
        assert shares.dtype == np.float32
        np.testing.assert_allclose(shares.sum(1), 1, atol=1e-6)
        assert (shares.max(1) < 0.95).any()


def test_mixing_needs_the_number_of_classes():
    with pytest.raises(ValueError, match="how many classes there are; pass classes"):
        training_batches(IMAGES, LABELS, **OPTIONS | {"augmentation": MIXED}, epochs=1)


def test_boxes_are_not_mixed():
    with pytest.raises(ValueError, match="set both to 0"):
        makers()["boxes"](epochs=1, augmentation=MIXED)


def test_ordered_batches_are_the_images_as_they_are():
    batches = arrays(ordered_batches(IMAGES, LABELS, batch_size=8))
    assert [len(pixels) for pixels, _ in batches] == [8, 8, 8, 2]
    np.testing.assert_array_equal(np.concatenate([pixels for pixels, _ in batches]), IMAGES)
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), LABELS)


class TestFromDisk:
    @pytest.fixture
    def mapped(self, tmp_path, make_folder):
        names = [f"cat/cat_{k:03d}.png" for k in range(20)]
        make_folder(tmp_path / "pictures", {"cat": 20})
        in_memory = load_images(tmp_path / "pictures", names, preset("mbhelpers", 32))
        return in_memory, load_images(tmp_path / "pictures", names, preset("mbhelpers", 32), tmp_path / "cache")

    def test_the_same_batches(self, mapped):
        first, second = (arrays(training_batches(x, np.arange(20), **OPTIONS, epochs=2)) for x in mapped)
        assert_same(first, second)
        assert_same(*(arrays(ordered_batches(x, np.arange(20), batch_size=8)) for x in mapped))

    def test_a_batch_reads_no_more_than_its_images(self, mapped, monkeypatch):
        read = []
        kept = pipeline.np.asarray

        def watched(values, *rest, **more):
            if getattr(values, "dtype", None) == np.uint8 and np.ndim(values) == 4:
                read.append(len(values))
            return kept(values, *rest, **more)

        monkeypatch.setattr(pipeline.np, "asarray", watched)
        arrays(training_batches(mapped[1], np.arange(20), **OPTIONS, epochs=1))
        arrays(ordered_batches(mapped[1], np.arange(20), batch_size=8))
        assert set(read) == {8, 4}


@pytest.mark.parametrize(
    ("classes", "why"), [(3, "softmax: the shares of all classes"), (2, "one sigmoid: the share of the second class")]
)
def test_fit_learns_from_mixed_images(classes, why, tmp_path):
    """An easy set is learned, the same to the bit when repeated, and the saved model loads where our code is not."""
    import keras

    recipe = replace(
        tiny.RECIPE, epochs=4, label_smoothing=0.1, augmentation=Augmentation(flip_horizontal=True, cutmix=1.0)
    )
    training, validation = tiny.easy_images(48, 0, classes), tiny.easy_images(24, 1, classes)

    def train(folder):
        model = tiny.build(classes, dropout=0.2, binary=classes == 2)
        assert model.output_shape == (None, 1 if classes == 2 else classes)
        history = fit(model, training, validation, recipe, folder, seed=3)
        return model, tiny.without_seconds(history)

    model, history = train(tmp_path / "once")
    assert history[-1]["val_accuracy"] > 0.9, why
    assert history[-1]["accuracy"] > 0.6, "the larger share counts as the class of a mixed image"
    again, same = train(tmp_path / "again")
    assert history == same
    for one, two in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    model.save(tmp_path / "model.keras")
    assert keras.models.load_model(tmp_path / "model.keras").count_params() == model.count_params()
