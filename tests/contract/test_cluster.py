"""A Ray cluster of two nodes on this machine, of which a process and then a whole node die at work."""

import psutil
import pytest

from mbhelpers.batch.jobs import Job, files_of, is_done, last_outcome
from mbhelpers.batch.local import LocalEngine
from mbhelpers.batch.schedule import run_jobs
from mbhelpers.files import read_json

ray = pytest.importorskip("ray", reason="Ray is not installed; pip install 'mbhelpers[cluster]'")

QUICK = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 200, "health_check_failure_threshold": 5}


@pytest.fixture
def cluster():
    """Two nodes of one core; this process is connected to them."""
    from ray.cluster_utils import Cluster

    made = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, "_system_config": QUICK}
    )
    made.add_node(num_cpus=1)
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    yield made
    ray.shutdown()
    made.shutdown()


def chained(rows: int) -> list[Job]:
    """Rows of two steps, the second behind the first; one row's first step fails."""
    jobs = []
    for k in range(rows):
        first = Job(f"row{k}/train", "nothing", f"row{k}", {"seconds": 0.4, "k": k})
        jobs += [first, Job(f"row{k}/measure", "nothing", f"row{k}", {"k": -k}, (first.name,))]
    jobs[4] = Job(jobs[4].name, "nothing", jobs[4].row, {"error": "no such luck"})
    return jobs


def results(jobs, out):
    """What the jobs left, times aside."""
    left = {}
    for job in jobs:
        left[job.name] = read_json(files_of(job, out).output) if is_done(job, out) else None
    return left


def busy_task(out) -> psutil.Process | None:
    """A Ray process that runs a job of this batch at the moment."""
    for process in psutil.process_iter(["cmdline"]):
        try:
            if "mbhelpers.batch.worker" in (process.info["cmdline"] or []) and process.cwd() == str(out):
                return process.parent()
        except psutil.Error:  # it has just ended
            continue
    return None


def test_a_process_and_a_node_die_at_work(cluster, tmp_path):
    from mbhelpers.batch.cluster import RayEngine

    jobs, out = chained(8), tmp_path / "ray"
    out.mkdir()
    killed: list[str] = []

    def tell(progress, job):
        done = len(progress.named("done"))
        if done >= 2 and not killed and (task := busy_task(out)):
            assert "ray" in task.name()
            killed.append("process")
            task.kill()
        elif done >= 6 and len(killed) == 1:
            killed.append("node")
            node = cluster.list_all_nodes()[-1]
            cluster.remove_node(node, allow_graceful=False)

    engine = RayEngine(out)
    engine.capacity = 2
    progress = run_jobs(jobs, engine, out, retries=0, tell=tell, look=0.05)
    assert killed == ["process", "node"]
    assert sum(progress.attempts.values()) > len(jobs) - 1, "something was sent out again"
    alone = tmp_path / "local"
    alone.mkdir()
    here = run_jobs(jobs, local := LocalEngine(alone, 2), alone, retries=0)
    local.stop()
    assert progress.states == here.states
    assert results(jobs, out) == results(jobs, alone)
    assert progress.named("failed") == ["row2/train"] and progress.named("skipped") == ["row2/measure"]
    assert last_outcome(jobs[4], out).message == "ValueError: no such luck"
    assert not list(out.rglob(".*")), "nothing is half-written"
