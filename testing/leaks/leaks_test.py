"""What a program lost is told, and what it still has is not.

Each way to run the program: linked with memalloc, fully static, and preloaded,
also with the hardened build. Every allocation is recorded where a test does not
say otherwise.
"""

import os
import signal
import time
from pathlib import Path

from testing.leaks.leak_report import LeakReport
from testing.programs import ways

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
    "shared": ("KeepInSharedPage", (SMALL, 1)),
    "thread_stack": ("KeepOnThreadsStack", (SMALL, 1)),
    "thread_tls": ("KeepInThreadsTls", (SMALL, 1)),
}


class LeaksTest(ways.TestCase):
    @property
    def file(self):
        return self.folder / "leaks.txt"

    def start_steps(self, way, *steps, **variables):
        options = {"LEAKS": self.file, "SAMPLE_INTERVAL": 1, **variables}
        return self.start(way, *steps, **options)

    def run_steps(self, way, *steps, status=0, **variables):
        """What the program prints; the report is in self.file."""
        self.file.unlink(missing_ok=True)
        process = self.start_steps(way, *steps, **variables)
        output, errors = self.finish(process, status=status)
        self.assertEqual(errors, "")
        return output

    def report(self, way, *steps, **arguments):
        self.run_steps(way, *steps, **arguments)
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

    @ways.each_way(but=["hardened"])
    def test_lost(self, way):
        report = self.report(way, *LOST, "free")
        self.assertIn("every allocation is recorded", report.text)
        self.check(report, LOST)

    def test_lost_in_the_hardened_build(self):
        report = self.report("hardened", *LOST, "free")
        for function, direct, indirect in LOST.values():
            for kind, lost in ("Direct", direct), ("Indirect", indirect):
                with self.subTest(function=function, kind=kind):
                    self.assertEqual(report.of(function, kind)[1], lost[1])

    @ways.each_way
    def test_held_by_what_was_freed(self, way):
        report = self.report(way, "in_freed")
        self.assertEqual(report.of("LoseInFreed")[1], 1)

    @ways.each_way
    def test_sorted_by_size(self, way):
        report = self.report(way, *LOST)
        kinds = [kind for kind, *_ in report.groups]
        self.assertEqual(kinds, sorted(kinds))
        for kind in set(kinds):
            sizes = [size for k, size, *_ in report.groups if k == kind]
            self.assertEqual(sizes, sorted(sizes, reverse=True))

    @ways.each_way
    def test_kept(self, way):
        report = self.report(way, *KEPT, LEAKS_REACHABLE=1)
        self.assertEqual(report.lost, NOTHING, report.text)
        for function, kept in KEPT.values():
            found = report.of(function, "Still")
            self.assertEqual(found[1], kept[1], function)
            self.assertGreaterEqual(found[0], kept[0], function)

    @ways.each_way(but=["hardened"])
    def test_reachable_is_only_counted(self, way):
        report = self.report(way, "chain", "large")
        self.assertEqual(report.of("KeepChain", "Still"), NOTHING)
        self.assertGreaterEqual(report.reachable, (100 * SMALL, 100))
        self.check(report, ["large"])

    @ways.each_way(but=["hardened"])
    def test_beside_threads(self, way):
        report = self.report(way, "small", "list", "thread_stack")
        self.check(report, ["small", "list"])

    # A static program has no libraries.
    @ways.each_way(but=["static"])
    def test_in_a_library(self, way):
        library = ways.files.shared_object
        report = self.report(way, "library", preload=library)
        self.assertEqual(report.of("Leak")[1], 1)
        self.assertIn(os.path.realpath(library), report.text)

    @ways.each_way(but=["hardened"])
    def test_estimates(self, way):
        steps = ("huge", "chain", "page")
        report = self.report(way, *steps, SAMPLE_INTERVAL="512K")
        self.assertIn("one in 524288 bytes", report.text)
        self.check(report, ["huge"])
        report = self.report(way, *steps, SAMPLE_INTERVAL="")
        self.assertIn("one in 524288 bytes", report.text)
        self.check(report, ["huge"])

    @ways.each_way(but=["hardened"])
    def test_at_a_call(self, way):
        first = self.folder / "first"
        report = self.report(
            way, "small", f"write:{first}", "large", "thread_tls"
        )
        self.check(LeakReport(first), ["small"])
        self.check(report, ["small", "large"])

    @ways.each_way(but=["hardened"])
    def test_on_a_small_stack(self, way):
        first = self.folder / "first"
        # What is called first is bound then, which takes more stack.
        steps = ("small", f"write:{first}", f"small_stack:{first}")
        self.run_steps(way, *steps)
        self.check(LeakReport(first), ["small"])

    @ways.each_way(but=["hardened"])
    def test_recorded_from_a_call_on(self, way):
        report = self.report(
            *(way, "large", "set:sample_interval:1", "huge"),
            SAMPLE_INTERVAL="64T",
        )
        self.check(report, ["huge"])

    @ways.each_way(but=["hardened"])
    def test_at_a_signal(self, way):
        ready = self.folder / "ready"
        steps = ("small", f"make:{ready}", "wait")
        process = self.start_steps(
            way, *steps, REPORT_SIGNAL=int(signal.SIGUSR2)
        )
        self.wait_for(ready)
        process.send_signal(signal.SIGUSR2)
        self.wait_for(self.file)
        self.check(LeakReport(self.file), ["small"])

    def wait_for(self, path):
        end = time.monotonic() + ways.SECONDS
        while not path.exists():
            self.assertLess(time.monotonic(), end, f"no {path}")
            time.sleep(0.02)

    @ways.each_way(but=["hardened"])
    def test_of_parent_and_child(self, way):
        self.run_steps(
            *(way, "small", "shared", "fork", "large"),
            LEAKS=self.folder / "%p.fork",
        )
        reports = sorted(
            map(LeakReport, self.folder.glob("*.fork")),
            key=lambda report: report.lost,
        )
        self.check(reports[0], ["small"])
        self.check(reports[1], ["small", "large"])

    @ways.each_way(but=["hardened"])
    def test_suppressed(self, way):
        file = self.folder / "suppressions"
        file.write_text("# known\nleak:^Lose*st$\nleak:NoSuchFunction\n")
        variables = {"LEAK_SUPPRESSIONS": file}
        report = self.report(way, "list", "large", **variables)
        self.check(report, ["large"])
        self.assertIn(
            "Suppressions used:\n  640 byte(s) in 10 allocation(s): "
            "leak:^Lose*st$\n\n",
            report.text,
        )
        file.write_text(f"leak:/{Path(ways.path_of(way)).name}$\n")
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

    @ways.each_way
    def test_exit_status(self, way):
        # Unchanged, unless it is asked for and there is a leak.
        for steps, code, status in (
            (["large"], "0", 0),
            (["global"], "23", 0),
            (["large"], "23", 23),
        ):
            text = self.run_steps(
                *(way, *steps, "text:not flushed"),
                LEAK_EXIT_CODE=code,
                status=status,
            )
            self.assertEqual(text, "not flushed")

    @ways.each_way
    def test_only_if_asked_for(self, way):
        self.run_steps(way, "large", LEAKS="", LEAK_EXIT_CODE=23)
        self.assertFalse(self.file.exists())


if __name__ == "__main__":
    ways.main("shared_object")
