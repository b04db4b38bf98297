# `make install`, `make demo`, `make test`, `make lint`, `make bench`: each can be repeated, a second run installs nothing.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALLED := .venv/.installed
TESTED := .venv/.installed-test
BENCHED := .venv/.installed-bench

.PHONY: install demo test lint docs bench clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints/all.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Sartor needs Python 3.11 or newer; name one with: make PYTHON=python3.12 install" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install --quiet --constraint constraints/all.txt --editable '.[postgres]'
	@touch $@

$(TESTED): $(INSTALLED) constraints/all.txt
	$(PIP) install --quiet --constraint constraints/all.txt --editable '.[postgres,test]'
	@touch $@

$(BENCHED): $(INSTALLED) constraints/bench.txt
	$(PIP) install --quiet --constraint constraints/all.txt --constraint constraints/bench.txt --editable '.[postgres,bench]'
	@touch $@

demo: $(INSTALLED)
	$(BIN)/sartor demo

test: $(TESTED)
	$(BIN)/python -m pytest -n 2

lint: $(TESTED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(INSTALLED)
	$(BIN)/python docs/generate.py

bench: $(BENCHED)
	$(BIN)/python -m bench

clean:
	rm -rf .venv build dist
