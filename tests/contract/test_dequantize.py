"""A .tflite file read back into Keras: every weight as the file means it, and what can't be mapped is named."""

import re
from pathlib import Path

import numpy as np
import pytest

from mbhelpers.inference.predictor import Predictor
from mbhelpers.models.dequantize import read_tflite
from mbhelpers.models.load import load_keras
from mbhelpers.preprocessing import Preprocessing, preset
from mbhelpers.quantization import tflite
from mbhelpers.records import Record

from . import tiny

FLOAT_BOUND = 1e-4
"""Largest difference of a score to the source network's; measured 1e-7 (thin) and 1e-6 (MobileNetV2)."""
INT8_BOUND = {"thin": 0.01, "mobilenet": 0.1}
"""Largest difference of a float score to the int8 file's, whose activations are rounded; measured 0.0023 and 0.073
(mean 0.009); the source network differs from that file by 0.0034 and 0.083."""


def scores(model, images: np.ndarray) -> np.ndarray:
    return model.predict(images.astype(np.float32), verbose=0)


def edit(source: Path, target: Path, change) -> Path:
    """A copy of a .tflite file after `change(model, graph, schema)` on its parts; it has no record of ours."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(source.read_bytes(), 0)
    model.metadata = None
    change(model, model.subgraphs[0], schema)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    target.write_bytes(bytes(builder.Output()))
    return target


def of_kind(model, graph, schema, kind: str) -> list:
    wanted = getattr(schema.BuiltinOperator, kind)
    return [op for op in graph.operators if model.operatorCodes[op.opcodeIndex].builtinCode == wanted]


def constants(path: Path) -> list[np.ndarray]:
    """The real numbers of every quantized constant, by LiteRT's own reading of them."""
    from ai_edge_litert.interpreter import Interpreter

    runtime = Interpreter(model_path=str(path))  # not allocated: only constants have content
    found = []
    for tensor in runtime.get_tensor_details():
        told = tensor["quantization_parameters"]
        try:
            content = runtime.get_tensor(tensor["index"])
        except ValueError:
            continue
        if not len(told["scales"]):
            continue
        shape = [1] * content.ndim
        shape[told["quantized_dimension"]] = -1
        zero = told["zero_points"].reshape(shape).astype(np.int64)
        found.append(((content - zero) * told["scales"].reshape(shape).astype(np.float64)).astype(np.float32))
    return found


@pytest.fixture(scope="module")
def read_int8(thin):
    return read_tflite(thin.int8)


