"""The process of one job: `python -m mbhelpers.batch.worker`, started by `mbhelpers.batch.process`.

It reads the job from standard input, and ends itself when the process that started it is gone, so that a batch that was
killed leaves nobody at work.
"""

import json
import os
import resource
import sys
import threading
import time
import traceback
from pathlib import Path

from mbhelpers import settings
from mbhelpers.batch.jobs import Job, Outcome, files_of, is_done, keep_outcome
from mbhelpers.files import locked, read_json, write_json

LOOK = 0.2
"""Seconds between two looks at whether the parent lives."""


def work(job: Job, out: Path) -> None:
    """Do the job, if nobody has done it.

    Raises:
        Exception: whatever the job does.
    """
    files = files_of(job, out)
    with locked(files.output.parent):  # a worker that was orphaned a moment ago may still hold it
        if is_done(job, out):
            return
        if job.split_of:
            take_split(job, out)
        if job.kind == "nothing":
            time.sleep(job.parameters.get("seconds", 0))
            if "error" in job.parameters:
                raise ValueError(job.parameters["error"])
            write_json(files.output, job.parameters)
        elif job.kind == "stages":
            from mbhelpers.runs import open_run
            from mbhelpers.stages import evaluate

            evaluate(open_run(out_dir=out, **job.parameters))  # which makes what comes before it
            write_json(files.output, {"row": job.row})
        else:
            from mbhelpers.notebooks import execute

            # Run in the batch's folder, whose name so stays out of the executed copy.
            notebook = settings.project_folder() / "notebooks" / job.notebook
            execute(notebook, files.output, job.parameters, timeout=NO_LIMIT, cwd=out)


def take_split(job: Job, out: Path) -> None:
    """Give the job's row, and those that it starts from, the split that was made once; it would make the same one."""
    path = out / job.split_of / "split.json"
    if (out / job.row / "split.json").is_file() or not path.is_file():
        return
    from mbhelpers.runs import open_run
    from mbhelpers.stages import starts_of

    shared = ("row", "data_dir", "weights", "seed", "smoke", "recipe")
    run = open_run(out_dir=out, **{name: job.parameters[name] for name in shared if name in job.parameters})
    for one in [*(starts_of(run) if run.row.variant else []), run]:  # the row's own last: with it all are there
        with locked(one.folder):
            if not (one.folder / "split.json").is_file():
                write_json(one.folder / "split.json", read_json(path))


NO_LIMIT = 10**7
"""Seconds that a cell may take: the batch's own limit is for the whole job."""


def peak_mib() -> float:
    """Most memory of this process and of the largest one that it waited for, which is the kernel; in MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB on Linux
    used = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return round(sum(used) / unit, 1)


def end_with(parent: int) -> None:
    """From now on end this process as soon as another one is its parent; the kernel does the same by itself."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()


def main() -> int:
    """Do the job of standard input; 1 if it raised."""
    asked = json.load(sys.stdin)
    end_with(asked["parent"])
    job, out, attempt = Job.from_json(asked["job"]), Path(asked["out"]), asked["attempt"]
    started = time.monotonic()
    state, message = "done", ""
    try:
        work(job, out)
    except Exception as error:
        traceback.print_exc()
        state, message = "failed", f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
    keep_outcome(job, out, Outcome(state, round(time.monotonic() - started, 2), peak_mib(), message, attempt))
    return int(state != "done")


if __name__ == "__main__":
    sys.exit(main())
