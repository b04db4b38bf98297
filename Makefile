# `make install`, `make demo`, `make test`, `make test-ray`, `make test-packages`, `make wheel`, `make lint`, `make conformance`, `make bench`, `make quality`, `make screenshots`: each can be repeated, a second run installs nothing.
# The first of these that is new enough; name another with `make PYTHON=… install`.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c '$(NEW_ENOUGH)' 2>/dev/null && { echo $$name; break; }; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# The build of the package itself is pinned too: pip before 25.3 looks at the first of these for it, later ones at the second.
export PIP_CONSTRAINT := constraints/all.txt
export PIP_BUILD_CONSTRAINT := constraints/all.txt
# Images for containers often set it; then every process compiles all of Sartor anew, for a second.
export PYTHONDONTWRITEBYTECODE :=
INSTALLED := .venv/.installed
TESTED := .venv/.installed-test
BENCHED := .venv/.installed-bench
RAYED := .venv/.installed-ray
PACKAGED := .venv/.installed-packages

.PHONY: install demo test test-ray test-packages wheel lint docs conformance bench quality screenshots clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints/all.txt
	@$(or $(PYTHON),false) -c '$(NEW_ENOUGH)' || { echo "Sartor needs Python 3.11 or newer; name one with: make PYTHON=python3.12 install" >&2; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(PIP) install --quiet --editable '.[postgres,torch,uvloop,oidc,tls,console]'
	@touch $@

$(TESTED): $(INSTALLED) constraints/all.txt
	$(PIP) install --quiet --editable '.[postgres,torch,uvloop,oidc,tls,console,test]'
	@touch $@

$(BENCHED): $(INSTALLED) constraints/bench.txt
	$(PIP) install --quiet --constraint constraints/bench.txt --editable '.[postgres,torch,uvloop,oidc,tls,console,bench]'
	@touch $@

$(RAYED): $(TESTED) constraints/ray.txt
	$(PIP) install --quiet --constraint constraints/ray.txt --editable '.[postgres,torch,uvloop,oidc,tls,console,test,ray]'
	@touch $@

$(PACKAGED): $(TESTED) constraints/packages.txt
	$(PIP) install --quiet --constraint constraints/packages.txt --editable '.[postgres,torch,uvloop,oidc,tls,console,test,packages]'
	@touch $@

demo: $(INSTALLED)
	$(BIN)/sartor demo

test: $(TESTED)
	$(BIN)/python -m pytest -n 2

# Ray is 254 MB and its clusters start slowly: what needs one is skipped by `make test`.
test-ray: $(RAYED)
	$(BIN)/python -m pytest -n 0 tests/contract/test_compute.py tests/unit/compute tests/on_ray

# The linters of Dockerfile, compose files and chart are 450 MB, and wheel and image are built anew: skipped by `make test`.
test-packages: $(PACKAGED)
	$(BIN)/python -m pytest -n 0 tests/packages

wheel: $(INSTALLED)
	$(BIN)/python deploy/wheel.py dist

lint: $(TESTED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(INSTALLED)
	$(BIN)/python docs/generate.py

conformance: $(INSTALLED)
	$(BIN)/python -m conformance

bench: $(BENCHED)
	$(BIN)/python -m bench

quality: $(INSTALLED)
	$(BIN)/python -m quality

# Every page of the console in light, dark and on a small screen, in build/screenshots.
screenshots: $(TESTED)
	$(BIN)/python tests/console/screenshots.py build/screenshots

clean:
	rm -rf .venv build dist
