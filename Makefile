# make run    the project's main job on real input
# make test   lint, types and tests
# make help   the rest
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
JOBS ?= 2

# One thread for each process: the libraries' own threads only wait for each other here.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

.PHONY: run test test-clients fuzz lint bench lock stubs clean help
.DEFAULT_GOAL := help

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 is needed, $(PYTHON) is {v[0]}.{v[1]}; name another with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: $(READY) ## a server, a real Experiment file, and the suggestions for it
	$(BIN)/suggest ask examples/random.yaml --count 5

test: $(READY) lint ## lint, types and tests
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

test-clients: $(READY) ## the example clients in other languages (needs npm)
	$(BIN)/python scripts/check_clients.py

fuzz: $(READY) ## searches for new failures of whole requests, for some minutes
	$(BIN)/python -m pytest tests/test_fuzz.py --hypothesis-profile=search

lint: $(READY) ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY) ## speed and memory, as ratios in one run
	$(BIN)/python -m benchmarks.core

stubs: $(READY) ## regenerates suggestion/api from proto/api.proto
	$(BIN)/python scripts/generate_stubs.py

lock: $(READY) ## pins every dependency with its hashes, for all supported Pythons
	$(BIN)/python scripts/lock.py

clean: ## removes what the other commands made
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16
