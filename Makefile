# `make demo` serves the page, `make test` runs the tests; each sets up all it needs, once, in a virtual environment.
# Another Python: make test PYTHON=python3.12. Another place for the environment: make test VENV=/some/folder. Tests run in
# two processes, a file of them in one: make test JOBS=0 for all in the one that was started.

VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo $$p && break; done)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
TARGETS := app.py fv2es tests $(wildcard benchmarks examples tools)
ARGS ?=
JOBS ?= 2

.PHONY: help demo test lint format bench train docs clean
.DELETE_ON_ERROR:

help:
	@echo "make demo   serve the page on http://127.0.0.1:7860"
	@echo "make test   run the tests            (ARGS='tests/test_results.py -k fold' for some of them)"
	@echo "make lint   ruff and mypy            make format: let ruff mend the layout"
	@echo "make bench  measure everything (ARGS=--quick: a little of it)  make train: the shipped checkpoint again, from the data folder"
	@echo "make docs   docs/api.md from the docstrings, the pictures of docs/method.md from the checkpoints"

demo: $(VENV)/.runtime
	$(BIN)/python app.py

test: $(VENV)/.dev
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check $(TARGETS)
	$(BIN)/ruff format --check $(TARGETS)
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix $(TARGETS)
	$(BIN)/ruff format $(TARGETS)

bench: $(VENV)/.runtime
	$(BIN)/python -m benchmarks $(ARGS)

train: $(VENV)/.runtime
	$(BIN)/python -m fv2es train all $(ARGS)

docs: $(VENV)/.runtime
	$(BIN)/python -m tools.api_page
	$(BIN)/python -m tools.method

clean:
	rm -rf $(VENV)

$(BIN)/python:
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
		{ echo "Python 3.11 or 3.12 is needed; name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -f $@; \
		echo "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

# The stamps are newer than the lists they were installed from; an interrupted installation leaves none.
$(VENV)/.runtime: requirements.txt | $(BIN)/python
	@echo "Installing what the application needs into $(VENV) (several GB, once) …"
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements.txt requirements-dev.txt | $(BIN)/python
	@echo "Installing what the application and its tests need into $(VENV) (several GB, once) …"
	@$(PIP) -r requirements-dev.txt
	@touch $(VENV)/.runtime $@
