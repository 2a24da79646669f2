"""Detection on the command line: `mbhelpers detect` and `mbhelpers evaluate-detections`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

Classes = Annotated[
    str | None, typer.Option(help="What the model finds, names in its order, comma-separated. Default: the file's.")
]
Preset = Annotated[
    str | None, typer.Option(help="For a file without a record: how pictures are prepared. Default: st.")
]
Resize = Annotated[str | None, typer.Option(help="Likewise: nearest or bilinear. Default: the preset's, else nearest.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


def detect(
    model: Annotated[Path, typer.Argument(help=".tflite, with raw outputs or with suppression inside; or our .keras")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="JPEG, PNG, BMP or WebP files.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A folder for the pictures with their boxes drawn.")
    ] = None,
    threshold: Annotated[float, typer.Option(help="The lowest score to tell of.")] = 0.5,
    iou: Annotated[
        float, typer.Option(help="Of two boxes of a class that overlap by more, the less sure one is dropped.")
    ] = 0.5,
    limit: Annotated[int, typer.Option(help="Boxes of an image, at most.")] = 100,
    classes: Classes = None,
    preset: Preset = None,
    resize: Resize = None,
    as_json: AsJson = False,
) -> None:
    """Find objects in some images: class, score, and box in pixels (left, top, right, bottom)."""
    from mbhelpers.inference.detect import detect_images
    from mbhelpers.reporting.detection_plots import save_found

    names = tuple(name.strip() for name in classes.split(",")) if classes else ()
    how: dict[str, Any] = {"threshold": threshold, "iou_threshold": iou, "limit": limit}
    told = detect_images(model, images, **how, classes=names, preset=preset, resize=resize)
    drawn = save_found(told["results"], output) if output else []
    if as_json:
        print(json.dumps(told, indent=1, ensure_ascii=False))
        return
    for text in told["warnings"]:
        print(f"warning: {text}")
    print(f"{told['model']} ({told['resolution']} px, {told['preprocessing']}), overlaps suppressed at IoU {iou:g}")
    for result in told["results"]:
        print(f"\n{result['image']}: {len(result['found'])} above {100 * threshold:g} %")
        for one in result["found"]:
            left, top, right, bottom = one["box"]
            print(f"{100 * one['score']:6.1f} %  {one['class']}  {left:.0f}, {top:.0f}, {right:.0f}, {bottom:.0f}")
    if drawn:
        print(f"\n{len(drawn)} drawn into {output}: {drawn[0].name}{', ...' if drawn[1:] else ''}")


def evaluate_detections(
    model: Annotated[Path, typer.Argument(help=".tflite, with raw outputs or with suppression inside; or our .keras")],
    annotations: Annotated[Path, typer.Argument(metavar="ANNOTATIONS.json", help="In COCO's format.")],
    images: Annotated[Path, typer.Argument(metavar="IMAGES_DIR", help="The folder of the images it names.")],
    classes: Annotated[
        str | None, typer.Option(help="Categories in the model's order, comma-separated. Default: the file's names.")
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="st: every-point AP at one IoU, as on ST's cards; coco: AP from .5 to .95.")
    ] = "st",
    iou: Annotated[float | None, typer.Option(help="Of the protocol st. Default: 0.4.")] = None,
    preset: Preset = None,
    resize: Resize = None,
    as_json: AsJson = False,
) -> None:
    """Measure a detector on annotated images: average precision, by class and by size."""
    from mbhelpers.evaluation.detection_files import evaluate_detector

    names = tuple(name.strip() for name in classes.split(",")) if classes else ()
    found: dict[str, Any] = evaluate_detector(
        model, annotations, images, classes=names, protocol=protocol, iou=iou, preset=preset, resize=resize
    )
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for text in found["warnings"]:
        print(f"warning: {text}")
    print(f"{found['model']} ({found['resolution']} px, {found['preprocessing']})")
    low, high = (100 * end for end in found["interval"])
    print(
        f"{found['protocol']}: AP {100 * found['ap']:.2f} % (95 % interval {low:.1f} to {high:.1f}), "
        f"{found['truths']} objects in {found['images']} images"
    )
    for name, value in found["by_threshold"].items() if len(found["by_threshold"]) > 1 else ():
        print(f"  at IoU {name:4}  {100 * value:.2f} %")
    for name, value in found["by_size"].items():
        print(f"  {name:12} {f'{100 * value:.2f} %' if value is not None else 'none there'}")
    for line in found["per_class"] if len(found["per_class"]) > 1 else ():
        ap = f"{100 * line['ap']:.2f} %" if line["ap"] is not None else "none there"
        print(f"  {line['class']:20} {ap}  ({line['truths']} objects)")
