#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# system.sh LIBRARY - the library asks of the system what docs/system.md says, and of each row something: its undefined symbols.
# Rows that are for other builds need not be there ("only in", "only where").
set -euo pipefail
library=$1
docs=$(cd "$(dirname "$0")/../.." && pwd)/docs/system.md

rows=$(sed -n '/^## System calls/,/^## Signals/p' "$docs" | grep '^|' | sed 1,2d)
names() { awk -F '|' '{ print $5 }' | grep -oE '[a-z_][a-z0-9_]*' | LC_ALL=C sort -u; }
# What every shared object of gcc refers to, weakly.
built=$(nm -D --undefined-only "$library" | awk '$1 == "U" { sub(/@.*/, "", $2); print $2 }' | LC_ALL=C sort -u)
[ -n "$built" ] && [ -n "$rows" ]

more=$(comm -13 <(names <<<"$rows") - <<<"$built")
[ -z "$more" ] || { echo "not in docs/system.md:" $more; exit 1; }
less=$(comm -23 <(grep -vE 'only (in|where) ' <<<"$rows" | names) - <<<"$built")
[ -z "$less" ] || { echo "only in docs/system.md:" $less; exit 1; }
