# The commands of this project. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup quickstart test test-slow check format clean

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

help: ## List these commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## Make .venv and install everything into it

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' || \
		{ echo "keras-attn needs Python 3.10 to 3.13. Received: $$($(PYTHON) --version)." \
		"Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Installing into .venv (TensorFlow is large: some minutes) ..."
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[dev]'
	@touch $(READY)

quickstart: $(READY) ## Train, evaluate, export, serve and ask, on the built-in corpus
	@$(BIN)/python examples/quickstart.py

test: $(READY) ## Run the default tests, two files at a time
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test-slow: $(READY) ## Run the tests that train for minutes
	@$(BIN)/python -m pytest -m slow

check: $(READY) ## Lint, check formatting, types and the rules of import
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest --quiet tests/architecture

format: $(READY) ## Format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean: ## Remove .venv, caches and runs
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .hypothesis build dist runs *.egg-info
