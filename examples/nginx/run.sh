#!/bin/bash
#
# run.sh BUILD - runs nginx in the foreground with the demo of nginx.conf, as
# built into the directory BUILD. PORT and NGINX_BINARY may be set. Everything it
# writes is below BUILD/run; a system nginx is not touched.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
port=${PORT:-8080}
nginx=${NGINX_BINARY:-/usr/sbin/nginx} # the module is built for the distribution's

if [ ! -x "$nginx" ]; then
    echo "There is no $nginx. Install the package nginx, or set NGINX_BINARY=/path/to/nginx" >&2
    exit 1
fi
if ! [[ $port =~ ^[1-9][0-9]{0,4}$ ]] || ((port > 65535)); then
    echo "PORT=$port is not a port number" >&2
    exit 1
fi
if (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then
    echo "Port $port of 127.0.0.1 is taken. Choose another one: make run PORT=$((port % 65535 + 1))" >&2
    exit 1
fi

prefix=$build/run/$port
mkdir -p "$prefix"/{conf,logs,temp,modules,apps}
ln -sfn "$build/ngx_http_pillion_module.so" "$prefix/modules/"
ln -sfn "$build/libpillion.so" "$prefix/apps/"
sed "s/127\.0\.0\.1:8080/127.0.0.1:$port/" "$here/nginx.conf" > "$prefix/conf/nginx.conf"

# Started by root, workers would become another user, who may not read BUILD.
globals="daemon off;"
[ "$(id -u)" != 0 ] || globals+=" user root;"

run=("$nginx" -p "$prefix/" -e stderr -c conf/nginx.conf -g "$globals")
if ! problem=$("${run[@]}" -t 2>&1); then
    echo "$problem" >&2
    exit 1
fi

cat << END
The demo is at

    http://127.0.0.1:$port/                the page
    http://127.0.0.1:$port/demo/           the same, below a prefix
    http://127.0.0.1:$port/api/notes       JSON
    http://127.0.0.1:$port/clock           server-sent events
    http://127.0.0.1:$port/debug/environ   what Go is told
    http://127.0.0.1:$port/hello           the smallest app

Configuration and logs: $prefix
Ctrl-C stops it.

END
exec "${run[@]}"
