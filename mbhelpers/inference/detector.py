"""A detector's file: pictures in, boxes in the picture out, whatever the layout of its outputs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers.data.class_names import few
from mbhelpers.data.pipeline import check_pixels
from mbhelpers.data.predictions import Predictions
from mbhelpers.detection.boxes import clip
from mbhelpers.detection.outputs import Found, Outputs, Raw, detect, read
from mbhelpers.inference.predictor import as_input
from mbhelpers.native import quietly
from mbhelpers.preprocessing import Preprocessing
from mbhelpers.preprocessing import preset as contract_of
from mbhelpers.records import read_record


class Detector:
    """A .tflite detector, float or int8, ready to run.

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
            path: .tflite, with raw outputs or with suppression inside; see `detection.outputs`.
            classes: names, for a file that carries none.
            preset: how pictures are prepared, for a file without a record; "st" if nothing says.
            resize: likewise, "nearest" or "bilinear".
            threads: of LiteRT.

        Raises:
            ValueError: the file is missing, broken or no detector, or contradicts what was passed.
        """
        from ai_edge_litert.interpreter import Interpreter

        self.path = Path(path)
        if self.path.suffix != ".tflite":
            raise ValueError(f"{self.path.name} is no .tflite file; export the detector first")
        record = read_record(self.path)
        try:
            with quietly():
                self._interpreter = Interpreter(model_path=str(self.path), num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"{self.path} cannot be loaded by LiteRT ({error}); make it again") from error
        inputs, self._ends = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        shape = tuple(int(n) for n in inputs[0]["shape"])
        if len(inputs) != 1 or len(shape) != 4 or shape[0] != 1 or shape[1] != shape[2] or shape[3] != 3:
            raise ValueError(f"{self.path} takes {shape}; a detector takes one picture, (1, side, side, 3)")
        if len(self._ends) == 1 and len(self._ends[0]["shape"]) < 3:
            raise ValueError(
                f"{self.path} gives {tuple(map(int, self._ends[0]['shape']))}, as a classifier does; "
                "take `mbhelpers classify` or `evaluate` for it"
            )
        self._input, self.resolution = inputs[0], shape[1]
        self.preprocessing_assumed = record is None and preset is None
        self.preprocessing = _contract(self.path, record.preprocessing if record else None, preset, resize, self._input)
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
        entry = self._input
        self._interpreter.set_tensor(entry["index"], as_input(pixels, entry["dtype"], self.preprocessing)[None])
        self._interpreter.invoke()
        found = []
        for end in self._ends:
            values, (scale, zero) = self._interpreter.get_tensor(end["index"]), end["quantization"]
            if values.dtype != np.float32:
                values = (values.astype(np.float32) - zero) * np.float32(scale)
            found.append((end["name"], values))
        return found

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
            whole = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
            images.append((boxes[whole], found.scores[whole], found.labels[whole]))
        return Predictions.from_images(images), sizes


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
