#!/bin/sh
#
# sanitized-nginx.sh OUTDIR CFLAGS - builds nginx from the distribution's source
# package, with its patches, and our module with it, with those flags for
# sanitizers: OUTDIR/nginx
# and OUTDIR/ngx_http_pillion_module.so. Every allocation of nginx's pools is one
# of its own (NGX_DEBUG_PALLOC), so that the sanitizer sees them. nginx
# copies no bytes from NULL, adds 0 to NULL and stores numbers where they are not
# aligned, which it is not blamed for; our module is.
#
# The source is fetched by apt-get, from where the machine's packages come from,
# into a temporary directory; the machine's own lists are left as they are.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=$(cd "$1" && pwd)
flags=$2
lenient=-fno-sanitize=nonnull-attribute,pointer-overflow,alignment
strict=-fsanitize=nonnull-attribute,pointer-overflow,alignment

tmp=$(mktemp -d "${TMPDIR:-/tmp}/pillion-nginx.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
log=$tmp/log

mkdir -p "$tmp/apt/lists/partial" "$tmp/apt/cache/archives/partial" "$tmp/apt/sources.list.d"

# The same sources, for source packages.
cat /etc/apt/sources.list 2> /dev/null | sed -n 's/^deb /deb-src /p' > "$tmp/apt/sources.list"
for file in /etc/apt/sources.list.d/*.list; do
    [ -e "$file" ] || continue
    sed -n 's/^deb /deb-src /p' "$file" > "$tmp/apt/sources.list.d/$(basename "$file")"
done
for file in /etc/apt/sources.list.d/*.sources; do
    [ -e "$file" ] || continue
    sed 's/^Types:.*/Types: deb-src/' "$file" > "$tmp/apt/sources.list.d/$(basename "$file")"
done

apt() {
    apt-get -qq -o "Dir::Etc::SourceList=$tmp/apt/sources.list" \
        -o "Dir::Etc::SourceParts=$tmp/apt/sources.list.d" \
        -o "Dir::State::Lists=$tmp/apt/lists" -o "Dir::Cache=$tmp/apt/cache" \
        -o APT::Sandbox::User=root "$@"
}

# The source of the nginx that is installed, or of another revision of its
# package if the archive has that one no more, into $tmp/nginx, patched.
fetch() {
    installed=$(dpkg-query -W -f '${source:Version}' nginx) || return 1
    upstream=$(dpkg-query -W -f '${source:Upstream-Version}' nginx) || return 1
    apt update || return 1
    for version in "$installed" $(apt-cache -o "Dir::Etc::SourceList=$tmp/apt/sources.list" \
        -o "Dir::Etc::SourceParts=$tmp/apt/sources.list.d" \
        -o "Dir::State::Lists=$tmp/apt/lists" -o "Dir::Cache=$tmp/apt/cache" \
        showsrc nginx | sed -n "s/^Version: \($upstream-.*\)/\1/p"); do
        if (cd "$tmp" && apt source "nginx=$version"); then
            mv "$tmp/nginx-$upstream" "$tmp/nginx"
            return
        fi
    done
    echo "apt-get finds no source of nginx $upstream"
    return 1
}

build() {
    cd "$tmp/nginx" \
    && ./configure --prefix="$tmp/prefix" --with-debug --with-compat --with-threads \
        --with-http_ssl_module --with-http_v2_module --with-http_auth_request_module \
        --with-http_sub_module --with-cc-opt="-O1 -DNGX_DEBUG_PALLOC=1 $flags $lenient" \
        --with-ld-opt="$flags" --add-dynamic-module="$here/../examples/nginx" \
    && make -j2 -f objs/Makefile binary \
    && make -j2 -f objs/Makefile modules \
        CFLAGS="$(sed -n 's/^CFLAGS = *//p' objs/Makefile) $strict -Wall -Wextra -Wno-unused-parameter"
}

if ! (fetch && build) > "$log" 2>&1; then
    tail -n 50 "$log" >&2
    echo "$0: building nginx with sanitizers failed" >&2
    exit 1
fi

cp "$tmp/nginx/objs/nginx" "$tmp/nginx/objs/ngx_http_pillion_module.so" "$out/"
