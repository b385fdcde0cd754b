#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the pages say is so: links lead somewhere, files and names exist, and commands print what is shown below them.

docs.py VIOMMU - the tool, for commands that are shown as `    $ viommu ...`."""

import glob
import os
import re
import subprocess
import sys

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "examples/tapes/FORMAT.md"]
PAGES += sorted(os.path.relpath(p, TOP) for p in glob.glob(os.path.join(TOP, "docs/*.md")))
FOLDERS = "docs|scripts|examples|tests|include|lib|bench|tools|rust|debian|cmake"
PATH = re.compile(rf"(?<![\w/.$<-])((?:{FOLDERS})/[\w./-]*\w)(?![\w*{{<(]|/\*|-\*)")
NAME = re.compile(r"\b(viommu_\w+|VIOMMU_[A-Z0-9_]+)\b(?!\*|<|\{)")
# of builds and of tests, and a file of a VMM's
OTHERS = re.compile(r"^viommu_(tool|mapper)$|^VIOMMU_(SEED|LONG|RUN|TESTS|BENCH|TOOLS|TEST_\w+|INDEX_MASKS|"
                    r"INSTALL_\w+|HAVE_\w+|COVERAGE\w*|FUZZ\w*|SANITIZE\w*)$")


def lines_of(page):
    with open(os.path.join(TOP, page), encoding="utf-8") as file:
        return file.read().split("\n")


def headings(page):
    """As GitHub names them."""
    found = set()
    for line in lines_of(page):
        if line.startswith("#"):
            title = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower())
            found.add(title.replace(" ", "-"))
    return found


def wrong_links(page, lines):
    for number, line in enumerate(lines, 1):
        for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            path = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
            if not os.path.exists(os.path.join(TOP, path)):
                yield f"{page}:{number}: {target}: no such file"
            elif page.startswith("docs/") and not path.startswith("docs/"):
                yield f"{page}:{number}: {target}: the site, and the package, have docs/ only"
            elif anchor and path.endswith(".md") and anchor not in headings(path):
                yield f"{page}:{number}: {target}: no such heading"


def unlinked():
    """Pages of the site that no other page of it leads to."""
    found = {"docs/index.md"}
    for page in PAGES:
        if page.startswith("docs/"):
            targets = re.findall(r"\]\(([\w-]+\.md)", "\n".join(lines_of(page)))
            found |= {"docs/" + target for target in targets if "docs/" + target != page}
    return [f"{page}: no page of docs/ links to it" for page in PAGES if page.startswith("docs/") and page not in found]


def wrong_paths(page, lines):
    for number, line in enumerate(lines, 1):
        for path in PATH.findall(re.sub(r"\]\([^)]*\)", "]", line)):
            if re.search(r"[A-Z]{4}", path) or path == "bench/bench_virtiommu" or os.path.exists(os.path.join(TOP, path)):
                continue
            if not glob.glob(os.path.join(TOP, path) + "*"):
                yield f"{page}:{number}: {path}: no such file"


def public_names():
    names = set()
    for header in glob.glob(os.path.join(TOP, "include/libvirtiommu/*.h")):
        with open(header, encoding="utf-8") as file:
            names |= set(re.findall(r"\b(?:viommu_\w+|VIOMMU_\w+)", file.read()))
    for source in glob.glob(os.path.join(TOP, "CMakeLists.txt")) + glob.glob(os.path.join(TOP, "*/CMakeLists.txt")):
        with open(source, encoding="utf-8") as file:
            names |= set(re.findall(r"\bVIOMMU_\w+", file.read()))
    return names


def wrong_names(page, lines, known):
    """Only of what is public: pages about the inside may name what is inside."""
    inside_rust = False
    for number, line in enumerate(lines, 1):
        if line.startswith("```"):
            inside_rust = not inside_rust and line.startswith("```rust")
        for name in NAME.findall(line):
            if name in known or OTHERS.match(name) or inside_rust:
                continue
            if name.endswith("_") or any(k.startswith(name + "_") for k in known):
                continue
            yield f"{page}:{number}: {name}: not in the headers"


def wrong_on_the_site(page, lines):
    """What Doxygen shows as it is written: it takes an apostrophe for the end of a code span of single backticks."""
    fenced = False
    for number, line in enumerate(lines, 1):
        fenced ^= line.startswith("```")
        if not page.startswith("docs/") or fenced or line.startswith("    "):
            continue
        for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", line):
            if "'" in span:
                yield f"{page}:{number}: {span}: needs double backticks"
        if re.search(r"\*\*`|`[.:]?\*\*", line):
            yield f"{page}:{number}: code in bold"


def wrong_output(page, lines, viommu):
    """Of each command, the indented lines that follow it."""
    number = 0
    while number < len(lines):
        command = re.match(r"    \$ viommu (.*)$", lines[number])
        number += 1
        if not command:
            continue
        at, shown = number, []
        while number < len(lines) and lines[number].startswith("    ") and not lines[number].startswith("    $"):
            shown.append(lines[number][4:])
            number += 1
        run = subprocess.run([viommu] + command.group(1).split(), cwd=TOP, capture_output=True, text=True, check=False)
        if run.stdout.rstrip("\n").split("\n") != shown:
            yield f"{page}:{at}: viommu {command.group(1)} prints\n{run.stdout}{run.stderr}"
        wrong_output.commands += 1


wrong_output.commands = 0


def main():
    viommu = os.path.realpath(sys.argv[1])
    known, wrong = public_names(), []
    for page in PAGES:
        lines = lines_of(page)
        wrong += list(wrong_links(page, lines)) + list(wrong_paths(page, lines)) + list(wrong_on_the_site(page, lines))
        wrong += list(wrong_output(page, lines, viommu))
        if page not in ("docs/architecture.md", "docs/new-engine.md", "docs/testing.md", "docs/qemu.md"):
            wrong += list(wrong_names(page, lines, known))
    wrong += unlinked()
    if wrong_output.commands < 2:
        wrong.append("README.md and docs/tool.md show no command and what it prints")
    print("\n".join(wrong) or f"{len(PAGES)} pages, {wrong_output.commands} commands")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
