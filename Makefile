# make alone lists the targets.

.PHONY: help run build library module test clean

BUILD      := build
RUN_NEEDS  := gcc libc6-dev make nginx nginx-dev
TEST_NEEDS := $(RUN_NEEDS) ca-certificates g++ pkg-config
SANITIZED  := TestBehaviour|TestABI|TestQueue|TestLog_|TestServe_|TestNginx_Tunnel|TestNginx_FilesIn
VERSION    := $(shell sed -n '/^const char \*pillion_version/,/^}/s/.*return "\(.*\)";/\1/p' capi/state.c)

# Only pillion_ symbols are seen outside, and none is left undefined.
EXTLDFLAGS := -Wl,--version-script=$(CURDIR)/capi/pillion.map -Wl,-soname,libpillion.so -Wl,-z,defs

# Serves from where it lies, so that the tree may be moved.
define PC
prefix=$${pcfiledir}
includedir=$${prefix}/../include
libdir=$${prefix}

Name: pillion
Description: Go web applications inside other servers
Version: $(VERSION)
Cflags: -I$${includedir}
Libs: -L$${libdir} -lpillion
Libs.private: -lpthread
endef
export PC

help:
	@echo 'make run     build, and run nginx with the demo app on 127.0.0.1:8080 (or PORT=...)'
	@echo 'make build   the demo app as a library, the nginx module, pillion.pc: into $(BUILD)/'
	@echo 'make test    all checks and tests, with the servers they need'
	@echo 'make clean   remove $(BUILD)/'

run: build
	@exec examples/nginx/run.sh $(BUILD)

build:
	@.ci/need.sh $(RUN_NEEDS)
	@$(MAKE) -s library module

# Files are renamed into place, never written over: a server may have them
# mapped.
library:
	@mkdir -p $(BUILD)/new
	@go build -buildvcs=false -buildmode=c-shared -ldflags '-extldflags "$(EXTLDFLAGS)"' -o $(BUILD)/new/libpillion.so ./examples/app
	@go build -buildvcs=false -buildmode=c-archive -o $(BUILD)/new/libpillion.a ./examples/app
	@echo "$$PC" > $(BUILD)/new/pillion.pc
	@mv -f $(BUILD)/new/* $(BUILD)/ && rmdir $(BUILD)/new

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

clean:
	@rm -rf $(BUILD)
