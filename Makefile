# `make` alone prints the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-bench
OLDEST := .venv-oldest
RECIPES := .venv-recipes
DEMO := demo

.DEFAULT_GOAL := help
.PHONY: help demo browser partners test oldest lint types package check tables docs pictures recipes bench clean

help:  ## print the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

# Dependency groups need pip 25.1; the pip of a new environment may be older.
$(VENV)/.developing: pyproject.toml | $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[report,cluster]' --group dev
	@touch $@

demo: $(VENV)/.installed  ## install, learn on the embedded digits, score the predictions, draw a sample
	@mkdir -p $(DEMO)
	$(BIN)/mnistloss baseline softmax --dataset mnist-5k --out $(DEMO)/preds.npy
	$(BIN)/mnistloss eval $(DEMO)/preds.npy --dataset mnist-5k --loss cee --loss mse
	$(BIN)/mnistloss sample --dataset mnist-5k --batch-size 10 --seed 1

browser:  ## get what the tests in a browser need: Chromium, where root and apt-get are, and axe-core, where npm is
	@[ "$$(id -u)" = 0 ] && room=$$(mktemp -d) && chmod 1777 $$room && export TMPDIR=$$room && \
	    { apt-get update -qq; apt-get install -qq -y --no-install-recommends chromium chromium-driver; } >/dev/null \
	    || echo "no Chromium was installed"
	@npm ci --silent --prefix tests/browser || echo "no axe-core was installed"

partners: $(VENV)/.developing  ## get what some tests use beside the project: DVC, and NumPy 1.26 for a worker
	@[ -d $(VENV)/numpy-1.26 ] || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	    --target $(VENV)/numpy-1.26 numpy==1.26.4 || echo "NumPy 1.26 does not install with this Python"
	@[ -x $(VENV)/dvc/bin/dvc ] || { $(PYTHON) -m venv $(VENV)/dvc && \
	    $(VENV)/dvc/bin/python -m pip install --quiet --disable-pip-version-check dvc; } || echo "no DVC was installed"

test: $(VENV)/.developing  ## pass the tests
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

$(OLDEST)/.installed: pyproject.toml
	$(PYTHON) -m venv --clear $(OLDEST)
	sed -nE 's/^    "([a-z0-9-]+)>=([0-9.]+)",$$/\1==\2/p' pyproject.toml > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check \
	    --constraint $(OLDEST)/constraints.txt --editable '.[report,cluster]' --group dev
	@touch $@

oldest: $(OLDEST)/.installed  ## pass the tests with the least allowed versions of all dependencies
	$(OLDEST)/bin/python -m pytest --numprocesses auto --dist loadfile --ignore tests/test_browser.py

lint: $(VENV)/.developing  ## check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.developing  ## check types, and that all public names have them
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" pyright --verifytypes mnistloss --ignoreexternal

package: $(VENV)/.developing  ## build wheel and sdist, install each in a fresh environment and use it
	rm -rf dist
	$(BIN)/python -m build --outdir dist . >/dev/null
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl
	for built in dist/*.whl dist/*.tar.gz; do \
	    rm -rf dist/venv && $(PYTHON) -m venv dist/venv && \
	    dist/venv/bin/pip install --quiet --disable-pip-version-check "$$built[report]" && \
	    (cd dist && venv/bin/mnistloss baseline prior --dataset mnist-5k --out preds.npy >/dev/null && \
	    venv/bin/mnistloss eval preds.npy --dataset mnist-5k --format json | grep -q 2.3025840929945 && \
	    venv/bin/mnistloss report preds.npy --dataset mnist-5k -o report.html && grep -q 2.3025841 report.html) || exit 1; \
	    echo "$$built installs and works"; \
	done

check: lint types test package  ## all of the above, exactly what CI runs

$(VENV)/.documenting: pyproject.toml | $(VENV)/.developing
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group docs
	@touch $@

docs: $(VENV)/.documenting  ## build the documents as web pages, in site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

tables: $(VENV)/.installed  ## write the table of losses into docs/reference.md
	$(BIN)/python docs/tables.py

pictures: $(VENV)/.developing  ## make the pictures of the documents
	$(BIN)/python docs/pictures/make.py
	$(BIN)/python docs/pictures/report.py

# CI runs those of two frameworks: FRAMEWORKS='torch==2.13.0 scikit-learn'
FRAMEWORKS := torch==2.13.0 keras jax scikit-learn xgboost

recipes: pyproject.toml  ## run the recipes of docs/how-to.md with the real frameworks
	[ -d $(RECIPES) ] || $(PYTHON) -m venv $(RECIPES)
	$(RECIPES)/bin/python -m pip install --quiet --disable-pip-version-check --editable . pytest hypothesis $(FRAMEWORKS)
	$(RECIPES)/bin/python -m pytest -s tests/test_recipes.py

# Not editable: installed as users have it, with its bytecode, which an interpreter may be told not to write.
$(BENCH)/.installed: pyproject.toml benchmarks/requirements.txt $(shell find mnistloss -name '*.py')
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check . -r benchmarks/requirements.txt
	@touch $@

bench: $(BENCH)/.installed  ## measure speed beside what people would use instead; ARGS='--only help' for some of it
	$(BENCH)/bin/python -m benchmarks $(ARGS)

clean:  ## remove what the targets made
	rm -rf $(VENV) $(BENCH) $(OLDEST) $(RECIPES) $(DEMO) dist site tests/browser/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis
