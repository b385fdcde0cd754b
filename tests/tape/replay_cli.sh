#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# replay_cli.sh VIOMMU - viommu replay: what it accepts, what it refuses, and that each of its checks can fail.
set -uo pipefail
viommu=$(realpath "${1:?the tool}")
[ -x "$viommu" ] || exit 1
cd "$(dirname "$0")/data" || exit 1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failures=0

# expect NAME STATUS PATTERN ARGUMENTS...: every line of PATTERN is the beginning of a line that is printed
expect() {
	local name=$1 status=$2 pattern=$3 got line
	shift 3
	"$viommu" replay "$@" >"$tmp/out" 2>&1 </dev/null
	got=$?
	while IFS= read -r line; do
		grep -q "^$line" "$tmp/out" || got="$got, without '$line'"
	done <<<"$pattern"
	[ "$got" = "$status" ] && return
	echo "$name: status $got, expected $status"
	sed 's/^/    /' "$tmp/out" | tail -n 20
	failures=$((failures + 1))
}

# ---- recordings, each with what may differ ----

expect legacy 0 'R: 22, mismatches 0
W: 16, mismatches 0
T: 5, mismatches 0
I: 5, mismatches 0
M: 16, mismatches 0
m: 2, mismatches 0
S: 2, mismatches 0
deviation frcd-pasid-ffff (R): 2
deviation iqa-read (R): 1
deviation read-no-write (T): 1
deviation cfis-never (I): 1
deviation irte-dst-rsvd (I): 1
68 lines, 0 mismatches, 6 deviations: as recorded' legacy.tape
expect registers 0 'R: 17, mismatches 0
47 lines, 0 mismatches, 2 deviations: as recorded' registers.tape
expect first-stage 0 'm: 13, mismatches 0
deviation frcd-rid-pasid (R): 2
deviation hit-no-dirty (m): 1
74 lines, 0 mismatches, 5 deviations: as recorded' first-stage.tape
expect lazy 0 'deviation sm-legacy-codes (R): 2
deviation cached-by-us (T I): 
deviation cached-by-recorder (T): 
62 lines, 0 mismatches' lazy.tape
expect stale 1 'stale.tape:43: T: expected 10.ffffffff 40 access 2: 10040 permission 3, came 20040 permission 3
T: 2, mismatches 1
35 lines, 1 mismatches, 0 deviations: DIFFERENT' -v stale.tape
expect its 0 'GR: 15, mismatches 0
GW: 13, mismatches 0
GRD: 6, mismatches 0
GI: 5, mismatches 0
GL: 6, mismatches 0' its.tape
expect riscv 0 'R: 12, mismatches 0
W: 14, mismatches 0
X: 2, mismatches 0
T: 7, mismatches 0
MSI: 3, mismatches 0
m: 6, mismatches 0
S: 2, mismatches 0
WSI: 1, mismatches 0
deviation pv-always (m): 4
deviation ttyp-of-reads (m): 2
56 lines, 0 mismatches, 6 deviations: as recorded' riscv.tape
expect virtio 0 'P: 3, mismatches 0
X: 5, mismatches 0
F: 1, mismatches 0
CR: 5, mismatches 0
CW: 1, mismatches 0
Q: 15, mismatches 0
T: 19, mismatches 0
E: 8, mismatches 0
e: 1, mismatches 0
deviation byte-before-mapping (T): 1
deviation unknown-endpoint (E e): 2
deviation flags-left-out (E e): 7
deviation fault-without-buffer (e): 1
62 lines, 0 mismatches, 11 deviations: as recorded' virtio.tape
expect smmuv3 0 'R: 11, mismatches 0
T: 10, mismatches 0
m: 2, mismatches 0
deviation wide-input-silent (T): 1
deviation ipa-low-bits (m): 1
deviation smmu-cached-by-us (T): 1
deviation bypass-as-asked (T): 1' smmuv3.tape
expect amdvi 0 'R: 9, mismatches 0
W: 7, mismatches 0
T: 5, mismatches 0
I: 5, mismatches 0
M: 7, mismatches 0
m: 3, mismatches 0
S: 1, mismatches 0
37 lines, 0 mismatches, 0 deviations: as recorded' amdvi.tape
expect amdvi-lazy 0 'T: 4, mismatches 0
I: 3, mismatches 0
m: 1, mismatches 0
deviation cached-by-us (T I): 2
deviation cached-by-recorder (T): 1
23 lines, 0 mismatches, 3 deviations: as recorded' amdvi-lazy.tape
expect 'several files' 1 'all 3 files: 171 lines, 1 mismatches, 12 deviations: DIFFERENT' legacy.tape stale.tape legacy.tape

