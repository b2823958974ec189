# make demo   set up and open napari with the sample session (without a display: run it and record it)
# make test   set up and run the tests
# make check  format, lint, types, import directions, plugin manifest
# make gpaw   set up GPAW and what it is built with, for eldyn-train aimd
# make bench  print speed and memory as ratios
# make fuzz   give 10,000 damaged files to every reader
# make lock   renew constraints.txt from the newest releases that pyproject.toml admits

SHELL := /bin/sh
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# Benchmarks draw on a screen of their own, so that they neither need nor disturb the user's.
XVFB := xvfb-run -a -s "-screen 0 1600x1000x24"
TORCH := torch==2.13.0
# Small arrays gain nothing from threads and lose much where other processes use the cores.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: demo test check bench fuzz gpaw lock system clean

demo: $(VENV)/.all
	$(BIN)/python -m napari_eldyn.demo

test: $(VENV)/.test
	$(ONE_THREAD) $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/npe2 validate napari-eldyn

bench: $(VENV)/.test
	@for bench in tests/benchmarks/bench_*.py; do \
		echo "== $$bench"; $(ONE_THREAD) $(XVFB) $(BIN)/python $$bench || exit 1; done

fuzz: $(VENV)/.test
	PYTHONPATH=tests $(ONE_THREAD) $(BIN)/python -m fuzz

gpaw: $(VENV)/.gpaw

system:
	@PYTHON="$(PYTHON)" scripts/install-system-packages.sh $(LIBRARIES)

# Which system libraries an environment needs besides those of a screen.
LIBRARIES.test := gpaw
LIBRARIES.gpaw := gpaw-only
SIZE.gpaw := about 0.6 GB

# A stamp of pyproject.toml and constraints.txt: the second time costs nothing.
$(VENV)/.all $(VENV)/.test $(VENV)/.gpaw: $(VENV)/.%: pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory system LIBRARIES="$(LIBRARIES.$*)"
	@echo "Installing napari-eldyn[$*] and what it needs into $(VENV) (a few minutes, $(or $(SIZE.$*),about 3 GB))"
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$*]"
	@$(BIN)/python -m pip list --disable-pip-version-check --format=freeze \
		| grep -i -E '^(napari|napari-eldyn|torch|numpy|scipy|zarr|ase|gpaw|PyQt6|vispy|matplotlib|pytest)=='
	@touch $@

lock:
	$(BIN)/python -m pip install --upgrade --upgrade-strategy eager $(TORCH) -e ".[test]"
	{ echo "# Releases that are tested together; made by 'make lock'."; \
	  $(BIN)/python -m pip freeze --exclude-editable | sed 's/^torch==.*/$(TORCH)/'; } > constraints.txt

clean:
	rm -rf $(VENV) demo_output build dist
