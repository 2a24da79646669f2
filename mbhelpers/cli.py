"""The command line: each verb is one call into the package."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mbhelpers import cli_batch, cli_data, cli_deploy, cli_detect, cli_evaluate, cli_onnx, cli_weights, settings
from mbhelpers.cli_evaluate import AsJson, Mean, Preset, Resize, Std, print_table

app = typer.Typer(
    help="From dataset to a quantized MobileNet with numbers one can trust.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(cli_data.app, name="data")
app.add_typer(cli_weights.app, name="weights")
app.add_typer(cli_onnx.app, name="onnx")
app.command()(cli_evaluate.evaluate)
app.command()(cli_evaluate.compare)
app.command()(cli_batch.rerun)
app.command()(cli_batch.compare_grids)
app.command()(cli_detect.detect)
app.command()(cli_detect.evaluate_detections)
for verb in (cli_deploy.footprint, cli_deploy.latency, cli_deploy.npu, cli_deploy.deploy, cli_deploy.card):
    app.command()(verb)

Data = Annotated[
    str | None,
    typer.Option(
        help="The folder that the official archive was unpacked in; custom: your folder of class folders, "
        "of a detector in COCO's layout; or 'sample', drawn pictures. Default: fetched into data/."
    ),
]
Out = Annotated[Path | None, typer.Option(help="Folder of all runs. Default: runs/ in the project.")]
Threads = Annotated[int, typer.Option(help="Of LiteRT and ONNX Runtime.")]
Seed = Annotated[int, typer.Option(help="Of split, training and calibration.")]


@app.command()
def rows(as_json: AsJson = False) -> None:
    """List the rows with their published figures, in percent."""
    from mbhelpers.rows import published, published_rows

    listed = {str(row): published(row) for row in published_rows()}
    if as_json:
        print(json.dumps([{"row": name, "published": figures} for name, figures in listed.items()], indent=1))
        return
    for name, figures in listed.items():
        print(f"{name:58} " + ", ".join(f"{kind} {value:.2f}" for kind, value in figures.items()))


@app.command()
def run(
    row: Annotated[str, typer.Argument(help="Such as flowers/mobilenet_v2_0.35_128_tl, or custom/... with --data.")],
    data: Data = None,
    weights: Annotated[
        str | None,
        typer.Option(help="imagenet (default), sample, none, a file, or a folder of Keras-named files."),
    ] = None,
    out: Out = None,
    seed: Seed = settings.DEFAULT_SEED,
    recipe: Annotated[
        str, typer.Option(help="ours (default), or as published: st (its 21 rows) or slim (MobileNet from scratch).")
    ] = "ours",
    smoke: Annotated[bool | None, typer.Option("--smoke/--no-smoke", help="Two epochs, on the drawn sample.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run all stages of one row, skipping those already done: prepare, train, quantize, evaluate, report."""
    from mbhelpers.reporting.card import paired_sentence, summary_table
    from mbhelpers.runs import open_run
    from mbhelpers.stages import run_row

    opened = open_run(row, data_dir=data, weights=weights, out_dir=out, seed=seed, smoke=smoke, recipe=recipe)
    if as_json:
        with _stdout_to_stderr():
            metrics = run_row(opened)
        print(json.dumps(metrics, indent=1))
        return
    metrics = run_row(opened)
    for text in metrics["warnings"]:
        print(f"warning: {text}")
    print_table(summary_table(metrics))
    print(paired_sentence(metrics))
    print(f"report: {opened.folder / 'report.html'}")


