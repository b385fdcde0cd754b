#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# json.sh FRONTEND - what --table --json writes is what bench/report reads: every run, and the medians.
set -euo pipefail
frontend=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

if ! "$frontend" --table --runs=1 --seconds=0.05 --json="$tmp/figures.json" >"$tmp/out" 2>&1; then
	if grep -q 'built without json-c' "$tmp/out"; then
		echo "skipped: built without json-c"
		exit 77
	fi
	cat "$tmp/out"
	exit 1
fi
python3 - "$tmp/figures.json" <<'P'
import json, sys
figures = json.load(open(sys.argv[1], encoding="utf-8"))
modes = ["none", "static", "dynamic", "batched"]
assert list(figures["medians"]) == modes, figures["medians"]
assert (figures["backend"], figures["engine"], figures["rounds"]) == ("own", "vtd", 1), figures
assert [run["mode"] for run in figures["runs"]] == modes
assert all(run["backend"] == "own, vtd" and run["packets"] > 0 and run["of_none"] > 0 for run in figures["runs"])
P
! "$frontend" --table --runs=1 --seconds=0.02 --json="$tmp/no/such/folder" >/dev/null 2>&1 || { echo "json: written nowhere"; exit 1; }
