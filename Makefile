# make alone lists the targets.

.PHONY: help run build library module test bench generate clean
.DEFAULT_GOAL := help

BUILD       := build
RUN_NEEDS   := gcc libc6-dev make nginx nginx-dev
TEST_NEEDS  := $(RUN_NEEDS) \
               abigail-tools ca-certificates clang g++ groff-base libevent-dev \
               libmicrohttpd-dev litmus mandoc nghttp2-client pkg-config wrk
BENCH_NEEDS := $(RUN_NEEDS) \
               apache2-bin libapache2-mod-wsgi-py3 libnginx-mod-http-lua \
               nghttp2-client wrk
SANITIZED   := TestBehaviour|TestABI|TestQueue|TestLog_|TestServe_|TestNginx_Tunnel|TestNginx_FilesIn|TestConform
VERSION    := $(shell sed -n '/^const char \*pillion_version/,/^}/s/.*return "\(.*\)";/\1/p' capi/state.c)

include install.mk

help:
	@echo 'make run        build, and run nginx with the demo app on 127.0.0.1:8080 (or PORT=...)'
	@echo 'make build      the demo app as a library, the nginx module, pillion.pc, man pages: into $(BUILD)/'
	@echo 'make test       all checks and tests, with the servers they need'
	@echo 'make bench      Pillion next to its alternatives, measured (QUICK=1: in five minutes): $(BUILD)/bench.json'
	@echo 'make install    what was built, into $(PREFIX) (or PREFIX=..., and DESTDIR=... to make a package)'
	@echo 'make uninstall  removes what make install puts there'
	@echo 'make generate   bindings, symbol versions and the record of the ABI, from include/pillion.h'
	@echo 'make clean      remove $(BUILD)/'

run: build
	@exec examples/nginx/run.sh $(BUILD)

build:
	@.ci/need.sh $(RUN_NEEDS)
	@$(MAKE) -s library module

library:
	@GOFLAGS="$$(go env GOFLAGS) -buildvcs=false" go run ./capi/mklib -name pillion -version $(VERSION) \
		-description 'Go web applications inside other servers' -o $(BUILD) ./examples/app
	@go run ./capi/mkman $(BUILD)/man include/pillion.h include/pillion_loader.h

module: $(BUILD)/ngx_http_pillion_module.so

$(BUILD)/ngx_http_pillion_module.so: $(wildcard examples/nginx/*.[ch] examples/nginx/config include/*.h) examples/nginx/build.sh
	@examples/nginx/build.sh $(BUILD)

test:
	@.ci/need.sh $(TEST_NEEDS)
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo 'gofmt -w changes these files' >&2; exit 1; }
	@go vet ./...
	@cd test/frameworks && go vet ./...
	@$(MAKE) -s library module
	@go test -count=1 -timeout 20m ./...
	@go test -count=1 -race -skip Readme ./host/... ./capi/... ./examples/app
	@PILLION_SANITIZE=1 go test -count=1 -timeout 20m -run '$(SANITIZED)' ./test

bench:
	@.ci/need.sh $(BENCH_NEEDS)
	@$(MAKE) -s module
	@go run -buildvcs=false ./bench $(if $(QUICK),-quick) -out $(BUILD)

generate:
	@go generate ./capi/abi

clean:
	@rm -rf $(BUILD)
