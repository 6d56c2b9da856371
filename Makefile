# `make demo` and `make test` are all a new machine needs; both build on `make install` and do nothing twice.
PYTHON ?= python3
VENV := .venv
UV := $(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python

.PHONY: install demo test docs clean

install: $(VENV)/.installed

demo: $(VENV)/.installed
	$(VENV)/bin/sdd-bench demo

test: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder

# Always from scratch: a page that is not read again does not warn again.
docs: $(VENV)/.installed-docs
	$(VENV)/bin/sphinx-build --fail-on-warning --keep-going --quiet --fresh-env --write-all --doctree-dir build/doctrees docs build/site
	@echo "The site: build/site/index.html"

$(VENV)/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "sdd-bench needs Python >= 3.10; found $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet uv

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/uv
	$(UV) --editable .
	@touch $@

$(VENV)/.installed-docs: pyproject.toml | $(VENV)/bin/uv
	$(UV) --editable ".[docs]"
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/uv
	$(UV) --compile-bytecode --editable ".[dev,cluster]"
	@touch $@ $(VENV)/.installed $(VENV)/.installed-docs

clean:
	rm -rf $(VENV)
