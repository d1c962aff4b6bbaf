# Each target sets up what it needs from nothing: a virtual environment from requirements.lock, then finledger itself.
# PYTHON names the interpreter to make it with (3.11 or later).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WHOLE := $(VENV)/.whole
CODE := finledger tests tools bench samples
COGGED := README.md docs/cli.md docs/errors.md docs/formats.md
COG := $(BIN)/cog -I . --markers="<<cog cog>> <<end>>"

COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-annotate --no-header

.PHONY: demo test lint docs golden bench lock clean

demo: $(READY)
	$(BIN)/finledger demo out/demo

# Style, types and documents are checked and the tests are run, all of them, before it says yes or no.
test: $(WHOLE)
	@status=0; \
	$(MAKE) --no-print-directory lint || status=1; \
	$(BIN)/python -m pytest || status=1; \
	exit $$status

lint: $(READY)
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(COG) --check $(COGGED)

docs: $(READY)
	$(COG) -r $(COGGED)

# Writes the expected files of tests again. A changed golden is a change of money: read the diff, and say so in CHANGELOG.md.
golden: $(READY)
	FINLEDGER_GOLDEN=write $(BIN)/python -m pytest -q --update-goldens

# The table beside DuckDB, Polars and pandas: BENCH_ROWS=20000000 for a large month. Others by name: python -m bench.readers
bench: $(WHOLE)
	@$(BIN)/python -m compileall -q finledger
	@$(BIN)/python -m bench $(BENCH)

# After a change of the dependencies: names, versions and hashes only, so that any index will do.
lock: $(READY)
	$(COMPILE) --extra dev --output-file requirements.lock
	$(COMPILE) --extra dev --extra bench --extra spark --constraints requirements.lock --output-file requirements-all.lock

clean:
	rm -rf $(VENV) out dist .ruff_cache .mypy_cache .pytest_cache .hypothesis

$(READY): requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# What only the tests and the measurements need beside: Spark, Polars.
$(WHOLE): requirements-all.lock $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-all.lock
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "finledger needs Python 3.11 or later: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
