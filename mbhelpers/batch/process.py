"""Running one job in a process of its own, with a share of the cores, a time limit, and nothing left behind."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from mbhelpers.batch.jobs import Job, Outcome, files_of, is_done, keep_outcome, last_outcome


@dataclass
class Children:
    """The processes that jobs run in at the moment, so that all of them can be stopped."""

    alive: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: bool = False

    def stop(self) -> None:
        """End all of them and what they started; none is started any more."""
        with self.lock:
            self.stopped = True
            for process in self.alive:
                end_tree(process)


def run_job(
    job: Job,
    out: Path,
    environment: Mapping[str, str],
    *,
    attempt: int = 1,
    time_limit: float | None = None,
    children: Children | None = None,
) -> Outcome:
    """Run a job in a new process and wait for it.

    Args:
        job: what to run.
        out: the batch's folder.
        environment: of the process, from `settings.worker_environment`.
        attempt: 1 for the first.
        time_limit: seconds until the process, its kernel and all that they started are ended.
        children: where the process is noted while it runs.

    Returns:
        How it ended, which also lies beside the job's output.
    """
    files, children = files_of(job, out), children or Children()
    files.log.parent.mkdir(parents=True, exist_ok=True)
    files.record.unlink(missing_ok=True)
    started = time.monotonic()
    with files.log.open("a", encoding="utf-8") as log, children.lock:
        if children.stopped:
            return Outcome("lost", 0.0, None, "stopped before it was started", attempt)
        log.write(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')}, attempt {attempt}\n")
        log.flush()
        process = subprocess.Popen(
            [sys.executable, "-m", "mbhelpers.batch.worker"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=out,
            start_new_session=True,  # Ctrl-C reaches the batch alone, which then ends its workers
            text=True,
        )
        children.alive.add(process.pid)
    late = False
    try:
        _hand(process, {"job": job.to_json(), "out": str(out), "attempt": attempt, "parent": psutil.Process().pid})
        process.wait(time_limit)
    except subprocess.TimeoutExpired:
        late = True
    finally:
        with children.lock:
            children.alive.discard(process.pid)
            if process.poll() is None:
                end_tree(process.pid)
        process.wait()
    seconds = round(time.monotonic() - started, 2)
    told = last_outcome(job, out)
    if told is not None and told.attempt == attempt and not (late and told.state == "failed"):
        return keep_outcome(job, out, replace(told, seconds=seconds))
    if is_done(job, out):  # it ended between its last file and its record
        return keep_outcome(job, out, Outcome("done", seconds, None, "", attempt))
    if late:
        ended = Outcome("late", seconds, None, f"ended after {time_limit:g} s, its time limit", attempt)
    else:
        ended = Outcome("lost", seconds, None, f"its process {_reason(process.returncode)}", attempt)
    return keep_outcome(job, out, ended)


def end_tree(process: int) -> None:
    """Kill a process and all that it started; a kernel is in a session of its own, so a group would not do."""
    try:
        tree = [parent := psutil.Process(process), *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for one in tree:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(tree[1:], timeout=5)


def _hand(process: subprocess.Popen[str], asked: dict) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(asked))
        process.stdin.close()
    except BrokenPipeError:  # it was ended before it could read
        pass


def _reason(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with status {code}"
