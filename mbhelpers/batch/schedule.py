"""The loop that both engines share: start what is ready, wait for any, go on with what that made ready."""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from pathlib import Path
from typing import Protocol

from mbhelpers.batch.jobs import Job, Outcome, is_done

LOST_AT_MOST = 5
"""Times that a job is sent out again because its machine or process died, besides the retries that it was granted."""


_PAST = {"failed": "failed", "skipped": "was skipped"}


class Engine(Protocol):
    """What runs jobs."""

    @property
    def capacity(self) -> int:
        """Jobs that it takes at a time."""

    def submit(self, job: Job, attempt: int) -> Hashable:
        """Start a job; gives a handle, which `wait` takes."""

    def wait(self, handles: Sequence[Hashable], seconds: float) -> list[tuple[Hashable, Outcome]]:
        """The jobs that have ended, after so many seconds at most."""

    def stop(self) -> None:
        """End every job at once."""


@dataclass
class Progress:
    """Where every job stands: `waiting`, `running`, `done`, `failed` or `skipped`.

    Attributes:
        jobs: in the order of the plan.
        states: by the name of the job.
        reasons: why a job failed or was skipped.
        seconds: what jobs took that were done here.
        peaks: most memory of each in MiB, where it is known.
        attempts: how often each was started here.
    """

    jobs: Sequence[Job]
    states: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)

    def named(self, state: str) -> list[str]:
        """The jobs in a state, in the order of the plan."""
        return [job.name for job in self.jobs if self.states[job.name] == state]


def run_jobs(
    jobs: Sequence[Job],
    engine: Engine,
    out: Path,
    *,
    retries: int = 1,
    tell: Callable[[Progress, Job | None], None] = lambda progress, job: None,
    look: float = 0.5,
) -> Progress:
    """Run the jobs that are not done, each after those that it needs.

    A job that fails is tried again so many times; what needs it is then skipped, all else goes on. A job whose process
    or machine died is sent out again without using up a retry.

    Args:
        jobs: each named once; what they need is among them.
        engine: runs them; it is stopped when anything is raised here, so also by Ctrl-C.
        out: the batch's folder.
        retries: attempts behind the first.
        tell: called with the job whose state changed, and with None every `look` seconds.
        look: seconds between two looks, at least.

    Raises:
        ValueError: two jobs have one name, one needs a job that is not there, or they need each other in a circle.
    """
    check_order(jobs)
    progress = Progress(jobs, {job.name: "done" if is_done(job, out) else "waiting" for job in jobs})
    needed_by: dict[str, list[Job]] = {job.name: [] for job in jobs}
    missing: dict[str, int] = {}
    for job in jobs:
        open_ones = [name for name in job.after if progress.states[name] != "done"]
        missing[job.name] = len(open_ones)
        for name in open_ones:
            needed_by[name].append(job)
    ready = Ready(jobs)
    for job in jobs:
        if progress.states[job.name] == "waiting" and not missing[job.name]:
            ready.append(job)
    running: dict[Hashable, Job] = {}
    granted = {job.name: retries for job in jobs}
    lost = {job.name: 0 for job in jobs}

    def change(job: Job, state: str, reason: str = "") -> None:
        progress.states[job.name] = state
        if reason:
            progress.reasons[job.name] = reason
        tell(progress, job)

    def skip_after(job: Job) -> None:
        below = deque((other, job) for other in needed_by[job.name])
        while below:
            other, cause = below.popleft()
            if progress.states[other.name] == "waiting":
                change(other, "skipped", f"needs {cause.name}, which {_PAST[progress.states[cause.name]]}")
                below.extend((further, other) for further in needed_by[other.name])

    def settle(job: Job, outcome: Outcome) -> None:
        if outcome.state == "done":
            progress.seconds[job.name] = outcome.seconds
            if outcome.peak_mib is not None:
                progress.peaks[job.name] = outcome.peak_mib
            progress.reasons.pop(job.name, None)
            change(job, "done")
            for other in needed_by[job.name]:
                missing[other.name] -= 1
                if not missing[other.name] and progress.states[other.name] == "waiting":
                    ready.append(other)
            return
        if outcome.state == "lost" and lost[job.name] < LOST_AT_MOST:
            lost[job.name] += 1
            again = True
        else:
            again = granted[job.name] > 0
            granted[job.name] -= 1
        progress.reasons[job.name] = outcome.message
        if again:
            ready.append(job)
            change(job, "waiting", outcome.message)
        else:
            change(job, "failed", outcome.message)
            skip_after(job)

    try:
        while ready or running:
            while ready and len(running) < engine.capacity:
                job = ready.pop()
                progress.attempts[job.name] = progress.attempts.get(job.name, 0) + 1
                running[engine.submit(job, progress.attempts[job.name])] = job
                change(job, "running")
            for handle, outcome in engine.wait(list(running), look):
                settle(running.pop(handle), outcome)
            tell(progress, None)
    except BaseException:
        engine.stop()
        raise
    return progress


class Ready:
    """Jobs that may start, the one first that the longest chain of others waits for; of equals in their order."""

    def __init__(self, jobs: Sequence[Job]):
        self._place = {job.name: place for place, job in enumerate(jobs)}
        self._height = dict.fromkeys(self._place, 0)
        after = {job.name: job.after for job in jobs}
        for name in reversed(list(TopologicalSorter(after).static_order())):
            for other in after[name]:
                self._height[other] = max(self._height[other], self._height[name] + 1)
        self._heap: list[tuple[int, int, Job]] = []

    def append(self, job: Job) -> None:
        """Add one."""
        heappush(self._heap, (-self._height[job.name], self._place[job.name], job))

    def pop(self) -> Job:
        """Take the first."""
        return heappop(self._heap)[2]

    def __len__(self) -> int:
        """How many may start."""
        return len(self._heap)


def check_order(jobs: Sequence[Job]) -> None:
    """Refuse jobs that cannot be put in an order.

    Raises:
        ValueError: a name is there twice, a job needs one that is not there, or there is a circle.
    """
    after = {job.name: job.after for job in jobs}
    if len(after) < len(jobs):
        names = [job.name for job in jobs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two jobs are called {twice}; name each once")
    for name, needed in after.items():
        if strange := [other for other in needed if other not in after]:
            raise ValueError(f"{name} needs {strange[0]}, which is no job of this batch")
    try:
        TopologicalSorter(after).prepare()
    except CycleError as error:
        raise ValueError(f"these jobs need each other in a circle: {', '.join(error.args[1])}") from None
