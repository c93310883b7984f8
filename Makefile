# Everything a fresh machine needs is installed by these targets. `make run` and `make test` do
# their own set-up; nothing else has to be done first.
export PYTHONDONTWRITEBYTECODE =
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
PYTHON ?= python3
BIN := $(VENV)/bin
# uv does not read pip's find-links: a machine that keeps torch's CPU build there names it so.
INSTALL := UV_FIND_LINKS="$(PIP_FIND_LINKS)" UV_COMPILE_BYTECODE=1 $(BIN)/uv pip install -q --python $(BIN)/python $(if $(CONSTRAINTS),-c $(CONSTRAINTS))

.DEFAULT_GOAL := help
.PHONY: help setup run test test-slow lint types format bench dashboard docs zoo clean

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

$(BIN)/uv:
	@echo "Creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv

$(VENV)/.run: pyproject.toml $(CONSTRAINTS) | $(BIN)/uv
	@echo "Installing exray into $(VENV)"
	@$(INSTALL) -e '.[all]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(CONSTRAINTS) | $(BIN)/uv
	@echo "Installing exray and its development tools into $(VENV)"
	@$(INSTALL) -e '.[dev]'
	@touch $@ $(VENV)/.run

$(VENV)/.docs: pyproject.toml $(CONSTRAINTS) | $(BIN)/uv
	@$(INSTALL) -e '.[docs]'
	@touch $@

setup: $(VENV)/.dev  ## Install everything that development needs

run: $(VENV)/.run  ## Scan the embedded zoo: which models are trojaned, which alarms were natural
	@$(BIN)/python run.py $(ARGS)

test: $(VENV)/.dev  ## Run the tests, the notebooks included
	@WANDB_MODE=offline OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile $(ARGS)
	@WANDB_MODE=offline OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -p no:cacheprovider --nbmake -W ignore notebooks

test-slow: $(VENV)/.dev  ## Run the tests that take minutes
	@WANDB_MODE=offline $(BIN)/python -m pytest -q -m slow $(ARGS)

lint: $(VENV)/.dev  ## Style and layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/nbstripout --verify notebooks/*.ipynb

types: $(VENV)/.dev  ## mypy --strict
	@$(BIN)/mypy

format: $(VENV)/.dev  ## Format code and strip notebooks
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/nbstripout notebooks/*.ipynb

bench: $(VENV)/.run  ## Time masks and scanners against their floors and plain forms
	@$(BIN)/python benchmarks/masks.py
	@$(BIN)/python benchmarks/scanners.py
	@$(BIN)/python benchmarks/early_stop.py

dashboard: $(VENV)/.run  ## Judges of a run or sweep side by side, as one page: ARGS="name=NAME"
	@$(BIN)/python run.py task=dashboard $(ARGS)

docs: $(VENV)/.docs  ## Build the manual into site/
	@$(BIN)/mkdocs build --strict

zoo: $(VENV)/.run  ## Rebuild the embedded zoo from its recipe, into results/zoos/signs_mini
	@$(BIN)/python run.py task=build_zoo dataset=signs_mini dataset.root=results/zoos/signs_mini

clean:  ## Remove the environment and all that was built, but no results
	rm -rf $(VENV) site .pytest_cache .mypy_cache .ruff_cache *.egg-info
