#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# circles.sh LIBRARY - no two files of the library call each other, nor more of them in a circle: each can be understood
# with those below it. LIBRARY is an archive with one object a file. (Who names a constant of another calls nobody.)
set -euo pipefail

# "CALLER CALLEE FUNCTION" for each function of another file
calls=$(nm -A "$1" | awk '
	{
		split($1, at, ":")
		file = at[2]
		sub(/\.o$/, "", file)
		if ($2 == "T")
			where[$3] = file
		else if ($2 == "U")
			uses[file " " $3]
	}
	END {
		for (use in uses) {
			split(use, part, " ")
			if (part[2] in where && where[part[2]] != part[1])
				print part[1], where[part[2]], part[2]
		}
	}' | sort)
[ "$(wc -l <<<"$calls")" -gt 100 ] || { echo "$1: hardly a call from file to file: is it one object a file?"; exit 1; }

if circles=$(cut -d ' ' -f 1,2 <<<"$calls" | sort -u | tsort 2>&1 >/dev/null); then
	echo "$(wc -l <<<"$calls") calls from file to file, and no circle"
	exit 0
fi
# tsort names the files of each circle, one a line
files=$(sed -n 's/^tsort: \([^ ]*\.c\)$/\1/p' <<<"$circles" | sort -u)
echo "files that call each other in a circle:" $files
awk -v names="$files" '
	BEGIN { for (n = split(names, list, /[ \n]/); n; n--) inside[list[n]] = 1 }
	$1 in inside && $2 in inside { print "  " $1 " -> " $2 ": " $3 }' <<<"$calls"
exit 1
