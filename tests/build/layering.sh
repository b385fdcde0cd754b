#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# layering.sh [TREE] - who may include what, unique file names, functions of at most 60 lines, SPDX lines.
set -euo pipefail
cd "${1:-$(dirname "$0")/../..}"
status=0

# What lib/ may use of the system: no stdio, no signals; of system calls only the random number for hash keys,
# and membarrier, where the VMM has asked for it; static probes, where there are any.
lib_system='assert endian inttypes limits pthread stdalign stdatomic stdbool stddef stdint stdlib stdnoreturn string sys/random sys/sdt sys/syscall unistd'
public_system='stddef stdint'

bad() {
	echo "$*"
	status=1
}

# check_includes FILE "SYSTEM HEADERS, or any" FOLDERS...: the file includes "NAME.h" of these folders,
# <libvirtiommu/NAME.h> and these system headers only
check_includes() {
	local file=$1 system=" $2 " line name folder found
	shift 2
	while read -r line; do
		name=$(sed -E 's/.*[<"]([^>"]*)[>"].*/\1/' <<<"$line")
		case $line in
		*'<libvirtiommu/'*)
			[ -f "include/$name" ] || bad "$file: $name: no such public header"
			;;
		*'<'*)
			[[ $system = ' any ' || $system = *" ${name%.h} "* ]] || bad "$file: <$name> is not for this folder"
			[[ ! $name =~ ^(linux|asm)/ || $file =~ ^(examples|tests)/ ]] || bad "$file: kernel header $name"
			;;
		*)
			found=
			for folder; do
				if [ -f "$folder/$name" ]; then found=1; fi
			done
			[[ $found && $name != */* ]] || bad "$file: \"$name\" is not in ${*:-reach}"
			;;
		esac
	done < <(grep -E '^[[:space:]]*#[[:space:]]*include' "$file")
}

while read -r file; do
	folder=$(dirname "$file")
	case $file in
	include/*) check_includes "$file" "$public_system" ;;
	lib/base/*) check_includes "$file" "$lib_system" lib/base ;;
	lib/memory/*) check_includes "$file" "$lib_system" lib/{base,memory} ;;
	lib/store/* | lib/cache/*) check_includes "$file" "$lib_system" lib/{base,memory} "$folder" ;;
	lib/fmt/*) check_includes "$file" "$lib_system" lib/{base,memory,store,cache,fmt} ;;
	lib/unit/*) check_includes "$file" "$lib_system" lib/{base,memory,store,cache,fmt,unit} ;;
	lib/*/*) check_includes "$file" "$lib_system" lib/{base,memory,store,cache,fmt,unit} "$folder" ;;
	lib/*) bad "$file: belongs into a folder of lib/" ;;
	bench/map_bench.c | bench/worst_bench.c) check_includes "$file" any bench lib/{base,memory,store,cache,fmt,unit} ;; # range maps, and steps that are left, are not exported
	bench/*) check_includes "$file" any bench ;;
	tools/replay/*) check_includes "$file" any tools/replay ;;
	tools/*) check_includes "$file" any tools tools/replay ;;
	examples/*/*) check_includes "$file" any "$folder" ;;
	examples/vhost_user_*.c) check_includes "$file" any examples examples/vhost_user ;;
	examples/*) check_includes "$file" any examples "${file%.c}" ;;
	esac
done < <(find include lib tools bench examples -name '*.[ch]' -o -name '*.cc')

# Unique names, so that a bare name in an #include means one file.
twice=$(find include lib tools tests bench examples \( -name '*.[ch]' -o -name '*.cc' \) -printf '%f\n' | sort | uniq -d)
[ -z "$twice" ] || bad "more than one file is called" $twice

# A function is from a brace in column 0 to a brace in column 0.
long=$(find lib -name '*.[ch]' -exec awk '
	FNR == 1 { start = 0 }
	/^{/ { start = FNR }
	/^}/ && start {
		if (FNR - start + 1 > 60)
			print FILENAME ":" start ": a function of " FNR - start + 1 " lines"
		start = 0
	}' {} +)
[ -z "$long" ] || bad "$long"

# Sources, scripts, build files.
without=$(find include lib tools tests bench examples docs cmake scripts .ci CMakeLists.txt .clang-format pkg-config.in \
	-type f ! -path '*/corpus/*' ! -path '*/tapes/*' ! -name '*.tape' ! -name '*.state' ! -name '*.md' \
	-exec awk 'FNR <= 3 && /SPDX-License-Identifier: BSD-3-Clause/ { has[FILENAME] = 1 }
		END { for (i = 1; i < ARGC; i++) if (!(ARGV[i] in has)) print ARGV[i] }' {} +)
[ -z "$without" ] || bad "no SPDX line:" $without

exit $status