class TestFloat:
    @pytest.mark.parametrize("name", ["thin", "mobilenet"])
    def test_scores_are_the_sources(self, name, request):
        files = request.getfixturevalue(name)
        model, record, report = read_tflite(files.float)
        source = scores(files.model, files.images)
        assert np.ptp(source) > 0.5
        assert np.abs(scores(model, files.images) - source).max() < FLOAT_BOUND
        assert (record.classes, record.preprocessing) == (files.record.classes, files.record.preprocessing)
        assert record.made["by"] == "tests/contract" and record.made["read_back"]["file"] == files.float.name
        assert report.stored == ("float32",) and not report.implied
        assert [line for line in report.lost if "batch norm" in line] == list(report.lost)

    def test_one_sigmoid_output(self, tmp_path):
        source = tiny.easy_model(2, binary=True)
        record = Record(("no", "yes"), preset("mbhelpers", tiny.SIDE))
        (tmp_path / "binary.tflite").write_bytes(tflite.to_float(source, record))
        model, again, _ = read_tflite(tmp_path / "binary.tflite")
        images, _ = tiny.easy_images(16, 3, 2)
        assert np.abs(scores(model, images) - scores(source, images)).max() < FLOAT_BOUND
        assert again.classes == ("no", "yes") and model.get_layer("scores").activation.__name__ == "sigmoid"

    @pytest.mark.parametrize(("half", "stored"), [(True, "float16"), (False, "int8 by channel")])
    def test_weights_alone_in_half_precision_or_int8(self, half, stored, mobilenet, tmp_path):
        content = tflite.to_float(mobilenet.model, mobilenet.record, weights="float16" if half else "int8")
        (tmp_path / "small.tflite").write_bytes(content)
        model, _, report = read_tflite(tmp_path / "small.tflite", preprocessing=mobilenet.record.preprocessing)
        assert stored in report.stored and not any("ranges" in line for line in report.lost)
        far = np.abs(scores(model, mobilenet.images) - scores(mobilenet.model, mobilenet.images)).max()
        assert 1e-7 < far < (0.01 if half else 0.1)

    def test_a_classifier_as_slim_writes_it(self, tmp_path):
        """An average pool, a 1 x 1 convolution and a reshape in place of mean and dense."""
        import keras

        keras.utils.set_random_seed(4)
        layers = keras.layers
        given = keras.Input((16, 16, 3))
        x = layers.Conv2D(8, 3, strides=2, activation="relu6")(given)
        shortcut = x = layers.AveragePooling2D(2, strides=1, padding="same")(x)
        x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, use_bias=False)(x)
        x = layers.Conv2D(8, 3, dilation_rate=2, padding="same", bias_initializer="normal")(x)
        x = layers.ReLU()(layers.Add()([x, shortcut]))
        x = layers.Conv2D(5, 1, bias_initializer="normal")(layers.AveragePooling2D(7)(x))
        source = keras.Model(given, layers.Softmax()(layers.Reshape((5,))(x)))
        contract = Preprocessing(16, mean=100.0, std=50.0)
        (tmp_path / "slim.tflite").write_bytes(tflite.to_float(source, Record((), contract)))
        assert {"AVERAGE_POOL_2D", "RESHAPE"} <= set(tiny.operators((tmp_path / "slim.tflite").read_bytes()))
        model, _, report = read_tflite(tmp_path / "slim.tflite")
        images, _ = tiny.easy_images(9, 5, side=16)
        expected = source.predict(contract.normalize(images), verbose=0)
        assert np.ptp(expected) > 0.05
        np.testing.assert_allclose(scores(model, images), expected, atol=1e-5)
        assert any("RESHAPE" in line for line in report.passed_over)


