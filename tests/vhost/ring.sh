#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# ring.sh FRONTEND BACKEND - a ring of device IOTLB messages whose other side writes what it likes: the backend refuses what
# is no message, ends the connection where a counter cannot be, wakes up when it is told to, and serves the next front end.
set -euo pipefail
frontend=$1 backend=$2
folder=$(mktemp -d)
socket=$folder/socket
command -v python3 >/dev/null || { echo "skipped: python3 is not installed"; exit 77; }

"$backend" "$socket" 2>"$folder/log" &
pid=$!
trap 'kill $pid 2>/dev/null || true; rm -rf "$folder"' EXIT
held=0
"$frontend" --backend="$socket" --mode=none --seconds=0.1
python3 - "$socket" <<'END' || held=1
import fcntl, mmap, os, random, socket, struct, sys, time

RING, KICK, FEATURES = 0x10001, 0x10002, 1 << 3 | 1 << 5 | 1 << 62
TOLD, DONE, REFUSED, IDLE, SLOTS, BYTES = 0, 64, 68, 76, 128, 4 * 4096 + 4096
SHRINK = 2  # F_SEAL_SHRINK
F_ADD_SEALS = 1033


def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.settimeout(20)
    return s


def tell(s, request, payload=b"", fds=()):
    """The answer's number, or None if the connection is over."""
    data = struct.pack("<III", request, 1 | 8, len(payload)) + payload
    socket.send_fds(s, [data], fds) if fds else s.send(data)
    answer = s.recv(20)
    return struct.unpack("<IIIQ", answer)[3] if len(answer) == 20 else None


def give_ring(s, seals=SHRINK, size=BYTES, protocol=FEATURES):
    assert tell(s, 16, struct.pack("<Q", protocol)) == 0
    fd = os.memfd_create("ring", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, F_ADD_SEALS, seals)
    return tell(s, RING, fds=[fd]), mmap.mmap(fd, size)


def word(memory, at):
    return struct.unpack_from("<I", memory, at)[0]


def put(memory, at, value):
    struct.pack_into("<I", memory, at, value & 0xffffffff)


def until(what, true):
    for _ in range(2000):
        if true():
            return
        time.sleep(0.01)
    sys.exit("ring: not within 20 seconds: " + what)


def refused(what, **how):
    s = connect()
    if give_ring(s, **how)[0] != 1:
        sys.exit("ring: the backend took " + what)


refused("a file that may become shorter", seals=0)
refused("a file that is too short", size=4096)
refused("a ring that was not agreed on", protocol=1 << 3 | 1 << 5)

# What is no message is refused, and counted; at once, though the backend sleeps.
s = connect()
answer, memory = give_ring(s)
assert answer == 0
until("the backend sleeps", lambda: word(memory, IDLE) == 1)
random.seed(1)
memory[SLOTS:SLOTS + 200 * 32] = bytes(random.randrange(256) for _ in range(200 * 32))
for i in range(200):
    memory[SLOTS + 32 * i + 25] = random.randrange(7, 256)  # the type
put(memory, TOLD, 200)
assert tell(s, KICK) == 0
until("all are carried out", lambda: word(memory, DONE) == 200)
assert word(memory, REFUSED) == 200, word(memory, REFUSED)
# More than there is room for.
put(memory, TOLD, 200 + 257)
s.send(struct.pack("<III", KICK, 1, 0))
if s.recv(1):
    sys.exit("ring: the backend goes on with a counter that cannot be")

# Whatever changes under its hands.
s = connect()
answer, memory = give_ring(s)
assert answer == 0
for _ in range(20000):
    at = random.randrange(BYTES // 4) * 4 if random.randrange(4) else random.choice((TOLD, DONE, IDLE, 4, 8))
    put(memory, at, random.randrange(300) if random.randrange(4) else random.getrandbits(32))
try:
    s.send(struct.pack("<III", KICK, 1, 0))
except OSError:
    pass  # it has ended the connection before
s.close()
END
kill -0 $pid
[ $held = 0 ]
"$frontend" --backend="$socket" --mode=dynamic --seconds=0.1
