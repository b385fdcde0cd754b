#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# no_indirect_call.sh LIBRARY [LIST] - no walk calls or jumps through a pointer: the compiler has folded every format's
# functions into it. Looks at the functions of the list (walk_functions.txt) and the parts that the compiler split off.
set -euo pipefail
library=$1
list=$(dirname "$0")/${2:-walk_functions.txt}

names=$(sed 's/#.*//' "$list" | xargs)
[ -n "$names" ] || { echo "$list names no function"; exit 1; }

objdump -d --no-show-raw-insn "$library" | awk -v names="$names" '
	BEGIN { for (n = split(names, list, " "); n; n--) wanted[list[n]] = 1 }
	/^[0-9a-f]+ <.*>:$/ {
		symbol = substr($2, 2, length($2) - 3)
		base = symbol
		sub(/\.(constprop|isra|part|cold|lto_priv).*$/, "", base)
		inside = base in wanted
		if (inside)
			seen[base]++
		next
	}
	# x86: call *..., jmp *...; arm64: blr, br
	inside && /(call|jmp)[a-z]* +\*|[ \t](blr|br)[a-z]* / {
		print "indirect: " symbol ": " $0
		bad = 1
	}
	END {
		for (name in wanted)
			if (!(name in seen)) {
				print "no such symbol: " name
				bad = 1
			}
		for (name in seen)
			print name ": " seen[name] " checked"
		exit bad
	}'
