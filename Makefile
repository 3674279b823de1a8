# Everything happens inside this folder. Needs Python 3.10 to 3.13 with pip; another than `python3`: make PYTHON=python3.12 ...
PYTHON ?= python3
# The day of the demo's DAG run, and the port of the demo's Airflow.
DATE ?= 2026-03-02
PORT ?= 8080
# More arguments for pytest: make test-fast PYTEST_ARGS="-k periods -x"
PYTEST_ARGS ?=
# Test files that run at the same time. The tests of one file stay together, since they share what they set up.
WORKERS ?= 2

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# Version of Python and place of the checkout: both are in the stamps' names, since an environment is good for one of each.
TAG := $(shell $(PYTHON) -c 'import os, sys, zlib; v = sys.version_info; print("%d.%d.%d-%08x" % (v[0], v[1], v[2], zlib.crc32(os.getcwd().encode())) if (3, 10) <= v < (3, 14) else "unsupported")' 2>/dev/null)
UV := .uv/bin/uv
stamp = $1/.ready-$(TAG)
UV_READY := $(call stamp,.uv)
READY := $(call stamp,.venv)
READY_2 := $(call stamp,.venv-2.11)
READY_MINISTACK := $(call stamp,.venv-ministack)
TEST = $(or $1,.venv)/bin/python -m pytest -n $(WORKERS) --dist loadfile
# What needs Airflows of its own; what runs untraced, since coverage doubles its time for lines that others cover; what no Airflow changes.
WHOLE_AIRFLOWS := $(addprefix --ignore=tests/system/,airflow_runs browser celery)
UNTRACED := $(addprefix tests/,integration/cli/test_permissions_of_commands.py integration/cli/test_reference.py integration/crashes integration/docs integration/exploration integration/orchestration/test_migration.py integration/orchestration/test_real_functions.py integration/orchestration/test_transition_model.py integration/test_counters.py integration/test_example_dags.py integration/test_import_manners.py integration/test_parse_time.py integration/test_permissions.py integration/test_scale.py integration/ui/test_robustness.py unit/jobs/test_memory.py unit/test_benchmarks.py unit/test_every_deferral.py unit/test_every_entrance.py unit/test_every_entrance_of_airflow.py unit/test_every_stored_entrance.py)
AIRFLOW_FREE := $(addprefix --ignore=tests/,differential support unit/config unit/jobs unit/orchestration unit/stores unit/waiting unit/test_benchmarks.py unit/test_every_entrance.py unit/test_every_stored_entrance.py integration/crashes integration/docs integration/sources integration/stores integration/scheduling integration/waiting integration/doctor integration/exploration integration/orchestration integration/provision integration/test_counters.py integration/test_permissions.py integration/test_scale.py integration/cli/test_permissions_of_commands.py system/packaging system/test_demo.py)

export UV_PYTHON_DOWNLOADS := never
export COVERAGE_CORE := ctrace
# In many container images this is set; then each start of Airflow compiles 1,700 modules again: a third of its time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo up demo-stop test test-3.3 test-2.11 test-lowest test-fast test-airflow test-matrix test-browser test-celery test-kills test-pairs fuzz explore bench bench-check check-all lint format docs generate build constraints ministack clean
##@ Use
help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9.-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile
demo: $(READY) $(READY_MINISTACK) ## a first DAG with an embedded AWS [DATE=2026-03-02]
	@exec .venv/bin/python -u -m demo run --date '$(DATE)'
up: $(READY) $(READY_MINISTACK) ## an Airflow with all example DAGs, to click [PORT=8080]
	@exec .venv/bin/python -u -m demo up --port '$(PORT)'
demo-stop: ## end the embedded AWS of the demo, with its rows
	@if [ -x .venv/bin/python ]; then .venv/bin/python -m demo stop; else echo "No demo here."; fi

