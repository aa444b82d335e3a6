PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000

.PHONY: run test check fix bench migration install install-dev

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e . -c constraints.txt
	@touch $@

# torch first, alone and by its exact version: pip then takes the build for the CPU where an index offers one.
$(VENV)/.installed-generate: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[generate]' -c constraints.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-generate
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,generate]' -c constraints.txt
	@touch $@

# Everything but what makes pictures: LIGHT=1 leaves torch out.
install: $(if $(LIGHT),$(VENV)/.installed,$(VENV)/.installed-generate)
install-dev: $(VENV)/.installed-dev

run: install
	@PORT=$(PORT) $(BIN)/civitas up --demo

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $${WORKERS:-2} --dist worksteal $(ARGS)

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
