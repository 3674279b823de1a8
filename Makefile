# Everything happens inside this folder: environments in .venv*, uv in .uv, the demo's state in .demo.
# Needs Python 3.10 to 3.13 with pip, and make; another Python than `python3`: make PYTHON=python3.12 ...

PYTHON ?= python3
# The day of the demo's DAG run.
DATE ?= 2026-03-02
# The releases of Airflow that test-matrix tries; empty: all of them.
VERSIONS ?=
# The benchmarks that `make bench` runs; empty: all of them.
BENCH ?=
# More arguments for pytest, for example: make test-fast PYTEST_ARGS="-k periods -x"
PYTEST_ARGS ?=

AIRFLOW_3 := 3.3.2
AIRFLOW_2 := 2.11.2
UV_VERSION := 0.13.9

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

# Version of Python and place of the checkout. Both are part of the stamps' names, since an environment is good for one of each.
TAG := $(shell $(PYTHON) -c 'import os, sys, zlib; v = sys.version_info; print("%d.%d.%d-%08x" % (v[0], v[1], v[2], zlib.crc32(os.getcwd().encode())) if (3, 10) <= v < (3, 14) else "unsupported")' 2>/dev/null)

UV := .uv/bin/uv
UV_READY := .uv/.ready-$(UV_VERSION)-$(TAG)
READY := .venv/.ready-$(TAG)
READY_2 := .venv-2.11/.ready-$(TAG)
READY_MINISTACK := .venv-ministack/.ready-$(TAG)
READY_DOCS := .venv-docs/.ready-$(TAG)
# Airflow 2.11 ends at Python 3.12: where PYTHON is newer, an older one on this machine is taken.
PYTHON_2 = $(if $(filter 3.13.%,$(TAG)),$(firstword $(foreach v,3.12 3.11 3.10,$(shell $(UV) python find $(v) 2>/dev/null))),$(PYTHON))

export UV_PYTHON_DOWNLOADS := never
# Where this is set, as in many container images, each start of Airflow compiles 1,700 modules anew: a third of its time.
unexport PYTHONDONTWRITEBYTECODE

##@ Use
.PHONY: help demo up demo-stop
help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: $(READY) ## run the hashtags DAG in an Airflow with an embedded AWS and show its tasks [DATE=2026-03-02]
	@.venv/bin/python -u -m demo run --date '$(DATE)'

up: $(READY) ## a whole Airflow with the embedded AWS and the example DAGs, to click through [PORT=8080]
	@.venv/bin/python -u -m demo up --port '$(PORT)'
PORT ?= 8080

demo-stop: ## end the demo's embedded AWS (its rows end with it)
	@if [ -x .venv/bin/python ]; then .venv/bin/python -m demo stop; else echo "No demo here."; fi

##@ Develop
.PHONY: test test-3.3 test-2.11 test-airflow test-browser test-fast test-matrix test-celery test-kills bench lint format build constraints ministack clean
test: test-3.3 test-2.11 ## all tests: everything on Airflow 3.3, then what depends on Airflow on 2.11

test-3.3: $(READY) $(READY_2) $(READY_MINISTACK)
	.venv/bin/python -m pytest $(SPREAD) $(OF_THEIR_OWN) $(PYTEST_ARGS)
# Whole Airflows with their schedulers have commands of their own: test-airflow, test-browser, test-celery, test-matrix.
OF_THEIR_OWN := $(addprefix --ignore=tests/system/,airflow_runs browser celery)

# Two at a time; the tests of a file stay together, since they share what they set up.
SPREAD = -n $(WORKERS) --dist loadfile
WORKERS ?= 2

test-2.11: $(READY_2) $(READY_MINISTACK)
	@if [ -x .venv-2.11/bin/python ]; then set -x; .venv-2.11/bin/python -m pytest $(SPREAD) $(AIRFLOW_FREE) $(OF_THEIR_OWN) $(PYTEST_ARGS); \
	else echo "NOT RUN: the tests on Airflow $(AIRFLOW_2). It needs Python 3.10 to 3.12, and there is none on this machine."; fi
# What knows no Airflow behaves the same under both, and the first run has tried the built wheel with both. The demo is 3.3 only.
AIRFLOW_FREE := $(addprefix --ignore=tests/,differential support unit/jobs integration/crashes integration/docs integration/stores integration/scheduling integration/waiting integration/doctor system/packaging system/test_demo.py)

test-kills: $(READY) $(READY_MINISTACK) ## the large run of the crash tests: 200 kills on each emulator [KILLS=200]
	SOSW_TEST_KILLS=$(KILLS) .venv/bin/python -m pytest tests/integration/crashes/test_kills.py -s $(PYTEST_ARGS)
KILLS ?= 200

test-airflow: $(READY) $(READY_2) $(READY_MINISTACK) ## schedules, backfills, clears in running Airflows, 3.3 and 2.11
	.venv/bin/python -m pytest tests/system/airflow_runs $(PYTEST_ARGS)
	.venv-2.11/bin/python -m pytest tests/system/airflow_runs $(PYTEST_ARGS)

test-browser: $(READY) $(READY_2) ## the forms in the UIs of Airflow 3.3 and 2.11; needs chromium and chromedriver on the machine
	@if ! [ -x /usr/bin/chromium ] || ! [ -x /usr/bin/chromedriver ]; then \
	  echo "NOT RUN: chromium is not installed. Debian has it in the packages chromium and chromium-driver."; \
	else set -ex; $(UV) pip install --quiet --python .venv --target build/browser/packages --group browser; \
	  PYTHONPATH=build/browser/packages .venv/bin/python -m pytest tests/system/browser $(PYTEST_ARGS); fi

test-fast: $(READY) ## the tests without the slow ones, on Airflow 3.3
	.venv/bin/python -m pytest -m "not slow" $(PYTEST_ARGS)

