# Everything is installed into .venv; PYTHON chooses the interpreter it is made with (3.11 or newer).
PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed

.PHONY: search test install clean

search: $(INSTALLED)
	$(VENV)/bin/nas search --target jetson --budget 300MFLOPs

# --dist loadfile: what a module makes for its tests is made once.
test: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest -n 2 --dist loadfile

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt torch
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $(INSTALLED)

clean:
	rm -rf $(VENV)
