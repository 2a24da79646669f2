"""A batch killed with -9 at random moments and called again: the same table, nothing lost, doubled or half-written."""

import csv
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mbhelpers.batch.collect import OF_TIME, read_table
from mbhelpers.batch.jobs import Job, files_of, is_done
from mbhelpers.files import write_json

DRIVER = """
import sys
from pathlib import Path
from mbhelpers.batch.collect import read_jobs
from mbhelpers.batch.local import LocalEngine
from mbhelpers.batch.schedule import run_jobs

out = Path(sys.argv[1])
engine = LocalEngine(out, 2)
run_jobs(read_jobs(out), engine, out, retries=0)
engine.stop()
"""


def kill_at(command: list[str], seconds: float) -> bool:
    """Start a command and kill it after so long; whether it had ended by itself."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def test_jobs_are_neither_lost_nor_doubled(tmp_path):
    jobs = [Job(f"row{k}/a", "nothing", f"row{k}", {"seconds": 0.15, "k": k}) for k in range(12)]
    jobs += [Job(f"row{k}/b", "nothing", f"row{k}", {"k": -k}, (f"row{k}/a",)) for k in range(12)]
    rows = [f"row{k}" for k in range(12)]
    write_json(tmp_path / "grid.json", {"grid": "g", "rows": rows, "jobs": [job.to_json() for job in jobs]})
    command, rng = [sys.executable, "-c", DRIVER, str(tmp_path)], random.Random(5)
    written: dict[str, int] = {}
    for _ in range(4):
        kill_at(command, rng.uniform(0.6, 2.0))
        time.sleep(0.5)  # the workers see that they are alone
        for job in jobs:
            path = files_of(job, tmp_path).output
            if path.is_file():
                assert written.setdefault(job.name, path.stat().st_mtime_ns) == path.stat().st_mtime_ns, "made twice"
    assert len(written) > 0, "something was made before the last call"
    subprocess.run(command, check=True)
    assert all(is_done(job, tmp_path) for job in jobs)
    now = {job.name: files_of(job, tmp_path).output.stat().st_mtime_ns for job in jobs}
    assert written.items() <= now.items(), "what was there stayed"
    assert not list(tmp_path.rglob(".*"))


def untimed(table: Path) -> list[dict]:
    """A table without what differs from one making to the next."""
    return [{key: value for key, value in line.items() if key not in OF_TIME} for line in read_table(table)]


@pytest.mark.slow
def test_a_grid_killed_ten_times_gives_the_same_table(tmp_path):
    grid = tmp_path / "small.yaml"
    rows = "[flowers/mobilenet_v2_0.35_64_tl, flowers/mobilenet_v2_0.35_64_fft]"
    settings = "{data_dir: sample, weights: sample, smoke: true}"
    quick = "[{rows: '*_fft', execute: stages}]"
    text = f"settings: {settings}\nrows: {rows}\noverrides: {quick}\n"
    grid.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "mbhelpers.cli", "rerun", str(grid), "--out"]
    rng, kills = random.Random(11), 0
    while kills < 10:
        ended = kill_at([*command, str(tmp_path / "killed")], rng.uniform(4, 40))
        kills += not ended
        if ended:
            break
    subprocess.run([*command, str(tmp_path / "killed")], check=True)
    subprocess.run([*command, str(tmp_path / "unbroken")], check=True)
    assert kills >= 5, "it was killed while it worked"
    assert untimed(tmp_path / "killed" / "table.csv") == untimed(tmp_path / "unbroken" / "table.csv")
    with (tmp_path / "killed" / "table.csv").open(newline="") as stream:
        assert [line["status"] for line in csv.DictReader(stream)] == ["done", "done"]
    names = [
        sorted(str(p.relative_to(tmp_path / which)) for p in (tmp_path / which).rglob("*.ipynb"))
        for which in ("killed", "unbroken")
    ]
    assert names[0] == names[1]
    assert not list((tmp_path / "killed").rglob(".partial*"))