class TestInt8:
    @pytest.mark.parametrize("name", ["thin", "mobilenet"])
    def test_weights_are_the_files_to_the_bit(self, name, request):
        files = request.getfixturevalue(name)
        model, _, report = read_tflite(files.int8)
        written = sorted(np.sort(w.ravel()).tobytes() for w in constants(files.int8))
        assert sorted(np.sort(w.ravel()).tobytes() for w in model.get_weights()) == written
        assert report.parameters == model.count_params() == sum(len(w) // 4 for w in written)
        assert report.stored == ("int32 by channel", "int8 by channel")

    @pytest.mark.parametrize("name", ["thin", "mobilenet"])
    def test_scores_differ_by_the_rounding_of_activations(self, name, request):
        files = request.getfixturevalue(name)
        model, _, report = read_tflite(files.int8)
        one, other = scores(model, files.images), Predictor(files.int8).predict(files.images)
        assert 0 < np.abs(one - other).max() < INT8_BOUND[name]
        assert (one.argmax(axis=1) == other.argmax(axis=1)).mean() >= 0.95
        assert any(
            re.match(r"the ranges of \d+ quantized activations.*takes calibration images", x) for x in report.lost
        )

    def test_the_report_has_every_operator_once(self, thin, read_int8):
        _, _, report = read_int8
        named = [operator for operator, _ in report.mapped] + list(report.passed_over)
        kinds = tiny.operators(thin.int8.read_bytes())
        assert sorted(named) == sorted(f"operator {k} ({kind})" for k, kind in enumerate(kinds))
        told = "\n".join(report.lines())
        assert "stored as int32 by channel, int8 by channel" in told and "2 CONV_2D, 1 DEPTHWISE_CONV_2D" in told

    def test_laid_out_as_build_classifier_does(self, thin, read_int8):
        assert [layer.name for layer in read_int8[0].layers] == [layer.name for layer in thin.model.layers]

    def test_saved_loaded_and_quantized_again(self, thin, read_int8, tmp_path):
        model, record, _ = read_int8
        kept = Predictor(tiny.save(model, record, tmp_path / "again.keras"))
        np.testing.assert_allclose(kept.predict(thin.images), scores(model, thin.images), atol=1e-6)
        for name, content in (
            ("again_float", tflite.to_float(model, record)),
            ("again_int8", tflite.to_int8(model, record, thin.images, input_type="int8", output_type="int8")),
        ):
            (tmp_path / f"{name}.tflite").write_bytes(content)
            far = np.abs(Predictor(tmp_path / f"{name}.tflite").predict(thin.images) - scores(model, thin.images)).max()
            assert far < (FLOAT_BOUND if name == "again_float" else INT8_BOUND["thin"])
        written, again = (sorted(np.sort(w.ravel()).tobytes() for w in constants(path) if w.ndim > 1)
                          for path in (thin.int8, tmp_path / "again_int8.tflite"))  # fmt: skip
        assert again == written, "scales by channel come out again as they were"

    def test_trained_on(self, thin, tmp_path):
        model, _, _ = read_tflite(thin.int8)
        before = [w.copy() for w in model.get_weights()]
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.fit(thin.images.astype(np.float32), thin.labels, verbose=0, batch_size=16)
        changed = [not np.array_equal(*pair) for pair in zip(before, model.get_weights(), strict=True)]
        assert all(changed), "convolutions, biases and the classifier"
        model.save(tmp_path / "trained.keras")
        np.testing.assert_array_equal(load_keras(tmp_path / "trained.keras").get_weights()[0], model.get_weights()[0])


class TestContract:
    @pytest.mark.parametrize(
        ("input_type", "contract", "mean", "std"),
        [
            ("uint8", preset("mbhelpers", tiny.SIDE), 128.0, 128.0),
            ("int8", preset("mbhelpers", tiny.SIDE), 128.0, 128.0),
            ("uint8", preset("keras", tiny.SIDE), 127.0, 127.5),
            ("int8", Preprocessing(tiny.SIDE, mean=0.0, std=255.0), 0.0, 255.0),
        ],
    )
    def test_is_the_inputs_quantization(self, input_type, contract, mean, std, monkeypatch, tmp_path):
        monkeypatch.setattr(tflite, "add_to_tflite", lambda content, record: content)
        images, _ = tiny.easy_images(6, 1)
        source = tiny.build(preprocessing=contract)
        content = tflite.to_int8(source, Record(tiny.CLASSES, contract), images, input_type=input_type)
        (tmp_path / "bare.tflite").write_bytes(content)
        model, record, _ = read_tflite(tmp_path / "bare.tflite", classes=tiny.CLASSES)
        assert (record.preprocessing.mean, record.preprocessing.std) == (mean, std)
        assert (record.preprocessing.resolution, record.classes) == (tiny.SIDE, tiny.CLASSES)
        assert model.get_layer("rescaling").scale == 1 / std
        _, record, _ = read_tflite(tmp_path / "bare.tflite", preprocessing=contract)
        assert record.preprocessing == contract, "half a step off is the same to the file"

    @pytest.mark.parametrize(
        ("kind", "options", "message", "why"),
        [
            ("float", {}, "float values.*pass the preprocessing", "a float input has no range"),
            (
                "int8",
                {"preprocessing": Preprocessing(32, mean=0.0, std=255.0)},
                r"\(pixel - 128\) / 128.* / 255",
                "other",
            ),
            ("int8", {"preprocessing": preset("mbhelpers", 64)}, "takes 32 px images.*says 64", "another size"),
            ("int8", {"classes": ("a", "b")}, "tells 3 classes apart, not 2", "too few names"),
        ],
    )
    def test_of_a_file_without_a_record(self, kind, options, message, why, thin, tmp_path):
        bare = edit(getattr(thin, kind), tmp_path / "bare.tflite", lambda *_: None)
        with pytest.raises(ValueError, match=message):
            read_tflite(bare, **options)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"preprocessing": preset("st", tiny.SIDE)}, "carries its own preprocessing"),
            ({"classes": ("red", "green", "blue")}, "carries its own classes, blue, green, red"),
        ],
    )
    def test_of_a_file_with_one(self, options, message, thin):
        with pytest.raises(ValueError, match=message):
            read_tflite(thin.int8, **options)


