"""The tool from end to end, on allocators that go wrong.

Each must end up as a row that says what happened, beside libc's figures, and
must not stop the others.
"""

import contextlib
import csv
import io
import os
import tempfile
import unittest

from tools.bench import bench, interpreter

_TESTDATA = os.path.join(os.path.dirname(__file__), "..", "testdata")


def faulty(name):
    path = os.path.join(_TESTDATA, name + ".so")
    return "%s=%s" % (name, os.path.abspath(path))


class FaultsTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = scratch.name

    def bench(self, *args):
        """Exit status and what the tool wrote, standard error included."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            with contextlib.redirect_stderr(output):
                status = bench.main(["--no-pictures", *args])
        return status, output.getvalue()

    def measure(self, *args):
        status, output = self.bench(
            "--rounds=2", "--scale=0.001", "--out=" + self.folder, *args
        )
        self.assertEqual(status, 0, output)
        path = os.path.join(self.folder, "runs.csv")
        with open(path, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file)), output

    def failures(self, *args):
        """(allocator, job) -> failure, of the runs that failed."""
        runs, output = self.measure(*args)
        failed = {}
        for run in runs:
            if run["failure"]:
                failed[(run["allocator"], run["job"])] = run["failure"]
                self.assertIn(run["failure"], output)
        self.assertFalse(any(name == "libc" for name, _ in failed), failed)
        self.assertTrue(any(run["allocator"] == "libc" for run in runs))
        return failed

    def test_a_crash_is_a_row(self):
        failed = self.failures(
            "--allocators", "libc", faulty("crash"), "--workloads", "trees"
        )
        reason = failed[("crash", "trees")]
        self.assertTrue(reason.startswith("crashed: SIGSEGV"), reason)

    def test_a_crashing_program_is_a_row(self):
        failed = self.failures(
            "--allocators", "libc", faulty("crash"), "--workloads", "gcc"
        )
        reason = failed[("crash", "gcc")]
        self.assertTrue(reason.startswith("crashed: SIGSEGV"), reason)

    def test_a_hang_is_a_row_and_after_three_it_is_given_up(self):
        failed = self.failures(
            *("--allocators", "libc", faulty("hang"), "--timeout=5"),
            *("--workloads", "batch-*", "larson*", "stl-map"),
        )
        reasons = [failed[("hang", job)] for job in
                   ("batch-lifo", "batch-fifo", "larson")]  # fmt: skip
        self.assertEqual(reasons, ["hangs: no end after 5 s"] * 3)
        self.assertEqual(failed[("hang", "stl-map")], "given up after hanging")

    def test_memory_given_out_twice_is_noticed(self):
        failed = self.failures(
            "--allocators", "libc", faulty("overlap"), "--workloads", "larson"
        )
        self.assertIn("check failed", failed[("overlap", "larson")])

    def test_an_object_that_is_no_allocator_is_not_measured_as_one(self):
        # The dynamic linker ignores it, and libc's figures would come out.
        path = os.path.join(self.folder, "text.so")
        with open(path, "w", encoding="ascii") as file:
            file.write("not a shared object\n")
        failed = self.failures(
            "--allocators", "libc", "text=" + path, "--workloads", "trees"
        )
        self.assertIn("preloaded", failed[("text", "trees")])

    def test_names_that_mean_nothing(self):
        for args, what in (
            (["--allocators", "nonesuch"], "nonesuch: no such allocator"),
            (["--allocators", "x=/no/such.so"], "there is no file"),
            (["--allocators", "libc", "libc"], "named twice"),
            (["--workloads", "nonesuch"], "nonesuch: no such workload"),
            (["--subject", "nonesuch"], "--subject nonesuch"),
        ):
            status, output = self.bench(*args)
            self.assertEqual(status, 2, output)
            self.assertIn(what, output)

    def test_growth_curves(self):
        status, output = self.bench(
            *("--rounds=1", "--scale=0.001", "--out=" + self.folder),
            *("--curves", "threads", "--allocators", "libc", faulty("crash")),
        )
        self.assertEqual(status, 0, output)
        self.assertIn("larson over threads", output)
        self.assertIn("crashed: SIGSEGV", output)
        with open(
            os.path.join(self.folder, "curves.csv"), encoding="utf-8"
        ) as file:
            rows = list(csv.DictReader(file))
        self.assertEqual({row["allocator"] for row in rows}, {"libc"})
        points = {int(row["point"]) for row in rows}
        self.assertEqual(points, {1, 2, 4, 16, 64})

    def test_same_seed_same_work(self):
        # Whatever is compared did the same number of calls.
        runs, _ = self.measure(
            *("--allocators", "libc", "--workloads", "patterns")
        )
        calls = {}
        for run in runs:
            self.assertEqual(run["failure"], "", run)
            calls.setdefault(run["job"], set()).add(run["ops"])
        self.assertGreater(len(calls), 40)
        for job, numbers in calls.items():
            self.assertEqual(len(numbers), 1, "%s: %s" % (job, numbers))
            self.assertNotEqual(numbers, {"0"}, job)


if __name__ == "__main__":
    interpreter.prefer_matplotlib()
    unittest.main(verbosity=2)
