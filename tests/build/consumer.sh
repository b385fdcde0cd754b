#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# consumer.sh BUILD-FOLDER CC [WAY...] - installs into a temporary prefix and builds a program against it in the ways an
# embedder would: pkg-config (C11, C++17, static, and the README's example), find_package (cmake), dependency() (meson). The
# program takes the address of every public function, so that each is declared, exported and linked. CFLAGS are the embedder's.
set -euo pipefail
build=$1 cc=$2
shift 2
[ $# -gt 0 ] || set -- pkg-config cmake meson
cxx=g++
case $cc in *clang*) cxx=clang++ ;; esac
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
read -ra flags <<<"${CFLAGS-}"

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
export PKG_CONFIG_PATH=$libdir/pkgconfig

bad() {
	echo "consumer: $*"
	exit 1
}

run() { # run NAME: the program built as NAME, which finds its library itself
	printf '%-14s' "$1:"
	env -u LD_LIBRARY_PATH "$tmp/$1"
}

# What lies in the prefix says nothing of where it was made, and nothing but the public functions is global.
check_prefix() {
	local top
	top=$(cd "$here/../.." && pwd)
	! grep -rlF -e "$top/lib" -e "$(realpath "$build")" "$tmp/prefix" ||
		bad "these files name the source or the build folder"
	diff <("$here/../../scripts/exports") \
		<(nm -g --defined-only "$libdir/libvirtiommu.a" | awk 'NF == 3 { print $3 }' | LC_ALL=C sort) ||
		bad "the static library has other global symbols than the public functions"
	[ -z "$(find "$tmp/prefix" -name '*_internal*')" ] || bad "an internal library is installed"
}

# The flag that every use of a private prefix needs: where the shared library is.
rpath() {
	echo "-Wl,-rpath,$(pkg-config --variable=libdir libvirtiommu)"
}

# shellcheck disable=SC2046 # flags are words
with_pkg_config() {
	"$cc" -std=c11 -Wall -Werror "${flags[@]}" "$tmp/src/consumer.c" -o "$tmp/pkg-config-c" \
		$(pkg-config --cflags --libs libvirtiommu) $(rpath)
	run pkg-config-c
	"$cxx" -std=c++17 -Wall -Werror "${flags[@]}" -x c++ "$tmp/src/consumer.c" -x none -o "$tmp/pkg-config-cxx" \
		$(pkg-config --cflags --libs libvirtiommu) $(rpath)
	run pkg-config-cxx
	"$cc" -std=c11 "${flags[@]}" "$tmp/src/consumer.c" -o "$tmp/static" \
		$(pkg-config --cflags libvirtiommu) "$libdir/libvirtiommu.a" -pthread
	run static
	"$cc" "${flags[@]}" "$here/../../examples/embed.c" -o "$tmp/embed" \
		$(pkg-config --cflags --libs libvirtiommu) $(rpath)
	run embed
}

with_cmake() {
	cmake -G "${GENERATOR:-Ninja}" -S "$tmp/src" -B "$tmp/cmake" -DCMAKE_C_COMPILER="$cc" \
		-DCMAKE_PREFIX_PATH="$tmp/prefix" >/dev/null
	cmake --build "$tmp/cmake" >/dev/null
	run cmake/shared
	run cmake/static
}

with_meson() {
	if ! command -v meson >/dev/null; then
		echo "meson: not installed, not checked"
		return
	fi
	CC=$cc meson setup "$tmp/meson" "$tmp/src" >"$tmp/log" && ninja -C "$tmp/meson" >>"$tmp/log" || {
		cat "$tmp/log"
		bad "meson"
	}
	run meson/shared
	run meson/static
}

check_prefix
for way; do
	case $way in
	pkg-config) with_pkg_config ;;
	cmake) with_cmake ;;
	meson) with_meson ;;
	*) bad "no such way: $way" ;;
	esac
done

# Examples that were installed run where they are.
installed=$(find "$tmp/prefix" -name embed -type f -executable)
if [ -n "$installed" ]; then
	printf '%-14s' "installed:"
	env -u LD_LIBRARY_PATH "$installed"
fi
