"""What detectors put out, in every layout met in the field, read into boxes and scores.

| layout | tensors | whose |
|---|---|---|
| three | scores (1, NA, 1 + C), offsets (1, NA, 4), anchors (1, NA, 4), in any order | ST's files |
| one | (1, NA, 1 + C + 8): the same three side by side, in this order | ST's card, for microcontrollers |
| post-processed | boxes (1, K, 4) yxyx, classes (1, K), scores (1, K), count (1,) | TFLite_Detection_PostProcess |

C counts the classes without background, which the first column of the scores is. ST's card calls the width of the one
tensor 8 + NC; that holds only if its NC counts the background. Scores without a background column are read where the
number of classes is given and says so.

Which tensor is which is told from names where they say so, else from shapes, and where those are alike from what can
only be one of them: anchors are boxes, each with an area, which offsets never all are; class numbers are whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mbhelpers.detection.boxes import swap_xy
from mbhelpers.detection.codec import decode, known
from mbhelpers.detection.nms import nms

Outputs = Sequence[tuple[str, np.ndarray]]
"""Name and content of each output tensor of one image, as floats: int8 ones are dequantized before."""

_WORDS = {
    "anchors": ("anchor", "prior"),
    "scores": ("score", "conf", "prob", "class"),
    "offsets": ("offset", "locat", "regress", "box"),
}
"""What the names of raw outputs contain; the first line that fits counts, so "anchor_boxes" are anchors."""

_WORDS_PROCESSED = {
    "count": ("num", "count", "postprocess:3"),
    "classes": ("class", "categor", "label", "postprocess:1"),
    "scores": ("score", "conf", "prob", "postprocess:2"),
    "boxes": ("box", "locat", "postprocess"),
}


@dataclass(frozen=True)
class Raw:
    """Every anchor's prediction.

    Attributes:
        scores: (NA, C) float32, 0..1, without background.
        offsets: (NA, 4) float32, as the codec means them.
        anchors: (NA, 4) float32, xyxy, normalized.
        codec: one of `codec.CODECS`.
    """

    scores: np.ndarray
    offsets: np.ndarray
    anchors: np.ndarray
    codec: str

    @property
    def boxes(self) -> np.ndarray:
        """(NA, 4) float32, xyxy, normalized, not clipped."""
        return self.boxes_at(slice(None))

    def boxes_at(self, picked: np.ndarray | slice) -> np.ndarray:
        """The boxes of some anchors; only a few of thousands have a score worth decoding them for."""
        return decode(self.offsets[picked], self.anchors[picked], self.codec)


@dataclass(frozen=True)
class Found:
    """The final detections of one image, by falling score.

    Attributes:
        boxes: (K, 4) float32, xyxy, normalized, not clipped.
        scores: (K,) float32, 0..1.
        labels: (K,) int64, 0 for the first class after the background.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)


def read(
    outputs: Outputs, *, classes: int | None = None, anchors: np.ndarray | None = None, codec: str = "corners"
) -> Raw | Found:
    """Find the tensors of a detector and check them.

    Args:
        outputs: of one image, in any order.
        classes: C, to be checked; scores of as many columns have no background. None takes what comes.
        anchors: (NA, 4) xyxy, such as `make_anchors(resolution)`, used instead of the file's own; their number is
            checked. None takes the file's own.
        codec: how the offsets are meant, one of `codec.CODECS`.

    Returns:
        `Raw`, or `Found` if the file has suppressed overlaps itself.

    Raises:
        ValueError: no known layout, or more than one way to read it (the message shows names and shapes); another
            number of classes or anchors than given; numbers that are not finite, or scores outside 0..1; or scores
            without background that sum to 1, as only those with one do.
    """
    if integers := [f"{name} {array.dtype}" for name, array in outputs if array.dtype.kind != "f"]:
        raise ValueError(f"dequantize first, (number - zero point) * scale: {', '.join(integers)}")
    named = [(name, array.astype(np.float32, copy=False)) for name, array in outputs]
    if len(named) == 4:
        return _post_processed(named, classes)
    scores, offsets, own = _raw_tensors(named)
    background = int(scores.shape[1] != classes)
    if scores.shape[1] == background or classes not in (None, scores.shape[1] - background):
        raise ValueError(
            f"the scores' columns ({scores.shape[1]}) are not a background and {classes or 'one or more'} classes; "
            f"correct classes=..., and pass it where there is no background; {_seen(named)}"
        )
    if anchors is not None and len(anchors) != len(own):
        raise ValueError(
            f"the model has {len(own)} anchors, not {len(anchors)}; make them for the resolution of its input"
        )
    _check_scores(scores)
    if classes and not background and np.allclose(scores.sum(axis=1), 1, atol=0.02):
        raise ValueError(
            f"the {classes} columns of scores sum to 1 at every anchor, so one is the background; name {classes - 1} "
            f"classes, without it; {_seen(named)}"
        )
    known(codec)
    used = (own if anchors is None else anchors).astype(np.float32, copy=False)
    if not (np.isfinite(offsets).all() and np.isfinite(used).all()):
        raise ValueError("an offset or anchor is not finite; train or convert the model again")
    return Raw(scores[:, background:], offsets, used, codec)


