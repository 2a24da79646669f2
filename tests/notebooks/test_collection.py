"""The committed notebooks: they keep the rules, and run with parameters other than their defaults."""

from pathlib import Path

import pytest

from mbhelpers import notebooks

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / "notebooks"
# By name, not by `contents`: one broken file must fail as a test, not stop the collection of all tests.
PATHS = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))
LONG = ("20", "21", "23", "24", "30", "31", "32", "33", "51", "90")
"""Half a minute and more each: on request (-m slow); nbval runs them by their defaults each time."""


@pytest.fixture(scope="session")
def shared_runs(tmp_path_factory):
    """One folder of runs for all notebooks and both workers: what one has trained the next finds, as a user's would."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if base.name.startswith("popen-") else base) / "notebook_runs"


def test_rules():
    problems = notebooks.check(FOLDER, PROJECT / "README.md")
    assert not problems, "\n" + "\n".join(problems)


@pytest.mark.notebook
@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.slow] * path.name.startswith(LONG), id=path.stem) for path in PATHS],
)
def test_smoke_run_with_other_parameters(path, shared_runs, tmp_path, monkeypatch):
    monkeypatch.delenv("MBHELPERS_SMOKE", raising=False)  # the parameter alone must do
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    defaults = notebooks.parameter_defaults(path)
    wanted = {
        "out_dir": "",
        "seed": 7,
        "smoke": True,
        "data_dir": str(PROJECT / "data" / "sample"),
        "weights": "sample",
    }
    if defaults.get("weights") == "sample":
        wanted["weights"] = "none"
    wanted["out_dir"] = str(shared_runs / str(wanted["weights"]))
    values = {name: value for name, value in wanted.items() if name in defaults}
    same = [name for name, value in values.items() if defaults[name] == value]
    assert not same, f"{path.name}: {same} pass the default, so this run would show nothing; change the default"
    notebooks.execute(path, tmp_path / "executed" / path.name, values)
