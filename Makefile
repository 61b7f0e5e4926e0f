# `make demo` and `make test` need Python 3.11 or newer, pip and make; everything else is installed into .venv.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

# The uv on the path where it runs; else one of our own, by pip into .uv. A target folder is allowed even where
# pip is managed by the operating system, and needs no venv module.
PYTHON ?= python3
UV_VERSION := 0.13.9
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .uv/bin/uv)
BIN := .venv/bin

export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := .venv
# No telemetry from any tool that is started here.
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export DO_NOT_TRACK := 1

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

.PHONY: setup
setup: .venv/.installed ## install everything into .venv, with the emqa command

.uv/bin/uv:
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --target .uv uv==$(UV_VERSION)

# --inexact: what another target installed besides stays, so that targets do not undo each other.
.venv/.installed: pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	$(UV) sync --frozen --inexact
	@touch $@

.PHONY: demo
demo: setup demo-data/predictions.json ## make a data set, run the nightly flow on it, print the result
	$(BIN)/python -m flows.demo

demo-data/predictions.json: $(wildcard emqa_core/demo/*.py) | setup
	$(BIN)/emqa demo --folder demo-data > /dev/null

# Two processes, each with whole files, so that what a file starts (a store, a server) is started once.
.PHONY: test
test: setup ## every test, the quick ones first
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: lint
lint: setup ## style, types, import contract, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

.PHONY: wheel
wheel: setup ## build the wheel and use it away from the repository
	rm -rf dist
	$(UV) build --quiet --wheel --out-dir dist
	$(UV) pip install --quiet --no-deps --target dist/site dist/*.whl
	test "$$(ls dist/site | grep -v -e '^bin$$' -e dist-info)" = emqa_core
	cd dist && PYTHONPATH=site $(CURDIR)/$(BIN)/python -c \
	  "import emqa_core.cli.entry as entry; assert '/dist/site/' in entry.__file__, entry.__file__"
	cd dist && PYTHONPATH=site $(CURDIR)/$(BIN)/python site/bin/emqa --version

.PHONY: docs
docs: setup ## print docs/tables.md and the files in configs/ from the code
	$(BIN)/python docs/generate.py

.PHONY: bench
bench: setup ## side by side with the other evaluators (minutes; not part of the tests)
	$(UV) sync --frozen --inexact --group bench
	$(BIN)/python -m benchmarks.compare
