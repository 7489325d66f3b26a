# Every target sets up what it needs in .venv; nothing has to be installed first but Python (3.11 or newer) and make.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test check bench format clean

demo: .venv/run  ## watch it work; ends with Ctrl-C, or by itself: make demo SECONDS=20
	@$(BIN)/lapse demo $(if $(SECONDS),--seconds $(SECONDS))

test: .venv/dev  ## prove it, on a real Kafka
	@$(BIN)/pytest $(TESTS)

check: .venv/dev  ## style, types, and which room may import which
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: .venv/dev  ## the figures of the README
	@$(BIN)/python -m bench.decode
	@$(BIN)/python -m bench.detect

format: .venv/dev
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# The demo needs nothing but the service itself, so that its set-up is short.
.venv/run: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Setting up .venv …"
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

.venv/dev: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Setting up .venv with what tests and checks need …"
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@ .venv/run

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Lapse needs Python 3.11 or newer: make PYTHON=python3.11 …" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv || { echo "The module venv is missing: on Debian, apt-get install python3-venv"; exit 1; }