def detect(
    outputs: Outputs,
    *,
    classes: int | None = None,
    anchors: np.ndarray | None = None,
    codec: str = "corners",
    score_threshold: float = 0.001,
    iou_threshold: float = 0.5,
    limit: int | None = 100,
) -> Found:
    """From a detector's outputs to its final detections.

    Arguments and errors are those of `read` and of `nms`. Where the file has suppressed overlaps itself, only the
    score threshold and the limit are applied.
    """
    raw = read(outputs, classes=classes, anchors=anchors, codec=codec)
    if isinstance(raw, Found):
        kept = np.flatnonzero(raw.scores > score_threshold)[:limit]
        return Found(raw.boxes[kept], raw.scores[kept], raw.labels[kept])
    return suppress(raw, score_threshold=score_threshold, iou_threshold=iou_threshold, limit=limit)


def suppress(raw: Raw, *, score_threshold: float = 0.001, iou_threshold: float = 0.5, limit: int | None = 100) -> Found:
    """Decode the boxes above the score threshold and keep the best of those that overlap; arguments as `nms`."""
    likely = np.flatnonzero(~(raw.scores.max(axis=1) <= score_threshold))  # NaN too, which `nms` refuses
    boxes, scores = raw.boxes_at(likely), raw.scores[likely]
    kept, labels = nms(boxes, scores, score_threshold=score_threshold, iou_threshold=iou_threshold, limit=limit)
    return Found(boxes[kept], scores[kept, labels], labels)


def _raw_tensors(named: Outputs) -> list[np.ndarray]:
    """Scores (NA, 1 + C), offsets (NA, 4) and anchors (NA, 4)."""
    shapes = [array.shape for _, array in named]
    if len(named) not in (1, 3) or any(len(shape) != 3 or shape[:2] != (1, shapes[0][1]) for shape in shapes):
        raise ValueError(
            "expected scores, offsets and anchors (1, NA, ...) of one image, the same as one tensor, or the four "
            f"tensors of TFLite_Detection_PostProcess; {_seen(named)}"
        )
    if len(named) == 1:
        if (width := shapes[0][2] - 8) < 1:
            raise ValueError(f"expected columns of scores, 4 of offsets and 4 of anchors; {_seen(named)}")
        return np.split(named[0][1][0], [width, width + 4], axis=1)
    found = _by_name(named, _WORDS) or _by_shape(named)
    if any(found[role].shape[1] != 4 for role in ("offsets", "anchors")):
        raise ValueError(f"offsets and anchors must have four columns; {_seen(named)}")
    return [found[role] for role in ("scores", "offsets", "anchors")]


