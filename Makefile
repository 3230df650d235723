# Every target sets up what it needs by itself: a virtual environment in .venv with the tested versions.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Episode processes set these themselves; tests that import numpy first need them from outside.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
# Where this is set, every one of the many processes of a test compiles all modules anew: a third of a second each.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help run test games reasoning study models bench pictures clean

help:
	@echo "make run    the tax-policy society, offline, with its summary on screen"
	@echo "make test   lint, types, layers, tests, and a test of the built wheel"
	@echo "make games  the Axelrod library (0.9 GB, for axelrod:<strategy>), and the tests that need it"
	@echo "make reasoning  the reasoning-gym library (for casework's source: reasoning), and the tests that need it"
	@echo "make study  slow scientific studies (the tables that the docs quote), and training, which needs torch"
	@echo "make models  train anew what is in scenarios/plaza/models (needs torch) and scenarios/deferral/models"
	@echo "make bench  speed, as ratios against peers in the same run"
	@echo "make pictures  the pictures of README and docs, from real runs"
	@echo "make clean  remove the virtual environment and all caches (never runs/)"

run: .venv/base
	$(BIN)/simworld run scenarios/tax_policy.yaml --jobs 2

test: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder
	$(BIN)/python tests/wheel.py
	@cat .pytest_cache/not_run 2>/dev/null || true

games: .venv/dev
	$(PIP) --editable '.[dev,games]'
	$(BIN)/pytest -n 2 --dist loadfile tests/agents/axelrod_field tests/scenario/test_swap.py tests/scenario/test_shipped.py

reasoning: .venv/dev
	$(PIP) --editable '.[dev,reasoning]'
	$(BIN)/pytest -n 2 --dist loadfile tests/worlds/casework tests/agents/caseworker tests/scenario/test_shipped.py

study: .venv/dev
	$(PIP) --editable '.[dev,train,peers]'
	$(BIN)/pytest tests/learning/test_train.py tests/docs/test_bring.py tests/agents/sacson
	$(BIN)/pytest -m study -n 2 --dist loadfile
	$(BIN)/python -m benchmarks.studies.coverage
	PYTHONPATH=tests/agents/reservoir $(BIN)/python -m paper
	PYTHONPATH=tests/agents/reservoir $(BIN)/python -m benchmarks.studies.reservoir
	$(BIN)/python -m benchmarks.studies.welfare_table
	$(BIN)/python -m benchmarks.studies.planner_controls
	$(BIN)/python -m benchmarks.studies.planner_search
	$(BIN)/simworld run scenarios/plaza/acceptance.yaml --jobs 2
	$(BIN)/simworld run scenarios/plaza/invisible.yaml --jobs 2
	$(BIN)/simworld run scenarios/plaza/perturbation.yaml --jobs 2
	$(BIN)/simworld run scenarios/plaza/crowd.yaml --jobs 2
	$(BIN)/simworld run scenarios/plaza/crowd_ten.yaml --jobs 2
	$(BIN)/simworld run scenarios/plaza/courteous.yaml --jobs 2
	$(BIN)/python -m benchmarks.studies.sacson --score
	$(BIN)/simworld run scenarios/plaza/sacson.yaml --jobs 2
	$(BIN)/simworld run scenarios/plaza/front.yaml --jobs 2
	$(BIN)/simworld train scenarios/plaza/learn.yaml --jobs 2
	$(BIN)/simworld train scenarios/plaza/learn_politely.yaml --jobs 2
	$(BIN)/python -m benchmarks.studies.deferring --score
	$(BIN)/simworld run scenarios/deferral/learned.yaml --jobs 2
	$(BIN)/simworld run scenarios/deferral/hila.yaml --jobs 2
	$(BIN)/simworld run scenarios/deferral/hila_probes.yaml --jobs 2
	$(BIN)/simworld run scenarios/deferral/shift.yaml --jobs 2
	$(BIN)/simworld run scenarios/deferral/coverage.yaml --jobs 2
	$(BIN)/simworld run scenarios/deferral/operator.yaml --jobs 2

models: .venv/dev
	$(PIP) --editable '.[dev,train]'
	$(BIN)/python -m benchmarks.studies.sacson
	$(BIN)/python -m benchmarks.studies.deferring
	$(BIN)/python -m benchmarks.studies.hila
	$(BIN)/python -m benchmarks.studies.operator

bench: .venv/dev
	$(PIP) --editable '.[dev,peers]'
	$(BIN)/python -m benchmarks

pictures: .venv/dev
	$(BIN)/python docs/make_pictures.py

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist

.venv/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "simworld needs Python 3.11 or later")'
	$(PYTHON) -m venv .venv
	touch $@

.venv/base: .venv/python pyproject.toml constraints.txt
	@echo "setting up .venv (once; about two minutes)"
	$(PIP) --editable .
	touch $@

.venv/dev: .venv/python pyproject.toml constraints.txt
	@echo "setting up .venv for development (once; about two minutes)"
	$(PIP) --editable '.[dev]'
	touch $@ .venv/base
