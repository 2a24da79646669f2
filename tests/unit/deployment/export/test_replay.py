"""Outputs compared bit by bit, and which runtime is taken."""

import importlib
import types

import numpy as np
import pytest

from mbhelpers.deployment.export.network import RUNTIMES, runtime
from mbhelpers.deployment.export.replay import difference, read_vectors
from mbhelpers.deployment.export.script import report
from mbhelpers.deployment.export.vectors import MOST, drawn_pictures, find_images


@pytest.mark.parametrize(
    ("found", "told", "kind", "step", "expected", "why"),
    [
        ([1, 2], [1, 2], "int8", 0, {}, "the same"),
        ([-128, 2], [127, 2], "int8", 0, {"values": 1, "largest": 255, "unit": "steps"}, "no overflow"),
        ([3, 2], [1, 1], "uint8", 0.5, {"values": 2, "largest": 2, "unit": "steps"}, "integers are steps"),
        ([0.5, 1], [0.25, 1], "float32", 0.125, {"values": 1, "largest": 2, "unit": "steps"}, "dequantized inside"),
        ([0.5, 1], [0.25, 1], "float32", 0, {"values": 1, "largest": 0.25, "unit": "absolute"}, "float throughout"),
        ([0.0], [-0.0], "float32", 0, {"values": 1, "largest": 0, "unit": "absolute"}, "equal, but other bits"),
    ],
)
def test_differences(found, told, kind, step, expected, why):
    assert difference(np.array(found, kind), np.array(told, kind), step) == expected, why


def test_a_report_names_kernels_outputs_and_what_was_not_compared():
    apart = {"kernels": "default", "vector": "ramp", "output": "scores", "values": 3, "largest": 1.0, "unit": "steps"}
    told = {"runtime": "a", "made_with": "b", "vectors": 4, "kernels": ["default", "reference"], "differences": [apart]}
    assert report(told | {"missing": {"other": "there is none"}}) == [
        "4 vectors made with b, replayed with a",
        "default kernels: DIFFERENT",
        "  ramp, scores: 3 values differ, by 1 step(s) at most",
        "reference kernels: bit-exact",
        "other kernels: not compared, there is none",
    ]


@pytest.mark.parametrize("text", [None, "no json"])
def test_a_folder_without_vectors_is_named(text, tmp_path):
    (tmp_path / "vectors").mkdir()
    if text:
        (tmp_path / "vectors" / "vectors.json").write_text(text)
    with pytest.raises(ValueError, match="copy the whole folder"):
        read_vectors(tmp_path)


def test_the_first_runtime_that_is_there_is_taken(monkeypatch):
    there: dict[str, types.ModuleType] = {}

    def load(name):
        if name not in there:
            raise ImportError(name)
        return there[name]

    monkeypatch.setattr(importlib, "import_module", load)
    with pytest.raises(ValueError, match="none of ai-edge-litert, tflite-runtime, tensorflow is installed"):
        runtime()
    for name, package in reversed(RUNTIMES.items()):
        there[name] = types.ModuleType(name)
        module, told = runtime()
        assert module is there[name] and told.startswith(package), "and it says which"


def test_drawn_pictures_reach_both_ends():
    for side in (1, 32, 33):
        pictures = drawn_pictures(side, 5)
        assert all(p.shape == (side, side, 3) and p.dtype == np.uint8 for p, _ in pictures.values())
    ramp, noise, extremes = (drawn_pictures(32, 5)[name][0] for name in ("ramp", "noise", "extremes"))
    assert {0, 255} <= set(ramp.ravel()) and {0, 255} == set(extremes.ravel())
    assert (ramp[:, 3, 0] == ramp[:, 0, 0]).all() and (ramp[3, :, 1] == ramp[0, :, 1]).all()
    assert (noise == drawn_pictures(32, 5)["noise"][0]).all() and (noise != drawn_pictures(32, 6)["noise"][0]).any()


def test_a_whole_data_set_is_no_test_vector(tmp_path):
    for k in range(MOST + 1):
        (tmp_path / f"{k}.png").touch()
    with pytest.raises(ValueError, match=f"{MOST + 1} pictures would make"):
        find_images([tmp_path])