@app.command()
def qat(
    row: Annotated[str, typer.Argument(help="As `run` takes it; its model is trained first if it isn't there.")],
    granularity: Annotated[
        str, typer.Option(help="Of the weights' scales: tensor (one a layer) or channel.")
    ] = "tensor",
    data: Data = None,
    weights: Annotated[str | None, typer.Option(help="As for `run`.")] = None,
    out: Out = None,
    seed: Seed = settings.DEFAULT_SEED,
    smoke: Annotated[bool | None, typer.Option("--smoke/--no-smoke", help="Two epochs, on the drawn sample.")] = None,
    as_json: AsJson = False,
) -> None:
    """Train a row's model with its rounding (quantization-aware), and measure it beside plain int8."""
    from mbhelpers.runs import open_run
    from mbhelpers.stages import quantize_aware

    opened = open_run(row, data_dir=data, weights=weights, out_dir=out, seed=seed, smoke=smoke)
    if as_json:
        with _stdout_to_stderr():
            metrics = quantize_aware(opened, granularity)
        print(json.dumps(metrics, indent=1))
        return
    metrics = quantize_aware(opened, granularity)
    names = {"float": "float", "ptq": f"int8, per {granularity}", "qat": "the same, trained with rounding"}
    print_table([_counted(name, metrics[key], metrics["paired"].get(key)) for key, name in names.items()])
    pair = metrics["paired"]["qat against ptq"]
    low, high = (100 * bound for bound in pair["interval"])
    print(
        f"trained against plain int8: {100 * pair['difference']:+.2f} points, 95 % interval {low:+.1f} to {high:+.1f}, "
        f"p = {pair['mcnemar_p']:.2f}, n = {pair['n']}"
    )
    print(f"file: {opened.folder / f'qat_{granularity}' / 'model_qat.tflite'}")


