"""Memory of graphs made by hand, where in-place and folding are a question of who else needs what."""

from types import SimpleNamespace

import numpy as np
import pytest

from mbhelpers.deployment import footprint as counted
from mbhelpers.models.tflite_graph import Graph, Operator, Tensor

NONE = np.zeros(0)
VALID, SAME = SimpleNamespace(padding=1), SimpleNamespace(padding=0)


def tensor(name, shape, kind="INT8", content=None):
    return Tensor(name, shape, kind, NONE, NONE, 0, content)


def graph(tensors, operators, inputs, outputs):
    """A graph of named tensors: operators are (kind, inputs, output, options)."""
    place = {one.name: k for k, one in enumerate(tensors)}
    made = [
        Operator(k, kind, tuple(place[name] for name in read), (place[result],), "NONE", options)
        for k, (kind, read, result, options) in enumerate(operators)
    ]
    ends = (tuple(place[name] for name in names) for names in (inputs, outputs))
    return Graph(tuple(made), tuple(tensors), *ends)


def needed(made, monkeypatch, tmp_path, **options):
    """The footprint of a graph, without a file."""
    path = tmp_path / "made.tflite"
    path.write_bytes(b"")
    monkeypatch.setattr(counted, "read_record", lambda path: None)
    monkeypatch.setattr(counted, "read_graph", lambda path: made)
    return counted.footprint(path, **options)


AROUND = tensor("around", (4, 2), "INT32", np.array([[0, 0], [0, 1], [0, 1], [0, 0]], np.int32))
DEEPER = tensor("around", (4, 2), "INT32", np.array([[0, 0], [0, 0], [0, 0], [0, 8]], np.int32))
WEIGHTS = tensor("w", (1, 3, 3, 8), content=np.zeros((1, 3, 3, 8), np.int8))
PICTURE, PADDED, MAP = tensor("x", (1, 16, 16, 8)), tensor("p", (1, 17, 17, 8)), tensor("y", (1, 16, 16, 8))
PAD = ("PAD", ("x", "around"), "p", None)


def conv(read, result, options=VALID):
    return ("DEPTHWISE_CONV_2D", (read, "w"), result, options)


@pytest.mark.parametrize(
    ("tensors", "operators", "outputs", "ram", "why"),
    [
        ((PICTURE, AROUND, PADDED, WEIGHTS, MAP), (PAD, conv("p", "y")), "y", 2048, "the convolution pads, in place"),
        (
            (PICTURE, AROUND, PADDED, WEIGHTS, MAP), (PAD, conv("p", "y", SAME)), "y", 2048 + 2320,
            "a convolution that pads by itself can't pad more: x and p together",
        ),
        (
            (PICTURE, AROUND, PADDED, WEIGHTS, MAP), (PAD, conv("p", "y")), "py", 2320 + 2048,
            "what is padded is wanted as an output too",
        ),
        (
            (PICTURE, DEEPER, tensor("p", (1, 16, 16, 16)), WEIGHTS, MAP), (PAD, conv("p", "y")), "y", 2048 + 4096,
            "no convolution pads channels",
        ),
        (
            (PICTURE, WEIGHTS, MAP, tensor("z", (1, 16, 16, 8))),
            (conv("x", "y"), ("ADD", ("x", "y"), "z", None)), "z", 3 * 2048,
            "the input of a depthwise layer is needed again: no writing over it",
        ),
        ((PICTURE, WEIGHTS, MAP), (conv("x", "y"),), "xy", 2 * 2048, "or it is an output itself"),
        ((PICTURE, WEIGHTS, MAP), (conv("x", "y"),), "y", 2048, "in place"),
        (
            (tensor("x", (1, 2048), "UINT8"), tensor("y", (1, 2048))), (("QUANTIZE", ("x",), "y", None),), "y", 2048,
            "the same bytes, in place",
        ),
        (
            (tensor("x", (1, 2048), "UINT8"), tensor("y", (1, 2048))), (("QUANTIZE", ("x",), "y", None),), "xy", 4096,
            "the input is wanted as it was",
        ),
        (
            (tensor("x", (1, 2048)), tensor("r", (2048,)), tensor("q", (2048,)), tensor("s", (2048,))),
            (
                ("RESHAPE", ("x",), "r", None),
                ("QUANTIZE", ("r",), "q", None),
                ("ADD", ("x", "q"), "s", None),
            ), "s", 3 * 2048, "another name of what is quantized is read later",
        ),
    ],
)  # fmt: skip
def test_who_may_write_over_whom(tensors, operators, outputs, ram, why, monkeypatch, tmp_path):
    made = graph(tensors, operators, "x", outputs)
    assert needed(made, monkeypatch, tmp_path).ram == pytest.approx(ram, abs=16), why


def test_depthwise_layers_apart(monkeypatch, tmp_path):
    made = graph((PICTURE, WEIGHTS, MAP), (conv("x", "y"),), "x", "y")
    assert needed(made, monkeypatch, tmp_path, overlap=False).ram == 2 * 2048


def test_weights_of_half_precision_are_flash_of_half_the_size(monkeypatch, tmp_path):
    half = tensor("h", (8, 64), "FLOAT16", np.zeros((8, 64), np.float16))
    tensors = (tensor("x", (1, 64), "FLOAT32"), half, tensor("w", (8, 64), "FLOAT32"), tensor("y", (1, 8), "FLOAT32"))
    operators = (("DEQUANTIZE", ("h",), "w", None), ("FULLY_CONNECTED", ("x", "w"), "y", None))
    found = needed(graph(tensors, operators, "x", "y"), monkeypatch, tmp_path)
    assert (found.flash, found.ram, found.integer) == (2 * 8 * 64, 4 * 64 + 4 * 8, False)


def test_constants_that_are_an_output_are_stored_once(monkeypatch, tmp_path):
    """As a detector's anchors: in flash, and in no buffer, inside or outside."""
    anchors = tensor("a", (1, 10, 4), "FLOAT32", np.zeros((1, 10, 4), np.float32))
    made = graph((PICTURE, WEIGHTS, MAP, anchors), (conv("x", "y"),), "x", "ya")
    for outside, ends in (((), 0), (("outputs",), 2048)):
        found = needed(made, monkeypatch, tmp_path, outside=outside)
        assert (found.flash, found.ends) == (72 + 160, ends)


def test_eight_bit_weights_alone_are_no_integer_network(monkeypatch, tmp_path):
    """As in the dynamic-range format, whose activations are floats."""
    tensors = (tensor("x", (1, 64), "FLOAT32"), tensor("w", (8, 64), content=np.zeros((8, 64), np.int8)))
    tensors += (tensor("y", (1, 8), "FLOAT32"),)
    made = graph(tensors, (("FULLY_CONNECTED", ("x", "w"), "y", None),), "x", "y")
    assert not needed(made, monkeypatch, tmp_path).integer
