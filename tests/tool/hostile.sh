#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# hostile.sh VIOMMU [COUNT [SEED]] - tapes that were damaged: every subcommand ends by itself, with a status of its own.
set -uo pipefail
viommu=$(realpath "${1:?the tool}")
count=${2:-$((${VIOMMU_TEST_SCALE:-100} * 3 / 100))}
[ "$count" -gt 0 ] || count=1
seed=${3:-1}
cd "$(dirname "$0")/../tape/data" || exit 1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
echo "seed $seed, $count of each tape"
runs=0
refused=0

# Some bytes, words and lines are others; most tapes can still be read.
python3 - "$tmp" "$count" "$seed" *.tape ../../fuzz/corpus/tape/own-*.tape <<'P' || exit 1
import os, random, sys
to, count, seed = sys.argv[1], int(sys.argv[2]), sys.argv[3]
def damage(lines):
    i = random.randrange(3, len(lines))
    words = lines[i].split(' ')
    w = random.randrange(min(1, len(words) - 1), len(words))
    what = random.randrange(12)
    if what < 6: words[w] = '%x' % random.getrandbits(random.choice([1, 8, 16, 32])) if len(words[w]) < 9 else words[w][:-3] + '%03x' % random.getrandbits(12)
    elif what < 8: words = random.choice(lines[3:]).split(' ')
    elif what == 8: words[w] = random.choice(['', '-1', 'ffffffffffffffff', '0', 'x' * 300, '7fffffff', '\x01'])
    elif what == 9: del words[w]
    elif what == 10: words.append(words[w])
    else: words = [t[:(len(t) + 1) // 2] for t in words]
    lines[i] = ' '.join(words)
for tape in sys.argv[4:]:
    for n in range(count):
        random.seed('%s.%s.%d' % (seed, os.path.basename(tape), n))
        lines = open(tape).read().split('\n')[:-1]
        for _ in range(random.randint(1, 2)):
            damage(lines)
        open('%s/%d.%s' % (to, n, os.path.basename(tape)), 'w').write('\n'.join(lines) + '\n')
P

for tape in "$tmp"/*.tape; do
	for arguments in replay "dump -l 40" "explain -d 10 -i 40" stats; do
		timeout 60 "$viommu" $arguments "$tape" >"$tmp/out" 2>&1
		status=$?
		runs=$((runs + 1))
		[ $status != 2 ] || refused=$((refused + 1))
		if [ $status -gt 2 ]; then
			cp "$tape" "/tmp/hostile.$$.tape"
			echo "viommu $arguments: status $status, the tape is /tmp/hostile.$$.tape"
			tail -n 20 "$tmp/out"
			exit 1
		fi
	done
done
echo "$runs runs, $refused refused"
[ "$refused" -gt 0 ] && [ "$refused" -lt $((runs * 3 / 4)) ]