@app.command()
def quantize(
    model: Annotated[Path, typer.Argument(help=".keras, .h5, or a .tflite file, which is read back first")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write; with --all a folder.")],
    images: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Training images to calibrate with, in class folders or not.")
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            help="float32, float16, dynamic_range, int8 (default) or int8_per_tensor; "
            "onnx_float32, onnx_qoperator, onnx_qdq or onnx_qdq_per_channel"
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every format, into the folder that -o names.")] = False,
    number: Annotated[
        int, typer.Option("--images", help="Calibration images, the same number of each class.")
    ] = settings.CALIBRATION_IMAGES,
    input_type: Annotated[str | None, typer.Option(help="Of int8 .tflite: uint8 (default), int8 or float32")] = None,
    output_type: Annotated[str | None, typer.Option(help="Of the same: float32 (default), uint8 or int8")] = None,
    repairs: Annotated[
        str | None, typer.Option(help="Of the same: silence,equalize,biases or a part of it; '' for none.")
    ] = None,
    allow_float: Annotated[bool, typer.Option("--allow-float", help="Accept operators that stay in float.")] = False,
    opset: Annotated[int | None, typer.Option(help="Of .onnx: 7 to 18. Default: the format's.")] = None,
    layout: Annotated[str | None, typer.Option(help="Of .onnx: nchw (default) or nhwc.")] = None,
    seed: Seed = settings.DEFAULT_SEED,
    preset: Preset = None,
    resize: Resize = None,
    mean: Mean = None,
    std: Std = None,
) -> None:
    """Make an int8 file, or one of another format, from a Keras model or a .tflite file, calibrated on images."""
    from mbhelpers.quantization.files import quantize_all, quantize_file

    given: dict[str, Any] = {"input_type": input_type, "output_type": output_type, "opset": opset, "layout": layout}
    given["allow_float"] = allow_float or None
    given["repairs"] = tuple(filter(None, repairs.split(","))) if repairs is not None else None
    conversion = {name: value for name, value in given.items() if value is not None}
    options: dict[str, Any] = {"preset": preset, "resize": resize, "mean": mean, "std": std}
    if every:
        if single := [*conversion, *(["format"] if format else [])]:
            raise ValueError(f"--{single[0].replace('_', '-')} is for one format; leave it or --all out")
        if images is None:
            raise ValueError("some formats are calibrated: pass a folder of training images behind the model")
        quantize_all(model, images, output, number=number, seed=seed, **options)
        return
    path = quantize_file(
        model, images, output, format=format or "int8", number=number, seed=seed, conversion=conversion, **options
    )
    print(f"{path}: {path.stat().st_size / 1024:,.0f} KiB")


def _counted(name: str, result: dict[str, Any], pair: dict[str, Any] | None) -> dict[str, str]:
    """Accuracy of a model, and beside the first one's, as text."""
    low, high = (100 * bound for bound in result["interval"])
    change = [100 * bound for bound in (pair["difference"], *pair["interval"])] if pair else []
    return {
        "model": name,
        "top-1": f"{100 * result['top1']:.2f} % ({low:.1f} to {high:.1f})",
        "against the first": "{:+.2f} ({:+.1f} to {:+.1f})".format(*change) if pair else "",
        "p": f"{pair['mcnemar_p']:.2f}" if pair else "",
        "same answer": f"{100 * pair['agreement']:.1f} %" if pair else "",
    }


@app.command()
def classify(
    model: Annotated[Path, typer.Argument(help=".keras, .h5, .tflite or .onnx")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="JPEG, PNG, BMP or WebP files.")],
    labels: Annotated[
        Path | None, typer.Option(help="Class names, one a line. Default: the file's, or ImageNet's for 1000 outputs.")
    ] = None,
    top: Annotated[int, typer.Option(help="How many classes to name.")] = 5,
    preset: Preset = None,
    resize: Resize = None,
    mean: Mean = None,
    std: Std = None,
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """Name what is in some images: the likeliest classes with their scores."""
    from mbhelpers.inference.classify import classify as name_images

    options: dict[str, Any] = {"preset": preset, "resize": resize, "mean": mean, "std": std, "threads": threads}
    found = name_images(model, images, labels=labels, top=top, **options)
    if as_json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return
    for text in found["warnings"]:
        print(f"warning: {text}")
    print(f"{found['model']} ({found['kind']}, {found['resolution']} px, {found['preprocessing']})")
    for result in found["results"]:
        print(f"\n{result['image']}")
        shares = all(0 <= guess["score"] <= 1 for guess in result["top"])  # else the model gives logits
        for guess in result["top"]:
            if guess["score"] == 0 and shares:
                print("   0.00 %  all others: less than half a step of the output")
                break
            score = f"{100 * guess['score']:7.2f} %" if shares else f"{guess['score']:9.3f}"
            print(f"{score}  {guess['class']} ({guess['index']})")


@app.command()
def demo(out: Annotated[Path | None, typer.Option(help="Default: runs/demo in the project.")] = None) -> None:
    """Execute the notebook 00_start_here on the drawn sample; leaves it and report.html in runs/demo."""
    from mbhelpers.notebooks import execute, parameter_defaults
    from mbhelpers.runs import open_run
    from mbhelpers.stages import report

    folder = out or settings.runs_folder(smoke=False) / "demo"
    notebook = settings.project_folder() / "notebooks" / "00_start_here.ipynb"
    if not notebook.is_file():
        raise ValueError(f"no notebook at {notebook}; run the demo from a checkout of the project")
    values = parameter_defaults(notebook) | {"out_dir": str(folder.resolve())}
    print(f"executing {notebook.name} on the drawn sample: about 3 minutes on two idle cores", flush=True)
    executed = execute(notebook, folder / notebook.name, values)
    path = report(open_run(**values), folder / "report.html")
    print(f"executed notebook: {executed}\nmodels: {open_run(**values).folder}\nreport: {path}")


def _stdout_to_stderr() -> Any:
    """While JSON is wanted on standard output, progress goes to standard error."""
    from contextlib import redirect_stdout

    return redirect_stdout(sys.stderr)


def main() -> None:
    """Run the command line; bad input ends with one line and exit status 2."""
    try:
        app()
    except (ValueError, OSError) as error:  # OSError: a full disk, a folder without permission
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as ended:
        if ended.code == 130:  # Typer's, of Ctrl-C, without a word
            print("interrupted; the same command goes on from here", file=sys.stderr)
        raise


if __name__ == "__main__":
    main()
