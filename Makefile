# The two commands of the README are `make up` and `make test`. `make help` lists the others.

SHELL := /bin/sh
PYTHON ?= python3
API_PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find src/pier launcher -type f -not -name '*.pyc') pyproject.toml
COMPOSE = API_PORT=$(API_PORT) $(BIN)/pier compose -f examples/simple-api/compose.yaml

.PHONY: help up down test unit e2e lint check faults bench clean

help:
	@echo 'make up      bring the example up: an API and PostgreSQL 16 (API_PORT=$(API_PORT))'
	@echo 'make down    stop and remove it; its volume stays'
	@echo 'make test    lint, unit and end-to-end tests'
	@echo 'make check   lint and unit tests only'
	@echo 'make faults  kill pier at 300 points (PIER_FAULTS, PIER_FAULT_SEED); about ten minutes'
	@echo 'make bench   compare with Docker and Podman; writes docs/performance.md'
	@echo 'make clean   remove .venv, the test caches and built files'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "error: $(PYTHON) is older than 3.11; try make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	    { echo "error: $(PYTHON) cannot make a venv; fix: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.installed: $(BIN)/python $(SOURCES)
	@echo "installing pier into $(VENV)"
	@$(BIN)/python -m pip install -qq --force-reinstall --no-deps .
	@$(BIN)/python -m pip install -qq .
	@touch $@

$(VENV)/.tools: $(BIN)/python pyproject.toml
	@echo "installing the test tools into $(VENV)"
	@$(BIN)/python -m pip install -qq '.[test,lint]'
	@touch $@

up: $(VENV)/.installed
	@API_PORT=$(API_PORT) $(BIN)/python tools/up.py $(BIN)/pier examples/simple-api/compose.yaml

down: $(VENV)/.installed
	@$(COMPOSE) down

lint: $(VENV)/.tools
	@$(BIN)/ruff check .
	@$(BIN)/mypy

unit: $(VENV)/.tools
	@$(BIN)/pytest -q tests/unit

e2e: $(VENV)/.tools
	@$(BIN)/python tools/needs.py
	@$(BIN)/pytest -v tests/e2e

check: lint unit

test: $(VENV)/.tools
	@$(BIN)/python tools/needs.py
	@$(MAKE) --no-print-directory lint
	@$(BIN)/pytest --durations=15 tests

faults: $(VENV)/.tools
	@PIER_FAULTS=$${PIER_FAULTS:-300} $(BIN)/pytest -v tests/fault

bench: $(VENV)/.installed
	@$(BIN)/python bench/run.py --pier $(BIN)/pier --write docs/performance.md

clean:
	@rm -rf $(VENV) .cache dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
