# SPDX-License-Identifier: BSD-3-Clause
"""bench/report on figures that were made up (runs.json): the tables, the page, the plots. Nothing is measured."""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import shutil
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
BENCH = os.path.join(HERE, "../../bench")
sys.path.insert(0, BENCH)
import report_plots
from report_figures import Figures, Load, Missing, describe, parse_run

# It has no extension.
loader = importlib.machinery.SourceFileLoader("report", os.path.join(BENCH, "report"))
report = importlib.util.module_from_spec(importlib.util.spec_from_loader("report", loader))
loader.exec_module(report)

with open(os.path.join(HERE, "runs.json")) as file:
    RESULTS = json.load(file)
FIGURES = Figures(RESULTS["runs"])

GOOGLE = {"context": {}, "benchmarks": [
    {"name": "a/b", "run_type": "iteration", "iterations": 5, "real_time": 9.0, "cpu_time": 8.0, "time_unit": "ns", "ns": 8.0,
     "cached": 3.0},
    {"name": "a/b", "run_type": "aggregate", "aggregate_name": "mean", "real_time": 9.0, "cpu_time": 8.0, "ns": 70.0},
    {"name": "a/c", "run_type": "iteration", "error_occurred": True, "error_message": "no"},
]}

VHOST = [
    {"backend": "b", "mode": "none", "packets_per_second": 1000, "note": "words"},
    {"backend": "b", "mode": "none", "packets_per_second": 3000},
    {"backend": "b", "mode": "none", "packets_per_second": 2000},
    {"backend": "b", "mode": "static", "packets_per_second": 1900, "iommu_us_per_packet": 0.5, "misses": 7, "invalidations": 1,
     "round_trip_us": 2.5},
]


def target_line(what):
    row = next(report.target_row(t, FIGURES) for t in report.TARGETS if t.what == what)
    return [row[2], row[4], row[5]]


class Runs(unittest.TestCase):
    def test_of_google_benchmark(self):
        self.assertEqual(parse_run(GOOGLE), {"a/b": {"ns": 8.0, "cached": 3.0}})

    def test_medians(self):
        self.assertEqual(FIGURES("vtd/hit/channel/latency"), 6.5)
        self.assertEqual(FIGURES("memory/tlb_entry", "bytes_each"), 32)
        self.assertAlmostEqual(FIGURES.spread("vtd/hit/channel/latency"), 100 * 1.5 / 6.5)
        self.assertRaises(Missing, FIGURES, "vtd/nothing")

    def test_formula_in_each_run(self):
        self.assertEqual(FIGURES.each(report.by_l1("vtd/hit/channel/latency")), [6.0, 6.5, 7.5])
        self.assertEqual(FIGURES.each(report.by_l1("vtd/nothing")), [])

    def test_machine_and_load(self):
        load = Load()
        self.assertTrue(describe(os.path.join(HERE, "../.."), "/nonexistent")["processor"])
        self.assertGreaterEqual(load.stop()["others"], 0)


class Targets(unittest.TestCase):
    def test_reached_but_not_always(self):
        self.assertEqual(target_line("hit in a channel, latency"), ["6.50", "2 of 3", "pass"])

    def test_missed(self):
        self.assertEqual(target_line("hit in a channel, throughput"), ["4.00", "0 of 3", "**miss**"])

    def test_at_least(self):
        self.assertEqual(target_line("glib_mutex: hit, 1 thread"), ["9.00", "3 of 3", "pass"])

    def test_difference(self):
        self.assertEqual(target_line("miss, ss4, beyond ref/chain4"), ["20.0", "2 of 3", "pass"])

    def test_within(self):
        self.assertEqual(target_line("page invalidation, 100000 by 1000 cached"), ["1.16", "3 of 3", "pass"])

    def test_counters(self):
        self.assertEqual(target_line("memory of a TLB entry"), ["32", "3 of 3", "pass"])
        self.assertEqual(target_line("memory of an idle device"), ["300", "0 of 3", "**miss**"])
        self.assertEqual(target_line("index masks, instructions of a channel hit"), ["3.00", "3 of 3", "pass"])

    def test_not_measured(self):
        self.assertEqual(target_line("domain flush, 1000 cached"), ["", "", "not measured: vtd/invalidate/domain/1000"])

    def test_both_sides_of_every_relation(self):
        for relation, bound, good, bad in (("at most", 3, 3, 3.1), ("at least", 3, 3, 2.9), ("within", (0.8, 1.2), 0.8, 0.79),
                                           ("within", (0.8, 1.2), 1.2, 1.21)):
            target = report.Target("", "", relation, bound, None)
            self.assertTrue(report.reached(target, good))
            self.assertFalse(report.reached(target, bad))


class Rows(unittest.TestCase):
    def test_ratios_to_peers(self):
        text = report.rows_section(FIGURES)
        # latency 6.5 against the peer's hit/latency 39, shared 11 against its hit 36
        self.assertIn("| `vtd/hit/channel/latency` | 6.50 | 6.00 | 23 % | 6.50 | 6.00 |", text)
        self.assertIn("| `vtd/hit/shared/1000` | 11.0 | 10.4 | 15 % | 11.0 | 3.27 |", text)
        self.assertIn("| `vtd/hit/shared/1000000` | 200 | 190 | 15 % | 200 |  |", text)
        self.assertIn("### peer/glib_mutex", text)
        self.assertNotIn("masks_off", text)


