# Short targets; `make demo` and `make test` do all set-up themselves.
PYTHON ?= python3
BIN := .venv/bin
comma := ,
INSTALLED := .venv/.installed$(if $(EXTRAS),-$(EXTRAS))

.PHONY: install demo test lint format bench clean

install: $(INSTALLED)

# `make install EXTRAS=cuda` adds an extra.
$(INSTALLED): pyproject.toml .ci/constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q -c .ci/constraints.txt -e '.[test$(if $(EXTRAS),$(comma)$(EXTRAS))]'
	touch $@
demo: install
	$(BIN)/tune --space architecture --dataset digits -n 8 --epochs 8
	$(BIN)/tune --space hyperparams --dataset digits -n 8 --epochs 8
	@echo; echo "The comparison page: $(CURDIR)/runs/comparison.html"

test: install lint
	$(BIN)/pytest -m "not slow"
	$(BIN)/pytest -m slow

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install
	$(BIN)/python tests/benchmarks/yardstick.py

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
