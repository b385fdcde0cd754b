#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Readers write nothing shared: every store of a hit lies in the caller's stack, with its answer, or in its own channel.

    memory_trace.py [DRIVER]          fails if a reader writes anything else, and prints what each operation touches
    memory_trace.py [DRIVER] --print  prints "NAME LINES PAGES WRITTEN CODE" and judges nothing
    memory_trace.py [DRIVER] --table NAME=WORDS...  prints the same of these operations as a table of Markdown

DRIVER is trace_memory, of build/release unless named. It runs under valgrind's lackey, which prints each load, store and
instruction; what counts lies between stores to two words. Operations that are bad on purpose have to be found out, so
that a tracer that has gone blind is no success. Lines have 64 bytes and pages 4096; the stack is not counted. The
figures are medians of single operations.
"""

import argparse
import os
import re
import sys
from statistics import median
from typing import NamedTuple

import under_valgrind
from under_valgrind import SKIPPED, Skip

HERE = os.path.dirname(os.path.abspath(__file__))
DRIVER = os.path.join(HERE, "../../build/release/tests/bench/trace_memory")
LINE, PAGE = 64, 4096


class Range(NamedTuple):
    start: int
    end: int

    def has(self, address, size=1):
        return self.start <= address and address + size <= self.end


class Operation(NamedTuple):
    name: str
    manner: str  # reads, changes, bad
    own: list  # of Range


class Program(NamedTuple):
    """What the traced program says of itself."""

    marks: tuple
    stack: Range
    turns: int
    operations: list


def parse_program(text):
    marks = stack = turns = None
    operations = []
    for words in map(str.split, text.splitlines()):
        if words[0] == "mark":
            marks = int(words[1], 16), int(words[2], 16)
        elif words[0] == "stack":
            stack = Range(int(words[1], 16), int(words[2], 16))
        elif words[0] == "turns":
            turns = int(words[1])
        elif words[0] == "operation":
            bounds = [int(word, 16) for word in words[3:]]
            operations.append(Operation(words[1], words[2], [Range(*pair) for pair in zip(bounds[::2], bounds[1::2])]))
    return Program(marks, stack, turns, operations)


# --- the trace: "I  address,bytes", " L address,bytes" (load), " S" (store), " M" (both) ---

EVENT = re.compile(rb"^(I | L| S| M) ([0-9a-f]+),(\d+)$", re.M)


def windows(trace, marks):
    """The events of each turn, as (kind, address, bytes)."""
    begin, end = (b" S %08x,8\n" % mark for mark in marks)
    at = trace.find(begin)
    while at >= 0:
        stop = trace.find(end, at)
        if stop < 0:
            return
        yield [(kind.strip().decode(), int(address, 16), int(size))
               for kind, address, size in EVENT.findall(trace, at + len(begin), stop)]
        at = trace.find(begin, stop)


def blocks(address, size, unit):
    return range(address // unit, (address + size - 1) // unit + 1)


class Turn:
    """What one operation has touched."""

    def __init__(self, events, program, own):
        self.lines, self.pages, self.written, self.code, self.foreign = set(), set(), set(), set(), []
        for kind, address, size in events:
            if kind == "I":
                self.code.update(blocks(address, size, LINE))
            elif not program.stack.has(address, size):
                self._touch(kind, address, size, own)

    def _touch(self, kind, address, size, own):
        self.lines.update(blocks(address, size, LINE))
        self.pages.update(blocks(address, size, PAGE))
        if kind != "L":
            self.written.update(blocks(address, size, LINE))
            if not any(part.has(address, size) for part in own):
                self.foreign.append((address, size))

    def figures(self):
        return [len(s) for s in (self.lines, self.pages, self.written, self.code)]


class Measured(NamedTuple):
    operation: Operation
    figures: list  # lines, pages, lines written, lines of code
    foreign: list  # for each turn, the stores that are neither to the stack nor to its own


def evaluate(program, trace):
    turns = list(windows(trace, program.marks))
    expected = program.turns * len(program.operations)
    if len(turns) != expected:
        sys.exit(f"memory_trace: {len(turns)} turns in the trace, not {expected}")
    result = []
    for n, operation in enumerate(program.operations):
        mine = [Turn(events, program, operation.own) for events in turns[n * program.turns:(n + 1) * program.turns]]
        result.append(Measured(operation, [median(column) for column in zip(*(turn.figures() for turn in mine))],
                               [turn.foreign for turn in mine]))
    return result


def verdict(measured):
    """(whether it is as it should be, words)."""
    manner, foreign = measured.operation.manner, measured.foreign
    if manner == "reads" and any(foreign):
        address, size = next(f for f in foreign if f)[0]
        return False, f"FAILED: in {sum(map(bool, foreign))} of {len(foreign)} turns it writes what is shared: {size} at {address:#x}"
    if manner == "bad" and not all(foreign):
        return False, "FAILED: it writes what is shared, and was not found out"
    return True, {"reads": "writes its own only", "changes": "", "bad": "found out, as it has to be"}[manner]


# --- running ---


def run(driver):
    text, trace = under_valgrind.run(["--tool=lackey", "--trace-mem=yes"], "--log-file=", [driver])
    return parse_program(text), trace


def print_table(results, rows):
    figures = {m.operation.name: m.figures for m in results}
    print("| operation | lines | pages | lines written | lines of code |\n|---|---:|---:|---:|---:|")
    for name, _, words in rows:
        print(f"| {words or name} |", " | ".join(f"{figure:g}" for figure in figures[name]), "|")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver", nargs="?", default=DRIVER)
    parser.add_argument("--print", action="store_true")
    parser.add_argument("--table", nargs="+", metavar="NAME=WORDS")
    options = parser.parse_args()
    try:
        results = evaluate(*run(options.driver))
    except Skip as reason:
        print("skipped:", reason)
        return SKIPPED
    if options.table:
        print_table(results, [row.partition("=") for row in options.table])
        return 0
    if options.print:
        for m in results:
            if m.operation.manner != "bad":
                print(m.operation.name, *(f"{figure:g}" for figure in m.figures))
        return 0
    good = True
    print(f"{'operation':<24} lines pages written  code")
    for m in results:
        ok, words = verdict(m)
        good = good and ok
        print(f"{m.operation.name:<24} {m.figures[0]:5g} {m.figures[1]:5g} {m.figures[2]:7g} {m.figures[3]:5g}  {words}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
