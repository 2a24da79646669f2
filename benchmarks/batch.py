"""What a batch costs and gains: overhead a row of jobs that do nothing, and workers against one on the sample grid.

    .venv/bin/python benchmarks/batch.py                  # all of it, about 15 minutes on two idle cores
    .venv/bin/python benchmarks/batch.py overhead         # or one part; the other's results stay
    .venv/bin/python benchmarks/batch.py speed

Overhead: 125, 250, 500 and 1,000 rows of one job that does nothing, through each engine with as many workers as cores,
no kernel. Each job still has its process, since that is what a row costs. Seconds a row, and the slope and R2 of a
straight line through the four: were something quadratic, the line would not fit. Ray is measured where it is installed,
on a cluster that is started before the clock.

Speed: `grids/sample.yaml` from nothing into a new folder, once with one worker limited to one thread, once with two
workers of one thread each, once with one worker that may take all cores; seconds from the first job to the last, card
left out. `load_before` is the machine's load a minute before each; over 0.5 the figures are not to be trusted.
"""

import argparse
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers import settings
from mbhelpers.batch.grid import read_grid
from mbhelpers.batch.jobs import Job
from mbhelpers.batch.local import LocalEngine
from mbhelpers.batch.plan import plan_jobs
from mbhelpers.batch.schedule import Engine, run_jobs
from mbhelpers.files import read_json, write_json

RESULT = Path(__file__).parent / "results" / "batch.json"
ROWS = (125, 250, 500, 1000)


def ray_engine(out: Path) -> Engine:
    """On the cluster that this process is connected to."""
    from mbhelpers.batch.cluster import RayEngine

    return RayEngine(out, workers=settings.cores(), threads=1)


def timed(jobs: list[Job], make: Callable[[Path], Engine]) -> tuple[float, dict[str, float]]:
    """Seconds from the first job to the last in a new folder, and the most memory of a worker by step."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder).resolve()
        engine = make(out)
        start = time.perf_counter()
        progress = run_jobs(jobs, engine, out, retries=0)
        seconds = time.perf_counter() - start
        if isinstance(engine, LocalEngine):
            engine.stop()
        if left := [name for name, state in progress.states.items() if state != "done"]:
            raise SystemExit(f"{left[0]}: {progress.reasons[left[0]]}")
    steps: dict[str, float] = {}
    for job in jobs:
        if job.name in progress.peaks:
            steps[job.step] = max(steps.get(job.step, 0.0), progress.peaks[job.name])
    return seconds, steps


def overhead() -> dict[str, Any]:
    """Seconds a row of nothing, for each engine."""
    engines: dict[str, Callable[[Path], Engine]] = {"local": lambda out: LocalEngine(out, settings.cores())}
    if find_spec("ray"):
        import ray

        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        engines["ray"] = ray_engine
    found: dict[str, Any] = {}
    for name, make in engines.items():
        timed([Job("warm/nothing", "nothing", "warm")], make)
        taken = []
        for rows in ROWS:
            seconds, _ = timed([Job(f"row{k}/nothing", "nothing", f"row{k}") for k in range(rows)], make)
            taken.append(seconds)
            print(f"{name}: {rows} rows, {seconds:.1f} s, {1000 * seconds / rows:.0f} ms a row", flush=True)
        slope, start = np.polyfit(ROWS, taken, 1)
        off = np.array(taken) - (slope * np.array(ROWS) + start)
        found[name] = {
            "workers": settings.cores(),
            "seconds": dict(zip(map(str, ROWS), taken, strict=True)),
            "ms_a_row": {str(rows): 1000 * s / rows for rows, s in zip(ROWS, taken, strict=True)},
            "line": {"ms_a_row": 1000 * slope, "start_s": start, "r2": 1 - np.square(off).sum() / np.var(taken) / 4},
        }
    if "ray" in engines:
        ray.shutdown()  # its processes would be at work beside what is measured next
    return found


def speed() -> dict[str, Any]:
    """The sample grid in three ways."""
    jobs = plan_jobs(read_grid(settings.project_folder() / "grids" / "sample.yaml"))
    ways = {"one_worker_one_thread": (1, 1), "two_workers": (2, 1), "one_worker_all_cores": (1, settings.cores())}
    found: dict[str, Any] = {"jobs": len(jobs)}
    for name, (workers, threads) in ways.items():
        load = os.getloadavg()[0]
        seconds, steps = timed(jobs, lambda out, w=workers, t=threads: LocalEngine(out, w, threads=t))  # type: ignore[misc]
        found[name] = {"workers": workers, "threads": threads, "seconds": seconds, "load_before": load}
        found[name]["peak_mib"] = steps
        print(f"{name}: {seconds:.0f} s, load before {load:.1f}", flush=True)
    two = found["two_workers"]["seconds"]
    found["ratios"] = {
        "two_workers_to_one_thread": found["one_worker_one_thread"]["seconds"] / two,
        "two_workers_to_all_cores": found["one_worker_all_cores"]["seconds"] / two,
    }
    return found


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", choices=["overhead", "speed", []], help="default: both")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    result = read_json(given.out) if given.out.is_file() else {}
    for part in given.parts or ["overhead", "speed"]:
        load = round(os.getloadavg()[0], 2)
        measured = {"overhead": overhead, "speed": speed}[part]()
        result[part] = measured | {
            "command": shlex.join([".venv/bin/python", "benchmarks/batch.py", *sys.argv[1:]]),
            "machine": {"cores": settings.cores(), "system": platform.system(), "load_before": load},
            "versions": {"python": platform.python_version()} | versions_of("ray", "tensorflow", "papermill"),
        }
        write_json(given.out, rounded(result))


def versions_of(*names: str) -> dict[str, str]:
    """Of the packages that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def rounded(content: Any) -> Any:
    """Four significant digits: more would be noise."""
    if isinstance(content, dict):
        return {key: rounded(value) for key, value in content.items()}
    return float(f"{content:.4g}") if isinstance(content, float) else content


if __name__ == "__main__":
    main()
