# `make demo` trains a small model and shows it; `make test` runs every check. Both make their own environment first.
# Works with GNU make 3.81 (macOS) and newer. PYTHON=/path/to/python picks the Python that .venv is made from.

ifeq ($(OS),Windows_NT)
  BIN := .venv/Scripts
else
  BIN := .venv/bin
endif
PY := $(BIN)/python
PIP_INSTALL := $(PY) -m pip install --disable-pip-version-check -c constraints.txt

# Stamps: an installation is repeated only when what it depends on has changed.
INSTALLED := .venv/.installed
INSTALLED_DEV := .venv/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test lint types unit format clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

demo: setup ## Install, train a small model on bundled pictures (two to four minutes on two cores) and show what it does
	$(PY) -m unpaired demo

test: lint types unit ## Install with the developer's tools and run every check

setup: $(INSTALLED) ## Make .venv with the pinned versions

setup-dev: $(INSTALLED_DEV) ## The same with the developer's tools

lint: setup-dev ## Check style and formatting
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: setup-dev ## Check types
	$(PY) -m mypy

unit: setup-dev ## Run the tests
	$(PY) -m pytest --numprocesses logical --maxprocesses 8

format: setup-dev ## Put the code into the agreed format
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

clean: ## Remove the environment and every cache
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@found=""; \
	for candidate in $(if $(PYTHON),"$(PYTHON)",python3.12 python3.13 python3.11 python3 python); do \
	  if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; \
	  then found="$$candidate"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "error: no usable Python: 3.11, 3.12 or 3.13 with its venv module is needed"; \
	  echo "  Install one (Debian and Ubuntu: python3 and python3-venv), or name it: make PYTHON=/path/to/python3.12"; \
	  exit 1; \
	fi; \
	echo "Making .venv with $$("$$found" --version)"; \
	"$$found" -m venv .venv

$(INSTALLED): pyproject.toml constraints.txt | $(PY)
	@echo "Installing unpaired with its pinned versions (the first time this downloads PyTorch)"
	$(PIP_INSTALL) -e .
	@touch $@

$(INSTALLED_DEV): pyproject.toml constraints.txt | $(PY)
	@echo "Installing unpaired and the developer's tools with their pinned versions"
	$(PIP_INSTALL) -e ".[dev]"
	@touch $(INSTALLED) $@
