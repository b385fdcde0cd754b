#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# image.py VIOMMU FOLDER TAPE... - registers and memory as a tape has them at its end, left in FOLDER: a dump of these is the same.
import json
import subprocess
import sys

viommu, folder, tapes = sys.argv[1], sys.argv[2], sys.argv[3:]
HALVES = {'vtd': (0x1c,), 'riscv': (0x08,)}  # registers of 4 bytes that are read as such
SECTIONS = ('contexts', 'mappings', 'interrupts')
same = 0


def dump(section, *which):
    return subprocess.run([viommu, 'dump', '--only', section, *which], capture_output=True, check=True).stdout


for tape in tapes:
    lines = [line.split() for line in open(tape)]
    written = [(int(w[1], 16), bytes.fromhex(w[2])) for w in lines if w[0] in ('M', 'm')]
    low = min(at for at, _ in written) & ~0xffff
    memory = bytearray(1 << 20)
    for at, data in written:
        memory[at - low:at - low + len(data)] = data
    first = next(i for i, w in enumerate(lines) if w[0].isupper() or w[0] == 'm')
    halves = HALVES.get(next(w[1] for w in lines if w[0] == 'engine'), ())
    rows = [' '.join(w) for w in lines[:first]]
    for register in json.loads(dump('registers', '--json', tape))['registers']:
        at, value = (int(register[key], 16) for key in ('offset', 'value'))
        if at in halves or at + 4 in halves:
            rows += ['R %x 4 %x' % (at + 4 * i, value >> 32 * i & 0xffffffff) for i in (0, 1)]
        else:
            rows.append('R %x 8 %x' % (at, value))
    open(folder + '/image.regs', 'w').write('\n'.join(rows) + '\n')
    open(folder + '/image.ram', 'wb').write(memory)
    image = ['--registers', folder + '/image.regs', '--memory', '%s/image.ram@%x' % (folder, low)]
    for section in SECTIONS:
        expected, got = dump(section, tape), dump(section, *image)
        if expected != got:
            print('%s, %s:\n%s\nand of the image:\n%s' % (tape, section, expected.decode(), got.decode()))
        same += expected == got
print(same, 'dumps are the same')
sys.exit(not tapes or same != len(tapes) * len(SECTIONS))
