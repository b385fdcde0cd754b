#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# cli.sh VIOMMU - each subcommand of the tool: what it prints, as text and as JSON, how it ends, and what it refuses.
set -uo pipefail
viommu=$(realpath "${1:?the tool}")
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../tape/data" || exit 1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failures=0

failed() {
	echo "$*"
	sed 's/^/    /' "$tmp/out" | head -n 20
	failures=$((failures + 1))
}

# expect NAME STATUS PATTERN ARGUMENTS...: every line of PATTERN is the beginning of a line that is printed
expect() {
	local name=$1 status=$2 pattern=$3 got line
	shift 3
	"$viommu" "$@" >"$tmp/out" 2>&1 </dev/null
	got=$?
	while IFS= read -r line; do
		[ -z "$line" ] || grep -q -- "^$line" "$tmp/out" || got="$got, without '$line'"
	done <<<"$pattern"
	[ "$got" = "$status" ] || failed "$name: status $got, expected $status"
}

# json NAME STATUS EXPRESSION ARGUMENTS...: stdout is one JSON value, and EXPRESSION (of Python, the value is d) is true
json() {
	local name=$1 status=$2 expression=$3 got
	shift 3
	"$viommu" "$@" --json >"$tmp/out" 2>"$tmp/err" </dev/null
	got=$?
	python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); sys.exit(0 if eval(sys.argv[2]) else 1)' "$tmp/out" "$expression" ||
		got="$got, and not $expression"
	[ "$got" = "$status" ] || failed "$name: status $got, expected $status"
}

# ---- the command itself ----

expect help 0 'usage: viommu COMMAND' --help
expect version 0 'viommu 0\.' --version
expect 'no command' 2 'usage: viommu COMMAND'
expect 'no such command' 2 'usage: viommu COMMAND' play legacy.tape
for command in replay explain dump map diff stats; do
	expect "$command --help" 0 "usage: viommu $command" "$command" --help
	expect "$command: unknown option" 2 'usage: viommu' "$command" --frobnicate legacy.tape
	expect "$command: no file" 2 'usage: viommu' "$command"
done
if [ -e /dev/full ]; then
	"$viommu" stats legacy.tape >/dev/full 2>"$tmp/out"
	[ $? = 2 ] || failed 'a full disk: status'
fi

# ---- replay ----

json 'replay' 0 'd["files"][0]["kinds"]["T"] == {"lines": 5, "mismatches": 0} and d["files"][0]["deviations"]["cfis-never"] == 1' replay legacy.tape
json 'replay, mismatch' 1 'd["files"][0]["mismatches"][0]["line"] == 43 and d["files"][0]["verdict"] == "DIFFERENT"' replay stale.tape

# ---- explain ----

line=$(awk '$1 == "T" && $7 == 0 { print NR; exit }' legacy.tape)
request=($(sed -n "${line}p" legacy.tape))
expect 'explain: first fault' 1 "legacy.tape:$line: device ${request[1]}: .* of ${request[3]}
  root entry
  => refused, reason " explain legacy.tape
expect 'explain: its line' 1 "legacy.tape:$line: device ${request[1]}" explain "legacy.tape:$line"
expect 'explain: no such fault' 2 'legacy.tape: so many requests are not refused' explain --fault 1000 legacy.tape
awk '!($1 == "T" && $7 == 0) && !($1 == "I" && $6 == "fault")' legacy.tape >granted.tape
expect 'explain: nothing is refused' 2 'granted.tape: no request is refused' explain granted.tape
expect 'explain: given' 0 'device 10: read of 40
  => 12040, may read/write' explain --device 10 --iova 40 --access r legacy.tape
expect 'explain: a device that asks nothing' 2 'viommu explain: --iova, or --message' explain -d 10 legacy.tape
expect 'explain: a message' 0 '  => interrupt message' explain -d 10 -i fee00000 -a w legacy.tape
expect 'explain: caches' 0 '  shared TLB  *(cache):' explain -c -d 10 -i 40 legacy.tape
{ # the guest changes a mapping that was used, and does not invalidate it
	cat legacy.tape
	echo 'M 7000 0330010000000000'
	echo 'T 10 ffffffff 40 2 0 3 12000 fff'
} >"$tmp/stale.tape"
expect 'explain: stale' 0 '  shared TLB .*STALE
  => 13040' explain -c "$tmp/stale.tape:$(wc -l <"$tmp/stale.tape")"
expect 'explain: message' 0 'message from ff00: fee00010 0
  interrupt remapping entry
  => message' explain -d ff00 -m fee00010:0 legacy.tape
