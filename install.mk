# What make build made goes where the system looks for it.
#
#     make install PREFIX=/usr DESTDIR=/tmp/package

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

.PHONY: install uninstall
install:
	@test -e $(BUILD)/pillion.pc || { echo 'There is nothing to install: make build' >&2; exit 1; }
	@install -d $(addprefix $(DESTDIR),$(LIBDIR)/pkgconfig $(INCLUDEDIR) $(MANDIR)/man3)
	@cd $(BUILD) && cp -P --remove-destination libpillion.so libpillion.so.? $$(readlink libpillion.so.?) $(abspath $(DESTDIR)$(LIBDIR))
	@install -m 644 $(BUILD)/libpillion.a $(DESTDIR)$(LIBDIR)
	@install -m 644 include/*.h $(DESTDIR)$(INCLUDEDIR)
	@sed "$$INSTALLED_PC" $(BUILD)/pillion.pc > $(DESTDIR)$(LIBDIR)/pkgconfig/pillion.pc
	@install -m 644 $(BUILD)/man/*.3 $(DESTDIR)$(MANDIR)/man3
	@install -D -m 644 -t $(DESTDIR)$(NGINX_MODULES) $(BUILD)/ngx_http_pillion_module.so
	@test ! -e $(BUILD)/mod_pillion.so || install -D -m 644 -t $(DESTDIR)$(APACHE_MODULES) $(BUILD)/mod_pillion.so
	@test -n '$(DESTDIR)' || ldconfig 2> /dev/null || true

uninstall:
	@rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,libpillion.so* libpillion.a pkgconfig/pillion.pc)
	@rm -f $(addprefix $(DESTDIR)$(INCLUDEDIR)/,$(notdir $(wildcard include/*.h)))
	@rm -f $(DESTDIR)$(MANDIR)/man3/pillion.3 $(DESTDIR)$(MANDIR)/man3/pillion_*.3
	@rm -f $(DESTDIR)$(NGINX_MODULES)/ngx_http_pillion_module.so $(DESTDIR)$(APACHE_MODULES)/mod_pillion.so
	@test -n '$(DESTDIR)' || ldconfig 2> /dev/null || true
