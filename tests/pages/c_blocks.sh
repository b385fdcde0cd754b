#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# c_blocks.sh CC - the C blocks of the other pages compile: whole functions as they are, statements inside of a function, with what
# tests/pages/blocks.h has for each page.
set -euo pipefail
cc=$1
cd "$(dirname "$0")"
top=$(cd ../.. && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

blocks=0
for page in README.md docs/embedding.md docs/isolation.md docs/tool.md docs/why-fault.md; do
	file=$tmp/$(basename "$page" .md).c
	name=$(basename "$page" .md | tr 'a-z-' 'A-Z_')
	awk -v file="$top/$page" -v name="$name" '
		BEGIN { print "#define PAGE_" name "\n#include \"blocks.h\"" }
		/^```c$/ { inside = 1; text = ""; line = FNR; whole = 0; next }
		inside && /^```/ {
			inside = 0
			place = "#line " line + 1 " \"" file "\"\n"
			if (whole) print place text
			else statements = statements place text
		}
		inside { text = text $0 "\n"; whole = whole || /^\{/ }
		END { if (statements != "") print "void statements(void);\nvoid statements(void)\n{\nDECLARE\n" statements "}" }' "$top/$page" >"$file"
	"$cc" -std=gnu11 -fsyntax-only -Wall -Wextra -Werror -Wno-declaration-after-statement -Wno-unused-variable -Wno-unused-but-set-variable \
		-Wno-missing-prototypes -I. -I"$top/include" "$file"
	blocks=$((blocks + $(grep -c '^#line' "$file")))
done
[ $blocks -ge 4 ] || { echo "pages: only $blocks blocks of C"; exit 1; }
echo "$blocks blocks of C compile"
