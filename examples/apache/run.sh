#!/bin/bash
#
# run.sh BUILD - runs httpd in the foreground with the demo of httpd.conf, as
# built into the directory BUILD. PORT and HTTPD_BINARY may be set. Everything it
# writes is below BUILD/run/apache; a system httpd is not touched.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
port=${PORT:-8081}
httpd=${HTTPD_BINARY:-/usr/sbin/apache2} # the module is built for the distribution's

if [ ! -x "$httpd" ]; then
    echo "There is no $httpd. Install the package apache2-bin, or set HTTPD_BINARY=/path/to/httpd" >&2
    exit 1
fi
if ! [[ $port =~ ^[1-9][0-9]{0,4}$ ]] || ((port > 65535)); then
    echo "PORT=$port is not a port number" >&2
    exit 1
fi
if (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then
    echo "Port $port of 127.0.0.1 is taken. Choose another one: make run SERVER=apache PORT=$((port % 65535 + 1))" >&2
    exit 1
fi

# Started by root, httpd's children become another user, who may not read BUILD:
# then the server lives in a temporary directory.
root=$build/run/apache/$port
temporary=
user=()
if [ "$(id -u)" = 0 ]; then
    user=(-c "User www-data" -c "Group www-data")
    if ! setpriv --reuid=www-data --regid=www-data --clear-groups test -r "$build/libpillion.so"; then
        root=$(mktemp -d "${TMPDIR:-/tmp}/pillion-apache.XXXXXX")
        temporary=$root
        chmod 755 "$root"
    fi
fi
trap '[ -z "$temporary" ] || rm -rf "$temporary"' EXIT

mkdir -p "$root"/{conf,logs,run,modules,apps,htdocs}
cp -f "$build/mod_pillion.so" "$root/modules/.new" && mv -f "$root/modules/.new" "$root/modules/mod_pillion.so"
cp -f "$build/libpillion.so" "$root/apps/.new" && mv -f "$root/apps/.new" "$root/apps/libpillion.so"
cp -f "$here"/../app/assets/{style.css,icon.svg} "$root/htdocs/"
sed "s/127\.0\.0\.1:8081/127.0.0.1:$port/" "$here/httpd.conf" > "$root/conf/httpd.conf"
# As "htpasswd -s" of package apache2-utils writes it; use -B for real ones.
echo 'gopher:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=' > "$root/conf/users"

run=("$httpd" -d "$root" -C "Define SITE $root" -f conf/httpd.conf "${user[@]}")
if ! problem=$("${run[@]}" -t 2>&1); then
    echo "$problem" >&2
    exit 1
fi

cat << END
The demo is at

    http://127.0.0.1:$port/                  the page
    http://127.0.0.1:$port/demo/             the same, below a prefix
    http://127.0.0.1:$port/api/notes         JSON
    http://127.0.0.1:$port/clock             server-sent events
    http://127.0.0.1:$port/debug/environ     what Go is told
    http://127.0.0.1:$port/hello             the smallest app
    http://127.0.0.1:$port/private/          for gopher, with the password secret
    http://127.0.0.1:$port/static/icon.svg   httpd alone

Configuration and logs: $root
Ctrl-C stops it.

END
"${run[@]}" -DFOREGROUND &
httpd=$!
trap 'kill $httpd 2> /dev/null || true' HUP INT TERM
while kill -0 $httpd 2> /dev/null; do
    wait $httpd || true
done
