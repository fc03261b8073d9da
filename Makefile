# Two commands on a fresh machine: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test slow check bench browser format clean

demo: $(VENV)/.ready-demo
	$(BIN)/python -m examples.demo

test: $(VENV)/.ready-dev browser
	$(BIN)/python -m pytest -q -n auto --dist loadgroup -m "not slow"

slow: $(VENV)/.ready-dev
	$(BIN)/python -m pytest -q -m slow

check: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/project/test_layers.py tests/project/test_docs.py

bench: $(VENV)/.ready-dev
	$(BIN)/python -m benchmarks.recall
	$(BIN)/python -m benchmarks.ingest
	$(BIN)/python -m benchmarks.query
	$(BIN)/python -m benchmarks.evaluation
	$(BIN)/python -m benchmarks.speech
	$(BIN)/python -m benchmarks.sounds
	$(BIN)/python -m benchmarks.calibration
	$(BIN)/python -m benchmarks.hubs
	$(BIN)/python -m benchmarks.negation
	$(BIN)/python -m benchmarks.feedback
	$(BIN)/python -m benchmarks.words
	$(BIN)/python -m benchmarks.scale --items 100000
	$(BIN)/python -m benchmarks.encoding
	$(BIN)/python -m benchmarks.compression
	$(BIN)/python -m benchmarks.copying
	$(BIN)/python -m benchmarks.serving
	$(BIN)/python -m benchmarks.shop
	$(BIN)/python -m benchmarks.medical
	$(BIN)/python -m benchmarks.moderation

browser:
	sh tests/page/browser.sh

format: $(VENV)/.ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build dist *.egg-info demo-output .mypy_cache .ruff_cache .pytest_cache

$(VENV)/.ready-%: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=24"
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	touch $@
