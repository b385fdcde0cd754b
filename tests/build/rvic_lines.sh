#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# rvic_lines.sh - RVIC and RVID stay small enough to be read whole: at most 600 lines of lib/rvic, its internal headers
# included, are neither blank nor comment (docs/rvic.md).
set -euo pipefail
cd "$(dirname "$0")/../.."

total=0
for file in lib/rvic/*.[ch]; do
	lines=$(sed -z 's:/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/::g' "$file" | grep -c '[^[:space:]]')
	echo "$lines $file"
	total=$((total + lines))
done
echo "$total together"
[ "$total" -ge 100 ] || { echo "these cannot be all"; exit 1; }
[ "$total" -le 600 ] || { echo "at most 600"; exit 1; }
