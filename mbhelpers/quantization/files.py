"""A file in a deployable format from a model file and a folder of images."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mbhelpers import settings
from mbhelpers.data.folder import class_folders, look
from mbhelpers.data.pipeline import load_images
from mbhelpers.inference.predictor import Predictor
from mbhelpers.models.dequantize import read_tflite
from mbhelpers.models.families import IMAGENET_CLASSES
from mbhelpers.models.load import load_keras
from mbhelpers.models.ssd import is_ssd, with_anchors
from mbhelpers.quantization.calibration import calibration_set, list_images
from mbhelpers.quantization.formats import FORMATS, Converted, convert, find
from mbhelpers.quantization.ranges import ANY_SPREAD, USUAL_SPREAD, input_spread
from mbhelpers.records import Record, read_record

if TYPE_CHECKING:
    import keras


def quantize_file(
    model: Path,
    folder: Path | None,
    output: Path,
    *,
    format: str = "int8",
    number: int = settings.CALIBRATION_IMAGES,
    seed: int,
    conversion: dict[str, Any] | None = None,
    **options: Any,
) -> Path:
    """Convert one model file to one format; prints what the caller should know.

    Args:
        model: .keras, .h5 or .tflite. A .tflite file is read back into a float model first, and its 8-bit weights are
            kept.
        folder: images of the kind that the model was trained on, in class folders or all in one; ImageNet's in any
            layout. Labels aren't needed. None for a format without calibration.
        output: the file to write; whole or not at all. Beside it `<file>.json` says how it was made.
        format: a name of `FORMATS`.
        number: calibration images, as many of each class folder, or of each wnid in the file names, as can be.
        seed: of the choice of calibration images.
        conversion: options of the format's function, such as input_type of `to_int8`.
        **options: of `Predictor`, for a model without a record: preset, resize, mean, std.

    Raises:
        ValueError: model, images and options don't fit together, the images come in a range that the model was not
            trained on, or the output can't be written.
    """
    chosen = find(format)
    if output.suffix != chosen.suffix:
        raise ValueError(f"{output.name} must end in {chosen.suffix}")
    if output.exists() and model.exists() and output.samefile(model):
        raise ValueError(f"{output} is the model itself; write to another file")
    if folder is not None and not chosen.calibrated:
        raise ValueError(f"{format} is not calibrated; leave {folder} out")
    source = _Source(model, folder, number, seed, options)
    return source.converted(format, conversion or {}).save(output)


def quantize_all(
    model: Path, folder: Path, output: Path, *, number: int = settings.CALIBRATION_IMAGES, seed: int, **options: Any
) -> dict[str, Path]:
    """Convert one model file to every format that can express it; prints what the caller should know.

    Args:
        model: as `quantize_file` takes it.
        folder: likewise.
        output: a folder; `<model>_<format>` with the format's suffix is written there.
        number: as `quantize_file` takes it.
        seed: likewise.
        **options: likewise.

    Returns:
        Formats to files, those left out with a warning not among them.

    Raises:
        ValueError: as `quantize_file`, or no format can express the model.
    """
    source = _Source(model, folder, number, seed, options)
    made: dict[str, Path] = {}
    for name, chosen in FORMATS.items():
        try:
            converted = source.converted(name, {})
        except ValueError as error:
            print(f"warning: no {name}: {error}", flush=True)
            continue
        made[name] = converted.save(output / f"{model.stem}_{name}{chosen.suffix}")
        print(f"{made[name]}: {made[name].stat().st_size / 1024:,.0f} KiB", flush=True)
    if not made:
        raise ValueError(f"{model} can be expressed in no format; see the warnings above")
    return made


class _Source:
    """A model file opened, and its calibration images, if there are to be some."""

    def __init__(self, model: Path, folder: Path | None, number: int, seed: int, options: dict[str, Any]):
        self.network, self.record = _open(model, options)
        self.pixels: np.ndarray | None = None
        self.images: dict[str, str] = {}
        if folder is None:
            return
        paths, groups = list_images(folder)
        if any("/" in name for name in paths) and len(self.network.outputs) == 1:
            self.record = _held_to_folders(model, self.record, self.network.output_shape[1], folder)
        chosen = calibration_set(groups, number, seed)
        seen = look(folder, [paths[k] for k in chosen])
        if seen.skipped:
            print(f"left out {len(seen.skipped)} files: {'; '.join(f'{n}: {why}' for n, why in seen.skipped[:5])}")
        if len(seen) == 0:
            raise ValueError(f"none of the {len(chosen)} images chosen from {folder} can be read; replace them")
        self.pixels = load_images(folder, seen.paths, self.record.preprocessing)
        _check_range(model, self.network, self.record, self.pixels)
        self.images = dict(zip(map(str, seen.paths), seen.sha256, strict=True))
        data = hashlib.sha256("\n".join(sorted(seen.sha256)).encode()).hexdigest()
        self.calibration = {"images": len(seen), "seed": seed, "data": data}

    def converted(self, name: str, conversion: dict[str, Any]) -> Converted:
        """The model in a format."""
        record = self.record
        if find(name).calibrated and self.pixels is not None:
            record = replace(record, made=record.made | {"calibration": self.calibration})
        return convert(self.network, record, name, self.pixels, images=self.images, **conversion)


def _open(model: Path, options: dict[str, Any]) -> tuple["keras.Model", Record]:
    """The model in float, and its record; the new file will say what of it was only assumed.

    A detector comes with its anchors, as it is exported.
    """
    loaded = load_keras(model) if model.suffix in (".keras", ".h5") else None
    if loaded is not None and is_ssd(loaded):
        record = read_record(model)
        if record is None:
            raise ValueError(f"{model} has no record of its classes and preprocessing; train it with `mbhelpers run`")
        if given := sorted(name for name, value in options.items() if value is not None):
            raise ValueError(f"{model} carries its own preprocessing, {record.preprocessing}; leave {given[0]} out")
        return with_anchors(loaded), record
    predictor = Predictor(model, **options)
    found = read_record(model)
    if loaded is not None:
        network, record = loaded, found or Record((), predictor.preprocessing)
    else:
        # A bare file in float must be refused: its range can't be guessed.
        guessed = predictor.preprocessing_assumed and found is None
        network, record, report = read_tflite(model, preprocessing=None if guessed else predictor.preprocessing)
        print(*report.lines(), sep="\n")
    made = {key: value for key, value in record.made.items() if key != "assumed"}
    assumed = [what for what in record.assumed if what != "preprocessing"]
    if predictor.preprocessing_assumed:
        assumed.append("preprocessing")
        print(
            f"warning: {model} doesn't say how images are prepared; assumed, and noted in the new file as a guess: "
            f"{predictor.preprocessing}. If that is wrong, pass --preset, or --resize, --mean and --std"
        )
    made |= {"assumed": assumed} if assumed else {}
    return network, replace(record, preprocessing=predictor.preprocessing, made=made)


def _held_to_folders(model: Path, record: Record, outputs: int, folder: Path) -> Record:
    """The record with names from class folders where it has none; an ImageNet classifier takes any folders.

    Raises:
        ValueError: the folders are not the model's classes.
    """
    known = max(2, outputs)
    if known in IMAGENET_CLASSES:
        return record
    names = class_folders(folder)
    if record.classes:
        if strange := [name for name in names if name not in record.classes]:
            raise ValueError(
                f"{folder} has classes {', '.join(strange)}, {model} knows {', '.join(record.classes)}; "
                "calibrate with the data it was trained on"
            )
        return record
    if known != len(names):
        raise ValueError(
            f"{model} tells {known} classes apart, {folder} has {len(names)} ({', '.join(names)}); "
            "calibrate with the data it was trained on"
        )
    return Record(names, record.preprocessing, record.made | {"assumed": ["classes", *record.assumed]})


def _check_range(model: Path, network: "keras.Model", record: Record, pixels: np.ndarray) -> None:
    """Warn of values that the model was probably not trained on.

    Raises:
        ValueError: it certainly was not.
    """
    contract = record.preprocessing
    spread = input_spread(network, contract, pixels)
    if spread is None or USUAL_SPREAD[0] <= spread <= USUAL_SPREAD[1]:
        return
    low, high = contract.normalize(np.array([[0] * 3, [255] * 3]))
    told = (
        f"with {contract.formula} pixels become values from {low.min():.3g} to {high.max():.3g}, which spread "
        f"{spread:.{2 if spread < 10 else 0}f} times as widely behind the first convolution of {model.name} as in its "
        "training; check preset, mean and std"
    )
    if not ANY_SPREAD[0] <= spread <= ANY_SPREAD[1]:
        raise ValueError(told)
    print(f"warning: {told}")
