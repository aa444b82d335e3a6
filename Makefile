PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000

.PHONY: run test check fix bench migration install install-dev

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e . -c constraints.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt
	@touch $@

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

run: $(VENV)/.installed
	@PORT=$(PORT) $(BIN)/civitas up --demo

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $${WORKERS:-2} $(ARGS)

check: $(VENV)/.installed-dev
	$(BIN)/ruff check src tests bench
	$(BIN)/ruff format --check src tests bench
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint src/civitas/faces --check --lint --quiet

fix: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix src tests bench
	$(BIN)/ruff format src tests bench
	-$(BIN)/djlint src/civitas/faces --reformat --quiet

bench: $(VENV)/.installed-dev
	$(BIN)/python -m bench $(ARGS)

migration: $(VENV)/.installed-dev
	$(BIN)/civitas db revision --message "$(NAME)"
