"""`mbhelpers weights`: others' model files as Keras models of ours."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import keras

    from mbhelpers.records import Record

app = typer.Typer(help="Weights in other formats.", no_args_is_help=True)


@app.callback()
def _weights() -> None:
    """Weights in other formats."""


@app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(help="A TF1 checkpoint of TF-slim (prefix or folder), a .tflite file, or a Keras-2 .h5.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .keras file to write.")],
    architecture: Annotated[
        str | None, typer.Option(help="Of a checkpoint, such as mobilenet_v3_large. Default: recognised.")
    ] = None,
    alpha: Annotated[float | None, typer.Option(help="Width of a checkpoint. Default: recognised.")] = None,
    resolution: Annotated[int, typer.Option(help="Input size of a checkpoint's model, in pixels.")] = 224,
    classes: Annotated[int, typer.Option(help="Of a checkpoint: 1000, or 1001 to keep 'background'.")] = 1000,
    preset: Annotated[
        str | None,
        typer.Option(help="How its images are prepared. Default: slim for a checkpoint, else what the file says."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")] = False,
) -> None:
    """Make a .keras file of a checkpoint, a quantized .tflite file or an old .h5; says what became of each part."""
    from mbhelpers.files import replacing
    from mbhelpers.models.slim import is_checkpoint
    from mbhelpers.records import add_to_keras

    if output.suffix != ".keras":
        raise ValueError(f"{output.name} must end in .keras")
    if is_checkpoint(source):
        model, record, report = _from_checkpoint(source, architecture, alpha, resolution, classes, preset)
    elif source.suffix in (".tflite", ".h5"):
        if (architecture, alpha, resolution, classes) != (None, None, 224, 1000):
            raise ValueError(
                f"{source.name} says its architecture, width, size and classes itself; pass these for a checkpoint only"
            )
        model, record, report = (_from_tflite if source.suffix == ".tflite" else _from_h5)(source, preset)
    else:
        raise ValueError(
            f"no TF1 checkpoint, .tflite or .h5 file at {source}; of a checkpoint pass the prefix or the folder of its "
            ".index and .data files"
        )
    with replacing(output) as temporary:
        model.save(temporary)
        add_to_keras(temporary, record)
    told = {
        "model": output.name,
        "name": model.name,
        "input": list(model.input_shape[1:]),
        "outputs": model.output_shape[-1],
        "parameters": model.count_params(),
        "preprocessing": str(record.preprocessing),
        "report": report,
    }
    if as_json:
        print(json.dumps(told, indent=1))
        return
    print(*report, sep="\n")
    print(
        f"{output}: {model.name}, {model.count_params():,} parameters, {model.input_shape[1]} px to "
        f"{model.output_shape[-1]} classes; {record.preprocessing}"
    )


def _from_checkpoint(
    source: Path, architecture: str | None, alpha: float | None, resolution: int, classes: int, preset: str | None
) -> "tuple[keras.Model, Record, list[str]]":
    from mbhelpers import preprocessing
    from mbhelpers.models.slim import read_checkpoint
    from mbhelpers.records import Record

    contract = preprocessing.preset(preset or "slim", resolution)
    model, report = read_checkpoint(
        source,
        architecture=architecture,
        alpha=alpha,
        resolution=resolution,
        classes=classes,
        preprocessing=contract,
    )
    return model, Record(_imagenet_names(classes), contract, {"converted": {"checkpoint": source.name}}), report.lines()


def _from_tflite(source: Path, preset: str | None) -> "tuple[keras.Model, Record, list[str]]":
    from mbhelpers.inference.predictor import Predictor
    from mbhelpers.models.dequantize import read_tflite

    predictor = Predictor(source, preset=preset)
    if predictor.preprocessing_assumed:
        raise ValueError(
            f"{source} doesn't say how its images are made ready (crop, resize, range); pass --preset, such as slim"
        )
    model, record, report = read_tflite(source, preprocessing=predictor.preprocessing)
    names = record.classes or _imagenet_names(model.output_shape[-1])
    return model, replace(record, classes=names), report.lines()


def _from_h5(source: Path, preset: str | None) -> "tuple[keras.Model, Record, list[str]]":
    from mbhelpers.files import sha256
    from mbhelpers.inference.predictor import Predictor
    from mbhelpers.models.load import load_keras
    from mbhelpers.records import Record

    predictor = Predictor(source, preset=preset)
    model = load_keras(source)
    names = _imagenet_names(model.output_shape[-1])
    made: dict[str, object] = {"converted": {"file": source.name, "sha256": sha256(source)}}
    told = [f"read {len(model.weights)} weights, {model.count_params():,} parameters, none left over"]
    assumed = [] if names else ["classes"]
    if predictor.preprocessing_assumed:
        assumed.append("preprocessing")
        told.append(f"assumed: {predictor.preprocessing}, since the file doesn't say; --preset says otherwise")
    return model, Record(names, predictor.preprocessing, made | ({"assumed": assumed} if assumed else {})), told


def _imagenet_names(outputs: int) -> tuple[str, ...]:
    """Names of ImageNet's classes for 1000 outputs, or 1001 with "background" first; else none."""
    from mbhelpers.data.imagenet import class_names

    return {1000: class_names(), 1001: ("background", *class_names())}.get(outputs, ())
