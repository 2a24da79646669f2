"""The few images that a report decodes again: which, as what pixels, and those of copies and scenes as figures."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from mbhelpers.data.detections import Detections
from mbhelpers.data.folder import ImageFolder, Looks
from mbhelpers.data.split import Split
from mbhelpers.preprocessing import UNREADABLE, upright_rgb
from mbhelpers.reporting import box_plots, data_plots, plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def choose(labels: np.ndarray, per_class: int, seed: int) -> np.ndarray:
    """A seeded choice of up to `per_class` images of each class, class by class.

    Args:
        labels: (N,) integers.
        per_class: at most so many.
        seed: another seed, another choice.

    Returns:
        Indices, int64.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    _, first, counts = np.unique(labels[order], return_index=True, return_counts=True)
    return order[np.arange(len(order)) - np.repeat(first, counts) < per_class]


def load_each(root: Path, paths: Sequence[str] | np.ndarray, side: int, *, stretched: bool = False) -> list[np.ndarray]:
    """Decode images small, in parallel.

    Args:
        root: the folder that `paths` are relative to.
        paths: N file names.
        side: the longer side is shrunk to this, in pixels, where it is longer.
        stretched: to a square of `side` instead.

    Returns:
        N arrays, uint8 RGB, (H, W, 3).

    Raises:
        ValueError: an image is missing or not readable.
    """

    def load(name: str) -> np.ndarray:
        try:
            with Image.open(root / name) as image:
                image.draft(None, (2 * side, 2 * side))  # a JPEG is decoded at a half, a quarter or an eighth
                rgb = upright_rgb(image)
        except UNREADABLE as error:
            raise ValueError(f"{root / name} can't be shown ({error}); was the folder changed? Scan again") from error
        if stretched:
            return np.asarray(rgb.resize((side, side), Image.Resampling.BILINEAR))
        rgb.thumbnail((side, side), Image.Resampling.BILINEAR)
        return np.asarray(rgb)

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(load, [str(name) for name in paths]))


def on_paper(images: Sequence[np.ndarray], side: int) -> np.ndarray:
    """Pictures of up to `side` pixels in the middle of white squares; uint8, (N, side, side, 3)."""
    sheet = np.full((len(images), side, side, 3), data_plots.PAPER, np.uint8)
    for square, image in zip(sheet, images, strict=True):
        top, left = (side - image.shape[0]) // 2, (side - image.shape[1]) // 2
        square[top : top + image.shape[0], left : left + image.shape[1]] = image
    return sheet


def sides(
    paths: np.ndarray, indices: np.ndarray, split: Split | None, groups: list[np.ndarray], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Divide chosen images into those to learn from and those to measure on, as the split does; else at random.

    Args:
        paths: (K,) file names of the chosen images.
        indices: (K,) of the same images among all.
        split: None divides them in two halves, groups of copies kept together.
        groups: of copies, indices among all.
        seed: of the halves.

    Returns:
        Two arrays of positions in `paths`.
    """
    if split is not None:
        here = {part: np.flatnonzero(np.isin(paths, split.paths[part])) for part in ("train", "test")}
        return here["train"], here["test"]
    leader = {member: int(group[0]) for group in groups for member in group.tolist()}
    first = np.array([leader.get(k, k) for k in indices.tolist()], np.int64)
    _, inverse = np.unique(first, return_inverse=True)
    half = np.random.default_rng(seed).random(inverse.max() + 1) < 0.5
    return np.flatnonzero(half[inverse]), np.flatnonzero(~half[inverse])


def show_copies(images: Looks, groups: list[np.ndarray], most: int = 12) -> "Figure":
    """Two of each group of copies side by side, groups whose labels differ first.

    Args:
        images: what `scan` or `look` found.
        groups: what `copy_groups` gives, one or more.
        most: groups shown.
    """
    labels = images.labels if isinstance(images, ImageFolder) else np.zeros(len(images), np.int64)
    pairs = []
    for group in groups:
        other = group[np.argmax(labels[group] != labels[group[0]])]
        pairs.append((group[0], other if labels[other] != labels[group[0]] else group[1]))
    pairs.sort(key=lambda pair: labels[pair[0]] == labels[pair[1]])  # stable: else in their own order
    titles, colours = [], []
    for a, b in pairs[:most]:
        kind = "exact" if images.sha256[a] == images.sha256[b] else "near"
        names = [f"{kind}: {plots.short(str(images.paths[a]), 40)}", plots.short(str(images.paths[b]), 46)]
        titles.append("\n".join(names))
        colours.append("black" if labels[a] == labels[b] else plots.RED)
    shown = np.array(pairs[:most])
    pixels = on_paper(load_each(images.root, images.paths[shown.ravel()], 128), 128)
    return data_plots.show_pairs(pixels.reshape(-1, 2, *pixels.shape[1:]), titles, title_colours=colours)


def show_scenes(found: Detections, seed: int, most: int = 9) -> "Figure":
    """A seeded choice of images with their boxes; among them the one with the largest crowd, if there is one."""
    with_boxes = np.flatnonzero(np.diff(found.first))
    rng = np.random.default_rng(seed)
    shown = rng.choice(with_boxes, min(most, len(with_boxes)), replace=False)
    if found.crowd.any():
        largest = found.image_of[np.argmax(np.where(found.crowd, found.areas, -1))]
        shown[-1] = largest if largest not in shown else shown[-1]
    shown = shown[np.argsort(found.sizes[shown, 1] / found.sizes[shown, 0], kind="stable")]  # rows of one height
    pixels = load_each(found.root, found.paths[shown], 400)
    parts = [found.of(k) for k in shown]
    return box_plots.show_boxes(
        pixels,
        [found.boxes[part] for part in parts],
        [found.labels[part] for part in parts],
        found.categories,
        [found.crowd[part] for part in parts],
    )
