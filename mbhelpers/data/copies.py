"""Copies of pictures: byte for byte the same, nearly so, and mirrored or turned."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import log2
from typing import Any

import numpy as np
from scipy.fft import dctn

from mbhelpers import settings
from mbhelpers.data.folder import Looks

# Looked at on 2,483 flower photographs: but for three, the pairs that pass both tests are one picture retouched,
# re-cropped or re-encoded, or one shot of a series; pairs below 0.55 only share their composition. A wrong pair
# costs nothing but that two pictures stay together; a missed one leaks.
CLOSE_BITS = 14
CLOSE_EDGES = 0.55
# Leaves on plain grounds look alike: of 600, laid on each other turned, 84 pairs reach 0.45, 26 reach 0.50, 9 reach
# 0.55 and 1 reaches 0.60. Twice the images are four times the pairs, so a step for each doubling keeps the number of
# look-alikes within bounds, and different leaves from growing together into one large group.
MANY = 4096
STEP = 0.05
# Different flowers and leaves, turned seven ways, stay below 0.70 (2,483 and 600 of them); turned copies of theirs with
# a gamma of 1.5 or a noise of 25 grey levels on top are all above 0.75.
TURNED_EDGES = 0.75
TURNS = 8
"""Ways to lay a square picture on itself: four quarter turns of it and of its mirror image; 0 leaves it as it is."""

_ROWS, _COLUMNS = 16, 4096
"""Of a tile of hash comparisons: it stays in the processor's cache, and NumPy goes along rows of this length three
times as fast as along those of half of it."""
_CHUNK = 4096
"""Pictures or pairs that are turned into floating point at a time."""


def copies(images: Looks, *, turned: bool = False) -> np.ndarray:
    """Group exact and near copies; a copy of a copy belongs to the group.

    Near copies agree in their perceptual hash (up to `CLOSE_BITS`) and in the edges of their thumbnails (a
    correlation of `edge_limit` or more): re-encoded, resized, retouched, recoloured, noisy or slightly cropped
    pictures. Those shifted by more than two percent of the side, turned by more than three degrees or zoomed by more
    than a twentieth are mostly not found.

    Args:
        images: what `scan` or `look` found.
        turned: whether to find also mirrored and quarter-turned pictures.

    Returns:
        (N,) int64: the index of the first image of each image's group.
    """
    groups = _Groups(len(images))
    for _ in _links(images, groups, turned):
        pass
    _, first, group_of = np.unique(groups.names, return_index=True, return_inverse=True)
    return first[group_of]


def pairs(images: Looks, *, turned: bool = False) -> list[tuple[int, int, str]]:
    """What ties the groups of `copies` together: one pair fewer than the group has images.

    Returns:
        An index, a later one, and "exact", "near" or "turned", in that order of the kinds.
    """
    return list(_links(images, _Groups(len(images)), turned))


def edge_limit(images: float) -> float:
    """The correlation of edges from which on two pictures count as copies.

    Args:
        images: how many are compared with each other. Of two sets, the square root of twice the comparisons.
    """
    return min(0.95, CLOSE_EDGES + STEP * max(0.0, log2(max(images, 1) / MANY)))


@dataclass(frozen=True)
class Prints:
    """What copies are told by; N pictures.

    Attributes:
        hashes: (N,) uint64, perceptual.
        thumbnails: (N, H, W) uint8, grey.
        mean: (N,) of the brightness steps from pixel to pixel, to the right and down.
        norm: (N,) length of these steps without their mean.
    """

    hashes: np.ndarray
    thumbnails: np.ndarray
    mean: np.ndarray
    norm: np.ndarray

    @classmethod
    def of(cls, thumbnails: np.ndarray, hashes: np.ndarray | None = None) -> "Prints":
        """Look at thumbnails, for their hashes too if they are not given."""
        mean, norm = np.zeros(len(thumbnails)), np.zeros(len(thumbnails))
        for here in _blocks(len(thumbnails)):
            steps = _steps(thumbnails[here])
            # Whole numbers, so that no machine rounds another way.
            total = sum(step.sum(axis=(1, 2), dtype=np.int64) for step in steps)
            squares = sum(np.einsum("nyx,nyx->n", step, step, dtype=np.int32) for step in steps)
            number = 2 * steps[0][0].size
            mean[here] = total / number
            norm[here] = np.sqrt(squares - total * total / number)
        return cls(thumbnail_hashes(thumbnails) if hashes is None else hashes, thumbnails, mean, norm)


def close_pairs(
    left: Prints, right: Prints, limit: float, *, groups: np.ndarray | None = None
) -> Iterator[tuple[int, int]]:
    """Pairs that agree in their hashes, up to `CLOSE_BITS`, and in their edges.

    Every hash is compared with every other, on all cores; edges only of the pairs that pass, a few at a time. So the
    memory needed is some four times that of the thumbnails.

    Args:
        left: N pictures.
        right: M pictures.
        limit: the correlation of edges from which on two agree.
        groups: (N,) if both are the same pictures: the group of each, which the caller may change meanwhile. Pairs
            in one group are left out, and each pair comes once.

    Returns:
        Indices into `left` and `right`, sorted.
    """
    height, width = left.thumbnails.shape[1:]
    steps = 2 * (height - 1) * (width - 1)
    pixels = left.thumbnails.reshape(-1, height * width)
    curves = np.empty((len(right.thumbnails), height * width), np.int16)
    for here in _blocks(len(curves)):
        curves[here] = _curves(right.thumbnails[here]).reshape(-1, height * width)

    def agree(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        # The sum of a's steps times b's is the sum of a's pixels times the curves of b: half the numbers.
        products = np.einsum("np,np->n", pixels[i], curves[j], dtype=np.int32)
        shared = products - steps * left.mean[i] * right.mean[j]
        return shared >= limit * (left.norm[i] + 1e-6) * (right.norm[j] + 1e-6)

    def check(i: np.ndarray, j: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if groups is not None:
            new = (i < j) & (groups[i] != groups[j])
            i, j = i[new], j[new]
        close = [agree(i[here], j[here]) for here in _blocks(len(i))]
        keep = np.concatenate(close) if close else slice(0)
        return i[keep], j[keep]

    return _search(left.hashes, right.hashes, CLOSE_BITS, check, triangle=groups is not None)


def close_hashes(left: np.ndarray, right: np.ndarray, bits: int = CLOSE_BITS) -> Iterator[tuple[int, int]]:
    """Pairs of (N,) and (M,) uint64 hashes that differ in at most `bits` bits, sorted."""
    return _search(left, right, bits, lambda i, j: (i, j), triangle=False)


def thumbnail_hashes(thumbnails: np.ndarray) -> np.ndarray:
    """Perceptual hashes of (N, H, W) thumbnails, as `folder.perceptual_hash` makes of pictures."""
    hashes = np.zeros(len(thumbnails), np.uint64)
    for here in _blocks(len(thumbnails)):
        waves = dctn(thumbnails[here].astype(np.float64), axes=(1, 2), norm="ortho")
        low = waves[:, :9, :9].reshape(len(waves), -1)[:, 1:65]
        hashes[here] = np.packbits(low > np.median(low, axis=1, keepdims=True), axis=1).view(">u8")[:, 0]
    return hashes


def turn_thumbnails(thumbnails: np.ndarray, turn: int) -> np.ndarray:
    """(N, H, H) pictures laid on their place another way, `turn` in 0..7; from 4 on they are mirrored."""
    return np.ascontiguousarray(np.rot90(thumbnails[:, :, ::-1] if turn >= 4 else thumbnails, turn % 4, axes=(1, 2)))


class _Groups:
    """Images grouped so far; `names` is (N,) int64, the same for all images of a group."""

    def __init__(self, number: int):
        self.names = np.arange(number)
        self._members: dict[int, list[int]] = {}

    def join(self, i: int, j: int) -> bool:
        """Make one group of two images' groups; False if it is one already."""
        a, b = int(self.names[i]), int(self.names[j])
        if a == b:
            return False
        small, large = sorted((self._members.pop(a, [a]), self._members.pop(b, [b])), key=len)
        name = int(self.names[large[0]])
        self.names[small] = name
        large.extend(small)
        self._members[name] = large
        return True


