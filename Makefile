# Short targets; `make demo` and `make test` do all set-up themselves.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed$(if $(EXTRAS),-$(EXTRAS))

.PHONY: install install-test demo test test-newest lint format bench clean

# `make install EXTRAS=cuda` adds an extra.
install: $(INSTALLED)

$(INSTALLED): pyproject.toml .ci/constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q -c .ci/constraints.txt -e '.$(if $(EXTRAS),[$(EXTRAS)])'
	# Ray brings a command `tune` of its own: ours is installed last.
	$(if $(EXTRAS),$(BIN)/python -m pip install -q --no-deps --force-reinstall -e .)
	touch $@

install-test:
	@$(MAKE) --no-print-directory install EXTRAS=test

demo: install
	$(BIN)/tune --space architecture --dataset digits -n 8 --epochs 8
	$(BIN)/tune --space hyperparams --dataset digits -n 8 --epochs 8
	@echo; echo "The comparison page: $(CURDIR)/runs/comparison.html"

test: lint
	$(BIN)/pytest -n auto -m "not slow"
	$(BIN)/pytest -n auto --dist worksteal -m slow

# The newest Keras and TensorFlow, beyond the bounds of pyproject.toml, which pip warns
# of: what `tuner/system/patches.py` replaces must still be there, or be left out.
test-newest:
	$(PYTHON) -m venv .venv-newest
	.venv-newest/bin/python -m pip install -q -e '.[test]'
	.venv-newest/bin/python -m pip install -q --upgrade keras tensorflow
	.venv-newest/bin/python -m pytest tests/training

lint: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench:
	@$(MAKE) --no-print-directory install EXTRAS=test,bench
	$(BIN)/python tests/benchmarks/steps.py
	$(BIN)/python tests/benchmarks/yardstick.py
	$(BIN)/python tests/benchmarks/growth.py

clean:
	rm -rf .venv .venv-newest build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
