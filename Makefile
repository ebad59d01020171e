# make check: what a change must pass. make bench, make pgo, make fuzz, make man: see below.
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
export CGO_ENABLED = 0

build:
	$(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o framescope ./cmd/framescope

check:
	@test -z "$$(gofmt -l cmd capture decode mptcpctl probes)" || { gofmt -l cmd capture decode mptcpctl probes; echo "gofmt -w these"; exit 1; }
	$(GO) vet ./...
	$(GO) test ./...
	GOOS=darwin GOARCH=arm64 $(GO) vet ./...
	GOOS=windows GOARCH=amd64 $(GO) vet ./...

# Benchmarks of every package; compare two runs with benchstat.
bench:
	$(GO) test -run '^$$' -bench . -benchmem -count 6 ./...

# The profile that the compiler goes by (go help build, -pgo): a new one is worth
# its while after a hot path has changed.
pgo:
	$(GO) test -run '^$$' -bench Decode -benchtime 60x -cpuprofile cmd/framescope/default.pgo -o /dev/null ./cmd/framescope

# FUZZTIME for each fuzz target in turn: a time, or a count such as 10000x.
FUZZTIME ?= 30s
fuzz:
	@for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "== $$p $$f"; \
	    $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$p || exit 1; \
	  done; \
	done

# Manual pages into ./man.
man:
	$(GO) run -tags man ./cmd/framescope man --dir man

clean:
	rm -rf framescope man

.PHONY: build check bench pgo fuzz man clean