# ---- one line altered is one mismatch ----

# mutate NAME TAPE KIND SED: the altered tape has exactly one mismatch, of that kind
mutate() {
	sed -e "$4" "$2" >"$tmp/mutant.tape"
	if cmp -s "$2" "$tmp/mutant.tape"; then
		echo "$1: nothing altered"
		failures=$((failures + 1))
	fi
	expect "mutant: $1" 1 "$3: [0-9]*, mismatches 1
[0-9]* lines, 1 mismatches" "$tmp/mutant.tape"
}

mutate 'register value' legacy.tape R 's/^R 1c 4 47000000/R 1c 4 7000000/'
mutate 'fault reason' legacy.tape R 's/^R 22c 4 80ffff05/R 22c 4 80ffff06/'
mutate 'fault record with another PASID' legacy.tape R 's/^R 22c 4 80ffff05/R 22c 4 80fffe05/'
mutate 'fault record with PASID present' legacy.tape R 's/^R 228 4 10$/R 228 4 80000010/'
mutate 'fault address' legacy.tape R 's/^R 220 8 3000/R 220 8 4000/'
mutate 'register write that has an effect later' registers.tape R 's/^W 3c 4 22/W 3c 4 23/'
mutate 'translated address' legacy.tape T 's/^\(T .* 1010 .*\) 11000 fff/\1 10000 fff/'
mutate 'page size' legacy.tape T 's/^\(T .* 1010 .*\) 11000 fff/\1 10000 1fff/'
mutate 'page larger than the tables have it' legacy.tape T 's/^\(T .* 40 2 0 3 12000\) fff/\1 3fff/'
mutate 'more permission' legacy.tape T 's/^\(T .* 1010 1 0\) 1 /\1 3 /'
mutate 'less permission' legacy.tape T 's/^\(T .* 40 2 0\) 3 12000/\1 2 12000/'
mutate 'refused' legacy.tape T 's/^\(T .* 1010 1 0\) 1 11000/\1 0 0/'
mutate 'table entry' legacy.tape T 's/^M 7008 0110/M 7008 0130/'
mutate 'another requester' legacy.tape T 's/^T 10 \(.*\) 12000 fff/T 10 \1 13000 fff/'
mutate 'superpage' registers.tape T 's/ 400000 1fffff/ 600000 1fffff/;ta;b;:a;n;ba'
mutate 'invalidation that is finer than asked' registers.tape R 's/^R f8 8 1203000000000000/R f8 8 1603000000000000/'
mutate 'bytes written' legacy.tape m 's/^m 8000 02000000/m 8000 03000000/'
mutate 'bytes not written' legacy.tape m '/^m 8004/i m 9000 01000000'
mutate 'bytes written that are not recorded' legacy.tape m '/^m 8004/d'
mutate 'accessed bit' first-stage.tape m '/^m 7010/d'
mutate 'dirty bit' first-stage.tape m '/^m 7000 67/d'
mutate 'interrupt of the engine' legacy.tape S '0,/^S/s/^S fee01004 21/S fee01004 22/'
mutate 'interrupt that is not sent' legacy.tape S '0,/^S/{/^S/p}'
mutate 'interrupt that is not recorded' legacy.tape S '0,/^S/{/^S/d}'
mutate 'message data' legacy.tape I 's/ok fee00000 4021/ok fee00000 4022/'
mutate 'message refused' legacy.tape I 's/ok fee00000 4021/fault 0 0/'
mutate 'message remapped' legacy.tape I 's/ok fee01000 4030/ok fee02000 4030/'
mutate 'message of another requester' legacy.tape I 's/^I ffff fee00010/I 10 fee00010/'
mutate 'message in compatibility format that is altered' legacy.tape I 's/ok fee00000 21/ok fee00000 22/'
mutate 'destination in bits that are reserved otherwise' legacy.tape I 's/^M 9010 0100310002020000/M 9010 0100310002020001/'
mutate 'destination in reserved bits that is not left out' legacy.tape I 's/ok fee02000 4031/ok 200fee02000 4031/'
mutate 'AMD-Vi: register value' amdvi.tape R 's/^R 2020 4 1a/R 2020 4 18/'
mutate 'AMD-Vi: head' amdvi.tape R 's/^R 2000 8 30/R 2000 8 20/'
mutate 'AMD-Vi: translated address' amdvi.tape T 's/^\(T .* 1010 .*\) 12000 fff/\1 11000 fff/'
mutate 'AMD-Vi: less permission' amdvi.tape T 's/^\(T .* 1ff8 2 0\) 3 /\1 2 /'
mutate 'AMD-Vi: refused' amdvi.tape T 's/^\(T .* 1ff8 2 0\) 3 11000 fff/\1 0 0 0/'
mutate 'AMD-Vi: page larger than the tables have it' amdvi.tape T 's/^\(T .* 1ff8 2 0 3\) 11000 fff/\1 0 1fffff/'
mutate 'AMD-Vi: message' amdvi.tape I 's/ok fee03000 4031/ok fee03000 4032/'
mutate 'AMD-Vi: message refused' amdvi.tape I 's/ok fee03000 4031/fault 0 0/'
mutate 'AMD-Vi: message of another requester' amdvi.tape I 's/^I ffff fee00000 31/I 10 fee00000 31/;ta;b;:a;s/ 1 ok / 0 ok /'
mutate 'AMD-Vi: bytes of a log' amdvi.tape m 's/^m 5000 1000000001002020/m 5000 1000000001000020/'
mutate 'AMD-Vi: bytes not written' amdvi.tape m '/^m 8000/i m 9000 01000000'
mutate 'AMD-Vi: bytes written that are not recorded' amdvi.tape m '/^m 8000/d'
mutate 'AMD-Vi: interrupt of the engine' amdvi.tape S 's/^S fee02000 4041/S fee02000 4042/'
mutate 'AMD-Vi: interrupt that is not recorded' amdvi.tape S '/^S/d'
mutate 'AMD-Vi: an entry that was invalidated' amdvi-lazy.tape I 's/ok fee03000 4033/ok fee03000 4032/'
mutate 'queue address that is neither' legacy.tape R 's/^R 90 8 0/R 90 8 2000/'
mutate 'cached without an earlier answer' lazy.tape T '0,/^T 10 ffffffff 40 2 0 3/{/^T 10 ffffffff 40 2 0 3/d};s/^T 10 ffffffff 10c0 2 0 3 11000 fff/T 10 ffffffff 10c0 2 0 3 14000 fff/'
mutate 'reason that no legacy reason stands for' lazy.tape R 's/^R 22c 4 80000005/R 22c 4 80000007/'

