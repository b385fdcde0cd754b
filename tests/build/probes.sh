#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# probes.sh LIBRARY DOCS HAVE - the static probes that the library has are those that docs/embedding.md lists, with as many
# arguments each. HAVE is 1 if it was built with sys/sdt.h.
set -euo pipefail
library=$1
docs=$2
have=${3:-}

if [ "$have" != 1 ]; then
	if readelf -n "$library" | grep stapsdt >/dev/null; then echo "built without sys/sdt.h, and has probes"; exit 1; fi
	echo "skipped: no sys/sdt.h (systemtap-sdt-dev)"
	exit 77
fi
built=$(readelf -nW "$library" | awk '
	/Provider:/ { provider = $NF }
	$1 == "Name:" { name = $2 }
	$1 == "Arguments:" && provider == "libvirtiommu" { print name, NF - 1 }' | LC_ALL=C sort -u)
listed=$(awk -F '|' '/^\| probe \|/ { on = 1; next } on && !/^\|/ { on = 0 }
	on && $2 ~ /`/ { gsub(/[` ]/, "", $2); print $2, split($3, parts, ",") }' "$docs" | LC_ALL=C sort)
[ -n "$listed" ]
diff <(echo "$listed") <(echo "$built")