def _links(images: Looks, groups: _Groups, turned: bool) -> Iterator[tuple[int, int, str]]:
    """The pairs that make two groups one, in an order that depends on the images alone."""
    seen: dict[str, int] = {}
    for i, sha in enumerate(images.sha256.tolist()):
        if groups.join(seen.setdefault(sha, i), i):
            yield seen[sha], i, "exact"
    limit = edge_limit(len(images))
    plain = Prints.of(images.thumbnails, images.phash)
    for i, j in close_pairs(plain, plain, limit, groups=groups.names):
        if groups.join(i, j):
            yield i, j, "near"
    if not turned:
        return
    plain = Prints.of(images.thumbnails)
    for turn in range(1, TURNS):
        other = Prints.of(turn_thumbnails(images.thumbnails, turn))
        for i, j in close_pairs(other, plain, max(limit, TURNED_EDGES), groups=groups.names):
            if groups.join(i, j):
                yield i, j, "turned"


def _blocks(number: int) -> Iterator[slice]:
    return (slice(k, k + _CHUNK) for k in range(0, number, _CHUNK))


def _steps(thumbnails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Brightness steps to the right and down, (N, H - 1, W - 1): they survive a change of colour or light."""
    grey = thumbnails.astype(np.int16)
    return np.diff(grey, axis=2)[:, :-1], np.diff(grey, axis=1)[:, :, :-1]


def _curves(thumbnails: np.ndarray) -> np.ndarray:
    """(N, H, W) int16: each pixel's steps to it less those from it, the transpose of `_steps` on what it gives."""
    right, down = _steps(thumbnails)
    curves = np.zeros(thumbnails.shape, np.int16)
    curves[:, :-1, 1:] += right
    curves[:, :-1, :-1] -= right
    curves[:, 1:, :-1] += down
    curves[:, :-1, :-1] -= down
    return curves


def _search(
    left: np.ndarray,
    right: np.ndarray,
    bits: int,
    check: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    *,
    triangle: bool,
) -> Iterator[tuple[int, int]]:
    """Pairs of close hashes that `check` keeps, sorted; of a triangle, at least those with i < j."""

    def band(row: int) -> tuple[np.ndarray, np.ndarray]:
        tiles = _tiles(left[row : row + _ROWS], right, bits, row if triangle else 0)
        found = [check(row + i, j) for i, j in tiles] or [(np.zeros(0, int), np.zeros(0, int))]
        i, j = (np.concatenate(side) for side in zip(*found, strict=True))
        order = np.lexsort((j, i))
        return i[order], j[order]

    for i, j in _in_order(band, range(0, len(left), _ROWS)):
        yield from zip(i.tolist(), j.tolist(), strict=True)


def _tiles(band: np.ndarray, right: np.ndarray, bits: int, column: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Index pairs of close hashes, of a band of some rows and of `right` from a column on, tile by tile."""
    differ = np.empty((len(band), _COLUMNS), np.uint64)
    counts = np.empty((len(band), _COLUMNS), np.uint8)
    for k in range(column, len(right), _COLUMNS):
        width = min(_COLUMNS, len(right) - k)
        here = counts[:, :width]
        np.bitwise_xor(band[:, None], right[None, k : k + width], out=differ[:, :width])
        np.bitwise_count(differ[:, :width], out=here)
        if here.min() <= bits:
            # One row: NumPy finds what is not zero in several rows five times as slowly.
            i, j = np.divmod(np.flatnonzero(here <= bits), width)
            yield i, k + j


def _in_order(work: Callable[[int], Any], tasks: Iterable[int]) -> Iterator[Any]:
    """The results of `work`, done in threads; never more than a few ahead of the caller."""
    workers = settings.threads()
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[Future] = deque()
        for task in tasks:
            ahead.append(pool.submit(work, task))
            if len(ahead) > 2 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
