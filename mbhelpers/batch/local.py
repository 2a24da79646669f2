"""The engine of one machine: so many processes at a time, the cores divided among them."""

from collections.abc import Hashable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from mbhelpers import settings
from mbhelpers.batch.jobs import Job, Outcome
from mbhelpers.batch.process import Children, run_job


class LocalEngine:
    """Runs each job in a process of its own.

    Args:
        out: the batch's folder.
        workers: processes at a time.
        threads: of each; the cores are divided among the workers if not given.
        time_limit: seconds a job, or None.

    Raises:
        ValueError: fewer than one worker or thread.
    """

    def __init__(self, out: Path, workers: int, *, threads: int | None = None, time_limit: float | None = None):
        if workers < 1 or (threads is not None and threads < 1):
            raise ValueError(f"one worker and one thread are the least, not {workers} and {threads}")
        self.capacity = workers
        self.threads = threads or max(1, settings.cores() // workers)
        self._out, self._limit = out, time_limit
        self._children = Children()
        self._pool = ThreadPoolExecutor(workers)  # threads only wait; each job has its process

    def submit(self, job: Job, attempt: int) -> Hashable:
        """Start a job."""
        environment = settings.worker_environment(self.threads)
        return self._pool.submit(
            run_job,
            job,
            self._out,
            environment,
            attempt=attempt,
            time_limit=self._limit,
            children=self._children,
        )

    def wait(self, handles: Sequence[Hashable], seconds: float) -> list[tuple[Hashable, Outcome]]:
        """The jobs that have ended, after so many seconds at most."""
        futures = [handle for handle in handles if isinstance(handle, Future)]
        done, _ = wait(futures, seconds, FIRST_COMPLETED)
        return [(future, future.result()) for future in futures if future in done]

    def stop(self) -> None:
        """End every job at once."""
        self._children.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)
