# `make help` lists the targets. CI calls the same ones.
.DEFAULT_GOAL := help
SHELL := /bin/bash

DATA ?= $(CURDIR)/data
PORT ?= 8080
S3_PORT ?= 9000
ARGS ?=
TARGET := $(or $(CARGO_TARGET_DIR),target)

.PHONY: help
help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## start the store on SQLite and a local directory (DATA=./data PORT=8080 S3_PORT=9000), loopback only
	cargo build --release -p zot-artifact-store
	@printf '\nThe store will listen on localhost:%s (OCI, REST, S3 under /s3) and localhost:%s (S3). Three commands to try:\n' $(PORT) $(S3_PORT)
	@printf '  curl http://localhost:%s/health\n' $(PORT)
	@printf '  oras push --plain-http localhost:%s/team/hello:v1 README.md:text/markdown\n' $(PORT)
	@printf '  oras pull --plain-http localhost:%s/team/hello:v1 --output /tmp/hello\n\n' $(PORT)
	$(TARGET)/release/zot-artifact-store serve --set storage.rootDirectory=$(DATA) --set http.address=127.0.0.1 \
		--set http.port=$(PORT) --set extensions.s3api.port=$(S3_PORT) --set log.format=text $(ARGS)

.PHONY: test
test: ## all tests on real Postgres, MinIO, emulators of other clouds, clients, and where it can be a cluster; JUnit in target/nextest (ARGS= selects, and leaves the cluster out)
	hack/test $(ARGS)
	$(if $(ARGS),,hack/e2e --if-possible)

.PHONY: e2e
e2e: ## cluster tests of the operator, on a cluster of our own (root), or that of KUBECONFIG
	hack/e2e $(ARGS)

.PHONY: manifests
manifests: ## the custom resource's definition and config/install.yaml, made anew
	hack/manifests

.PHONY: soak
soak: ## long rounds: large blobs, many clients (tests named soak_)
	hack/test --run-ignored only -E 'test(/soak_/)' $(ARGS)

.PHONY: bench
bench: ## speed as ratios to MinIO and distribution, in one run (ARGS=--quick for a look, --write for docs/BENCHMARKS.md)
	hack/bench $(ARGS)

.PHONY: lint
lint: ## format, clippy, licences, unused dependencies, sizes, cycles of modules, paths named in documents
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	$$(hack/tool cargo-deny) check --hide-inclusion-graph bans licenses sources
	$$(hack/tool cargo-machete) --with-metadata
	hack/check-sizes
	hack/check-modules --self-test
	hack/check-modules
	hack/manifests --check

.PHONY: coverage
coverage: ## line coverage of our own code
	hack/coverage $(ARGS)

.PHONY: mutants
mutants: ## mutation tests of the domain's rules (long)
	$$(hack/tool cargo-mutants) --package zot-domain $(ARGS)
