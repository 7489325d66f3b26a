# Every target sets up what it needs in .venv; nothing has to be installed first but Python (3.11 or newer) and make.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Should .venv ever be something else than one, nothing must land in the machine's own Python.
export PIP_REQUIRE_VIRTUALENV := 1
# For what is installed, and (by the name that newer versions of pip have for it) for what builds it.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt
export EXAMPLES
# The tests start hundreds of processes, each of which would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

# Many tests wait most of the time, for brokers and processes; those that need no server compute.
at_once = $(shell $(PYTHON) -c 'import os; print(min(8, $(1) * (os.cpu_count() or 1)))')
ifeq ($(origin WORKERS),undefined)
WORKERS = $(call at_once,3)
test-fast: WORKERS = $(call at_once,2)
endif
CHROMIUM ?= /usr/bin/chromium
PYTEST = $(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal

.PHONY: help demo test test-fast test-browser pictures fuzz check check-deploy bench format pins hashes clean

help:  ## this list
	@$(PYTHON) -c 'import re; [print(f"{a:12}", b) for a, b in re.findall("^([a-z-]+):.*## (.*)", open("Makefile").read(), re.M)]'

demo: .venv/run  ## watch it work; ends with Ctrl-C, or by itself: make demo SECONDS=20
	@$(BIN)/lapse demo $(if $(SECONDS),--seconds $(SECONDS))

test: .venv/dev  ## prove it, on a real Kafka and a real PostgreSQL (some only: make test TESTS=tests/kafka)
	@$(PYTEST) $(TESTS)

test-fast: .venv/dev  ## all tests that need no server and do not take long
	@$(PYTEST) -m "not broker and not registry and not postgres and not slow" $(TESTS)

test-browser: .venv/dev  ## the console in a real Chromium, which the machine must have (or name it: make test-browser CHROMIUM=…)
	@$(BIN)/python -m pip install --quiet --no-compile --editable ".[dev,browser]"
	@LAPSE_CHROMIUM=$(CHROMIUM) $(BIN)/pytest tests/browser

pictures: .venv/dev  ## docs/pictures anew, from the demo, with the same Chromium
	@$(BIN)/python -m pip install --quiet --no-compile --editable ".[dev,browser]"
	@LAPSE_CHROMIUM=$(CHROMIUM) $(BIN)/python -m tools.make_pictures

fuzz: .venv/dev  ## search long for inputs that break something (EXAMPLES=10000 of them for each test)
	@$(PYTEST) --hypothesis-profile fuzz -m "hypothesis and not broker" $(or $(TESTS),tests)

check: .venv/dev .venv/deploy  ## style, types, which room may import which, and the chart against Kubernetes' schemas
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tools.generate_docs --check && $(BIN)/python -m tools.check_references
	@$(BIN)/python -m tools.check_schemas
	@$(BIN)/python -m tools.check_licences --quiet
	@$(BIN)/python -m tools.check_package
	@$(BIN)/python -m tools.make_dashboards --check
	@$(BIN)/hadolint deploy/Dockerfile
	@$(BIN)/pytest --quiet tests/deploy/check_chart.py

check-deploy: .venv/dev  ## alert rules, faults and dashboards with a real Prometheus and Alertmanager (to be installed before)
	@promtool check rules deploy/prometheus/rules/*.yml
	@promtool test rules deploy/prometheus/tests/*.yml
	@amtool check-config deploy/alertmanager/alertmanager.yml
	@$(BIN)/pytest tests/deploy/check_alerts.py

bench: .venv/dev  ## the figures of docs/performance.md
	@$(BIN)/python -m bench.decode
	@$(BIN)/python -m bench.detect
	@$(BIN)/python -m bench.detect --lapsing 0 0.02 0.1 0.3 --events 1000000 --users 200000
	@$(BIN)/python -m bench.detect --format json --events 1000000 --users 268000
	@$(BIN)/python -m bench.mapped
	@$(BIN)/python -m bench.mapped_detect
	@$(BIN)/python -m bench.stages
	@$(BIN)/python -m bench.reminders
	@$(BIN)/python -m bench.state --keys 1000000
	@$(BIN)/python -m bench.restore
	@$(BIN)/python -m bench.disk
	@$(BIN)/python -m bench.fairness
	@$(BIN)/python -m bench.live
	@$(BIN)/python -m bench.send
	@$(BIN)/python -m bench.latency
	@$(BIN)/python -m bench.growth
	@$(BIN)/python -m bench.retention
	@$(BIN)/python -m bench.webhooks
	@$(BIN)/python -m bench.uplift
	@$(BIN)/python -m bench.console

format: .venv/dev  ## put style right where a tool can
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

pins:  ## constraints.txt anew, with the newest versions that pyproject.toml allows
	rm -rf .cache/pins
	$(PYTHON) -m venv .cache/pins
	env -u PIP_CONSTRAINT -u PIP_BUILD_CONSTRAINT .cache/pins/bin/python -m pip install --quiet hatchling editables --editable ".[dev,deploy]"
	{ head -1 constraints.txt; .cache/pins/bin/python -m pip freeze --exclude-editable; } > .cache/pins/constraints.txt
	mv .cache/pins/constraints.txt constraints.txt
	rm -rf .cache/pins

hashes:  ## deploy/requirements.txt anew: the versions of constraints.txt with the hashes of their files
	rm -rf .cache/hashes
	$(PYTHON) -m venv .cache/hashes
	env -u PIP_CONSTRAINT -u PIP_BUILD_CONSTRAINT .cache/hashes/bin/python -m pip install --quiet pip-tools
	$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], "hatchling", sep="\n")' > .cache/hashes/in
	env -u PIP_CONSTRAINT -u PIP_BUILD_CONSTRAINT .cache/hashes/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --constraint constraints.txt --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file .cache/hashes/out .cache/hashes/in
	{ head -2 deploy/requirements.txt; sed '/^$$/d' .cache/hashes/out; } > .cache/hashes/all
	mv .cache/hashes/all deploy/requirements.txt
	rm -rf .cache/hashes

clean:  ## remove everything that the targets have made
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# The demo needs nothing but the service itself, so that its set-up is short; compiling all of it would double that.
.venv/run: pyproject.toml constraints.txt | .venv/bin/pip
	@echo "Setting up .venv (once, about a minute) …"
	@$(BIN)/python -m pip install --quiet --no-compile --editable .
	@touch $@

.venv/dev: pyproject.toml constraints.txt | .venv/bin/pip
	@echo "Setting up .venv with what tests and checks need (once, a few minutes) …"
	@$(BIN)/python -m pip install --quiet --no-compile --editable ".[dev]"
	@touch $@ .venv/run

.venv/deploy: .venv/dev
	@$(BIN)/python -m pip install --quiet --no-compile --editable ".[dev,deploy]"
	@touch $@

.venv/bin/pip:  # not python, which is there even where making the rest of the environment failed
	@$(PYTHON) -c 'import sys; sys.exit("Lapse needs Python 3.11 or newer: make PYTHON=python3.11 …" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv || { echo "The module venv is missing: on Debian, apt-get install python3-venv"; exit 1; }