class TestLegacy:
    """What TOCO wrote: uint8, one scale a tensor with a zero-point of any kind, and activations without a name."""

    @pytest.mark.parametrize(
        ("scale", "zero", "name", "layer"),
        [
            (6 / 255, -128, "conv_0 RELU6", "relu6_0"),
            (4 / 255, -128, "conv_0 RELU", "relu_0"),
            (6 / 255, -127, None, None),
        ],
    )
    def test_an_activation_is_told_by_its_range(self, scale, zero, name, layer, thin, tmp_path):
        first = next(k for k, kind in enumerate(tiny.operators(thin.int8.read_bytes())) if kind == "CONV_2D")
        name, layer = (text and text.replace("_0", f"_{first}") for text in (name, layer))

        def change(model, graph, schema):
            convolution = graph.operators[first]
            convolution.builtinOptions.fusedActivationFunction = 0
            told = graph.tensors[convolution.outputs[0]].quantization
            told.scale, told.zeroPoint = np.array([scale], np.float32), np.array([zero])

        model, _, report = read_tflite(edit(thin.int8, tmp_path / "toco.tflite", change))
        assert report.implied == ((name,) if name else ())
        names = [part.name for part in model.get_layer("backbone").layers]
        assert (layer in names) if layer else (f"relu6_{first}" not in names and f"relu_{first}" not in names)

    def test_one_scale_and_a_zero_point(self, thin, tmp_path):
        stored = np.random.default_rng(0).integers(0, 256, (8, 3, 3, 3), np.uint8)

        def change(model, graph, schema):
            tensor = graph.tensors[of_kind(model, graph, schema, "CONV_2D")[0].inputs[1]]
            tensor.type, model.buffers[tensor.buffer].data = schema.TensorType.UINT8, stored.ravel()
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = np.array([0.03], np.float32), np.array([201])

        path = edit(thin.float, tmp_path / "toco.tflite", change)
        model, _, report = read_tflite(path, preprocessing=thin.record.preprocessing)
        kernel = model.get_layer("backbone").layers[1].get_weights()[0]
        expected = (stored.astype(np.float32) - 201) * np.float32(0.03)
        np.testing.assert_array_equal(kernel, expected.transpose(1, 2, 3, 0))
        assert "uint8 with one scale" in report.stored


def unused_constant(model, graph, schema):
    spare = schema.TensorT()
    spare.name, spare.shape, spare.type = b"spare", np.array([2]), schema.TensorType.INT8
    spare.buffer = len(model.buffers)
    model.buffers.append(schema.BufferT())
    model.buffers[-1].data = np.array([1, 2], np.uint8)
    graph.tensors.append(spare)


def option(kind, field, value):
    def change(model, graph, schema):
        setattr(of_kind(model, graph, schema, kind)[0].builtinOptions, field, value)

    return change


def code(kind, new):
    def change(model, graph, schema):
        number = getattr(schema.BuiltinOperator, new)
        own = model.operatorCodes[of_kind(model, graph, schema, kind)[0].opcodeIndex]
        own.builtinCode = own.deprecatedBuiltinCode = number
        own.customCode = b"Mine"

    return change


def weights(**fields):
    def change(model, graph, schema):
        tensor = graph.tensors[of_kind(model, graph, schema, "CONV_2D")[0].inputs[1]]
        for name, value in fields.items():
            setattr(tensor if name == "type" else tensor.quantization, name, value)

    return change


