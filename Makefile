# Every target makes .venv and installs what it needs. PYTHON chooses the interpreter (3.11 or later).
PYTHON ?= python3
BIN := .venv/bin
RUNTIME := .venv/.runtime
DEV := .venv/.dev
PEERS := .venv/.peers
QUIET := --quiet --disable-pip-version-check
PIP := $(BIN)/python -m pip install $(QUIET) --constraint constraints.txt
# the tests start hundreds of processes: without bytecode on disk each compiles the sources, and pytest rewrites its plugins
unexport PYTHONDONTWRITEBYTECODE

.PHONY: train test test-long test-lowest test-newest test-codegen bench bench-cpu cuda-gate sim-zoo gpu-zoo gpu-model bench-gpu check selftest lint fmt clean

train: $(RUNTIME)
	$(BIN)/workbench train

test: $(DEV)
	$(BIN)/python -m pytest -n 2 -m "not long"

# the rest of the tests: commands of the documentation and the examples, and what else takes long
test-long: $(DEV)
	$(BIN)/python -m pytest -n 2 -m long

# test code for AVX2 and for baseline x86-64: the operations, the register tiles and the inspection of machine code; for this
# processor, run what make test leaves out: kernels in float64, and mutants that are proven to be no faults
OPERATIONS := $(addprefix tests/kernels/ops/test_,properties.py depthwise.py batch_tiles.py channel_tiles.py pointwise.py wide_padding.py)
FOR_OTHERS := $(OPERATIONS) $(addprefix tests/, \
  $(addprefix kernels/simd/test_,codegen.py tile.py tile_sums.py) \
  $(addprefix workbench/inspecting/test_inspect_cpu.py::test_,finds_what_is_planted_and_nothing_else \
  the_good_twins_are_as_wide_as_the_processor))
test-codegen: $(DEV)
	$(BIN)/python -m pytest -n 2 --codegen native $(OPERATIONS) tests/kernels/ops/test_dense.py -k "float64 and not sim and not gpu"
	$(BIN)/python -m pytest -n 2 --codegen native tests/workbench/selftest/test_mutation.py -k equivalent_mutants_pass
	for name in avx2 baseline; do $(BIN)/python -m pytest -n 2 --codegen $$name $(FOR_OTHERS) || exit; done

# run the tests with the lowest versions that pyproject.toml admits, and with the newest on the newest Python, each in an
# environment of its own; TESTS names a part of them, as for pytest
LOWEST_PYTHON ?= python3.11
NEWEST_PYTHON ?= python3.13
TESTS ?=
test-lowest: .venv-lowest/.dev
	.venv-lowest/bin/python -m pytest -n 2 -m "not long" $(TESTS)
test-newest: .venv-newest/.dev
	.venv-newest/bin/python -m pytest -n 2 -m "not long" $(TESTS)

bench: $(RUNTIME)
	$(BIN)/workbench bench

bench-cpu: $(PEERS)
	$(BIN)/python -m benchmarks.cpu

# compile every built-in CUDA kernel and check it against its budget; needs no GPU
cuda-gate: $(DEV)
	$(BIN)/python -m benchmarks.cuda_gate

# run the zoo of CUDA kernels in the simulator: every fault is reported at its line, no correct kernel is; needs no GPU
sim-zoo: $(DEV)
	$(BIN)/python -m benchmarks.zoo

# run the same kernels on a GPU, and under compute-sanitizer if it is installed; the results are kept
gpu-zoo: $(DEV)
	$(BIN)/python -m benchmarks.zoo --device cuda --write

# predict the kernels of published series from counts in the simulator; where there is a GPU, run them too, and keep the results
gpu-model: $(DEV)
	$(BIN)/python -m benchmarks.gpu_model

# verify and measure all of it on the GPU at hand, in eight minutes at most; the results are kept, and compared with the targets
bench-gpu: $(DEV)
	$(BIN)/python -m benchmarks.gpu --write

check: $(RUNTIME)
	$(BIN)/workbench check --device all

selftest: $(DEV)
	$(BIN)/workbench check --self-test

lint: $(DEV)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

fmt: $(DEV)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf .venv .venv-lowest .venv-newest build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $(PYTHON) is older than Python 3.11; name another: make PYTHON=python3.12 ..." >&2; exit 2; }
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 2; }

$(RUNTIME): .venv/pyvenv.cfg pyproject.toml constraints.txt
	$(PIP) --editable '.[sim]'
	@touch $@

$(DEV): $(RUNTIME)
	$(PIP) --editable '.[dev]'
	@touch $@

.venv-lowest/.dev: INTERPRETER = $(LOWEST_PYTHON)
.venv-lowest/.dev: PINS = constraints-lowest.txt
.venv-newest/.dev: INTERPRETER = $(NEWEST_PYTHON)
.venv-newest/.dev: PINS = constraints.txt
.venv-lowest/.dev .venv-newest/.dev: pyproject.toml constraints.txt constraints-lowest.txt
	$(INTERPRETER) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install $(QUIET) --constraint $(PINS) --editable '.[dev]'
	@touch $@

$(PEERS): $(RUNTIME)
	$(PIP) --editable '.[sim,peers]'
	@touch $@
