"""What a batch says of itself: lines, and the live table as a narrow terminal shows it."""

import io

import pytest
from rich.console import Console

from mbhelpers.batch.jobs import Job, Outcome, keep_outcome
from mbhelpers.batch.progress import Show, current_stage, minutes, training_speed
from mbhelpers.batch.schedule import Progress
from mbhelpers.files import write_json

ROW = "flowers/mobilenet_v2_0.35_128_tl"


def jobs_of(*steps: str, kind: str = "nothing") -> list[Job]:
    return [Job(f"{ROW}/{step}", kind, ROW) for step in steps]


def test_lines_tell_what_changed_and_what_is_left(tmp_path):
    jobs, said = jobs_of("22_transfer_learning", "30_int8_tflite"), io.StringIO()
    progress = Progress(jobs, dict.fromkeys((job.name for job in jobs), "waiting"))
    with Show(jobs, tmp_path, 1, stream=said) as shown:
        for state in ("running", "waiting", "running", "failed"):
            progress.states[jobs[0].name], progress.reasons[jobs[0].name] = state, "no luck"
            shown.tell(progress, jobs[0])
        progress.states[jobs[0].name], progress.seconds[jobs[0].name] = "done", 90.0
        shown.tell(progress, jobs[0])
        shown.tell(progress, None)
    name = jobs[0].name
    assert said.getvalue().splitlines() == [
        f"[0/2] running  {name}",
        f"[0/2] waiting  {name} again: no luck",
        f"[0/2] running  {name}",
        f"[0/2] failed   {name}: no luck",
        f"[1/2] done     {name}, 90 s, about 1:30 min left",
    ]


def test_an_interrupted_batch_tells_how_far_it_came(tmp_path):
    jobs, said = jobs_of("a", "b"), io.StringIO()
    with pytest.raises(KeyboardInterrupt), Show(jobs, tmp_path, 1, stream=said) as shown:
        shown.tell(Progress(jobs, {jobs[0].name: "done", jobs[1].name: "waiting"}), None)
        raise KeyboardInterrupt
    assert said.getvalue() == "1 of 2 jobs are done\n"


@pytest.mark.parametrize("width", [60, 80, 140])
def test_a_narrow_terminal_loses_no_name(tmp_path, width):
    jobs = jobs_of("22_transfer_learning", "30_int8_tflite")
    progress = Progress(jobs, {jobs[0].name: "running", jobs[1].name: "waiting"})
    shown = Show(jobs, tmp_path, 1, stream=io.StringIO())
    shown.tell(progress, jobs[0])
    console = Console(file=io.StringIO(), width=width)
    console.print(shown._table(progress))
    text = console.file.getvalue()
    first_column = "".join(line.split("│")[1].strip() for line in text.splitlines() if line.startswith("│"))
    assert first_column == ROW
    assert "22_transfer_learning 0 s" in text and "0/2" in text


def test_what_is_left_is_told_by_what_such_steps_took_before(tmp_path):
    jobs = [Job(f"{row}/train", "nothing", row) for row in ("a", "b", "c")]
    keep_outcome(jobs[0], tmp_path, Outcome("done", 100.0))
    shown = Show(jobs, tmp_path, 2)
    progress = Progress(jobs, {jobs[0].name: "done", jobs[1].name: "waiting", jobs[2].name: "waiting"})
    assert shown.seconds_left(progress) == pytest.approx(100.0), "two jobs, two workers"
    assert Show(jobs, tmp_path / "new", 2).seconds_left(progress) is None


def test_stages_tell_where_they_are(tmp_path):
    assert current_stage(tmp_path) == "prepare"
    write_json(tmp_path / "split.json", {"images": {str(k): {"part": "train" if k else "test"} for k in range(11)}})
    assert current_stage(tmp_path) == "train" and training_speed(tmp_path) == ""
    (tmp_path / "history.csv").write_text("epoch,seconds\n0,0.5\n1,0.5\n", encoding="utf-8")
    assert training_speed(tmp_path) == "epoch 2, 20 images/s"
    for name in ("model.keras", "history.json"):
        (tmp_path / name).touch()
    assert current_stage(tmp_path) == "quantize" and training_speed(tmp_path) == ""
    jobs = jobs_of("stages", kind="stages")
    shown = Show(jobs, tmp_path, 1, stream=io.StringIO())
    shown.tell(progress := Progress(jobs, {jobs[0].name: "running"}), jobs[0])
    [(row, steps, state, now, speed)] = shown._lines(progress)
    assert (row, steps, state, now, speed) == (ROW, "0/1", "running", "prepare 0 s", "")


def test_spans():
    assert [minutes(seconds) for seconds in (0.4, 59, 61, 3599, 3600, 7500)] == [
        "0 s",
        "59 s",
        "1:01 min",
        "59:59 min",
        "1:00 h",
        "2:05 h",
    ]
