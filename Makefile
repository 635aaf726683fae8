# Everything a reader or a developer does. `make book` and `make test` work on a fresh machine
# that has python3, python3-venv, make and git.

PYTHON ?= python3
# PyTorch's Linux wheels on PyPI carry CUDA (about 3 GB). Where no GPU is wanted:
#   make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
JOBS ?= auto
CHAPTER ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BUILD := _build
HTML := $(BUILD)/html

# The execution cache sees only a page's own cells. This key stands for all else that cells read.
CODE := $(sort $(shell find ptft book/claims.toml -type f -not -name '*.pyc' 2>/dev/null))
KEY := $(shell cat requirements.txt $(CODE) | git hash-object --stdin)
FRESH := $(BUILD)/.key-$(KEY)

# One thread a process: linear algebra libraries otherwise oversubscribe the cores and can hang a build.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
# Kernels must not open the browser's or the debugger's side channels, nor warn about them.
export PYDEVD_DISABLE_FILE_VALIDATION := 1
# Nor may a reader's own settings change what cells print: kernels have a home of their own.
KERNELS := $(CURDIR)/$(VENV)/home
export IPYTHONDIR := $(KERNELS)/ipython
export JUPYTER_CONFIG_DIR := $(KERNELS)/jupyter
export MPLCONFIGDIR := $(KERNELS)/matplotlib
unexport MATPLOTLIBRC PYTHONSTARTUP PYTHONWARNINGS

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup test book pdf check format refresh benchmark oldest newest mutants overview clean
.DELETE_ON_ERROR:

help:  ## say what each target does
	@grep -hE '^[a-z ]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## create .venv with everything pinned in requirements.txt, and ptft itself

$(READY): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(BIN)/pip install --extra-index-url $(TORCH_INDEX) $(shell grep -E '^torch' requirements.txt))
	$(BIN)/pip install --requirement requirements.txt --editable .
	mkdir -p $(KERNELS)
	$(BIN)/python -c "import matplotlib.font_manager"  # else the first cells wait for its cache, and say so
	touch $@

test: $(READY)  ## run the unit tests, the docstrings' examples, and every chapter against its reference
	$(BIN)/pytest --numprocesses $(JOBS) --dist loadfile \
	    --nbval --nbval-sanitize-with tests/nbval.cfg tests ptft book

# Figures as drawings that follow the page, light or dark; see `ptft.companion.plotting`.
book pdf: export PTFT_FIGURES := svg
book: $(READY) $(FRESH)  ## build the book into _build/html, executing the chapters that changed
	# The ledger reads the chapters' reference outputs, so it is never taken from the cache.
	rm -f $(BUILD)/.doctrees/book/ledger.doctree
	# A failed page would not be read again by the next build, which would then look green.
	$(BIN)/jupyter-book build -W -n --keep-going . || { rm -rf $(BUILD)/.doctrees; exit 1; }
	$(BIN)/python book/tools/pages.py $(HTML)

pdf: $(READY) $(FRESH)  ## build the book as a PDF, _build/latex/ptft-book.pdf, with texlive (CONTRIBUTING.md says which)
	rm -f $(BUILD)/.doctrees/book/ledger.doctree
	$(BIN)/jupyter-book build -W -n --keep-going --builder latex . || { rm -rf $(BUILD)/.doctrees; exit 1; }
	cd $(BUILD)/latex && latexmk -xelatex -interaction=nonstopmode -halt-on-error ptft-book.tex

$(FRESH):
	rm -rf $(BUILD)
	mkdir -p $(BUILD)
	touch $@

check: $(READY)  ## check formatting, lint, types, and that each chapter's reference is complete and current
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python book/tools/notebooks.py check

format: $(READY)  ## format the code and fix what the linter can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

refresh: $(READY)  ## re-run chapters and write their references: all, or CHAPTER=l_order
	$(BIN)/python book/tools/notebooks.py refresh $(CHAPTER)

benchmark: $(READY)  ## time the solvers
	$(BIN)/pytest tests/benchmark.py --benchmark-enable --benchmark-only

# Tests of the package alone, without torch and the book's tools.
CORE_TESTS := penalty regimes network replica limits channel state_evolution message_passing implicit_bias \
    flow trajectory modes monte_carlo trained_start imperfect identities errors values attack storage experiments
TEST_TOOLS := $(shell grep -E '^(pytest|hypothesis|mpmath)' requirements.txt)

oldest newest:  ## test the package with the oldest versions allowed, or with the newest
	rm -rf build/$@
	$(PYTHON) -m venv build/$@
	build/$@/bin/pip install $(TEST_TOOLS) $(if $(filter oldest,$@),--constraint <($(PYTHON) tests/oldest.py)) \
	    --editable ".[experiments,plot,dask]"
	build/$@/bin/pip list
	# old and new packages side by side may tell each other what is deprecated
	build/$@/bin/python -m pytest -q -W default::DeprecationWarning $(wildcard $(CORE_TESTS:%=tests/test_%.py)) -k "not descent and not torch"

# A few seconds for each of some 13,000 changes; it goes on where it was stopped. SAMPLE=20 draws
# 20 from each module, the same ones each time: make mutants MUTANTS="ptft.t[hr]*" SAMPLE=20; others with SEED=1
MUTANTS ?= ptft.model.*
SAMPLE ?=
SEED ?= 0
MUTMUT := build/mutants/bin/mutmut run --max-children 1
mutants: $(READY)  ## change the core in small ways, and list those that no test notices (hours); SAMPLE=20 draws 20 a module
	$(PYTHON) -m venv build/mutants
	build/mutants/bin/pip install --quiet mutmut==3.8.1
	ls -d $(CURDIR)/$(VENV)/lib/python*/site-packages > $$(ls -d build/mutants/lib/python*/site-packages)/ptft.pth
	# the small module's run makes the changes of all, from which the sample is drawn
	$(MUTMUT) "$(if $(SAMPLE),ptft.training.problem.*,$(MUTANTS))"
	$(if $(SAMPLE),$(MUTMUT) $$($(BIN)/python tests/mutants.py $(SAMPLE) "$(MUTANTS)" $(SEED)))
	build/mutants/bin/mutmut results | grep -v "not checked"

overview: $(READY)  ## draw the figure of README.md again
	$(BIN)/python book/tools/overview.py

clean:  ## remove what was built, but not the environment
	rm -rf $(BUILD) build mutants dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .benchmarks .hypothesis