##@ Develop
test: test-3.3 test-2.11 ## a change: Airflow 3.3 with the coverage gate, then 2.11
test-3.3: $(READY) $(READY_2) $(READY_MINISTACK)
	$(TEST) tests/unit tests/integration $(addprefix --ignore=,$(UNTRACED)) $(if $(PYTEST_ARGS),,--cov --cov-report=term:skip-covered) $(PYTEST_ARGS)
	$(TEST) $(UNTRACED) $(filter-out %/unit/ %/integration/ %/__pycache__/,$(wildcard tests/*/)) $(WHOLE_AIRFLOWS) $(PYTEST_ARGS)
test-2.11: $(READY_2) $(READY_MINISTACK)
	@if [ -x .venv-2.11/bin/python ]; then set -x; $(call TEST,.venv-2.11) $(AIRFLOW_FREE) $(WHOLE_AIRFLOWS) $(PYTEST_ARGS); \
	else echo "NOT RUN: Airflow 2.11 needs Python 3.10 to 3.12, and this machine has none."; fi
test-lowest: $(call stamp,.venv-lowest) $(READY_MINISTACK) ## the lowest versions of each declared dependency
	@if [ -x .venv-lowest/bin/python ]; then set -x; $(call TEST,.venv-lowest) tests/unit tests/integration --ignore=tests/integration/docs $(PYTEST_ARGS); \
	else echo "NOT RUN: the lowest Airflow needs Python 3.10 to 3.12, and this machine has none."; fi
test-fast: $(READY) ## the tests without the slow ones, on Airflow 3.3
	.venv/bin/python -m pytest -m "not slow" $(PYTEST_ARGS)
test-airflow: $(READY) $(READY_2) $(READY_MINISTACK) ## schedules, backfills, clears in running Airflows
	.venv/bin/python -m pytest tests/system/airflow_runs $(PYTEST_ARGS)
	.venv-2.11/bin/python -m pytest tests/system/airflow_runs $(PYTEST_ARGS)
test-matrix: $(READY) $(READY_MINISTACK) ## each supported Airflow, in .matrix/ [VERSIONS="3.0.6 3.1.8"]
	.venv/bin/python -m tests.system.matrix --uv $(UV) $(VERSIONS)
test-browser: $(READY) $(READY_2) $(READY_MINISTACK) ## the UIs of Airflow 2.11, 3.1, 3.3; needs chromium, chromedriver and npm
	@if ! [ -x /usr/bin/chromium ] || ! [ -x /usr/bin/chromedriver ]; then \
	  echo "NOT RUN: chromium is not installed. On Debian: apt-get install chromium chromium-driver"; \
	else set -ex; .venv/bin/python -m tests.system.matrix --uv $(UV) --only-install 3.1.8; $(UV) pip install --quiet --python .venv --target build/browser/packages --group browser "apache-airflow-providers-fab>=3" --constraints constraints/airflow-3.3.txt; npm install --silent --no-save --ignore-scripts --prefix build/browser axe-core@4.11.1; \
	  PYTHONPATH=build/browser/packages .venv/bin/python -m pytest tests/system/browser tests/integration/ui/test_api_server_with_fab.py $(PYTEST_ARGS); fi
test-celery: $(call stamp,.venv-celery) $(READY_MINISTACK) ## two Celery workers, one killed; needs postgresql
	.venv-celery/bin/python -m pytest tests/system/celery $(PYTEST_ARGS)
test-kills: $(READY) $(READY_MINISTACK) ## many kills of writers and orchestrators [KILLS=200]
	SOSW_TEST_KILLS=$(or $(KILLS),200) .venv/bin/python -m pytest -s $(PYTEST_ARGS) $(addprefix tests/integration/crashes/test_,kills.py orchestrator_kills.py)
test-pairs: $(READY) $(READY_MINISTACK) ## two real processes at the same job or file [PAIRS=50]
	SOSW_TEST_PAIRS=$(or $(PAIRS),50) .venv/bin/python -m pytest tests/integration/crashes/test_pairs.py $(PYTEST_ARGS)
fuzz: $(READY) ## hostile input for every entrance, more than the tests give [INPUTS=20000]
	SOSW_TEST_INPUTS=$(or $(INPUTS),20000) .venv/bin/python -m pytest --durations=0 $(PYTEST_ARGS) $(addprefix tests/unit/test_every_,entrance.py entrance_of_airflow.py stored_entrance.py deferral.py)
explore: $(READY) ## more orders of requests than the tests try [SECONDS=600]
	.venv/bin/python -m tests.support.explorer --quiet --deeper 2 --seconds $(or $(SECONDS),600)
bench: $(READY) $(READY_MINISTACK) ## how fast it is, into its page [BENCH="plan"] [QUICK=1]
	$(UV) pip install --quiet --python .venv --target build/benchmarks/packages --group bench --constraints constraints/airflow-3.3.txt
	PYTHONPATH=build/benchmarks/packages .venv/bin/python -m benchmarks all $(if $(BENCH),--only $(BENCH),--document $(or $(DOCUMENT),docs/guides/performance.md docs/guides/scale.md)) $(if $(QUICK),--quick)
bench-check: $(READY) ; .venv/bin/python -m benchmarks.counters
check-all: $(READY) ## everything, some hours, in one table [TARGETS="lint docs"]
	@.venv/bin/python .ci/check_all.py $(TARGETS)
lint: $(READY) ## ruff, mypy, import boundaries, words, workflows
	.venv/bin/ruff check . && .venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python .ci/words.py
	.ci/lint-workflows
format: $(READY) ## sort imports, fix what ruff can fix, format
	.venv/bin/ruff check --fix-only --exit-zero --quiet .
	.venv/bin/ruff format .
docs: $(call stamp,.venv-docs) ## the documentation, into build/docs; a warning fails it
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict
	@echo "build/docs/index.html"
generate: $(READY) ## write again what is made from the code: reference, map
	.venv/bin/python .ci/generate.py
build: $(READY) ## wheel and sdist into dist/, their components into build/
	@.ci/build '$(PYTHON)'
constraints: $(UV_READY) ## resolve the pinned versions of all environments again
	@.ci/constraints
ministack: $(READY_MINISTACK) ## the emulator that the tests use beside moto
clean: demo-stop ## remove the environments and all else that was made here
	rm -rf .demo .matrix .uv .venv .venv-* build dist .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment is made from nothing if its stamp is missing or older than its inputs; an interrupted set-up has no stamp.
%/.ready-$(TAG):
	@if [ -z '$(TAG)' ] || [ '$(TAG)' = unsupported ]; then \
	  echo "$(PYTHON) is not Python 3.10 to 3.13. Name one that is: make PYTHON=python3.12 ..." >&2; exit 1; fi
	@.ci/environment '$*' '$(PYTHON)'
	@touch $@
$(UV_READY): constraints/uv.txt
$(foreach name,.venv .venv-2.11 .venv-ministack .venv-docs .venv-lowest .venv-celery,$(call stamp,$(name))): pyproject.toml .ci/environment $(UV_READY)
$(READY): constraints/airflow-3.3.txt
$(READY_2): constraints/airflow-2.11.txt
$(READY_MINISTACK): constraints/ministack.txt
$(call stamp,.venv-docs): constraints/docs.txt
$(call stamp,.venv-lowest): constraints/lowest.txt
$(call stamp,.venv-celery): constraints/celery.txt
