# SPDX-License-Identifier: BSD-3-Clause
"""instructions.py: what it reads, and what it lets pass."""

import sys
import unittest

sys.dont_write_bytecode = True
import instructions

DUMPS = """\
version: 1
desc: Trigger: Client Request: hit 100
events: Ir
summary: 1020
fn=(1) something
5 1020
totals: 1020
desc: Trigger: Client Request: hit 200
summary: 2020
totals: 2025
desc: Trigger: Client Request: flush 64
summary: 700
desc: Trigger: Client Request: flush 128
summary: 1100
desc: Trigger: Program termination
summary: 77
"""

ROWS = {"hit": (10.0, 5.0), "flush": (6.25, 2.5)}


class Dumps(unittest.TestCase):
    def test_what_comes_before_the_loop_does_not_count(self):
        self.assertEqual(instructions.each(instructions.parse_dumps(DUMPS)), {"hit": 10.0, "flush": 6.25})


class Verdicts(unittest.TestCase):
    def compare(self, **counts):
        good, lines = instructions.compare(counts, ROWS)
        return good, "\n".join(lines)

    def test_equal(self):
        self.assertTrue(self.compare(hit=10.0, flush=6.25)[0])

    def test_within_tolerance(self):
        self.assertTrue(self.compare(hit=10.4, flush=6.4)[0])

    def test_regression(self):
        good, text = self.compare(hit=10.6, flush=6.25)
        self.assertFalse(good)
        self.assertIn("FAILED", text)

    def test_tolerance_is_the_row_s_own(self):
        self.assertFalse(self.compare(hit=10.0, flush=6.5)[0])

    def test_improvement(self):
        good, text = self.compare(hit=9.0, flush=6.25)
        self.assertTrue(good)
        self.assertIn("lower the number", text)

    def test_new_operation(self):
        self.assertFalse(self.compare(hit=10.0, flush=6.25, batch=3.0)[0])

    def test_operation_that_is_gone(self):
        self.assertFalse(self.compare(hit=10.0)[0])


class Table(unittest.TestCase):
    def test_written_as_read(self):
        text = instructions.format_table("GNU 12 x86_64 RelWithDebInfo", ROWS)
        self.assertEqual(instructions.parse_table(text), ("GNU 12 x86_64 RelWithDebInfo", ROWS))

    def test_update(self):
        new = instructions.updated(ROWS, {"hit": 8.0, "batch": 3.0}, True)
        self.assertEqual(new, {"hit": (8.0, 5.0), "batch": (3.0, 5.0)})

    def test_update_of_some(self):
        new = instructions.updated(ROWS, {"flush": 8.0}, False)
        self.assertEqual(new, {"hit": (10.0, 5.0), "flush": (8.0, 2.5)})

    def test_the_one_in_the_tree(self):
        build, rows = instructions.parse_table(instructions.read(instructions.TABLE))
        self.assertTrue(build and rows)
        for count, tolerance in rows.values():
            self.assertTrue(count > 0 and 0 < tolerance <= 10)


if __name__ == "__main__":
    unittest.main()
