"""Unit tests see no switches but their own: `make test` sets MBHELPERS_SMOKE for the notebooks."""

import pytest


@pytest.fixture(autouse=True)
def no_switches(monkeypatch):
    for name in ("MBHELPERS_SMOKE", "MBHELPERS_DATA"):
        monkeypatch.delenv(name, raising=False)
