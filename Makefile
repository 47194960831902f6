# For a machine that has Python 3.11 and make: `make demo`, `make view`, `make play`, `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup demo view play test test-layers test-core coverage mutants compiled lint \
	docs docs-links docs-update bench microbench fuzz \
	kmod-test kmod-test-debug kmod-run kmod-shell kmod-figures kmod-bench clean

help:
	@echo "make demo   three nodes over TCP agree, lose their leader, lose nothing"
	@echo "make view   a page that shows a leader die, and the next one find its value"
	@echo "make play   a page to play Paxos by hand, and to break it"
	@echo "make test   every check: types, style, import fence, tests"
	@echo "make coverage  the tests of core and simulator, and how much of both they reach"
	@echo "make mutants  makes each wrong edit in a copy, and sees that a test fails (minutes)"
	@echo "make compiled FOLDER=..  a copy whose core and simulator mypyc compiled, for long campaigns"
	@echo "make lint   types, style and import fence alone"
	@echo "make docs   the documentation as a site, in build/docs"
	@echo "make docs-links  asks the network whether its links to others still lead somewhere"
	@echo "make bench  what each layer costs, in one to three minutes, and a page that shows it"
	@echo "make microbench  what codec, core and framing cost by themselves, in seconds"
	@echo "make fuzz SECONDS=..  coverage-guided fuzzing of the Python and the C code; FRAMES=.. for so many"
	@echo "make kmod-test        builds the kernel module, tests it on a Debian kernel in QEMU"
	@echo "make kmod-test-debug  the same on a kernel with KASAN, lockdep and fault injection"
	@echo "make kmod-run CMD=... runs a command there, with the module loaded"
	@echo "make kmod-shell       a shell there"
	@echo "make kmod-figures     what an echo and a decision cost there, in user space and in the kernel"
	@echo "make kmod-bench       paxos bench there: every layer, the module's too"
	@echo "make clean  remove what these commands made"

# Made again when pyproject.toml changes, so that a fresh clone and an old one agree.
$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "make: $(PYTHON) is older than 3.11; try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	@echo "setting up $(VENV) (once, about a minute, needs the network)"
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "make: no virtual environment; on Debian: apt-get install python3-venv"; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

setup: $(VENV)/.ready

demo: setup
	@$(BIN)/paxos demo

# FILE for a run of your own: a trace, or a script; its page lies beside it
view: setup
	@mkdir -p build
	@$(BIN)/paxos view $(or $(FILE),-o build/paxos-leader-dies.html)

play: setup
	@$(BIN)/paxos play

CORE_TESTS = $(BIN)/python -m coverage run -m pytest tests/paxos_core tests/simulation \
	&& $(BIN)/python -m coverage report
LAYER_TESTS = $(BIN)/python -m pytest --ignore=tests/paxos_core --ignore=tests/simulation
# A make that a test calls has nothing to do with the jobs of this one.
ALONE = env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL

# Core and simulator want a processor, real nodes mostly wait: they are tested side by side.
test: lint
	@mkdir -p build
	@$(MAKE) --no-print-directory -j2 test-layers test-core; status=$$?; cat build/test-core.txt; \
	  exit $$status

test-layers: setup
	@$(ALONE) $(LAYER_TESTS)

test-core: setup
	@$(ALONE) nice sh -c '$(CORE_TESTS)' >build/test-core.txt 2>&1

coverage: setup
	@$(CORE_TESTS)

# NAMES="store/ gate" for some of them
mutants: setup
	@$(BIN)/python -m tests.mutants $(NAMES)

compiled: setup
	@$(BIN)/python -m tests.simulation.compiled $(FOLDER)

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy kmod/vm
	@$(BIN)/mypy docs/_sphinx
	@$(BIN)/lint-imports --no-logo

# Every warning is an error; all of them are shown before it ends.
docs: setup
	@$(BIN)/python -m sphinx -q -W -n --keep-going -b html -d build/doctrees docs build/docs
	@echo "the documentation: $(abspath build/docs/index.html)"

docs-links: setup
	@$(BIN)/python -m sphinx -q -b linkcheck -d build/doctrees docs build/linkcheck
	@echo "what was looked at: build/linkcheck/output.txt"

# What is drawn and written from the code: the pictures of the wire format, the names of the rules.
docs-update: setup
	@$(BIN)/python docs/_sphinx/wire_pictures.py
	@$(BIN)/python docs/_sphinx/rule_table.py

bench: setup
	@$(BIN)/paxos bench --quick --report

# OPTIONS (see kmod/vm/run.py --help) and CMD are handed down by make itself.
kmod-test kmod-test-debug kmod-run kmod-shell: setup
	@$(MAKE) --no-print-directory -C kmod/vm $(@:kmod-%=%) PYTHON=$(abspath $(BIN))/python

# All layers and those of the module, inside the emulated machine; into FOLDER, or a new one.
kmod-bench: setup
	@$(MAKE) --no-print-directory -C kmod/vm bench PYTHON=$(abspath $(BIN))/python \
	  FOLDER=$(abspath $(or $(FOLDER),paxos-bench-vm))

# A few minutes, and quicker on a quiet machine. OPTIONS: see kmod/vm/figures.py --help
kmod-figures: setup
	@$(BIN)/python kmod/vm/figures.py --write docs/kernel-figures.md $(OPTIONS)

# Seconds. OPTIONS: those of pytest-benchmark
microbench: setup
	@$(BIN)/python -m pytest tests/benchmarks -q --benchmark-enable --benchmark-only \
	  --benchmark-columns=median,iqr,rounds --benchmark-sort=name --benchmark-max-time=0.3 $(OPTIONS)

# Every target in turn. Needs clang for the C ones. FOLDER keeps what was found.
fuzz: setup
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(if $(FRAMES),--frames $(FRAMES)) \
	  $(if $(FOLDER),--folder $(FOLDER))

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* .benchmarks
