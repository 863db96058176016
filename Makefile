# Two commands do all the set-up on a fresh machine with only Python:
#   make quickstart    an agent learns to shop, on the CPU, in less than twenty minutes
#   make test          every test
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -q
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help quickstart test fast engines docker lint types house clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.train: $(BIN)/python pyproject.toml
	@echo "installing turnwise and what training needs into $(VENV) (a minute or two) ..."
	$(PIP) -e ".[train]"
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml
	@echo "installing turnwise and what its tests need into $(VENV) (a minute or two) ..."
	$(PIP) -e ".[train,dev]"
	@touch $@

quickstart: $(VENV)/.train ## install, then train an agent on WebShop (ARGS="--set run.seed=1")
	$(BIN)/turnwise train configs/quickstart.toml $(ARGS)

test: $(VENV)/.dev ## install, then run every test, the slow ones too
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "slow or not slow" $(ARGS)

fast: $(VENV)/.dev ## the tests that take a few seconds each at most
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 $(ARGS)

engines: ## the tests that play the original ALFWorld and TextWorld, in an environment of their own
	$(MAKE) --no-print-directory VENV=$(VENV)-engines $(VENV)-engines/.dev
	scripts/ci_engines.sh $(VENV)-engines
	OMP_NUM_THREADS=1 $(VENV)-engines/bin/python -m pytest -n 2 -m "slow or not slow" \
	  tests/envs/alfworld tests/envs/textworld tests/cli $(ARGS)

docker: $(VENV)/.dev ## the tests of the docker backend, with a daemon of our own where none answers
	found=$$(scripts/ci_docker.sh) && eval "$$found" && OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 \
	  -m "slow or not slow" -k "docker or container or image or row" tests/sandbox tests/envs/swe $(ARGS)

lint: $(VENV)/.dev ## ruff, style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy --strict on the package
	$(BIN)/mypy

house: $(VENV)/.dev ## layout and naming rules: circles, sizes, names, line lengths
	$(BIN)/python scripts/house.py --check

clean: ## remove the virtual environment and caches; runs stay
	rm -rf $(VENV) $(VENV)-engines .pytest_cache .mypy_cache .ruff_cache .hypothesis
