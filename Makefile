# make alone lists the targets.

.PHONY: help run build library module test fuzz soak bench install uninstall generate clean
.DEFAULT_GOAL := help

BUILD       := build
SERVER      := nginx
MINUTES     := 10
SEQUENCES   := 1000000
FUZZTIME    := 30s

# apache2-bin is httpd without a service: package apache2 would start one.
NEEDS            := gcc libc6-dev make
NEEDS_OF_nginx   := nginx nginx-dev
NEEDS_OF_apache  := apache2-bin apache2-dev
MODULE_OF_nginx  := ngx_http_pillion_module.so
MODULE_OF_apache := mod_pillion.so
TEST_NEEDS  := $(NEEDS) $(NEEDS_OF_nginx) $(NEEDS_OF_apache) \
               abigail-tools ca-certificates clang dpkg-dev faketime g++ groff-base libevent-dev \
               libmicrohttpd-dev litmus mandoc nghttp2-client pkg-config wrk
# What calls from other languages; Node and LuaJIT may be there under other names.
FFI_NEEDS    = python3 php-cli ruby gunicorn uwsgi-core uwsgi-plugin-python3 libapache2-mod-wsgi-py3 \
               $(if $(shell command -v luajit),,luajit2) $(if $(shell command -v node),,nodejs) \
               $(if $(shell command -v npm),,npm)
BENCH_NEEDS := $(NEEDS) $(NEEDS_OF_nginx) $(NEEDS_OF_apache) \
               libapache2-mod-wsgi-py3 libnginx-mod-http-lua nghttp2-client wrk
SANITIZED   := TestBehaviour|TestABI|TestQueue|TestLog_|TestServe_|TestConform|TestFuzz|TestSecurity|TestFaults_(Client|Reset|Cancelled|Header|NoRequest|Pipelined|Requests|Slow)|TestNginx_(Auth|BodyIn|BodyLeft|Client|ErrorPage|FilesIn|FilesThrough|Gzip|HTTP2Streams|HideHeader|IgnoreClient|Intercept|Internal|LimitExcept|LimitRate|MaxRequests|Mirror|Params|Pass|RequestBuffering|SSI|Stalled|SubFilter|Truncated|Tunnel|XAccel)
CHECKED     := TestABI|TestQueue_|TestServe_|TestLog_|TestBehaviour/^(call|serve|queue|nginx)$$
RACED       := TestBehaviour/^(call|serve|queue|nginx|nginx-app|nginx-tls|nginx-buffering|nginx-http2)$$|TestNginx_Tunnel|TestNginx_Files|TestFaults_(Client|Reset|Cancelled)
VERSION     := $(shell sed -n '/^const char \*pillion_version/,/^}/s/.*return "\(.*\)";/\1/p' capi/state.c)

PREFIX         := /usr/local
DESTDIR        :=
LIBDIR         := $(PREFIX)/lib
INCLUDEDIR     := $(PREFIX)/include
MANDIR         := $(PREFIX)/share/man
NGINX_MODULES   = $(or $(shell PATH="$$PATH:/usr/sbin" nginx -V 2>&1 | sed -n 's/.*--modules-path=\([^ ]*\).*/\1/p'),$(LIBDIR)/nginx/modules)
APACHE_MODULES  = $(or $(shell apxs -q LIBEXECDIR 2> /dev/null),/usr/lib/apache2/modules)

# Where pkg-config finds the installed library.
define INSTALLED_PC
s|^prefix=.*|prefix=$(PREFIX)|
s|^includedir=.*|includedir=$(INCLUDEDIR)|
s|^libdir=.*|libdir=$(LIBDIR)|
endef
export INSTALLED_PC

help:
	@echo 'make run        build, and run nginx with the demo app on 127.0.0.1:8080 (or PORT=...);'
	@echo '                SERVER=apache runs Apache httpd on 127.0.0.1:8081'
	@echo 'make build      the demo app as a library, the module for SERVER, pillion.pc, man pages: into $(BUILD)/'
	@echo 'make test       all checks and tests, with the servers they need'
	@echo 'make soak       mixed traffic for MINUTES=10, with reloads: fails if something is lost or grows;'
	@echo '                SERVER=apache, too'
	@echo 'make fuzz       a million sequences of calls that keep no rule (or SEQUENCES=..., SEED=...), and each'
	@echo '                fuzz target of the Go tests for FUZZTIME=30s'
	@echo 'make bench      Pillion next to its alternatives, measured (QUICK=1: in five minutes): $(BUILD)/bench.json'
	@echo 'make install    what was built, into $(PREFIX) (or PREFIX=..., and DESTDIR=... to make a package)'
	@echo 'make uninstall  removes what make install puts there'
	@echo 'make generate   bindings, symbol versions and the record of the ABI, from include/pillion.h'
	@echo 'make clean      remove $(BUILD)/'

run: build
	@exec examples/$(SERVER)/run.sh $(BUILD)

build:
	@test -n "$(MODULE_OF_$(SERVER))" || { echo 'SERVER must be nginx or apache' >&2; exit 1; }
	@.ci/need.sh $(NEEDS) $(NEEDS_OF_$(SERVER))
	@$(MAKE) -s library module

