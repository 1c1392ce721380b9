"""Tests of the order of the runs, of giving up, and of the time left."""

import io
import unittest

from tools.bench.driver import schedule
from tools.bench.driver.model import PATTERN, Allocator, Job, Run

A, B, C = Allocator("a"), Allocator("b"), Allocator("c")


def always(job, allocator):
    del job, allocator
    return True


class MeasureTest(unittest.TestCase):
    def setUp(self):
        self.order = []
        self.failures = {}
        self.stream = io.StringIO()

    def run_one(self, job, allocator, number):
        self.order.append((number, job.name, allocator.name))
        failure = self.failures.get((job.name, allocator.name), "")
        return Run(allocator.name, job.name, number, 1.0, failure=failure)

    def measure(self, jobs, allocators, rounds, applies=always):
        return schedule.measure(
            [Job(name, PATTERN) for name in jobs],
            allocators,
            rounds,
            self.run_one,
            applies,
            self.stream,
        )

    def test_allocators_follow_each_other_within_a_job(self):
        self.measure(["x", "y"], [A, B], 1)
        self.assertEqual(
            self.order,
            [(0, "x", "a"), (0, "x", "b"), (0, "y", "a"), (0, "y", "b")],
        )

    def test_each_round_starts_with_another_allocator(self):
        self.measure(["x"], [A, B, C], 4)
        firsts = [self.order[3 * number][2] for number in range(4)]
        self.assertEqual(firsts, ["a", "b", "c", "a"])

    def test_a_failed_pair_is_not_tried_again_but_stays_in_the_runs(self):
        self.failures[("x", "b")] = "crashed: SIGSEGV"
        runs = self.measure(["x", "y"], [A, B], 3)
        self.assertEqual(self.order.count((0, "x", "b")), 1)
        self.assertNotIn((1, "x", "b"), self.order)
        self.assertIn((2, "y", "b"), self.order)
        self.assertEqual(
            [run.failure for run in runs if run.failure], ["crashed: SIGSEGV"]
        )
        self.assertIn("x on b: crashed: SIGSEGV", self.stream.getvalue())

    def test_an_allocator_that_hangs_often_is_given_up(self):
        jobs = ["v", "w", "x", "y", "z"]
        for job in jobs:
            self.failures[(job, "b")] = "hangs: no end after 1 s"
        runs = self.measure(jobs, [A, B], 2)
        tried = [entry for entry in self.order if entry[2] == "b"]
        self.assertEqual(len(tried), 3)
        # Every job says something about b, and a was not disturbed.
        self.assertEqual(
            sorted(run.job for run in runs if run.allocator == "b"), jobs
        )
        self.assertEqual(sum(run.allocator == "a" for run in runs), 10)

    def test_only_pairs_that_apply_are_run(self):
        self.measure(["x"], [A, B], 2, lambda job, allocator: allocator is A)
        self.assertEqual(self.order, [(0, "x", "a"), (1, "x", "a")])

    def test_interrupting_keeps_what_there_is(self):
        def interrupted(job, allocator, number):
            if len(self.order) == 3:
                raise KeyboardInterrupt
            return self.run_one(job, allocator, number)

        runs = schedule.measure(
            [Job("x", PATTERN)], [A, B], 5, interrupted, always, self.stream
        )
        self.assertEqual(len(runs), 3)
        self.assertFalse(self.is_complete(runs, ["x"], [A, B], 5))

    def is_complete(self, runs, jobs, allocators, rounds, applies=always):
        jobs = [Job(name, PATTERN) for name in jobs]
        return schedule.is_complete(runs, rounds, jobs, allocators, applies)

    def test_failures_and_what_does_not_apply_are_complete(self):
        self.failures[("x", "b")] = "crashed: SIGSEGV"
        jobs, allocators = ["x", "y"], [A, B, C]

        def applies(job, allocator):
            del job
            return allocator is not C

        runs = self.measure(jobs, allocators, 2, applies)
        self.assertTrue(self.is_complete(runs, jobs, allocators, 2, applies))
        self.assertFalse(self.is_complete(runs, jobs, allocators, 2))


class ProgressTest(unittest.TestCase):
    def test_time_left(self):
        pairs = [("x", "a"), ("x", "b")]
        progress = schedule.Progress(pairs, 2, io.StringIO())
        self.assertEqual(progress.seconds_left(), 0)
        progress.finished(("x", "a"), 3.0)
        # One more of x on a, and two of x on b, of which only a is known.
        self.assertAlmostEqual(progress.seconds_left(), 9.0)
        progress.finished(("x", "b"), 1.0)
        self.assertAlmostEqual(progress.seconds_left(), 4.0)
        progress.dropped(("x", "a"))
        self.assertAlmostEqual(progress.seconds_left(), 1.0)

    def test_durations(self):
        self.assertEqual(schedule.duration(59.9), "59 s")
        self.assertEqual(schedule.duration(125), "2 min 05 s")


if __name__ == "__main__":
    unittest.main(verbosity=2)
