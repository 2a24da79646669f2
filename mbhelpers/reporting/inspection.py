"""The inspect report: what is in a data set, in numbers, sentences and figures, before anyone trains on it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mbhelpers.data.detections import Detections
from mbhelpers.data.folder import ImageFolder, Looks
from mbhelpers.data.split import Split
from mbhelpers.evaluation.background import border_pixel_score
from mbhelpers.reporting import box_plots, data_plots, plots
from mbhelpers.reporting import data_words as words
from mbhelpers.reporting.box_facts import box_facts
from mbhelpers.reporting.data_facts import (
    class_facts,
    copy_facts,
    copy_groups,
    explained_by_class,
    image_facts,
)
from mbhelpers.reporting.data_samples import choose, load_each, on_paper, show_copies, show_scenes, sides
from mbhelpers.reporting.page import details, paragraph, picture, table, write_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Section = tuple[str, str, Figure | None]

PIXEL_IMAGES, LISTED = 3000, 50
"""Of the report: images decoded for the mean pictures and the border pixels; lines of a list."""


def summarize(
    images: Looks | None = None, split: Split | None = None, detections: Detections | None = None
) -> dict[str, Any]:
    """Everything that is counted, as plain data; no image is decoded.

    Args:
        images: what `scan` or `look` found.
        split: of these images.
        detections: boxes, of these images or of others.

    Returns:
        images (their number), warnings (sentences), and, of what was passed: skipped, sizes, tiny, modes, brightness,
        copies, classes, split, left_out_of_split, boxes.

    Raises:
        ValueError: nothing was passed, or the split is of other images.
    """
    facts = _facts(images, split, detections, copy_groups(images, split) if images is not None else [])
    return facts | {"warnings": words.find_warnings(facts)}


def _facts(
    images: Looks | None,
    split: Split | None,
    detections: Detections | None,
    groups: list[np.ndarray],
) -> dict[str, Any]:
    if images is None and detections is None:
        raise ValueError("there is nothing to inspect; pass images, detections or both")
    facts: dict[str, Any] = {"images": len(images) if images is not None else len(detections or ())}
    if images is not None:
        facts |= image_facts(images) | {"copies": copy_facts(images, groups, split)}
    if isinstance(images, ImageFolder):
        facts["classes"] = class_facts(images)
    if split is not None:
        facts["split"] = split.counts()
        facts["left_out_of_split"] = [{"file": file, "reason": reason} for file, reason in split.left_out]
    if detections is not None:
        facts["boxes"] = box_facts(detections)
    return facts


def write_inspection(
    path: Path,
    images: Looks | None = None,
    split: Split | None = None,
    detections: Detections | None = None,
    *,
    title: str = "",
    seed: int = 0,
    augmented: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Write the report: one HTML file with its figures inside.

    Only a seeded choice of images is decoded again, however many there are.

    Args:
        path: the file.
        images: what `scan` or `look` found.
        split: of these images.
        detections: boxes; their images are looked for below `detections.root`.
        title: the heading; the name of the data's folder if empty.
        seed: of the choice of pictures.
        augmented: pictures and their changed versions, as `data_plots.show_augmented` takes them.

    Returns:
        What `summarize` gives, and the score of the border pixels under "background" where there are classes.

    Raises:
        ValueError: as `summarize`, or a chosen image is no longer readable.
    """
    groups = copy_groups(images, split) if images is not None else []
    facts = _facts(images, split, detections, groups)
    sections: list[str] = []

    def add(found: "Iterator[Section]") -> None:
        # A figure becomes text at once, so that never more than one is held.
        sections.extend(_section(*section) for section in found)

    if isinstance(images, ImageFolder):
        add(_class_sections(images, split, facts, groups, seed))
    if images is not None:
        add(_image_sections(images, facts, groups))
    if detections is not None:
        add(_box_sections(detections, facts, seed))
    if augmented is not None:
        add(iter([("Augmentation", "What training sees of a picture.", data_plots.show_augmented(*augmented))]))
    facts["warnings"] = words.find_warnings(facts)
    root = images.root if images is not None else detections.root if detections is not None else path
    body = [
        *(paragraph(f"{text[0].upper()}{text[1:]}.", "warning") for text in facts["warnings"]),
        table(_glance(facts), text=True),
        *sections,
        *_lists(facts),
    ]
    write_page(path, title or f"What is in {root.resolve().name}", body)
    return facts


