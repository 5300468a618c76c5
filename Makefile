# make run    the project's main job on real input
# make test   lint, types and tests
# make help   the rest
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNNABLE := $(VENV)/.runnable
READY := $(VENV)/.ready
JOBS ?= 2
# Files and folders of tests for `make test`; all by default.
TESTS ?=
SECONDS ?= 3600

# Bytecode is kept, also where the environment says otherwise: a stage would compile the tests again
# in each worker, and each server that they start its modules.
export PYTHONDONTWRITEBYTECODE :=

# One thread for each process: the libraries' own threads only wait for each other here.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

.PHONY: run test test-long test-integration test-machines test-ray test-integrations test-conformance test-clients test-images test-cluster \
	images dockerfiles docs sbom audit fuzz lint bench bench-regret rivals scoreboard lock page check-page pictures stubs clean help
.DEFAULT_GOAL := help

# Installs into the environment $(1), from lock files or a folder: in a tenth of the time that pip
# takes. It does not read pip's configuration, which may name a mirror: where it fails, pip tries.
INSTALLER := .venv-uv
install = $(INSTALLER)/bin/uv pip install --quiet --python $(1)/bin/python $(2) $(3) || \
	$(INSTALLER)/bin/python -m pip --python $(1)/bin/python install --quiet --disable-pip-version-check $(2)
locked = $(call install,$(1),--require-hashes $(patsubst %,-r requirements/%.txt,$(2)),$(3))
editable = $(call install,$(1),--no-deps --no-build-isolation --editable .)
# What only targets below use has no pip, and of the modules of its packages those are compiled that
# are imported. LEAN=yes makes $(VENV) such an environment.
LEAN ?=

$(INSTALLER)/.ready: requirements/uv.txt
	$(PYTHON) -m venv $(INSTALLER)
	$(INSTALLER)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# What `make run` needs: a tenth of what the tests need.
$(RUNNABLE): requirements/build.txt requirements/experiments.txt requirements/examples.txt pyproject.toml | $(INSTALLER)/.ready
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 is needed, $(PYTHON) is {v[0]}.{v[1]}; name another with make PYTHON=...")'
	$(PYTHON) -m venv $(if $(LEAN),--without-pip )$(VENV)
	$(call locked,$(VENV),build experiments examples,$(if $(LEAN),,--compile-bytecode))
	$(call editable,$(VENV))
	@# Servers that are started by hand may not write it.
	$(BIN)/python -m compileall -q suggestion algorithms earlystopping conformance_tests
	@touch $@

$(READY): $(RUNNABLE) requirements/dev.txt
	$(call locked,$(VENV),dev,$(if $(LEAN),,--compile-bytecode))
	@touch $@

run: $(RUNNABLE) ## a whole experiment on this machine: TPE, 3 parallel trials, median stopping
	rm -rf runs/quickstart
	$(BIN)/suggest run examples/quickstart.yaml --directory runs/quickstart

test: $(READY) ## the tests that need nothing but Python, and kill nothing
	$(BIN)/python -m pytest $(TESTS) -n $(JOBS) --dist worksteal -m "not integration and not long"

test-integration: $(READY) ## the tests that take long, kill, or need databases, a browser or containers
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "integration and not machines"

test-long: $(READY) ## the tests that compute for many seconds
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "long and not integration"

test-machines: $(READY) ## trials on many machines: Slurm's own daemons on this one (needs slurm-wlm and munge, and root)
	$(BIN)/python -m pytest tests/slurm

test-ray: $(VENV)-integrations/.ready ## trials on Ray's own cluster of three nodes, on this machine
	$(VENV)-integrations/bin/python -m pytest tests/ray

$(VENV)-integrations/.ready: requirements/build.txt requirements/integrations.txt pyproject.toml | $(INSTALLER)/.ready
	$(PYTHON) -m venv --without-pip $(VENV)-integrations
	$(call locked,$(VENV)-integrations,build integrations)
	$(call editable,$(VENV)-integrations)
	@touch $@

test-integrations: $(VENV)-integrations/.ready ## the adapters for large libraries, in an environment of their own
	@# Those for scikit-learn are among the other tests, with the same release of it.
	$(VENV)-integrations/bin/python -m pytest tests/integrations --ignore tests/integrations/test_sklearn.py

test-conformance: $(READY) ## every server of ours against the strict conformance level
	$(BIN)/python -m pytest conformance_tests -n $(JOBS) --dist loadgroup

test-clients: $(READY) ## the example clients in other languages (needs npm)
	$(BIN)/python scripts/check_clients.py

