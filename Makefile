# Everything that is done with this project. `make` alone explains.

PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python
STAMP  := $(VENV)/.installed
HELPER := device_scripts/pcm/SHA256SUMS

# What Python has compiled is kept: the tests start `offhook` hundreds of times.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test phone bench stops faults soak load idle profiles lint format helper venv wheel clean deps-demo deps-test

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: deps-demo venv helper ## Start a lab phone, record three calls, find them: the whole of Offhook
	@$(RUN) -m tests.demo

test: deps-test venv helper lint ## Install what is needed, check everything
	@$(RUN) -m pytest -n 4 --no-loadscope-reorder

phone: deps-demo venv helper ## Have a lab phone running, to play with
	@$(RUN) -m tests.lab start $(ARGS)

bench: deps-demo venv helper ## Measure, beside adb and others, and from a call's end to its row
	@$(RUN) -m tests.bench $(ARGS)

stops: deps-demo venv helper ## Kill something at random points of enable, calls and disable, and look
	@$(RUN) -m tests.stops $(ARGS)

faults: deps-demo venv ## Break `sync` at random system calls, over and over, and look
	@$(RUN) -m tests.faults $(ARGS)

soak: deps-demo venv helper ## Record hundreds of calls in a row, and look
	@$(RUN) -m tests.soak $(ARGS)

load: deps-demo venv ## Let many phones record at once under one watch, and look
	@$(RUN) -m tests.load $(ARGS)

idle: deps-demo venv helper ## Look what `offhook watch` costs while nothing happens
	@$(RUN) -m tests.idle $(ARGS)

profiles: deps-demo venv helper ## Enable, record and disable on a lab phone of each kind, and look
	@$(RUN) -m tests.profiles $(ARGS)

lint: deps-test venv ## Check style, types and shell scripts
	@$(RUN) -m ruff check --quiet .
	@$(RUN) -m ruff format --check --quiet .
	@$(RUN) -m mypy --no-error-summary
	@shellcheck scripts/deps .ci/run tests/lab/usb/cable.sh tests/lab/systemd.sh
	@cd device_scripts && shellcheck -x *.sh module/*.sh
	@cd tests/lab/android && shellcheck -x $$(grep -lE '^#!/system/bin/sh' -r lab bin)
	@$(RUN) scripts/help-texts --check

format: venv ## Format the Python code, and write the help texts into the docs
	@$(RUN) -m ruff check --quiet --fix . ; $(RUN) -m ruff format --quiet .
	@$(RUN) scripts/help-texts

helper: venv ## Build the PCM helper for every kind of phone
	@$(RUN) device_scripts/pcm/build.py

wheel: venv helper ## Build the wheel, with the helper in it
	@$(RUN) -m hatchling build -t wheel

venv: $(STAMP) ## Make .venv with everything in it

$(STAMP): pyproject.toml | deps-python
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Offhook needs Python 3.11 or later: make PYTHON=python3.12 …' >&2; exit 1; }
	@echo 'Making .venv'
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --upgrade 'pip>=25.1'
	@$(RUN) -m pip install --quiet --editable '.[audio,usb,mdns]' --group dev
	@touch $@

.PHONY: deps-python
deps-python:
	@scripts/deps python sound

deps-demo:
	@scripts/deps python sound lab

deps-test:
	@scripts/deps python sound lab check

clean: ## Remove what was built here (the lab phone's cache stays)
	rm -rf $(VENV) build dist device_scripts/pcm/bin
