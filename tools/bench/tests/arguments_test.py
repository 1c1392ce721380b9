"""Tests of which command lines are accepted, and what they ask for."""

import contextlib
import io
import unittest

from tools.bench import arguments
from tools.bench.driver.model import CURVES, EVENTS, WORKLOADS


class ArgumentsTest(unittest.TestCase):
    def refused(self, *args):
        """What the tool says of a command line that it does not take."""
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            with self.assertRaises(SystemExit):
                arguments.parse(list(args))
        return errors.getvalue()

    def test_parts(self):
        for args, parts in (
            ([], [WORKLOADS]),
            (["--events"], [EVENTS]),
            (["--curves", "live"], [CURVES]),
            (["--curves", "live", "--events"], [CURVES, EVENTS]),
            (["--publish"], [WORKLOADS, CURVES, EVENTS]),
        ):
            self.assertEqual(arguments.parse(args).parts, parts, args)

    def test_traces_are_measured_alone_or_with_others(self):
        for args, workloads in (
            (["--traces", "a.trace"], []),
            (["--traces", "a.trace", "--workloads", "larson"], ["larson"]),
            ([], ["all"]),
        ):
            self.assertEqual(arguments.parse(args).workloads, workloads, args)

    def test_publish_takes_all_curves(self):
        options = arguments.parse(["--publish"])
        self.assertEqual(options.curves, ["threads", "live"])

    def test_publish_takes_no_part_and_no_sketch(self):
        for args in (
            ["--workloads", "larson"],
            ["--curves", "live"],
            ["--scale", "0.1"],
        ):
            said = self.refused("--publish", *args)
            self.assertIn("leave out " + args[0], said)
        for flag in ("--smoke", "--no-pictures", "--cpu-time", "--events"):
            self.assertIn(flag, self.refused("--publish", flag))

    def test_publish_from_an_earlier_run(self):
        options = arguments.parse(["--publish", "--from", "folder"])
        self.assertTrue(options.publish)
        self.assertEqual(options.source, "folder")

    def test_an_earlier_run_is_not_smoked(self):
        self.assertIn("--smoke", self.refused("--from", "x", "--smoke"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
