#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# arm64_fences.sh - fences that order only loads, or only stores, and loads and stores with an order of their own are in what
# is built for arm64. On x86-64 these are nothing, or like any other, so that no test there would miss them.
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
loads='dmb[ \t]+ishld'
stores='dmb[ \t]+ish'

# has FILE "FUNCTION..." INSTRUCTION COUNT: at least so many are in the functions of that file together. Several: one of them
# may have been folded into another.
has() {
	local file=$1 instruction=$3 wanted=$4 object=$work/$1.o count
	if [ ! -e "$object" ]; then
		"$compiler" -std=c11 -O2 -DNDEBUG -D_DEFAULT_SOURCE -Iinclude "${folders[@]}" -c -o "$object" lib/*/"$file"
	fi
	count=$("$objdump" -d --no-show-raw-insn "$object" | awk -v names="$2" -v instruction="$instruction" '
		BEGIN { for (n = split(names, list, " "); n; n--) inside_of[list[n]] = 1 }
		/^[0-9a-f]+ <.*>:$/ {
			symbol = substr($2, 2, length($2) - 3)
			sub(/\.(constprop|isra|part|cold).*$/, "", symbol)
			inside = symbol in inside_of
			seen += inside
			next
		}
		inside && $0 ~ "\t" instruction "([ \t]|$)" { count++ }
		END { print seen ? count + 0 : "absent" }')
	echo "$file, $2: $count of $instruction"
	if [ "$count" = absent ] || [ "$count" -lt "$wanted" ]; then
		echo "$2 was to have $wanted of $instruction"
		bad=1
	fi
}

# seqlock.h: words are read after the version, and before it is read again, and stored after it is odd.
has table_cache.c table_cache_find ldar 1
has table_cache.c table_cache_find "$loads" 1
has table_cache.c table_cache_add "$stores" 1
has machine.c "change_begin viommu_vm_add_region viommu_vm_remove_region" "$stores" 1
# A device, an event, the device again: it is the same incarnation's.
has its_translate.c "its_remap_msi find" "$loads" 1
has its_pool.c "take its_map_device" "$stores" 1
# What is restored from tables is published as what commands map.
has its_kvm_tables.c "viommu_its_restore_tables restore_collection restore_event restore_events" stlr 2
# A mapping, and then whether its domain still is the one.
has virtio_translate.c "virtio_translate look_up" "$loads" 1
has virtio_translate.c "virtio_visit look_up" "$loads" 1
# The epoch, before what is read in a section of it: with membarrier there is no fence.
has channel.c viommu_enter ldar 1
has channel.c viommu_translate ldar 1
# What a context is compared with, before what was read under it is used: the generations of the unit and of the device.
has channel.c current ldar 3
has channel.c "catch_up look_again" ldar 2
# take_domain(), wherever it is inlined; and the same of a device's hit, with its versions: of the context, of a set, of the map.
has translate.c unit_context ldar 4
has translate.c fill_find_context ldar 6
has translate.c fill_parse_context ldar 9
has translate.c viommu_device_translate ldar 6
has translate.c viommu_device_translate "$loads" 3
# A section that has been closed, before what waits for it goes on.
has epoch_wait.c "scan_on visitors_hold_back groups_on sections_on group_holds_back holds_back unproven concerns" ldar 6
# Whose a vPE is, before what its owner has stored.
has lpi_virtual.c vpe_mapped ldar 1
# The version of the memory map, before the table that is kept for it.
has translate.c unit_table_find ldar 1
# The same where VT-d has all of it inlined: contexts, the table to begin at, and what is kept of both.
has vtd_translate.c vtd_translate ldar 10
has vtd_translate.c vtd_translate "$loads" 1
has vtd_translate.c vtd_translate "$stores" 2
has vtd_translate.c vtd_translate stlr 4
# A miss at once: the count and the tag of the domain, both generations and its life, the version of the map, of a set and of a slot;
# and what is kept, in each of them.
has vtd_miss.c vtd_miss ldar 8
has vtd_miss.c vtd_miss "$loads" 2
has vtd_miss.c vtd_miss "$stores" 2
has vtd_miss.c vtd_miss stlr 2
has smmuv3_miss.c "stage1_miss stage2_miss nested_miss" ldar 24
has smmuv3_miss.c "stage1_miss stage2_miss nested_miss" "$stores" 6
has riscv_miss.c riscv_miss ldar 8
has riscv_miss.c riscv_miss "$stores" 2
has amdvi_miss.c amdvi_miss ldar 8
has amdvi_miss.c amdvi_miss "$stores" 2
# A view: the generations, the versions of what is in its window, and all that was read before its section is closed.
has view_translate.c take_domain ldar 4
has view_translate.c view_find "$loads" 3
has view_micro.c view_catch_up ldar 3
has view.c viommu_view_enter ldar 1
has view.c viommu_view_leave stlr 1
exit $bad