def second_graph(model, graph, schema):
    model.subgraphs.append(graph)


def axes_of_mean(model, graph, schema):
    tensor = graph.tensors[of_kind(model, graph, schema, "MEAN")[0].inputs[1]]
    model.buffers[tensor.buffer].data = np.frombuffer(np.array([1, 3], np.int32).tobytes(), np.uint8)


def computed_weights(model, graph, schema):
    first, second = of_kind(model, graph, schema, "CONV_2D")
    second.inputs = np.array([second.inputs[0], first.outputs[0], second.inputs[2]])


def far_tensor(model, graph, schema):
    graph.operators[1].inputs = np.array([999, 1, 2])


def two_outputs(model, graph, schema):
    graph.outputs = np.append(graph.outputs, graph.operators[1].outputs[0])


def ends_early(model, graph, schema):
    graph.outputs = np.array(graph.operators[1].outputs)


class TestRefused:
    @pytest.mark.parametrize(
        ("change", "message", "why"),
        [
            (code("MEAN", "SUM"), r"not read back: SUM \(1\); those of MobileNetV2 are: ADD", "an operator"),
            (code("SOFTMAX", "CUSTOM"), r"CUSTOM Mine \(1\)", "a custom operator"),
            (unused_constant, "constants that no operator uses: spare", "a weight that would be lost"),
            (option("CONV_2D", "fusedActivationFunction", 4), r"operator 1 \(CONV_2D\): activation TANH", "activation"),
            (option("SOFTMAX", "beta", 2.0), r"\(SOFTMAX\): beta 2", "a sharper softmax"),
            (option("FULLY_CONNECTED", "weightsFormat", 1), r"\(FULLY_CONNECTED\): packed weights", "shuffled"),
            (axes_of_mean, r"\(MEAN\): a mean over axes \[1, 3\]", "other axes"),
            (computed_weights, r"\(CONV_2D\): tensor .* is computed, where a constant", "no weights"),
            (weights(scale=np.ones(3, np.float32)), r"has 3 scales along axis 0", "scales of another shape"),
            (weights(scale=None), r"is INT8 without a scale", "integers that mean nothing"),
            (option("CONV_2D", "strideH", 0), r"operator 1 \(CONV_2D\): ValueError: .*strides", "what Keras refuses"),
            (weights(type=17), "is INT4; constants are read from FLOAT32", "two numbers a byte"),
            (weights(type=2), "not a whole .tflite file .* needs 864 bytes, 216 are there", "content cut off"),
            (second_graph, "it has 2 graphs", "control flow"),
            (far_tensor, "uses tensor 999 of", "an index that leads nowhere"),
            (two_outputs, "a classifier maps", "a detector"),
            (ends_early, "ends in no scores", "features, no classifier"),
        ],
    )
    def test_by_name(self, change, message, why, thin, tmp_path):
        path = edit(thin.int8, tmp_path / "odd.tflite", change)
        with pytest.raises(ValueError, match=message) as caught:
            read_tflite(path)
        assert str(path) in str(caught.value), why

    @pytest.mark.parametrize("kind", ["float", "int8"])
    @pytest.mark.parametrize("keep", [0, 6, 40, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, -1])
    def test_a_truncated_file(self, kind, keep, mobilenet, tmp_path):
        content = getattr(mobilenet, kind).read_bytes()
        path = tmp_path / "cut.tflite"
        path.write_bytes(content[: round(keep * len(content)) if isinstance(keep, float) else keep])
        with pytest.raises(ValueError, match=re.escape(str(path))):
            read_tflite(path)

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.tflite", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "run `git lfs pull`"),
            ("a.tflite", b"<!DOCTYPE html><html>404</html>", "is not a .tflite file"),
            ("a.tflite", None, "no model at"),
            ("a.keras", None, "a.keras is no .tflite file"),
        ],
    )
    def test_what_is_no_such_file(self, name, content, message, tmp_path):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_tflite(tmp_path / name)
