"""Whole cards on the command line: `mbhelpers rerun` and `mbhelpers compare-grids`."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mbhelpers import settings

if TYPE_CHECKING:
    from mbhelpers.batch.jobs import Job
    from mbhelpers.batch.rerun import Summary
    from mbhelpers.batch.schedule import Engine

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


def rerun(
    grid: Annotated[Path, typer.Argument(help="A YAML file that names the rows; the project has some in grids/.")],
    engine: Annotated[str, typer.Option(help="local: processes on this machine; or ray, with the extra `cluster`.")] = (
        "local"
    ),
    address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster, or auto; the default starts one on this machine.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Jobs at a time. Default: one for each two cores; with Ray one a GPU.", min=1)
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Of each job. Default: the cores divided by the workers.", min=1)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of this batch. Default: runs/GRID in the project.")] = None,
    rows: Annotated[
        str | None, typer.Option(help="Make only rows whose names match, such as 'flowers/*_tl', and what they need.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on with what the folder holds, or refuse to.")
    ] = True,
    retries: Annotated[int, typer.Option(help="How often a job that failed is tried again.", min=0)] = 1,
    time_limit: Annotated[float | None, typer.Option(help="Seconds that a job may take.", min=1)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the jobs and run none.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make all rows of a grid as executed notebooks, and gather them into one table and one card.

    What is made already is not made again, so the same command goes on after anything that stopped it.
    """
    from mbhelpers.batch.collect import ASKED
    from mbhelpers.batch.grid import read_grid
    from mbhelpers.batch.plan import chosen_jobs, plan_jobs
    from mbhelpers.batch.rerun import check_same
    from mbhelpers.batch.rerun import rerun as run_grid

    asked = read_grid(grid)
    place = (out or settings.runs_folder(smoke=False) / asked.name).resolve()
    if not resume and (place / ASKED).is_file():
        raise ValueError(f"{place} holds a batch already; leave --no-resume out to go on, or choose another --out")
    planned = plan_jobs(asked)
    check_same(planned, place)
    jobs = chosen_jobs(planned, asked, rows)
    make, number = _engine(engine, address, workers, threads, time_limit)
    if dry_run:
        _print_jobs(jobs, place, as_json)
        return
    from mbhelpers.batch.progress import Show

    with Show(jobs, place, number) as shown:
        summary = run_grid(asked, place, make, rows=rows, retries=retries, tell=shown.tell)
    if as_json:
        print(json.dumps(summary.to_json() | {"folder": str(place)}, indent=1, default=str))
    else:
        _print_summary(summary, place)
    if summary.failures:
        raise typer.Exit(1)


def _engine(name: str, address: str | None, workers: int | None, threads: int | None, limit: float | None) -> Any:
    """How the engine is made for a folder, and how many jobs it takes at a time."""
    if name == "local":
        from mbhelpers.batch.local import LocalEngine

        if address is not None:
            raise ValueError("--address is of a Ray cluster; add --engine ray")
        number = workers if workers is not None else max(1, (settings.cores() + 1) // 2)

        def local(out: Path) -> "Engine":
            return LocalEngine(out, number, threads=threads, time_limit=limit)

        return local, number
    if name != "ray":
        raise ValueError(f"unknown engine {name!r}; choose from local, ray")
    from mbhelpers.batch.cluster import RayEngine, check_ray

    check_ray()

    def cluster(out: Path) -> "Engine":
        print(
            f"looking for Ray at {address}" if address else "starting Ray on this machine", file=sys.stderr, flush=True
        )
        return RayEngine(out, address=address, workers=workers, threads=threads, time_limit=limit)

    return cluster, workers or settings.cores()


def _print_jobs(jobs: "list[Job]", out: Path, as_json: bool) -> None:
    from mbhelpers.batch.jobs import is_done

    listed: list[dict[str, Any]] = [
        {"job": job.name, "done": is_done(job, out), "after": list(job.after)} for job in jobs
    ]
    if as_json:
        print(json.dumps(listed, indent=1))
        return
    for one in listed:
        behind = f"  after {', '.join(one['after'])}" if one["after"] else ""
        print(f"{'done' if one['done'] else 'to do':6} {one['job']}{behind}")
    print(f"{sum(one['done'] for one in listed)} of {len(listed)} jobs are done in {out}")


def _print_summary(summary: "Summary", out: Path) -> None:
    for line in summary.lines:
        figures = (
            ""
            if line["int8"] is None
            else (
                f"{line['measure']} float {line['float']:.1f} %, int8 {line['int8']:.1f} % "
                f"({line['int8_low']:.1f} to {line['int8_high']:.1f}), n = {line['n']}"
            )
        )
        print(f"{line['row']:48} {line['status']:8} {figures}".rstrip())
    for failure in summary.failures:
        print(f"\nfailed: {failure['job']}: {failure['why']}\n  {out / failure['log']} ends with:", file=sys.stderr)
        print(*(f"    {text}" for text in failure["tail"]), sep="\n", file=sys.stderr)
    for name, why in summary.skipped.items():
        print(f"skipped: {name}: {why}", file=sys.stderr)
    if summary.peaks:
        most = max(summary.peaks, key=lambda step: summary.peaks[step])
        print(f"memory of a worker and its kernel: at most {summary.peaks[most]:,.0f} MiB ({most})")
    if summary.failures:
        print(
            f"jobs: {summary.made} done, {len(summary.failures)} failed, {len(summary.skipped)} skipped; "
            "the same command tries those again"
        )
    else:
        print(f"jobs done: {summary.made}" if summary.made else "nothing was left to do")
    print(*summary.written, sep="\n")


def compare_grids(
    first: Annotated[Path, typer.Argument(help="The folder of a batch, such as runs/sample.")],
    second: Annotated[Path, typer.Argument(help="That of another.")],
    as_json: AsJson = False,
) -> None:
    """Compare the rows of two batches: what changed, and whether by more than chance would."""
    from mbhelpers.batch.compare import compare_grids as compared

    found = compared(first, second)
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for line in found:
        if line["kind"] == "missing":
            print(f"{line['row']:48} {line['how']}")
            continue
        span = "" if line["interval"] is None else " ({:+.1f} to {:+.1f})".format(*line["interval"])
        verdict = "changed" if line["changed"] else "no change that chance would not explain"
        print(
            f"{line['row']:48} {line['kind']:5} {line['first']:.1f} to {line['second']:.1f} %, "
            f"{line['difference']:+.1f} points{span}, {line['how']}: {verdict}"
        )
