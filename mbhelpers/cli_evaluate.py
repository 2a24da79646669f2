"""Classifiers measured on the command line: `mbhelpers evaluate` and `mbhelpers compare`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
Preset = Annotated[
    str | None,
    typer.Option(help="For a file without a record: how images are prepared: mbhelpers, st, keras, nxp, slim or onnx."),
]
Resize = Annotated[str | None, typer.Option(help="Likewise: nearest or bilinear. Default: the preset's, else nearest.")]
Mean = Annotated[
    float | None, typer.Option(help="Likewise: value = (pixel - mean) / std. Default: the file's or ST's.")
]
Std = Annotated[float | None, typer.Option(help="Likewise. Default: see --mean.")]
Threads = Annotated[int | None, typer.Option(help="That decode images and score them. Default: all cores.")]


def evaluate(
    model: Annotated[Path, typer.Argument(help=".keras, .h5, .tflite or .onnx")],
    images: Annotated[Path, typer.Argument(metavar="DIR", help="Its sub-folders are the classes; or ImageNet images.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A folder for evaluation.json, predictions.csv and report.html."),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="The model's class names in its order, comma-separated. Default: sorted folders.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="ImageNet: labels of ILSVRC2012_val_*.JPEG. Default: the list beside them.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="ImageNet: 1000 class names, instead of ours.")] = None,
    preset: Preset = None,
    resize: Resize = None,
    mean: Mean = None,
    std: Std = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Measure a model file on images: accuracy, each class, calibration, all with n and intervals.

    DIR has a folder for each class. A model of 1000 or 1001 outputs is measured on ImageNet's images, top-5 too, if
    they are named as ImageNet's: <wnid>_*.JPEG, folders <wnid> or 0 to 999, or ILSVRC2012_val_*.JPEG.
    """
    from mbhelpers.data.imagenet import is_imagenet, read_imagenet
    from mbhelpers.evaluation.files import measure_file
    from mbhelpers.evaluation.imagenet import OUTPUTS, measure_imagenet
    from mbhelpers.inference.predictor import Predictor

    options: dict[str, Any] = {"preset": preset, "resize": resize, "mean": mean, "std": std}
    how: dict[str, Any] = {"threads": threads, "progress": not as_json}
    predictor = Predictor(model, **options) if classes is None and is_imagenet(images) else None
    if predictor and predictor.class_count in OUTPUTS:
        result, answers = measure_imagenet(predictor, read_imagenet(images, truth=truth, names=labels), **how)
    elif truth or labels:
        raise ValueError("--truth and --labels are for ImageNet's images and a model of 1000 or 1001 outputs")
    else:
        named = tuple(name.strip() for name in classes.split(",")) if classes else ()
        result, answers = measure_file(model, images, classes=named, **options, **how)
    if output:
        from mbhelpers.reporting.evaluation_report import write_evaluation

        report = write_evaluation(result, answers, output)
    if as_json:
        print(json.dumps(result, indent=1))
        return
    print_evaluation(model.name, result)
    if output:
        print(f"report: {report}")


def print_evaluation(name: str, result: dict[str, Any]) -> None:
    """The result of a model file as text."""
    from mbhelpers.reporting.evaluation_facts import calibration_sentence

    for text in result["warnings"]:
        print(f"warning: {text}")
    print(f"{name} ({result['kind']}, {result['resolution']} px, {result['preprocessing']})")
    print(f"top-1 {_share(result['correct'], result['n'], result['interval'])}")
    if "correct5" in result:
        print(f"top-5 {_share(result['correct5'], result['n'], result['interval5'])}")
    elif result["top5"] is not None:
        print(f"top-5 {100 * result['top5']:.2f} %")
    drawn = result["macro_f1_interval"]
    told = "  (95 % interval {:.2f} to {:.2f} %)".format(*(100 * bound for bound in drawn)) if drawn else ""
    print(f"macro-F1 {100 * result['macro_f1']:.2f} %{told}")
    print(f"calibration: {calibration_sentence(result['calibration'])}")
    _print_threshold(result.get("thresholds"))
    if "correct5" in result:
        _print_worst(result["per_class"])
        return
    print_table(
        [
            {"class": c["class"], "n": str(c["n"])}
            | {key: f"{100 * c[key]:.1f} %" for key in ("precision", "recall", "f1")}
            for c in result["per_class"]
        ]
    )


def compare(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="The first is what the others are held to.")],
    data: Annotated[Path, typer.Option(help="Images that none of them learned from; sub-folders are the classes.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="A folder for comparison.json and report.html with the images they part on."
        ),
    ] = None,
    preset: Preset = None,
    resize: Resize = None,
    mean: Mean = None,
    std: Std = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Put model files side by side on the same images: size, accuracy, agreement with the first, latency here."""
    from mbhelpers.evaluation.comparison import compare_files
    from mbhelpers.reporting.evaluation_facts import comparison_line

    options: dict[str, Any] = {"preset": preset, "resize": resize, "mean": mean, "std": std}
    found = compare_files(models, data, threads=threads, progress=not as_json, **options)
    if output:
        from mbhelpers.reporting.evaluation_report import write_comparison

        report = write_comparison(found, data, output)
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for line in found:
        for text in line["warnings"]:
            print(f"warning: {line['model']}: {text}")
    print(f"n = {found[0]['n']}; latency: one image at a time, one thread, on this machine; ECE in points")
    print_table([comparison_line(line) for line in found])
    if output:
        print(f"report: {report}")


def print_table(lines: list[dict[str, str]]) -> None:
    """Lines with the same keys, in columns under those keys."""
    names = list(lines[0])
    widths = [max(len(name), *(len(line[name]) for line in lines)) for name in names]
    for line in ({name: name for name in names}, *lines):
        print("  ".join(line[name].ljust(width) for name, width in zip(names, widths, strict=True)).rstrip())


def _share(correct: int, n: int, interval: tuple[float, float]) -> str:
    low, high = (100 * bound for bound in interval)
    return f"{100 * correct / n:.2f} %  ({correct} of n = {n}, 95 % interval {low:.2f} to {high:.2f} %)"


def _print_threshold(found: dict[str, Any] | None) -> None:
    """What a threshold other than 0.5 would do to a model of two classes."""
    if not found or "curve" not in found:
        return
    usual, best = found["default"], found["best"]
    print(
        f"{found['positive']}: F1 {100 * usual['f1']:.2f} % above 0.5, {100 * best['f1']:.2f} % from "
        f"{best['threshold']:.3f} on, which is best on these very images and so flatters"
    )


def _print_worst(per_class: list[dict[str, Any]], least: int = 20) -> None:
    """The classes that are right least often, among those with so many images that it says something."""
    told = sorted((c for c in per_class if c["n"] >= least), key=lambda c: c["correct"] / c["n"])[:5]
    if told:
        print("least often right: " + ", ".join(f"{c['class']} {c['correct']} of {c['n']}" for c in told))
