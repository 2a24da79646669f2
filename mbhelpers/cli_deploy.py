"""Towards the board on the command line: `mbhelpers deploy`."""

import json
from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


def deploy(
    model: Annotated[Path, typer.Argument(help="A .tflite classifier or detector.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder to write; an older one is replaced.")],
    images: Annotated[
        list[Path] | None,
        typer.Option(help="A picture, or a folder of pictures, to make test vectors of; may be given several times."),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Class names, one a line. Default: the file's, or ImageNet's for 1000 outputs.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="For a file without a record: how images are prepared: mbhelpers, st, keras, nxp, slim, onnx."
        ),
    ] = None,
    resize: Annotated[
        str | None, typer.Option(help="Likewise: nearest or bilinear. Default: the preset's, else nearest.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a folder for the board: the model, its C source, labels, a script that runs it, test vectors."""
    from mbhelpers.deployment.export import deploy as make

    made = make(model, output, images=images or (), labels=labels, preset=preset, resize=resize)
    if as_json:
        print(json.dumps(made, indent=1, ensure_ascii=False))
        return
    for text in made["warnings"]:
        print(f"warning: {text}")
    for kernels, text in made["missing"].items():
        print(f"warning: no vectors by the {kernels} kernels: {text}")
    print(f"{made['folder']}: {made['task']}, {len(made['vectors'])} test vectors ({', '.join(made['vectors'][:5])})")
    for name, size in made["files"].items():
        print(f"{size / 1024:10,.1f} KiB  {name}")
    print(f"try it: python {output / 'infer.py'} picture.jpg, python {output / 'infer.py'} --check")
