"""An int8 file from a model file and a folder of images."""

from dataclasses import replace
from pathlib import Path

from mbhelpers.data.folder import scan
from mbhelpers.data.pipeline import load_images
from mbhelpers.files import replacing
from mbhelpers.models.load import classifier_shape, load_keras
from mbhelpers.preprocessing import preset
from mbhelpers.quantization.calibration import calibration_set
from mbhelpers.quantization.tflite import to_int8
from mbhelpers.records import Record, read_record


def quantize_file(
    model: Path,
    folder: Path,
    output: Path,
    *,
    number: int = 250,
    input_type: str = "uint8",
    output_type: str = "float32",
    allow_float: bool = False,
    seed: int,
    resize: str | None = None,
    mean: float | None = None,
    std: float | None = None,
) -> Path:
    """Convert one Keras file to a full-integer .tflite file.

    Args:
        model: .keras or .h5.
        folder: training images; its sub-folders are the classes.
        output: the .tflite file to write; whole or not at all.
        number: calibration images, the same number of each class.
        input_type: as `to_int8` takes it.
        output_type: likewise.
        allow_float: likewise.
        seed: of the choice of calibration images.
        resize: for a model without a record; None means ST's, nearest. So are mean and std, ST's 127.5.
        mean: see resize.
        std: see resize.

    Raises:
        ValueError: model, images and options don't fit together, or the output can't be written.
    """
    if output.suffix != ".tflite":
        raise ValueError(f"{output.name} must end in .tflite")
    record = read_record(model)
    network = load_keras(model)
    images = scan(folder)
    side, outputs = classifier_shape(network, model)
    if record is None:
        if max(2, outputs) != len(images.classes):
            raise ValueError(
                f"{model} tells {max(2, outputs)} classes apart, {folder} has {len(images.classes)} "
                f"({', '.join(images.classes)}); calibrate with the data it was trained on"
            )
        # The new file says what was only assumed of the old one.
        assumed = {"assumed": ["classes", "preprocessing"]}
        record = Record(images.classes, preset("st", side).changed(resize, mean, std), assumed)
    elif record.preprocessing.changed(resize, mean, std) != record.preprocessing:
        raise ValueError(f"{model} carries its own preprocessing, {record.preprocessing}; pass none")
    elif strange := [name for name in images.classes if name not in record.classes]:
        raise ValueError(
            f"{folder} has classes {', '.join(strange)}, {model} knows {', '.join(record.classes)}; "
            "calibrate with the data it was trained on"
        )
    if images.skipped:
        print(f"left out {len(images.skipped)} files: {'; '.join(f'{n}: {why}' for n, why in images.skipped[:5])}")
    chosen = calibration_set(images.labels, number, seed)
    made = record.made | {"calibration": {"images": len(chosen), "seed": seed, "data": images.fingerprint}}
    pixels = load_images(images.root, images.paths[chosen], record.preprocessing)
    content = to_int8(
        network,
        replace(record, made=made),
        pixels,
        input_type=input_type,
        output_type=output_type,
        allow_float=allow_float,
    )
    with replacing(output) as temporary:
        temporary.write_bytes(content)
    return output
