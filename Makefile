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
# Bytecode is kept whatever the environment says: each of the many processes that tests start would else compile
# two thousand modules anew, for three seconds.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

.PHONY: setup
setup: .venv/.installed ## install everything into .venv, with the emqa command

.uv/bin/uv:
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --target .uv uv==$(UV_VERSION)

# --inexact: what another target installed besides stays, so that targets do not undo each other.
.venv/.installed: pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	$(UV) sync --frozen --inexact --compile-bytecode --quiet
	@touch $@

.PHONY: demo
demo: setup demo-data/predictions.json ## make a data set, run the nightly flow on it, print the result
	$(BIN)/python -m flows.demo

demo-data/predictions.json: $(wildcard emqa_core/demo/*.py) | setup
	$(BIN)/emqa demo --folder demo-data > /dev/null

# Two processes, each with whole files, so that what a file starts (a store, a server) is started once.
.PHONY: test
test: setup ## every test but those of `make page`, `make faults`, `make slow`, the quick ones first
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --ignore tests/faults --ignore tests/slow --ignore tests/page

.venv/.tide: .venv/.installed
	$(UV) sync --frozen --inexact --group tide
	@touch $@

.PHONY: slow
slow: .venv/.tide ## simulations with known truth and comparisons on whole data sets (minutes)
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder tests/slow

# Playwright's own browsers come from a place of their own; Debian's is as good.
CHROMIUM := /usr/bin/chromium
$(CHROMIUM):
	apt-get update --quiet --quiet
	DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --quiet chromium > /dev/null

.venv/.page: .venv/.installed
	$(UV) sync --frozen --inexact --group page --quiet
	@touch $@

.PHONY: page
page: .venv/.page $(CHROMIUM) ## drive the page of a run in a real browser (a minute; installs Debian's chromium)
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder tests/page

.PHONY: faults
faults: setup ## kill workers, drivers and schedulers, break the store, fill the disk (minutes)
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder tests/faults

.PHONY: lint
lint: setup ## style, types, import contract, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check
	$(BIN)/python -m benchmarks.page --check

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
docs: setup ## print docs/tables.md, the files in configs/ and the tables of docs/benchmarks.md
	$(BIN)/python docs/generate.py
	$(BIN)/python -m benchmarks.page

.venv/.peers: .venv/.installed
	$(UV) sync --frozen --inexact --group bench
	@touch $@

# make bench SIZE=M ROUNDS=5; both have defaults, and data that are not there are made.
SIZE ?= S
ROUNDS ?=

.PHONY: bench
bench: .venv/.peers ## side by side with the other evaluators (minutes; SIZE=S, M, L, XL; ROUNDS)
	$(BIN)/python -m benchmarks.compare --size $(SIZE) $(if $(ROUNDS),--rounds $(ROUNDS))

.PHONY: guard
guard: .venv/.peers ## fail where S takes too long beside the quickest other evaluator
	$(BIN)/python -m benchmarks.guard

.PHONY: figures
figures: .venv/.peers .venv/.page $(CHROMIUM) ## every table of docs/benchmarks.md but those of scale (an hour)
	$(BIN)/python -m benchmarks.compare --size S
	$(BIN)/python -m benchmarks.compare --size M
	$(BIN)/python -m benchmarks.stages
	$(BIN)/python -m benchmarks.columns
	$(BIN)/python -m benchmarks.importance
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.convert
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.report

.PHONY: scale
scale: .venv/.peers ## one and two workers on a Dask scheduler (SIZE=XL: 25 million predictions), many partitions
	$(BIN)/python -m benchmarks.scale --size $(SIZE)
	$(BIN)/python -m benchmarks.scale --size S --partitions 10 100 1000
