# Every task of a contributor. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help
help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The stamp is the hash of what the environment is made of.
VENV_STAMP := $(VENV)/.made-$(shell cat tests/requirements.txt pyproject.toml galaxy.yml | sha256sum | cut -c1-16)

$(VENV_STAMP):
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --requirement tests/requirements.txt
	$(BIN)/pip install --quiet --no-build-isolation --editable ".[slurm,api,virtual-kubelet,site]"
	touch $@

.PHONY: venv
venv: $(VENV_STAMP)
