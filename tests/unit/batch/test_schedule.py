"""The loop alone, with an engine whose jobs end as a script says; and with processes that do nothing."""

import time
from collections import Counter
from pathlib import Path

import pytest

from mbhelpers.batch.jobs import Job, Outcome, files_of, is_done, last_outcome, log_tail
from mbhelpers.batch.local import LocalEngine
from mbhelpers.batch.schedule import LOST_AT_MOST, run_jobs
from mbhelpers.files import write_json


class Scripted:
    """Ends every attempt in the next way that its job's script names, else well; never more than `capacity` at once."""

    def __init__(self, out: Path, script: dict[str, list[str]], capacity: int = 2):
        self.out, self.script, self.capacity = out, {name: list(ways) for name, ways in script.items()}, capacity
        self.started: list[str] = []
        self.waiting: list[tuple[int, Job, int]] = []
        self.stopped = False

    def submit(self, job, attempt):
        self.started.append(job.name)
        self.waiting.append((len(self.started), job, attempt))
        assert len(self.waiting) <= self.capacity
        return len(self.started)

    def wait(self, handles, seconds):
        handle, job, attempt = self.waiting.pop(0)
        assert handle in handles
        ways = self.script.get(job.name, [])
        state = ways.pop(0) if ways else "done"
        if state == "done":
            write_json(files_of(job, self.out).output, {})
        return [(handle, Outcome(state, 1.0, 10.0, "" if state == "done" else f"it was {state}", attempt))]

    def stop(self):
        self.stopped = True


def chain(*rows: str, steps: int = 2) -> list[Job]:
    """Rows of some steps, each behind the one before."""
    return [
        Job(f"{row}/{k}", "nothing", row, {}, (f"{row}/{k - 1}",) if k else ()) for row in rows for k in range(steps)
    ]


@pytest.mark.parametrize(
    ("script", "states", "starts", "why"),
    [
        ({}, "done done done done", 4, "all is well"),
        ({"a/0": ["failed"]}, "done done done done", 5, "one retry"),
        ({"a/0": ["failed"] * 2}, "failed skipped done done", 4, "a row that fails stops no other"),
        ({"a/0": ["late"] * 2}, "failed skipped done done", 4, "past its time is a failure"),
        ({"a/1": ["failed"] * 2}, "done failed done done", 5, "the last step"),
        ({"a/0": ["lost"] * 3 + ["failed"]}, "done done done done", 8, "what was lost uses up no retry"),
        ({"a/0": ["lost"] * (LOST_AT_MOST + 2)}, "failed skipped done done", LOST_AT_MOST + 4, "but not for ever"),
    ],
    ids=lambda value: value if isinstance(value, str) and "done" not in value else "",
)
def test_how_jobs_end(tmp_path, script, states, starts, why):
    jobs, engine = chain("a", "b"), Scripted(tmp_path, script)
    progress = run_jobs(jobs, engine, tmp_path, retries=1)
    assert [progress.states[job.name] for job in jobs] == states.split(), why
    assert len(engine.started) == starts
    assert sum(progress.attempts.values()) == starts


def test_a_skipped_job_says_what_it_needs(tmp_path):
    jobs = chain("a", steps=3)
    progress = run_jobs(jobs, Scripted(tmp_path, {"a/0": ["failed"]}), tmp_path, retries=0)
    assert progress.reasons == {
        "a/0": "it was failed",
        "a/1": "needs a/0, which failed",
        "a/2": "needs a/1, which was skipped",
    }


def test_nothing_is_done_twice(tmp_path):
    jobs = chain(*(f"row{k}" for k in range(20)), steps=3)
    first = Scripted(tmp_path, {"row3/1": ["failed"]}, capacity=4)
    run_jobs(jobs, first, tmp_path, retries=0)
    second = Scripted(tmp_path, {}, capacity=4)
    progress = run_jobs(jobs, second, tmp_path, retries=0)
    assert second.started == ["row3/1", "row3/2"]
    assert set(progress.states.values()) == {"done"}
    assert Counter(first.started + second.started) == Counter([job.name for job in jobs] + ["row3/1"])
    third = Scripted(tmp_path, {})
    run_jobs(jobs, third, tmp_path)
    assert third.started == []


def test_the_longest_chain_starts_first(tmp_path):
    jobs = [*chain("short", steps=1), *chain("long", steps=3)]
    engine = Scripted(tmp_path, {}, capacity=1)
    run_jobs(jobs, engine, tmp_path)
    assert engine.started[0] == "long/0"


@pytest.mark.parametrize(
    ("jobs", "message"),
    [
        (chain("a") + chain("a"), "two jobs are called a/0"),
        ([Job("a/0", "nothing", "a", {}, ("b/0",))], "a/0 needs b/0, which is no job"),
        ([Job("a/0", "nothing", "a", {}, ("a/1",)), Job("a/1", "nothing", "a", {}, ("a/0",))], "in a circle"),
    ],
)
def test_jobs_without_an_order_are_refused(tmp_path, jobs, message):
    with pytest.raises(ValueError, match=message):
        run_jobs(jobs, Scripted(tmp_path, {}), tmp_path)


def test_an_interrupt_stops_the_engine(tmp_path):
    def tell(progress, job):
        raise KeyboardInterrupt

    engine = Scripted(tmp_path, {})
    with pytest.raises(KeyboardInterrupt):
        run_jobs(chain("a"), engine, tmp_path, tell=tell)
    assert engine.stopped


def test_processes_run_jobs_and_one_is_late(tmp_path):
    jobs = [
        Job("good/0", "nothing", "good", {"seconds": 0.1}),
        Job("bad/0", "nothing", "bad", {"error": "no such\nluck"}),
        Job("slow/0", "nothing", "slow", {"seconds": 60}),
        Job("slow/1", "nothing", "slow", {}, ("slow/0",)),
    ]
    engine = LocalEngine(tmp_path, 3, time_limit=3)
    started = time.monotonic()
    progress = run_jobs(jobs, engine, tmp_path, retries=0)
    engine.stop()
    assert time.monotonic() - started < 20
    assert [progress.states[job.name] for job in jobs] == ["done", "failed", "failed", "skipped"]
    assert progress.reasons["bad/0"] == "ValueError: no such luck"
    assert progress.reasons["slow/0"] == "ended after 3 s, its time limit"
    assert progress.peaks["good/0"] > 5
    assert last_outcome(jobs[0], tmp_path).seconds >= 0.1
    assert log_tail(jobs[1], tmp_path)[-1] == "luck"
    assert not is_done(jobs[2], tmp_path)
    assert not list(tmp_path.rglob(".*"))


def test_an_interrupt_ends_the_processes(tmp_path):
    jobs = [Job("slow/0", "nothing", "slow", {"seconds": 60})]
    engine = LocalEngine(tmp_path, 1)

    def tell(progress, job):
        if job is None:
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs, engine, tmp_path, tell=tell, look=0.5)
    assert time.monotonic() - started < 20
    assert last_outcome(jobs[0], tmp_path).message == "its process was ended by SIGKILL"
