import numpy as np
import pytest

from mbhelpers.evaluation.answers import differences
from mbhelpers.evaluation.classification import compare, evaluate
from mbhelpers.reporting.evaluation_facts import (
    calibration_sentence,
    class_table,
    comparison_line,
    summary_table,
)

CLASSES = ("no", "yes")
LABELS = np.array([0, 0, 0, 1, 1, 1])
SURE = np.array([0.9, 0.8, 0.4, 0.2, 0.3, 0.4])  # of "no": five of six right
SCORES = np.stack([SURE, 1 - SURE], axis=1)


def test_summary():
    result = evaluate(SCORES, LABELS, CLASSES)
    lines = summary_table(result)
    assert [line["measure"] for line in lines] == ["top-1", "macro-F1", "calibration error (ECE)"]
    low, high = (100 * bound for bound in result["interval"])
    assert lines[0] == {
        "measure": "top-1",
        "value": "83.33 %",
        "95 % interval": f"{low:.1f} to {high:.1f}",
        "n": "6",
    }
    assert lines[2]["value"] == f"{100 * result['calibration']['ece']:.2f} points"
    whole = evaluate(np.eye(2)[LABELS], LABELS, CLASSES)
    assert summary_table(whole)[1]["95 % interval"] == "-", "drawing again says nothing without a mistake"


@pytest.mark.parametrize(
    ("found", "expected", "why"),
    [
        ({"ece": None, "reason": "the scores are x"}, "can't be measured: the scores are x.", "no shares"),
        ({"ece": 0.02, "mean_confidence": 0.9, "accuracy": 0.91}, "don't show that it is not", "within chance"),
        ({"ece": 0.09, "mean_confidence": 0.95, "accuracy": 0.86}, ": this one is too sure.", "more than it is right"),
        ({"ece": 0.09, "mean_confidence": 0.8, "accuracy": 0.89}, "less sure than it could be.", "smoothed labels"),
    ],
)
def test_calibration_in_words(found, expected, why):
    assert expected in calibration_sentence({"by_chance": 0.04, "n": 300} | found), why


def test_classes():
    [no, yes] = class_table(evaluate(SCORES, LABELS, CLASSES))
    assert list(no) == ["class", "n", "precision", "recall", "F1"]
    assert no["precision"].startswith("100.0 % (") and yes["recall"].startswith("100.0 % (")
    assert class_table({"per_class": [{"class": "tench", "n": 9, "correct": 7, "correct5": 8}]}) == [
        {"class": "tench", "n": "9", "top-1": "7", "top-5": "8"}
    ]


def test_comparison():
    other = SCORES[:, ::-1]
    line = {"model": "a", "bytes": 2048, "latency_ms": 1.0, "latency_spread_ms": 0.25}
    first = line | evaluate(SCORES, LABELS, CLASSES)
    second = line | evaluate(other, LABELS, CLASSES) | {"paired": compare(SCORES, other, LABELS)}
    told = comparison_line(second)
    assert (told["KiB"], told["same answer"], told["ms"]) == ("2", "0.0 %", "1.00 ± 0.25")
    assert told["against the first"].startswith("-66.67 (")
    assert list(comparison_line(first)) == list(told) and comparison_line(first)["p"] == ""
    assert differences(SCORES, other, LABELS, np.arange(6), CLASSES)["n"] == 6