mutate 'RISC-V: register' riscv.tape R 's/^R 20 4 2/R 20 4 1/'
mutate 'RISC-V: address' riscv.tape T 's/^\(T 8 .* 5010 .*\) 90000000 fff/\1 90002000 fff/'
mutate 'RISC-V: permission' riscv.tape T 's/^\(T 8 .* 5020 1 0\) 1 /\1 3 /'
mutate 'RISC-V: page' riscv.tape T 's/^\(T 8 .* 5010 .*\) fff$/\1 1fff/'
mutate 'RISC-V: cause of a fault' riscv.tape m 's/^m 80003020 0f/m 80003020 0d/'
mutate 'RISC-V: type of a read' riscv.tape m 's/^\(m 80003000 0d0000000d\)/m 80003000 0d00000005/;ta;b;:a;n;ba'
mutate 'RISC-V: data of a fence' riscv.tape m 's/^m 80007000 77/m 80007000 78/'
mutate 'RISC-V: fence that is not recorded' riscv.tape m '/^m 80007000/d'
mutate 'RISC-V: interrupt in memory' riscv.tape m 's/^m 8000d000 0002/m 8000d000 0004/'
mutate 'RISC-V: message' riscv.tape S '0,/^S/s/^S 0 0/S 0 1/'
mutate 'RISC-V: message that is not recorded' riscv.tape S '0,/^S/{/^S/d}'
mutate 'RISC-V: wire' riscv.tape WSI 's/^WSI 1 1/WSI 2 1/'
mutate 'RISC-V: wire that is not recorded' riscv.tape WSI '/^WSI/d'
mutate 'RISC-V: interrupt file' riscv.tape MSI 's/^MSI 9 21000 4 7 ok/MSI 9 21000 4 7 fault/'

