# The commands of this project. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup quickstart newcomer docs serve-demo soak bench-batching bench-workers bench-corpora test test-slow test-browser conformance compatibility bench bench-long-sentences bench-peers time-to-quality results ablation check release-check format clean

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

# `make conformance`: TensorFlow runs in .venv. JAX and PyTorch get an environment of
# their own, without TensorFlow: the package, Keras, that backend, pytest and its
# plugins.
BACKEND ?= tensorflow
BACKEND_ENV := $(if $(filter tensorflow,$(BACKEND)),.venv,.venv-$(BACKEND))
ANY_BACKEND := tests/conformance tests/laws/test_seq2seq_laws.py \
	tests/laws/test_search_laws.py tests/decoding \
	tests/test_masking.py keras_attn/masking.py keras_attn/step_ops.py keras_attn/layers \
	keras_attn/models keras_attn/decoding keras_attn/text/codec.py \
	keras_attn/text/sentencepiece_codec.py keras_attn/translator
ifneq ($(filter conformance,$(MAKECMDGOALS)),)
ifeq ($(filter tensorflow jax torch,$(BACKEND)),)
$(error BACKEND must be tensorflow, jax or torch. Received: BACKEND=$(BACKEND))
endif
endif

help: ## List these commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## Make .venv and install everything into it

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' || \
		{ echo "TensorFlow, and so .venv, needs Python 3.10 to 3.13. Received: $$($(PYTHON) --version)." \
		"Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Installing into .venv (TensorFlow is large: some minutes) ..."
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[dev]'
	@touch $(READY)

quickstart: $(READY) ## Train, evaluate, export, serve and ask, on the built-in corpus
	@$(BIN)/python examples/quickstart.py

newcomer: ## From a fresh clone to an answer of a server: the minutes of each step
	@$(PYTHON) examples/newcomer.py $(if $(OUT),--out $(OUT))

docs: $(READY) ## Build the documentation as a site, into build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "build/site/index.html"

serve-demo: $(READY) ## Export, serve, ask by gRPC and REST, compare with Python
	@$(BIN)/python examples/serve_demo.py

# `make check` runs tests/architecture and tests/documentation, `make conformance`
# tests/conformance and tests/scanning, all gradients of the loop over time. Without oneDNN, which compiles a
# kernel for each shape that it meets: on tensors as small as those of the tests that
# takes a sixth of the time. The other targets have it.
test: $(READY) ## Run the default tests, two files at a time
	@TF_ENABLE_ONEDNN_OPTS=0 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder \
		--ignore tests/conformance --ignore tests/scanning \
		--ignore tests/architecture --ignore tests/documentation

test-slow: $(READY) ## Run the tests that take minutes
	@$(BIN)/python -m pytest -m slow

test-browser: $(READY) ## Test the attention explorer in Chromium [SCREENSHOTS=run or .keras file]
	@command -v $${CHROMIUM:-chromium} chromium-browser google-chrome >/dev/null || \
		{ echo "make test-browser needs Chromium. Install it, or name it:" \
		"CHROMIUM=/path/to/it make test-browser" >&2; exit 1; }
	@$(BIN)/python -c 'import playwright' 2>/dev/null || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[browser]'
	@$(BIN)/python -m pytest -m browser tests/browser $(if $(SCREENSHOTS),--screenshots $(SCREENSHOTS))

# On JAX and PyTorch, translators are taken over to TensorFlow. `CASES` is what is run of it all.
# Most of JAX's time is the compilation of programs that run once: without optimisation.
CASES ?= $(ANY_BACKEND) $(if $(filter tensorflow,$(BACKEND)),tests/scanning)

conformance: $(BACKEND_ENV)/.ready $(if $(filter jax torch,$(BACKEND)),$(READY)) ## Test the layers on BACKEND=tensorflow, jax or torch
	@JAX_DISABLE_MOST_OPTIMIZATIONS=1 KERAS_BACKEND=$(BACKEND) \
		$(BACKEND_ENV)/bin/python -m pytest $(CASES) \
		-m 'slow or not slow' --numprocesses 2 --dist worksteal

compatibility: ## Install the wheel with other versions, and use it [ROWS="oldest client" PYTHONS=paths SKIP=1]
	@$(PYTHON) tests/compatibility.py $(ROWS) $(if $(SKIP),--skip-missing)

.venv-%/.ready: pyproject.toml constraints.txt
	@echo "Installing $* into .venv-$* ..."
	@[ -x .venv-$*/bin/python ] || $(PYTHON) -m venv .venv-$*
	@.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[$*,test]'
	@touch .venv-$*/.ready

# A benchmark's line replaces the stored one only when it is whole.
bench_to = mkdir -p runs && $(BIN)/python -m benchmarks $(1) --json > runs/bench.json \
	&& mv runs/bench.json benchmarks/results/$(firstword $(1)).json
CORPUS = $(if $(DATA),--data $(DATA))
SAVED = $(if $(TRANSLATOR),--translator $(TRANSLATOR))

