"""Reports of whole programs: linked, fully static, and preloaded."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

SECONDS = 60
LIBRARY = None
PROGRAMS = {}


class ReportsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def start(self, way, *arguments, **variables):
        environment = {
            f"MEMALLOC_{name}": str(value) for name, value in variables.items()
        }
        if way == "plain":
            environment["LD_PRELOAD"] = LIBRARY
        process = subprocess.Popen(
            [PROGRAMS[way], *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.kill)
        return process

    def run_program(self, way, *arguments, **variables):
        process = self.start(way, *arguments, **variables)
        output, errors = process.communicate(timeout=SECONDS)
        self.assertEqual(process.returncode, 0, errors)
        return process.pid, output, errors

    def each_way(self):
        for way in PROGRAMS:
            with self.subTest(way):
                yield way

    def files(self):
        """The reports in the folder, which is empty again afterwards."""
        found = {}
        for path in self.folder.iterdir():
            self.assertEqual(path.stat().st_mode & 0o777, 0o600)
            found[path.name] = path.read_text()
            path.unlink()
        return found

    def check_stats(self, text):
        self.assertRegex(text, r"\Amemalloc: \w+ \(pid \d+\): [\d.]+ \w+ ")
        self.assertRegex(text, r"resident\n\Z")

    def test_at_exit(self):
        for way in self.each_way():
            pid, _, errors = self.run_program(
                way, STATS=self.folder / "of.%p"
            )
            files = self.files()
            self.assertEqual(list(files), [f"of.{pid}"])
            self.check_stats(files[f"of.{pid}"])
            self.assertEqual(errors, "")
            _, _, errors = self.run_program(way, STATS="stderr")
            self.check_stats(errors)

    def test_none_unless_asked_for(self):
        for way in self.each_way():
            _, _, errors = self.run_program(way)
            self.assertEqual(errors, "")
            self.run_program(way, "_exit", STATS=self.folder / "stats")
            self.assertEqual(self.files(), {})

    def test_of_parent_and_child(self):
        for way in self.each_way():
            self.run_program(way, "fork", STATS=self.folder / "of.%p")
            self.assertEqual(len(self.files()), 2)

    def test_by_a_call(self):
        for way in self.each_way():
            _, output, _ = self.run_program(
                way,
                f"write:stats:{self.folder}/one",
                "fork",
                f"write:stats:{self.folder}/two",
                f"write:stats:{self.folder}/no/such/folder",
                "write:nothing:/tmp/x",
            )
            self.assertEqual(
                output, "stats: 0\nstats: 0\nstats: 2\nnothing: 2\n"
            )
            files = self.files()
            self.assertEqual(sorted(files), ["one", "two"])
            self.check_stats(files["two"])

    def test_at_a_signal(self):
        for way in self.each_way():
            process = self.start(
                way,
                "line",
                REPORT_SIGNAL=int(signal.SIGUSR2),
                STATS=self.folder / "stats",
            )
            self.assertEqual(process.stdout.readline(), "ready\n")
            for _ in range(2):
                process.send_signal(signal.SIGUSR2)
                self.wait_for_stats()
            process.communicate("\n", timeout=SECONDS)
            self.assertEqual(process.returncode, 0)
            self.assertEqual(list(self.files()), ["stats"], "at exit too")

    def wait_for_stats(self):
        path = self.folder / "stats"
        end = time.monotonic() + SECONDS
        while not path.exists() or not path.read_text().endswith("\n"):
            self.assertLess(time.monotonic(), end, "no report")
            time.sleep(0.02)
        self.check_stats(self.files()["stats"])

    def test_a_link_is_replaced_and_not_followed(self):
        for way in self.each_way():
            victim = self.folder / "victim"
            victim.write_text("precious")
            path = self.folder / "stats"
            path.symlink_to(victim)
            self.run_program(way, STATS=path)
            self.assertEqual(victim.read_text(), "precious")
            self.assertFalse(path.is_symlink())
            path.unlink()

    def test_a_pipe_without_a_reader_is_no_place_to_wait(self):
        for way in self.each_way():
            path = self.folder / "pipe"
            os.mkfifo(path)
            _, _, errors = self.run_program(way, STATS=path)
            self.assertIn(f"cannot write stats to {path}: error 6", errors)
            path.unlink()

    def test_standard_output_by_its_path(self):
        for way in self.each_way():
            _, output, _ = self.run_program(way, STATS="/dev/stdout")
            self.check_stats(output)

    def test_exit_in_a_handler_that_interrupted_malloc(self):
        for way in self.each_way():
            for _ in range(10):
                # It succeeds, with a report or with a line about none.
                _, _, errors = self.run_program(
                    way, "alarm", STATS=self.folder / "stats"
                )
                if self.files():
                    self.assertEqual(errors, "")
                else:
                    self.assertIn("exit was called inside of malloc", errors)

    def test_a_file_that_cannot_be_written(self):
        for way in self.each_way():
            path = self.folder / "no" / "folder"
            _, _, errors = self.run_program(way, STATS=path)
            self.assertEqual(
                errors,
                f"memalloc: cannot write stats to {path}: error 2; see "
                "docs/errors.md#cannot-write\n",
            )


if __name__ == "__main__":
    LIBRARY, *programs = map(os.path.abspath, sys.argv[1:])
    PROGRAMS = {Path(program).name: program for program in programs}
    unittest.main(argv=sys.argv[:1], verbosity=2)
