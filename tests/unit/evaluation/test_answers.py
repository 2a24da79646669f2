import csv
from pathlib import Path

import numpy as np
import pytest

from mbhelpers.evaluation import answers
from mbhelpers.evaluation.answers import Answers, differences, sureness, write_predictions
from mbhelpers.preprocessing import preset

CLASSES = ("cat", "dog, large")


def test_predictions_as_csv(tmp_path):
    labels, predicted, scores = np.array([0, 1]), np.array([1, 1]), np.array([0.75, 0.1234567])
    kept = Answers(
        Path("x"), np.array(["cat/ä.png", "dog/2.png"]), labels, predicted, labels == predicted, scores, CLASSES,
        CLASSES, preset("mbhelpers", 32),
    )  # fmt: skip
    with write_predictions(kept, tmp_path / "p.csv").open(encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["file", "true", "predicted", "score"],
            ["cat/ä.png", "cat", "dog, large", "0.75"],
            ["dog/2.png", "dog, large", "dog, large", "0.123457"],
        ]


def test_differences_are_listed_the_surest_first(monkeypatch):
    first = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.2, 0.8]])
    second = np.array([[0.8, 0.2], [0.45, 0.55], [0.6, 0.4], [0.7, 0.3]])
    labels, paths = np.array([0, 1, 1, 1]), np.array(["a", "b", "c", "d"])
    found = differences(first, second, labels, paths, CLASSES)
    assert found["n"] == 3
    assert [entry["file"] for entry in found["listed"]] == ["d", "c", "b"]
    assert found["listed"][0] == {
        "file": "d",
        "true": "dog, large",
        "first": "dog, large",
        "second": "cat",
        "first_score": 0.8,
        "second_score": 0.7,
    }
    monkeypatch.setattr(answers, "LISTED", 2)
    cut = differences(first, second, labels, paths, CLASSES)
    assert (cut["n"], [entry["file"] for entry in cut["listed"]]) == (3, ["d", "c"])
    assert differences(first, first, labels, paths, CLASSES) == {"n": 0, "listed": []}


def test_sureness():
    assert sureness(np.array([[0.9, 0.1]])) == pytest.approx([0.9])
    assert sureness(np.array([[0.0, np.log(3)], [-1.0, -1.0]])) == pytest.approx([0.75, 0.5]), "logits"
    assert sureness(np.array([[7.0, 9.0]])) == pytest.approx([9.0]), "neither: as it is"
