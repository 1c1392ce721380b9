"""Tests of the tables, files and pictures that are made of runs."""

import csv
import os
import tempfile
import unittest

from tools.bench import interpreter
from tools.bench.driver.model import CURVES, EVENTS, WORKLOADS
from tools.bench.driver.model import PATTERN, PROGRAM
from tools.bench.driver.model import Allocator, Job, Measurement, Part, Run
from tools.bench.report import results, saved, summary, tables

ALLOCATORS = [
    Allocator("memalloc", preload="/m.so", version="1"),
    Allocator("fast", preload="/fast.so"),
    Allocator("slow", preload="/slow.so"),
]
JOBS = [
    Job("won", PATTERN, "all are slower"),
    Job("lost", PATTERN, "fast is faster"),
    Job("broken", PATTERN, "slow crashes"),
    Job("program", PROGRAM, "a tie"),
]
# Job -> seconds of memalloc, fast, slow; None: it crashed.
SECONDS = {
    "won": (1.0, 1.25, 4.0),
    "lost": (1.0, 0.5, 1.0),
    "broken": (1.0, 1.0, None),
    "program": (1.0, 0.97, 1.0),
}
LATENCIES = {
    "%s_%s_ns" % (call, percentile): 10.0
    for call in ("malloc", "free")
    for percentile in tables.PERCENTILES
}


def make_runs():
    runs = []
    for number in range(3):
        for job, seconds in SECONDS.items():
            for allocator, value in zip(ALLOCATORS, seconds):
                run = Run(allocator.name, job, number, value or 0.0)
                if value is None:
                    run.failure = "crashed: SIGSEGV (Segmentation fault)"
                run.peak_rss_kib = 4096
                run.final_rss_kib = None if job == "program" else 2048
                runs.append(run)
        runs.append(Run("fast", "latency", number, 1.0, extra=LATENCIES))
        runs.append(Run("memalloc", "leak", number, 3.0))
        runs.append(Run("memalloc", "leak-bump", number, 2.0))
    return runs


def measurement(**parts):
    facts = [("date", "2001-02-03"), ("kernel", "6.7")]
    return Measurement("memalloc", summary.WALL.key, facts, parts)


def workloads():
    return measurement(**{WORKLOADS: Part(JOBS, ALLOCATORS, make_runs())})


def compare(metric=summary.WALL):
    return summary.compare(make_runs(), JOBS, ALLOCATORS, "memalloc", metric)


class TableTest(unittest.TestCase):
    def test_rows_and_means(self):
        rows = {row[0]: row for row in tables.comparison_rows(compare())}
        self.assertEqual(rows["won"][2:4], ["0.80 ±0%", "0.25 ±0%"])
        self.assertEqual(rows["won"][4], "0.80 fast")
        self.assertEqual(rows["lost"][4], "2.00 fast")
        self.assertEqual(rows["broken"][3], "crashed")
        # The means say over how many rows they are when some failed.
        self.assertEqual(rows["geomean, patterns"][2], "1.17")
        self.assertEqual(rows["geomean, patterns"][3], "0.50 (2/3)")
        self.assertEqual(rows["geomean, programs"][2], "1.03")

    def test_rows_without_the_metric_are_left_out(self):
        rows = tables.comparison_rows(compare(summary.FINAL))
        self.assertNotIn("program", [row[0] for row in rows])

    def test_losses_worst_first_and_ties_are_none(self):
        self.assertEqual(tables.losses(compare()), [(2.0, "lost", "fast")])

    def test_score_counts_failures_of_the_subject_as_behind(self):
        # "won" ahead, "broken" and "program" level, "lost" behind.
        self.assertEqual(tables.score(compare()), (1, 2, 1))
        runs = make_runs()
        for run in runs:
            if (run.job, run.allocator) == ("won", "memalloc"):
                run.failure = "crashed: SIGABRT"
        comparison = summary.compare(
            runs, JOBS, ALLOCATORS, "memalloc", summary.WALL
        )
        self.assertEqual(tables.score(comparison), (0, 2, 2))

    def test_terminal_lines_up_and_marks_wins_and_losses(self):
        rows = [
            ["", "own", "peer"],
            ["x", "1.00", "2.00 ±0%"],
            ["yyy", "1", "-"],
        ]
        lines = tables.terminal(rows).splitlines()
        self.assertEqual(lines[2], "x    1.00  2.00 ±0%")
        self.assertEqual(len(lines[2]), len(lines[0]))
        coloured = tables.terminal(rows, colour=True)
        self.assertIn("\033[31m2.00 ±0%\033[0m", coloured)
        self.assertNotIn("\033[31m1.00", coloured)  # An absolute figure.
        rows[1][2] = "0.50 ±0%"
        self.assertIn("\033[34m0.50", tables.terminal(rows, colour=True))

    def test_markdown_marks_losses_only(self):
        rows = [["", "own", "a", "b"], ["x", "9.00", "2.00 ±0%", "1.04 ±1%"]]
        self.assertIn(
            "| x | 9.00 | **2.00 ±0%** | 1.04 ±1% |",
            tables.markdown(rows, mark=True),
        )


class FilesTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = scratch.name

    def write(self, drawing=None):
        return results.write_all(self.folder, workloads(), drawing, False)

    def read(self, name):
        path = os.path.join(self.folder, name)
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()

    def rows(self, name):
        return list(csv.DictReader(self.read(name).splitlines()))

    def test_every_run_is_in_the_csv(self):
        self.write()
        rows = self.rows("runs.csv")
        self.assertEqual(len(rows), len(make_runs()))
        crashed = [row for row in rows if row["failure"]]
        self.assertEqual({row["allocator"] for row in crashed}, {"slow"})
        latency = [row for row in rows if row["job"] == "latency"]
        self.assertEqual(latency[0]["malloc_p99_ns"], "10.0")

    def test_ratios_are_in_the_csv_and_failures_with_them(self):
        self.write()
        rows = {
            (row["metric"], row["job"], row["peer"]): row
            for row in self.rows("ratios.csv")
        }
        self.assertEqual(rows[("seconds", "lost", "fast")]["ratio"], "2.0")
        broken = rows[("seconds", "broken", "slow")]
        self.assertEqual(broken["ratio"], "")
        self.assertIn("SIGSEGV", broken["failure"])

    def test_the_report_names_losses_failures_and_the_machine(self):
        text = self.write()
        report = self.read("results.md")
        self.assertIn("| lost | 100 % | fast |", report)
        self.assertIn("crashed: SIGSEGV (Segmentation fault)", report)
        self.assertIn("**2.00 ±0%**", report)
        self.assertIn("| memalloc | 1.50 ±0% |", report)  # The limit.
        for heading in ("Latency of single calls", "The machine", "Final RSS"):
            self.assertIn("## " + heading, report)
        self.assertIn("crashed: SIGSEGV", text)

    def test_events_are_for_a_million_operations(self):
        counts = {"event_locks": 5, "event_inbox_pushes": 1000}
        runs = [
            Run("memalloc", "quiet", 0, ops=10**7, extra=counts),
            Run("memalloc", "shared", 0, ops=10**5, extra=counts),
            Run("memalloc", "broken", 0, failure="it left no counts"),
        ]
        jobs = [Job(run.job, PATTERN) for run in runs]
        part = Part(jobs, ALLOCATORS[:1], runs)
        text = results.write_all(
            self.folder, measurement(**{EVENTS: part}), None, False
        )
        self.assertIn("it left no counts", text)
        report = self.read("results.md")
        self.assertIn("| quiet | 10000000 | 0 | 100 | 100 |", report)
        # Above 0.1 % of the operations.
        self.assertIn("| shared | 100000 | 50 | 10000 | 10050 ! |", report)
        rows = {row["job"]: row for row in self.rows("events.csv")}
        self.assertEqual(rows["shared"]["inbox_pushes"], "1000")

    def test_a_saved_measurement_gives_the_same_report(self):
        self.write()
        first = self.read("results.md")
        again = saved.load(os.path.join(self.folder, saved.NAME))
        self.assertEqual(again, workloads())
        results.write_all(self.folder, again, None, False)
        self.assertEqual(self.read("results.md"), first)

    def test_one_allocator_alone(self):
        # Nothing to compare, but its figures are shown.
        runs = [run for run in make_runs() if run.allocator == "memalloc"]
        alone = Part(JOBS, ALLOCATORS[:1], runs)
        text = results.write_all(
            self.folder, measurement(**{WORKLOADS: alone}), None, False
        )
        self.assertIn("won", text)

    def test_pictures_show_wins_losses_and_failures(self):
        drawing = _drawing(self)
        self.write(drawing)
        for name in ("overview", "details"):
            # A PNG begins with its signature.
            with open(os.path.join(self.folder, name + ".png"), "rb") as file:
                self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")
        overview = self.read("overview.svg")
        for colour in (drawing.BETTER, drawing.WORSE, drawing.TIED):
            self.assertIn(colour, overview)
        self.assertIn("<!-- lost -->", overview)  # The loss is named,
        self.assertNotIn("<!-- won -->", overview)  # a win need not be.
        details = self.read("details.svg")
        for text in ("won", "lost", "0.25", "2.00", "failed", "geomean"):
            self.assertIn("<!-- %s" % text, details)
        self.assertIn("![overview](overview.svg)", self.read("results.md"))

    def test_curves(self):
        jobs = [
            Job("w@%d" % n, PATTERN, workload="w", curve="threads", point=n)
            for n in (1, 2, 4)
        ]
        runs = [
            Run(
                allocator.name,
                job.name,
                0,
                seconds=2.0 * job.point,
                ops=10**9,
                peak_rss_kib=3072,
                # "fast" takes a MiB in advance, which is not forgiven.
                extra={
                    "start_rss_kib": 2048 if allocator.name == "fast" else 1024,
                    "live_bytes": 2**20,
                },
            )
            for allocator in ALLOCATORS
            for job in jobs
        ]
        runs[-1].failure = "hangs: no end after 60 s"
        part = Part(jobs, ALLOCATORS, runs)
        text = results.write_all(
            self.folder, measurement(**{CURVES: part}), _drawing(self), False
        )
        self.assertIn("w over threads, ns a call", text)
        report = self.read("results.md")
        self.assertIn("| memalloc | 2 | 4 | 8 |", report)
        self.assertIn("| slow | 2 | 4 | - |", report)
        # RSS a live byte.
        self.assertIn("| memalloc | 2 | 2 | 2 |", report)
        self.assertIn("| fast | 2 | 2 | 2 |", report)
        self.assertIn("hangs", report)
        self.assertIn("<!-- w: ns a call", self.read("curves.svg"))


def _drawing(test):
    if not interpreter.has_matplotlib():
        test.skipTest(interpreter.ADVICE)
    from tools.bench.report import plot

    return plot


if __name__ == "__main__":
    interpreter.prefer_matplotlib()
    unittest.main(verbosity=2)
