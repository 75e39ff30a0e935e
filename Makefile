# The README's two commands are `make run` and `make test`. Options for the program: make run ARGS="--port 7000"
PYTHON ?= python3
ARGS ?=
VENV := .venv/bin/python
DEMO := models/demo/build/venv

.PHONY: run setup dev test lint bench bench-peers template demo-model demo-test

run:
	$(PYTHON) start.py $(ARGS)

setup:
	$(PYTHON) start.py --setup

dev:
	@$(PYTHON) start.py --setup --dev

# In a network without interfaces, where the system gives one: whatever passes has sent nothing anywhere.
test: dev
	$(VENV) -m tests.offline $(VENV) -m pytest $(ARGS)

lint: dev
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m mypy

# Measures what the program promises about speed, prints a table, keeps bench.json; fails when a promise is broken.
bench: dev
	$(VENV) -m tests.bench $(ARGS)

# llama.cpp's own programs, built once from the source of the llama-cpp-python that is installed, for `make bench` to measure against. Needs
# cmake and a C++ compiler, and a quarter of an hour.
bench-peers: dev
	$(VENV) -m tests.bench.llama_tools

# Makes the template of exported Word files anew, after a change of its look in the script; a template edited in Word is overwritten.
template: dev
	$(VENV) assets/export/template.py

# Makes the demonstration model anew from its texts. Needs its own packages (PyTorch among them) and, on two free CPU cores, an hour or two.
demo-model: $(DEMO)/installed
	$(DEMO)/bin/python models/demo/recipe.py

# The whole recipe in a minute or two, as a test; its model knows nothing.
demo-test: $(DEMO)/installed
	$(DEMO)/bin/python -m pytest models/demo/test_miniature.py

$(DEMO)/installed: models/demo/requirements.txt
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python -m pip install --requirement $<
	touch $@
