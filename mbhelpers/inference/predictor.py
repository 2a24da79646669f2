"""One call for every kind of model file: uint8 images in, class scores out."""

from pathlib import Path
from typing import Protocol

import numpy as np

from mbhelpers.data.pipeline import check_pixels
from mbhelpers.native import quietly
from mbhelpers.preprocessing import Preprocessing, preset
from mbhelpers.records import read_record

SUFFIXES = (".keras", ".h5", ".tflite")


class Backend(Protocol):
    """What a runtime must give: its input side, how many outputs, and raw scores."""

    resolution: int
    outputs: int
    kind: str

    def contract(self) -> Preprocessing:
        """What is assumed of a file without a record."""
        ...

    def check(self, preprocessing: Preprocessing) -> None:
        """Refuse a preprocessing that means other values than the file itself does."""
        ...

    def run(self, images: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
        """uint8 images (N, H, W, 3) to float32 outputs (N, outputs)."""
        ...


class Predictor:
    """A model file with its class names and preprocessing.

    Attributes:
        path: the file.
        classes: names in the order of the scores; empty if neither the file nor the caller gave them.
        preprocessing: how to prepare images for it; `preprocessing.load(file)` does.
        classes_assumed: whether their order is only a guess, here or when the file was quantized.
        made: how the file says it was made; empty without a record.
        kind: "float" or "int8", by the type of its weights.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        classes: tuple[str, ...] = (),
        resize: str | None = None,
        mean: float | None = None,
        std: float | None = None,
        threads: int = 1,
    ):
        """Open a model file.

        Args:
            path: .keras, .h5 (legacy Keras-2 files too) or .tflite.
            classes: names in the model's order, for a file without a record. A file with one refuses others.
            resize: likewise; None means ST's, "nearest".
            mean: likewise; None means ST's, 127.5.
            std: likewise; None means ST's, 127.5.
            threads: of LiteRT; Keras uses what TensorFlow was told.

        Raises:
            ValueError: the file is missing, of another kind or broken, or contradicts what was passed.
        """
        self.path = Path(path)
        if self.path.suffix not in SUFFIXES:
            raise ValueError(f"{self.path.name} is no model file; its suffix must be one of {', '.join(SUFFIXES)}")
        record = read_record(self.path)
        tflite = self.path.suffix == ".tflite"
        self._backend: Backend = _LiteRT(self.path, threads) if tflite else _Keras(self.path)
        side, outputs = self._backend.resolution, self._backend.outputs
        contract = record.preprocessing if record else self._backend.contract()
        wanted = contract.changed(resize, mean, std)
        if isinstance(self._backend, _Keras) and self._backend.rescales and (mean, std) != (None, None):
            raise ValueError(f"{self.path} rescales pixels itself; pass no mean and std")
        if record and wanted != contract:
            raise ValueError(f"{self.path} carries its own preprocessing, {contract}; pass none")
        if record and classes and tuple(classes) != record.classes:
            raise ValueError(f"{self.path} carries its own classes, {', '.join(record.classes)}; pass none")
        self.preprocessing = wanted
        self.classes = record.classes if record else tuple(classes)
        self.made = record.made if record else {}
        assumed_before = "classes" in self.made.get("assumed", ())
        self.classes_assumed = assumed_before or not self.classes
        self.kind = self._backend.kind
        if contract.resolution != side:
            raise ValueError(f"{self.path} takes {side} px images, but its record says {contract.resolution}")
        if self.classes and len(self.classes) != max(2, outputs):
            raise ValueError(
                f"{self.path} tells {max(2, outputs)} classes apart, not {len(self.classes)} "
                f"({', '.join(self.classes)}); pass the names it was trained with, in its order"
            )
        self._backend.check(self.preprocessing)

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
        scores = self._backend.run(images, self.preprocessing)
        if self._backend.outputs == 1:
            scores = np.concatenate([1 - scores, scores], axis=1)
        return scores


class _Keras:
    kind = "float"

    def __init__(self, path: Path):
        from mbhelpers.models.load import classifier_shape, load_keras

        self.model = load_keras(path)
        import keras  # after load_keras, which loads TensorFlow quietly

        self.resolution, self.outputs = classifier_shape(self.model, path)
        # Those of models inside the model too
        parts = self.model._flatten_layers(include_self=False, recursive=True)
        self.rescales = [layer for layer in parts if isinstance(layer, keras.layers.Rescaling)]

    def contract(self) -> Preprocessing:
        """ST's, but for the value range where the model has its own."""
        contract = preset("st", self.resolution)
        if not self.rescales or not isinstance(self.rescales[0].scale, int | float):
            return contract  # a scale for each channel has no place in a contract, nor matters: the model applies it
        scale, offset = float(self.rescales[0].scale), float(self.rescales[0].offset)
        return contract.changed(None, -offset / scale, 1 / scale)

    def check(self, preprocessing: Preprocessing) -> None:
        own = self.contract()
        if self.rescales and not np.allclose((own.mean, own.std), (preprocessing.mean, preprocessing.std), rtol=1e-5):
            raise ValueError(
                f"the model computes (pixel - {own.mean:g}) / {own.std:g}, its record says "
                f"(pixel - {preprocessing.mean:g}) / {preprocessing.std:g}; make the file again"
            )

    def run(self, images: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
        batches = (images[k : k + 64] for k in range(0, len(images), 64))
        return np.concatenate(
            [
                self.model.predict_on_batch(x.astype(np.float32) if self.rescales else preprocessing.normalize(x))
                for x in batches
            ]
        )


class _LiteRT:
    def __init__(self, path: Path, threads: int):
        from ai_edge_litert.interpreter import Interpreter

        if threads < 1:
            raise ValueError(f"threads must be 1 or more, not {threads}")
        try:
            with quietly():
                self.interpreter = Interpreter(model_path=str(path), num_threads=threads)
                self.interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"{path} cannot be loaded by LiteRT ({error}); make it again") from error
        inputs, outputs = self.interpreter.get_input_details(), self.interpreter.get_output_details()
        shape = tuple(inputs[0]["shape"])
        if len(inputs) != 1 or len(outputs) != 1 or len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3:
            raise ValueError(
                f"{path} maps {[tuple(i['shape']) for i in inputs]} to {[tuple(o['shape']) for o in outputs]}; "
                "a classifier maps (1, side, side, 3) to (1, classes)"
            )
        self.input, self.output = inputs[0], outputs[0]
        self.resolution, self.outputs = int(shape[1]), int(self.output["shape"][-1])
        integer = any(t["dtype"] == np.int8 and t["shape"].size for t in self.interpreter.get_tensor_details())
        self.kind = "int8" if integer or self.input["dtype"] != np.float32 else "float"

    def contract(self) -> Preprocessing:
        """ST's."""
        return preset("st", self.resolution)

    def check(self, preprocessing: Preprocessing) -> None:
        """Refuse a preprocessing that means other values than the file's input quantization does."""
        scale, zero = self.input["quantization"]
        if self.input["dtype"] == np.float32 or not scale:
            return
        pixel_zero = zero + (128 if self.input["dtype"] == np.int8 else 0)
        # The values of a black and a white pixel may differ by one step, ST's do by half a one.
        for pixel in (0, 255):
            file_value = scale * (pixel - pixel_zero)
            value = (pixel - preprocessing.mean) / preprocessing.std
            if abs(file_value - value) > scale * 1.01:
                raise ValueError(
                    f"pixel {pixel} means {file_value:.3f} to the file's input, {value:.3f} by its preprocessing "
                    f"(mean {preprocessing.mean}, std {preprocessing.std}); pass the one it was trained with"
                )

    def run(self, images: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
        scores = np.empty((len(images), self.outputs), np.float32)
        dtype, index = self.input["dtype"], self.input["index"]
        scale, zero = self.output["quantization"]
        for k, image in enumerate(images):
            if dtype == np.uint8:
                fed = image  # raw pixels, as a board's camera delivers them
            elif dtype == np.int8:
                fed = (image.astype(np.int16) - 128).astype(np.int8)
            else:
                fed = preprocessing.normalize(image)
            self.interpreter.set_tensor(index, fed[None])
            self.interpreter.invoke()
            raw = self.interpreter.get_tensor(self.output["index"])[0]
            scores[k] = raw if raw.dtype == np.float32 else (raw.astype(np.float32) - zero) * scale
        return scores
