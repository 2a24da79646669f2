import json
import subprocess
import sys

import pytest

from mbhelpers import cli
from mbhelpers.rows import Row, published, published_rows


def run_main(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of `mbhelpers ARGUMENTS`."""
    monkeypatch.setattr(sys, "argv", ["mbhelpers", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


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
    for verb in ("rows", "run", "evaluate", "quantize", "demo"):
        assert verb in out


def test_tables_are_aligned(capsys):
    cli._print_table([{"class": "cat", "n": "1"}, {"class": "elephant", "n": "20"}])
    assert capsys.readouterr().out.splitlines() == ["class     n", "cat       1", "elephant  20"]
