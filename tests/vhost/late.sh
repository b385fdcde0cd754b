#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# late.sh FRONTEND - testpmd gets its start command when frames have been waiting for it: none of them is lost. (On a busy
# machine it does so by itself, now and then.)
set -euo pipefail
frontend=$1
testpmd=$(command -v dpdk-testpmd) || {
	echo "late: no dpdk-testpmd"
	exit 77
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/dpdk-testpmd" <<END
#!/usr/bin/env bash
log=\$(readlink /proc/\$\$/fd/1)
rings_are_there() {
	for _ in {1..200}; do
		! grep -q 'virtio is now ready' "\$log" || return 0
		sleep 0.1
	done
}
exec $testpmd "\$@" < <(rings_are_there; sleep 0.5; exec cat)
END
chmod +x "$folder/dpdk-testpmd"

PATH=$folder:$PATH "$frontend" --backend=testpmd --mode=none --seconds=0.05
