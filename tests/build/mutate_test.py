#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What tests/mutate takes for a mutant, in a source written for it and in all of lib/; and for the end of a test."""

import importlib.machinery
import importlib.util
import os
import sys
import unittest

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("mutate", os.path.join(TOP, "tests/mutate"))
mutate = importlib.util.module_from_spec(importlib.util.spec_from_loader("mutate", loader))
loader.exec_module(mutate)

SOURCE = """\
/* if (a == b) */
#define LIMIT(x) ((x) < 3)
static int f(const struct thing *t, int n)
{
	const char *text = "a == b";
	int left = n - 1;

	if (t->count >= n && t->flags & FLAG_SET)
		return first(&t->list,
			     n);
	else
		done(t,
		     n);
	atomic_store_explicit(&t->n, n | 0x10, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	return left;
}
"""

WANTED = [
    ("bound", " - 1", ""),
    ("bound", ">=", ">"),
    ("comparison", ">=", "<"),
    ("logic", "&&", "||"),
    ("mask", " & FLAG_SET", ""),
    ("mask", " | 0x10", ""),
    ("order", "memory_order_release", "memory_order_relaxed"),
    ("order", "memory_order_seq_cst", "memory_order_relaxed"),
    ("statement", "done(t,\n\t\t     n)", ""),
    ("statement", "atomic_store_explicit(&t->n, n | 0x10, memory_order_release)", ""),
    ("fence", "atomic_thread_fence(memory_order_seq_cst)", ""),
]


class Mutants(unittest.TestCase):
    def test_source(self):
        found = [(kind, SOURCE[start:end], new) for kind, start, end, new in mutate.changes(mutate.code_of(SOURCE))]
        self.assertEqual(sorted(found), sorted(WANTED))

    def test_lines_stay(self):
        lines = [0] + [i + 1 for i, c in enumerate(SOURCE) if c == "\n"]
        for change in mutate.changes(mutate.code_of(SOURCE)):
            mutant = mutate.Mutant("lib/f.c", SOURCE, lines, change)
            changed = mutant.apply(SOURCE)
            self.assertNotEqual(changed, SOURCE)
            self.assertEqual(changed.count("\n"), SOURCE.count("\n"), mutant.name)
            self.assertEqual(changed.split("\n")[:mutant.first - 1], SOURCE.split("\n")[:mutant.first - 1])
            self.assertEqual(changed.split("\n")[mutant.last:], SOURCE.split("\n")[mutant.last:])

    def test_library(self):
        mutants = mutate.mutants_of(TOP)
        names = [m.name for m in mutants]
        self.assertEqual(len(names), len(set(names)), "each has a name of its own")
        for kind in mutate.KINDS:
            self.assertIn(kind, {m.kind for m in mutants})

    def test_listed(self):
        mutants = {m.listed() for m in mutate.mutants_of(TOP)}
        self.assertEqual(set(mutate.listed_as_equivalent()) - mutants, set(), "each of mutants.txt is one still")

    def test_draw(self):
        mutants = mutate.mutants_of(TOP)
        order = [m.name for m in mutate.draw(mutants, 7)]
        self.assertEqual(order, [m.name for m in mutate.draw(mutants, 7)], "one seed, one order")
        self.assertNotEqual(order, [m.name for m in mutate.draw(mutants, 8)])
        self.assertEqual(sorted(order), sorted(m.name for m in mutants), "each comes once")
        self.assertEqual({name.split(":")[0] for name in order[:7]}, set(mutate.KINDS), "kinds take turns")

    def test_batches(self):
        names = [str(i) for i in range(10)]
        self.assertEqual([len(b) for b in mutate.batches(names)], [1, 2, 4, 3])
        self.assertEqual(sum(mutate.batches(names), []), names, "all of them, in their order")

    def test_may_execute(self):
        for name, file, wanted in (
            ("interleave/virtio_interleaved", "lib/virtio/virtio.c", True),
            ("interleave/virtio_interleaved", "lib/cache/domain.c", True),
            ("interleave/virtio_interleaved", "lib/vtd/vtd.c", False),
            ("interleave/iotlb_interleaved", "lib/its/its.c", True),
            ("build/epoch_fences", "lib/its/its.c", True),
        ):
            self.assertEqual(mutate.may_execute(name, file), wanted, f"{name} {file}")


class Ends(unittest.TestCase):
    def end(self, script, seconds=60, clock=60):
        return mutate.run_test({"command": ["sh", "-c", script], "environment": {}}, TOP, seconds, clock)[0]

    def test_ends(self):
        self.assertEqual(self.end("exit 0"), "passed")
        self.assertEqual(self.end("exit 77"), "passed", "it says that it cannot run here")
        self.assertEqual(self.end("exit 1"), "failed")
        self.assertEqual(self.end("kill -SEGV $$"), "failed")

    def test_hangs(self):
        self.assertEqual(self.end("while :; do :; done", seconds=0), "hung", "computes")
        self.assertEqual(self.end("sleep 60 & wait", clock=0.5), "hung", "waits")


if __name__ == "__main__":
    unittest.main()
