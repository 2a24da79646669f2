# make demo       set up, then the main job on the embedded sample; leaves runs/demo/report.html
# make test       set up, then all checks and tests
# make lab        JupyterLab on the notebooks
# make site       set up, then the notebooks executed on drawn data as a website: site/index.html (about 7 minutes, more where nothing is trained yet)
# make lint       the fast checks alone
# make format     mend what a tool can mend, notebooks' generated parts too
# make clean      remove what set-up made; data/ and runs/ stay
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install demo test site environments lint format notebooks lab clean

help:
	@sed -n 's/^# make/make/p' Makefile

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "Python 3.11 to 3.13 is needed, this is %d.%d; run: make PYTHON=python3.12 $(MAKECMDGOALS)" % v)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e '.[dev]'
	$(BIN)/python -m compileall -q -j 0 $(VENV)/lib > /dev/null || true  # templates that are no Python are no loss
	@touch $@

demo: install
	$(BIN)/mbhelpers demo

test: lint
	rm -rf runs/smoke
	MBHELPERS_SMOKE=1 $(BIN)/python -m pytest --nbval-lax --nbval-current-env -n 2 --dist loadgroup

site: install
	$(BIN)/python -m mbhelpers.reporting.site

# The lowest versions that pyproject.toml allows, and beside those that Colab has; takes minutes and gigabytes.
environments:
	PYTHON=$(PYTHON) tests/environments.sh

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mbhelpers.notebooks --check

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m mbhelpers.notebooks

# Regenerates notebook headers and the README's index, and strips outputs.
notebooks: install
	$(BIN)/python -m mbhelpers.notebooks

lab: install
	$(BIN)/jupyter lab notebooks/00_start_here.ipynb

clean:
	rm -rf $(VENV) site build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
