# Every command a person or CI needs. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests wait for sockets and processes a third of their time: three workers for two cores.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(max(2, (os.cpu_count() or 2) * 3 // 2))')

.DEFAULT_GOAL := help
.PHONY: help install demo up test check format docs soak bench figures sizes lock clean

help:  ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/.installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (the first time takes a minute)"
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

install: $(BIN)/.installed  ## make .venv with everything, development tools included

demo: install  ## one signup followed to its login URL, on the local Lagoon (KEEP=1 leaves it running)
	@$(BIN)/polydock demo $(if $(KEEP),--keep)

up: install  ## the whole stack in the foreground, until Ctrl-C
	@$(BIN)/polydock up

test: install  ## the whole suite: unit, integration, end to end; SQLite and Postgres
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

check: install  ## format, lint, types, import contracts, spelling, secrets, sizes
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports
	@$(BIN)/codespell
	@$(BIN)/detect-secrets-hook --baseline .secrets.baseline $$(git ls-files)
	@$(BIN)/python -m tests.sizes --check

format: install  ## let ruff write
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

docs: install  ## draw docs/lifecycle.md, docs/app-types.md, docs/bad-days.md and README's settings from the code
	@$(BIN)/python -m polydock_pipelines.lifecycle.drawing > docs/lifecycle.md
	@$(BIN)/python -m polydock_pipelines.apps.drawing > docs/app-types.md
	@$(BIN)/python -m tests.baddays.drawing > docs/bad-days.md
	@$(BIN)/python -m polydock_pipelines.cli.settings_table README.md

soak: install  ## random lives for a night: make soak SEEDS=50000
	@$(BIN)/python -m tests.baddays.soak $(or $(SEEDS),1000)

bench: install  ## measure, print a table, write benchmarks/results/latest.json: make bench ONLY=burst,idle
	@$(BIN)/python -m benchmarks.run $(if $(ONLY),--only $(ONLY)) $(BENCH)

figures: install  ## write README's figures from benchmarks/results/latest.json: make figures BLOCK=trials
	@$(BIN)/python -m benchmarks.readme $(BLOCK)

sizes: install  ## print the sizes of functions, classes and modules
	@$(BIN)/python -m tests.sizes

lock:  ## pin again what requirements.in asks for
	@$(PYTHON) -m venv .lock-venv && .lock-venv/bin/pip install -q -r requirements.in
	@(echo "# Pinned by 'make lock' from requirements.in."; .lock-venv/bin/pip freeze) > requirements.lock
	@rm -rf .lock-venv

clean:  ## remove what the commands above made
	@rm -rf $(VENV) .polydock
