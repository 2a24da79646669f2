"""A detector's file: pictures in, boxes in the picture out, whatever the layout of its outputs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mbhelpers.data.class_names import few
from mbhelpers.data.pipeline import check_pixels
from mbhelpers.data.predictions import Predictions
from mbhelpers.detection.boxes import area, clip
from mbhelpers.detection.outputs import Found, Outputs, Raw, detect, read, suppress
from mbhelpers.inference.raw import as_input, as_values
from mbhelpers.native import quietly
from mbhelpers.preprocessing import Preprocessing
from mbhelpers.preprocessing import preset as contract_of
from mbhelpers.records import read_record

if TYPE_CHECKING:
    import keras


_AT_ONCE = 32
"""Images whose raw outputs are in memory together: 18,070 anchors with 81 scores are 6 MB each."""


class Detector:
    """A detector ready to run: a .tflite file, float or int8, or a .keras file of `models.ssd.build_ssd`.

    Attributes:
        path: the file.
        preprocessing: how pictures become its input: its record's, else the preset's.
        preprocessing_assumed: whether nothing said so.
        classes: names, in the order of its scores' columns without background; empty where nothing names them.
        resolution: side of its input in pixels.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        classes: Sequence[str] = (),
        preset: str | None = None,
        resize: str | None = None,
        threads: int = 1,
    ):
        """Open a file.

        Args:
            path: .tflite, with raw outputs or with suppression inside, see `detection.outputs`; or .keras.
            classes: names, for a file that carries none.
            preset: how pictures are prepared, for a file without a record; "st" if nothing says.
            resize: likewise, "nearest" or "bilinear".
            threads: of LiteRT.

        Raises:
            ValueError: the file is missing, broken or no detector, or contradicts what was passed.
        """
        self.path = Path(path)
        if self.path.suffix not in _NETWORKS:
            raise ValueError(f"{self.path.name} is no file of a detector; its suffix must be .keras or .tflite")
        record = read_record(self.path)
        self._network = _NETWORKS[self.path.suffix](self.path, threads)
        self.resolution = self._network.side
        self.preprocessing_assumed = record is None and preset is None
        own = record.preprocessing if record else None
        self.preprocessing = _contract(self.path, own, preset, resize, self._network.entry)
        if record and record.classes and classes and tuple(classes) != record.classes:
            raise ValueError(f"{self.path} carries its own classes, {few(record.classes)}; pass no others")
        self.classes = record.classes if record and record.classes else tuple(classes)
        blank = self.outputs(np.full((self.resolution, self.resolution, 3), 128, np.uint8))
        seen = read(
            blank, classes=len(self.classes) or None
        )  # refuses what is no detector, and other numbers of classes
        self.class_count = seen.scores.shape[1] if isinstance(seen, Raw) else len(self.classes)

    @property
    def warnings(self) -> list[str]:
        """What a reader of the answers must know."""
        if not self.preprocessing_assumed:
            return []
        return [
            f"the file doesn't say how pictures are prepared; assumed: {self.preprocessing}. If that is wrong, so are "
            "the answers: pass --preset or --resize"
        ]

    def outputs(self, pixels: np.ndarray) -> Outputs:
        """The file's own outputs for one picture, uint8 (side, side, 3): name and content, dequantized to float32."""
        check_pixels(pixels[None], self.resolution)
        return self._network(pixels, self.preprocessing)

    def detect(self, pixels: np.ndarray, **options: Any) -> Found:
        """Boxes in one picture of the detector's size, uint8 (side, side, 3), as shares of it; not clipped.

        **options: of `detection.outputs.detect`: score_threshold, iou_threshold, limit, anchors, codec.
        """
        return detect(self.outputs(pixels), classes=len(self.classes) or None, **options)

    def detect_files(self, root: Path, paths: Sequence[str], **options: Any) -> tuple[Predictions, np.ndarray]:
        """Boxes in picture files, as shares of each picture, clipped to it; those without area are left out.

        Args:
            root: the folder that the names are relative to.
            paths: N names.
            **options: of `detection.outputs.detect`.

        Returns:
            What was found, and width and height of each upright picture, (N, 2) int64.

        Raises:
            ValueError: a picture is missing or broken, or the file's outputs are.
        """
        images, sizes = [], np.zeros((len(paths), 2), np.int64)
        for k, path in enumerate(paths):
            pixels, sizes[k] = self.preprocessing.load_with_size(root / path)
            found = self.detect(pixels, **options)
            boxes = clip(self.preprocessing.boxes_to_picture(found.boxes, *sizes[k].tolist()))
            whole = area(boxes) > 0
            images.append((boxes[whole], found.scores[whole], found.labels[whole]))
        return Predictions.from_images(images), sizes


