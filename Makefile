# make study     install and run the quick study; says where results and report lie
# make install   only the environment
# make check     format, lint, types, import rules
# make test      the default suite; make test-slow the long tests; make test-gpu those for CUDA
# make messages  collects new sentences into the catalogues of other languages
# make bench     benchmarks (ratios within one run; an idle machine gives better ones)
# make bench-peers   the same training through other people's loops, two hours and more on 2 cores;
#                PEERS="--write" puts the result into docs/benchmarks.md, PEERS="--help" says more
# make bench-growth  how time and memory grow, and what bounds them; GROWTH="--write" as above
#
# PYTHON=…       another interpreter, 3.11 or newer
# VENV_FLAGS=--system-site-packages   use a torch that PYTHON already has, say a CPU-only one

PYTHON ?= python3
VENV ?= .venv
VENV_FLAGS ?=
BIN := $(VENV)/bin
PEERS_VENV ?= .venv-peers
PEERS ?=
GROWTH ?=
NVL_TEST_WORKERS ?= 2

.PHONY: study install dev check format test test-slow test-gpu bench bench-peers bench-growth messages clean

study: install
	$(BIN)/nvl run quick

install: $(VENV)/installed
dev: $(VENV)/installed-dev

$(BIN)/python:
	$(PYTHON) scripts/check_machine.py
	$(PYTHON) -m venv $(VENV_FLAGS) $(VENV)

$(VENV)/installed: pyproject.toml $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@ $(VENV)/installed

check: dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: dev
	$(BIN)/pytest -n $(NVL_TEST_WORKERS) --dist worksteal

# each worker takes a run of tests in their order, and so those that share what is dear
test-slow: dev
	$(BIN)/pytest --slow -n $(NVL_TEST_WORKERS) --dist worksteal

test-gpu: dev
	$(BIN)/pytest --gpu

LOCALE := src/neurovisionlab/out/locale

messages: dev
	mkdir -p build
	PYTHONPATH=scripts $(BIN)/pybabel -q extract -F babel.cfg -k Sentence -k Counted:1,2 --no-location --omit-header -o build/messages.pot .
	for po in $(LOCALE)/*.po; do $(BIN)/pybabel -q update -i build/messages.pot -o $$po -l $$(basename $$po .po) -w 100 -N --ignore-obsolete --omit-header; done

bench: dev
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/profiling.py
	$(BIN)/python benchmarks/evaluating.py
	$(BIN)/python benchmarks/batches.py
	$(BIN)/python benchmarks/loading.py
	$(BIN)/python benchmarks/auditing.py
	$(BIN)/python benchmarks/storing.py
	$(BIN)/python benchmarks/measuring.py
	$(BIN)/python benchmarks/verdicts.py --large
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/start.py

$(PEERS_VENV)/installed: benchmarks/peers/requirements.txt $(VENV)/installed
	$(BIN)/python benchmarks/peers/environment.py $(PEERS_VENV)
	$(PEERS_VENV)/bin/python -m pip install --quiet --requirement benchmarks/peers/requirements.txt
	@touch $@

bench-peers: $(PEERS_VENV)/installed
	PYTHONPATH=benchmarks $(PEERS_VENV)/bin/python -m peers.run $(PEERS)

bench-growth: dev
	PYTHONPATH=benchmarks $(BIN)/python -m growth.run $(GROWTH)

clean:
	rm -rf $(VENV) $(PEERS_VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
