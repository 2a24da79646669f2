"""The engine of a Ray cluster: the same jobs as tasks, one a GPU where there are some.

Every machine needs this package and its extra `cluster`, and the batch's folder, the data and the weights at the same
paths: machines share files, nothing is sent. A task starts the job in a process of its own, as on one machine.
"""

import importlib.util
import logging
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

from mbhelpers import settings
from mbhelpers.batch.jobs import Job, Outcome
from mbhelpers.batch.process import run_job


def check_ray() -> None:
    """Refuse where Ray is not there.

    Raises:
        ValueError: it is not.
    """
    if importlib.util.find_spec("ray") is None:
        raise ValueError("--engine ray needs Ray: pip install 'mbhelpers[cluster]', or take --engine local")


def task(job: Job, out: Path, attempt: int, threads: int, time_limit: float | None) -> Outcome:
    """What a machine of the cluster does."""
    return run_job(job, out, settings.worker_environment(threads), attempt=attempt, time_limit=time_limit)


class RayEngine:
    """Runs each job as a Ray task; those whose machine or process dies are reported as lost.

    Args:
        out: the batch's folder, which every machine must see at this path.
        address: of the cluster, or "auto"; None takes the one that this process is connected to, else starts one here.
        workers: jobs at a time; None is one a GPU, or one for each two cores where there is no GPU.
        threads: of each job; the cores divided among the workers if not given.
        time_limit: seconds a job, or None.

    Raises:
        ValueError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(
        self,
        out: Path,
        *,
        address: str | None = None,
        workers: int | None = None,
        threads: int | None = None,
        time_limit: float | None = None,
    ):
        check_ray()
        import ray

        self._ray, self._out, self._limit = ray, out, time_limit
        if not ray.is_initialized():
            try:
                ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
            except ConnectionError as error:
                raise ValueError(
                    f"no Ray cluster at {address}; start one (ray start --head), or leave --address out"
                ) from error
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        cores = [int(each.get("CPU", 0)) for each in machines if each.get("CPU", 0) >= 1]
        gpus = int(sum(each.get("GPU", 0) for each in machines))
        self.capacity = workers or gpus or max(1, sum(cores) // 2)
        # A task must fit on one machine, and on the smallest one too, so that any of them can take over.
        self.threads = threads or max(1, min(sum(cores) // self.capacity, *cores, sum(cores)))
        needs: dict[str, Any] = {"num_cpus": min(self.threads, *cores, self.threads), "num_gpus": 0}
        self._remote = {
            # What is lost comes back to the loop, which counts and tells it; so Ray itself tries nothing again.
            kind: ray.remote(max_retries=0, **(needs | {"num_gpus": wanted}))(task)
            for kind, wanted in (("nothing", 0), ("work", 1 if gpus else 0))
        }

    def submit(self, job: Job, attempt: int) -> Hashable:
        """Start a job."""
        remote = self._remote["nothing" if job.kind == "nothing" else "work"]
        return remote.remote(job, self._out, attempt, self.threads, self._limit)

    def wait(self, handles: Sequence[Hashable], seconds: float) -> list[tuple[Hashable, Outcome]]:
        """The jobs that have ended, after so many seconds at most."""
        done, _ = self._ray.wait(list(handles), num_returns=1, timeout=seconds)
        if done:  # whatever else has ended in the meantime
            done, _ = self._ray.wait(list(handles), num_returns=len(handles), timeout=0)
        return [(handle, self._outcome(handle)) for handle in done]

    def _outcome(self, handle: Any) -> Outcome:
        errors = self._ray.exceptions
        try:
            return self._ray.get(handle)
        except (
            errors.WorkerCrashedError,
            errors.NodeDiedError,
            errors.ObjectLostError,
            errors.OwnerDiedError,
        ) as error:
            return Outcome("lost", 0.0, None, f"its machine or process died: {str(error).splitlines()[0]}"[:300])
        except errors.RayError as error:
            return Outcome("failed", 0.0, None, f"{type(error).__name__}: {' '.join(str(error).split())}"[:500])

    def stop(self) -> None:
        """Leave the cluster, which ends the tasks that this process owns, and with them their workers."""
        self._ray.shutdown()
