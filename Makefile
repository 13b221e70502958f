# One command a need. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help run test clients soak mutants check kernels-aot bench format clean

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
export OMP_NUM_THREADS ?= 1

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 13

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "palmette needs Python 3.11 or newer")'
	@test -d .venv || $(PYTHON) -m venv .venv
	@echo "installing palmette and what it needs into .venv (once)"
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $(STAMP)

run: $(STAMP) ## the tour: chat, select, fork, JSON schema, a tool-calling agent, on the embedded model
	@$(BIN)/python examples/tour.py

test: $(STAMP) ## all tests (on a CPU, with one thread)
	$(BIN)/pytest -q

clients: $(STAMP) ## the server with OpenAI's clients and those built on them, all or CLIENT="litellm dspy"; installs them
	@$(BIN)/python tests/clients/run.py $(CLIENT)

soak: $(STAMP) ## random runs of the simulated engine for MINUTES=10, with JOBS=1 processes
	@$(BIN)/python tests/simulation/soak.py --minutes $(or $(MINUTES),10) --jobs $(or $(JOBS),1)

mutants: $(STAMP) ## whether the simulation notices small faults of the engine, with JOBS=1 processes
	@$(BIN)/python tests/simulation/mutants/run.py --jobs $(or $(JOBS),1)

check: $(STAMP) ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@mkdir -p build/types && ln -sfn ../.. build/types/palmette
	cd build/types && ../../$(BIN)/mypy --config-file palmette/pyproject.toml \
		palmette/lang palmette/grammar palmette/kernels palmette/runtime palmette/__init__.py

kernels-aot: $(STAMP) ## compile every GPU kernel without a GPU: registers, spills, shared memory
	@$(BIN)/python -P -m palmette.kernels.aot

bench: $(STAMP) ## the workloads, side by side with transformers
	$(BIN)/python benchmarks/bench_programs.py

format: $(STAMP) ## put the code into the house form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove .venv and caches
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info build/lib
