"""What a reader is warned of before quoting a number; stages themselves are tested in tests/contract."""

import numpy as np
import pytest

from mbhelpers.data.class_names import FLOWERS
from mbhelpers.data.split import PARTS, Split
from mbhelpers.runs import open_run
from mbhelpers.stages import measure


@pytest.mark.parametrize(
    ("classes", "images", "data", "words", "why"),
    [
        (FLOWERS, 3670, "folder", [], "the whole set"),
        (FLOWERS, 3400, "folder", [], "nearly the whole"),
        (FLOWERS, 2480, "folder", ["Made from 2,480 of the 3,670 images"], "a part of the images"),
        (FLOWERS[:4], 2480, "folder", ["only 4 of the classes"], "a part of the classes"),
        (FLOWERS, 200, "sample", ["only 20 images", "drawn pictures"], "drawn ones"),
    ],
)
def test_warnings(tmp_path, classes, images, data, words, why):
    tests = images // 10
    sizes = dict(zip(PARTS, (images - 2 * tests, tests, tests), strict=True))
    split = Split(
        classes=classes,
        paths={part: np.array([f"{part}_{k}" for k in range(n)]) for part, n in sizes.items()},
        labels={part: np.arange(n) % len(classes) for part, n in sizes.items()},
        sha256={part: np.array([f"{part}_{k}" for k in range(n)]) for part, n in sizes.items()},
        conflicts=(),
        groups=(),
        left_out=(),
        fingerprint="",
        seed=1,
    )
    place = "sample" if data == "sample" else tmp_path
    run = open_run("flowers/mobilenet_v2_0.35_128_tl", data_dir=place, out_dir=tmp_path / "runs", smoke=False)
    found = measure._warnings(run, split, {"interval": [0.7, 0.9]})
    assert len(found) == len(words), why
    for text, word in zip(found, words, strict=True):
        assert word in text
