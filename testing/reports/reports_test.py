"""Reports of whole programs: linked, fully static, and preloaded."""

import os
import signal
import time

from testing.programs import ways


class ReportsTest(ways.TestCase):
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

    @ways.each_way
    def test_at_exit(self, way):
        process = self.start(way, STATS=self.folder / "of.%p")
        _, errors = self.finish(process)
        self.assertEqual(errors, "")
        ((name, text),) = self.files().items()
        self.assertEqual(name, f"of.{process.pid}")
        self.check_stats(text)
        _, errors = self.run_program(way, STATS="stderr")
        self.check_stats(errors)

    @ways.each_way
    def test_none_unless_asked_for(self, way):
        _, errors = self.run_program(way)
        self.assertEqual(errors, "")
        self.run_program(way, "_exit", STATS=self.folder / "stats")
        self.assertEqual(self.files(), {})

    @ways.each_way
    def test_of_parent_and_child(self, way):
        self.run_program(way, "fork", STATS=self.folder / "of.%p")
        self.assertEqual(len(self.files()), 2)

    @ways.each_way
    def test_by_a_call(self, way):
        output, _ = self.run_program(
            way,
            f"write:stats:{self.folder}/one",
            "fork",
            f"write:stats:{self.folder}/two",
            f"write:stats:{self.folder}/no/such/folder",
            "write:nothing:/tmp/x",
        )
        self.assertEqual(output, "stats: 0\nstats: 0\nstats: 2\nnothing: 2\n")
        files = self.files()
        self.assertEqual(sorted(files), ["one", "two"])
        self.check_stats(files["two"])

    @ways.each_way
    def test_at_a_signal(self, way):
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
        self.finish(process, "\n")
        self.assertEqual(list(self.files()), ["stats"], "at exit too")

    def wait_for_stats(self):
        path = self.folder / "stats"
        end = time.monotonic() + ways.SECONDS
        while not path.exists() or not path.read_text().endswith("\n"):
            self.assertLess(time.monotonic(), end, "no report")
            time.sleep(0.02)
        self.check_stats(self.files()["stats"])

    @ways.each_way
    def test_a_link_is_replaced_and_not_followed(self, way):
        victim = self.folder / "victim"
        victim.write_text("precious")
        path = self.folder / "stats"
        path.symlink_to(victim)
        self.run_program(way, STATS=path)
        self.assertEqual(victim.read_text(), "precious")
        self.assertFalse(path.is_symlink())

    @ways.each_way
    def test_a_pipe_without_a_reader_is_no_place_to_wait(self, way):
        path = self.folder / "pipe"
        os.mkfifo(path)
        _, errors = self.run_program(way, STATS=path)
        self.assertIn(f"cannot write stats to {path}: error 6", errors)

    @ways.each_way
    def test_standard_output_by_its_path(self, way):
        output, _ = self.run_program(way, STATS="/dev/stdout")
        self.check_stats(output)

    @ways.each_way
    def test_exit_in_a_handler_that_interrupted_malloc(self, way):
        stats = self.folder / "stats"
        for _ in range(10):
            # It succeeds, with a report or with a line about none.
            _, errors = self.run_program(way, "alarm", STATS=stats)
            if stats.exists():
                self.assertEqual(errors, "")
                stats.unlink()
            else:
                self.assertIn("exit was called inside of malloc", errors)

    @ways.each_way
    def test_a_file_that_cannot_be_written(self, way):
        path = self.folder / "no" / "folder"
        _, errors = self.run_program(way, STATS=path)
        self.assertEqual(
            errors,
            f"memalloc: cannot write stats to {path}: error 2; see "
            "docs/errors.md#cannot-write\n",
        )


if __name__ == "__main__":
    ways.main()
