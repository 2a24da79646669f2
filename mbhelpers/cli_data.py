"""The verbs `mbhelpers data ...`: the catalog, folders, split manifests, reports."""

import json
import sys
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from mbhelpers import settings

app = typer.Typer(
    help="Data sets: list, fetch, prepare (split), inspect, and find images that two sets share.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="A name of `mbhelpers data list`, or custom with --data.")]
Data = Annotated[
    str | None,
    typer.Option(
        help="The folder that the official archive was unpacked in (or its top folder), your folder of class folders "
        "(custom), or 'sample', drawn pictures. Default: fetched into data/."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
Seed = Annotated[int, typer.Option(help="Another seed, another split.")]


def _said_aside(as_json: bool) -> AbstractContextManager[Any]:
    """While JSON is wanted on standard output, progress goes to standard error."""
    return redirect_stdout(sys.stderr) if as_json else nullcontext()


@app.command("list")
def list_datasets(as_json: AsJson = False) -> None:
    """List the data sets: images, classes, size of the download, licence, what lies in data/."""
    from mbhelpers.data.catalog import CATALOG
    from mbhelpers.data.fetch import missing
    from mbhelpers.data.imagenet_sets import SETS

    lines: list[dict[str, Any]] = []
    for known in [*CATALOG.values(), *SETS.values()]:
        archives = next(iter(known.forms.values()))
        lines.append(
            {
                "name": known.name,
                "task": known.task,
                "classes": len(known.classes),
                "images": known.images,
                "download": f"{sum(a.size for a in archives) / 1e9:.1f} GB",
                "forms": list(known.forms),
                "here": [form for form in known.forms if not missing(known, settings.data_folder(), form=form)],
                "official split": known.official_split or "none",
                "licence": known.licence,
                "homepage": known.homepage,
                "citation": known.citation,
                "archives": {form: [asdict(archive) for archive in found] for form, found in known.forms.items()},
            }
        )
    if as_json:
        print(json.dumps(lines, indent=1, ensure_ascii=False))
        return
    for line in lines:
        here = f"{' and '.join(line['here'])} in {settings.data_folder()}" if line["here"] else "not fetched"
        print(f"{line['name']}: {line['task']}, {line['classes']} classes, {line['images']:,} images, {here}")
        print(f"    download {line['download']} ({', '.join(line['forms'])}); official split: {line['official split']}")
        print(f"    {line['licence']}; {line['homepage']}")


@app.command("fetch")
def fetch_dataset(
    name: Annotated[str, typer.Argument(help="A name of `mbhelpers data list`.")],
    form: Annotated[str | None, typer.Option(help="Which form of it; `data list` names them. Default: first.")] = None,
    via: Annotated[str, typer.Option(help="archive: the official one. tfds: TensorFlow Datasets.")] = "archive",
    to: Annotated[Path | None, typer.Option(help="Default: data/ in the project, or MBHELPERS_DATA.")] = None,
) -> None:
    """Download, verify and unpack a data set; a broken download goes on where it stopped."""
    from mbhelpers.data import catalog, fetch, imagenet_sets, tfds

    ways = {"archive": fetch.fetch, "tfds": tfds.write_out}
    if via not in ways:
        raise ValueError(f"unknown way {via!r}; choose from {', '.join(ways)}")
    known = catalog.CATALOG | imagenet_sets.SETS
    if name not in known:
        raise ValueError(f"unknown dataset {name!r}; choose from {', '.join(known)}")
    print(ways[via](known[name], to or settings.data_folder(), form=form))


@app.command()
def prepare(
    name: Name,
    data: Data = None,
    out: Annotated[
        Path | None, typer.Option(help="Default: a folder in data/prepared, named after set and source.")
    ] = None,
    seed: Seed = settings.DEFAULT_SEED,
    rule: Annotated[
        str | None,
        typer.Option(help="coco_person: vww (default) or mlperf_tiny; COCO's images are sorted into --out by it."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="coco_person: percent of the image, instead of the rule's.")
    ] = None,
    year: Annotated[int | None, typer.Option(help="coco_person: 2014 or 2017, where a folder has both.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a data set, group copies, split it, and write the manifest."""
    from mbhelpers.data import prepare as work
    from mbhelpers.data import source

    place = out or settings.data_folder() / "prepared" / _folder_name(name, data, rule)
    if name != "coco_person" and (rule, threshold, year) != (None, None, None):
        raise ValueError(f"--rule, --threshold and --year are for coco_person, not for {name}")
    with _said_aside(as_json):
        if name == "coco_person":
            data = str(source.build_person(data, place, rule, percent=threshold, year=year))
        images, split = work.prepare(name, data, place, seed=seed)
    content = {
        "manifest": str(place / work.MANIFEST),
        "root": str(images.root),
        "images": len(images),
        "left_out": [list(entry) for entry in (*images.skipped, *split.left_out)],
        "copies": split.groups,
        "conflicts": split.conflicts,
        "counts": split.counts(),
    }
    if as_json:
        print(json.dumps(content, indent=1, ensure_ascii=False))
        return
    width = max(len(kind) for kind in images.classes)
    print(f"{'':{width}}  {'images':>7} {'train':>7} {'valid.':>7} {'test':>7}")
    for kind, number in images.counts().items():
        parts = "".join(f" {split.counts()[part][kind]:>7}" for part in split.paths)
        print(f"{kind:{width}}  {number:>7}{parts}")
    totals = "".join(f" {len(paths):>7}" for paths in split.paths.values())
    print(f"{'all':{width}}  {len(images):>7}{totals}")
    once = len(images) - len(set(images.sha256.tolist()))
    print(f"{len(split.groups)} groups of copies, each kept on one side; {once} exact copies are in no part")
    if split.conflicts:
        print(f"the same picture in two classes counts for the first: {'; '.join(split.conflicts[:3])}")
    if split.left_out:
        print(f"{len(split.left_out)} left out, being copies of official test images, such as {split.left_out[0][0]}")
    print(f"manifest: {place / work.MANIFEST}, file names relative to {images.root}")
    if name in source.detection_sets():
        print("the rows say what an image holds, which the split keeps in balance; the boxes' classes are in the files")
        print(f"boxes: instances_train.json, instances_validation.json and instances_test.json in {place}")


def _folder_name(name: str, data: str | None, rule: str | None) -> str:
    """Another source or rule, another folder: a manifest belongs to one of each."""
    source = "" if data is None else f"_{data if data == settings.SAMPLE else Path(data).resolve().name}"
    by = f"_{rule or 'vww'}" if name == "coco_person" else ""
    return f"{name}{by}{source}"


@app.command()
def inspect(
    name: Name,
    data: Data = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Default: data/inspect/NAME.html.")] = None,
    seed: Seed = settings.DEFAULT_SEED,
    as_json: AsJson = False,
) -> None:
    """Look at a data set before training on it: one report with figures."""
    from mbhelpers.data import source
    from mbhelpers.data.folder import Looks
    from mbhelpers.data.prepare import refuse_inside
    from mbhelpers.data.split import make_split
    from mbhelpers.reporting.inspection import augmented_samples, write_inspection

    path = output or settings.data_folder() / "inspect" / f"{name}.html"
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name a file, such as {path / 'inspect.html'}")
    with _said_aside(as_json):
        refuse_inside(path.parent, name, data)
        boxes = source.load_detections(name, data) if name in source.detection_sets() else None
        images = source.detection_images(boxes) if boxes is not None else source.load(name, data)
        preview = augmented_samples(images, seed)
        title = f"What is in {name}"
        try:
            split = make_split(images, seed, turned=source.has_turned_copies(name))
        except ValueError as error:  # a class with an image or two is what a report has to show
            print(f"not split: {error}")
            split = None
        # What a split of boxes keeps in balance are no classes to be inspected.
        shown = Looks(**{field.name: getattr(images, field.name) for field in fields(Looks)}) if boxes else images
        summary = write_inspection(path, shown, split, boxes, title=title, seed=seed, augmented=preview)
    if as_json:
        print(json.dumps(summary, indent=1, ensure_ascii=False))
        return
    for text in summary["warnings"]:
        print(f"warning: {text}")
    print(f"report: {path}")


@app.command()
def leaks(
    a: Annotated[Path, typer.Argument(help="A folder of images, or a manifest (split.json).")],
    b: Annotated[Path, typer.Argument(help="Another.")],
    as_json: AsJson = False,
) -> None:
    """Report images that two folders or manifests share, exactly or nearly; exit status 1 if there are any."""
    from mbhelpers.data.leaks import leaks as find_leaks

    with _said_aside(as_json):
        found = find_leaks(a, b)
    if as_json:
        print(json.dumps([vars(leak) for leak in found], indent=1, ensure_ascii=False))
    else:
        for leak in found:
            print(f"{leak.kind:6} {leak.a}  {leak.b}")
        print(f"{len(found)} pairs of shared images" if found else "no shared images found")
    if found:
        raise typer.Exit(1)
