#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# index_masks.sh LIBRARY masked|bare CC - where an offset that a guest chose becomes a host address, it is masked
# without a branch (bits_index_mask: cmp, sbb of a register with itself, and), and the compiler has not seen through
# that; and with VIOMMU_NO_INDEX_MASKS, which is for measuring, nothing of it is left. The library is looked at as it
# was built; the sources with the host lookups are compiled once with the definition and once without.
set -euo pipefail
library=$1 built=$2 cc=$3
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

[ "$(uname -m)" = x86_64 ] || { echo "skipped: knows the instructions of x86-64 only"; exit 77; }

# masks FILE FUNCTION: how many masks the function and the parts split off it have that are used.
masks() {
	objdump -d --no-show-raw-insn "$1" | awk -v wanted="$2" '
		/^[0-9a-f]+ <.*>:$/ {
			symbol = substr($2, 2, length($2) - 3)
			sub(/\.(constprop|isra|part|cold|lto_priv).*$/, "", symbol)
			inside = symbol == wanted
			seen += inside
			mask = ""
			next
		}
		!inside || NF < 3 { next }
		{
			n = split($3, operand, ",")
			if ($2 == "sbb" && n == 2 && operand[1] == operand[2] && before ~ /^cmp/) {
				mask = operand[1]
			} else if (mask != "" && $2 == "and" && (operand[1] == mask || operand[2] == mask)) {
				count++
				mask = ""
			} else if (mask != "" && operand[n] == mask) {
				mask = "" # overwritten
			}
			before = $2
		}
		END { print seen ? count + 0 : "absent" }'
}

# pages FILE FUNCTION: how often the function keeps the 12 low bits of something.
pages() {
	objdump -d --no-show-raw-insn "$1" | awk -v wanted="$2" '
		/^[0-9a-f]+ <.*>:$/ {
			symbol = substr($2, 2, length($2) - 3)
			sub(/\.(constprop|isra|part|cold|lto_priv).*$/, "", symbol)
			inside = symbol == wanted
			seen += inside
			next
		}
		inside && $2 == "and" && $3 ~ /^\$0xfff,%/ { count++ }
		END { print seen ? count + 0 : "absent" }'
}

bad=0
expect_page() { # FILE FUNCTION
	local count
	count=$(pages "$1" "$2")
	echo "$(basename "$1"): $2: $count of 12 bits"
	case $count in
	absent | 0)
		echo "$2 in $1 was to mask the offset in a page"
		bad=1
		;;
	esac
}
expect() { # FILE FUNCTION masked|bare
	local count
	count=$(masks "$1" "$2")
	echo "$(basename "$1"): $2: $count"
	case $3:$count in
	masked:absent | masked:0 | bare:absent) ;;
	masked:*) return ;;
	bare:0) return ;;
	esac
	echo "$2 in $1 has $count masks, and was to be $3"
	bad=1
}

# Each has a host address of its own: hits of a device; a table entry, near and far; structures; pieces.
core=(mem_load64_far mem_load_far mem_piece)
for function in viommu_device_translate "${core[@]}" pt_vtd_ss_walk pt_x86_walk vtd_miss riscv_miss amdvi_miss stage1_miss stage2_miss nested_miss \
	pt_arm64_s2_hurry; do
	expect "$library" "$function" "$built"
done
# Hits in a channel add what an address is offset by in a page of 4 KiB, to the host address of that page. That is a mask, too,
# and part of the sum: there whatever the definition.
for function in viommu_translate viommu_dma_read channel_copy copy_range; do
	expect_page "$library" "$function"
done
include=(-I"$here/include")
for floor in base memory store cache fmt unit; do
	include+=(-I"$here/lib/$floor")
done
for how in masked bare; do
	definition=()
	[ $how = masked ] || definition=(-DVIOMMU_NO_INDEX_MASKS)
	for source in unit/channel unit/dma unit/translate memory/mem; do
		"$cc" -std=c11 -O2 -DNDEBUG -D_DEFAULT_SOURCE -fPIC "${definition[@]}" "${include[@]}" \
			-c "$here/lib/$source.c" -o "$work/${source#*/}-$how.o"
	done
	expect_page "$work/channel-$how.o" viommu_translate
	for function in viommu_dma_read channel_copy copy_range; do
		expect_page "$work/dma-$how.o" "$function"
	done
	expect "$work/translate-$how.o" viommu_device_translate $how
	for function in "${core[@]}"; do
		expect "$work/mem-$how.o" "$function" $how
	done
done
exit $bad
