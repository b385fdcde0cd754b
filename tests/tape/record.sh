#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# record.sh VIOMMU SCENES - what the library records replays without a mismatch: while the guests of each engine are replayed, and
# of the program SCENES, which does what these do not.
set -uo pipefail
viommu=$(realpath "${1:?the tool}")
scenes=$(realpath "${2:?record_scenes}")
cd "$(dirname "$0")/data" || exit 1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failures=0

failed() {
	echo "$*"
	failures=$((failures + 1))
}

# record TAPE KIND...: the recording has lines of these kinds, and replays
record() {
	local option=--record tape kind status deviations
	[ "$1" != its ] || { option=--record-its; shift; }
	tape=$1
	shift
	if [[ $tape = *.xz ]] && ! "$viommu" stats "$tape" >/dev/null 2>&1; then
		echo "$tape: skipped, compressed recordings are not built"
		return
	fi
	"$viommu" replay $option "$tmp/own.tape" "$tape" >"$tmp/first" 2>&1
	for kind; do
		grep -q "^$kind " "$tmp/own.tape" || failed "$tape: no line $kind was recorded"
	done
	"$viommu" replay -v "$tmp/own.tape" >"$tmp/second" 2>&1
	status=$?
	deviations=0
	[[ $tape != *lazy* ]] || deviations='[0-9]*' # what one of the two had cached
	if [ $status != 0 ] || ! tail -n 1 "$tmp/second" | grep -q " lines, 0 mismatches, $deviations deviations: as recorded"; then
		failed "$tape: recorded, and replayed with status $status"
		head -n 20 "$tmp/second"
	fi
}

examples=../../../examples/tapes
record legacy.tape Z R W T I M m S
record registers.tape Z T
record first-stage.tape m
record lazy.tape T
record "$examples/vtd-legacy-strict.tape.xz" T I S
record amdvi.tape Z R W T I M m S
record amdvi-lazy.tape T
record "$examples/amdvi-v1-strict.tape.xz" T I
record riscv.tape Z R W X T M m S
record "$examples/riscv-sys-strict.tape.xz" WSI
record smmuv3.tape Z R W T M m
record virtio.tape Z P Q T E X F CR CW
record "$examples/virtio-strict.tape.xz" Q T E
record "$examples/smmuv3-stage2.tape.xz" T
record "$examples/tce-window32.tape.xz" Z PE MEM H RT T M X
record its its.tape Z GS GR GW GRD GI GL GA M
record its "$examples/its-strict.tape.xz" GW GI GL
record its "$examples/its-vfio.tape.xz" GW GI GL
record its "$examples/smmuv3-its-strict.tape.xz" GW GI GL

# scene NAME KIND...: the same of a scene's tape.
mkdir "$tmp/scenes"
VIOMMU_TAPES=$tmp/scenes "$scenes" >"$tmp/log" 2>&1 || { failed 'scenes'; tail -n 20 "$tmp/log"; }
played=0
scene() {
	local tape=$tmp/scenes/$1.tape kind
	for kind in "${@:2}"; do
		grep -q "^$kind " "$tape" || failed "$1: no line $kind was recorded"
	done
	"$viommu" replay -v "$tape" >"$tmp/second" 2>&1
	if [ $? != 0 ] || ! tail -n 1 "$tmp/second" | grep -q " lines, 0 mismatches, 0 deviations: as recorded"; then
		failed "$1: does not replay"
		head -n 20 "$tmp/second"
	fi
	played=$((played + 1))
}
scene virtio-refused LR Q T
scene virtio-refused-later LR N Z
scene tce-refused LR H
scene virtio-probe Q
scene its-v4 GLV GI GAV
scene its-v41 GLV GI GAV
scene its-later GN GI GL
[ "$played" = "$(ls "$tmp/scenes" | wc -l)" ] || failed 'a scene that is not replayed'

# other NAME KIND SED: an altered line is one that is noticed, of that kind
other() {
	sed "$3" "$tmp/scenes/$1.tape" >"$tmp/other.tape"
	cmp -s "$tmp/scenes/$1.tape" "$tmp/other.tape" && failed "$1: nothing altered"
	"$viommu" replay "$tmp/other.tape" >"$tmp/second" 2>&1
	[ $? = 1 ] && grep -q "^$2: [0-9]*, mismatches [1-9]" "$tmp/second" || failed "$1: an altered $2 line is not noticed"
}
other virtio-refused Q '/^LR/d'
other virtio-refused LR '0,/^LR/s/^LR \([0-9a-f]*\) .*/LR \1 40000/'
other virtio-refused-later T '/^LR/,$ { /^Z/d }'
other tce-refused H '/^LR/d'
other virtio-probe Q '/^Q/s/z/01z/'
other its-v4 GLV '0,/^GLV/s/^GLV 0 0 2000/GLV 0 0 2001/'
other its-v41 GL '0,/^GLV/{/^GLV/d}'
other its-later GS '/^GN/d'

# It can fail: another answer is noticed.
"$viommu" replay --record "$tmp/own.tape" legacy.tape >"$tmp/first" 2>&1
sed '0,/^\(T .* 3 \)12000 /s//\113000 /' "$tmp/own.tape" >"$tmp/other.tape"
cmp -s "$tmp/own.tape" "$tmp/other.tape" && failed 'nothing altered'
"$viommu" replay "$tmp/other.tape" >"$tmp/second" 2>&1
[ $? = 1 ] || failed 'an altered line is not noticed'
# A line that is marked may differ, under a name.
sed '0,/^\(T .* 3 \)12000 \(.*\)/s//\113000 \2 ~/' "$tmp/own.tape" >"$tmp/other.tape"
"$viommu" replay "$tmp/other.tape" >"$tmp/second" 2>&1
[ $? = 0 ] && grep -q '^deviation overlapped' "$tmp/second" || failed 'a line that is marked'

[ "$failures" = 0 ] || { echo "$failures failures"; exit 1; }
echo 'all as recorded'
