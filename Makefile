# make help lists the targets. All that is derived lies in .venv, build and
# docs/examples, none of it tracked.

PYTHON ?= python3
BIN := .venv/bin
# "Edit this page" needs to know where the sources are; nothing else does.
export REPOSITORY ?= $(shell git config --get remote.origin.url | grep ^https)
export TF_CPP_MIN_LOG_LEVEL = 3
# Two frameworks in one process: their thread pools would fight over few cores.
export OMP_NUM_THREADS ?= 1
# pip has compiled what it installed; the sources here need no litter.
export PYTHONDONTWRITEBYTECODE = 1

SOURCES := $(shell find src gallery tests -not -name '*.pyc') \
  $(shell find docs -path docs/examples -prune -o -type f -print) \
  conf.py pyproject.toml Makefile README.md CONTRIBUTING.md CHANGELOG.md
# Each test process imports both frameworks: 1 GB of memory apiece.
JOBS ?= 2
# Pages and twins are shown in panes of half the width.
NARROW := gallery $(wildcard src/migrate_examples/*/in_*.py)
WIDE := src tests conf.py
SPHINX := $(BIN)/sphinx-build -n -c . $(SPHINXOPTS) docs build/html

.PHONY: help site serve test lint check-rows symbols check-site format clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

site: build/html/.stamp  ## build the site into build/html
	@echo "The site is built. Open build/html/index.html in a browser, or run: make serve"

# Python for browsers, which the page that scans loads. npm compares what it
# fetched with the registry's checksum; nothing of it is tracked.
PYODIDE := 314.0.7
build/pyodide/$(PYODIDE): .venv/stamp
	@rm -rf build/pyodide && mkdir -p build/pyodide
	@cd build/pyodide && PATH="$(CURDIR)/$(BIN):$$PATH" npm pack --silent pyodide@$(PYODIDE) >/dev/null \
	  && tar -xzf pyodide-$(PYODIDE).tgz --strip-components=1 && rm pyodide-$(PYODIDE).tgz
	@touch $@

build/html/.stamp: .venv/stamp build/pyodide/$(PYODIDE) $(SOURCES)
	$(SPHINX)
	@touch $@

serve: .venv/stamp build/pyodide/$(PYODIDE)  ## open the site, rebuilt at each change
	$(BIN)/sphinx-autobuild -n -c . docs build/html --open-browser \
	  --watch src --watch gallery --re-ignore '/docs/examples/' --re-ignore '/build/'

test: lint build/test.stamp  ## lint, types, unit tests and doctests
	@echo "All checks passed, now or when the sources last changed; make -B test runs them again."

build/test.stamp: .venv/stamp $(SOURCES)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile
	@touch $@

lint: build/lint.stamp  ## formatting, ruff and mypy

build/lint.stamp: .venv/stamp $(SOURCES)
	$(BIN)/ruff format --check $(WIDE) --exclude 'in_*.py'
	$(BIN)/ruff format --check --line-length 64 $(NARROW)
	$(BIN)/ruff check $(WIDE)
	$(BIN)/ruff check --line-length 64 $(NARROW)
	$(BIN)/mypy src tests conf.py
	@touch $@

check-rows: .venv/stamp  ## what is wrong with rows of the map: ROWS='tf.nn tf.abs'
	$(BIN)/python -m migrate_examples.api_map.check $(ROWS)

symbols: .venv/stamp  ## renew the lists of names from the installed frameworks
	$(BIN)/python -m migrate_examples.api_map.generate

check-site: site  ## read the built pages as a browser and a reader would
	$(BIN)/python -m pytest tests/built_site

format: .venv/stamp  ## rewrite the sources as lint wants them
	$(BIN)/ruff check --fix --quiet $(WIDE) || true
	$(BIN)/ruff format $(WIDE) --exclude 'in_*.py'
	$(BIN)/ruff format --line-length 64 $(NARROW)

clean:  ## remove all that is derived, but for .venv
	rm -rf build dist docs/examples

.venv/stamp: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else \
	  f"This needs Python 3.11 to 3.13; $(PYTHON) is {v[0]}.{v[1]}. Name another one: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@
