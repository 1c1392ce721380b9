"""Tests of which points a growth curve has."""

import unittest

from tools.bench.driver import curves


class CurvesTest(unittest.TestCase):
    def test_threads(self):
        jobs, left_out = curves.jobs([curves.THREADS], 0.5)
        larson = [job for job in jobs if job.workload == "larson"]
        self.assertEqual([job.threads for job in larson], [1, 2, 4, 16, 64])
        self.assertEqual([job.point for job in larson], [1, 2, 4, 16, 64])
        self.assertEqual({job.scale for job in larson}, {0.5})
        self.assertEqual(len({job.name for job in jobs}), len(jobs))
        self.assertEqual(left_out, [])

    def test_live_objects_as_far_as_there_is_memory(self):
        # No machine has memory for the second.
        counts = (10**3, 10**18)
        jobs, left_out = curves.jobs([curves.LIVE], 1.0, live_counts=counts)
        self.assertEqual([job.live for job in jobs], [10**3])
        self.assertEqual(len(left_out), 1)
        self.assertIn("live objects", left_out[0])


if __name__ == "__main__":
    unittest.main(verbosity=2)