test-images: $(READY) ## builds every image and tries it in containers (needs a Docker engine)
	$(BIN)/python scripts/images.py build
	@# A container gets half a processor; only the conformance suite, one at a time, gets a whole one.
	IMAGES_ARE_BUILT=1 $(BIN)/python -m pytest tests_images -n $$((2 * $(JOBS))) --dist loadgroup -o faulthandler_timeout=3600

test-cluster: $(READY) ## images and trials on a real Kubernetes, which the program $TEST_CLUSTER starts
	@# Most of the time they wait for the cluster.
	$(BIN)/python -m pytest tests_images/test_cluster.py tests_images/test_trials_on_kubernetes.py \
		-n $$(($(JOBS) + 1)) --dist worksteal -o faulthandler_timeout=3600

images: $(READY) ## builds every image
	$(BIN)/python scripts/images.py build

dockerfiles: $(READY) ## writes dockerfiles/ and deploy/ from the table of images
	$(BIN)/python scripts/dockerfiles.py

$(VENV)-sbom/.ready: requirements/sbom.txt | $(INSTALLER)/.ready
	$(PYTHON) -m venv --without-pip $(VENV)-sbom
	$(call locked,$(VENV)-sbom,sbom)
	@touch $@

sbom: $(READY) $(VENV)-sbom/.ready ## a bill of materials for each image, in build/sbom
	CYCLONEDX_PY=$(VENV)-sbom/bin/cyclonedx-py $(BIN)/python scripts/images.py sbom build/sbom

$(VENV)-docs/.ready: requirements/docs.txt | $(INSTALLER)/.ready
	$(PYTHON) -m venv --without-pip $(VENV)-docs
	$(call locked,$(VENV)-docs,docs)
	@touch $@

docs: $(VENV)-docs/.ready ## the documentation site, in build/site; a link to nothing is an error
	NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/mkdocs build

audit: $(READY) ## known vulnerabilities of the locked packages, as a report
	$(BIN)/python scripts/images.py audit

fuzz: $(READY) ## searches for requests, and outputs of trials, that break something, for SECONDS=3600 or until one is found
	$(BIN)/python scripts/fuzz.py $(SECONDS)

lint: $(READY) ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY) ## speed and memory, as ratios in one run
	$(BIN)/python -m benchmarks.core
	$(BIN)/python -m benchmarks.speed tpe multivariate-tpe cmaes bayesianoptimization
	$(BIN)/python -m benchmarks.bayesopt speed
	$(BIN)/python -m benchmarks.early_stopping
	$(BIN)/python -m benchmarks.experiments
	$(BIN)/python -m benchmarks.simulation
	$(BIN)/python -m benchmarks.face
	$(BIN)/python -m benchmarks.page

bench-regret: $(READY) ## prints the comparison of engines from the stored results
	$(BIN)/python -m benchmarks.regret report
	$(BIN)/python -m benchmarks.tradeoffs report
	$(BIN)/python -m benchmarks.conditions report
	$(BIN)/python -m benchmarks.earlier report

rivals: $(READY) ## builds an environment for each optimiser that we compare with, in build/rivals
	$(BIN)/python -m benchmarks.regret.rivals.environments

scoreboard: $(READY) ## writes docs/scoreboard.md and its pictures from the stored results
	$(BIN)/python -m benchmarks.regret.scoreboard

page: ## builds the page of `suggest ui` from frontend/ (needs npm)
	cd frontend && npm ci --silent --no-fund --no-audit --ignore-scripts && npm run --silent check && npm test --silent && \
		npm run --silent build

check-page: ## builds it elsewhere, and compares it with what is committed
	cd frontend && npm ci --silent --no-fund --no-audit --ignore-scripts && npm run --silent check && npm test --silent && \
		npm run --silent build -- ../build/page
	cmp build/page/app.js suggestion/views/web/static/app.js
	cmp build/page/app.css suggestion/views/web/static/app.css
	cmp build/page/index.html suggestion/views/web/static/index.html

pictures: $(READY) ## takes README's pictures of the page, of experiments that it runs (needs Chromium)
	$(BIN)/python scripts/pictures.py

stubs: $(READY) ## regenerates suggestion/api/v1beta1 from proto/api.proto
	$(BIN)/python scripts/generate_stubs.py

lock: $(READY) ## pins every dependency with its hashes, for all supported Pythons
	$(BIN)/python scripts/lock.py

clean: ## removes what the other commands made
	rm -rf .venv .venv-* build dist runs *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20
