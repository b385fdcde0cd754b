#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# demo.sh tapes | vhost | kvm | isolated - scripts/demo shows what it says it shows, explains every letter it prints, and refuses what it does
# not know. What cannot be shown on this machine is a skip with the reason that the demo gives.
set -uo pipefail
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

bad() {
	echo "demo: $*"
	tail -n 40 "$tmp/out"
	exit 1
}

# expect STATUS ARGUMENTS...
expect() {
	local status=$1 got=0
	shift
	scripts/demo "$@" >"$tmp/out" 2>&1 || got=$?
	if [ $got -eq 77 ] && [ "$status" -eq 0 ]; then
		tail -n 1 "$tmp/out"
		exit 77
	fi
	[ $got -eq "$status" ] || bad "'$*': status $got, expected $status"
}

# says PATTERN...: each is on a line
says() {
	local pattern
	for pattern; do grep -q -- "$pattern" "$tmp/out" || bad "does not say '$pattern'"; done
}

check_tapes() {
	local letter
	expect 2 --what
	says 'no such option: --what' '^demo --vhost'
	expect 2 /no/such/tape
	says 'no such file'
	expect 2 --kvm vtd
	says 'goes alone'
	expect 0 --help
	says '^demo --kvm' '^demo --isolated'
	! grep -q SPDX "$tmp/out" || bad "says more than it should"
	expect 0
	says 'all 2 files: .* 0 mismatches' 'refused, reason 6' '^What this has shown' '^Where to go next'
	expect 0 vtd
	! grep -q 'engine: virtio' "$tmp/out" || bad "vtd is not alone"
	expect 0 examples/tapes/*.tape.xz
	! grep -q 'see examples/tapes/FORMAT.md' "$tmp/out" || bad "a letter is not explained"
	for letter in $(sed -n 's/^\([A-Za-z]*\): [1-9][0-9]*, mismatches.*/\1/p' "$tmp/out" | LC_ALL=C sort -u); do says "^  $letter  *[a-z]"; done
	sed '0,/^T /s/^T \(.*\) \([0-9a-f]*\) \([0-9a-f]*\)$/T \1 7777000 \3/' <(xz -dc examples/tapes/virtio-strict.tape.xz) >"$tmp/other.tape"
	expect 1 "$tmp/other.tape"
	says 'DIFFERENT' 'FAILED'
	! grep -q '^What this has shown' "$tmp/out" || bad "has shown something nevertheless"
}

case ${1-} in
tapes) check_tapes ;;
vhost)
	expect 0 --vhost
	says '^static .*0 lost, 0 wrong' '^dynamic .*0 lost, 0 wrong' 'a rude backend: not one write after the guest was told *yes' '^What this has shown' \
		'^Where to go next'
	;;
kvm)
	expect 0 --kvm
	says '^(f) .*yes' '^What this has shown' '^Where to go next'
	! grep -q ': no$' "$tmp/out" || bad "something is not shown"
	;;
isolated)
	expect 0 --isolated
	says '^What this has shown' '^Where to go next'
	;;
*) exit 2 ;;
esac
