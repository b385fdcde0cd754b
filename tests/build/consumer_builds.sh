#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# consumer_builds.sh - builds the library as people do, each way from nothing: Makefiles and Ninja, gcc and clang,
# without and with link-time optimisation (as Debian and Fedora have it), as a project of its own and inside of another. What
# comes of each is used by consumer.sh. A stage of scripts/test.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export CCACHE_DISABLE=1 # objects of other folders would name these
# Nothing is optimised: this is about what is linked with what.
options=(-DVIOMMU_TESTS=OFF -DCMAKE_BUILD_TYPE=None)

bad() {
	echo "consumer_builds: $*"
	exit 1
}

# logged NAME COMMAND...: shows what it printed if it fails
logged() {
	local log=$tmp/$1.log
	shift
	"$@" >"$log" 2>&1 || {
		tail -n 40 "$log"
		bad "$*"
	}
}

# library NAME GENERATOR CC "CFLAGS" "WAYS" [CMAKE-OPTION...]
library() {
	local name=$1 generator=$2 cc=$3 cflags=$4 ways=$5
	shift 5
	command -v "$cc" >/dev/null || { echo "$name: no $cc, not checked"; return; }
	echo "== $name: $generator, $cc $cflags"
	logged "$name" cmake -G "$generator" -S "$top" -B "$tmp/$name" -DCMAKE_C_COMPILER="$cc" -DCMAKE_C_FLAGS="$cflags" \
		"${options[@]}" -DVIOMMU_EXAMPLES=OFF "$@"
	logged "$name" cmake --build "$tmp/$name" -j2
	# shellcheck disable=SC2086 # words
	GENERATOR=$generator CFLAGS=$cflags "$here/consumer.sh" "$tmp/$name" "$cc" $ways
	rm -rf "${tmp:?}/$name"
}

# inside NAME GENERATOR CC "ARGUMENTS OF add_subdirectory" [CMAKE-OPTION...]
inside() {
	local name=$1 generator=$2 cc=$3 arguments=$4 kind
	shift 4
	command -v "$cc" >/dev/null || { echo "$name: no $cc, not checked"; return; }
	echo "== $name: $generator, $cc, add_subdirectory($arguments)"
	logged "$name" cmake -G "$generator" -S "$here/embedder" -B "$tmp/$name" -DCMAKE_C_COMPILER="$cc" \
		-DLIBRARY="$top" -DEMBED_ARGS="$arguments" "$@"
	logged "$name" cmake --build "$tmp/$name" -j2
	for kind in shared static; do
		"$tmp/$name/$kind" >/dev/null || bad "$name: $kind does not run"
	done
	if [ "$arguments" = EXCLUDE_FROM_ALL ]; then
		logged "$name" cmake --install "$tmp/$name" --prefix "$tmp/$name/prefix"
		[ ! -e "$tmp/$name/prefix/include" ] || bad "$name: the library is installed with the embedder"
	fi
	rm -rf "${tmp:?}/$name"
}

# First what anybody types.
library make "Unix Makefiles" gcc "" "pkg-config"
library debian Ninja gcc "-g -flto=auto -ffat-lto-objects" "pkg-config"
library slim "Unix Makefiles" gcc "-flto" "cmake" -DVIOMMU_EXAMPLES=ON -DVIOMMU_INSTALL_EXAMPLES=ON
library clang "Unix Makefiles" clang "-g" "pkg-config cmake meson"
if command -v ld.lld >/dev/null; then
	library fedora Ninja clang "-flto=thin -fuse-ld=lld" "pkg-config"
else
	echo "fedora: no ld.lld, which clang needs for -flto, not checked"
fi
inside excluded "Unix Makefiles" gcc EXCLUDE_FROM_ALL -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON
inside whole Ninja clang ""
