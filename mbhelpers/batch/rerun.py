"""Running a grid: its jobs through an engine, then the table, the card, and what went wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mbhelpers.batch.collect import ASKED, collect, read_jobs, write_table
from mbhelpers.batch.grid import Grid
from mbhelpers.batch.jobs import Job, files_of, is_done, log_tail
from mbhelpers.batch.plan import chosen_jobs, plan_jobs
from mbhelpers.batch.schedule import Engine, Progress, run_jobs
from mbhelpers.files import locked, read_json, write_json


@dataclass(frozen=True)
class Summary:
    """How a batch ended.

    Attributes:
        lines: of the table, one a row.
        failures: of each job that failed: its name, why, its log and the log's last lines.
        skipped: of each job that was not tried: why.
        made: jobs that were done in this call.
        written: table, plot and card.
        peaks: most memory of a worker in MiB, by notebook.
    """

    lines: list[dict[str, Any]]
    failures: list[dict[str, Any]]
    skipped: dict[str, str]
    made: int
    written: tuple[Path, ...]
    peaks: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**vars(self), "written": [path.name for path in self.written]}


def rerun(
    grid: Grid,
    out: Path,
    engine: Callable[[Path], Engine],
    *,
    rows: str | None = None,
    retries: int = 1,
    card: bool = True,
    tell: Callable[[Progress, Job | None], None] = lambda progress, job: None,
) -> Summary:
    """Make all rows of a grid that are not made yet, and gather them.

    Args:
        grid: what to make.
        out: the batch's folder; the rows' folders lie in it.
        engine: makes the engine for that folder; not called where nothing is left to do.
        rows: makes only the rows whose names match this pattern, and what they need; the table has all of them.
        retries: attempts behind the first.
        card: write the card too, for which every model's latency is measured.
        tell: as `run_jobs` takes it.

    Raises:
        ValueError: the folder holds another grid's work, or as `plan_jobs` and `chosen_jobs`.
    """
    out = out.resolve()
    planned = plan_jobs(grid)
    jobs = chosen_jobs(planned, grid, rows)
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):  # a second call waits, and then finds everything made
        hold(grid, planned, out)
        progress = run_jobs(jobs, _Late(engine, out), out, retries=retries, tell=tell)
        return _summary(jobs, out, progress, card)


def hold(grid: Grid, jobs: list[Job], out: Path) -> None:
    """Write what is asked, unless it is written already.

    Raises:
        ValueError: as `check_same`.
    """
    check_same(jobs, out)
    path = out / ASKED
    content = {"grid": grid.name, "rows": [row.name for row in grid.rows], "jobs": [job.to_json() for job in jobs]}
    if not path.is_file() or read_json(path) != content:
        write_json(path, content)


def check_same(jobs: list[Job], out: Path) -> None:
    """Compare what is asked with what was: made things must not be taken for others.

    Rows may come and go. A job that was made must be the same as now.

    Raises:
        ValueError: it is another, or the folder is a file.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; a batch needs a folder: choose another with --out")
    if not (out / ASKED).is_file():
        return
    before = {job.name: job for job in read_jobs(out)}
    for job in jobs:
        old = before.get(job.name, job)
        if is_done(job, out) and (changed := _differences(old, job)):
            was, wanted = (", ".join(f"{name} {told[k]}" for name, told in changed.items()) for k in (0, 1))
            raise ValueError(f"{out} holds {job.name}, made with {was}, not {wanted}; choose another folder with --out")


def _differences(old: Job, new: Job) -> dict[str, tuple[Any, Any]]:
    """What of a job is not as it was, by name: its value before and now."""
    one, two = ({"kind": job.kind, "notebook": job.notebook} | job.parameters for job in (old, new))
    return {name: (one.get(name), two.get(name)) for name in one | two if one.get(name) != two.get(name)}


class _Late:
    """An engine that is made when the first job is started."""

    def __init__(self, make: Callable[[Path], Engine], out: Path):
        self._make, self._out = make, out
        self._engine: Engine | None = None

    def _get(self) -> Engine:
        if self._engine is None:
            self._engine = self._make(self._out)
        return self._engine

    @property
    def capacity(self) -> int:
        return self._get().capacity

    def submit(self, job: Job, attempt: int) -> Any:
        return self._get().submit(job, attempt)

    def wait(self, handles: Any, seconds: float) -> Any:
        return self._get().wait(handles, seconds)

    def stop(self) -> None:
        if self._engine is not None:
            self._engine.stop()


def _summary(jobs: list[Job], out: Path, progress: Progress, card: bool) -> Summary:
    """Gather what is there, and write it."""
    lines = collect(out)
    failures = []
    for name in progress.named("failed"):
        job = next(job for job in jobs if job.name == name)
        log = files_of(job, out).log.relative_to(out)
        failures.append({"job": name, "why": progress.reasons[name], "log": str(log), "tail": log_tail(job, out)})
    skipped = {name: progress.reasons[name] for name in progress.named("skipped")}
    peaks: dict[str, float] = {}
    for job in jobs:
        if job.name in progress.peaks:
            peaks[job.step] = max(peaks.get(job.step, 0.0), progress.peaks[job.name])
    return Summary(lines, failures, skipped, len(progress.seconds), write_table(out, lines, card=card), peaks)
