#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# c_page.sh PAGE CC LIBRARY - compiles the C blocks of docs/PAGE.md, in their order, against the declarations in PAGE.h, and runs
# them with the guest in PAGE_guest.c.
set -euo pipefail
page=$1 cc=$2 library=$(realpath "$3")
cd "$(dirname "$0")"
top=$(cd ../.. && pwd)
pkg-config --exists glib-2.0 || { echo "pages: skipped, there is no glib (libglib2.0-dev), which $page has"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# Its own headers are all in one here.
{
	echo "#include \"$page.h\""
	awk -v file="$top/docs/$page.md" '
		/^```/ { inside = !inside && /^```c$/; if (inside) print "#line " FNR + 1 " \"" file "\""; next }
		inside && /^#include "/ { print ""; next }
		inside' "$top/docs/$page.md"
} >"$tmp/$page.c"
[ "$(wc -l <"$tmp/$page.c")" -gt 100 ] || { echo "pages: there is no glue in docs/$page.md"; exit 1; }

# shellcheck disable=SC2046 # flags are words
"$cc" -std=gnu11 -g -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers -Werror \
	-I. -I"$top/include" $(pkg-config --cflags glib-2.0) "$tmp/$page.c" "${page}_machine.c" "${page}_guest.c" -o "$tmp/$page" \
	"$library" -Wl,-rpath,"$(dirname "$library")" $(pkg-config --libs glib-2.0)
"$tmp/$page"
