#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# epoch_fences.sh LIBRARY - the fences of memory/epoch.h, and of what is built upon it, are in what was built, wherever a section is
# opened or closed. A thread that lacks one is wrong once in a million times, on several processors: docs/models/epoch.pml
# shows what they are for.
set -euo pipefail
library=$1
bad=0

case $(uname -m) in
x86_64) fence='^(mfence|lock (or|add)[a-z]* +\$0x0,.*\(%rsp\))' ;;
aarch64) fence='^dmb' ;;
*)
	echo "skipped: knows the instructions of x86-64 and arm64 only"
	exit 77
	;;
esac

# has "FUNCTION..." COUNT: so many are in the functions together, with the parts that were split off them. Several: one of
# them may have been folded into another.
has() {
	local wanted=$2 count
	count=$(objdump -d --no-show-raw-insn "$library" | awk -v names="$1" -v fence="$fence" '
		BEGIN { for (n = split(names, list, " "); n; n--) inside_of[list[n]] = 1 }
		/^[0-9a-f]+ <.*>:$/ {
			symbol = substr($2, 2, length($2) - 3)
			sub(/\.(constprop|isra|part|cold|lto_priv).*$/, "", symbol)
			inside = symbol in inside_of
			seen += inside
			next
		}
		inside && sub(/^ *[0-9a-f]+:\t/, "") && $0 ~ fence { count++ }
		END { print seen ? count + 0 : "absent" }')
	echo "$1: $count"
	if [ "$count" = absent ] || [ "$count" -lt "$wanted" ]; then
		echo "$1 was to have $wanted fences"
		bad=1
	fi
}

# Opening: one for readers with fences, and one where membarrier was refused.
has viommu_enter 2
has viommu_iotlb_enter 2
has unit_begin 2
has "translate_blocks open_own_section translate_range ask_engine" 2
has "epoch_visit epoch_visit_part" 1
has epoch_group_enter 1
has "channel_copy channel_begin" 2
has viommu_view_enter 1
has viommu_view_dma_cmpxchg 2
# One that may rest for long has a fence in any case, and one more where membarrier was refused.
has vhost_hold 3
# Closing.
has viommu_leave 1
has viommu_iotlb_leave 1
has viommu_view_leave 1
has epoch_visit_end 1
has epoch_group_leave 1
# Who starts an epoch, and who waits.
has "epoch_start epoch_writer_fence" 1
# Groups, whose sections are only counted: before one is given its epoch.
has "epoch_join list epoch_now_fenced" 1
has epoch_now_fenced 1
# A table that has changed, and whether the host has been told of all there is.
has shadow_compare 1
exit $bad
