#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""guest_indices.py [--sites | --self-test] - every index in lib/ is one that no guest chooses freely (design 5, speculation).

A site is a subscript in a function of lib/. Its index passes if it is, or was assigned in that function nothing but:

    constant    a number, an enumerator, a capital name, sums of such
    loop        the variable of a for loop that counts: its bound is the program's, and is checked by the loop's own exit
    masked      bits_clamp_index(), bits_wrap_index(), bits_index_mask(), % constant, & mask, __builtin_ctz, a truth value
                of fewer values than the table has rows

Whatever else there is has to be in guest_indices.txt, with who says that it is below the size of the table. A line there:

    FILE FUNCTION INDEX: REASON         FILE and FUNCTION may have a *, INDEX may be one

A new site that passes neither fails, and so does a line that no site needs any more. --sites prints all that is not
constant. The list is of the source, so it is the same for every compiler; that compilers keep the masks is index_masks.sh's.
"""
import collections
import fnmatch
import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LIST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guest_indices.txt")

CONSTANT = r"(?:\(?(?:uint\w+_t|unsigned|int)\)?\s*)?(?:\d[\w]*|0x\w+|[A-Z][A-Z0-9_]*(?:\([^()]*\))?|sizeof\([^()]*\))"
CONSTANTS = re.compile(rf"^\(*{CONSTANT}(?:\s*[-+*/|]\s*{CONSTANT})*\)*$")
MASKED = re.compile(
    r"\bbits_(?:clamp_index|wrap_index|index_mask)\(|%\s*(?:\(unsigned\))?[A-Z0-9]|%\s*ARRAY_COUNT"
    r"|&\s*(?:~?\(?\(?(?:uint64_t\))?\(?[A-Z0-9]|\(?\w+(?:->\w+|\.\w+)*\s*-\s*1|\w*(?:->|\.)?mask\b|bits_low\()"
    r"|__builtin_c[tl]z|>>\s*63|^!|[=!]= |\s[<>]=?\s|&&|^\w+\s*\?\s*\d\s*:\s*\d$"
)


def strip(text):
    """Without comments, strings and directives; lines stay where they are."""
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.S)
    text = re.sub(r'"(\\.|[^"\\])*"', '""', text)
    text = re.sub(r"'(\\.|[^'\\])'", "0", text)
    return re.sub(r"^[ \t]*#(.*\\\n)*.*$", lambda m: "\n" * m.group().count("\n"), text, flags=re.M)


def closing(text, at, pair):
    """Where the bracket at `at` closes."""
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] == pair[0]) - (text[i] == pair[1])
        if depth == 0:
            return i
    return len(text)


def functions(text):
    """(name, arguments and body) of each function: braces in column 0."""
    lines = text.split("\n")
    name, head, start = "", 0, None
    for i, line in enumerate(lines):
        found = re.match(r"^(?:[a-zA-Z_].*?)?\b([a-z_][a-z_0-9]*)\(", line)
        if found and start is None and re.match(r"[a-zA-Z_]", line):
            name, head = found.group(1), i
        if line == "{":
            start = i
        elif line == "}" and start is not None:
            yield name, i, "\n".join(lines[head:i])
            start = None


def is_safe(index):
    return bool(CONSTANTS.match(index) or MASKED.search(index))


def loops(body, name):
    """Whether the variable only counts, in for loops: from a constant, or from what a loop before has left."""
    starts = re.findall(rf"\bfor \((?:[\w ]+ )?\*?{name} = ([^;,]+)[;,]", body)
    others = re.findall(rf"(?<![\w.>])\*?{name}\s*(?:[-+*/|&^]|<<|>>)?=(?!=)\s*", body)
    return bool(starts) and len(others) <= len(starts) + len(
        re.findall(rf"\bfor \([^;]*;[^;]*;[^)]*\b{name}\s*[-+]=", body)) and all(
            is_safe(s.strip()) or re.match(r"^\w+$", s.strip()) for s in starts)


def assigned(body, name):
    """What a variable is assigned in the function; None: it is an argument, or its address is given away."""
    head = body[:body.find("\n{")]
    if re.search(rf"\b{name}\s*[,)\[]", head) or re.search(rf"&{name}\b(?!\s*[-+&])", body):
        return None
    values = re.findall(rf"(?<![\w.>]){name}\s*=(?!=)\s*([^;]+?)(?:;|, \*?\w+ = )", body)
    return values or None


def last_assigned(body, name, at):
    """The assignment before the site, which is the one that counts where a value is checked and then masked."""
    values = re.findall(rf"\n\t{{1,2}}{name}\s*=(?!=)\s*([^;]+?);", body[:at])
    return values[-1] if values else None


def passes(body, index, at, depth=0):
    if is_safe(index):
        return True
    sum_ = re.match(r"^(\w+)\s*[-+/*]\s*(\w+)$", index)
    names = [index] if re.match(r"^[a-z]\w*$", index) else [
        n for n in (sum_.groups() if sum_ else ()) if re.match(r"^[a-z]\w*$", n)]
    if not names or depth > 2:
        return False
    for name in names:
        last = last_assigned(body, name, at)
        if loops(body, name) or (last and is_safe(last)):
            continue
        values = assigned(body, name)
        if not values or not all(passes(body, v.strip(), at, depth + 1) for v in values):
            return False
    return True


def sites(path, text):
    for name, end, body in functions(strip(text)):
        for found in re.finditer(r"(?<=[\w\])])\[", body):
            if body.count("\n", 0, found.start()) < body[:body.find("\n{") + 1].count("\n"):
                continue  # an argument's declaration
            line_start = body.rfind("\n", 0, found.start()) + 1
            index = re.sub(r"\s+", " ", body[found.end():closing(body, found.start(), "[]")]).strip()
            declares = re.match(r"^\s*(?:static |const |struct |unsigned |_Atomic|uint\w+ |char |void )+[^=]*$",
                                body[line_start:found.start()])
            if index and not (declares and is_safe(index)):
                yield path, name, index, body, found.start()


def listed():
    rows = []
    with open(LIST, encoding="utf-8") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                site, reason = line.rstrip("\n").split(": ", 1)
                file, function, index = site.split(" ", 2)
                rows.append((file, function, index, reason))
    return rows


def check(all_sites, rows):
    used, bad = collections.Counter(), []
    count = collections.Counter()
    for path, name, index, body, at in all_sites:
        if passes(body, index, at):
            count["passes"] += 1
            continue
        for row in rows:
            if fnmatch.fnmatchcase(path, row[0]) and fnmatch.fnmatchcase(name, row[1]) and row[2] in ("*", index):
                used[row] += 1
                count["listed"] += 1
                break
        else:
            bad.append(f"{path}: {name}(): [{index}] is not masked, and not in guest_indices.txt")
    bad += [f"guest_indices.txt: {' '.join(r[:3])}: there is no such site any more" for r in rows if r not in used]
    return bad, count


def all_sites():
    for folder, _, names in sorted(os.walk(os.path.join(ROOT, "lib"))):
        for name in sorted(names):
            if name.endswith((".c", ".h")):
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as file:
                    yield from sites(os.path.relpath(path, ROOT), file.read())


SELF_TEST = [  # body of f(guest, table), whether its index passes
    ("return table[guest];", False),
    ("if (guest >= 8)\n\t\treturn 0;\n\treturn table[guest];", False),
    ("return table[bits_clamp_index(guest, 8)];", True),
    ("unsigned at = guest;\n\n\treturn table[at];", False),
    ("unsigned at = bits_wrap_index(guest, 8);\n\n\treturn table[at];", True),
    ("unsigned at = bits_wrap_index(guest, 8);\n\n\tat = guest;\n\treturn table[at];", False),
    ("if (guest >= 8)\n\t\treturn 0;\n\tguest = bits_clamp_index(guest, 8);\n\treturn table[guest];", True),
    ("unsigned at;\n\n\tparse(guest, &at);\n\treturn table[at];", False),
    ("return table[guest & 7];", True),
    ("return table[guest & other];", False),
    ("for (unsigned i = 0; i < 8; i++)\n\t\tuse(table[i]);", True),
    ("for (unsigned i = 0; i < 8; i++) {\n\t\ti = guest;\n\t\tuse(table[i]);\n\t}", False),
    ("return table[guest + 1];", False),
    ("return table[SIZE - 1];", True),
]


def self_test():
    bad = 0
    for body, expected in SELF_TEST:
        text = "static int f(unsigned guest, const int *table)\n{\n\t" + body + "\n}\n"
        found = list(sites("t.c", text))
        result = len(found) == 1 and passes(found[0][3], found[0][2], found[0][4])
        if result != expected or len(found) != 1:
            print(f"{body!r}: {len(found)} sites, passes: {result}")
            bad += 1
    return bad


def main():
    if self_test():
        return 1
    found = list(all_sites())
    if "--sites" in sys.argv:
        for path, name, index, body, at in found:
            if not passes(body, index, at):
                print(f"{path} {name} {index}")
        return 0
    bad, count = check(found, listed())
    print(f"{len(found)} indices: {count['passes']} constant, counted or masked, {count['listed']} listed with a reason")
    print("\n".join(bad))
    return 1 if bad else 0


sys.exit(main())
