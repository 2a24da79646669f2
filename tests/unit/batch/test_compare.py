"""Two batches made by hand, with scores and without."""

import numpy as np
import pytest

from mbhelpers.batch import collect as collecting
from mbhelpers.batch.collect import COLUMNS, comparable, read_table, write_table
from mbhelpers.batch.compare import compare_grids, two_proportions
from mbhelpers.batch.jobs import Job, Outcome, files_of, keep_outcome
from mbhelpers.evaluation.classification import compare, evaluate
from mbhelpers.files import write_json

ROW = "flowers/mobilenet_v2_0.35_128_tl"
CLASSES = ("daisy", "roses")


def batch(out, right: int, n: int, *, scores: bool = True, prefix: str = ""):
    """A batch of one row whose two models got the first `right` of n images right, and one row that failed."""
    labels = np.arange(n) % 2
    answers = np.where(np.arange(n) < right, labels, 1 - labels)
    found = np.eye(2, dtype=np.float32)[answers]
    measured = evaluate(found, labels, CLASSES)
    metrics = {
        "float": measured,
        "int8": measured,
        "published": {"int8": 88.0},
        "paired": compare(found, found, labels),
    }
    write_json(out / ROW / "metrics.json", metrics | {"made": {"training_seconds": right, "seed": 1}, "sizes": {}})
    if scores:
        order = np.random.default_rng(n + right).permutation(n)
        paths = np.array([f"{prefix}{k}.jpg" for k in range(n)])[order]
        kept = {"float": found[order], "int8": found[order]}
        np.savez(out / ROW / "predictions.npz", paths=paths, labels=labels[order], **kept)
    jobs = [Job(f"{ROW}/train", "nothing", ROW, {"seed": 1}), Job("flowers/other/train", "nothing", "flowers/other")]
    write_json(files_of(jobs[0], out).output, {})
    keep_outcome(jobs[0], out, Outcome("done", 3.0, 100.0))
    keep_outcome(jobs[1], out, Outcome("failed", 1.0, None, "no luck"))
    rows = [ROW, "flowers/other"]
    write_json(out / "grid.json", {"grid": "g", "rows": rows, "jobs": [job.to_json() for job in jobs]})
    return out


@pytest.fixture(autouse=True)
def no_model(monkeypatch):
    monkeypatch.setattr(collecting, "_footprint", lambda folder: {"flash_kib": 406.87, "ram_kib": 224.0})


@pytest.mark.parametrize(
    ("first", "second", "how", "changed", "why"),
    [
        ({"right": 150}, {"right": 150}, "paired", False, "the same"),
        ({"right": 150}, {"right": 160}, "paired", True, "ten more of the same 200 images"),
        ({"right": 150}, {"right": 160, "scores": False}, "two proportions", False, "five points of 200 are chance"),
        ({"right": 150}, {"right": 160, "prefix": "other"}, "two proportions", False, "other images"),
        ({"right": 150}, {"right": 190, "prefix": "other"}, "two proportions", True, "twenty points are not"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_changed(tmp_path, first, second, how, changed, why):
    a, b = batch(tmp_path / "a", n=200, **first), batch(tmp_path / "b", n=200, **second)
    *lines, missing = compare_grids(a, b)
    assert [line["kind"] for line in lines] == ["float", "int8"]
    for line in lines:
        assert (line["how"], line["changed"]) == (how, changed), why
        assert line["difference"] == pytest.approx((second["right"] - first["right"]) / 2)
        low, high = line["interval"]
        assert low <= line["difference"] <= high or not changed
    assert missing == {"row": "flowers/other", "kind": "missing", "how": "measured in neither"}


def test_the_table_tells_all_and_reads_back(tmp_path, monkeypatch):
    out = batch(tmp_path, right=45, n=60)
    lines = collecting.collect(out)
    told, other = lines
    assert (told["status"], other["status"]) == ("done", "failed")
    assert (told["float"], told["n"], told["published_int8"], told["seed"]) == (75.0, 60, 88.0, 1)
    assert told["int8_low"] < 75 < told["int8_high"]
    assert (told["seconds"], told["peak_mib"], told["flash_kib"]) == (3.0, 100.0, 406.87)
    cards = []
    monkeypatch.setattr(
        "mbhelpers.reporting.model_card.write_card", lambda folders, *paths, title: cards.append((folders, title))
    )
    written = write_table(out, lines)
    assert [path.name for path in written] == ["table.csv", "table.png", "card.html", "card.md"]
    assert cards == [([out / ROW], "g: 1 of 2 rows")]
    assert read_table(out / "table.csv") == lines
    assert set(lines[0]) == set(COLUMNS)
    with pytest.raises(ValueError, match=r"no table at .*absent\.csv"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(ValueError, match=r"holds no grid\.json"):
        collecting.collect(tmp_path / "absent")


def test_a_row_fails_with_what_it_needs(tmp_path):
    data = Job("flowers/data", "nothing", "flowers")
    jobs = [data, *(Job(f"flowers/{row}/train", "nothing", f"flowers/{row}", {}, ("flowers/data",)) for row in "ab")]
    rows = ["flowers/a", "flowers/b"]
    write_json(tmp_path / "grid.json", {"grid": "g", "rows": rows, "jobs": [job.to_json() for job in jobs]})
    assert [line["status"] for line in collecting.collect(tmp_path)] == ["waiting", "waiting"]
    keep_outcome(data, tmp_path, Outcome("late", 5.0, None, "ended after 5 s, its time limit"))
    assert [line["status"] for line in collecting.collect(tmp_path)] == ["failed", "failed"]
    write_json(files_of(data, tmp_path).output, {})
    assert [line["status"] for line in collecting.collect(tmp_path)] == ["waiting", "waiting"], "it went well since"


@pytest.mark.parametrize(
    ("asked", "published"),
    [({}, 71.8), ({"smoke": True}, None), ({"data_dir": "sample"}, None), ({"weights": "sample"}, None)],
)
def test_drawn_pictures_have_no_published_figure(tmp_path, asked, published):
    row = "imagenet/mobilenet_v2_1.0_224"
    job = Job(f"{row}/24_imagenet_weights", "nothing", row, asked)
    write_json(tmp_path / "grid.json", {"grid": "g", "rows": [row], "jobs": [job.to_json()]})
    told = {"top1": 0.5, "interval": [0.4, 0.6], "n": 100}
    write_json(tmp_path / row / "imagenet" / "one" / "accuracy.json", {"results": {"float": told, "int8": told}})
    [line] = collecting.collect(tmp_path)
    assert (line["float"], line["n"], line["published_float"]) == (50.0, 100, published)


def test_two_proportions():
    low, high = two_proportions(50, 100, 50, 100)
    assert low == -high and 0.13 < high < 0.15
    assert two_proportions(10, 100, 90, 100)[0] > 0.6
    with pytest.raises(ValueError, match="5 of 4 and 1 of 2 are no two proportions"):
        two_proportions(5, 4, 1, 2)


def test_times_are_not_compared():
    metrics = {"int8": {"top1": 0.5}, "sha256": {"a": "1"}, "sizes": {"a": 1}}
    made = {"seed": 1, "teacher": {"row": "r", "sha256": "x"}}
    one = metrics | {"made": made | {"training_seconds": 1.0}}
    two = metrics | {
        "sha256": {"a": "2"},
        "made": made | {"training_seconds": 2.0, "teacher": {"row": "r", "sha256": "y"}},
    }
    assert comparable(one) == comparable(two)
    assert comparable(one) != comparable(two | {"int8": {"top1": 0.6}})
