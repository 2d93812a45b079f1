# `make` prints this help. Everything needs Node 20.19 or later; what needs more says so.

SHELL := /bin/sh
INSTALLED := node_modules/.package-lock.json
SOURCES := $(shell find src -name '*.ts') src/tsconfig.json tsconfig.json

.DEFAULT_GOAL := help

help: ## this text
	@echo "viommud: a software model of guest memory, IOMMUs and VFIO that speaks QMP"
	@echo
	@awk -F ':|## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$NF}' $(MAKEFILE_LIST)

node-version:
	@node -p process.versions.node | awk -F. '$$1 < 20 || ($$1 == 20 && $$2 < 19) \
	  { print "viommud needs Node 20.19 or later; this is " $$0; exit 1 }' >&2

$(INSTALLED): package.json package-lock.json | node-version
	npm ci --no-audit --no-fund
	@touch $@

dist/main.js: $(INSTALLED) $(SOURCES)
	rm -rf dist
	npm run --silent build
	@touch $@

build: dist/main.js ## compile src/ to dist/

run: dist/main.js ## build and start the daemon on its default machine, in the foreground
	@node dist/main.js

test: dist/main.js ## build and run every test that this machine can run
	npx vitest run

check: $(INSTALLED) ## format, lint, types, layers, dead code, freshness of generated files
	npx biome format
	npx tsc --noEmit
	npx eslint .
	npx depcruise --config .dependency-cruiser.mjs --output-type err src clients
	npx knip
	npm run --silent generate -- --check

format: $(INSTALLED) ## rewrite the sources in the house format
	npx biome format --write

docs: $(INSTALLED) ## write src/generated, the generated pages of docs/ and the shell completion
	npm run --silent generate

demo: dist/main.js ## play the main job over a real socket
	@npx tsx clients/demo/main.ts

bench: dist/main.js ## round trips and pipelined commands against a bare Node echo, and QEMU where installed
	@npx tsx test/bench/main.ts

conformance: dist/main.js ## replay what was recorded from QEMU: conversations, and VT-d scenarios (needs python3)
	@command -v python3 >/dev/null || { echo "make conformance needs python3: install the package python3" >&2; exit 1; }
	@python3 test/conformance/run.py --binary "node dist/main.js"
	@python3 test/conformance/vtd/run.py --binary "node dist/main.js"

clean: ## remove what was built
	rm -rf dist coverage

# Phony, and a prerequisite by order alone: it runs each time and rebuilds nothing.
.PHONY: node-version
.PHONY: help build run test check format docs demo bench conformance clean
