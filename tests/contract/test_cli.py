"""The commands as a user calls them: a process, its output, its exit status."""

import csv
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from mbhelpers.evaluation.files import evaluate_file
from mbhelpers.files import read_json
from mbhelpers.inference.predictor import Predictor
from mbhelpers.quantization.files import quantize_file
from mbhelpers.records import read_record

from . import tiny


def call(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "mbhelpers.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_evaluate_says_what_the_library_says(thin, thin_folder):
    ended = call("evaluate", thin.int8, thin_folder, "--json")
    assert ended.returncode == 0, ended.stderr
    library = evaluate_file(thin.int8, thin_folder)
    assert json.loads(ended.stdout) == json.loads(json.dumps(library))
    assert library["n"] == 30
    assert library["kind"] == "int8"
    plain = call("evaluate", thin.int8, thin_folder)
    low, high = (100 * bound for bound in library["interval"])
    assert f"top-1 {100 * library['top1']:.2f} %  ({library['correct']} of n = 30, " in plain.stdout
    assert f"95 % interval {low:.2f} to {high:.2f} %)" in plain.stdout
    assert "model_int8.tflite (int8, 32 px, stretch, bilinear, (pixel - 128) / 128)" in plain.stdout
    assert [line.split()[0] for line in plain.stdout.splitlines()[-3:]] == list(tiny.CLASSES)


def test_a_report_of_one_file_and_of_two(thin, thin_folder, tmp_path):
    whole = call("evaluate", thin.int8, thin_folder, "-o", tmp_path / "one", "--json")
    assert whole.returncode == 0, whole.stderr
    assert not whole.stderr, "no bar where a program reads"
    assert read_json(tmp_path / "one" / "evaluation.json") == json.loads(whole.stdout)
    with (tmp_path / "one" / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert sum(line["true"] == line["predicted"] for line in lines) == json.loads(whole.stdout)["correct"]
    assert all((thin_folder / line["file"]).is_file() for line in lines) and len(lines) == 30
    page = (tmp_path / "one" / "report.html").read_text(encoding="utf-8")
    titles = ["Accuracy", "Recall of each class", "What is taken for what", "Can its confidence be believed?"]
    assert re.findall(r"<h2>(.*?)</h2>", page) == [*titles, "Each class"], "no mistake, so no gallery"
    assert page.count("<img") == len(titles)
    ended = call("compare", thin.float, thin.int8, "--data", thin_folder, "-o", tmp_path / "two", "--threads", "1")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == f"report: {tmp_path / 'two' / 'report.html'}"
    kept = read_json(tmp_path / "two" / "comparison.json")
    assert [line["model"] for line in kept] == ["model_float.tflite", "model_int8.tflite"]
    assert kept[1]["differ"] == {"n": 0, "listed": []} and "differ" not in kept[0]
    assert "differs from model_float.tflite on 0 images" in (tmp_path / "two" / "report.html").read_text("utf-8")


def test_quantize_makes_the_librarys_file(thin, thin_folder, tmp_path):
    made, expected = tmp_path / "made.tflite", tmp_path / "expected.tflite"
    options = ["--images", "12", "--seed", "3", "--input-type", "int8", "--output-type", "int8"]
    ended = call("quantize", thin.keras, thin_folder, "-o", made, *options)
    assert ended.returncode == 0, ended.stderr
    path, size = ended.stdout.strip().rsplit(": ", 1)
    assert path == str(made)
    assert size == f"{made.stat().st_size / 1024:,.0f} KiB"
    conversion = {"input_type": "int8", "output_type": "int8"}
    quantize_file(thin.keras, thin_folder, expected, number=12, seed=3, conversion=conversion)
    assert read_record(made) == read_record(expected)
    assert read_record(made).made["calibration"]["images"] == 12
    images = tiny.easy_images(20, seed=8)[0]
    np.testing.assert_array_equal(Predictor(made).predict(images), Predictor(expected).predict(images))


@pytest.mark.parametrize(
    ("arguments", "message", "why"),
    [
        (["evaluate", "{missing}", "{folder}"], "no model at", "no such model"),
        (["evaluate", "{int8}", "{missing}"], "no folder at", "no such folder"),
        (
            ["evaluate", "{int8}", "{folder}", "--mean", "0"],
            "carries its own preprocessing",
            "the record wins",
        ),
        (["evaluate", "{int8}", "{folder}", "--threads", "0"], "threads must be 1 or more, not 0", "no worker"),
        (["evaluate", "{cut}", "{folder}"], "is not a whole .tflite file", "a broken download"),
        (["quantize", "{missing}", "{folder}", "-o", "{out}"], "no model at", "no such model"),
        (["quantize", "{keras}", "{folder}", "-o", "{missing}"], "must end in .tflite", "an output name"),
    ],
)
def test_an_error_is_one_line_and_status_2(arguments, message, why, thin, thin_folder, tmp_path):
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(thin.int8.read_bytes()[:60])
    given = {"missing": tmp_path / "none.keras", "folder": thin_folder, "int8": thin.int8, "keras": thin.keras}
    given |= {"cut": cut, "out": tmp_path / "out.tflite"}
    ended = call(*(argument.format(**given) for argument in arguments))
    assert ended.returncode == 2, why
    assert ended.stderr.startswith("error: ")
    assert message in ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert not ended.stdout
    assert not (tmp_path / "out.tflite").exists()