expect 'explain: message of another' 1 '  => refused, reason 26: ' explain -d 10 -m fee00010:0 legacy.tape
expect 'explain: ITS' 0 '  device
  => LPI 8193 at CPU 1' explain --its -d 2 -m 10040:1 its.tape
expect 'explain: not a request' 2 'legacy.tape:10: not a request' explain legacy.tape:8
expect 'explain: no such line' 2 'legacy.tape:[0-9]*: the tape has no such line' explain legacy.tape:4000
expect 'explain: access' 2 "viommu explain: 'rq' is not possible" explain -i 40 -a rq legacy.tape
expect 'explain: number' 2 "viommu explain: '4g' is not possible" explain -i 4g legacy.tape
expect 'explain: too large' 2 "viommu explain: '100000' is not possible" explain -p 100000 legacy.tape
json 'explain' 1 'd["result"] == "refused" and d["steps"][0]["what"] == "root entry" and d["steps"][-1]["reason_text"]' explain legacy.tape
for tape in amdvi riscv smmuv3 virtio; do
	json "explain: $tape" 1 'd["result"] == "refused" and d["steps"][-1]["what"] == "refused"' explain $tape.tape
done

# ---- dump, map, stats, diff ----

expect 'dump' 0 'registers that are not 0:
device 10
  context entry
  0000000000000000-0000000000000fff -> 0000000000012000
interrupt entries' dump legacy.tape
expect 'dump: tables' 0 '  second stage, level ' dump --only tables legacy.tape
expect 'dump: its' 0 '  2 *1: LPI ' dump --only its its.tape
expect 'dump: no such section' 2 "viommu dump: 'all'" dump --only all legacy.tape
json 'dump' 0 'any(m["gpa"] == "0x12000" for x in d["devices"] if x["device"] == "0x10" for m in x["mappings"]) and d["interrupts"] and d["registers"]' dump legacy.tape
json 'dump: virtio' 0 'd["devices"]' dump virtio.tape
expect 'map' 0 'device 10: [1-9][0-9]* ranges
0000000000000000-0000000000000fff  *4 KiB  -> 0000000000012000' map -d 10 --svg "$tmp/map.svg" legacy.tape
python3 -c 'import sys, xml.dom.minidom; sys.exit(0 if xml.dom.minidom.parse(sys.argv[1]).getElementsByTagName("path") else 1)' "$tmp/map.svg" ||
	failed 'map: the picture is no SVG'
expect 'map: cannot be written' 2 '/nowhere/map.svg: ' map -d 10 --svg /nowhere/map.svg legacy.tape
expect 'map: which device' 2 'viommu map: --device' map legacy.tape
json 'map' 0 'd["ranges"][0]["gpa"] == "0x12000"' map -d 10 legacy.tape
expect 'stats' 0 '  T  *5
  misses
faults by reason' stats legacy.tape
json 'stats' 0 'd["lines"]["T"] == 5 and d["devices"]["0x10"]["requests"] > 0 and d["faults"]' stats legacy.tape
expect 'diff: the same' 0 '' diff legacy.tape legacy.tape
sed 's/^\(T .* 40 2 0 3\) 12000/\1 13000/' legacy.tape >"$tmp/other.tape"
expect 'diff: lines' 1 'lines [0-9]* and [0-9]*
  - T .* 12000 fff
  + T .* 13000 fff' diff legacy.tape "$tmp/other.tape"
expect 'diff: headers' 1 'header cap' diff legacy.tape first-stage.tape
for note in one other; do sed "s/^cap /note the same\\nnote $note\\n&/" legacy.tape >"$tmp/$note.tape"; done
expect 'diff: the second of a header' 1 'header note
  - one
  + other' diff "$tmp/one.tape" "$tmp/other.tape"
expect 'diff: states' 1 'device 10
  + 0-fff -> 12000' diff legacy.tape:10 legacy.tape
expect 'diff: a state and itself' 0 '' diff --state legacy.tape legacy.tape
json 'diff' 1 'any(x["about"] == "device 10" for x in d["differences"])' diff legacy.tape:10 legacy.tape

# ---- what each engine's tapes have ----

expect 'explain: no ITS' 2 'legacy.tape: there is no ITS' explain --its -m 10040:1 -d 2 legacy.tape
expect 'stats: ITS' 0 'counted by the ITS' stats its.tape
"$viommu" replay --record-its "$tmp/own.tape" its.tape >/dev/null 2>&1
line=$(awk '$1 == "GI" && $5 == 1 { print NR; exit }' "$tmp/own.tape")
expect 'explain: GI of the library' 0 "$tmp/own.tape:$line: message from 2: 10040 0
  device
  => LPI " explain "$tmp/own.tape:$line"