mutate 'ITS register' its.tape GR 's/^GR 90 4 60/GR 90 4 80/'
mutate 'LPI at another redistributor' its.tape GL '0,/^GL 0 2000 1/s/^GL 0 2000 1/GL 1 2000 1/'
mutate 'LPI that is not recorded' its.tape GL '/^GL 1 2001 1/d'
mutate 'LPI that does not come' its.tape GL 's/^GI 2 40 5 1/GL 0 2005 1\n&/'
mutate 'LPI that is not cleared' its.tape GL '/^GL 1 2000 0/s/0$/1/'
mutate 'message that fails' its.tape GI 's/^GI 2 40 1 1/GI 2 40 1 0/'
mutate 'acknowledgement' smmuv3.tape R 's/^R 24 4 d/R 24 4 c/'
mutate 'queue index' smmuv3.tape R 's/^R 9c 4 2/R 9c 4 1/'
mutate 'translated address of an SMMU' smmuv3.tape T 's/9000 fff/d000 fff/'
mutate 'permission of stage 2' smmuv3.tape T 's/^\(T 10 .* 1000 2 0\) 3/\1 1/'
mutate 'event record' smmuv3.tape m 's/^m 30000 13/m 30000 12/'
mutate 'event record without its address' smmuv3.tape m 's/^\(m 30020 .*\)24510000000000002451/\1245100000000000024/;s/^\(m 30020 .*\)24000000000000$/\10000000000000000/'
mutate 'event record that is not written' smmuv3.tape m 's/^T 10 ffffffff 1000 2/m 40800 01\n&/'
mutate 'invalidated, and still as it was' smmuv3.tape T 's/c000 fff/b000 fff/'
mutate 'bypass elsewhere' smmuv3.tape T 's/1 5000 fff/1 6000 fff/'
mutate 'status of a request' virtio.tape Q 's/^\(Q 04.* \)05000000 4/\106000000 4/'
mutate 'used length' virtio.tape Q 's/^\(Q 04.* 05000000\) 4/\1 5/'
mutate 'used length of what is no request' virtio.tape Q 's/ 5a5a5a5a 0$/ 5a5a5a5a 4/'
mutate 'properties of an endpoint' virtio.tape Q 's/^\(Q 05.* 01001400\)01/\100/'
mutate 'properties behind the last' virtio.tape Q 's/00000000000000000000 68$/00000000010000000000 68/'
mutate 'reserved region' virtio.tape Q 's/^P 30 1 fee00000 feefffff/P 30 1 fee00000 feeeffff/'
mutate 'configuration' virtio.tape CR 's/^CR 14 4 7f/CR 14 4 ff/'
mutate 'configuration that is not offered' virtio.tape CR 's/^CR 20 4 40/CR 20 4 44/'
mutate 'address of a mapping' virtio.tape T 's/^\(T 30 .* 12008 1 0 1\) 700000/\1 600000/'
mutate 'mapping that is refused' virtio.tape T 's/^\(T 30 .* 12008 1\) 0 1 700000 fff/\1 0 0 0 0/'
mutate 'bypass' virtio.tape T 's/^T 38 ffffffff 123456 2 0 2 123000/T 38 ffffffff 123456 2 0 2 124000/'
mutate 'interrupt message to another address' virtio.tape T 's/ 0 2 fee01000 fff/ 0 2 fee02000 fff/'
mutate 'page larger than the mapping' virtio.tape T 's/^\(T 30 .* 11ffc 2 0 2\) 501000 fff/\1 500000 3fff/'
mutate 'byte before a mapping that goes elsewhere' virtio.tape T 's/ 4ff000 fff$/ 4fe000 fff/'
mutate 'two bytes before a mapping' virtio.tape T 's/^T 30 ffffffff ffff 1/T 30 ffffffff fffe 1/'
mutate 'reason of a fault record' virtio.tape E 's/^E 02\(.* *3800000000000000230101\)/E 00\1/'
mutate 'endpoint of a fault record' virtio.tape E 's/^\(E 0100000000010000\)38/\130/'
mutate 'address of a fault record' virtio.tape E 's/^\(E 02.*\)0880010000000000/\10980010000000000/;s/^\(E 0200000002010000.*\)0820/\10920/'
mutate 'reserved bytes of a fault record' virtio.tape E 's/^E 0200000002010000/E 0200000102010000/'
mutate 'flags of a fault record where something is mapped' virtio.tape E 's/^E 0200000002010000/E 0200000000010000/'
mutate 'flags of a fault record that are others' virtio.tape E 's/^E 0200000002010000/E 0200000001010000/'
mutate 'fault record that is not made' virtio.tape E 's/^E 0200000002010000.*/&\n&/'
mutate 'fault record that is not recorded' virtio.tape E '/^E 0200000002010000/d'
mutate 'dropped fault record' virtio.tape e 's/^e 02/e 01/'
mutate 'endpoint without domain that has been met' virtio.tape E 's/^E 0100000000010000/E 0000000000010000/'

