"""The anchors of SSD MobileNetV2 FPN-lite: five boxes in each cell of five maps, coarser from level to level.

Nothing here is learned. A network and its decoder only have to agree on the size of the input.

Source: STMicroelectronics' STM32 model zoo, SSD MobileNetV2 FPN-lite; the rule for the sizes is a fit that meets the
anchors in its files for 192, 224, 256 and 416 pixels to within 0.007, less than a step of their int8 numbers.
"""

from itertools import count

import numpy as np

STRIDES = (8, 16, 32, 64, 128)
"""Pixels from one cell to the next, level by level."""

RATIOS = (1.0, 2.0, 1 / 2, 1 / 3, 1.0)
"""Width over height of the anchors of a cell; the last one has the larger of its level's two scales."""

SMALLEST = {24: (0.26, 0.33), 52: (0.06, 0.09)}
"""Both scales of the finest level, by the cells on a side of its map: those of the files for 192 and 416 pixels."""

LARGEST = (0.90, 0.98)
"""Both scales of the coarsest level, at every resolution."""


def map_sizes(resolution: int) -> tuple[int, ...]:
    """Cells on a side of each level's map, finest first.

    A convolution with stride 2 and padding 'same' rounds up. The network doubles the maps of stride 32 and 16 and
    adds them to the next finer one, so that must be of twice the size.

    Args:
        resolution: height and width of the input in pixels.

    Raises:
        ValueError: no network can be built for this resolution; the message names the nearest that fit.
    """
    if not _fits(resolution):
        above = next(size for size in count(max(resolution, 0)) if _fits(size))
        below = next((size for size in range(resolution, 0, -1) if _fits(size)), None)
        raise ValueError(
            f"no network for {resolution} pixels: its maps of stride {STRIDES[0]}, {STRIDES[1]} and {STRIDES[2]} must "
            f"be doubles of each other; the nearest that fit are {f'{below} and {above}' if below else above}; "
            f"multiples of {STRIDES[2]} always do, as {-(-above // STRIDES[2]) * STRIDES[2]}"
        )
    return tuple(-(-resolution // stride) for stride in STRIDES)


def scales(resolution: int) -> np.ndarray:
    """(5, 2) float64: both scales of each level's anchors, as shares of the picture's side.

    They grow linearly from the finest level to the coarsest. Those of the finest fall with the fifth power of its
    map's size. Under 24 cells (192 pixels) that rule would soon pass the coarsest: there they stay as at 24.

    Raises:
        ValueError: as `map_sizes`.
    """
    (few, large), (many, small) = ((cells, np.array(pair)) for cells, pair in SMALLEST.items())
    slope = (large - small) / (few**-5.0 - many**-5.0)
    first = small + slope * (max(map_sizes(resolution)[0], few) ** -5.0 - many**-5.0)
    return np.linspace(first, LARGEST, len(STRIDES))


def make_anchors(resolution: int) -> np.ndarray:
    """The anchors of all levels in the order in which the network's heads put out their predictions.

    Args:
        resolution: height and width of the input in pixels.

    Returns:
        (NA, 4) float32, xyxy, normalized, not clipped: by level (finest first), row, column, anchor of the cell.

    Raises:
        ValueError: as `map_sizes`.
    """
    levels = []
    roots = np.sqrt(RATIOS)
    for cells, (small, large) in zip(map_sizes(resolution), scales(resolution), strict=True):
        sides = np.array([small] * (len(RATIOS) - 1) + [large])
        halves = np.stack([sides * roots, sides / roots], axis=1) / 2  # (5, 2)
        y, x = np.indices((cells, cells)) + 0.5
        centres = np.stack([x, y], axis=-1)[:, :, None] / cells  # (cells, cells, 1, 2)
        levels.append(np.concatenate([centres - halves, centres + halves], axis=-1).reshape(-1, 4))
    return np.concatenate(levels).astype(np.float32)


def anchor_levels(resolution: int) -> np.ndarray:
    """(NA,) int64: the level, 0 for the finest, that each anchor of `make_anchors` is of.

    Raises:
        ValueError: as `map_sizes`.
    """
    return np.repeat(np.arange(len(STRIDES)), [len(RATIOS) * cells**2 for cells in map_sizes(resolution)])


def _fits(resolution: int) -> bool:
    fine, middle, coarse = (-(-resolution // stride) for stride in STRIDES[:3])
    return coarse > 0 and fine == 2 * middle and middle == 2 * coarse
