#!/bin/bash
#
# Builds mod_pillion.so into a directory:
#
#     examples/apache/build.sh build
#
# for the distribution's httpd (Debian: package apache2-dev), or, with a second
# argument, for the one whose apxs that is:
#
#     examples/apache/build.sh build /usr/local/apache2/bin/apxs
#
# CFLAGS and LDFLAGS are added to those of httpd's build. Everything happens in a
# temporary directory; nothing is printed unless it fails.

set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: $0 OUTDIR [APXS]" >&2
    exit 2
fi

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
apxs=${2:-$(command -v apxs || command -v apxs2 || true)}

if [ -z "$apxs" ]; then
    echo "$0: httpd's apxs is missing: apt-get install apache2-dev, or give its" \
         "path as second argument" >&2
    exit 1
fi
if ! [ -x "$apxs" ] || ! "$apxs" -q INCLUDEDIR > /dev/null 2>&1; then
    echo "$0: \"$apxs\" is not httpd's apxs" >&2
    exit 1
fi

tmp=$(mktemp -d "${TMPDIR:-/tmp}/pillion-apache.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

cp "$here"/*.[ch] "$here"/../../include/*.h "$tmp"

# -Wno-unused-parameter, -Wno-missing-field-initializers: httpd's callbacks have
# fixed signatures, its tables end with { NULL }.
flags=()
for flag in -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers \
            ${CFLAGS:-}; do
    flags+=("-Wc,$flag")
done
for flag in -Wl,-z,relro,-z,now ${LDFLAGS:-}; do
    flags+=("-Wl,$flag")
done

if ! (cd "$tmp" && "$apxs" "${flags[@]}" -c mod_pillion.c pillion_*.c) > "$tmp/log" 2>&1; then
    cat "$tmp/log" >&2
    echo "$0: building the module failed" >&2
    exit 1
fi

# Rename, never overwrite: a running httpd has the old file mapped.
cp "$tmp/.libs/mod_pillion.so" "$out/.mod_pillion.so"
mv -f "$out/.mod_pillion.so" "$out/mod_pillion.so"
