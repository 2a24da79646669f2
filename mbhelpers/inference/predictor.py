"""One call for every kind of model file: uint8 images in, class scores out."""

from copy import copy
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mbhelpers.data.class_names import few
from mbhelpers.data.pipeline import check_pixels
from mbhelpers.inference.raw import as_input, as_scores, as_values
from mbhelpers.native import quietly, reason
from mbhelpers.preprocessing import Channels, Preprocessing
from mbhelpers.preprocessing import preset as contract_of
from mbhelpers.records import Record, read_record

SUFFIXES = (".keras", ".h5", ".tflite", ".onnx")


class Backend(Protocol):
    """What a runtime must give: its input side, how many outputs, and raw scores.

    Attributes:
        resolution: height and width of the input in pixels.
        outputs: how many scores an image gets.
        kind: "float" or "int8".
        own: mean and std by which the file itself turns pixels into values; None where it takes values.
        step: the difference of two values that the file does not tell apart.
        layout: "nhwc" or "nchw", of its input.
        at_once: how many images it computes in one go.
    """

    resolution: int
    outputs: int
    kind: str
    own: tuple[Channels, Channels] | None
    step: float
    layout: str
    at_once: int

    def run(self, images: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
        """uint8 images (N, H, W, 3) to float32 outputs (N, outputs)."""
        ...

    def for_a_thread(self) -> "Backend | None":
        """The same file for a further thread, computing on that one alone; None if it can't be used so."""
        ...


class Predictor:
    """A model file with its class names and preprocessing.

    Attributes:
        path: the file.
        classes: names in the order of the scores; empty if neither the file nor the caller gave them.
        preprocessing: how to prepare images for it; `preprocessing.load(file)` does.
        preprocessing_assumed: whether it is a guess, because neither the file nor the caller said which.
        classes_assumed: whether their order is only a guess, here or when the file was quantized.
        made: how the file says it was made; empty without a record.
        kind: "float" or "int8", by the type of its weights.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        classes: tuple[str, ...] = (),
        preset: str | None = None,
        resize: str | None = None,
        mean: Channels | None = None,
        std: Channels | None = None,
        threads: int = 1,
    ):
        """Open a model file.

        A file that turns pixels into values itself, by a Rescaling layer or by an input of 8-bit integers, tells its
        own mean and std. Those of a preset must agree with them to one step of the input: "slim" serves slim's float
        files, which mean 127.5, and its quantized ones, which mean 128.

        Args:
            path: .keras, .h5 (legacy Keras-2 files too), .tflite or .onnx.
            classes: names in the model's order, for a file without a record. A file with one refuses others.
            preset: likewise; a name of `mbhelpers.preprocessing.PRESETS`. None means ST's, for an
                .onnx file the ONNX zoo's.
            resize: likewise; None means the preset's.
            mean: likewise; None means the file's own, else the preset's.
            std: see mean.
            threads: of LiteRT and ONNX Runtime; Keras uses what TensorFlow was told.

        Raises:
            ValueError: the file is missing, of another kind or broken, or contradicts what was passed.
        """
        self.path = Path(path)
        if self.path.suffix not in SUFFIXES:
            raise ValueError(f"{self.path.name} is no model file; its suffix must be one of {', '.join(SUFFIXES)}")
        record = read_record(self.path)
        self._backend = _open(self.path, threads)
        side, outputs = self._backend.resolution, self._backend.outputs
        self.preprocessing = self._contract(record, preset, resize, mean, std)
        said = record is not None and "preprocessing" not in record.assumed
        self.preprocessing_assumed = not said and {preset, resize, mean, std} == {None}
        if record and classes and tuple(classes) != record.classes:
            raise ValueError(f"{self.path} carries its own classes, {few(record.classes)}; pass no others")
        self.classes = record.classes if record else tuple(classes)
        self.made = record.made if record else {}
        self.classes_assumed = not self.classes or (record is not None and "classes" in record.assumed)
        self.kind = self._backend.kind
        if self.preprocessing.resolution != side:
            raise ValueError(f"{self.path} takes {side} px images, but its record says {self.preprocessing.resolution}")
        if self.classes and len(self.classes) != max(2, outputs):
            raise ValueError(
                f"{self.path} tells {max(2, outputs)} classes apart, not {len(self.classes)} "
                f"({few(self.classes)}); pass the names it was trained with, in its order"
            )

    def _contract(
        self, record: Record | None, name: str | None, resize: str | None, mean: Channels | None, std: Channels | None
    ) -> Preprocessing:
        """What the file's record says; else what was passed, with what the file tells and a preset for the rest.

        A record that was only a guess stands where nothing was passed.
        """
        if record and "preprocessing" not in record.assumed:
            contract = record.preprocessing
            if (name and contract_of(name, contract.resolution) != contract) or (
                contract.changed(resize, mean, std) != contract
            ):
                raise ValueError(
                    f"{self.path} carries its own preprocessing, {contract}; leave preset, resize, mean and std out"
                )
            self._check(contract, "its record", "make the file again")
            return contract
        usual = "onnx" if self.path.suffix == ".onnx" else "st"
        guess = record.preprocessing if record else contract_of(usual, self._backend.resolution)
        contract = contract_of(name, self._backend.resolution) if name else guess
        if self._backend.own:
            if name and (mean, std) == (None, None):
                repair = (
                    "choose another, or pass the file's mean and std too, which leaves the preset's crop and resize"
                )
                self._check(contract, f"preset {name!r}", repair)
            contract = contract.changed(None, *self._backend.own)
        contract = contract.changed(resize, mean, std)
        self._check(contract, "what was passed", "pass neither mean nor std")
        return contract

    def _check(self, contract: Preprocessing, whose: str, repair: str) -> None:
        """Refuse a contract that means other values than the file itself does."""
        if not self._backend.own:
            return
        own = contract.changed(None, *self._backend.own)
        ends = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
        if np.abs(own.normalize(ends) - contract.normalize(ends)).max() > self._backend.step:
            raise ValueError(f"{self.path} reads pixels as {own.formula}, {whose} as {contract.formula}; {repair}")

    @property
    def layout(self) -> str:
        """Order of the input's axes in the file: "nhwc", or "nchw" as most .onnx files have it."""
        return self._backend.layout

    @property
    def at_once(self) -> int:
        """How many images the runtime computes in one go; more than one only where that is faster."""
        return self._backend.at_once

    def for_a_thread(self) -> "Predictor | None":
        """The same model for a further thread, to be used at the same time as this one; it computes on one thread.

        Returns:
            A predictor of the same scores; None for Keras, which spreads each batch over the cores itself.
        """
        backend = self._backend.for_a_thread()
        if backend is None:
            return None
        other = copy(self)
        other._backend = backend
        return other

    @property
    def class_count(self) -> int:
        """How many classes the model tells apart; two for a single sigmoid output."""
        return max(2, self._backend.outputs)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Score images.

        Args:
            images: uint8 RGB pixels, (N, H, W, 3), of the model's size.

        Returns:
            float32, (N, classes). A single sigmoid output p becomes the two columns 1 - p and p.

        Raises:
            ValueError: another dtype or shape.
        """
        check_pixels(images, self._backend.resolution)
        return as_scores(self._backend.run(images, self.preprocessing))


def _open(path: Path, threads: int) -> Backend:
    """The runtime for a file's suffix."""
    if threads < 1:
        raise ValueError(f"threads must be 1 or more, not {threads}")
    if path.suffix == ".tflite":
        return _LiteRT(path, threads)
    return _ONNXRuntime(path, threads) if path.suffix == ".onnx" else _Keras(path)


class _Keras:
    kind = "float"
    layout = "nhwc"
    at_once = 64

    def __init__(self, path: Path):
        from mbhelpers.models.load import classifier_shape, load_keras

        self.model = load_keras(path)
        import keras  # after load_keras, which loads TensorFlow quietly

        self.resolution, self.outputs = classifier_shape(self.model, path)
        # Those of models inside the model too
        parts = self.model._flatten_layers(include_self=False, recursive=True)
        rescalings = [layer for layer in parts if isinstance(layer, keras.layers.Rescaling)]
        self.own = _range_of(rescalings[0]) if rescalings else None
        self.step = 1e-4

    def run(self, images: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
        if len(images) == 0:
            return np.empty((0, self.outputs), np.float32)
        batches = (images[k : k + self.at_once] for k in range(0, len(images), self.at_once))
        return np.concatenate(
            [
                self.model.predict_on_batch(x.astype(np.float32) if self.own else preprocessing.normalize(x))
                for x in batches
            ]
        )

    def for_a_thread(self) -> None:
        return None


def _range_of(rescaling: Any) -> tuple[Channels, Channels]:
    """Mean and std of a Rescaling layer, which has one scale or one for each channel."""
    scale, offset = np.asarray(rescaling.scale, np.float64), np.asarray(rescaling.offset, np.float64)
    mean, std = (values.tolist() for values in np.broadcast_arrays(-offset / scale, 1 / scale))
    return (tuple(mean), tuple(std)) if isinstance(mean, list) else (mean, std)


class _LiteRT:
    layout = "nhwc"
    at_once = 1  # a batch of 16 saves 1 to 5 % of the time, and XNNPACK refuses it for some files

    def __init__(self, path: Path, threads: int):
        from ai_edge_litert.interpreter import Interpreter

        try:
            with quietly():
                self.interpreter = Interpreter(model_path=str(path), num_threads=threads)
                self.interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"{path} cannot be loaded by LiteRT ({error}); make it again") from error
        inputs, outputs = self.interpreter.get_input_details(), self.interpreter.get_output_details()
        shape = tuple(inputs[0]["shape"])
        signature = tuple(int(size) for size in inputs[0]["shape_signature"])
        if -1 in signature[1:]:  # LiteRT would take it for 1, and answer on images of one pixel
            raise ValueError(
                f"{path} takes images of any size, {signature} with -1 for any; convert the model again with a fixed "
                "side, the one that it was trained with"
            )
        if len(inputs) != 1 or len(outputs) != 1 or len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3:
            hint = "; a detector is for `mbhelpers detect` and `evaluate-detections`" if len(outputs) > 1 else ""
            told, given = ([tuple(map(int, end["shape"])) for end in ends] for ends in (inputs, outputs))
            raise ValueError(
                f"{path} maps {told} to {given}; a classifier maps (1, side, side, 3) to (1, classes){hint}"
            )
        self.path, self.input, self.output = path, inputs[0], outputs[0]
        self.resolution, self.outputs = int(shape[1]), int(self.output["shape"][-1])
        integer = any(t["dtype"] == np.int8 and t["shape"].size for t in self.interpreter.get_tensor_details())
        self.kind = "int8" if integer or self.input["dtype"] != np.float32 else "float"
        scale, zero = self.input["quantization"]
        self.own: tuple[Channels, Channels] | None = None
        self.step = 0.0
        if self.input["dtype"] != np.float32 and scale:
            # The scale is a float32, whose inverse is 127.49999 where 127.5 is meant.
            self.own = (float(zero + (128 if self.input["dtype"] == np.int8 else 0)), round(1 / float(scale), 4))
            self.step = 1.01 * float(scale)  # ST's files are half a step off what they were trained with

    def run(self, images: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
        scores = np.empty((len(images), self.outputs), np.float32)
        dtype, index = self.input["dtype"], self.input["index"]
        scale, zero = self.output["quantization"]
        for k, image in enumerate(images):
            self.interpreter.set_tensor(index, as_input(image, dtype, preprocessing)[None])
            self.interpreter.invoke()
            scores[k] = as_values(self.interpreter.get_tensor(self.output["index"])[0], scale, zero)
        return scores

    def for_a_thread(self) -> "_LiteRT":
        return _LiteRT(self.path, 1)


class _ONNXRuntime:
    own: tuple[Channels, Channels] | None = None
    step = 0.0

    def __init__(self, path: Path, threads: int):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own errors have no common class but this
            raise ValueError(f"{path} cannot be loaded by ONNX Runtime ({reason(error)}); make it again") from error
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        shape = inputs[0].shape
        sides = {"nchw": shape[2:], "nhwc": shape[1:3]} if len(shape) == 4 else {}
        channels = {"nchw": shape[1:2], "nhwc": shape[3:]}
        fits = [
            name
            for name, found in sides.items()
            if channels[name] == [3] and isinstance(found[0], int) and found[0] == found[1]
        ]
        # Older files of the zoo keep a height and a width of 1.
        flat = [size for size in outputs[0].shape[1:] if size != 1] or [1]
        single = len(inputs) == 1 and len(outputs) == 1 and len(flat) == 1 and isinstance(flat[0], int)
        if not single or inputs[0].type != "tensor(float)" or len(fits) != 1:
            told = [f"{end.name} {end.type} {end.shape}" for end in (*inputs, *outputs)]
            raise ValueError(
                f"{path} maps {', '.join(told[: len(inputs)])} to {', '.join(told[len(inputs) :])}; a classifier maps "
                "float values (N, 3, side, side) or (N, side, side, 3), of a fixed side, to (N, classes)"
            )
        self.layout, self.name, self.batch = fits[0], inputs[0].name, shape[0]
        self.resolution = int(sides[self.layout][0])
        self.outputs = flat[0]
        self.kind = "int8" if _has_integers(path) else "float"
        self.path, self.threads = path, threads
        self.at_once = self.batch if isinstance(self.batch, int) else 16

    def run(self, images: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
        size = self.at_once
        scores = np.empty((len(images), self.outputs), np.float32)
        for k in range(0, len(images), size):
            values = preprocessing.normalize(images[k : k + size])  # (B, H, W, 3)
            missing = size - len(values) if isinstance(self.batch, int) else 0
            values = np.concatenate([values, np.zeros((missing, *values.shape[1:]), np.float32)])
            if self.layout == "nchw":
                values = np.ascontiguousarray(values.transpose(0, 3, 1, 2))
            found = self.session.run(None, {self.name: values})[0]
            scores[k : k + size] = found[: size - missing].reshape(-1, self.outputs)
        return scores

    def for_a_thread(self) -> "_ONNXRuntime":
        # A session serves several threads at once; of one thread it computes on the caller's.
        return self if self.threads == 1 else _ONNXRuntime(self.path, 1)


def _has_integers(path: Path) -> bool:
    """Whether an .onnx file has weights of 8 bits."""
    import onnx

    small = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
    return any(tensor.data_type in small and len(tensor.dims) > 1 for tensor in onnx.load(path).graph.initializer)
