"""Tests of the statistics: ratios, medians, means, and what failures do."""

import math
import unittest

from tools.bench.driver.model import PATTERN, PROGRAM, Allocator, Job, Run
from tools.bench.report import summary

OURS = Allocator("ours")
STATIC = Allocator("ours-static", static=True)
PEER = Allocator("peer", preload="/peer.so")
OTHER = Allocator("other", preload="/other.so")


def run(allocator, job, number, seconds, **figures):
    return Run(allocator.name, job, number, seconds, **figures)


def compare(runs, jobs, allocators=(OURS, PEER), metric=summary.WALL):
    return summary.compare(runs, jobs, list(allocators), "ours", metric)


class RatioTest(unittest.TestCase):
    def test_ratios_are_taken_within_a_round(self):
        # The machine was ten times slower in the second round: no difference
        # between the allocators, whatever their medians across rounds.
        jobs = [Job("a", PATTERN)]
        runs = [
            run(OURS, "a", 0, 1.0),
            run(PEER, "a", 0, 2.0),
            run(PEER, "a", 1, 20.0),
            run(OURS, "a", 1, 10.0),
        ]
        cell = compare(runs, jobs).cell("a", "peer")
        self.assertAlmostEqual(cell.ratio, 0.5)
        self.assertAlmostEqual(cell.spread, 0.0)
        self.assertEqual(cell.rounds, 2)

    def test_median_of_the_ratios(self):
        jobs = [Job("a", PATTERN)]
        runs = []
        for number, ours in enumerate((1.0, 1.2, 9.0)):
            runs += [run(OURS, "a", number, ours), run(PEER, "a", number, 1.0)]
        cell = compare(runs, jobs).cell("a", "peer")
        self.assertAlmostEqual(cell.ratio, 1.2)
        self.assertGreater(cell.spread, 0.1)

    def test_rounds_that_only_one_side_has_are_left_out(self):
        jobs = [Job("a", PATTERN)]
        runs = [
            run(OURS, "a", 0, 3.0),
            run(PEER, "a", 0, 1.0),
            run(OURS, "a", 1, 100.0),
            run(PEER, "a", 2, 100.0),
        ]
        cell = compare(runs, jobs).cell("a", "peer")
        self.assertAlmostEqual(cell.ratio, 3.0)
        self.assertEqual(cell.rounds, 1)

    def test_unknown_memory_is_no_figure(self):
        jobs = [Job("a", PROGRAM)]
        runs = [run(OURS, "a", 0, 1.0), run(PEER, "a", 0, 1.0)]
        final = compare(runs, jobs, metric=summary.FINAL)
        self.assertFalse(final.cell("a", "peer").known)

    def test_absolute_figures_are_in_the_unit_of_the_metric(self):
        jobs = [Job("a", PATTERN)]
        runs = [
            run(OURS, "a", 0, 1.0, peak_rss_kib=2048),
            run(PEER, "a", 0, 1.0, peak_rss_kib=1024),
        ]
        peak = compare(runs, jobs, metric=summary.PEAK)
        self.assertAlmostEqual(peak.absolute[("a", "ours")], 2.0)
        self.assertAlmostEqual(peak.cell("a", "peer").ratio, 2.0)


class SpreadTest(unittest.TestCase):
    def test_half_the_range_between_quartiles(self):
        median, spread = summary.median_and_spread([1.0, 2.0, 3.0, 4.0, 5.0])
        self.assertAlmostEqual(median, 3.0)
        self.assertAlmostEqual(spread, 1.0 / 3.0)

    def test_one_round_has_no_spread(self):
        self.assertEqual(summary.median_and_spread([7.0]), (7.0, 0.0))


