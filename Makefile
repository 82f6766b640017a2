# Each command sets up what it needs; Python 3.11 or later must be installed.
#   make demo          the main job on synthetic domestic scenes
#   make test          the tests
#   make test-tfio     remote storage and the core tests, in a separate
#                      environment with older libraries
#   make test-browser  TensorBoard's page in Chromium (installed with apt-get)
PYTHON ?= python3
VENV ?= .venv
CONFIG ?= demo
WORKDIR ?= runs/$(CONFIG)
WORKERS ?= 2
BIN := $(VENV)/bin
TFIO_VENV ?= .venv-tfio
TFIO_BIN := $(TFIO_VENV)/bin
# One file per core at a time, in the order of tests/conftest.py: xdist would
# order the files by their number of tests, not by their duration.
SIDE_BY_SIDE := --numprocesses=2 --dist=loadfile --no-loadscope-reorder
# Tests that older libraries could break, without Ray and keras-tuner;
# tests_tfio runs the main job.
TFIO_CORE := tests/config/test_experiment.py tests/config/test_section.py \
	tests/data/test_audio.py tests/data/test_feature_writer.py \
	tests/data/test_log_mel.py tests/data/test_pipeline.py \
	tests/models/test_crnn.py tests/models/test_layers.py \
	tests/search/reinforce/test_reward_model.py \
	tests/search/reinforce/test_searcher.py \
	tests/search/searchers/test_reinforce_plain.py tests/search/test_loop.py \
	tests/serving/test_export.py tests/serving/test_model_directory.py \
	tests/serving/test_saved_model.py tests/training/test_trainer.py

.PHONY: demo test test-tfio test-browser chromium lint clean

demo: $(VENV)/installed
	$(BIN)/audiotag-nas run --config=$(CONFIG) --workdir=$(WORKDIR) \
		--runner=process --workers=$(WORKERS)

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

test-tfio: $(TFIO_VENV)/installed
	$(TFIO_BIN)/python -m pytest $(SIDE_BY_SIDE) tests_tfio $(TFIO_CORE)

test-browser: $(VENV)/installed-dev chromium
	$(BIN)/python -m pytest tests_browser

# Debian's packages provide a browser and a driver of the same version.
chromium:
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null \
	|| { command -v apt-get >/dev/null \
	    && apt-get update -qq && apt-get install -qq --no-install-recommends \
	        --yes chromium chromium-driver >/dev/null; } \
	|| { echo "make test-browser: chromium and chromedriver must be on PATH," \
	    "and apt-get could not install them (as root:" \
	    "apt-get install chromium chromium-driver)." >&2; exit 1; }

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) $(TFIO_VENV) runs

$(VENV)/installed: setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

$(TFIO_VENV)/installed: setup.py
	$(PYTHON) -m venv $(TFIO_VENV)
	$(TFIO_BIN)/python -m pip install --quiet --upgrade pip
	$(TFIO_BIN)/python -m pip install --quiet --editable ".[tfio,dev-tfio]"
	touch $@