bench: $(READY) ## Measure speed and memory, rewrite their tables [DATA=folder TRANSLATOR=file]
	@$(call bench_to,train_step $(CORPUS) --compare plain_keras)
	@$(call bench_to,decode $(CORPUS) $(SAVED) --shortlist 32 --bfloat16 \
		--compare plain_keras)
	@$(call bench_to,serve_roundtrip $(CORPUS) $(SAVED))
	@$(call bench_to,memory)
	@$(call bench_to,scaling)
	@$(BIN)/python -m benchmarks table

bench-long-sentences: $(READY) ## Measure BLEU by length, with and without attention [DATA=folder]
	@$(BIN)/python -m benchmarks long_sentences $(if $(DATA),--data $(DATA))

bench-peers: $(READY) ## Measure speed beside other toolkits [DATA=folder TRANSLATOR=run]
	@$(call bench_to,peers $(CORPUS) $(SAVED))
	@$(BIN)/python -m benchmarks table

time-to-quality: $(READY) ## Measure seconds of training until a BLEU, hours, and resumes [DATA=folder RECIPE=name]
	@$(call bench_to,time_to_quality $(CORPUS) $(if $(RECIPE),--recipe $(RECIPE)))
	@$(BIN)/python -m benchmarks table

results: $(READY) ## Train and score what docs/results.md shows, hours [DATA=multi30k LONG=folder SEEDS=1]
	@$(BIN)/python -m benchmarks translation $(if $(DATA),--captions $(DATA)) \
		$(if $(LONG),--long $(LONG)) $(if $(SEEDS),--seeds $(SEEDS))

soak: $(READY) ## Load a server while things go wrong, count every request [REQUESTS=200000 FUZZ=2000]
	@FUZZ_EXAMPLES=$(or $(FUZZ),2000) $(BIN)/python -m pytest --quiet --timeout 3600 \
		tests/serving/local_server/test_fuzz.py
	@mkdir -p runs && TF_ENABLE_ONEDNN_OPTS=0 $(BIN)/python -m benchmarks soak \
		--requests $(or $(REQUESTS),200000) > runs/soak.json \
		&& mv runs/soak.json benchmarks/results/soak.json
	@$(BIN)/python -m benchmarks table

bench-batching: $(READY) ## Measure how requests are best joined into batches [DATA=folder TRANSLATOR=run]
	@$(call bench_to,batching $(CORPUS) $(SAVED))
	@$(BIN)/python -m benchmarks table

bench-workers: $(READY) ## Measure training by one process and by two
	@$(call bench_to,workers)
	@$(BIN)/python -m benchmarks table

bench-corpora: $(READY) ## Measure the memory that corpora of up to 3 million pairs take
	@$(call bench_to,corpus_memory)
	@$(BIN)/python -m benchmarks table

ablation: $(READY) ## Measure what each quality option is worth [DATA=folder RECIPE=name SEEDS=1]
	@$(BIN)/python -m benchmarks ablation $(CORPUS) $(if $(RECIPE),--recipe $(RECIPE)) \
		$(if $(SEEDS),--seeds $(SEEDS))

check: $(READY) ## Lint, check formatting, types, the rules of import and the documentation
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@TF_ENABLE_ONEDNN_OPTS=0 $(BIN)/python -m pytest --quiet tests/architecture tests/documentation

# dist/ holds what a release uploads: the sdist, and the wheel built from it. The tools,
# the wheel and the unpacked sdist get environments and folders of their own.
RELEASE := build/release
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
SDIST_CASES := tests/test_translation.py tests/text tests/plotting tests/decoding/test_greedy.py

release-check: ## Build sdist and wheel into dist/, check them, use them in a new environment
	@rm -rf dist $(RELEASE) && mkdir -p $(RELEASE)/empty $(RELEASE)/sdist
	@$(PYTHON) -m venv $(RELEASE)/tools && $(PYTHON) -m venv $(RELEASE)/env
	@$(RELEASE)/tools/bin/python $(PIP_INSTALL) build check-wheel-contents twine
	@echo 'Building the sdist, and the wheel from it ...'
	@$(RELEASE)/tools/bin/python -m build --outdir dist > $(RELEASE)/build.log 2>&1 || \
		{ cat $(RELEASE)/build.log; exit 1; }
	$(RELEASE)/tools/bin/twine check --strict dist/*
	$(RELEASE)/tools/bin/check-wheel-contents dist/*.whl
	@$(RELEASE)/env/bin/python $(PIP_INSTALL) --constraint constraints.txt \
		"$$(ls dist/*.whl)[train,test]"
	cd $(RELEASE)/empty && ../env/bin/keras-attn --version && \
		../env/bin/keras-attn translate --translator demo "Der Hund schläft." --attention text
	@tar -xf dist/*.tar.gz -C $(RELEASE)/sdist --strip-components 1
	cd $(RELEASE)/sdist && ../env/bin/python -m pytest --quiet $(SDIST_CASES)

format: $(READY) ## Format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean: ## Remove .venv, caches and runs
	rm -rf .venv .venv-* .pytest_cache .ruff_cache .mypy_cache .hypothesis build dist runs *.egg-info
