# SPDX-License-Identifier: BSD-3-Clause
"""A driver under one of valgrind's tools, as instructions.py and memory_trace.py run theirs."""

import os
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77


class Skip(Exception):
    """Cannot be done here; the text says why."""


def run(options, file_option, command):
    """(what the program printed, what the tool wrote to the file of which file_option, such as --log-file=, has the name)."""
    if not shutil.which("valgrind"):
        raise Skip("valgrind is not installed")
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        whole = ["valgrind", *options, file_option + out, *command]
        done = subprocess.run(whole, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(whole)}: status {done.returncode}\n{done.stdout}")
        with open(out, "rb") as file:
            return done.stdout, file.read()
