"""Builds and runs //testing/consumer, a workspace that uses memalloc.

Bazel runs inside of this test, with folders of its own, offline.
"""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path("WORKSPACE").resolve().parent
CONSUMER = ROOT / "testing" / "consumer"


class BazelConsumerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(
            dir=os.environ.get("TEST_TMPDIR"), prefix="bazel"
        )
        cls.addClassCleanup(folder.cleanup)
        cls.output = Path(folder.name)
        cls.addClassCleanup(cls.bazel, "shutdown")
        cls.bazel("build", "//...")

    @classmethod
    def bazel(cls, command, *arguments):
        # Without what Bazel sets for a test: the inner Bazel sets its own.
        environment = {"PATH": os.environ["PATH"], "HOME": str(cls.output)}
        options = [] if command == "shutdown" else ["--symlink_prefix=/"]
        result = subprocess.run(
            [
                "bazel",
                f"--output_user_root={cls.output}/user",
                command,
                *options,
                *arguments,
            ],
            cwd=CONSUMER,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise AssertionError(f"bazel {command}: {result.stderr}")
        return result.stdout

    def run_target(self, target, *arguments, options=()):
        """The lines that the program of the workspace prints."""
        output = self.bazel("run", *options, f"//:{target}", "--", *arguments)
        return output.split()

    def test_ways_to_name_it(self):
        for target in ("by_malloc", "by_deps", "fully_static"):
            with self.subTest(target):
                self.assertEqual(self.run_target(target), ["memalloc"] * 3)
        for target in ("c_program", "other_calls"):
            self.assertEqual(self.run_target(target), ["memalloc"])

    def test_control(self):
        self.assertEqual(self.run_target("plain"), ["libc"] * 3)

    def test_custom_malloc(self):
        self.assertEqual(
            self.run_target(
                "plain", options=["--custom_malloc=@memalloc//memalloc"]
            ),
            ["memalloc"] * 3,
        )

    def test_plug_in(self):
        plugin = self.bazel("info", "bazel-bin").strip() + "/plugin.so"
        self.assertEqual(
            self.run_target("with_plugin", plugin), ["memalloc"] * 2
        )

    def test_its_test_passes_and_can_fail(self):
        self.bazel("test", "//:server_test")
        with self.assertRaisesRegex(AssertionError, "FAILED"):
            self.bazel("test", "//:server_test", "--define=memalloc=off")


if __name__ == "__main__":
    unittest.main(verbosity=2)
