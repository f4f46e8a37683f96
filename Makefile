PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup demo up test campaign lint format bench conformance

help: ## Show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(STAMP) ## Install everything into .venv, exactly as locked

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: setup ## Watch a migration and a notification go through, on real servers
	$(BIN)/firelater demo

up: setup ## Run the whole service on this machine
	$(BIN)/firelater up

test: setup ## Run all tests, on real servers
	$(BIN)/pytest -n 2 --dist worksteal

campaign: setup ## Run the tests that take minutes each: kills, memory, operators' acts
	$(BIN)/pytest -m campaign

lint: setup ## Check style, types and structure
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .

format: setup ## Repair style where that can be done by itself
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: setup ## Measure speed and memory against floors and peers
	$(BIN)/python -m benchmarks

conformance: setup ## Check against the published specifications and data in ../shared
	$(BIN)/pytest -m conformance -rs
