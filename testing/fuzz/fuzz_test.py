"""Plays the corpus, and new inputs for some seconds.

With libFuzzer under AddressSanitizer and UBSan, where threads take turns; and
under ThreadSanitizer, where they run at once. A failure shows the input that
led to it: `tools/bazel run //testing/fuzz:heap_fuzzer -- FILE` plays it.
"""

import argparse
import os
import re
import sys
import tempfile
import unittest

import builder
import programs

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--seconds", type=int, required=True)
arguments.add_argument("--seed", type=int, default=1)
arguments.add_argument("--core", nargs="+", required=True)


class FuzzTest(unittest.TestCase):
    options = None

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = scratch.name
        self.core = builder.sources_of(self.options.core)
        self.assertTrue(programs.corpus())

    def play(self, command):
        result = builder.run(command)
        if result.returncode != 0:
            self.fail(f"{' '.join(command)}:\n{result.stdout}")
        return result.stdout

    def test_threads_in_turn(self):
        program = programs.heap_fuzzer(self.folder, self.core)
        new = os.path.join(self.folder, "new")
        os.mkdir(new)
        output = self.play(
            [
                program,
                f"-seed={self.options.seed}",
                f"-max_total_time={self.options.seconds}",
                "-max_len=1200",
                "-timeout=300",
                f"-artifact_prefix={self.folder}/",
                new,
                programs.CORPUS,
            ]
        )
        runs = re.search(r"^Done (\d+) runs in \d+ second", output, re.M)
        self.assertIsNotNone(runs, output)
        print(runs[0])
        self.assertGreaterEqual(int(runs[1]), len(programs.corpus()))

    def test_threads_at_once(self):
        program = programs.threads_main(self.folder, self.core)
        seconds = str(self.options.seconds // 2)
        command = [program, seconds, str(self.options.seed)]
        output = self.play(command + programs.corpus())
        self.assertRegex(output, r"^[1-9]\d* rounds of \d+ threads\n$")
        print(output, end="")


if __name__ == "__main__":
    FuzzTest.options, rest = arguments.parse_known_args()
    unittest.main(argv=[sys.argv[0]] + rest)
