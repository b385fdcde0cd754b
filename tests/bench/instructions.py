#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Instructions that operations take, against tests/bench/instructions.txt.

    instructions.py [DRIVER]              compares; fails if an operation takes more than the table allows
    instructions.py [DRIVER] --update     writes the table
    instructions.py [DRIVER] --print      prints "NAME COUNT" and compares nothing
    instructions.py ... --only NAME,NAME  these operations only

DRIVER is count_instructions, of build/release unless named. It does each operation n and 2n times under
callgrind, and (count(2n) - count(n)) / n is what one takes: this is the same in each run. It depends on
the compiler, so only the build that the table names is compared; others are printed, and skipped (77).
"""

import argparse
import os
import re
import sys

import under_valgrind
from under_valgrind import SKIPPED, Skip

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(HERE, "instructions.txt")
DRIVER = os.path.join(HERE, "../../build/release/tests/bench/count_instructions")
TOLERANCE = 5.0

HEAD = """\
# SPDX-License-Identifier: BSD-3-Clause
# Instructions of one operation as its caller sees it, the making of the request included, and by how many
# percent more it may take before ctest bench/instructions fails. Operations: count_instructions.c.
# After a change that is meant: tests/bench/instructions.py --update
"""


# --- callgrind ---


def parse_dumps(text):
    """{operation: {n: instructions}} from callgrind's combined dumps."""
    counts, current = {}, None
    for line in text.splitlines():
        if line.startswith("desc: Trigger: "):
            found = re.match(r"desc: Trigger: Client Request: (\S+) (\d+)$", line)
            current = (found[1], int(found[2])) if found else None
        elif line.startswith("summary: ") and current:
            counts.setdefault(current[0], {})[current[1]] = int(line.split()[1])
            current = None
    return counts


def each(counts):
    """{operation: instructions of one}."""
    result = {}
    for name, by_n in counts.items():
        (n, once), (more, twice) = sorted(by_n.items())
        result[name] = (twice - once) / (more - n)
    return result


def measure(driver, only=()):
    """(build, {operation: instructions of one})."""
    options = ["-q", "--tool=callgrind", "--collect-atstart=no", "--combine-dumps=yes"]
    text, dumps = under_valgrind.run(options, "--callgrind-out-file=", [driver, *only])
    counts = each(parse_dumps(dumps.decode()))
    if not counts:
        raise Skip("nothing was counted: " + text.strip())
    return re.search(r"^build: (.*)$", text, re.M)[1], counts


# --- the table ---


def parse_table(text):
    """(build, {operation: (instructions, tolerance in percent)})."""
    build, rows = None, {}
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if words[:1] == ["build:"]:
            build = " ".join(words[1:])
        elif words:
            rows[words[0]] = (float(words[1]), float(words[2]))
    return build, rows


def format_table(build, rows):
    lines = [f"{name:<28} {count:>9.2f} {tolerance:>4g}" for name, (count, tolerance) in rows.items()]
    return HEAD + "\n".join(["", "build: " + build, "", *lines, ""])


def updated(rows, counts, complete):
    """The table with these counts and the tolerances it had. Complete: what was not measured is gone."""
    new = {name: (counts.get(name, count), tolerance) for name, (count, tolerance) in rows.items()
           if name in counts or not complete}
    for name, count in counts.items():
        new.setdefault(name, (count, TOLERANCE))
    return new


def verdict(count, row):
    """(whether it passes, words)."""
    if row is None:
        return False, "not in instructions.txt: run tests/bench/instructions.py --update"
    expected, tolerance = row
    change = 100 * (count - expected) / expected
    words = f"{expected:9.2f} {change:+7.2f} %"
    if change > tolerance:
        return False, words + f"  FAILED, more than {tolerance:g} % above"
    if change < -tolerance:
        return True, words + "  lower the number: tests/bench/instructions.py --update"
    return True, words


def compare(counts, rows):
    """(whether all pass, lines)."""
    good, lines = True, [f"{'operation':<28} {'now':>9} {'table':>9}   change"]
    for name, count in counts.items():
        ok, words = verdict(count, rows.get(name))
        good = good and ok
        lines.append(f"{name:<28} {count:9.2f} {words}")
    for name in rows.keys() - counts.keys():
        good = False
        lines.append(f"{name:<28} {'-':>9} FAILED, in instructions.txt but not measured")
    return good, lines


# --- the command line ---


def read(path):
    if not os.path.exists(path):
        return ""
    with open(path) as file:
        return file.read()


def check(build, counts, only):
    table_build, rows = parse_table(read(TABLE))
    if only:
        rows = {name: row for name, row in rows.items() if name in only}
    if build != table_build:
        print("\n".join(f"{name:<28} {count:9.2f}" for name, count in counts.items()))
        raise Skip(f"the table is for {table_build}, this is {build}: not compared")
    good, lines = compare(counts, rows)
    print("\n".join(lines))
    return 0 if good else 1


def update(build, counts, only):
    rows = updated(parse_table(read(TABLE))[1], counts, not only)
    with open(TABLE + ".new", "w") as file:
        file.write(format_table(build, rows))
    os.replace(TABLE + ".new", TABLE)
    print(read(TABLE), end="")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver", nargs="?", default=DRIVER)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--print", action="store_true")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    only = [name for name in options.only.split(",") if name]
    try:
        build, counts = measure(options.driver, only)
        if options.print:
            for name, count in counts.items():
                print(f"{name} {count:.2f}")
            return 0
        return update(build, counts, only) if options.update else check(build, counts, only)
    except Skip as reason:
        print("skipped:", reason)
        return SKIPPED


if __name__ == "__main__":
    sys.exit(main())
