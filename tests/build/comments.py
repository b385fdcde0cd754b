#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What every public function's comment says: which threads, each parameter, every result; and of every callback, who
makes it. (That each member of a structure is documented, Doxygen sees.)"""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
HEADERS = os.path.join(HERE, "../../include/libvirtiommu")
FUNCTION = re.compile(r"(/\*\*(?:(?!\*/).)*\*/)?\s*^VIOMMU_API ([^;(]*?)\b(viommu_\w+)\(([^;]*)\);", re.S | re.M)
STRUCTURE = re.compile(r"(/\*\*(?:(?!\*/).)*\*/)\s*struct (viommu_\w+) \{\n(.*?)^\};", re.S | re.M)
CALLBACK = re.compile(r"(/\*\*(?:(?!\*/).)*\*/)\s*[\w ]+?\*?\(\*(\w+)\)\(", re.S)
THREADS = ("Any thread, any time", "One at a time per handle", "Alone: nothing else", "Any thread, one at a time per")
# who makes a callback: from which thread, inside which call, or that its structure says so of all
WHO = re.compile(r"thread|\bcall(s|ed)?\b|inside|from viommu_|viommu_\w+\(\)", re.I)


def text(comment):
    return re.sub(r"\s*\n\s*\* ?", " ", comment or "")


def names(parameters):
    """Of the parameters; of a callback among them, its own."""
    flat = re.sub(r"\(\*(\w+)\)\s*\([^()]*\)", r" \1", parameters)
    last = (re.search(r"(\w+)(\[\w*\])?\s*$", p) for p in flat.split(",") if p.strip() not in ("", "void"))
    return [found.group(1) if found else "?" for found in last]


def wrong_in(header):
    with open(os.path.join(HEADERS, header), encoding="utf-8") as file:
        source = file.read()
    functions = FUNCTION.findall(source)
    if len(functions) != len(re.findall(r"^VIOMMU_API ", source, re.M)):
        yield "some functions are not understood"
    for comment, result, name, parameters in functions:
        said = text(comment)
        if not any(sentence in said for sentence in THREADS):
            yield f"{name}: no thread sentence"
        if result.strip() != "void" and "@return" not in said:
            yield f"{name}: no @return"
        for parameter in names(parameters):
            if not re.search(rf"@param +{parameter}\b", said):
                yield f"{name}: no @param {parameter}"
    for comment, name, body in STRUCTURE.findall(source):
        for said, callback in CALLBACK.findall(body):
            if not WHO.search(text(said)) and not WHO.search(text(comment)):
                yield f"{name}.{callback}: made by whom?"


def main():
    wrong, seen = [], 0
    for header in sorted(os.listdir(HEADERS)):
        wrong += [f"{header}: {what}" for what in wrong_in(header)]
        seen += 1
    print("\n".join(wrong) or f"{seen} headers")
    return bool(wrong) or seen < 10


if __name__ == "__main__":
    sys.exit(main())
