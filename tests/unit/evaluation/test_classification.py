import json

import numpy as np
import pytest

from mbhelpers.evaluation.classification import align_labels, compare, evaluate
from mbhelpers.evaluation.intervals import mcnemar, paired_difference, wilson

CLASSES = ("cat", "dog", "emu")
# truth:  cat cat cat cat dog dog emu emu emu emu
LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
GUESSES = np.array([0, 0, 0, 1, 1, 0, 2, 2, 1, 2])


def scores_of(guesses, classes: int = 3) -> np.ndarray:
    """Scores that have their maximum where the guess is."""
    scores = np.full((len(guesses), classes), 0.1, np.float32)
    scores[np.arange(len(guesses)), guesses] = 0.8
    return scores


def test_evaluate_counts():
    found = evaluate(scores_of(GUESSES), LABELS, CLASSES)
    assert (found["n"], found["correct"], found["top1"]) == (10, 7, 0.7)
    assert found["interval"] == wilson(7, 10)
    assert found["top5"] is None, "of three classes, five are always right"
    assert found["confusion"] == [[3, 1, 0], [1, 1, 0], [0, 1, 3]]
    cat, dog, emu = found["per_class"]
    # by hand: precision by column, recall by row
    assert {key: cat[key] for key in ("class", "n", "precision", "recall", "f1")} == {
        "class": "cat", "n": 4, "precision": 0.75, "recall": 0.75, "f1": 0.75,
    }  # fmt: skip
    assert cat["precision_interval"] == cat["recall_interval"] == wilson(3, 4)
    assert cat["f1_interval"][0] < 0.75 < cat["f1_interval"][1]
    assert found["macro_f1"] == pytest.approx((0.75 + 0.4 + 6 / 7) / 3)
    assert found["macro_f1_interval"][0] < found["macro_f1"] < found["macro_f1_interval"][1]
    assert found["calibration"]["accuracy"] == 0.7 and found["thresholds"] is None
    assert (dog["n"], dog["precision"], dog["recall"]) == (2, pytest.approx(1 / 3), 0.5)
    assert dog["f1"] == pytest.approx(0.4)
    assert (emu["precision"], emu["recall"], emu["f1"]) == (1.0, 0.75, pytest.approx(6 / 7))
    json.dumps(found, allow_nan=False)  # it is saved as it is


def test_a_class_without_images_or_guesses_counts_as_zero():
    found = evaluate(scores_of([0, 0, 1]), np.array([0, 0, 0]), CLASSES)
    assert found["per_class"][1] == {
        "class": "dog", "n": 0, "precision": 0.0, "recall": 0.0, "f1": 0.0,
        "precision_interval": wilson(0, 1), "recall_interval": None, "f1_interval": None,
    }  # fmt: skip
    assert found["per_class"][2]["n"] == 0
    assert found["confusion"] == [[2, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_two_classes_have_a_threshold():
    found = evaluate(scores_of([0, 1, 1], 2), np.array([0, 1, 0]), ("no", "yes"))
    assert found["thresholds"]["positive"] == "yes"
    assert found["thresholds"]["default"]["precision"] == found["per_class"][1]["precision"] == 0.5


def test_top5():
    scores = np.tile(np.linspace(0.7, 0, 8, dtype=np.float32), (4, 1))  # 0 is likeliest, 7 least likely
    found = evaluate(scores, np.array([0, 4, 5, 7]), tuple("abcdefgh"))
    assert (found["top1"], found["top5"]) == (0.25, 0.5)
    assert evaluate(scores[:, :6], np.array([0, 4, 5, 1]), tuple("abcdef"))["top5"] == 0.75


def test_two_equal_scores_go_to_the_first_class():
    assert evaluate(np.full((2, 3), 0.3), np.array([0, 1]), CLASSES)["correct"] == 1


def test_compare_counts():
    labels = np.zeros(10, np.int64)
    # right: both 5, only first 3, only second 1, neither 1
    first = np.array([0, 0, 0, 0, 0, 0, 0, 0, 1, 1])
    second = np.array([0, 0, 0, 0, 0, 1, 1, 2, 0, 2])
    found = compare(scores_of(first), scores_of(second), labels)
    assert (found["n"], found["only_first"], found["only_second"]) == (10, 3, 1)
    assert found["agreement"] == 0.5, "wrong in two ways is no agreement"
    assert found["difference"] == pytest.approx(-0.2), "second minus first"
    assert found["interval"] == paired_difference(3, 1, 10)
    assert found["mcnemar_p"] == mcnemar(3, 1) == 0.625
    assert found["inside_noise"] is True
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("only_first", "only_second", "inside", "why"),
    [
        (0, 0, True, "equal models"),
        (6, 5, True, "a handful each way"),
        (30, 5, False, "int8 lost many and won few"),
        (5, 30, False, "a gain is a difference too"),
    ],
)
def test_inside_noise(only_first, only_second, inside, why):
    labels = np.zeros(200, np.int64)
    first, second = labels.copy(), labels.copy()
    second[:only_first] = 1
    first[only_first : only_first + only_second] = 1
    assert compare(scores_of(first), scores_of(second), labels)["inside_noise"] is inside, why


def bad(row, column, value):
    scores = scores_of(GUESSES)
    scores[row, column] = value
    return scores


@pytest.mark.parametrize(
    ("scores", "labels", "message", "why"),
    [
        (scores_of(GUESSES)[:9], LABELS, "don't fit 10 labels and 3 classes", "a score missing"),
        (scores_of(GUESSES, 4), LABELS, "of shape (10, 4)", "an output too many"),
        (scores_of(GUESSES)[:, 0], LABELS, "of shape (10,)", "no class axis"),
        (np.empty((0, 3)), np.empty(0, np.int64), "don't fit 0 labels", "no images"),
        (bad(3, 1, np.nan), LABELS, "not finite", "a broken model"),
        (bad(3, 1, np.inf), LABELS, "not finite", "another broken model"),
    ],
)
def test_evaluate_and_compare_refuse(scores, labels, message, why):
    with pytest.raises(ValueError) as error:
        evaluate(scores, labels, CLASSES)
    assert message in str(error.value), why
    good = scores_of(np.zeros(len(labels), np.int64))
    for pair in ((good, scores), (scores, good)):
        with pytest.raises(ValueError):
            compare(*pair, labels)


@pytest.mark.parametrize(
    ("folder", "model", "expected", "why"),
    [
        (("cat", "dog", "emu"), ("cat", "dog", "emu"), [0, 1, 2, 2], "the same order"),
        (("cat", "dog", "emu"), ("emu", "dog", "cat"), [2, 1, 0, 0], "the model's own order"),
        (("cat", "dog", "emu"), ("dog", "emu", "cat"), [2, 0, 1, 1], "a turn, which is no swap"),
        (("cat", "dog", "emu"), ("ant", "cat", "cow", "dog", "emu"), [1, 3, 4, 4], "a folder with fewer classes"),
    ],
)
def test_align_labels_goes_by_name(folder, model, expected, why):
    labels = np.array([0, 1, 2, 2])
    found = align_labels(labels, folder, model)
    assert found.tolist() == expected, why
    assert [model[k] for k in found] == [folder[k] for k in labels]


def test_align_labels_names_the_unknown():
    with pytest.raises(ValueError, match=r"the data has classes dog, emu, the model knows 2: cat, cow; evaluate it on"):
        align_labels(np.array([0]), ("cat", "dog", "emu"), ("cat", "cow"))
