"""Data sets from TensorFlow Datasets, written out in the official archives' folder layout."""

import hashlib
import io
import json
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from mbhelpers.data.catalog import Dataset
from mbhelpers.data.class_names import COCO, COCO_IDS
from mbhelpers.data.download import TIMEOUT
from mbhelpers.data.fetch import form_of, missing, top_folder
from mbhelpers.data.imagenet import wnids
from mbhelpers.data.transfer import move_missing, writing
from mbhelpers.files import locked, replacing
from mbhelpers.native import load_tensorflow


def write_out(dataset: Dataset, folder: Path, *, form: str | None = None) -> Path:
    """Download a data set through TFDS, which verifies its checksum, into the official layout under `folder`.

    The bytes of the images are kept as they are, so that content hashes, and with them splits, agree with those of the
    unpacked archive. Nothing is left under the final name unless all of it arrived. What is there is not fetched again.

    Not everything is in TFDS: plant_village lacks `Background_without_leaves`, COCO lacks the segments, its areas
    are cut to whole pixels, and its test images are downloaded though nobody here needs them. The official archives
    (`fetch.fetch`) have all of it. The archive of imagenet2012 can't be downloaded without an account: lay it where the
    message says; its images come out in a folder for each wnid.

    TFDS keeps its own copy in `folder/tfds`, which may be deleted.

    Args:
        dataset: of the catalog, or of `imagenet_sets`.
        folder: that gets the official top folder.
        form: which of the data set's forms; None is the first.

    Returns:
        The official top folder.

    Raises:
        ValueError: TFDS has no such form, the download failed, or there is no room; the message says what to do.

    Source: https://www.tensorflow.org/datasets/catalog/overview
    """
    form = form_of(dataset, form)
    if form not in dataset.tfds:
        raise ValueError(
            f"TensorFlow Datasets has no form {form} of {dataset.name}, only {', '.join(dataset.tfds)}; "
            "fetch the official archive instead"
        )
    target = folder / top_folder(dataset, form)
    if missing(dataset, folder, form=form):
        with writing(folder), locked(folder / "tfds"):
            if missing(dataset, folder, form=form):  # another process may have been at it meanwhile
                _write_out(dataset, form, _prepare(dataset, form, folder), target)
    return target


def _write_out(dataset: Dataset, form: str, builder: Any, target: Path) -> None:
    write = {
        "classes": _write_classes,
        "food101": _write_food101,
        "coco": _write_coco,
        "imagenet": _write_imagenet,
    }[dataset.layout]
    staged = target.with_name(f".unpacked-{target.name}")
    with replacing(staged) as temporary:
        temporary.mkdir()
        write(dataset, form, builder, temporary)
    move_missing(staged, target)
    print(f"{target} is complete; TensorFlow Datasets' own copy in {target.parent / 'tfds'} may be deleted")


def _prepare(dataset: Dataset, form: str, folder: Path) -> Any:
    load_tensorflow()
    import tensorflow_datasets as tfds

    name, archive = dataset.tfds[form], dataset.forms[form][0]
    by_hand = folder / "tfds" / "downloads" / "manual" / archive.file
    if archive.by_hand and not by_hand.is_file() and not (folder / "tfds" / name).is_dir():
        raise ValueError(
            f"{archive.file} is given to those who register: get it from {archive.url}, lay it at {by_hand}"
        )
    # The default version of food101 does not tell which image is which.
    version = "2.1.0" if dataset.layout == "food101" else None
    try:
        builder = tfds.builder(name, data_dir=str(folder / "tfds"), version=version)
        if not builder.is_prepared() and not _has_downloads(folder / "tfds" / "downloads"):
            _reach(archive.url)
        builder.download_and_prepare()
    except Exception as error:  # TFDS raises whatever its transport raised
        files = ", ".join(part.file for part in dataset.forms[form])
        into = folder / archive.into
        raise ValueError(
            f"downloading {name} failed ({type(error).__name__}: {str(error)[:200]}); check network and disk, "
            f"or unpack {files} into {into}, or pass --data with the folder that holds {top_folder(dataset, form)}/"
        ) from error
    return builder


def _has_downloads(place: Path) -> bool:
    """Whether TFDS has files that it may go on from without a network; what it breaks off stays in `*.tmp.*`."""
    return any(file.is_file() and not any(".tmp." in part for part in file.parts) for file in place.rglob("*"))


def _reach(url: str) -> None:
    """Fail at once where there is no network; TFDS would try ten times, for minutes."""
    with suppress(urllib.error.HTTPError):  # an answer
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=TIMEOUT).close()


def _records(builder: Any, part: str, place: Path) -> Iterator[dict[str, Any]]:
    """The records of a part of a data set; their images are the stored bytes."""
    import tensorflow_datasets as tfds

    records = builder.as_dataset(split=part, decoders={"image": tfds.decode.SkipDecoding()})
    total = builder.info.splits[part].num_examples
    yield from tqdm(records.as_numpy_iterator(), f"writing {place.name}", total, unit="img", disable=None)


