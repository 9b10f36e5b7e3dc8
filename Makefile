# Everything a developer runs. A fresh machine needs Python 3.11 or later and make, nothing more.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The first of these that really starts: a version switcher may leave names that do not.
PYTHON ?= $(or $(shell for p in python3.11 python3; do $$p -c '' 2>/dev/null && echo $$p && break; done),python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CODE := $(wildcard sync adapters tests bench)

# What the user may set: make demo ARGS="--seconds 10", make test ARGS="-k filter", BENCH=quick make bench
ARGS ?=
BENCH ?= full
export BENCH

.PHONY: help compile demo demo-postgres crash crash-postgres test sim fuzz fuzz-keep lint format bench bench-peers bench-compare lock clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

$(STAMP): requirements.lock pyproject.toml
	@v=$$($(PYTHON) -c 'import sys; sys.stdout.write("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo none); \
	  case $$v in 3.1[1-9] | 3.[2-9][0-9]) ;; *) echo "Python 3.11 or later is needed; $(PYTHON) is: $$v." \
	    "Install one, or name one: make PYTHON=/path/to/python3.11" >&2; exit 1 ;; esac
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment: on Debian and Ubuntu, install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

compile: $(STAMP) ## compile the loop over raw rows again, after a change to it; an installation has tried already
	$(BIN)/python hatch_build.py

demo: $(STAMP) ## two nodes on this machine, call traffic beside admin changes, verified at the end
	$(BIN)/admin-sync demo $(ARGS)

demo-postgres: $(STAMP) ## the same on two PostgreSQL servers, which it starts and stops
	$(BIN)/admin-sync demo --postgres $(ARGS)

test: $(STAMP) ## all tests, in random order, on all cores
	$(BIN)/pytest -n auto $(ARGS)

sim: $(STAMP) ## seeded worlds of two nodes with faults (SEEDS=10000; SEED=1 STORY=1 tells one; POSTGRES=1)
	$(BIN)/python -m tests.sim $(if $(POSTGRES),--postgres) $(if $(SEED),--seed $(SEED) $(if $(STORY),--story),--seeds $(or $(SEEDS),1000) --first $(or $(FIRST),0) --jobs $(or $(JOBS),2))

ROUNDS ?= 200
crash: $(STAMP) ## a pair under load, its nodes killed at random moments (ROUNDS=200)
	CRASH_ROUNDS=$(ROUNDS) $(BIN)/pytest tests/e2e/test_crash.py -p no:xdist -k random_kills -s $(ARGS)

crash-postgres: $(STAMP) ## the same with a PostgreSQL server at each node, killed as well (ROUNDS=200)
	CRASH_ROUNDS=$(ROUNDS) $(BIN)/pytest tests/e2e/test_postgres_crash.py -p no:xdist -k random_kills -s $(ARGS)

# The fuzzer is a large wheel that only some platforms have, so it is not in requirements.lock.
TIME ?= 60
FUZZ ?= decode frames sender receiver spool config pairing
FUZZER := $(VENV)/.installed-fuzz
$(FUZZER): $(STAMP) requirements-fuzz.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-fuzz.lock
	@touch $@

fuzz: $(FUZZER) ## coverage-guided fuzzing (TIME=60 seconds a target; FUZZ=decode for one)
	@for target in $(FUZZ); do echo "== $$target"; $(BIN)/python -m tests.fuzz $$target --seconds $(TIME); done

fuzz-keep: $(FUZZER) ## keep of what `make fuzz` found whatever reaches more than the corpus does
	@for target in $(FUZZ); do $(BIN)/python -m tests.fuzz $$target --merge; done

lint: $(STAMP) ## format, style, types, layers, spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict $(CODE)
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell

format: $(STAMP) ## bring the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP) ## speed of every stage beside its raw limit, saved (BENCH=quick for a short look)
	$(BIN)/python -m pytest bench -p no:xdist -p no:randomly -p no:cacheprovider --timeout 1800 -q --benchmark-only \
	  --benchmark-columns=median --benchmark-quiet --benchmark-save=$(BENCH) $(ARGS)

bench-peers: $(STAMP) ## Admin-Sync beside PostgreSQL's own replication (BENCH=quick; ARGS="--help")
	$(BIN)/python -m bench.peers $(ARGS)

bench-compare: $(STAMP) ## how the newest saved run differs from another (BASE=file)
	@$(BIN)/python -m bench.report $(BASE)

# The pins move only when they must; UPGRADE=1 moves them all.
UV := .make/uv/bin/uv
$(UV):
	$(PYTHON) -m venv .make/uv
	.make/uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'

lock: $(UV) ## write requirements.lock anew from pyproject.toml (UPGRADE=1: newest versions)
	$(UV) pip compile --quiet --no-emit-index-url --generate-hashes --universal --python-version 3.11 \
	  --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) --group dev pyproject.toml -o requirements.lock
	$(UV) pip compile --quiet --no-emit-index-url --generate-hashes --universal --python-version 3.11 \
	  --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) --group fuzz -o requirements-fuzz.lock

clean: ## remove all that make has made
	rm -rf $(VENV) .make build dist .benchmarks .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
