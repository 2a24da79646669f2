import numpy as np
import pytest

from mbhelpers.evaluation.classification import compare, evaluate
from mbhelpers.reporting.card import paired_sentence, summary_table

CLASSES = ("cat", "dog")
LABELS = np.zeros(200, np.int64)
SIZES = {"model.keras": 2_048_000, "model_float.tflite": 1_638_400, "model_int8.tflite": 614_400}


def scores(wrong: slice) -> np.ndarray:
    found = np.tile(np.array([0.9, 0.1]), (200, 1))
    found[wrong] = (0.1, 0.9)
    return found


def metrics(float_wrong: slice, int8_wrong: slice) -> dict:
    first, second = scores(float_wrong), scores(int8_wrong)
    return {
        "float": evaluate(first, LABELS, CLASSES),
        "float_tflite": evaluate(first, LABELS, CLASSES),
        "int8": evaluate(second, LABELS, CLASSES),
        "paired": compare(first, second, LABELS),
        "published": {"float": 88.15},
        "sizes": SIZES,
    }


def test_summary_table():
    table = {line["model"]: line for line in summary_table(metrics(slice(0, 20), slice(0, 50)))}
    # Wilson, 180 of 200 and 150 of 200, by hand
    assert table["float"]["top-1"] == "90.0 %"
    assert table["float"]["95 % interval"] == "85.1 to 93.4 %"
    assert table["float"]["n"] == "200"
    assert table["float"]["published"] == "88.2 %"
    assert table["int8"]["top-1"] == "75.0 %"
    assert table["int8"]["95 % interval"] == "68.6 to 80.5 %"
    assert table["int8"]["published"] not in ("", "0.0 %"), "nothing published is not a zero"
    assert table["int8"]["size"] == "600 KiB"
    for line in table.values():
        assert line["size"] == f"{SIZES[line['file']] / 1024:,.0f} KiB", "the size is that of the file named"
        assert set(line) == {"model", "top-1", "95 % interval", "n", "published", "file", "size"}


@pytest.mark.parametrize(
    ("float_wrong", "int8_wrong", "contains", "verdict", "why"),
    [
        (
            slice(0, 20), slice(2, 23), "-0.5 points", "can't be told apart",
            "2 images won, 3 lost",
        ),
        (
            slice(0, 20), slice(0, 50), "-15.0 points", "more than chance would usually make it",
            "30 images lost and none won",
        ),
        (
            slice(0, 50), slice(0, 20), "+15.0 points", "more than chance would usually make it",
            "a gain is told with its sign",
        ),
        (
            slice(0, 20), slice(0, 20), "+0.0 points", "can't be told apart",
            "equal, and no more is claimed",
        ),
    ],
)  # fmt: skip
def test_paired_sentence(float_wrong, int8_wrong, contains, verdict, why):
    said = paired_sentence(metrics(float_wrong, int8_wrong))
    assert "on the same 200 images" in said
    assert contains in said, why
    assert verdict in said, why
    other = {"can't be told apart", "more than chance would usually make it"} - {verdict}
    assert other.pop() not in said


def test_paired_sentence_counts():
    said = paired_sentence(metrics(slice(0, 20), slice(2, 23)))
    assert "3 images only float got right, 2 only int8" in said
    assert "McNemar p = 1.00" in said
