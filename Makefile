# Everything that a developer and CI do here. `make help` lists it.
# A fresh Debian 12 needs Go, gcc, make, git, and Node 20.19 or newer with npm;
# what else a target needs it fetches itself, pinned, into the cache.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

# A program says its version by VERSION. The stamp of the version control would
# say it again, and fails in checkouts that belong to another user.
export GOFLAGS := -buildvcs=false $(GOFLAGS)

MODULES  := $(patsubst $(CURDIR)/%,%,$(shell go list -m -f '{{.Dir}}'))
PACKAGES := $(MODULES:%=./%/...)
EXAMPLES := $(patsubst %/go.mod,%,$(wildcard examples/*/go.mod))

# A module outside of the workspace, where what it needs, some 500 modules, would
# decide which versions everything else is tested with. All is done to it as it is
# built, so that it is compiled once, and it does without the race detector, which
# would have all of rclone compiled again.
ALONE    := plugins/storage-rclone
in-alone  = for m in $(ALONE); do (cd $$m && export GOWORK=off CGO_ENABLED=0 GOFLAGS="$(GOFLAGS) -trimpath" && $(1)) || exit 1; done
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# The programs, each by its folder. Those that are not written yet are left out.
PROGRAMS := \
	controlplane/cmd/corral-controlplane \
	controlplane/cmd/corral \
	agent/cmd/corral-agent \
	agent/cmd/corral-gpuprobe \
	agent/cmd/corral-modelworker \
	sdk/cmd/corral-plugin \
	sdk/cmd/corral-plugin-shim \
	sdk/cmd/plugincheck \
	plugins/storage-fs \
	plugins/storage-s3 \
	plugins/storage-azblob \
	plugins/storage-gcs \
	plugins/storage-rclone \
	plugins/storage-http \
	plugins/storage-hf \
	plugins/storage-registry \
	plugins/loader-gguf \
	plugins/loader-safetensors \
	plugins/loader-lora \
	plugins/loader-modelfile
PROGRAMS := $(patsubst %/main.go,%,$(wildcard $(PROGRAMS:%=%/main.go)))

# The dashboard is a project of npm, and what it is built into is part of the
# control plane. A folder among its sources is newer when a file in it has gone.
DASHBOARD         := controlplane/dashboard
DASHBOARD_BUILT   := $(DASHBOARD)/dist/index.html
DASHBOARD_MODULES := $(DASHBOARD)/node_modules/.package-lock.json
DASHBOARD_TYPES   := $(DASHBOARD)/src/api/types.gen.ts
DASHBOARD_SOURCES := $(shell find $(DASHBOARD)/src ! -name '*.test.ts*') $(DASHBOARD)/scripts/compress.mjs \
	$(addprefix $(DASHBOARD)/,index.html package.json tsconfig.json vite.config.ts)

# Linker flags of single programs beside the version: the agent is on every host.
LDFLAGS_corral-agent := -s -w
LDFLAGS_corral-modelworker := -s -w

# Plugins are copied to hosts, and some have whole SDKs in them.
LDFLAGS_storage-s3     := -s -w
LDFLAGS_storage-azblob := -s -w
LDFLAGS_storage-gcs    := -s -w
LDFLAGS_storage-rclone := -s -w
LDFLAGS_storage-http     := -s -w
LDFLAGS_storage-hf       := -s -w
LDFLAGS_storage-registry := -s -w

# The probe calls the GPU driver's library, for which it needs a C compiler. The
# binding's own C has functions that are to go.
LDFLAGS_corral-gpuprobe := -s -w
CGO_corral-gpuprobe := CGO_ENABLED=1 CGO_CFLAGS="-g -O2 -Wno-deprecated-declarations"

# What the tests may not do without: where one of these is missing, a test that
# needs it fails instead of being skipped.
export CORRAL_MUST_RUN ?= ollama,node,chromium,systemd,dbus,s3,azblob,gcs,nginx

FUZZTIME ?= 10s
SOAKTIME ?= 10m
SOAKRUNS ?= 20

# Tools are built once for each version of Go, which they have to know as well as
# what they check, and kept outside of the repository.
CACHE := $(or $(CORRAL_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/corral)
TOOLS := $(CACHE)/bin/$(shell go env GOVERSION)
GOLANGCI_LINT := $(TOOLS)/golangci-lint@v2.15.0
BUF           := $(TOOLS)/buf@v1.75.0
RCLONE        := $(TOOLS)/rclone@v1.76.0

##@ Develop

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@ /{printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## /{printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: $(if $(WITHOUT_DASHBOARD),,$(DASHBOARD_BUILT)) ## the programs, into bin/; WITHOUT_DASHBOARD=1 needs no npm
	@mkdir -p bin
	@$(foreach p,$(PROGRAMS),$(call build-program,$(call module-of,$(p)),$(p)); )
	@$(if $(PLUGINS),go run -C sdk ./cmd/pluginlock $(CURDIR)/bin/plugins.lock $(PLUGINS:%=$(CURDIR)/bin/%))

# The lock says that our own plugins, as they have just been built, may be run.
PLUGINS = $(foreach p,$(filter plugins/%,$(PROGRAMS)),$(call name-of,$(p)))

# Releases are built without the workspace, each module by its own go.mod alone.
build-program = echo "build bin/$(call name-of,$(2))"; GOWORK=off $(or $(CGO_$(notdir $(2))),CGO_ENABLED=0) go build -C $(1) -trimpath \
	-ldflags "$(strip $(LDFLAGS_$(notdir $(2))) -X main.version=$(VERSION))" -o $(CURDIR)/bin/$(call name-of,$(2)) .$(2:$(1)%=%)

module-of = $(or $(filter $(1),$(ALONE)),$(firstword $(subst /, ,$(1))))

# A plugin's program says that it is one.
name-of = $(if $(filter plugins/%,$(1)),corral-plugin-)$(notdir $(1))

.PHONY: run
run: build ## a control plane, an agent and an Ollama on this machine
	@scripts/run.sh

# Where `make install` takes programs from and puts them; DESTDIR stands before
# every path, as for a package.
BIN    ?= $(CURDIR)/bin
PREFIX ?= /usr/local
export PREFIX DESTDIR

.PHONY: install
install: ## what `make build` made, and units for systemd, below PREFIX (/usr/local) and DESTDIR
	@scripts/install.sh install $(BIN)

.PHONY: uninstall
uninstall: ## takes it away again, and leaves settings and state
	@scripts/install.sh uninstall

.PHONY: gen
gen: $(BUF) ## generated code, from the schemas in sdk/proto and, for the dashboard, from the API's types
	cd sdk && $(BUF) generate proto --template proto/buf.gen.yaml
	@tmp=$$(mktemp); trap 'rm -f "$$tmp"' EXIT; $(call generate-types,"$$tmp"); \
	cmp -s "$$tmp" $(DASHBOARD_TYPES) || cp "$$tmp" $(DASHBOARD_TYPES)

generate-types = go run -C controlplane ./internal/api/internal/typescript/cmd/apitypes >$(1)

.PHONY: fix
fix: $(GOLANGCI_LINT) ## what the formatters and linters can mend by themselves
	$(GOLANGCI_LINT) fmt $(MODULES)
	$(GOLANGCI_LINT) run --allow-parallel-runners --fix $(PACKAGES)

.PHONY: clean
clean: ## what the targets here have built, the cache not included
	rm -rf bin
	find $(DASHBOARD)/dist -mindepth 1 ! -name .gitkeep -delete

##@ Check

.PHONY: check
check: fmt-check vet lint arch gen-check tidy-check dashboard-check ## everything but the tests, in under a minute when warm

.PHONY: fmt-check
fmt-check: ## gofmt has nothing to change
	@unformatted=$$(find $(MODULES) examples -name node_modules -prune -o -name '*.go' -exec gofmt -l {} +); \
	if [ -n "$$unformatted" ]; then echo "not formatted:"; echo "$$unformatted"; exit 1; fi

.PHONY: vet
vet: ## go vet
	go vet $(PACKAGES)
	@$(call in-alone,go vet ./...)

.PHONY: lint
lint: $(GOLANGCI_LINT) ## golangci-lint, with the rules of .golangci.yml
	$(GOLANGCI_LINT) run --allow-parallel-runners $(PACKAGES)
	@$(call in-alone,$(GOLANGCI_LINT) run --allow-parallel-runners ./...)

# -count=1: the test cache does not see what the test reads, so that a cached
# result would hide a new import.
.PHONY: arch
arch: ## who imports whom, and each module built without the workspace
	go test -count=1 -run '^TestImport' ./e2e
	@for m in $(MODULES); do echo "GOWORK=off go build -C $$m ./..."; GOWORK=off go build -C $$m -o /dev/null ./...; done

.PHONY: gen-check
gen-check: $(BUF) ## the generated code is what the schemas and types say
	$(BUF) lint sdk/proto
	@tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; \
	(cd sdk && $(BUF) generate proto --template proto/buf.gen.yaml --output "$$tmp"); \
	$(call generate-types,"$$tmp/types.ts"); \
	diff -r "$$tmp/internal/pb" sdk/internal/pb && diff "$$tmp/types.ts" $(DASHBOARD_TYPES) || \
	{ echo "the generated code is out of date: make gen"; exit 1; }

.PHONY: tidy-check
tidy-check: ## go.mod and go.sum of every module are tidy
	@for m in $(MODULES) $(EXAMPLES) $(ALONE); do (cd $$m && GOWORK=off go mod tidy -diff) || { echo "$$m: run GOWORK=off go mod tidy there"; exit 1; }; done

.PHONY: dashboard-check
dashboard-check: $(DASHBOARD_MODULES) ## the dashboard's types and its linter
	npm run --silent --prefix $(DASHBOARD) check

##@ Test

# Tests wait more than they count: two for each processor take two thirds of the time, and
# those of e2e three quarters.
AT_ONCE := $(shell echo $$((2 * $$(nproc))))

.PHONY: test
test: check unit dashboard-test e2e ## everything that CI runs

.PHONY: unit
unit: servers ## the tests of every module but e2e, with the race detector where it can be
	@scripts/deps.sh dbus-daemon
	@CORRAL_OLLAMA_BIN=$${CORRAL_OLLAMA_BIN:-$$(scripts/ollama.sh path)}; export CORRAL_OLLAMA_BIN; \
	go test -race -p $(AT_ONCE) -timeout 20m $(filter-out ./e2e/...,$(PACKAGES)); \
	go test -p $(AT_ONCE) -timeout 20m $$(scripts/norace.sh $(MODULES)); \
	$(call in-alone,go test -timeout 20m ./...)

.PHONY: dashboard-test
dashboard-test: $(DASHBOARD_BUILT) ## the dashboard's own tests, and how much of it a first load takes
	npm test --silent --prefix $(DASHBOARD)
	npm run --silent --prefix $(DASHBOARD) size

# -count=1: the test cache does not see the programs that the tests start.
.PHONY: e2e
e2e: build node servers ## the built programs with a real Ollama, a real browser and real clients
	@CORRAL_OLLAMA_BIN=$${CORRAL_OLLAMA_BIN:-$$(scripts/ollama.sh path)}; export CORRAL_OLLAMA_BIN; \
	CORRAL_BIN_DIR=$(CURDIR)/bin go test -race -count=1 -parallel $(AT_ONCE) -timeout 20m ./e2e/...

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (10s)
	@scripts/fuzz.sh $(FUZZTIME) $(PACKAGES)

.PHONY: soak
soak: build node servers ## the tests SOAKRUNS (20) times, a storm of agents, every fuzz target for SOAKTIME (10m)
	@CORRAL_OLLAMA_BIN=$${CORRAL_OLLAMA_BIN:-$$(scripts/ollama.sh path)}; export CORRAL_OLLAMA_BIN; \
	scripts/soak.sh $(CURDIR)/bin $(SOAKRUNS) $(SOAKTIME) $(PACKAGES)

.PHONY: bench
bench: build node servers $(RCLONE) ## the benchmarks in the packages and of the built programs, into docs/bench
	@scripts/bench.sh $(CURDIR)/bin $(CURDIR)/docs/bench $(RCLONE) $(PACKAGES)

.PHONY: screenshots
screenshots: build node ## pictures of every room of the dashboard, into docs/images
	go run ./e2e/bench/cmd/screenshots -controlplane bin/corral-controlplane -out docs/images

# What the targets above need.

# A folder with a package-lock.json has its modules installed, exactly as locked,
# and those of e2e drive a browser. Hosts that the network cuts off need ip, what
# reads the units is of systemd, and a systemd that is booted needs its bus and
# who decides there.
LOCKS := $(shell find $(MODULES) examples -name node_modules -prune -o -name package-lock.json -print)

.PHONY: node
node: $(LOCKS:%/package-lock.json=%/node_modules/.package-lock.json)
	@$(if $(filter e2e/%,$(LOCKS)),scripts/deps.sh chromium curl ip=iproute2 systemd-analyze=systemd dbus-daemon=dbus pkaction=polkitd)

# The servers of the services that storage plugins are for, and what benchmarks compare with.
.PHONY: servers
servers:
	@for s in versitygw azurite-blob fake-gcs-server nginx; do scripts/server.sh $$s >/dev/null || exit 1; done

%/node_modules/.package-lock.json: %/package-lock.json
	@scripts/node.sh
	npm ci --no-audit --no-fund --prefix $*
	@touch $@

$(DASHBOARD_BUILT): $(DASHBOARD_MODULES) $(DASHBOARD_SOURCES)
	npm run --silent --prefix $(DASHBOARD) build
	@touch $@

$(GOLANGCI_LINT):
	@scripts/tool.sh $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(BUF):
	@scripts/tool.sh $@ github.com/bufbuild/buf/cmd/buf

# What storage plugins are compared with.
$(RCLONE):
	@scripts/tool.sh $@ github.com/rclone/rclone
