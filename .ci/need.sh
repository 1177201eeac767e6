#!/bin/bash
#
# need.sh PACKAGE... - sees to it that Debian packages are installed: installs
# the missing ones if it may, otherwise prints the command to do so and fails.

set -eu

if ! command -v go > /dev/null; then
    echo "Go is missing: get it from https://go.dev/dl and put it in the PATH" >&2
    exit 1
fi

if ! command -v dpkg-query > /dev/null; then
    echo "This is no Debian: what it calls $* is taken to be installed" >&2
    exit 0
fi

missing=()
for package in "$@"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

command="apt-get install -y --no-install-recommends ${missing[*]}"
if [ "$(id -u)" != 0 ]; then
    echo "Packages are missing. Install them and try again:" >&2
    echo "    sudo $command" >&2
    exit 1
fi

echo "Installing ${missing[*]}" >&2
log=$(mktemp)
policy=
trap 'rm -f "$log" $policy' EXIT
trap 'exit 1' HUP INT TERM

# The nginx package starts a server on port 80 as it is installed, and at every
# boot. Nobody asked for that one here.
quiet_nginx=
if [[ " ${missing[*]} " == *" nginx "* ]]; then
    quiet_nginx=1
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        policy=/usr/sbin/policy-rc.d
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod 755 "$policy"
        echo "(with a temporary $policy, so that the system's nginx is not started)" >&2
    fi
fi

export DEBIAN_FRONTEND=noninteractive
apt() { apt-get -qq -o DPkg::Lock::Timeout=300 "$@" > "$log" 2>&1; }
install() { apt install -y --no-install-recommends "${missing[@]}"; }
if ! install && ! { apt update && install; }; then
    cat "$log" >&2
    echo "This failed: $command" >&2
    exit 1
fi

if [ "$quiet_nginx" ]; then
    update-rc.d nginx disable > /dev/null 2>&1 || true
    systemctl --quiet disable --now nginx > /dev/null 2>&1 || true
    echo "(the system's nginx stays off: systemctl enable --now nginx turns it on)" >&2
fi
