# `make demo` and `make test` are all a new machine needs; both build on `make install` and do nothing twice.
PYTHON ?= python3
VENV := .venv
UV := $(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python

.PHONY: install demo test clean

install: $(VENV)/.installed

demo: $(VENV)/.installed
	$(VENV)/bin/sdd-bench demo

test: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest --numprocesses=2 --dist=loadfile

$(VENV)/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "sdd-bench needs Python >= 3.10; found $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet uv

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/uv
	$(UV) --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/uv
	$(UV) --compile-bytecode --editable ".[dev,cluster]"
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV)
