"""Boxes that the readers of all annotation formats are tried on."""

from pathlib import Path

import numpy as np
import pytest

from mbhelpers.data.detections import Detections, assemble, to_corners


@pytest.fixture
def scene() -> Detections:
    """Five images of different sizes with 0 to 20 boxes of three categories, on whole pixels and between them."""
    rng = np.random.default_rng(7)
    sizes = rng.integers(50, 400, (5, 2))
    image_of = np.repeat(np.arange(5), [3, 0, 20, 1, 6])
    around = sizes[image_of]
    spans = rng.uniform(8, 40, (30, 2))
    boxes = np.concatenate([rng.random((30, 2)) * (around - spans), spans], axis=1)
    boxes[::2] = boxes[::2].round()
    return assemble(
        root=Path("scene"),
        categories=("person", "dog", "traffic light"),
        category_ids=np.array([1, 18, 10]),
        paths=[f"{name}.png" for name in ("d", "b", "a", "e", "c é")],
        image_ids=np.array([5, 3, 8, 1, 2]),
        sizes=sizes,
        image_of=image_of,
        corners=to_corners(boxes),
        labels=rng.integers(0, 3, 30),
        areas=np.full(30, np.nan),
        crowd=rng.random(30) < 0.2,
        box_ids=rng.permutation(30),
    )
