#!/bin/bash
#
# apache.sh [SECONDS [CONNECTIONS]] - measures httpd's event MPM with wrk: a file
# by httpd alone, the application on a goroutine that httpd's thread waits for
# (mod_pillion as it is), and the application on httpd's thread itself, by
# pillion_call(). Prints requests per second and the CPU time of httpd for each
# request. Needs what `make build SERVER=apache` has built, gcc and wrk.

set -eu

seconds=${1:-10}
connections=${2:-64}
here=$(cd "$(dirname "$0")" && pwd)
build=$here/../build
httpd=${HTTPD_BINARY:-/usr/sbin/apache2}
modules=$(apxs -q LIBEXECDIR)

dir=$(mktemp -d "${TMPDIR:-/tmp}/pillion-bench.XXXXXX")
chmod 755 "$dir"
httpd_pid=
trap '[ -z "$httpd_pid" ] || kill $httpd_pid 2> /dev/null; rm -rf "$dir"' EXIT

cp "$build/libpillion.so" "$build/mod_pillion.so" "$dir/"
ln -s libpillion.so "$dir/libpillion.so.1" # its soname
gcc -O2 -shared -fPIC -I"$here/../include" "$here/c/serve_by_call.c" -o "$dir/by_call.so" \
    "$dir/libpillion.so" -Wl,-rpath,"$dir"
head -c 1024 /dev/zero | tr '\0' x > "$dir/file"

port=$((20000 + RANDOM % 10000))
user=
[ "$(id -u)" != 0 ] || user=$'User www-data\nGroup www-data'

serve() { # LIBRARY
    cat > "$dir/httpd.conf" << END
ServerRoot $dir
DefaultRuntimeDir $dir
PidFile $dir/pid
ServerName localhost
Listen 127.0.0.1:$port
$user
ErrorLog $dir/error.log
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule alias_module $modules/mod_alias.so
LoadModule pillion_module $dir/mod_pillion.so
ServerLimit 1
StartServers 1
ThreadLimit 128
ThreadsPerChild 128
MaxRequestWorkers 128
MinSpareThreads 1
MaxSpareThreads 128
MaxKeepAliveRequests 0
PillionLibrary $1
PillionScriptAlias /hello hello
Alias /file $dir/file
END
    "$httpd" -DFOREGROUND -f "$dir/httpd.conf" &
    httpd_pid=$!
    until (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; do
        kill -0 $httpd_pid
    done
}

stop() {
    kill -WINCH $httpd_pid
    wait $httpd_pid || true
    httpd_pid=
}

ticks() { # clock ticks of CPU time that httpd's child has used
    awk '{ print $14 + $15 }' "/proc/$(cut -d' ' -f1 "/proc/$httpd_pid/task/$httpd_pid/children")/stat"
}

measure() { # NAME PATH
    local before after out requests
    wrk -t2 -c"$connections" -d1 "http://127.0.0.1:$port$2" > "$dir/warm"
    before=$(ticks)
    out=$(wrk -t2 -c"$connections" -d"$seconds" --latency "http://127.0.0.1:$port$2")
    after=$(ticks)
    requests=$(awk '/requests in/ { print $1 }' <<< "$out")
    awk -v name="$1" -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" -v n="$requests" -v out="$out" 'BEGIN {
        match(out, /Requests\/sec: +[0-9.]+/); rate = substr(out, RSTART + 13, RLENGTH - 13)
        match(out, /99% +[0-9.a-z]+/); p99 = substr(out, RSTART + 3, RLENGTH - 3)
        printf "%-46s %8d requests/s %6.1f us CPU/request  p99 %s\n", name, rate, t / hz / n * 1e6, p99
    }'
}

serve "$dir/libpillion.so"
measure "a file of 1 KiB, httpd alone" /file
measure "an application on a goroutine (as built)" /hello
stop
serve "$dir/by_call.so"
measure "an application on httpd's own thread" /hello
stop