def find_objects(model: "keras.Model", images: np.ndarray, **options: Any) -> Predictions:
    """What a Keras detector finds in images of its size, as shares of them; boxes without area are left out.

    Args:
        model: from `models.ssd.with_anchors`, with three outputs.
        images: uint8, (N, side, side, 3).
        **options: of `detection.outputs.suppress`: score_threshold, iou_threshold, limit.
    """
    check_pixels(images, model.input_shape[1])
    told = []
    for start in range(0, len(images), _AT_ONCE):
        for scores, offsets, anchors in zip(*model.predict_on_batch(images[start : start + _AT_ONCE]), strict=True):
            found = suppress(Raw(scores[:, 1:], offsets, anchors, "corners"), **options)
            boxes = clip(found.boxes)
            whole = area(boxes) > 0
            told.append((boxes[whole], found.scores[whole], found.labels[whole]))
    return Predictions.from_images(told)


class _LiteRT:
    """A .tflite file in LiteRT."""

    def __init__(self, path: Path, threads: int):
        from ai_edge_litert.interpreter import Interpreter

        try:
            with quietly():
                self.interpreter = Interpreter(model_path=str(path), num_threads=threads)
                self.interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"{path} cannot be loaded by LiteRT ({error}); make it again") from error
        inputs, self.ends = self.interpreter.get_input_details(), self.interpreter.get_output_details()
        shape = tuple(int(n) for n in inputs[0]["shape"])
        if len(inputs) != 1 or len(shape) != 4 or shape[0] != 1 or shape[1] != shape[2] or shape[3] != 3:
            raise ValueError(f"{path} takes {shape}; a detector takes one picture, (1, side, side, 3)")
        if len(self.ends) == 1 and len(self.ends[0]["shape"]) < 3:
            raise _classifier(path, tuple(map(int, self.ends[0]["shape"])))
        self.entry, self.side = inputs[0], shape[1]

    def __call__(self, pixels: np.ndarray, preprocessing: Preprocessing) -> Outputs:
        self.interpreter.set_tensor(self.entry["index"], as_input(pixels, self.entry["dtype"], preprocessing)[None])
        self.interpreter.invoke()
        found = []
        for end in self.ends:
            found.append((end["name"], as_values(self.interpreter.get_tensor(end["index"]), *end["quantization"])))
        return found


class _Keras:
    """A .keras file of `build_ssd`, which rescales pixels itself; with its anchors, as it is exported."""

    def __init__(self, path: Path, threads: int):
        from mbhelpers.models.load import load_keras
        from mbhelpers.models.ssd import is_ssd, with_anchors

        model = load_keras(path)
        if not is_ssd(model):
            if isinstance(model.output_shape, tuple) and len(model.output_shape) == 2:
                raise _classifier(path, model.output_shape)
            raise ValueError(f"{path} is no detector of ours; export it to .tflite, which is read in any known layout")
        model = with_anchors(model)
        self.names, self.side = model.output_names, int(model.input_shape[1])
        self.entry = {"shape": (1, *model.input_shape[1:]), "dtype": np.float32, "quantization": (0.0, 0)}
        self.call = _traced(model)

    def __call__(self, pixels: np.ndarray, preprocessing: Preprocessing) -> Outputs:
        return list(zip(self.names, map(np.asarray, self.call(pixels[None].astype(np.float32))), strict=True))


_NETWORKS: dict[str, Any] = {".tflite": _LiteRT, ".keras": _Keras}


def _traced(model: Any) -> Callable[[np.ndarray], Any]:
    """One picture through a model without its training parts; op by op that takes three times as long."""
    import tensorflow as tf

    return tf.function(lambda pixels: model(pixels, training=False), jit_compile=False)


def _classifier(path: Path, shape: Any) -> ValueError:
    return ValueError(f"{path} gives {shape}, as a classifier does; take `mbhelpers classify` or `evaluate` for it")


def _contract(
    path: Path, own: Preprocessing | None, name: str | None, resize: str | None, entry: dict[str, Any]
) -> Preprocessing:
    """The record's preprocessing, or a preset with the range that the input's quantization tells."""
    side = int(entry["shape"][1])
    if own:
        if name or resize:
            raise ValueError(f"{path} carries its own preprocessing, {own}; leave preset and resize out")
        return own
    scale, zero = entry["quantization"]
    integer = entry["dtype"] != np.float32 and scale
    mean, std = (
        (float(zero + 128 * (entry["dtype"] == np.int8)), round(1 / float(scale), 4)) if integer else (None, None)
    )
    return contract_of(name or "st", side).changed(resize, mean, std)
