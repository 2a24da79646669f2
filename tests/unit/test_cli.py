import json
import subprocess
import sys

import numpy as np
import pytest

from mbhelpers import cli, stages
from mbhelpers.cli_evaluate import print_table
from mbhelpers.evaluation.classification import compare, evaluate
from mbhelpers.rows import Row, published, published_rows


def run_main(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of `mbhelpers ARGUMENTS`."""
    monkeypatch.setattr(sys, "argv", ["mbhelpers", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_an_interruption_is_told(monkeypatch, capsys):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("mbhelpers.rows.published_rows", stopped)
    monkeypatch.setattr("mbhelpers.cli.published_rows", stopped, raising=False)
    status, _, err = run_main(monkeypatch, capsys, "rows")
    assert status == 130
    assert err.strip().endswith("interrupted; the same command goes on from here")


def test_rows_for_a_reader(monkeypatch, capsys):
    status, out, _ = run_main(monkeypatch, capsys, "rows")
    lines = out.splitlines()
    assert status == 0
    assert len(lines) == len(published_rows())
    [line] = [line for line in lines if line.startswith("flowers/mobilenet_v2_0.35_128_tl ")]
    assert line.endswith("float 88.15, int8 88.01")
    assert len({line.index(" ") < 58 for line in lines}) == 1, "one column"


def test_rows_for_a_program(monkeypatch, capsys):
    status, out, _ = run_main(monkeypatch, capsys, "rows", "--json")
    listed = json.loads(out)
    assert status == 0
    assert [Row.parse(entry["row"]) for entry in listed] == published_rows()
    assert all(entry["published"] == published(Row.parse(entry["row"])) for entry in listed)


@pytest.mark.parametrize(
    ("arguments", "message", "why"),
    [
        (
            ("run", "flower/mobilenet_v2_0.35_128_tl"),
            "unknown dataset 'flower'; choose from flowers,",
            "a typing error",
        ),
        (("run", "flowers"), "unknown row 'flowers'; a row is", "half a name"),
        (("run", "flowers/mobilenet_v2_0.35_128"), "names no variant; add _tfs, _tl or _fft", "no variant"),
        (("evaluate", "absent.tflite", "absent"), "no folder at absent", "no images"),
        (("quantize", "absent.keras", "absent", "-o", "out.bin"), "out.bin must end in .tflite", "another suffix"),
        (("quantize", "absent.keras", "absent", "-o", "out.tflite"), "no model at absent.keras", "no model"),
    ],
)
def test_bad_input_is_one_line_and_status_2(monkeypatch, capsys, tmp_path, arguments, message, why):
    monkeypatch.chdir(tmp_path)
    out_dir = ("--out", str(tmp_path / "runs")) if arguments[0] == "run" else ()
    status, out, err = run_main(monkeypatch, capsys, *arguments, *out_dir)
    assert status == 2, why
    assert out == "", "standard output is for results"
    [line] = err.splitlines()
    assert line.startswith("error: ")
    assert message in line, why
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_a_process_ends_so_too():
    ended = subprocess.run(
        [sys.executable, "-m", "mbhelpers.cli", "run", "flower/mobilenet_v2_0.35_128_tl"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert ended.stderr.startswith("error: unknown dataset 'flower'")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [("no-such-verb",), ("rows", "--no-such-option"), ("run",)])
def test_wrong_usage(monkeypatch, capsys, arguments):
    status, _, err = run_main(monkeypatch, capsys, *arguments)
    assert status == 2
    assert "Traceback" not in err


def test_help_lists_every_verb(monkeypatch, capsys):
    status, out, _ = run_main(monkeypatch, capsys, "--help")
    assert status == 0
    for verb in ("rows", "run", "qat", "evaluate", "quantize", "compare", "demo"):
        assert verb in out


class TestAware:
    """`qat` says what the stage measured."""

    @pytest.fixture
    def measured(self, monkeypatch):
        scores = {
            name: np.eye(2)[given] for name, given in (("float", [0, 1, 0]), ("ptq", [0, 1, 1]), ("qat", [0, 1, 0]))
        }
        labels = np.array([0, 1, 0])
        found = {name: evaluate(each, labels, ("no", "yes")) for name, each in scores.items()}
        pairs = {"ptq": ("float", "ptq"), "qat": ("float", "qat"), "qat against ptq": ("ptq", "qat")}
        found["paired"] = {name: compare(scores[a], scores[b], labels) for name, (a, b) in pairs.items()}
        asked = []
        monkeypatch.setattr(
            stages, "quantize_aware", lambda run, granularity: asked.append((run, granularity)) or found
        )
        return found, asked

    def test_for_a_reader(self, measured, monkeypatch, capsys, tmp_path):
        row = "flowers/mobilenet_v2_0.35_128_fft"
        status, out, _ = run_main(
            monkeypatch, capsys, "qat", row, "--out", str(tmp_path), "--seed", "3", "--granularity", "channel"
        )
        [(run, granularity)] = measured[1]
        assert (status, str(run.row), run.seed, granularity) == (0, row, 3, "channel")
        head, first, ptq, qat, pair, file = out.splitlines()
        assert head.split()[:2] == ["model", "top-1"]
        assert first.startswith("float ") and "100.00 %" in first
        assert ptq.startswith("int8, per channel ") and "66.67 %" in ptq and "-33.33 (" in ptq
        assert qat.startswith("the same, trained with rounding ") and "+0.00 (" in qat
        assert pair.startswith("trained against plain int8: +33.33 points") and pair.endswith("p = 1.00, n = 3")
        assert file == f"file: {tmp_path / row / 'qat_channel' / 'model_qat.tflite'}"

    def test_for_a_program(self, measured, monkeypatch, capsys, tmp_path):
        status, out, _ = run_main(
            monkeypatch, capsys, "qat", "flowers/mobilenet_v2_0.35_128_fft", "--out", str(tmp_path), "--json"
        )
        assert status == 0 and json.loads(out) == json.loads(json.dumps(measured[0]))


def test_tables_are_aligned(capsys):
    print_table([{"class": "cat", "n": "1"}, {"class": "elephant", "n": "20"}])
    assert capsys.readouterr().out.splitlines() == ["class     n", "cat       1", "elephant  20"]