def _by_shape(named: Outputs) -> dict[str, np.ndarray]:
    """Two tensors of three have four columns, and one of them holds nothing but boxes."""
    fours = [array[0] for _, array in named if array.shape[2] == 4]
    others = [array[0] for _, array in named if array.shape[2] != 4]
    proper = [bool((array[:, 2:] > array[:, :2]).all()) for array in fours]
    if len(fours) != 2 or proper[0] == proper[1]:
        raise ValueError(
            "cannot tell scores, offsets and anchors apart: name the tensors so, or have one that is not of four "
            f"columns and one, the anchors, of nothing but boxes; {_seen(named)}"
        )
    return {"scores": others[0], "offsets": fours[proper.index(False)], "anchors": fours[proper.index(True)]}


def _post_processed(named: Outputs, classes: int | None) -> Found:
    """The four tensors of TFLite_Detection_PostProcess; rows after the count are padding."""
    found = _by_name(named, _WORDS_PROCESSED) or _processed_by_shape(named)
    slots = found["boxes"].shape[0] if found["boxes"].ndim == 2 else -1
    shapes = {"boxes": (slots, 4), "classes": (slots,), "scores": (slots,), "count": ()}
    if any(found[role].shape != shape for role, shape in shapes.items()):
        raise ValueError(f"expected boxes (1, K, 4), classes (1, K), scores (1, K) and count (1,); {_seen(named)}")
    number, numbers = float(found["count"]), found["classes"]
    if not (0 <= number <= slots and number == int(number)):
        raise ValueError(f"a count of {number:g} detections in {slots} places; {_seen(named)}")
    rows = slice(int(number))
    boxes, numbers, scores = found["boxes"][rows], numbers[rows], found["scores"][rows]
    _check_scores(scores)
    if not np.isfinite(boxes).all():
        raise ValueError("a box is not finite; train or convert the model again")
    if not ((numbers == np.floor(numbers)) & (numbers >= 0) & (numbers < (classes or np.inf))).all():
        raise ValueError(f"classes are whole numbers from 0, below {classes or 'any'}, not {np.unique(numbers)[:5]}")
    order = np.argsort(-scores, kind="stable")
    return Found(swap_xy(boxes[order]), scores[order], numbers[order].astype(np.int64))


def _processed_by_shape(named: Outputs) -> dict[str, np.ndarray]:
    """One tensor each for boxes and count; of the other two, the classes are whole numbers as far as the count."""
    boxes = [array[0] for _, array in named if array.ndim == 3]
    count = [array[0] for _, array in named if array.ndim == 1 and len(array) == 1]
    others = [array[0] for _, array in named if array.ndim == 2 and len(array) == 1]
    if (len(boxes), len(count), len(others)) == (1, 1, 2):
        number = int(np.nan_to_num(count[0]))  # which is checked later
        whole = [bool((array[:number] == np.floor(array[:number])).all()) for array in others]
        if number == 0 or whole[0] != whole[1]:
            classes = int(whole[1] and not whole[0])
            return {"boxes": boxes[0], "count": count[0], "classes": others[classes], "scores": others[1 - classes]}
    raise ValueError(f"cannot tell boxes, classes, scores and count apart: name the tensors so; {_seen(named)}")


def _by_name(named: Outputs, words: dict[str, tuple[str, ...]]) -> dict[str, np.ndarray]:
    """Each role's tensor without the axis of images; nothing unless the names give every role once."""
    roles = [
        next((role for role, parts in words.items() if any(part in name.lower() for part in parts)), "")
        for name, _ in named
    ]
    if sorted(roles) != sorted(words) or any(array.ndim == 0 or len(array) != 1 for _, array in named):
        return {}
    return {role: array[0] for role, (_, array) in zip(roles, named, strict=True)}


def _check_scores(scores: np.ndarray) -> None:
    low, high = np.min(scores, initial=0), np.max(scores, initial=0)
    if np.isnan(low):
        raise ValueError("a score is not a number (NaN); train or convert the model again")
    if low < -0.02 or high > 1.02:  # int8 may read half a step beyond
        raise ValueError(f"scores of {low:g} to {high:g} are no probabilities; apply the softmax first")


def _seen(named: Outputs) -> str:
    return "the outputs are " + ", ".join(f"{name} {array.shape}" for name, array in named)
