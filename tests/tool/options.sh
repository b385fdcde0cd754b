#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# options.sh VIOMMU - every option of every subcommand is in its help, in the man page, and is completed; and nothing else is.
set -uo pipefail
viommu=$(realpath "${1:?the tool}")
cd "$(dirname "$0")/../../tools" || exit 1
failures=0

failed() {
	echo "$*"
	failures=$((failures + 1))
}

# What bash offers for `viommu COMMAND -`.
. ./viommu.bash
completed() {
	COMP_WORDS=(viommu "$1" -)
	COMP_CWORD=2
	_viommu
	printf '%s\n' "${COMPREPLY[@]}"
}

known=0
listed=0
mapfile -t commands < <("$viommu" --help | sed -n 's/^  \([a-z]*\) .*/\1/p')
for command in "${commands[@]}"; do
	grep -q "^\.SS $command\$" viommu.1 || failed "$command: not in the man page"
	mapfile -t helped < <("$viommu" "$command" --help | grep -o -- '--[a-z][a-z-]*' | sort -u)
	mapfile -t offered < <(completed "$command" | grep -vx -- --help | sort -u)
	[ "${helped[*]}" = "${offered[*]}" ] || failed "$command: help has ${helped[*]}, completion ${offered[*]}"
	for option in "${helped[@]}"; do
		known=$((known + 1))
		grep -qF -- "${option//-/\\-}" viommu.1 || failed "$command: $option is not in the man page"
		# of getopt_long(): known options are accepted, or want an argument
		"$viommu" "$command" "$option" 2>&1 </dev/null | grep 'unrecognized' >/dev/null && failed "$command: $option is in the help only"
	done
	# and those that it knows are in the help: of the table in the source
	for option in $(sed -n "s/^\t{ '.', \"\([a-z-]*\)\", .*\".*\<$command\>.*\".*/--\1/p" options.c); do
		listed=$((listed + 1))
		printf '%s\n' "${helped[@]}" | grep -x -- "$option" >/dev/null || failed "$command: $option is not in the help"
	done
done
echo "${#commands[@]} subcommands, $known options"
[ "${#commands[@]}" -ge 6 ] && [ "$known" -ge 30 ] && [ "$listed" -eq "$known" ] && [ "$failures" = 0 ]
