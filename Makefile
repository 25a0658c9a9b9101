# Two commands do everything: `make bench` measures, `make test` checks. Both set up on first use.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUITE ?= first
RESULTS ?= build/results
SITE ?= build/site
ROWS ?= build/benchmarks.jsonl
DOCS ?= build/leaderboard/docs
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: bench test faults lint types imports benchmarks wheel docs leaderboard clean help

help: ## Show the targets.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

bench: $(VENV)/.run ## Compare scorers on SmolLM2-135M and build the page; SUITE=quick goes on.
	@echo "== Running the suite $(SUITE)"
	$(BIN)/sparc3 run --suite $(SUITE) --results $(RESULTS)
	@echo "== Building the leaderboard page"
	@echo "Open $$($(BIN)/sparc3 publish $(RESULTS) $(SITE))"

# A process a core, and a thread a process: on few cores about twice as fast as one after the other.
test: $(VENV)/.test ## Run the whole test suite (offline but for the package index).
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

faults: $(VENV)/.test ## Break runs in every way that docs/reliability.md tells of (half an hour).
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/faults -m "faults or not faults" -s

lint: $(VENV)/.test ## Check style, and the workflows of the forge.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/actionlint .github/workflows/*.yml

types: $(VENV)/.test ## Check types.
	$(BIN)/mypy

imports: $(VENV)/.test ## Check the direction of imports.
	$(BIN)/lint-imports

benchmarks: $(VENV)/.test ## Print what each step costs beside its floor; ROUNDS=1 for a short look.
	@mkdir -p build
	ROWS=$(abspath $(ROWS)) $(BIN)/python -m pytest tests/benchmarks -s --benchmark-disable-gc -p no:cacheprovider --benchmark-json build/benchmarks.json
	@echo "To show it: $(BIN)/python tests/performance_tables.py $(ROWS), then $(BIN)/python tests/renew.py"

wheel: $(VENV)/.test ## Build the wheel into dist/.
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

docs: $(VENV)/.test ## Build the documentation, beside the page of the committed results.
	$(BIN)/python -m sphinx -E -W -n -q -c docs -d build/doctrees . $(DOCS)
	@echo "Open $(DOCS)/index.html; \`make leaderboard\` leads there"

leaderboard: $(VENV)/.run ## Build the page of the committed results.
	@echo "Open $$($(BIN)/sparc3 publish leaderboard/results build/leaderboard)"

clean: ## Remove everything built, but not the user's cache.
	rm -rf $(VENV) build dist

# The pinned set is the one that the committed results were measured with.
$(VENV)/.run: pyproject.toml constraints.txt
	@echo "== Setting up $(VENV) (once)"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[run]'
	@touch $@

$(VENV)/.test: $(VENV)/.run
	@echo "== Adding the test tools to $(VENV) (once)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[run,test]'
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-deps lxt   # docs/lxt.md says why
	@touch $@
