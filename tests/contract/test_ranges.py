"""Calibrated ranges are those of the values, also where a runtime lets two layers share memory."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from mbhelpers.preprocessing import preset
from mbhelpers.quantization import tflite
from mbhelpers.quantization.ranges import with_ranges
from mbhelpers.records import Record

from . import tiny

SIDE = 8


@pytest.fixture(scope="module")
def residual():
    """A convolution, a small second one, and their sum."""
    import keras

    keras.utils.set_random_seed(3)
    pixels = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", name="large")(keras.layers.Rescaling(1 / 128, offset=-1.0)(pixels))
    small = keras.layers.Conv2D(4, 1, name="small")(x)
    total = keras.layers.Add(name="total")([x, small])
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(total)
    model = keras.Model(pixels, keras.layers.Dense(3, activation="softmax", name="scores")(pooled))
    kernel, bias = model.get_layer("small").get_weights()
    model.get_layer("small").set_weights([0.05 * kernel, bias])
    values = keras.Model(pixels, [model.get_layer(name).output for name in ("large", "small", "total")])
    images, _ = tiny.easy_images(12, 0, side=SIDE)
    images[0, 0, 0], images[0, 0, 1] = 0, 255
    return model, Record(tiny.CLASSES, preset("mbhelpers", SIDE)), images, values


def test_ranges_are_those_of_the_values(residual):
    model, record, images, values = residual
    content = with_ranges(tflite.to_float(model, record), images, record.preprocessing)
    part = schema.ModelT.InitFromPackedBuf(content, 0).subgraphs[0]
    ranges = [
        (float(told.min[0]), float(told.max[0]))
        for told in (part.tensors[op.outputs[0]].quantization for op in part.operators)
    ]
    for found in values.predict(images.astype(np.float32), verbose=0):
        true = (float(found.min()), float(found.max()))
        assert any(np.allclose(true, seen, rtol=1e-3, atol=1e-4) for seen in ranges), true
    entry = part.tensors[part.inputs[0]].quantization
    assert (entry.min[0], entry.max[0]) == (-1.0, pytest.approx(127 / 128))


def test_a_sum_does_not_widen_the_layer_before_it(residual):
    """TensorFlow's own calibrator gives the small convolution the range of the sum, which may take its memory."""
    model, record, images, values = residual
    content = tflite.to_int8(model, record, images, repairs=())
    _, small, _ = values.predict(images.astype(np.float32), verbose=0)
    step = (max(small.max(), 0) - min(small.min(), 0)) / 255
    scales = [told["scales"][0] for told in tflite.quantized_tensors(content) if told["type"] == "int8"]
    assert any(scale == pytest.approx(step, rel=0.02) for scale in scales), (step, scales)


def test_the_file_is_else_the_same(residual):
    model, record, images, _ = residual
    content = tflite.to_float(model, record)
    before, after = (
        schema.ModelT.InitFromPackedBuf(each, 0)
        for each in (content, with_ranges(content, images, record.preprocessing))
    )
    assert list(before.subgraphs[0].outputs) == list(after.subgraphs[0].outputs)
    assert len(before.subgraphs[0].operators) == len(after.subgraphs[0].operators)
    for old, new in zip(before.buffers, after.buffers, strict=True):
        assert np.array_equal(np.asarray(old.data), np.asarray(new.data))
