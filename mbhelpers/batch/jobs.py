"""One job of a batch: a notebook with its parameters, or the stages of a row, and the files that tell how it went."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mbhelpers.files import read_json, write_json

KINDS = ("notebook", "stages", "nothing")
"""A notebook is executed; stages are those of a row, where no notebook is wanted; nothing waits for its parameter
`seconds`, then raises its `error` if it has one, for measuring what a batch itself costs, and for trying one."""

STATES = ("done", "failed", "late", "lost")
"""How an attempt may end: the job is made, it raised, it ran past its time, its process or machine died."""


@dataclass(frozen=True)
class Job:
    """What one process does.

    Attributes:
        name: `<row>/<step>`, such as "flowers/mobilenet_v2_0.35_128_tl/22_transfer_learning"; one in a batch.
        kind: a name from `KINDS`.
        row: the line of the table that it belongs to; of data that several rows share, the data set.
        parameters: of the notebook, or of `open_run`; values that JSON can hold.
        after: names of the jobs that must be done before.
        notebook: file name, of that kind.
        split_of: the row whose split.json this job's row takes, where it has none; empty to make its own.
    """

    name: str
    kind: str
    row: str
    parameters: dict[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    notebook: str = ""
    split_of: str = ""

    @property
    def step(self) -> str:
        """The last part of its name."""
        return self.name.rpartition("/")[2]

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Job":
        """The job that `to_json` wrote."""
        return cls(**{**content, "after": tuple(content["after"])})

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self) | {"after": list(self.after)}


@dataclass(frozen=True)
class Outcome:
    """How one attempt at a job ended.

    Attributes:
        state: a name from `STATES`.
        seconds: that it took, its process' start included.
        peak_mib: most memory that its process and its kernel held, in MiB, each at its own worst moment; None where
            the process did not live to say it.
        message: what went wrong; empty when done.
        attempt: 1 for the first.
    """

    state: str
    seconds: float
    peak_mib: float | None = None
    message: str = ""
    attempt: int = 1


@dataclass(frozen=True)
class Files:
    """Where the files of a job lie, below the batch's folder.

    Attributes:
        output: is there when the job is done, and whole.
        log: what its process printed, of all attempts.
        record: the last attempt's `Outcome`.
    """

    output: Path
    log: Path
    record: Path


def files_of(job: Job, out: Path) -> Files:
    """The files of a job in a batch's folder."""
    folder = out / job.row / "notebooks"
    suffix = ".ipynb" if job.kind == "notebook" else ".done.json"
    return Files(folder / f"{job.step}{suffix}", folder / f"{job.step}.log", folder / f"{job.step}.json")


def with_needed(jobs: Sequence[Job], among: Sequence[Job]) -> list[Job]:
    """Jobs, and all that must be done before them, in the order of those that they are among."""
    by_name = {job.name: job for job in among}
    found: set[str] = set()
    below = [job.name for job in jobs]
    while below:
        if (name := below.pop()) not in found:
            found.add(name)
            below.extend(by_name[name].after)
    return [job for job in among if job.name in found]


def is_done(job: Job, out: Path) -> bool:
    """Whether the job's output is there; it is written last, under another name first."""
    return files_of(job, out).output.is_file()


def last_outcome(job: Job, out: Path) -> Outcome | None:
    """How the last attempt that ended did so; None before one has."""
    path = files_of(job, out).record
    return Outcome(**read_json(path)) if path.is_file() else None


def keep_outcome(job: Job, out: Path, outcome: Outcome) -> Outcome:
    """Write it beside the job's output."""
    write_json(files_of(job, out).record, asdict(outcome))
    return outcome


def log_tail(job: Job, out: Path, lines: int = 12) -> list[str]:
    """The last lines of the job's log; empty where it has none."""
    path = files_of(job, out).log
    if not path.is_file():
        return []
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 200 * lines))
        text = stream.read().decode("utf-8", errors="replace")
    return [line for line in text.splitlines() if line.strip()][-lines:]
