# The few commands that people use daily; `make` alone lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
IN = . $(VENV)/bin/activate &&

help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/ready  ## an environment in .venv with every engine and what the tests need

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(IN) pip install -c constraints.txt -e '.[nest,neuron,brian2,inference,test]'
	@touch $@

test: setup  ## the fast tests, on all cores
	$(IN) pytest -n auto

test-python:  ## the same on another Python: make test-python PYTHON=3.13
	$(MAKE) test PYTHON=python$(PYTHON:python%=%) VENV=.venv-$(PYTHON:python%=%)

lint: setup  ## what CI says of style, types and imports
	$(IN) ruff check . && ruff format --check . && mypy && lint-imports

format: setup  ## the style that `make lint` wants
	$(IN) ruff check --fix . && ruff format .

examples: setup  ## the examples in docstrings
	$(IN) pytest --doctest-modules hpcsim

docs: setup  ## the documentation site, docs/_build/html; each warning is an error
	$(IN) pip install -q -c constraints.txt -e '.[docs]' && scripts/build-docs.sh

bench: setup  ## hpcsim beside what one would use instead; writes docs/explanation/benchmarks.md (an hour)
	$(IN) python benchmarks

constraints:  ## constraints.txt again, for all Pythons, after a change of dependencies
	scripts/constraints.sh

ci:  ## all that CI does, from nothing (Debian, root)
	.ci/run

.PHONY: help setup test test-python lint format examples docs bench constraints ci
