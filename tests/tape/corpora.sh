#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# corpora.sh VIOMMU NAME=FUZZER... - what fuzzers do with their corpora is recorded, and replays without a mismatch.
set -uo pipefail
viommu=$(realpath "${1:?the tool}")
shift
cd "$(dirname "$0")/../fuzz/corpus" || exit 1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failures=0

for each; do
	name=${each%%=*}
	mkdir "$tmp/$name"
	if ! VIOMMU_TAPES=$tmp/$name "${each#*=}" "$name" >"$tmp/log" 2>&1; then
		echo "$name: fails while it is recorded"
		tail -n 5 "$tmp/log"
		failures=$((failures + 1))
	fi
	tapes=("$tmp/$name"/*.tape)
	[ -e "${tapes[0]}" ] || continue # it makes no IOMMU
	"$viommu" replay -v "${tapes[@]}" >"$tmp/out" 2>&1
	if [ $? -gt 1 ] || grep -q ' [1-9][0-9]* mismatches' "$tmp/out"; then
		grep -E ': expected|: [A-Za-z].*:' "$tmp/out" | head -n 10
		failures=$((failures + 1))
	fi
	echo "$name: $(grep -c ' lines, ' "$tmp/out") tapes, $(tail -n 1 "$tmp/out")"
done
[ $failures = 0 ]
