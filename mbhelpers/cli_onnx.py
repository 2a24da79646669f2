"""Command-line verbs for ONNX model folders: `mbhelpers onnx ...`."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Pack a model as the ONNX model zoo does, and verify such a folder.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


@app.command()
def package(
    model: Annotated[Path, typer.Argument(help="An .onnx classifier, such as `mbhelpers quantize` makes.")],
    image: Annotated[Path, typer.Argument(help="A picture; what it becomes is the test input.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder to write.")],
) -> None:
    """Write model, test input and test output into a folder."""
    from mbhelpers.inference.predictor import Predictor
    from mbhelpers.quantization.onnx_package import package as write

    if model.suffix != ".onnx":
        raise ValueError(f"{model.name} must end in .onnx")
    predictor = Predictor(model)
    if predictor.preprocessing_assumed:
        print(f"warning: {model} doesn't say how images are prepared; assumed: {predictor.preprocessing}")
    inputs = predictor.preprocessing.normalize(predictor.preprocessing.load(image)[None])
    layout = predictor.layout
    print(write(model, output, inputs.transpose(0, 3, 1, 2).copy() if layout == "nchw" else inputs))


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="It holds one .onnx file and test_data_set_* folders.")],
    tolerance: Annotated[float, typer.Option(help="By how much an output may be off.")] = 1e-3,
    as_json: AsJson = False,
) -> None:
    """Run the model on its test inputs; exit status 1 if an output is off."""
    from mbhelpers.quantization.onnx_package import verify as check

    found = check(folder, tolerance)
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        for name, told in found["sets"].items():
            print(f"{name}: {'right' if told['right'] else 'WRONG'}, off by {told['largest_difference']:.2g} at most")
    if not found["right"]:
        sys.exit(1)
