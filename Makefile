# Everything a person types. "make help" lists it.
SHELL := bash
.DEFAULT_GOAL := help
TAGS := nolibopusfile
export GOFLAGS ?= -tags=$(TAGS)
VERSION := $(shell git describe --tags --always 2>/dev/null || echo 0.1.0-dev)
LDFLAGS := -X repartee/cmd.Version=$(VERSION)
# Packages whose tests need no native part: they run with cgo off, and once more
# with the race detector and the self-checks.
PURE = $(shell go list ./... | grep -v -E '/(e2e|tts|tts/voice|tts/onnx)$$')
# The race detector is for Go code; the binding is C behind a thin layer.
RACE = $(shell go list ./... | grep -v -E '/(e2e|inference/llama)$$')

.PHONY: help run build native fetch packages test race lint fuzz bench e2e wer cuda gpu-pack gpu-check clean

help: ## list the targets
	@echo "repartee: make TARGET"; grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  \1\t/' | expand -t 14

run: build ## build, fetch the default model and voice, and serve on 127.0.0.1:8080
	@echo "run: bin/repartee serve"
	@exec bin/repartee serve

packages: ## install the Debian packages that the build needs, or name them
	@third_party/packages.sh

fetch: packages ## fetch the pinned third-party parts into the cache
	@echo "fetch: pinned parts"; third_party/fetch.py

native: fetch ## build llama.cpp and the shim, once
	@echo "native: llama.cpp, shim, phonemizer"; third_party/native.sh

build: native ## build bin/repartee
	@echo "build: bin/repartee $(VERSION)"
	@go build -ldflags '$(LDFLAGS)' -o bin/repartee .
	@install -m 755 "$$(third_party/where.sh)/native/current/bin/repartee-phonemize" bin/repartee-phonemize

test: build ## every test that needs no GPU
	@echo "test: pure Go, cgo off"
	CGO_ENABLED=0 go vet ./...
	CGO_ENABLED=0 go test $(PURE)
	@echo "test: pure Go, race detector and self-checks"
	go test -race -tags=$(TAGS),invariants $(RACE)
	@echo "test: everything with the real libraries, model and voices"
	@third_party/fetch.py kokoro kokoro-styles gemma3-270m
	go test -run '^$$' ./... >/dev/null # builds them, side by side
	REPARTEE_E2E=1 go test -p 1 -timeout 20m ./... # one by one: threads that wait for each other at barriers want the cores alone
	@$(MAKE) --no-print-directory e2e

race: build ## the race detector on everything
	@echo "race: all packages"; go test -race -tags=$(TAGS),invariants $(RACE)

lint: native ## gofmt, go vet both ways, golangci-lint, borders
	@echo "lint: gofmt"; test -z "$$(gofmt -l $$(git ls-files '*.go') | tee /dev/stderr)"
	@echo "lint: go vet"; go vet ./... && CGO_ENABLED=0 go vet ./...
	@echo "lint: golangci-lint (built once, minutes)"; go tool -modfile=tools/go.mod golangci-lint run ./...
	@echo "lint: ok"

FUZZTIME ?= 10s
fuzz: native ## every fuzz target for FUZZTIME (10s)
	@set -e; for pkg in $$(go list ./...); do for t in $$(go test -list '^Fuzz' $$pkg 2>/dev/null | grep ^Fuzz || true); do \
	  echo "fuzz: $$pkg $$t"; go test -run '^$$' -fuzz "^$$t\$$" -fuzztime $(FUZZTIME) $$pkg; done; done

bench: build ## Go benchmarks of the hot paths
	@echo "bench: hot paths"; go test -run '^$$' -bench . -benchmem ./...

e2e: build ## the built server against clients nobody here wrote
	@third_party/packages.sh e2e
	@echo "e2e: OpenAI, Ollama and WebSocket clients, nginx, load, faults"
	cd e2e && go vet ./... && go test -count=1 -timeout 20m $(E2EFLAGS) ./...

wer: build ## word error rates of our speech and piper-tts's, by an independent recogniser
	@echo "wer: 50 sentences, two engines, pocketsphinx"
	cd e2e && REPARTEE_WER=1 go test -count=1 -timeout 20m -run WordErrors -v .

cuda: fetch ## build bin/cuda/bin/repartee, which uses a GPU where there is one
	@echo "cuda: llama.cpp's CUDA backend as a module, processor modules, bin/cuda"; third_party/fetch.py onnxruntime-gpu && VERSION=$(VERSION) third_party/cuda.sh

gpu-pack: ## put what a machine with a GPU and no network lacks into gpu-pack
	@echo "gpu-pack: program, CUDA module, tests, vocabularies"; VERSION=$(VERSION) third_party/gpucheck.sh pack

gpu-check: ## prove it on a GPU, in 9 minutes without a network; DRY=1 here, with a stand-in
	@echo "gpu-check: doctor, plan, benches, agreement, leaks, tests"; VERSION=$(VERSION) third_party/gpucheck.sh run

clean: ## remove what was built in the tree; the cache stays
	@echo "clean: bin, native_flags.go"; rm -rf bin inference/llama/native_flags.go
