"""What a program lost is told, and what it still has is not.

Each way to run the program: linked with memalloc, fully static, and preloaded,
also with the hardened build. Every allocation is recorded where a test does not
say otherwise.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from testing.leaks.leak_report import LeakReport

SECONDS = 120
LIBRARY = None
# By name: the program, and what is preloaded.
WAYS = {}

SMALL = 64
LARGE = 1 << 20
HUGE = 24 << 20
NOTHING = (0, 0)
# By step: the function, and what is lost directly and indirectly.
LOST = {
    "small": ("LoseSmall", (100 * SMALL, 100), NOTHING),
    "large": ("LoseLarge", (LARGE, 1), NOTHING),
    "huge": ("LoseHuge", (HUGE, 1), NOTHING),
    "zeroed": ("LoseZeroed", (2 * SMALL, 1), NOTHING),
    "aligned": ("LoseAligned", (4096, 1), NOTHING),
    "resized": ("LoseResized", (LARGE, 1), NOTHING),
    "list": ("LoseList", (SMALL, 1), (9 * SMALL, 9)),
    "cycle": ("LoseCycle", (SMALL, 1), (SMALL, 1)),
    "hidden": ("LoseHidden", (SMALL, 1), NOTHING),
    "in_thread": ("LoseInThread", (100 * SMALL, 100), NOTHING),
}
KEPT = {
    "global": ("KeepGlobal", (LARGE, 1)),
    "interior": ("KeepInterior", (SMALL, 1)),
    "chain": ("KeepChain", (100 * SMALL, 100)),
    "tls": ("KeepTls", (SMALL, 1)),
    "page": ("KeepInPage", (SMALL, 1)),
    "thread_stack": ("KeepOnThreadsStack", (SMALL, 1)),
    "thread_tls": ("KeepInThreadsTls", (SMALL, 1)),
}


class LeaksTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.file = self.folder / "leaks.txt"

    def each_way(self, *, but=()):
        for way in WAYS:
            if way not in but:
                with self.subTest(way):
                    yield way

    def command(self, way, steps, variables, preload=None):
        program, library = WAYS[way]
        options = {"LEAKS": self.file, "SAMPLE_INTERVAL": 1, **variables}
        environment = {
            f"MEMALLOC_{name}": str(value) for name, value in options.items()
        }
        preloads = [path for path in (library, preload) if path]
        if preloads:
            environment["LD_PRELOAD"] = ":".join(preloads)
        return {"args": [program, *steps], "env": environment}

    def run_program(self, way, *steps, preload=None, status=0, **variables):
        """What the program prints; the report is in self.file."""
        self.file.unlink(missing_ok=True)
        process = subprocess.run(
            **self.command(way, steps, variables, preload),
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        self.assertEqual(process.returncode, status, process.stderr)
        self.assertEqual(process.stderr, "")
        return process.stdout

    def report(self, way, *steps, **arguments):
        self.run_program(way, *steps, **arguments)
        return LeakReport(self.file)

    def check(self, report, steps):
        """That just what these steps lose is told."""
        for step in steps:
            function, direct, indirect = LOST[step]
            with self.subTest(step):
                self.assertEqual(report.of(function), direct)
                self.assertEqual(report.of(function, "Indirect"), indirect)
        sums = [
            tuple(map(sum, zip(*LOST[step][1:]))) for step in steps
        ] or [NOTHING]
        self.assertEqual(report.lost, tuple(map(sum, zip(*sums))))

    # The sizes of the hardened build's cells are others.

    def test_lost(self):
        for way in self.each_way(but=["hardened"]):
            report = self.report(way, *LOST, "free")
            self.assertIn("every allocation is recorded", report.text)
            self.check(report, LOST)

    def test_lost_in_the_hardened_build(self):
        report = self.report("hardened", *LOST, "free")
        for function, direct, indirect in LOST.values():
            for kind, lost in ("Direct", direct), ("Indirect", indirect):
                with self.subTest(function=function, kind=kind):
                    self.assertEqual(report.of(function, kind)[1], lost[1])

    def test_sorted_by_size(self):
        for way in self.each_way():
            report = self.report(way, *LOST)
            kinds = [kind for kind, *_ in report.groups]
            self.assertEqual(kinds, sorted(kinds))
            for kind in set(kinds):
                sizes = [size for k, size, *_ in report.groups if k == kind]
                self.assertEqual(sizes, sorted(sizes, reverse=True))

    def test_kept(self):
        for way in self.each_way():
            report = self.report(way, *KEPT, LEAKS_REACHABLE=1)
            self.assertEqual(report.lost, NOTHING, report.text)
            for function, kept in KEPT.values():
                found = report.of(function, "Still")
                self.assertEqual(found[1], kept[1], function)
                self.assertGreaterEqual(found[0], kept[0], function)

    def test_reachable_is_only_counted(self):
        for way in self.each_way(but=["hardened"]):
            report = self.report(way, "chain", "large")
            self.assertEqual(report.of("KeepChain", "Still"), NOTHING)
            self.assertGreaterEqual(report.reachable, (100 * SMALL, 100))
            self.check(report, ["large"])

    def test_beside_threads(self):
        for way in self.each_way(but=["hardened"]):
            report = self.report(way, "small", "list", "thread_stack")
            self.check(report, ["small", "list"])

    def test_in_a_library(self):
        for way in self.each_way(but=["static"]):  # it has no libraries
            report = self.report(way, "library", preload=LIBRARY)
            self.assertEqual(report.of("Leak")[1], 1)
            self.assertIn(os.path.realpath(LIBRARY), report.text)

    def test_estimates(self):
        for way in self.each_way(but=["hardened"]):
            steps = ("huge", "chain", "page")
            report = self.report(way, *steps, SAMPLE_INTERVAL="512K")
            self.assertIn("one in 524288 bytes", report.text)
            self.check(report, ["huge"])
            report = self.report(way, *steps, SAMPLE_INTERVAL="")
            self.assertIn("one in 524288 bytes", report.text)
            self.check(report, ["huge"])

    def test_at_a_call(self):
        for way in self.each_way(but=["hardened"]):
            first = self.folder / f"{way}.first"
            report = self.report(
                way, "small", f"write:{first}", "large", "thread_tls"
            )
            self.check(LeakReport(first), ["small"])
            self.check(report, ["small", "large"])

    def test_recorded_from_a_call_on(self):
        for way in self.each_way(but=["hardened"]):
            report = self.report(
                *(way, "large", "set:sample_interval:1", "huge"),
                SAMPLE_INTERVAL="64T",
            )
            self.check(report, ["huge"])

    def test_at_a_signal(self):
        for way in self.each_way(but=["hardened"]):
            ready = self.folder / f"{way}.ready"
            steps = ("small", f"make:{ready}", "wait")
            self.file.unlink(missing_ok=True)
            variables = {"REPORT_SIGNAL": int(signal.SIGUSR2)}
            with subprocess.Popen(
                **self.command(way, steps, variables)
            ) as process:
                try:
                    self.wait_for(ready)
                    process.send_signal(signal.SIGUSR2)
                    self.wait_for(self.file)
                finally:
                    process.kill()
            self.check(LeakReport(self.file), ["small"])

    def wait_for(self, path):
        end = time.monotonic() + SECONDS
        while not path.exists():
            self.assertLess(time.monotonic(), end, f"no {path}")
            time.sleep(0.02)

    def test_of_parent_and_child(self):
        for way in self.each_way(but=["hardened"]):
            self.run_program(
                *(way, "small", "fork", "large"),
                LEAKS=self.folder / f"{way}.%p.fork",
            )
            reports = sorted(
                map(LeakReport, self.folder.glob(f"{way}.*.fork")),
                key=lambda report: report.lost,
            )
            self.check(reports[0], ["small"])
            self.check(reports[1], ["small", "large"])

    def test_suppressed(self):
        file = self.folder / "suppressions"
        for way in self.each_way(but=["hardened"]):
            file.write_text("# known\nleak:^Lose*st$\nleak:NoSuchFunction\n")
            variables = {"LEAK_SUPPRESSIONS": file}
            report = self.report(way, "list", "large", **variables)
            self.check(report, ["large"])
            self.assertIn(
                "Suppressions used:\n  640 byte(s) in 10 allocation(s): "
                "leak:^Lose*st$\n\n",
                report.text,
            )
            file.write_text(f"leak:/{Path(WAYS[way][0]).name}$\n")
            report = self.report(way, "list", "large", **variables)
            self.check(report, [])
            file.write_text("all of it\n")
            report = self.report(way, "large", **variables)
            self.check(report, ["large"])
            self.assertIn("line 1 of", report.text)
            file.unlink()
            report = self.report(way, "large", **variables)
            self.check(report, ["large"])
            self.assertIn("is not there, or empty", report.text)

    def test_exit_status(self):
        for way in self.each_way():
            # Unchanged, unless it is asked for and there is a leak.
            for steps, code, status in (
                (["large"], "0", 0),
                (["global"], "23", 0),
                (["large"], "23", 23),
            ):
                text = self.run_program(
                    *(way, *steps, "text:not flushed"),
                    LEAK_EXIT_CODE=code,
                    status=status,
                )
                self.assertEqual(text, "not flushed")

    def test_only_if_asked_for(self):
        for way in self.each_way():
            self.run_program(way, "large", LEAKS="", LEAK_EXIT_CODE=23)
            self.assertFalse(self.file.exists())


if __name__ == "__main__":
    memalloc, hardened, LIBRARY, *programs = map(os.path.abspath, sys.argv[1:])
    for path in programs:
        is_plain = Path(path).name == "plain"
        WAYS[Path(path).name] = (path, memalloc if is_plain else None)
        if is_plain:
            WAYS["hardened"] = (path, hardened)
    unittest.main(argv=sys.argv[:1], verbosity=2)
