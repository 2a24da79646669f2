"""Memory and time of real files: counted against what the converter and the runtimes say of them."""

import numpy as np
import pytest

from mbhelpers.deployment.footprint import footprint
from mbhelpers.deployment.latency import interleaved, measure, profile
from mbhelpers.models.tflite_graph import read_graph


def test_a_thin_network(thin):
    """MobileNetV2 0.1 or so: weights and biases are the file's constants, the peak is at the widest expansion."""
    found = footprint(thin.int8)
    graph = read_graph(thin.int8)
    held = sum(t.content.nbytes for t in graph.tensors if t.content is not None and t.type in ("INT8", "INT32"))
    shapes = held - found.flash
    assert 0 <= shapes <= 64, "all constants but the paddings and target shapes, which are settled beforehand"
    assert found.integer and found.flash < found.file
    assert found.peak <= found.arena == found.ram
    apart, copied = footprint(thin.int8, outside=("inputs", "outputs")), footprint(thin.int8, overlap=False)
    side = graph.tensors[graph.inputs[0]].shape[1]
    classes = graph.tensors[graph.outputs[0]].shape[-1]
    assert apart.ends == 3 * side**2 + 4 * classes, "uint8 pixels and float32 scores"
    assert apart.arena <= found.arena <= copied.arena
    expansion = max(found.steps, key=lambda step: step.live)
    assert expansion.kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "QUANTIZE")
    written = sum(np.prod(graph.tensors[op.outputs[0]].shape) for op in graph.operators)
    assert written < found.traffic - found.flash < 3 * written, "each activation is written once and read once or twice"


def test_a_float_network_takes_four_times_the_memory(thin):
    small, large = footprint(thin.int8), footprint(thin.float)
    assert large.flash == 4 * small.weights + small.biases
    assert 3.5 < large.arena / small.arena <= 4.2
    assert not large.integer


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("model.keras", {}, "is no .tflite file.*mbhelpers quantize"),
        ("gone.tflite", {}, "no model at"),
        ("text.tflite", {}, "is not a .tflite file"),
        ("cut.tflite", {}, "is not a whole .tflite file"),
        ("int8.tflite", {"outside": ("input",)}, "inputs and outputs, not 'input'"),
    ],
)
def test_files_that_cannot_be_counted(thin, tmp_path, name, options, told):
    (tmp_path / "text.tflite").write_text("nothing of the kind")
    (tmp_path / "cut.tflite").write_bytes(thin.int8.read_bytes()[:2000])
    (tmp_path / "int8.tflite").write_bytes(thin.int8.read_bytes())
    (tmp_path / "model.keras").write_bytes(b"")
    with pytest.raises(ValueError, match=told):
        footprint(tmp_path / name, **options)


@pytest.fixture(scope="module")
def free_size(tmp_path_factory):
    """A .tflite file whose input has any height and width."""
    import tensorflow as tf

    compute = tf.function(lambda x: tf.nn.relu(x), input_signature=[tf.TensorSpec((1, None, None, 3))])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([compute.get_concrete_function()])
    path = tmp_path_factory.mktemp("free") / "free.tflite"
    path.write_bytes(converter.convert())
    return path


@pytest.mark.parametrize("verb", [footprint, lambda path: measure([path])], ids=["footprint", "latency"])
def test_free_shapes(free_size, verb):
    with pytest.raises(ValueError, match=r"inputs of any size.*fixed one"):
        verb(free_size)


def test_times_of_two_files_by_turns(thin):
    first, second = measure([thin.int8, thin.float], rounds=20, warmup=2)
    assert first.times.shape == second.times.shape == (20,)
    assert first.runtime == "LiteRT" and first.times.min() > 0
    ratio, (low, high) = second.ratio(first)
    assert low <= ratio <= high
    assert first.ratio(first) == (1.0, (1.0, 1.0))
    told = first.to_json()
    assert told["least_ms"] <= told["p5_ms"] <= told["median_ms"] <= told["p99_ms"]
    with pytest.raises(ValueError, match="20 and 5 rounds"):
        second.ratio(measure([thin.int8], rounds=5)[0])


def test_rounds_go_by_turns_and_warm_up_does_not_count():
    seen = []
    times = interleaved([lambda: seen.append("a"), lambda: seen.append("b")], rounds=3, warmup=2)
    assert times.shape == (3, 2)
    assert seen == ["a", "b"] * 5


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("model.h5", {}, "neither .tflite nor .onnx"),
        ("int8.tflite", {"threads": 0}, "one thread and two rounds"),
        ("int8.tflite", {"rounds": 1}, "one thread and two rounds"),
        ("int8.tflite", {"delegate": "gone.so"}, "gone.so is no delegate that LiteRT can load here"),
        ("text.onnx", {}, "not a whole .onnx file"),
    ],
)
def test_files_that_cannot_be_timed(thin, tmp_path, name, options, told):
    (tmp_path / "int8.tflite").write_bytes(thin.int8.read_bytes())
    (tmp_path / "text.onnx").write_text("nothing of the kind")
    with pytest.raises(ValueError, match=told):
        measure([tmp_path / name], **options)


def test_a_profile_is_for_onnx(thin):
    with pytest.raises(ValueError, match=r"timed here in \.onnx files.*benchmark_model --graph"):
        profile(thin.int8)