test-matrix: $(READY) $(READY_MINISTACK) ## each supported release of Airflow, one after the other, in .matrix/: about two minutes each [VERSIONS=3.0.6]
	.venv/bin/python -m tests.system.matrix --uv $(UV) $(VERSIONS)

test-celery: $(UV_READY) $(READY_MINISTACK) ## mapped jobs on two Celery workers, one of them killed; needs redis-server and postgresql on the machine
	$(UV) venv --quiet --clear --python '$(PYTHON)' .venv-celery
	$(UV) pip install --quiet --python .venv-celery --group test --editable . hatchling 'apache-airflow==$(AIRFLOW_3)' \
	  apache-airflow-providers-celery apache-airflow-providers-postgres 'celery<5.7' redis
	.venv-celery/bin/python -m pytest tests/system/celery $(PYTEST_ARGS)
# The newest provider for Celery does not know Celery 5.7 yet.

bench: $(READY) $(READY_MINISTACK) ## how fast it is, beside sosw and other floors: tables, and JSON in build/benchmarks [BENCH="expansion plan"]
	$(UV) pip install --quiet --python .venv --target build/benchmarks/packages --group bench
	PYTHONPATH=build/benchmarks/packages .venv/bin/python -m benchmarks all $(if $(BENCH),--only $(BENCH))

lint: $(READY) ## ruff, mypy, import boundaries
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format: $(READY) ## sort imports, mend what ruff can mend, format
	.venv/bin/ruff check --fix-only --exit-zero --quiet .
	.venv/bin/ruff format .

docs: $(READY_DOCS) ## the documentation as a site, into build/docs; a warning fails it
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict
	@echo "build/docs/index.html"

build: $(UV_READY) ## wheel and sdist into dist/
	rm -rf dist
	$(UV) build --quiet --python '$(PYTHON)' --build-constraints constraints/airflow-3.3.txt --out-dir dist
	@ls dist

constraints: $(UV_READY) ## resolve the pinned versions of the environments anew
	echo 'apache-airflow==$(AIRFLOW_3)' | $(COMPILE) pyproject.toml - --group dev -o constraints/airflow-3.3.txt
	echo 'apache-airflow==$(AIRFLOW_2)' | $(COMPILE) pyproject.toml - --group dev -o constraints/airflow-2.11.txt
	$(COMPILE) --group ministack -o constraints/ministack.txt
	$(COMPILE) --group docs -o constraints/docs.txt
# Universal: one file for Python 3.10 and newer and for each platform. Neither hosts nor paths get into it.
COMPILE = $(UV) pip compile --quiet --upgrade --universal --python-version 3.10 --no-header --no-annotate --no-emit-index-url --no-emit-find-links

ministack: $(READY_MINISTACK) ## the environment of the emulator that the tests use beside moto

clean: demo-stop ## remove the environments and everything else that this Makefile made
	rm -rf .demo .matrix .uv .venv .venv-2.11 .venv-celery .venv-docs .venv-ministack build dist
	rm -rf .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment is made from nothing whenever its stamp is missing or older than what it is made of; the stamp comes last. So
# an interrupted set-up is made again, and nothing stale survives. With uv's cache this takes seconds.
$(UV_READY):
	@if [ -z '$(TAG)' ] || [ '$(TAG)' = unsupported ]; then \
	  echo "$(PYTHON) is not Python 3.10 to 3.13. Name one that is: make PYTHON=python3.12 ..." >&2; exit 1; fi
	@echo "Setting up uv"
	@rm -rf .uv
	@PIP_ROOT_USER_ACTION=ignore $(PYTHON) -m pip install --quiet --disable-pip-version-check --no-warn-script-location --target .uv 'uv==$(UV_VERSION)'
	@touch $@

$(READY): pyproject.toml constraints/airflow-3.3.txt $(UV_READY)
	@echo "Setting up .venv (Airflow $(AIRFLOW_3))"
	@$(UV) venv --quiet --clear --python '$(PYTHON)' .venv
	@$(UV) pip install --quiet --python .venv --group dev --editable . 'apache-airflow==$(AIRFLOW_3)' \
	  --constraints constraints/airflow-3.3.txt --build-constraints constraints/airflow-3.3.txt
	@touch $@

$(READY_2): pyproject.toml constraints/airflow-2.11.txt $(UV_READY)
	@echo "Setting up .venv-2.11 (Airflow $(AIRFLOW_2))"
	@rm -rf .venv-2.11 && mkdir .venv-2.11
	@if [ -z '$(PYTHON_2)' ]; then echo "No Python 3.10 to 3.12 on this machine: Airflow $(AIRFLOW_2) is left out."; else \
	  $(UV) venv --quiet --clear --python '$(PYTHON_2)' .venv-2.11 && \
	  $(UV) pip install --quiet --python .venv-2.11 --group dev --editable . 'apache-airflow==$(AIRFLOW_2)' \
	    --constraints constraints/airflow-2.11.txt --build-constraints constraints/airflow-2.11.txt; fi
	@touch $@

$(READY_MINISTACK): pyproject.toml constraints/ministack.txt $(UV_READY)
	@echo "Setting up .venv-ministack"
	@$(UV) venv --quiet --clear --python '$(PYTHON)' .venv-ministack
	@$(UV) pip install --quiet --python .venv-ministack --group ministack --constraints constraints/ministack.txt
	@touch $@

$(READY_DOCS): pyproject.toml constraints/docs.txt $(UV_READY)
	@echo "Setting up .venv-docs"
	@$(UV) venv --quiet --clear --python '$(PYTHON)' .venv-docs
	@$(UV) pip install --quiet --python .venv-docs --group docs --constraints constraints/docs.txt
	@touch $@