library:
	@GOFLAGS="$$(go env GOFLAGS) -buildvcs=false" go run ./capi/mklib -name pillion -version $(VERSION) \
		-description 'Go web applications inside other servers' -o $(BUILD) ./examples/app
	@go run ./capi/mkman $(BUILD)/man include/pillion.h include/pillion_loader.h

module: $(BUILD)/$(MODULE_OF_$(SERVER))

$(BUILD)/ngx_http_pillion_module.so: $(wildcard examples/nginx/*.[ch] examples/nginx/config include/*.h) examples/nginx/build.sh
	@examples/nginx/build.sh $(BUILD)

$(BUILD)/mod_pillion.so: $(wildcard examples/apache/*.[ch] include/*.h) examples/apache/build.sh
	@examples/apache/build.sh $(BUILD)

test:
	@.ci/need.sh $(TEST_NEEDS) $(FFI_NEEDS)
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo 'gofmt -w changes these files' >&2; exit 1; }
	@go vet ./...
	@cd test/frameworks && go vet ./...
	@$(MAKE) -s library module
	@go test -count=1 -timeout 40m -parallel 4 ./...
	@go test -count=1 -race -skip Readme ./host/... ./capi/... ./examples/app
	@GOEXPERIMENT=cgocheck2 go test -count=1 ./capi
	@GOEXPERIMENT=cgocheck2 go test -count=1 -timeout 30m -parallel 4 -run '$(CHECKED)' ./test
	@PILLION_RACE=1 go test -count=1 -timeout 30m -parallel 4 -run '$(RACED)' ./test
	@PILLION_SANITIZE=1 go test -count=1 -timeout 30m -parallel 4 -run '$(SANITIZED)' ./test

soak:
	@test -n "$(MODULE_OF_$(SERVER))" || { echo 'SERVER must be nginx or apache' >&2; exit 1; }
	@.ci/need.sh $(NEEDS) $(NEEDS_OF_$(SERVER))
	@PILLION_SOAK=$(MINUTES) PILLION_SOAK_SERVER=$(SERVER) go test -count=1 -timeout 0 -run '^TestSoak$$' -v ./test

fuzz:
	@.ci/need.sh gcc libc6-dev
	@PILLION_FUZZ=$(SEQUENCES) PILLION_SEED=$(SEED) go test -count=1 -timeout 24h -v -run TestFuzz_AnyCalls ./test
	@set -e; list=$$(go test -list '^Fuzz' ./...); \
		echo "$$list" | awk '/^Fuzz/ { all[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print $$2, all[i]; n = 0 }' \
		| while read -r package target; do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package" < /dev/null; \
		done

bench:
	@.ci/need.sh $(BENCH_NEEDS)
	@$(MAKE) -s module
	@$(MAKE) -s module SERVER=apache
	@go run -buildvcs=false ./bench $(if $(QUICK),-quick) -out $(BUILD)

generate:
	@go generate ./capi/abi

install:
	@test -e $(BUILD)/pillion.pc || { echo 'There is nothing to install: make build' >&2; exit 1; }
	@install -d $(addprefix $(DESTDIR),$(LIBDIR)/pkgconfig $(INCLUDEDIR) $(MANDIR)/man3)
	@cd $(BUILD) && install -m 644 $$(readlink libpillion.so.?) $(abspath $(DESTDIR)$(LIBDIR))
	@cd $(BUILD) && cp -P --remove-destination libpillion.so libpillion.so.? $(abspath $(DESTDIR)$(LIBDIR))
	@install -m 644 $(BUILD)/libpillion.a $(DESTDIR)$(LIBDIR)
	@install -m 644 include/*.h $(DESTDIR)$(INCLUDEDIR)
	@sed "$$INSTALLED_PC" $(BUILD)/pillion.pc > $(DESTDIR)$(LIBDIR)/pkgconfig/pillion.pc
	@chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/pillion.pc
	@install -m 644 $(BUILD)/man/*.3 $(DESTDIR)$(MANDIR)/man3
	@test ! -e $(BUILD)/ngx_http_pillion_module.so || install -D -m 644 -t $(DESTDIR)$(NGINX_MODULES) $(BUILD)/ngx_http_pillion_module.so
	@test ! -e $(BUILD)/mod_pillion.so || install -D -m 644 -t $(DESTDIR)$(APACHE_MODULES) $(BUILD)/mod_pillion.so
	@test -n '$(DESTDIR)' || ldconfig 2> /dev/null || true

uninstall:
	@rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,libpillion.so* libpillion.a pkgconfig/pillion.pc)
	@rm -f $(addprefix $(DESTDIR)$(INCLUDEDIR)/,$(notdir $(wildcard include/*.h)))
	@rm -f $(DESTDIR)$(MANDIR)/man3/pillion.3 $(DESTDIR)$(MANDIR)/man3/pillion_*.3
	@rm -f $(DESTDIR)$(NGINX_MODULES)/ngx_http_pillion_module.so $(DESTDIR)$(APACHE_MODULES)/mod_pillion.so
	@test -n '$(DESTDIR)' || ldconfig 2> /dev/null || true

clean:
	@rm -rf $(BUILD)
