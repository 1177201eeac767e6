#!/bin/bash
#
# Builds ngx_http_pillion_module.so into a directory:
#
#     examples/nginx/build.sh build
#
# binary compatible with the distribution's nginx (Debian: package nginx-dev),
# or, with a second argument, with the nginx built from that source tree:
#
#     examples/nginx/build.sh build ~/src/nginx-1.28.0
#
# NGX_CONFIGURE overrides the options given to nginx's configure. Everything
# happens in a temporary directory; nothing is printed unless it fails.

set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: $0 OUTDIR [NGINX_SOURCE]" >&2
    exit 2
fi

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
dist=/usr/share/nginx/src
src=${2:-$dist}

if [ ! -x "$src/configure" ]; then
    if [ "$src" = "$dist" ]; then
        echo "$0: nginx's headers are missing: apt-get install nginx-dev," \
             "or give an nginx source tree as second argument" >&2
    else
        echo "$0: \"$src\" is not an nginx source tree (no configure in it)" >&2
    fi
    exit 1
fi

tmp=$(mktemp -d "${TMPDIR:-/tmp}/pillion-nginx.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

cp -rL "$src" "$tmp/nginx"

# nginx's own flags hold -Werror and -Wno-unused-parameter: its callbacks have
# fixed signatures.
cc_opt="-O2 -g -fPIC -fstack-protector-strong -Wall -Wextra"

if [ -n "${NGX_CONFIGURE:-}" ]; then
    read -ra flags <<< "$NGX_CONFIGURE"
elif [ -f "$src/conf_flags" ]; then
    # The flags of Debian's nginx, as a bash array.
    . "$src/conf_flags"
    flags=("${NGX_CONF_FLAGS[@]}")
else
    flags=(--with-compat --with-threads --with-http_ssl_module --with-http_v2_module)
fi

log=$tmp/log

if ! (
    cd "$tmp/nginx"
    ./configure "${flags[@]}" --with-cc-opt="$cc_opt" --with-ld-opt="-Wl,-z,relro,-z,now" \
        --add-dynamic-module="$here"
    make -f objs/Makefile modules
) > "$log" 2>&1; then
    cat "$log" >&2
    echo "$0: building the module failed" >&2
    exit 1
fi

# Rename, never overwrite: a running nginx has the old file mapped.
cp "$tmp/nginx/objs/ngx_http_pillion_module.so" "$out/.ngx_http_pillion_module.so"
mv -f "$out/.ngx_http_pillion_module.so" "$out/ngx_http_pillion_module.so"