# ---- what is not a recording ----

refuse() { # refuse NAME PATTERN: the file $tmp/bad.tape
	expect "refused: $1" 2 ".*bad.tape.*$2" "$tmp/bad.tape"
}

# bad NAME PATTERN LINES: a recording that ends in these lines
bad() {
	printf 'tape 1\nengine vtd\ncap 80d2008c222f0606\necap f00f4a\n%b' "$3" >"$tmp/bad.tape"
	refuse "$1" "$2"
}

# raw NAME PATTERN TEXT: a file of this text
raw() {
	printf '%b' "$3" >"$tmp/bad.tape"
	refuse "$1" "$2"
}

raw 'empty file' 'the file is empty' ''
raw 'garbage' 'not a tape' 'garbage\n'
raw 'another version' 'not a tape' 'tape 2\n'
raw 'no end of line' 'cut off' 'tape 1'
raw 'nothing but a first line' 'no events' 'tape 1\n'
raw 'no engine' 'which engine' 'tape 1\nR 0 4 10\n'
raw 'no capabilities' 'no header gives cap' 'tape 1\nengine vtd\nR 0 4 10\n'
raw 'unknown header' "3: no such header or kind of line: 'colour'" 'tape 1\nengine vtd\ncolour blue\nR 0 4 10\n'
raw 'header without a value' 'neither a header' 'tape 1\nengine\nR 0 4 10\n'
raw 'header with a word too many' '3: 2 words in header cap' 'tape 1\nengine vtd\ncap 12 13\nR 0 4 10\n'
raw 'header that is no number' 'not a hexadecimal' 'tape 1\nengine vtd\ncap 0x12\nR 0 4 10\n'
bad 'unknown kind' "6: no such kind of line: 'Y'" 'R 0 4 10\nY 1 2 3\n'
bad 'header among events' "6: no such kind of line: 'note'" 'R 0 4 10\nnote late\n'
bad 'line of another engine' '5: a line of another engine' 'GW 0 4 10\n'
bad 'too few fields' '5: 3 fields' 'R 0 4\n'
bad 'too many fields' '5: 5 fields' 'R 0 4 10 1\n'
bad 'far too many fields' 'too many fields' "R$(printf ' 1%.0s' {1..300})\n"
bad 'empty field' 'an empty field' 'R  4 10\n'
bad 'empty line' 'an empty field' 'R 0 4 10\n\n'
bad 'trailing space' 'an empty field' 'R 0 4 10 \n'
bad 'no number' "'0x0' is not" 'R 0x0 4 10\n'
bad 'negative number' "'-1' is not" 'R -1 4 10\n'
bad '17 digits' 'out of range' 'M 10000000000000000 00\n'
bad 'size' "'3' is not the size" 'R 0 3 10\n'
bad 'value wider than the access' 'out of range' 'W 0 4 100000000\n'
bad 'requester' 'out of range' 'T 10000 ffffffff 0 1 0 1 0 fff\n'
bad 'PASID' 'more than 20 bits' 'T 0 100000 0 1 0 1 0 fff\n'
bad 'no access' 'neither reads nor writes' 'T 0 ffffffff 0 0 0 1 0 fff\n'
bad 'permission' 'out of range' 'T 0 ffffffff 0 1 0 4 0 fff\n'
bad 'mask' 'not the mask of a page' 'T 0 ffffffff 0 1 0 1 0 ff0\n'
bad 'half a byte' 'memory of 3' 'M 0 012\n'
bad 'no hexadecimal bytes' 'contents' 'M 0 0g\n'
bad 'memory beyond 2^64' 'memory of 4' 'M ffffffffffffffff 0000\n'
bad 'interrupt result' 'neither ok nor fault' 'I 0 fee00000 0 1 perhaps fee00000 0\n'
# badv NAME PATTERN LINES: as bad, of virtio-iommu; the lines begin with the twelfth
badv() {
	sed '/^X/,$d' virtio.tape >"$tmp/bad.tape"
	printf '%b' "$3" >>"$tmp/bad.tape"
	refuse "$1" "$2"
}
sed '/^probe_size/d' virtio.tape >"$tmp/bad.tape"
refuse 'a header that is missing' 'no header gives probe_size'
badv 'reset of an unknown kind' "12: reset of kind '2'" 'X 2\n'
badv 'half a region' '12: 4 fields in a line of kind P' 'P 1 0 1000\n'
badv 'region of an unknown kind' "12: '2' is out of range" 'P 1 2 1000 1fff\n'
badv 'used length that is no number' "12: 'a' is not a decimal" 'Q 01 00 a\n'
badv 'short fault record' '12: a fault record of 4 bytes' 'E 00000001\n'
badv 'request that is no hexadecimal' '12: memory contents' 'Q 0g 00 1\n'
badv 'requests of more bytes than there is room for' '12: memory of' "Q $(printf '00%.0s' {1..4000}) $(printf '00%.0s' {1..97}) 1\n"
bad 'end within an event' 'ends within an event' 'R 0 4 10\nS fee00000 0\n'
bad 'end within a line' 'cut off' 'R 0 4 10\nR 0 4 1'
bad 'zero byte' 'a zero byte' 'R 0 4 10\nR 0 \00004 10\n'
{
	printf 'tape 1\nengine vtd\ncap 80d2008c222f0606\necap f00f4a\nM 0 '
	head -c 20000 /dev/zero | tr '\0' 0
	echo
} >"$tmp/bad.tape"
refuse 'endless line' 'a line of more than'
head -c 5000 /dev/urandom >"$tmp/bad.tape"
expect 'refused: noise' 2 ".*bad.tape" "$tmp/bad.tape"