def augmented_samples(images: ImageFolder, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Four pictures, and eight versions of each as training from scratch would change them.

    Returns:
        (4, 128, 128, 3) and (4, 8, 128, 128, 3) uint8, as `data_plots.show_augmented` takes them.
    """
    from mbhelpers.data.augment import augment
    from mbhelpers.training.recipes import recipe_for

    some = np.random.default_rng(seed).choice(len(images), min(4, len(images)), replace=False)
    originals = np.stack(load_each(images.root, images.paths[some], 128, stretched=True))
    changed = augment(np.repeat(originals, 8, axis=0), np.array([seed, 0]), recipe_for("tfs").augmentation).numpy()
    return originals, changed.reshape(len(some), 8, *originals.shape[1:])


def _section(title: str, reading: str, figure: "Figure | None") -> str:
    return f"<h2>{title}</h2>{paragraph(reading)}{picture(figure, title) if figure is not None else ''}"


def _class_sections(
    images: ImageFolder, split: Split | None, facts: dict[str, Any], groups: list[np.ndarray], seed: int
) -> "Iterator[Section]":
    classes = images.classes
    yield "Class balance", words.of_balance(facts["classes"]["counts"]), data_plots.plot_balance(images.counts())
    if split is not None:
        yield "Images per class and part", words.of_split(facts["split"]), plots.plot_counts(facts["split"])
    shown = choose(images.labels, 1 if len(classes) > plots.MANY else 9, seed)
    samples = on_paper(load_each(images.root, images.paths[shown], 96), 96)
    sentence = f"A seeded choice, {'one' if len(classes) > plots.MANY else 'up to nine'} of each class."
    yield "Samples", sentence, data_plots.show_classes(samples, images.labels[shown], classes)

    used = choose(images.labels, max(4, PIXEL_IMAGES // len(classes)), seed)
    labels = images.labels[used]
    pixels = np.stack(load_each(images.root, images.paths[used], 64, stretched=True))
    means = data_plots.mean_pictures(pixels, labels, len(classes))
    yield (
        "Mean picture of each class",
        words.of_means(explained_by_class(pixels, labels), len(used)),
        data_plots.show_named(means, classes),
    )
    train, test = sides(images.paths[used], used, split, groups, seed)
    if len(train) and len(test):
        facts["background"] = border_pixel_score(pixels, labels, train, test, seed=seed)
        yield (
            "Background pixels",
            words.of_background(facts["background"]),
            data_plots.plot_background(facts["background"]),
        )
    yield (
        "Brightness",
        words.of_brightness(facts),
        data_plots.plot_brightness(images.thumbnails, images.labels, classes),
    )


def _image_sections(images: Looks, facts: dict[str, Any], groups: list[np.ndarray]) -> "Iterator[Section]":
    figure = data_plots.plot_shapes(images.sizes) if facts["sizes"]["different"] > 1 else None
    said = f"{words.of_sizes(facts['sizes'], len(images))} {words.of_modes(facts['modes'])}"
    yield "Sizes and modes", said, figure
    yield "Copies", words.of_copies(facts["copies"]), show_copies(images, groups) if groups else None


def _box_sections(found: Detections, every: dict[str, Any], seed: int) -> "Iterator[Section]":
    facts = every["boxes"]
    unreadable = [entry["file"] for entry in every.get("skipped", [])]
    shown = found.select(np.flatnonzero(~np.isin(found.paths, unreadable))) if unreadable else found
    if len(shown.boxes) == 0:
        yield "Boxes", f"None of the {facts['images']} images has a box.", None
        return
    number = int((np.diff(shown.first) > 0).sum())
    chosen = f"A seeded choice of the {words.count(number, 'image')} with boxes; dashed: crowds."
    yield "Scenes with their boxes", chosen, show_scenes(shown, seed)
    yield "Boxes per image", words.of_boxes_per_image(facts), box_plots.plot_boxes_per_image(found)
    if len(found.categories) > 1:
        said = words.of_balance(facts["categories"], "box")
        yield "Boxes per category", said, data_plots.plot_balance(facts["categories"], "boxes")
    yield "Sizes of boxes", words.of_box_sizes(facts), box_plots.plot_box_sizes(found)
    yield "What a smaller input costs", words.of_small_at(facts), box_plots.plot_small_at(found)
    yield "Shapes of boxes", words.of_box_shapes(facts), box_plots.plot_box_shapes(found)
    yield "Positions of boxes", words.of_positions(facts), box_plots.plot_positions(found)


def _glance(facts: dict[str, Any]) -> list[dict[str, str]]:
    """The table at the top."""
    lines = {"images": f"{facts['images']:,}"}
    if "skipped" in facts:
        lines["left out"] = words.count(len(facts["skipped"]), "file")
    if "classes" in facts:
        numbers = facts["classes"]["counts"].values()
        low, high = min(numbers), max(numbers)
        lines["classes"] = f"{len(numbers)}, of {low:,}{f' to {high:,}' if high > low else ''} images each"
    if "split" in facts:
        lines["split"] = ", ".join(f"{part} {sum(numbers.values()):,}" for part, numbers in facts["split"].items())
    if facts.get("left_out_of_split"):
        lines["left out of the split"] = words.count(len(facts["left_out_of_split"]), "image")
    if "copies" in facts:
        lines["copies"] = f"{facts['copies']['groups']:,} groups"
    if "sizes" in facts:
        small, large = (" x ".join(map(str, facts["sizes"][which])) for which in ("smallest", "largest"))
        lines["sizes in pixels"] = f"{small} to {large}" if small != large else small
        lines["modes"] = ", ".join(f"{mode} {n:,}" for mode, n in facts["modes"].items())
    if "boxes" in facts:
        boxes = facts["boxes"]
        lines["boxes"] = f"{boxes['boxes']:,} of {words.count(len(boxes['categories']), 'categor')}"
        lines["images without a box"] = f"{boxes['empty_images']:,} of {boxes['images']:,}"
        lines["problems in the annotations"] = f"{boxes['problems']['count']:,}"
    return [{"what": what, "found": found} for what, found in lines.items()]


def _lists(facts: dict[str, Any]) -> Iterator[str]:
    """The long lists, folded away: files left out, tiny ones, contradicting copies, problems, numbers per class."""
    copied = facts.get("copies", {"across_classes": []})
    problems = facts["boxes"]["problems"]["first"] if "boxes" in facts else []
    listed = {
        "Files left out": facts.get("skipped", []),
        "Left out of the split": facts.get("left_out_of_split", []),
        "Tiny images": [{"file": e["file"], "size": f"{e['width']} x {e['height']}"} for e in facts.get("tiny", [])],
        "Copies with different labels": [{"files": " = ".join(group)} for group in copied["across_classes"]],
        "Problems in the annotations": [{"where": e["where"], "what": e["why"]} for e in problems],
    }
    for name, lines in listed.items():
        if lines:
            more = f", the first {LISTED} of {len(lines):,}" if len(lines) > LISTED else ""
            yield details(f"{name}{more}", table(lines[:LISTED], text=True))
    if "classes" in facts:
        yield details("Numbers per class", table(list(_per_class(facts))))
    if "boxes" in facts:
        counts = sorted(facts["boxes"]["categories"].items(), key=lambda entry: -entry[1])
        yield details("Boxes per category", table([{"category": name, "boxes": f"{n:,}"} for name, n in counts]))


def _per_class(facts: dict[str, Any]) -> Iterator[dict[str, str]]:
    for name, n in facts["classes"]["counts"].items():
        parts = {part: f"{numbers[name]:,}" for part, numbers in facts.get("split", {}).items()}
        shine = f"{facts['classes']['brightness'][name]:.0f}"
        yield {"class": name, "images": f"{n:,}", **parts, "mean grey level": shine}
