#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# consumer.sh BUILD-FOLDER CC - installs into a temporary prefix and builds a program against it in the ways an
# embedder would: pkg-config in C11 and C++17, the static library, and find_package. The program takes the address
# of every public function, so that each is declared, exported and linked.
set -euo pipefail
build=$1 cc=$2
cxx=g++
case $cc in *clang*) cxx=clang++ ;; esac
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cmake --install "$build" --prefix "$tmp/prefix" >/dev/null
cp -r "$here/consumer" "$tmp/src"
{
	for header in "$tmp"/prefix/include/libvirtiommu/*.h; do
		echo "#include <libvirtiommu/${header##*/}>"
	done
	echo '#define PUBLIC_FUNCTIONS \'
	"$here/../../scripts/exports" | sed 's/.*/	(void (*)(void))&, \\/'
	echo
} >"$tmp/src/everything.h"

libdir=$(dirname "$(find "$tmp/prefix" -name libvirtiommu.so)")
export PKG_CONFIG_PATH=$libdir/pkgconfig LD_LIBRARY_PATH=$libdir
run() { # run NAME: the program built as NAME
	printf '%-14s' "$1:"
	"$tmp/$1"
}

# shellcheck disable=SC2046 # flags are words
{
	"$cc" -std=c11 -Wall -Werror "$tmp/src/consumer.c" -o "$tmp/pkg-config-c" \
		$(pkg-config --cflags --libs libvirtiommu)
	run pkg-config-c
	"$cxx" -std=c++17 -Wall -Werror -x c++ "$tmp/src/consumer.c" -x none -o "$tmp/pkg-config-cxx" \
		$(pkg-config --cflags --libs libvirtiommu)
	run pkg-config-cxx
	"$cc" -std=c11 "$tmp/src/consumer.c" -o "$tmp/static" \
		$(pkg-config --cflags libvirtiommu) "$libdir/libvirtiommu.a" -pthread
	run static
}
cmake -G Ninja -S "$tmp/src" -B "$tmp/cmake" -DCMAKE_C_COMPILER="$cc" -DCMAKE_PREFIX_PATH="$tmp/prefix" >/dev/null
cmake --build "$tmp/cmake" >/dev/null
run cmake/shared
run cmake/static