tape=../../../examples/tapes/vtd-legacy-strict.tape.xz
if "$viommu" replay "$tape" 2>&1 | grep 'without liblzma' >/dev/null; then
	echo 'compressed recordings: not built'
else
	size=$(wc -c <"$tape")
	head -c $((size - 100)) "$tape" >"$tmp/bad.tape.xz"
	expect 'refused: truncated xz' 2 '.*bad.tape.xz:[0-9]*: xz: the file is truncated' "$tmp/bad.tape.xz"
	head -c 20 "$tape" >"$tmp/bad.tape.xz"
	expect 'refused: xz header only' 2 '.*bad.tape.xz:1: xz: the file is truncated' "$tmp/bad.tape.xz"
	{
		head -c 5000 "$tape"
		head -c 100 /dev/zero
		tail -c +5101 "$tape"
	} >"$tmp/bad.tape.xz"
	expect 'refused: damaged xz' 2 '.*bad.tape.xz:[0-9]*: ' "$tmp/bad.tape.xz"
	cat "$tape" >"$tmp/renamed"
	expect 'compressed under another name' 0 'T: 7915, mismatches 0' "$tmp/renamed"
fi

# ---- command line ----

expect help 0 'usage: viommu replay' --help
expect 'no file' 2 'usage: viommu replay'
expect 'unknown option' 2 'usage: viommu replay' -x legacy.tape
expect 'missing file' 2 'missing.tape: No such file' missing.tape
expect 'a folder' 2 '\.:[0-9]*: Is a directory' .
printf 'tape 1\nengine gart\nGR 0 4 0\n' >"$tmp/other.tape"
expect 'another engine' 1 'engine gart: not supported' "$tmp/other.tape"
printf 'tape 1\nengine vtd\ncap ffffffffffffffff\necap ffffffffffffffff\nR 0 4 0\n' >"$tmp/other.tape"
expect 'capabilities that are refused' 1 '.*other.tape: no engine' "$tmp/other.tape"
expect 'a bad file among good ones' 2 'all 2 files: 68 lines, .*NOT READABLE' legacy.tape missing.tape

[ $failures -eq 0 ] || echo "$failures failures"
[ $failures -eq 0 ]
