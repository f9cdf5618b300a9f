# Everything that people and CI do here, in a few words. `make` alone lists them.
PYTHON ?= python3
BIN := .venv/bin
PATH_WITH_NODE := $(PATH):$(CURDIR)/.venv/bin
# The browser, letters for it, and a library that Playwright's driver is linked with.
BROWSER := chromium fonts-dejavu-core libatomic1
COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url
THIS_CHECKOUT := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r

.PHONY: help install run test test-parts test-processes test-browser check check-deploy wheel release sbom bench torture live-check sheet format lock
help:
	@echo "make run      the demo: an article with the card, the service, the sandbox and an embedded Valkey"
	@echo "make test     all tests, with real servers and a real browser"
	@echo "make check    format, lint, types, imports, scripts, deploy files"
	@echo "make bench    speed, as ratios"
	@echo "make torture  the long versions of the tests"
	@echo "make live-check  with a Stripe test key: does Stripe still answer as the sandbox does?"
	@echo "make sheet    the contact sheets of docs/images: every state, theme, width and language"
	@echo "make wheel    the package, in dist/; make sbom  what is in it; make release  keep its card"
	@echo "make install  what the above need (they call it themselves)"
	@echo "make format   rewrite the format; make lock  renew the locked requirements"

install: .venv/dev.stamp tools/node_modules/.stamp

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; say which: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "the module venv is missing: apt-get install python3-venv"; exit 1; }

.venv/run.stamp: requirements-demo.lock pyproject.toml | .venv/bin/python
	$(PIP_INSTALL) requirements-demo.lock
	$(THIS_CHECKOUT)
	@touch $@

.venv/dev.stamp: requirements-dev.lock pyproject.toml | .venv/bin/python
	$(PIP_INSTALL) requirements-dev.lock
	$(THIS_CHECKOUT)
	@touch .venv/run.stamp $@

tools/node_modules/.stamp: tools/package-lock.json .venv/dev.stamp
	cd tools && PATH="$(PATH_WITH_NODE)" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

run: .venv/run.stamp
	@$(BIN)/donation-card demo

# Two at a time, for they wait more than they work: the parts, the whole as processes, the whole in a browser.
test: install
	@tools/need $(BROWSER)
	@$(MAKE) --no-print-directory --jobs=2 --keep-going test-parts test-processes test-browser

test-parts:
	$(BIN)/python -m pytest tests/unit tests/integration

test-processes:
	$(BIN)/python -m pytest tests/e2e --ignore=tests/e2e/browser

test-browser:
	$(BIN)/python -m pytest tests/e2e/browser

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd tools && PATH="$(PATH_WITH_NODE)" npx --no-install tsc -p tsconfig.json
	$(BIN)/python tools/check_locks.py
	@$(MAKE) --no-print-directory check-deploy

# Each file of deploy/ by the tool that knows it.
check-deploy: .venv/dev.stamp
	@tools/need openssl systemd
	$(BIN)/hadolint deploy/Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml
	$(BIN)/kubernetes-validate --strict --quiet deploy/kubernetes.yaml
	$(BIN)/python -m tests.support.proxy
	$(BIN)/shellcheck tools/need .ci/run deploy/mirror.sh deploy/donation-card
	@systemd-analyze security --offline=yes --threshold=20 --no-pager deploy/donation-card.service >/dev/null \
	 || { echo "deploy/donation-card.service: its exposure is 2.0 or more"; exit 1; }

wheel: .venv/dev.stamp
	$(BIN)/python -m build --no-isolation --outdir dist

# The card of this version is kept for ever; before the tag.
release: .venv/dev.stamp
	@$(BIN)/python tools/release.py

sbom: .venv/dev.stamp
	@mkdir -p dist
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-format JSON --output-file dist/sbom.json requirements.lock

bench: .venv/dev.stamp
	@tools/need wrk nginx $(BROWSER)
	$(BIN)/python -m bench

torture: .venv/dev.stamp
	@tools/need $(BROWSER) firefox-esr webkit2gtk-driver xvfb xauth
	@tools/need prometheus tor
	tor --verify-config --quiet -f deploy/torrc
	promtool check config --syntax-only deploy/prometheus.yml
	promtool test rules deploy/alerts.test.yml
	HYPOTHESIS_PROFILE=torture $(BIN)/python -m pytest tests/unit tests/integration/adapters tests/integration/sandbox tests/integration/application/test_scenarios.py
	$(BIN)/python -m tests.soak.mutants
	$(BIN)/python -m tests.soak.other_browsers
	$(BIN)/python -m tests.soak.card_testing
	$(BIN)/python -m tests.soak.stress
	$(BIN)/python -m tests.soak.fuzz

live-check: .venv/dev.stamp
	@tools/need $(BROWSER)
	@$(BIN)/python -m tests.e2e.live_check

sheet: .venv/dev.stamp
	@tools/need $(BROWSER)
	$(BIN)/python -m tests.support.screenshots

format: .venv/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: .venv/dev.stamp
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) pyproject.toml --extra demo --group build -o requirements-demo.lock
	$(COMPILE) pyproject.toml --extra demo --group build --group dev -o requirements-dev.lock
