#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# headers.sh - each public header compiles alone, as C11 and as C++17, with every compiler that is here.
set -euo pipefail
cd "$(dirname "$0")/../.."
flags=(-Wall -Wextra -Wconversion -Wshadow -pedantic -Werror -fsyntax-only -Iinclude)
count=0

check() { # check COMPILER LANGUAGE STANDARD HEADER
	command -v "$1" >/dev/null || return 0
	echo "#include <$4>" | "$1" -x "$2" "-std=$3" "${flags[@]}" - || { echo "$4: $1 -std=$3"; exit 1; }
	count=$((count + 1))
}

for header in include/libvirtiommu/*.h; do
	header=${header#include/}
	check gcc c c11 "$header"
	check g++ c++ c++17 "$header"
	check clang c c11 "$header"
	check clang++ c++ c++17 "$header"
done
# What a binding generator evaluates without a compiler: no casts, no macros of others.
if grep -nE '^#define VIOMMU_[A-Z0-9_]+[[:space:]].*(INT(8|16|32|64)_(C|MAX|MIN)|\(u?int[0-9]+_t\))' include/libvirtiommu/*.h; then
	echo "a constant that is not a plain number"
	exit 1
fi
echo "$count compiled"
[ "$count" -gt 0 ]
