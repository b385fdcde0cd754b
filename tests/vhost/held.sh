#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# held.sh FRONTEND - a backend that holds on to a translation delays the guest's flush; one that only claims to have let go
# is found out, or the test that says so would say so of every backend.
set -euo pipefail
frontend=$1

for engine in vtd virtio; do
	"$frontend" --mode=held --engine=$engine
	if "$frontend" --mode=held --engine=$engine --cheat; then
		echo "held: a backend that cheats was not noticed"
		exit 1
	fi
done
