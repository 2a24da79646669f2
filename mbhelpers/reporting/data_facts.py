"""What is counted about a set of images before anyone trains on it."""

from collections import Counter
from typing import Any

import numpy as np

from mbhelpers.data.copies import copies
from mbhelpers.data.folder import ImageFolder, Looks
from mbhelpers.data.split import Split

FEW = 10
"""A class or category with fewer images or boxes than this is too small to measure anything on."""
TINY = 32
"""Images with a side below this, in pixels, show little but their own enlargement."""
LONG = 2.0
"""Long side by short side from which stretching to a square spoils a picture."""
DARK, BRIGHT = 40, 215
"""Mean grey levels below and above which a picture is called too dark and too bright."""


def light(thumbnails: np.ndarray, block: int = 4096) -> tuple[np.ndarray, np.ndarray]:
    """Brightness and contrast of pictures: mean and standard deviation of their grey levels.

    Args:
        thumbnails: (N, H, W) uint8.
        block: pictures at a time, so that 100,000 don't become floats at once.

    Returns:
        (N,) and (N,) float32, in levels 0..255.
    """
    parts = [thumbnails[k : k + block].astype(np.float32) for k in range(0, len(thumbnails), block)]
    return (
        np.concatenate([part.mean(axis=(1, 2)) for part in parts]),
        np.concatenate([part.std(axis=(1, 2)) for part in parts]),
    )


def image_facts(images: Looks) -> dict[str, Any]:
    """Sizes, modes and brightness of the images, whatever is in them."""
    width, height = images.sizes.T
    long, short = images.sizes.max(axis=1), images.sizes.min(axis=1)
    by_area = np.argsort(width * height, kind="stable")
    brightness, contrast = light(images.thumbnails)
    tiny = np.flatnonzero(short < TINY)
    return {
        "skipped": [{"file": file, "reason": reason} for file, reason in images.skipped],
        "sizes": {
            "smallest": images.sizes[by_area[0]].tolist(),
            "largest": images.sizes[by_area[-1]].tolist(),
            "median": [int(np.median(width)), int(np.median(height))],
            "different": len(np.unique(images.sizes, axis=0)),
            "far_from_square": float((long >= LONG * short).mean()),
            "square": float((long == short).mean()),
        },
        "tiny": [
            {"file": str(images.paths[k]), "width": int(width[k]), "height": int(height[k])} for k in tiny.tolist()
        ],
        "modes": {str(mode): n for mode, n in Counter(images.modes.tolist()).most_common()},
        "brightness": {
            "mean": float(brightness.mean()),
            "spread": float(brightness.std()),
            "contrast": float(contrast.mean()),
            "too_dark": float((brightness < DARK).mean()),
            "too_bright": float((brightness > BRIGHT).mean()),
        },
    }


def class_facts(images: ImageFolder) -> dict[str, Any]:
    """Balance, and the brightness of each class against that of all others."""
    counts = images.counts()
    brightness, _ = light(images.thumbnails)
    differs = {
        name: unlikeness(brightness, images.labels == label)
        for label, name in enumerate(images.classes)
        if counts[name] >= FEW
    }
    return {
        "counts": counts,
        "ratio": max(counts.values()) / min(counts.values()),
        "few": [name for name, n in counts.items() if n < FEW],
        "brightness": {
            name: float(brightness[images.labels == label].mean()) for label, name in enumerate(images.classes)
        },
        "differ_in_brightness": {name: round(d, 2) for name, d in differs.items() if abs(d) >= 1},
    }


def unlikeness(values: np.ndarray, inside: np.ndarray) -> float:
    """How far the mean of a group lies from that of the others, in standard deviations within the two.

    Args:
        values: (N,).
        inside: (N,) bool; some are in, some are not.
    """
    within, others = values[inside], values[~inside]
    pooled = np.sqrt((within.var() * len(within) + others.var() * len(others)) / len(values))
    return float((within.mean() - others.mean()) / max(pooled, 1e-6))


def copy_groups(images: Looks, split: Split | None = None) -> list[np.ndarray]:
    """Groups of exact or near copies as indices of images, two or more each: those of the split, if there is one.

    Raises:
        ValueError: the split names an image that is not here.
    """
    if split is None:
        first = copies(images)
        order = np.argsort(first, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(first[order])) + 1)
        return [group for group in parts if len(group) > 1]
    place = {name: k for k, name in enumerate(images.paths.tolist())}
    if strange := [name for group in split.groups for name in group if name not in place]:
        raise ValueError(f"the split names {strange[0]}, which is not in {images.root}; it was made from other data")
    return [np.array([place[name] for name in group], np.int64) for group in split.groups]


def copy_facts(images: Looks, groups: list[np.ndarray], split: Split | None) -> dict[str, Any]:
    """How many copies there are, and which of them contradict each other or the split."""
    labels = images.labels if isinstance(images, ImageFolder) else np.zeros(len(images), np.int64)
    part_of = {name: part for part, paths in split.paths.items() for name in paths.tolist()} if split else {}
    parts = [{part_of[name] for name in images.paths[group].tolist() if name in part_of} for group in groups]
    across = [_odd_first(group, labels) for group in groups if len(set(labels[group].tolist())) > 1]
    return {
        "groups": len(groups),
        "images": sum(len(group) for group in groups),
        "exact": sum(len(set(images.sha256[group].tolist())) < len(group) for group in groups),
        "across_classes": [images.paths[group].tolist() for group in across],
        "across_classes_exact": sum(_same_bytes(images.sha256[group], labels[group]) for group in across),
        "across_parts": sum(len(found) > 1 for found in parts),
    }


def _odd_first(group: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The group with two images of different labels in front."""
    other = int(np.argmax(labels[group] != labels[group[0]]))
    return np.concatenate([group[[0, other]], np.delete(group, [0, other])])


def _same_bytes(sha256: np.ndarray, labels: np.ndarray) -> bool:
    """Whether one content has two labels."""
    return len(set(sha256.tolist())) < len(set(zip(sha256.tolist(), labels.tolist(), strict=True)))


def explained_by_class(pixels: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """How much of the variance of pixels the class explains, at the border and in the middle of the picture.

    The mean over places and colours of epsilon squared, which is 0, not more, where classes differ by chance alone.

    Args:
        pixels: uint8, (N, H, W, 3).
        labels: (N,) integers; fewer different ones than pictures.

    Returns:
        Shares 0..1: of the outermost eighth on each side, and of the rest.

    Source: T. L. Kelley, An unbiased correlation ratio measure, 1935.
    """
    _, where, counts = np.unique(labels, return_inverse=True, return_counts=True)
    total, between = pixels.astype(np.float32).var(axis=0), np.zeros(pixels.shape[1:])
    middle = pixels.mean(axis=0)
    for k, n in enumerate(counts):
        between += n * (pixels[where == k].mean(axis=0) - middle) ** 2 / len(labels)
    free = (len(labels) - 1) / max(1, len(labels) - len(counts))
    height, width = pixels.shape[1:3]
    edge = np.ones((height, width), bool)
    edge[height // 8 : height - height // 8, width // 8 : width - width // 8] = False
    at_border, inside = (1 - free * (1 - between[part].sum() / max(total[part].sum(), 1e-6)) for part in (edge, ~edge))
    return max(0.0, float(at_border)), max(0.0, float(inside))
