#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# globals.sh LIBRARY - the library has no writable globals, thread-locals, constructors or destructors: no object
# has anything in a section for them. (.data.rel.ro is constant once it is relocated.)
set -euo pipefail

objdump -h "$1" | awk '
	/file format/ { object = $1; objects++ }
	$2 ~ /^\.(data|bss|tdata|tbss|init_array|fini_array|ctors|dtors|preinit_array)/ &&
	$2 !~ /^\.data\.rel\.ro/ && $3 !~ /^0+$/ {
		print object " " $2 " 0x" $3 " bytes"
		bad = 1
	}
	END {
		print objects + 0 " objects"
		exit bad || !objects
	}'
