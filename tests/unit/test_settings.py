import pytest

from mbhelpers import settings


@pytest.mark.parametrize(
    ("explicit", "variable", "expected", "why"),
    [
        (None, None, False, "nobody asked for a short run"),
        (None, "", False, "an empty variable is an unset one"),
        (None, "0", False, "switched off"),
        (None, "1", True, "the environment decides when the call does not"),
        (False, "1", False, "explicit wins over the environment"),
        (True, "0", True, "explicit wins the other way too"),
        (True, None, True, "explicit needs no environment"),
        (False, "nonsense", False, "explicit does not even look at it"),
    ],
)
def test_smoke(monkeypatch, explicit, variable, expected, why):
    if variable is not None:
        monkeypatch.setenv("MBHELPERS_SMOKE", variable)
    assert settings.smoke(explicit) is expected, why


@pytest.mark.parametrize("variable", ["yes", "true", "2", " 1"])
def test_smoke_refuses_other_words(monkeypatch, variable):
    monkeypatch.setenv("MBHELPERS_SMOKE", variable)
    with pytest.raises(ValueError, match=r"MBHELPERS_SMOKE.*set it to 1 or 0"):
        settings.smoke()


def test_real_folder_named(monkeypatch, tmp_path):
    monkeypatch.setenv("MBHELPERS_REAL", str(tmp_path))
    assert settings.real_folder() == tmp_path


def test_real_folder_refuses_a_wrong_name(monkeypatch, tmp_path):
    monkeypatch.setenv("MBHELPERS_REAL", str(tmp_path / "absent"))
    with pytest.raises(ValueError, match=r"MBHELPERS_REAL names .*absent.*correct or unset it"):
        settings.real_folder()


@pytest.mark.parametrize("there", [True, False])
def test_real_folder_beside_the_project(monkeypatch, tmp_path, there):
    monkeypatch.delenv("MBHELPERS_REAL", raising=False)
    monkeypatch.setattr(settings, "project_folder", lambda: tmp_path / "main")
    beside = tmp_path / "shared" / "real"
    if there:
        beside.mkdir(parents=True)
    assert settings.real_folder() == (beside if there else None)


def test_data_folder(monkeypatch, tmp_path):
    assert settings.data_folder() == settings.project_folder() / "data"
    monkeypatch.setenv("MBHELPERS_DATA", str(tmp_path))
    assert settings.data_folder() == tmp_path


def test_smoke_runs_stay_apart_from_real_ones():
    assert settings.runs_folder(smoke=False) == settings.project_folder() / "runs"
    assert settings.runs_folder(smoke=True) == settings.project_folder() / "runs" / "smoke"


def test_project_folder_without_a_checkout(monkeypatch, tmp_path):
    monkeypatch.setattr(settings, "__file__", str(tmp_path / "site-packages" / "mbhelpers" / "settings.py"))
    monkeypatch.chdir(tmp_path)
    assert settings.project_folder() == tmp_path
