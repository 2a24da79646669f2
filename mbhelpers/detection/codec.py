"""Between boxes and what a detector predicts: offsets from anchors.

`corners`, of ST's SSD: how far each corner is from the anchor's, over the anchor's width (left, right) or height (top,
bottom). `centre`, of the SSD paper: the shift of the centre over the anchor's size and the logarithm of the sizes'
ratio, both over `VARIANCES`.
"""

import numpy as np

from mbhelpers.detection.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh

CODECS = ("corners", "centre")

VARIANCES = (0.1, 0.1, 0.2, 0.2)
"""What `centre` divides by, so that the four numbers spread about as wide as each other.

Source: W. Liu et al., SSD: Single Shot MultiBox Detector, 2016; the numbers are those of its code."""


def encode(boxes: np.ndarray, anchors: np.ndarray, codec: str = "corners") -> np.ndarray:
    """What a detector should predict at these anchors for these boxes.

    Args:
        boxes: (..., 4) xyxy, one for each anchor; leading axes broadcast.
        anchors: (..., 4) xyxy, each with an area.
        codec: one of `CODECS`.

    Returns:
        (..., 4) offsets; of `corners` in the order left, top, right, bottom, of `centre` x, y, width, height.

    Raises:
        ValueError: unknown codec, an anchor without area, or for `centre` a box without area, whose logarithm isn't.
    """
    sizes = _sizes(anchors, "an anchor")
    if known(codec) == "corners":
        return (boxes - anchors) / sizes[..., [0, 1, 0, 1]]
    shift = (xyxy_to_cxcywh(boxes) - xyxy_to_cxcywh(anchors))[..., :2] / sizes
    stretch = np.log(_sizes(boxes, "a box") / sizes)
    return np.concatenate([shift, stretch], axis=-1) / np.array(VARIANCES, shift.dtype)


def decode(offsets: np.ndarray, anchors: np.ndarray, codec: str = "corners") -> np.ndarray:
    """The boxes that a detector means; `encode` backwards.

    Args:
        offsets: (..., 4), as `encode` gives them; leading axes broadcast.
        anchors: (..., 4) xyxy.
        codec: one of `CODECS`.

    Returns:
        (..., 4) xyxy, not clipped. With `corners` a bad prediction may be inside out; `boxes.area` calls that 0.

    Raises:
        ValueError: unknown codec.
    """
    if known(codec) == "corners":
        # Whole columns: NumPy would take several times as long over 18,070 rows of two.
        width, height = anchors[..., 2] - anchors[..., 0], anchors[..., 3] - anchors[..., 1]
        return offsets * np.stack([width, height, width, height], axis=-1) + anchors
    scaled = offsets * np.array(VARIANCES, offsets.dtype)
    middle, sizes = np.split(xyxy_to_cxcywh(anchors), 2, axis=-1)
    return cxcywh_to_xyxy(np.concatenate([middle + scaled[..., :2] * sizes, sizes * np.exp(scaled[..., 2:])], axis=-1))


def known(codec: str) -> str:
    """The name itself; ValueError if it is none of `CODECS`."""
    if codec not in CODECS:
        raise ValueError(f"unknown codec {codec!r}; choose from {', '.join(CODECS)}")
    return codec


def _sizes(boxes: np.ndarray, what: str) -> np.ndarray:
    """(..., 2) widths and heights, all above 0."""
    sizes = boxes[..., 2:] - boxes[..., :2]
    if not (sizes > 0).all():
        raise ValueError(f"{what} has no area (xyxy with right > left and bottom > top is expected); leave it out")
    return sizes
