"""Plays the corpus, and new inputs for some seconds.

With libFuzzer under AddressSanitizer and UBSan, where threads take turns; and
under ThreadSanitizer, where they run at once. A failure shows the input that
led to it: `tools/bazel run //testing/fuzz:heap_fuzzer -- FILE` plays it. With
--mistakes the corpus must also find each of MISTAKES, put into the core.
"""

import argparse
import os
import re
import sys
import tempfile
import unittest

import builder
import programs

# What is done wrong: the file, and pairs of what it says and will say.
MISTAKES = {
    "does_not_note_what_realloc_took_as_dirty": (
        "memalloc/heap/large.cc",
        (
            "    ArenaHeaderOf(block)->dirty.Set("
            "GranuleOf(block) + old, more);\n",
            "",
        ),
    ),
    "takes_a_refused_purge_for_done": (
        "memalloc/heap/purge.cc",
        (
            "    if (batch.is_clean(i)) CountPurge(run, granules);\n",
            "    CountPurge(run, granules);\n",
        ),
    ),
    "drops_batches_that_come_too_late": (
        "memalloc/heap/inbox.cc",
        (
            "  if (full.to->Receive(full.first, full.last)) return;\n",
            "  full.to->Receive(full.first, full.last);\n  return;\n",
        ),
    ),
}

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--seconds", type=int, required=True)
arguments.add_argument("--seed", type=int, default=1)
arguments.add_argument("--mistakes", action="store_true")
arguments.add_argument("--core", nargs="+", required=True)


class FuzzTest(unittest.TestCase):
    options = None

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = scratch.name
        core = builder.sources_of(self.options.core)
        self.programs = programs.Programs(self.folder, core)
        self.assertTrue(programs.corpus())

    def play(self, command):
        result = builder.run(command)
        if result.returncode != 0:
            self.fail(f"{' '.join(command)}:\n{result.stdout}")
        return result.stdout

    def test_threads_in_turn(self):
        program = self.programs.heap_fuzzer()
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
        print(re.search(r"(?m)^\d+ steps, \d+ calls refused$", output)[0])
        self.assertGreaterEqual(int(runs[1]), len(programs.corpus()))

    def test_threads_at_once(self):
        program = self.programs.threads_main()
        seconds = str(self.options.seconds // 2)
        command = [program, seconds, str(self.options.seed)]
        output = self.play(command + programs.corpus())
        self.assertRegex(output, r"^[1-9]\d* rounds of \d+ threads\n$")
        print(output, end="")

    def check_mistake(self, *mistake):
        program = self.programs.mistaken_heap_fuzzer(
            self._testMethodName, *mistake
        )
        options = ["-runs=0", f"-artifact_prefix={self.folder}/"]
        result = builder.run([program, *options, programs.CORPUS])
        self.assertNotEqual(result.returncode, 0, result.stdout)
        line = r"(?m)^(?:fuzz|memalloc|fake_os): .*"
        said = re.findall(line, result.stdout)
        self.assertTrue(said, result.stdout)
        print(f"{self._testMethodName}: {said[0]}")


if __name__ == "__main__":
    FuzzTest.options, rest = arguments.parse_known_args()
    if FuzzTest.options.mistakes:
        builder.add_mistakes(FuzzTest, MISTAKES)
    unittest.main(argv=[sys.argv[0]] + rest)
