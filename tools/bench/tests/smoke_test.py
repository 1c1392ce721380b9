"""`bench --smoke`: every workload works on every allocator that is here.

Nothing about time is asserted. What is not installed is named and left out.
"""

import os
import tempfile
import unittest

from tools.bench import bench, interpreter


class SmokeTest(unittest.TestCase):
    def test_every_workload_on_every_allocator(self):
        args = ["--smoke"]
        expected = ["results.md", "runs.csv", "ratios.csv"]
        if interpreter.has_matplotlib():
            expected += ["overview.svg", "overview.png", "details.svg"]
        else:
            print("without pictures: " + interpreter.ADVICE)
            args.append("--no-pictures")
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(bench.main([*args, "--out=" + folder]), 0)
            for name in expected:
                path = os.path.join(folder, name)
                self.assertGreater(os.path.getsize(path), 0, name)


if __name__ == "__main__":
    interpreter.prefer_matplotlib()
    unittest.main(verbosity=2)
