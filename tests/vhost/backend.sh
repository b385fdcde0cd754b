#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# backend.sh FRONTEND BACKEND - the backend as a program of its own: several front ends one after another, one that says
# nonsense among them.
set -euo pipefail
frontend=$1 backend=$2
folder=$(mktemp -d)
socket=$folder/socket

"$backend" "$socket" 2>"$folder/log" &
pid=$!
trap 'kill $pid 2>/dev/null || true; rm -rf "$folder"' EXIT

"$frontend" --backend="$socket" --mode=none --seconds=0.3
"$frontend" --backend="$socket" --mode=static --seconds=0.3
# a header that is no message; then a front end that leaves in the middle of one
if command -v python3 >/dev/null; then
	python3 - "$socket" <<-'END'
		import socket, struct, sys
		for data in (b"\xff" * 64, struct.pack("<III", 5, 1, 512) + b"\x00" * 7,
			     struct.pack("<IIIII", 8, 1, 8, 7, 3), struct.pack("<IIIQ", 1, 1, 4096, 0)):
		    s = socket.socket(socket.AF_UNIX)
		    s.connect(sys.argv[1])
		    s.send(data)
		    s.close()
	END
fi
"$frontend" --backend="$socket" --mode=dynamic --seconds=0.3
"$frontend" --backend="$socket" --engine=virtio --mode=rogue
kill -0 $pid
