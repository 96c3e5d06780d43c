# Everything sets itself up: a virtual environment in .venv with the locked dependencies.
SHELL := /bin/bash
BIN := .venv/bin
READY := .venv/.ready
unexport PYTHONDONTWRITEBYTECODE  # every command is a process of its own: it is compiled once

.PHONY: browser help demo test test-all check bench bench-long lock clean

help:                   ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(READY)          ## live agents, governed; Ctrl-C stops everything
	@$(BIN)/remit demo

test: $(READY) browser          ## the tests and the demo's story
	$(BIN)/pytest -q -n 2 -m "not slow"
	$(BIN)/remit demo --once

test-all: $(READY) browser      ## also the long fault and peer runs; needs npm
	REMIT_THOROUGH=1 $(BIN)/pytest -q -n 2
	$(BIN)/remit demo --once

check: $(READY)         ## lint, types, import contracts, vendored files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python scripts/vendor.py --check

bench: $(READY)         ## measure; fails below a floor
	$(BIN)/python benchmarks/run.py

bench-long: $(READY)    ## a million entitlements, 100,000 replays, withdrawals, another authorization server, the console; half an hour, npm
	$(BIN)/python benchmarks/run.py --long

lock:                   ## write requirements.lock anew after changing pyproject.toml; needs uv
	uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url \
	  --group dev --extra postgres pyproject.toml -o requirements.lock

browser:                # the console is tested in a real one
	@command -v chromium >/dev/null || bash scripts/browser

clean:                  ## remove the virtual environment
	rm -rf .venv

$(READY): requirements.lock pyproject.toml scripts/setup
	@bash scripts/setup
