#!/bin/bash
#
# dump.sh LIBRARY INCLUDE - writes down the ABI of a library that is released,
# made from the header in the directory INCLUDE:
#
#     make build
#     capi/abi/released/dump.sh build/libpillion.so build/include
#
# The file, named after the ABI and the processor, is to be committed. From then
# on the tests compare every library with it.

set -eu

if [ $# != 2 ]; then
    echo "usage: $0 LIBRARY INCLUDE" >&2
    exit 2
fi

library=$(readlink -f "$1")
abi=$(sed -n 's/^#define PILLION_ABI_M[AI][JN]OR //p' "$2/pillion.h" | paste -sd.)
abidw --headers-dir "$2" --drop-private-types --exported-interfaces-only --no-elf-needed --no-show-locs \
    --no-corpus-path --no-comp-dir-path "$library" --out-file "$(dirname "$0")/$abi.$(go env GOARCH).abi"
