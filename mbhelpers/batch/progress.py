"""What a batch is doing, while it does it: a live table on a terminal, a line for each change elsewhere."""

import csv
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from mbhelpers.batch.jobs import Job, last_outcome
from mbhelpers.batch.schedule import Progress
from mbhelpers.files import read_json

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

STATES_IN_ORDER = ("done", "running", "waiting", "failed", "skipped")

MOST_LINES = 30
"""Rows of the live table; of more, those that something happens to are shown."""


class Show:
    """Tells of a batch's progress; a context manager, whose `tell` `rerun` takes.

    Args:
        jobs: of the batch.
        out: its folder.
        workers: jobs at a time, for the time left.
        live: a table that is drawn anew; plain lines if not. Asks the terminal if not given.
        stream: where to; standard error if not given.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        out: Path,
        workers: int,
        *,
        live: bool | None = None,
        stream: TextIO | None = None,
    ):
        self._jobs, self._out, self._workers = jobs, out, workers
        self._began: dict[str, float] = {}
        self._before = {job.name: found.seconds for job in jobs if (found := last_outcome(job, out))}
        self._start = time.monotonic()
        self._progress: Progress | None = None
        self._stream = stream or sys.stderr
        wanted = self._stream.isatty() if live is None else live
        self._live = _live_display(self._stream) if wanted else None

    def __enter__(self) -> "Show":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
        if kind is KeyboardInterrupt and self._progress is not None:
            done = len(self._progress.named("done"))
            print(f"{done} of {len(self._jobs)} jobs are done", file=self._stream, flush=True)

    def tell(self, progress: Progress, job: Job | None) -> None:
        """Take note of a change; with None only redraw."""
        self._progress = progress
        if job is not None and progress.states[job.name] == "running":
            self._began[job.name] = time.monotonic()
        if self._live:
            self._live.update(self._table(progress), refresh=job is None)
        elif job is not None:
            print(self._line(progress, job), file=self._stream, flush=True)

    def seconds_left(self, progress: Progress) -> float | None:
        """Of what is left, by what such steps took so far here or in an earlier call; None before one was done."""
        told = self._before | progress.seconds
        known: dict[str, list[float]] = {}
        for job in self._jobs:
            if job.name in told:
                known.setdefault(job.step, []).append(told[job.name])
        if not known:
            return None
        every = [seconds for each in known.values() for seconds in each]
        left = 0.0
        for job in self._jobs:
            if progress.states[job.name] in ("waiting", "running"):
                each = known.get(job.step, every)
                usual = sum(each) / len(each)
                spent = time.monotonic() - self._began.get(job.name, time.monotonic())
                left += max(0.0, usual - spent) if progress.states[job.name] == "running" else usual
        return left / self._workers

    def _line(self, progress: Progress, job: Job) -> str:
        state = progress.states[job.name]
        counts = Counter(progress.states.values())
        told = f"[{counts['done']}/{len(self._jobs)}] {state:8} {job.name}"
        if state == "done":
            told += f", {progress.seconds[job.name]:.0f} s"
        elif state in ("failed", "skipped"):
            told += f": {progress.reasons.get(job.name, '')}"
        elif state == "waiting":
            told += f" again: {progress.reasons.get(job.name, '')}"
        left = self.seconds_left(progress) if state == "done" else None
        return told + (f", about {minutes(left)} left" if left else "")

    def _table(self, progress: Progress) -> "Table":
        from rich.table import Table

        counts = Counter(progress.states.values())
        left = self.seconds_left(progress)
        title = ", ".join(f"{counts[state]} {state}" for state in STATES_IN_ORDER if counts[state])
        spent = minutes(time.monotonic() - self._start)
        table = Table(title=f"{title}; {spent} so far" + (f", about {minutes(left)} left" if left else ""))
        lines = self._lines(progress)
        calm = ("done", "waiting")
        shown = lines if len(lines) <= MOST_LINES else [line for line in lines if line[2] not in calm]
        table.add_column("row", overflow="fold")  # its end tells it from the others
        for name in ("steps", "state", "now", "speed"):
            table.add_column(name if name != "speed" or any(line[-1] for line in shown) else "", no_wrap=True)
        for line in shown[:MOST_LINES]:
            table.add_row(*line)
        return table

    def _lines(self, progress: Progress) -> list[tuple[str, str, str, str, str]]:
        """Row, steps done, state, what runs, and how fast."""
        by_row: dict[str, list[Job]] = {}
        for job in self._jobs:
            by_row.setdefault(job.row, []).append(job)
        lines = []
        for row, jobs in by_row.items():
            states = [progress.states[job.name] for job in jobs]
            state = next((s for s in ("failed", "running", "skipped", "waiting") if s in states), "done")
            running = [job for job in jobs if progress.states[job.name] == "running"]
            now = ", ".join(f"{self._step(job)} {minutes(time.monotonic() - self._began[job.name])}" for job in running)
            speed = training_speed(self._out / row) if running else ""
            lines.append((row, f"{states.count('done')}/{len(jobs)}", state, now, speed))
        return lines

    def _step(self, job: Job) -> str:
        """What a job does at the moment: its notebook, or the stage that it is in."""
        return current_stage(self._out / job.row) if job.kind == "stages" else job.step


def current_stage(folder: Path) -> str:
    """The first stage of a run whose files are not all there."""
    from mbhelpers.stages.order import ARTIFACTS

    missing = (name for name, files in ARTIFACTS.items() if not all((folder / file).is_file() for file in files))
    return next(missing, "report")


def training_speed(folder: Path) -> str:
    """Epochs and images a second of a training that is going on in a run's folder; empty where none is."""
    path, split = folder / "history.csv", folder / "split.json"
    if (folder / "model.keras").is_file() or not path.is_file() or not split.is_file():
        return ""
    with path.open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    seconds = [float(line["seconds"]) for line in lines if line.get("seconds")]
    if not seconds or not sum(seconds):
        return ""
    images = sum(entry["part"] == "train" for entry in read_json(split)["images"].values())
    return f"epoch {len(seconds)}, {images * len(seconds) / sum(seconds):,.0f} images/s"


def minutes(seconds: float) -> str:
    """A span as people say it: 45 s, 3:20 min, 2:05 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"


def _live_display(stream: TextIO) -> "Live":
    from rich.console import Console
    from rich.live import Live

    return Live(console=Console(file=stream), auto_refresh=False, transient=True)
