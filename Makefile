# `make help` lists the targets. CI calls the same ones.
.DEFAULT_GOAL := help
SHELL := /bin/bash

DATA ?= $(CURDIR)/data
PORT ?= 8080
S3_PORT ?= 9000
ARGS ?=
TARGET := $(or $(CARGO_TARGET_DIR),target)

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## start the server on SQLite and a local folder, on loopback (DATA=./data PORT=8080 S3_PORT=9000)
	cargo build --release -p zot-artifact-store
	@printf '\nThe server will listen on localhost:%s (OCI, REST, and S3 at /s3) and on localhost:%s (S3). Try these commands:\n' $(PORT) $(S3_PORT)
	@printf '  curl http://localhost:%s/health\n' $(PORT)
	@printf '  oras push --plain-http localhost:%s/team/hello:v1 README.md:text/markdown\n' $(PORT)
	@printf '  oras pull --plain-http localhost:%s/team/hello:v1 --output /tmp/hello\n\n' $(PORT)
	@printf 'With access control (ARGS="--set extensions.rbac.enabled=true"), first, in the shell of these commands:\n'
	@printf '  eval "$$(%s/release/zot-artifact-store admin-key --export --set storage.rootDirectory=%s)"\n' $(TARGET) $(DATA)
	@printf '  echo "$$ZOT_ADMIN_SECRET_KEY" | oras login --plain-http -u "$$ZOT_ADMIN_ACCESS_KEY" --password-stdin localhost:%s\n\n' $(PORT)
	$(TARGET)/release/zot-artifact-store serve --set storage.rootDirectory=$(DATA) --set http.address=127.0.0.1 \
		--set http.port=$(PORT) --set extensions.s3api.port=$(S3_PORT) --set log.format=text $(ARGS)

.PHONY: test
test: ## run all tests, with real services, clients and if possible a cluster; JUnit in target/nextest (ARGS= selects tests, without the cluster)
	hack/test $(ARGS)
	$(if $(ARGS),,hack/e2e --if-possible)

.PHONY: e2e
e2e: ## run the operator's cluster tests, on a local cluster (as root) or on that of KUBECONFIG
	hack/e2e $(ARGS)

.PHONY: manifests
manifests: ## generate the custom resource's definition and config/install.yaml
	hack/manifests

.PHONY: openapi
openapi: ## write docs/reference/openapi.json, the description of the REST API
	UPDATE_OPENAPI=1 cargo test -p zot-rest --test it the_snapshot

.PHONY: soak
soak: ## run long tests: large blobs, many clients (tests named soak_)
	hack/test --run-ignored only -E 'test(/soak_/)' $(ARGS)

.PHONY: bench
bench: ## measure speed as ratios to MinIO and distribution (ARGS=--quick is short, --write updates docs/BENCHMARKS.md)
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
coverage: ## measure line coverage of our own code
	hack/coverage $(ARGS)

.PHONY: mutants
mutants: ## run mutation tests of the domain's rules (long)
	$$(hack/tool cargo-mutants) --package zot-domain $(ARGS)
