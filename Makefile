# Everything a newcomer, a developer or CI does here. `make` alone lists it.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
LOCKS := deploy/requirements
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.docs-installed
AUDIT_STAMP := $(VENV)/.audit-installed
SOAK_STAMP := $(VENV)/.soak-installed
SITE := build/docs
NODE_CLIENTS := tests/interop/node
NODE_STAMP := $(NODE_CLIENTS)/node_modules/.package-lock.json
# One more than two cores: a third of the time of the tests of servers is waiting. Each worker has a PostgreSQL and a
# Redis of its own.
WORKERS ?= 3
PYTEST_ARGS ?=

# pip asks no questions, and a version notice is nobody's business here.
export PIP_NO_INPUT := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test lint format docs reference audit bench soak lock servers clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with everything in it (Python 3.11 or newer)

# Made once: another Python laid over an environment that exists would break it.
$(BIN)/python:
	@echo "Installing into $(VENV), once. This takes about two minutes."
	@python=$$(deploy/scripts/find-python.sh) && echo "$$python -m venv $(VENV)" && "$$python" -m venv --clear $(VENV)

$(STAMP): $(LOCKS)/dev.txt setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --require-hashes -r $(LOCKS)/dev.txt
	$(BIN)/python -m pip install -qq --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP) ## the whole story in a minute, in a throw-away directory
	$(BIN)/python deploy/demo.py

serve: $(STAMP) ## run the vault on https://localhost:8443 with a lasting data directory
	$(BIN)/strongroom serve

test: $(STAMP) servers $(NODE_STAMP) lint ## lint, types, import contracts, then all tests on real PostgreSQL and Redis
	@# Python keeps bytecode even where it was told not to: each worker would compile all tests, and each command the package.
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS)

servers:
	@deploy/scripts/install-test-servers.sh

# Clients of other languages that the tests run, as the lock has them; npm leaves the stamp itself.
$(NODE_STAMP): $(NODE_CLIENTS)/package-lock.json | servers
	cd $(NODE_CLIENTS) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

lint: $(STAMP) ## style, types, import contracts, and the deployment files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/shellcheck deploy/scripts/*.sh .ci/run
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml

format: $(STAMP) ## let ruff format and mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What builds the site is installed at the first `make docs`; its lock agrees with that of everything else.
$(DOCS_STAMP): $(LOCKS)/docs.txt | $(STAMP)
	$(BIN)/python -m pip install --quiet --require-hashes -r $(LOCKS)/docs.txt
	@touch $@

docs: $(DOCS_STAMP) ## build the pages of docs/ as a site in build/docs; a broken link is an error
	$(BIN)/zensical build --clean --strict
	@deploy/scripts/no-other-hosts.sh $(SITE)
	@echo "Open $(SITE)/index.html in a browser."

reference: $(STAMP) ## write the pages of docs/ that are made from code
	$(BIN)/python -m deploy.reference

$(AUDIT_STAMP): $(LOCKS)/audit.txt | $(STAMP)
	$(BIN)/python -m pip install --quiet --require-hashes -r $(LOCKS)/audit.txt
	@touch $@

audit: $(AUDIT_STAMP) ## list the parts, their licences and known vulnerabilities; analyse SDK and command (OFFLINE=1)
	OFFLINE="$(OFFLINE)" $(BIN)/python -m deploy.audit

bench: $(STAMP) ## measure, in one run (BENCH="reads audit": these alone; AGAINST=COMMIT: compare with it)
	BENCH="$(BENCH)" AGAINST="$(AGAINST)" $(BIN)/python -m tests.bench

$(SOAK_STAMP): $(LOCKS)/soak.txt | $(STAMP)
	$(BIN)/python -m pip install --quiet --require-hashes -r $(LOCKS)/soak.txt
	@touch $@

soak: $(SOAK_STAMP) servers ## hours under load and failures, and fuzzers
	$(BIN)/pytest tests/soak

# The locks name no index: whoever installs from them says where from, and the hashes say what. Python 3.11 resolves
# them, because what only the oldest supported version needs would otherwise be missing.
LOCK = CUSTOM_COMPILE_COMMAND="make lock" PIP_FIND_LINKS= $(BIN)/pip-compile --quiet --generate-hashes --strip-extras \
	--allow-unsafe --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options $(UPGRADE)

# What is optional: key providers, buckets for backups; providers.txt is the server with all of it.
PROVIDERS = --extra awskms --extra pkcs11 --extra s3

lock: $(STAMP) ## solve the dependencies anew (UPGRADE=--upgrade takes newer versions)
	@$(BIN)/python -c 'import sys; sys.exit("make lock needs Python 3.11." if sys.version_info[:2] != (3, 11) else 0)'
	$(LOCK) --all-build-deps --extra server --extra async $(PROVIDERS) --extra dev -o $(LOCKS)/dev.txt pyproject.toml
	$(LOCK) -c $(LOCKS)/dev.txt --extra server -o $(LOCKS)/server.txt pyproject.toml
	$(LOCK) -c $(LOCKS)/dev.txt --extra server $(PROVIDERS) -o $(LOCKS)/providers.txt pyproject.toml
	$(LOCK) -c $(LOCKS)/dev.txt -o $(LOCKS)/base.txt pyproject.toml
	$(LOCK) -c $(LOCKS)/dev.txt --extra docs -o $(LOCKS)/docs.txt pyproject.toml
	$(LOCK) -c $(LOCKS)/dev.txt --extra audit -o $(LOCKS)/audit.txt pyproject.toml
	$(LOCK) -c $(LOCKS)/dev.txt --extra soak -o $(LOCKS)/soak.txt pyproject.toml
	$(LOCK) -c $(LOCKS)/dev.txt --only-build-deps --build-deps-for wheel -o $(LOCKS)/build.txt pyproject.toml

clean: ## remove what was built; data directories stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find vault tests deploy -name __pycache__ -type d -prune -exec rm -rf {} +