class MeanTest(unittest.TestCase):
    def test_geometric(self):
        self.assertAlmostEqual(summary.geometric_mean([0.5, 2.0]), 1.0)
        self.assertAlmostEqual(summary.geometric_mean([1.0, 8.0, 1.0]), 2.0)

    def test_of_nothing_is_not_a_number(self):
        self.assertTrue(math.isnan(summary.geometric_mean([])))

    def test_kinds_are_apart_and_failed_rows_are_counted(self):
        jobs = [Job("a", PATTERN), Job("b", PATTERN), Job("p", PROGRAM)]
        runs = [
            run(OURS, "a", 0, 1.0),
            run(PEER, "a", 0, 4.0),
            run(OURS, "b", 0, 1.0),
            Run("peer", "b", 0, failure="crashed: SIGSEGV"),
            run(OURS, "p", 0, 3.0),
            run(PEER, "p", 0, 1.0),
        ]
        comparison = compare(runs, jobs)
        mean, used, total = summary.mean_over(comparison, "peer", PATTERN)
        self.assertAlmostEqual(mean, 0.25)
        self.assertEqual((used, total), (1, 2))
        mean, used, total = summary.mean_over(comparison, "peer", PROGRAM)
        self.assertAlmostEqual(mean, 3.0)
        self.assertEqual((used, total), (1, 1))


class FailureTest(unittest.TestCase):
    def test_a_failed_peer_has_a_reason_and_no_ratio(self):
        # Also when earlier rounds went well.
        jobs = [Job("a", PATTERN)]
        runs = [
            run(OURS, "a", 0, 1.0),
            run(PEER, "a", 0, 2.0),
            run(OURS, "a", 1, 1.0),
            Run("peer", "a", 1, failure="hangs: no end after 60 s"),
        ]
        cell = compare(runs, jobs).cell("a", "peer")
        self.assertFalse(cell.known)
        self.assertEqual(cell.failure, "hangs: no end after 60 s")

    def test_when_the_subject_fails_every_cell_says_so(self):
        jobs = [Job("a", PATTERN)]
        runs = [
            Run("ours", "a", 0, failure="crashed: SIGABRT"),
            run(PEER, "a", 0, 2.0),
        ]
        self.assertEqual(
            compare(runs, jobs).cell("a", "peer").failure, "ours failed"
        )


class BestTest(unittest.TestCase):
    def test_the_rival_with_the_least_time_and_never_our_own_variant(self):
        jobs = [Job("a", PATTERN)]
        runs = [
            run(OURS, "a", 0, 1.2),
            run(STATIC, "a", 0, 0.1),
            run(PEER, "a", 0, 1.0),
            run(OTHER, "a", 0, 2.0),
        ]
        comparison = compare(runs, jobs, (OURS, STATIC, PEER, OTHER))
        rival, ratio = summary.against_best(comparison, "a")
        self.assertEqual(rival, "peer")
        self.assertAlmostEqual(ratio, 1.2)

    def test_nobody_left(self):
        jobs = [Job("a", PATTERN)]
        runs = [run(OURS, "a", 0, 1.0), Run("peer", "a", 0, failure="crashed")]
        self.assertIsNone(summary.against_best(compare(runs, jobs), "a"))


class LimitTest(unittest.TestCase):
    def test_ratio_to_the_work_without_an_allocator(self):
        runs = [
            run(OURS, "bump", 0, 1.0),
            run(OURS, "leak", 0, 1.5),
            run(PEER, "leak", 0, 3.0),
            Run("other", "leak", 0, failure="crashed"),
        ]
        ratios = summary.limit_ratios(runs, "leak", "bump")
        self.assertEqual(sorted(ratios), ["ours", "peer"])
        self.assertAlmostEqual(ratios["ours"][0], 1.5)
        self.assertAlmostEqual(ratios["peer"][0], 3.0)


class ExtraTest(unittest.TestCase):
    def test_medians_over_the_rounds(self):
        runs = [
            run(OURS, "a", number, 1.0, extra={"malloc_p99_ns": value})
            for number, value in enumerate((10.0, 500.0, 20.0))
        ]
        medians = summary.medians_of_extra(runs, ["malloc_p99_ns", "absent"])
        self.assertEqual(medians, {("a", "ours"): {"malloc_p99_ns": 20.0}})


if __name__ == "__main__":
    unittest.main(verbosity=2)
