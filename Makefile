# Set-up, demo, tests and checks. `make demo` and `make test` need only Python 3.11+, a C compiler
# and make; everything else is installed into a virtual environment of the project's own.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
NATIVE := setup.py pyproject.toml $(wildcard cython_kernels/* cython_kernels/*/*)

.PHONY: demo test test-slow lint format arm64 mutants sanitize fuzz soak compat wheels wheel-check \
	release-check clean

demo: $(VENV)/installed
	$(BIN)/ort-sparse demo

# Processes that share the tests out.
JOBS ?= 2
test: $(VENV)/installed
	$(BIN)/python -m pytest -m "not slow and not compat and not release" -n $(JOBS) --dist worksteal

# What builds, emulates or installs much (tests/conftest.py says which). Needs Debian, and root where
# its tools are missing: the three install.sh below tests/.
test-slow: $(VENV)/installed
	$(BIN)/python -m pytest -m "slow and not compat and not release" -n $(JOBS) --dist loadgroup

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $$(git ls-files '*.c' '*.h')
	# As it is installed: converters is a part of ort_sparse.
	rm -rf build/types && mkdir -p build/types
	cp -r ort_sparse build/types && cp -r converters build/types/ort_sparse
	cd build/types && ../../$(BIN)/mypy --config-file ../../pyproject.toml -p ort_sparse
	cd build/types && PYTHONPATH=. ../../$(BIN)/lint-imports --config ../../pyproject.toml --no-cache

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $$(git ls-files '*.c' '*.h')

# Needs Debian, and root where the cross compiler and the emulator are missing.
arm64: $(VENV)/installed
	tests/arm64/install.sh
	$(BIN)/python -m pytest tests/arm64
	$(BIN)/python tests/arm64/arm64_instructions.py

# 1000 damaged copies of each file of MODELS, .tflite or .onnx; see docs/RELIABILITY.md.
MODELS ?= ../shared/models/face_detection_full_range_sparse.tflite
mutants: $(VENV)/installed
	PYTHONPATH=tests:tests/converters/tflite $(BIN)/python -m mutants.runner $(MODELS)

# Need Debian, and root where clang is missing.
sanitize: $(VENV)/installed
	tests/native/install.sh
	$(BIN)/python -m pytest tests/native

# Numbers of executions, not seconds, so that every machine tries the same inputs.
fuzz: $(VENV)/installed
	tests/native/install.sh
	$(BIN)/python fuzz/run.py native --runs 100000
	$(BIN)/python fuzz/run.py graph --runs 20000
	$(BIN)/python fuzz/run.py reader --runs 200000
	$(BIN)/python fuzz/run.py sparsity --runs 100000

# Sessions for minutes; memory must stay flat.
MINUTES ?= 5
soak: $(VENV)/installed
	$(BIN)/python tests/soak/soak.py --minutes $(MINUTES)

# All versions of Python, onnxruntime and NumPy that we say we support. Pythons must be on PATH; with
# pyenv: PYENV_VERSION=3.11.7:3.12.1:3.13.0 make compat
compat: $(VENV)/installed
	$(BIN)/python -m pytest -rA -m compat tests/packaging/test_compatibility.py

# What users install, in dist/: wheels for x86-64 and ARM64, the source distribution, and the library
# alone. Needs Debian, and root where GCC for the other machine is missing; the rest is from PyPI.
RELEASE := build/release-tools
wheels: $(RELEASE)/installed
	tests/arm64/install.sh
	rm -rf dist
	$(RELEASE)/bin/python -m release

# The wheel for this machine, and what can be said of all files without running them.
wheel-check: $(VENV)/installed $(RELEASE)/installed
	$(BIN)/python -m pytest -rA -m "release and not complete" tests/release

# Everything: all Pythons on PATH (with pyenv as for compat), oldest and newest onnxruntime, ARM64 in
# emulation, and a second build that must give the same bytes.
release-check: $(VENV)/installed wheels
	$(BIN)/python -m pytest -rA -m release tests/release

$(RELEASE)/installed: release/requirements.txt
	$(PYTHON) -m venv $(RELEASE)
	$(RELEASE)/bin/pip install --quiet --requirement release/requirements.txt
	touch $@

$(VENV)/installed: $(NATIVE)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[cpu,tflite,test,bench,fuzz,html]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info ort_sparse/lib ort_sparse/*.so
