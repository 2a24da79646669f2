"""`mbhelpers rerun` as a user calls it, on two small rows made by their stages."""

import json
import subprocess
import sys

import pytest

from mbhelpers.batch.collect import comparable, read_table
from mbhelpers.files import read_json

TL, FFT = "flowers/mobilenet_v2_0.35_64_tl", "flowers/mobilenet_v2_0.35_64_fft"
SETTINGS = {"data_dir": "sample", "weights": "sample", "smoke": True, "seed": 5}


def call(*arguments) -> subprocess.CompletedProcess:
    """One thread, so that the order of sums is the same each time."""
    command = [sys.executable, "-m", "mbhelpers.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def one_thread():
    with pytest.MonkeyPatch.context() as patch:
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
            patch.setenv(name, "1")
        yield


@pytest.fixture(scope="module")
def batch(tmp_path_factory, one_thread):
    """A grid of two rows, its folder, and what the first call said, which made one of them."""
    place = tmp_path_factory.mktemp("batch")
    grid = place / "small.yaml"
    grid.write_text(json.dumps({"settings": SETTINGS, "rows": [TL, FFT], "execute": "stages"}), encoding="utf-8")
    return grid, place / "out", call("rerun", grid, "--out", place / "out", "--rows", "*_tl", "--threads", 1)


def test_a_part_of_a_grid(batch):
    grid, out, said = batch
    assert said.returncode == 0, said.stderr
    assert [line["status"] for line in read_table(out / "table.csv")] == ["done", "waiting"]
    assert "jobs done: 1" in said.stdout
    listed = json.loads(call("rerun", grid, "--out", out, "--dry-run", "--json").stdout)
    assert listed == [
        {"job": f"{TL}/stages", "done": True, "after": []},
        {"job": f"{FFT}/stages", "done": False, "after": [f"{TL}/stages"]},
    ]


def test_what_is_made_is_not_made_again(batch):
    grid, out, _ = batch
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    again = call("rerun", grid, "--out", out, "--rows", "*_tl")
    assert again.returncode == 0, again.stderr
    assert "nothing was left to do" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before
    refused = call("rerun", grid, "--out", out, "--no-resume")
    assert refused.returncode == 2
    assert "holds a batch already; leave --no-resume out to go on" in refused.stderr


def test_what_was_made_is_not_taken_for_another(batch, tmp_path):
    _, out, _ = batch
    other = tmp_path / "other.yaml"
    content = {"settings": SETTINGS | {"seed": 6}, "rows": [TL, FFT], "execute": "stages"}
    other.write_text(json.dumps(content), encoding="utf-8")
    for more in ([], ["--dry-run"]):
        refused = call("rerun", other, "--out", out, *more)
        assert refused.returncode == 2
        assert f"holds {TL}/stages, made with seed 5, not seed 6; choose another folder with --out" in refused.stderr


def test_a_failure_is_told(batch, tmp_path):
    grid, _, _ = batch
    said = call("rerun", grid, "--out", tmp_path, "--time-limit", 1, "--retries", 0)
    assert said.returncode == 1
    assert "jobs: 0 done, 1 failed, 1 skipped; the same command tries those again" in said.stdout
    assert f"failed: {TL}/stages: ended after 1 s, its time limit" in said.stderr
    assert f"skipped: {FFT}/stages: needs {TL}/stages, which failed" in said.stderr
    assert [line["status"] for line in read_table(tmp_path / "table.csv")] == ["failed", "failed"]


def test_run_gives_the_same_figures(batch, tmp_path):
    _, out, _ = batch
    ended = call("run", TL, "--data", "sample", "--weights", "sample", "--smoke", "--seed", 5, "--out", tmp_path)
    assert ended.returncode == 0, ended.stderr
    alone, in_batch = (comparable(read_json(place / TL / "metrics.json")) for place in (tmp_path, out))
    assert alone == in_batch
    assert alone["int8"]["n"] > 30