expect 'dump: ITS of the library' 0 'registers
ITS entries (DeviceID, EventID):
  2 *1: LPI ' dump "$tmp/own.tape"
expect 'dump: no devices of an ITS' 0 '' dump --only mappings "$tmp/own.tape"
expect 'explain: no device of an ITS' 2 '.*: there is no such device' explain -d 10 -i 0 "$tmp/own.tape"
expect 'explain: MSI of a device that has not asked for anything before' 0 'riscv.tape:51: message from 9: 20000 9
  MSI page table entry' explain riscv.tape:51
# A device is there if its entry is, whatever the table that it leads to has for address 0.
expect 'dump: AMD-Vi' 0 'device 10
  device table entry
  0000000000001000-' dump --only contexts --only mappings amdvi.tape
[ "$(grep -c 'table  ' "$tmp/out")" = 0 ] || failed 'dump: a table among the contexts of AMD-Vi'
expect 'dump: mappings up to the last address have no tables' 0 'device 40' dump --only tables virtio.tape

# ---- memory and registers instead of a tape ----

python3 - "$tmp" <<'P'
import struct, sys
ram = bytearray(0x8000)
def put(at, *words):
    struct.pack_into('<%dQ' % len(words), ram, at, *words)
put(0x1000, 0x2001)                      # root entry of bus 0
put(0x2000 + 16 * 0x10, 0x3001, 0x102)   # context entry of 02.0: domain 1, four levels
put(0x3000, 0x4003); put(0x4000, 0x5003); put(0x5000, 0x6003); put(0x6000 + 8, 0x7003)
open(sys.argv[1] + '/ram.bin', 'wb').write(ram)
open(sys.argv[1] + '/regs.tape', 'w').write('tape 1\nengine vtd\ncap d2008c222f0606\necap f00f4a\nR 1c 4 c0000000\nR 20 8 101000\n')
open(sys.argv[1] + '/no.tape', 'w').write('tape 1\nengine vtd\ncap d2008c222f0606\necap f00f4a\nW 20 8 101000\n')
P
# the pointers are those of memory at 0: at 100000 there is nothing behind the root entry
sed -i 's/101000/1000/' "$tmp/regs.tape"
image=(--registers "$tmp/regs.tape" --memory "$tmp/ram.bin@0")
expect 'image: explain' 0 'device 10: read of 1abc
  context entry .* at .*2100:
  => 7abc, may read/write' explain "${image[@]}" -d 10 -i 1abc
expect 'image: refused' 1 '  => refused' explain "${image[@]}" -d 10 -i 2abc
expect 'image: dump' 0 'device 10
  0000000000001000-0000000000001fff -> 0000000000007000' dump "${image[@]}"
json 'image: map' 0 'len(d["ranges"]) == 1 and d["ranges"][0]["first"] == "0x1000" and d["ranges"][0]["gpa"] == "0x7000"' map -d 10 "${image[@]}"
expect 'image: elsewhere' 1 '  => refused' explain --registers "$tmp/regs.tape" --memory "$tmp/ram.bin@100000" -d 10 -i 1abc
expect 'image: no such file' 2 "$tmp/none: No such file" explain --registers "$tmp/regs.tape" --memory "$tmp/none@0" -i 0
expect 'image: no address' 2 'ram.bin: not FILE@GPA' explain --registers "$tmp/regs.tape" --memory ram.bin -i 0
expect 'image: not a register' 2 '.*no.tape:5: not the value of a register' explain --registers "$tmp/no.tape" --memory "$tmp/ram.bin@0" -i 0
expect 'image: nothing asked' 2 'viommu explain: --iova' explain --registers "$tmp/regs.tape" --memory "$tmp/ram.bin@0"
expect 'image: no memory' 2 'viommu explain: --registers and --memory go together' explain --registers "$tmp/regs.tape" -i 0

python3 "$here/image.py" "$viommu" "$tmp" legacy.tape first-stage.tape amdvi.tape riscv.tape >"$tmp/out" 2>&1 || failed 'image: as the tape'

# ---- the manual and the completion know every option ----

top=$(cd "$(dirname "$0")/../../../tools" 2>/dev/null && pwd) || top=$(cd ../../../tools && pwd)
for command in replay explain dump map diff stats; do
	"$viommu" $command --help | grep -o -- '--[a-z]*' | sort -u | while read -r option; do
		grep -q -- "${option#--}" "$top/viommu.1" || echo "$command $option: not in the manual"
		grep -q -- "$option" "$top/viommu.bash" || echo "$command $option: not in the completion"
	done
done >"$tmp/out"
[ ! -s "$tmp/out" ] || failed 'options'

[ "$failures" = 0 ] || { echo "$failures failures"; exit 1; }
echo 'all as expected'
