"""What a reader is warned of before quoting a number; stages themselves are tested in tests/contract."""

import re

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
    found = measure._warnings(run, split, {"classes": classes, "int8": {"n": tests, "interval": [0.7, 0.9]}})
    assert len(found) == len(words), why
    for text, word in zip(found, words, strict=True):
        assert word in text


@pytest.mark.parametrize(
    ("images", "objects", "word", "why"),
    [
        (5000, {"person": 900, "kite": 40}, None, "plenty of both"),
        (5000, {"person": 900, "kite": 9}, "only 9 objects of its rarest class", "many images, a rare class"),
        (64, {"person": 120}, "only 64 images, 120 objects of its rarest class: .* AP is somewhere", "few images"),
    ],
)
def test_warnings_of_a_detector(tmp_path, images, objects, word, why):
    (tmp_path / "annotations").mkdir()
    run = open_run("custom/ssd_mobilenet_v2_fpnlite_0.35_192", data_dir=tmp_path, out_dir=tmp_path / "runs")
    split = Split((), {}, {}, (), (), "", 1)
    per_class = [{"class": name, "truths": number} for name, number in objects.items()]
    int8 = {"n": images, "interval": [0.2, 0.4], "per_class": per_class}
    found = measure._warnings(run, split, {"classes": [*objects], "int8": int8})
    assert len(found) == (word is not None), why
    assert all(re.search(word, text) for text in found)
