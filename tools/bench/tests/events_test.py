"""`bench --events`: the build that counts, from end to end."""

import csv
import os
import tempfile
import unittest

from tools.bench import bench
from tools.bench.driver import events
from tools.bench.driver.model import LATENCY, PATTERN, Job


class EventsTest(unittest.TestCase):
    def test_patterns_and_their_curves_over_threads(self):
        chosen = [
            Job("larson", PATTERN),
            Job("trees", PATTERN),
            Job("latency", LATENCY),
        ]
        names = [job.name for job in events.jobs(chosen, 1.0)]
        self.assertEqual(names[:4], ["larson", "trees", "larson@1", "larson@2"])
        self.assertFalse([name for name in names if "latency" in name])
        self.assertFalse([name for name in names if "mstress" in name])

    def test_the_line_with_counts(self):
        text = "pid=7 program=x threads=1\npid=7 locks=5 claims=0\n"
        self.assertEqual(
            events.counts_of(text), {"event_locks": 5, "event_claims": 0}
        )
        self.assertEqual(events.counts_of("pid=7 program=x\n"), {})

    def test_counts_of_real_workloads(self):
        with tempfile.TemporaryDirectory() as folder:
            status = bench.main(
                ["--events", "--no-pictures", "--scale=0.05"]
                + ["--out=" + folder]
                + ["--workloads", "churn-small", "xmalloc-1-1"]
            )
            self.assertEqual(status, 0)
            path = os.path.join(folder, "events.csv")
            with open(path, encoding="utf-8") as file:
                counted = {row["job"]: row for row in csv.DictReader(file)}
        alone, pair = counted["churn-small"], counted["xmalloc-1-1"]
        self.assertGreater(int(alone["locks"]), 0)
        # One thread has nobody to send to; a pipeline sends all.
        self.assertEqual(int(alone["inbox_pushes"]), 0)
        self.assertGreater(int(pair["inbox_pushes"]), 0)
        self.assertGreater(int(pair["inbox_takes"]), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
