# SPDX-License-Identifier: BSD-3-Clause
"""report_figures.py - what bench/report knows about its runs, and about the machine they were on."""

import os
import re
import resource
import subprocess
import time
from statistics import median


class Missing(Exception):
    """This row was not measured."""


def parse_run(document):
    """{row: {counter: value}} of one run's JSON; the counter "ns" is the time that counts."""
    keep = re.compile(r"^(name|family_index|per_family_instance_index|run_name|run_type|repetitions|repetition_index|"
                      r"threads|iterations|real_time|cpu_time|time_unit|label)$")
    rows = {}
    for row in document["benchmarks"]:
        if row.get("error_occurred") or row.get("run_type", "iteration") != "iteration":
            continue
        rows[row["name"]] = {key: value for key, value in row.items()
                             if not keep.match(key) and isinstance(value, (int, float))}
    return rows


class Figures:
    """Some runs. Called with a row it gives the median of its ns, or of another counter."""

    def __init__(self, runs):
        self.runs = runs
        self.rows = list(dict.fromkeys(name for run in runs for name in run))

    def values(self, row, counter="ns"):
        return [run[row][counter] for run in self.runs if counter in run.get(row, {})]

    def __call__(self, row, counter="ns"):
        values = self.values(row, counter)
        if not values:
            raise Missing(row)
        return median(values)

    def has(self, row):
        return bool(self.values(row))

    def counters(self, row):
        """{counter: median}, but for ns."""
        names = dict.fromkeys(name for run in self.runs for name in run.get(row, {}) if name != "ns")
        return {name: self(row, name) for name in names}

    def spread(self, row):
        """From the least to the greatest, in percent of the median."""
        values = self.values(row)
        return 100 * (max(values) - min(values)) / median(values)

    def each(self, formula):
        """What a formula over figures comes to in each run that has its rows."""
        results = []
        for run in self.runs:
            try:
                results.append(formula(Figures([run])))
            except (Missing, ZeroDivisionError):
                pass
        return results


# --- the machine ---


def read(path, otherwise=""):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return otherwise


def first_line(*command, cwd=None):
    try:
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=cwd)
    except OSError:
        return ""
    return run.stdout.split("\n")[0].strip()


def processor():
    info = read("/proc/cpuinfo")
    name = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.*)$", info, re.M)
    words = name[1] if name else os.uname().machine
    where = ", virtual machine" if re.search(r"^flags.*\bhypervisor\b", info, re.M) else ""
    model = re.search(r"^cpu family\s*:\s*(\d+)\nmodel\s*:\s*(\d+)", info, re.M)
    return words + (f" (family {model[1]}, model {model[2]})" if model else "") + where


def caches():
    base, result = "/sys/devices/system/cpu/cpu0/cache/", []
    for index in sorted(name for name in (os.listdir(base) if os.path.isdir(base) else []) if name.startswith("index")):
        level, kind, size = (read(base + index + "/" + name) for name in ("level", "type", "size"))
        if kind != "Instruction":
            result.append(f"L{level} {size}")
    return ", ".join(result)


def compiler(build):
    """Of a CMake build: what it was compiled with, and how."""
    cache = read(os.path.join(build, "CMakeCache.txt"))
    found = {key: re.search(rf"^{key}:[A-Z]+=(.*)$", cache, re.M) for key in ("CMAKE_C_COMPILER", "CMAKE_BUILD_TYPE")}
    if not all(found.values()):
        return ""
    kind = found["CMAKE_BUILD_TYPE"][1]
    flags = re.search(rf"^CMAKE_C_FLAGS_{kind.upper()}:[A-Z]+=(.*)$", cache, re.M)
    return f"{first_line(found['CMAKE_C_COMPILER'][1], '--version')}, {kind} ({flags[1] if flags else ''})"


def commit(tree):
    """Of what was measured: docs/ is what the report itself changes."""
    name = first_line("git", "rev-parse", "--short=12", "HEAD", cwd=tree)
    changed = first_line("git", "status", "--porcelain", "--", ".", ":!docs", cwd=tree)
    return name + (", with changes" if changed else "") if name else ""


def describe(tree, build):
    return {
        "processor": processor(),
        "processors": os.cpu_count(),
        "caches": caches(),
        "kernel": " ".join(os.uname()[i] for i in (0, 2, 4)),
        "compiler": compiler(build),
        "commit": commit(tree),
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


class Load:
    """What else the machine did between start and stop."""

    def __init__(self):
        self.at_start = self._now()
        self.loadavg = read("/proc/loadavg").split()[:1]

    @staticmethod
    def _now():
        tick = os.sysconf("SC_CLK_TCK")
        words = [int(word) / tick for word in read("/proc/stat").split("\n")[0].split()[1:]] or [0.0] * 8
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy = words[0] + words[1] + words[2] + words[5] + words[6]
        return time.monotonic(), busy, words[7], children.ru_utime + children.ru_stime

    def stop(self):
        """In processors: 1.0 is one of them all the time."""
        elapsed, busy, stolen, ours = (now - then for now, then in zip(self._now(), self.at_start))
        return {
            "seconds": elapsed,
            "load_before": float(self.loadavg[0]) if self.loadavg else 0.0,
            "others": max(0.0, busy - ours) / elapsed,
            "stolen": stolen / elapsed,
        }