class Scale(unittest.TestCase):
    def test_of_lines(self):
        # alone it takes 5 ns; a line moves in 50
        self.assertEqual(report.shared_lines(5, 64, 0, 50), 5)
        self.assertEqual(report.shared_lines(5, 1, 0, 50), 5)
        self.assertEqual(report.shared_lines(5, 2, 2, 50), 200)
        self.assertEqual(report.shared_lines(500, 2, 2, 50), 500)

    def test_section(self):
        # 64 threads x 1 line x 50 ns; two threads take 2 x 80 ns each
        text = report.scale_section(FIGURES)
        self.assertIn("| glib_mutex: the lock | 1 | 36.0 | 100 | 160 | 3200 | 20.0 |", text)
        self.assertIn("| a hit that writes 2 | 2 | 8.00 | 200 | 220 | 6400 | 10.0 |", text)
        # of 10 ns 2 are lost, at half of the rate
        self.assertIn("| of its own | 2 | 50000 | 20.0 % | 4000 | 100 | 40.0 % | 64 % |", text)

    def test_nothing_measured(self):
        self.assertIsNone(report.scale_section(Figures([{"ref/line/hand_over": {"ns": 50}}])))

    def test_footprint(self):
        self.assertIn("| channel_hit | 6 | 2 | 0 | 8 |", report.footprint_section(FIGURES))
        self.assertIsNone(report.footprint_section(Figures([{}])))


@unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
class Page(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, **options):
        """Both pages, one after the other."""
        report.write_report(RESULTS, self.folder.name, **options)
        pages = ""
        for file in report.SKELETONS:
            with open(os.path.join(self.folder.name, file)) as page:
                pages += page.read()
        return pages

    def edit(self, old, new):
        path = os.path.join(self.folder.name, "performance.md")
        with open(path) as page:
            content = page.read()
        self.assertIn(old, content)
        with open(path, "w") as page:
            page.write(content.replace(old, new))

    def test_all_of_it(self):
        page = self.write()
        for words in ("Example 9000", "`bench/report --quick`: 3 runs", "was not idle", "| channel_hit | 103.0 |",
                      "plots/working_set.svg", "12 of 15 are reached, 8 of them in every one of 3 runs",
                      "Beside the peers, ",
                      "| translate, the page is known to the channel |"):
            self.assertIn(words, page)

    def test_users_come_first(self):
        page = self.write()
        self.assertLess(page.index("| translate, the page is known"), page.index("## Machine"))
        # our 11 against the peer's hit 36
        self.assertIn("| translate through the device, 1000 pages | 11.0 | 3.27 |", page)

    def test_text_by_hand_survives(self):
        self.write()
        self.edit("## Plots\n", "## Plots\n\nWhy it is so.\n")
        page = self.write()
        self.assertIn("## Plots\n\nWhy it is so.\n", page)
        self.assertEqual(page.count("| hit in a channel, latency |"), 1)

    def test_removed_section_stays_away(self):
        self.write()
        self.edit("<!-- report:rows -->", "")
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            self.write()
        self.assertIn("a place for rows", errors.getvalue())

    def test_vhost_stays_until_measured_again(self):
        first = self.write(vhost=[VHOST])
        line = "| b | static | 1900 | 95.0 % | 0.5 | 7 | 1 | 2.50 |"
        self.assertIn(line, first)
        self.assertEqual(self.write(), first)


@unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
class Plots(unittest.TestCase):
    def words(self, svg):
        return [e.text.strip() for e in xml.etree.ElementTree.fromstring(svg.encode()).iter() if e.text and e.text.strip()]

    def test_series(self):
        plot = report.PLOTS[0]
        self.assertEqual(report.points(plot, FIGURES, plot.series[0][1]), [(32, 4.0), (256, 9.0), (1025, 12.0)])
        drawn = self.words(report.draw(plot, FIGURES))
        for words in ("glib_mutex", "ours, in a channel", "pages in use", "DRAM load"):
            self.assertIn(words, drawn)

    def test_x_is_what_the_peer_really_has_cached(self):
        plot = next(p for p in report.PLOTS if p.file == "invalidation")
        measured = report.points(plot, FIGURES, r"peer/glib_mutex/invalidate/page/(\d+)")
        self.assertEqual(measured, [(1000, 5000.0), (500, 2500.0)])

    def test_throughput(self):
        plot = next(p for p in report.PLOTS if p.file == "threads")
        self.assertEqual(report.points(plot, FIGURES, plot.series[0][1]), [(1, 250.0), (2, 1000 / 2.1)])
        self.assertIn("ours", self.words(report.draw(plot, FIGURES)))

    def test_nothing_of_ours_no_plot(self):
        self.assertIsNone(report.draw(next(p for p in report.PLOTS if p.file == "routes"), FIGURES))

    def test_bars(self):
        self.assertIn("1.9k, 95.0 %", self.words(report.vhost_plot(report.vhost_medians([VHOST]))))

    def test_groups(self):
        drawn = self.words(report.draw(next(p for p in report.PLOTS if p.file == "engines"), FIGURES))
        for words in ("vtd", "hit in a channel", "miss, 4 levels"):
            self.assertIn(words, drawn)
        self.assertNotIn("hit through the device", drawn)  # nobody measured it

    def test_names_are_no_program(self):
        self.assertIn("it's a_b", self.words(report_plots.lines("it's a_b", "x", "y", [("a", [(1, 2)], 0, False)])))

    def test_what_gnuplot_refuses(self):
        self.assertRaises(RuntimeError, report_plots.draw, "plot nonsense\n")


if __name__ == "__main__":
    unittest.main()
