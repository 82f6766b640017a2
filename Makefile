# Two commands set everything up on a machine with Python 3.11:
#   make demo    the main job on synthetic domestic scenes
#   make test    the tests
PYTHON ?= python3
VENV ?= .venv
CONFIG ?= demo
WORKDIR ?= runs/$(CONFIG)
WORKERS ?= 2
BIN := $(VENV)/bin

.PHONY: demo test lint clean

demo: $(VENV)/installed
	$(BIN)/audiotag-nas run --config=$(CONFIG) --workdir=$(WORKDIR) \
		--runner=process --workers=$(WORKERS)

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) runs

$(VENV)/installed: setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@
