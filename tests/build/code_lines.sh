#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# code_lines.sh - what is to be read whole stays small enough: lines that are neither blank nor comment, of all of
# lib/rvic, its internal headers included (docs/rvic.md), and of the engine that docs/new-engine.md walks through.
set -euo pipefail
cd "$(dirname "$0")/../.."

# at_most LINES FILE...
at_most() {
	local most=$1 total=0 lines file
	shift
	for file; do
		lines=$(sed -z 's:/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/::g' "$file" | grep -c '[^[:space:]]')
		echo "$lines $file"
		total=$((total + lines))
	done
	[ "$total" -ge 100 ] || { echo "these cannot be all"; exit 1; }
	echo "$total of $most"
	[ "$total" -le "$most" ]
}

at_most 600 lib/rvic/*.[ch]
at_most 300 tests/conform/toy.c
