# Every task of a contributor; `make help` lists them. On a bare Debian 12 machine each one installs what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(PATH)

.PHONY: help
help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The stamp carries the hash of what the environment is made of.
VENV_STAMP := .venv/.made-$(shell cat tests/requirements.txt pyproject.toml galaxy.yml | sha256sum | cut -c1-16)

.PHONY: bootstrap venv
bootstrap:
	@bash tests/lab/bootstrap

$(VENV_STAMP): | bootstrap
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --requirement tests/requirements.txt
	$(BIN)/pip install --quiet --no-build-isolation --no-deps --editable .
	touch $@

venv: $(VENV_STAMP)

.PHONY: site site-down
site: bootstrap venv ## Onboard the throwaway site and run a pod on it
	@$(BIN)/python -m tests.lab.onboard

site-down: bootstrap venv ## Remove the throwaway site
	@$(BIN)/python -m tests.lab down

.PHONY: check test test-all bench
check: venv ## Format, lint, types, import rules and unit tests: under a minute
	@$(BIN)/python -m tests.suites format lint types imports unit

test: venv ## What CI runs: check, roles and the real systems
	@$(BIN)/python -m tests.suites --ci

test-all: venv ## That, the slow tests, and both Debian and Slurm releases
	@$(BIN)/python -m tests.suites --all

bench: venv ## Speed beside the budgets, as ratios; never fails
	@$(BIN)/python -m tests.bench

.PHONY: build docs format
build: venv ## The wheel and the collection, in dist/
	@$(BIN)/python -m tests.tools.build

docs: venv ## The documentation as pages, in dist/docs/
	@$(BIN)/mkdocs build --strict --quiet

format: venv ## Format the sources
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .
