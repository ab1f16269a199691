# `make demo` and `make test` do all that is needed on a machine with Python 3.11 or newer.

VENV   ?= .venv
BIN    := $(VENV)/bin
OUT    ?= demo
# One test process per core, but never so many that small models fight over memory; the tests of a file stay
# together, since they share trained models.
JOBS   ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); [ $$n -gt 8 ] && n=8; echo $$n)
# The first interpreter that is new enough and can build a virtual environment.
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python3.14 python; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$p" && break; done)
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help demo test check lint types layers tests format startup clean
.DEFAULT_GOAL := help

help:  ## Say what there is
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# torch is asked for by its exact version first: where a small CPU build of it is at hand, pip takes that
# one, and the constraints keep it in place afterwards.
$(VENV)/.torch: constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer, with its venv module, was not found. Install it, or name one: make PYTHON=/path/to/python3" >&2; exit 2; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@echo "Installing torch (once) ..."
	@$(PIP) "$$(grep -E '^torch==' constraints.txt)"
	@touch $@

$(VENV)/.demo: $(VENV)/.torch pyproject.toml
	@echo "Installing knownot (once) ..."
	@$(PIP) -e '.[report]'
	@touch $@

$(VENV)/.test: $(VENV)/.torch pyproject.toml
	@echo "Installing knownot and its tools (once) ..."
	@$(PIP) -e '.[report,data,encoders,dev]'
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo  ## Train on the digits 0-5, meet 6-9, show what is rejected
	@$(BIN)/knownot demo --out $(OUT)

test: lint types layers tests  ## Everything that must hold: lint, types, layers, tests

check: lint types layers  ## The quick half of `make test`

lint: $(VENV)/.test  ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test  ## Types
	$(BIN)/mypy

layers: $(VENV)/.test  ## Imports only point down
	$(BIN)/lint-imports

tests: $(VENV)/.test  ## Tests and docstring examples
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile

format: $(VENV)/.test  ## Put the source in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

startup: $(VENV)/.test  ## How long the command takes to answer
	$(BIN)/python benchmarks/startup.py

clean:  ## Remove the environment and what tools left behind
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache $(OUT)
