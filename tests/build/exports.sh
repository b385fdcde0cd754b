#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# exports.sh SHARED STATIC - the functions of the public headers, of libvirtiommu.map, and those that are global in the
# shared and in the static library are the same; it has the right soname and needs libc and pthreads at most.
set -euo pipefail
library=$1
static=$2
top=$(cd "$(dirname "$0")/../.." && pwd)

headers=$("$top/scripts/exports")
map=$(sed 's/#.*//' "$top/lib/libvirtiommu.map" | grep -oE '\bviommu_[a-z0-9_]+' | LC_ALL=C sort) || true
built=$(nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | LC_ALL=C sort)
status=0

[ -n "$headers" ] || { echo "the headers declare nothing"; status=1; }
echo "headers (-) and libvirtiommu.map (+):"
diff -u0 --label headers <(echo "$headers") --label map <(echo "$map") || status=1
echo "headers (-) and $library (+):"
diff -u0 --label headers <(echo "$headers") --label library <(echo "$built") || status=1

echo "headers (-) and $static (+):"
global=$(nm -g --defined-only "$static" | awk 'NF == 3 { print $3 }' | LC_ALL=C sort)
diff -u0 --label headers <(echo "$headers") --label static <(echo "$global") || status=1

dynamic=$(readelf -dW "$library")
soname=$(sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p' <<<"$dynamic")
[ "$soname" = libvirtiommu.so.0.2 ] || { echo "soname is $soname"; status=1; }
if sed -n 's/.*(NEEDED).*\[\(.*\)\]/needs \1/p' <<<"$dynamic" | grep -vE ' (libc|libpthread)\.so\.[0-9]+$'; then
	status=1
fi
exit $status