def _write_classes(dataset: Dataset, form: str, builder: Any, folder: Path) -> None:
    """`<class>/<name>`: the name in the archive, or, where TFDS forgot it, one made from the content."""
    names = builder.info.features["label"].names
    if lacking := [name for name in dataset.classes if name not in names]:
        print(f"TensorFlow Datasets leaves out {', '.join(lacking)}; the official archive has it")
    for record in _records(builder, "train", folder):
        content = record["image"]
        place = folder / names[record["label"]] / _name(record, content)
        place.parent.mkdir(exist_ok=True)
        # The archives have copies; they stay, so that the data's fingerprint is the unpacked archive's.
        while place.exists():
            place = place.with_stem(f"{place.stem}_")
        place.write_bytes(content)


def _name(record: dict[str, Any], content: bytes) -> str:
    if "image/filename" in record:
        return record["image/filename"].decode()
    return f"{hashlib.sha256(content).hexdigest()[:16]}.jpg"


def _write_food101(dataset: Dataset, form: str, builder: Any, folder: Path) -> None:
    """`images/<class>/<number>.jpg`, and `meta` with the official split; ids are sorted, the archive shuffles them."""
    names = builder.info.features["label"].names
    meta = folder / "meta"
    meta.mkdir()
    for part, stored in (("train", "train"), ("test", "validation")):
        ids = defaultdict(list)
        for record in _records(builder, stored, folder):
            key = record["id"].decode()
            place = folder / "images" / f"{key}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(record["image"])
            ids[names[record["label"]]].append(key)
        listed = {name: sorted(ids[name]) for name in names}
        (meta / f"{part}.json").write_text(json.dumps(listed), encoding="utf-8")
        _write_lines(meta / f"{part}.txt", [key for name in names for key in listed[name]])
    _write_lines(meta / "classes.txt", names)
    _write_lines(meta / "labels.txt", [name.replace("_", " ").capitalize() for name in names])


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _write_coco(dataset: Dataset, form: str, builder: Any, folder: Path) -> None:
    """`train<year>`, `val<year>` and `annotations/instances_*<year>.json`, which has boxes and no segments."""
    names = tuple(builder.info.features["objects"]["label"].names)
    if names != COCO:
        raise ValueError(f"TensorFlow Datasets has other categories than COCO's 80, or another order: {names}")
    print(
        "TensorFlow Datasets has COCO's boxes, areas in whole pixels, and no segments; the official archives have all"
    )
    for part, stored in (("train", "train"), ("val", "validation")):
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        place = folder / f"{part}{form}"
        place.mkdir()
        for record in _records(builder, stored, place):
            file = record["image/filename"].decode()
            (place / file).write_bytes(record["image"])
            with Image.open(io.BytesIO(record["image"])) as image:
                width, height = image.size
            number = int(record["image/id"])
            images.append({"id": number, "file_name": file, "width": width, "height": height})
            annotations += _annotations(record["objects"], number, width, height)
        content = {
            "info": {"description": f"COCO {form} {part}, from TensorFlow Datasets: no segments, areas whole pixels"},
            "images": sorted(images, key=lambda image: image["id"]),
            "annotations": sorted(annotations, key=lambda annotation: annotation["id"]),
            "categories": [{"id": k, "name": name} for k, name in zip(COCO_IDS, COCO, strict=True)],
        }
        path = folder / "annotations" / f"instances_{part}{form}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")


def _write_imagenet(dataset: Dataset, form: str, builder: Any, folder: Path) -> None:
    """`<class>/<name>`: numbered class folders as in ImageNet-V2's own archive, or else wnids."""
    names = builder.info.features["label"].names
    if tuple(names) != wnids():
        raise ValueError("TensorFlow Datasets has other classes than ImageNet's 1000 wnids, or another order")
    # V2 has no other part than its test images; those of 2012 have no labels.
    for record in _records(builder, "validation" if form == "validation" else "test", folder):
        name = Path(record["file_name"].decode())
        place = folder / (name.parent.name or names[record["label"]]) / name.name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(record["image"])


def _annotations(objects: dict[str, Any], image: int, width: int, height: int) -> Iterator[dict[str, Any]]:
    """COCO's annotations of an image: boxes as left, top, width, height in pixels, with COCO's two decimals."""
    for k, (top, left, bottom, right) in enumerate(objects["bbox"].astype(float)):
        box = (left * width, top * height, (right - left) * width, (bottom - top) * height)
        yield {
            "id": int(objects["id"][k]),
            "image_id": image,
            "category_id": COCO_IDS[objects["label"][k]],
            "bbox": [round(float(value), 2) for value in box],
            "area": int(objects["area"][k]),
            "iscrowd": int(objects["is_crowd"][k]),
        }
