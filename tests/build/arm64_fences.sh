#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# arm64_fences.sh - the fences that order only loads, or only stores, are in what is built for arm64. On x86-64 they are no
# instruction, so that nothing there would miss them.
set -euo pipefail
cd "$(dirname "$0")/../.."
compiler=${VIOMMU_ARM64_CC:-aarch64-linux-gnu-gcc}
objdump=${compiler%gcc}objdump
if ! command -v "$compiler" >/dev/null || ! command -v "$objdump" >/dev/null; then
	echo "skipped: needs $compiler and its objdump"
	exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
folders=(lib/*/)
folders=("${folders[@]/#/-I}")

# has FILE "FUNCTION..." FENCE COUNT: at least so many are in the functions of that file together. Several: one of them may
# have been folded into another.
has() {
	local file=$1 fence=$3 wanted=$4 object=$work/$1.o count
	if [ ! -e "$object" ]; then
		"$compiler" -std=c11 -O2 -DNDEBUG -D_DEFAULT_SOURCE -Iinclude "${folders[@]}" -c -o "$object" lib/*/"$file"
	fi
	count=$("$objdump" -d --no-show-raw-insn "$object" | awk -v names="$2" -v fence="$fence" '
		BEGIN { for (n = split(names, list, " "); n; n--) inside_of[list[n]] = 1 }
		/^[0-9a-f]+ <.*>:$/ {
			symbol = substr($2, 2, length($2) - 3)
			sub(/\.(constprop|isra|part|cold).*$/, "", symbol)
			inside = symbol in inside_of
			seen += inside
			next
		}
		inside && $0 ~ "dmb[ \t]+" fence "$" { count++ }
		END { print seen ? count + 0 : "absent" }')
	echo "$file, $2: $count"
	if [ "$count" = absent ] || [ "$count" -lt "$wanted" ]; then
		echo "$2 was to have $wanted of dmb $fence"
		bad=1
	fi
}

# core/seqlock.h: words are read before the version is read again, and stored after it is odd.
has table_cache.c table_cache_find ishld 1
has table_cache.c table_cache_add ish 1
has machine.c "change_begin viommu_vm_add_region viommu_vm_remove_region" ish 1
# A device, an event, the device again: it is the same incarnation's.
has its_translate.c find ishld 1
has its_tables.c its_map_device ish 1
# A mapping, and then whether its domain still is the one.
has virtio_translate.c "virtio_translate look_up" ishld 1
has virtio_translate.c "virtio_visit look_up" ishld 1
exit $bad
