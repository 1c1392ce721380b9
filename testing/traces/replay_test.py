"""Traces replayed: under libc's malloc and ours, whole and damaged."""

import contextlib
import gzip
import io
import json
import subprocess
from pathlib import Path

from testing.programs import ways
from testing.traces import tracing
from tools.bench import interpreter
from tools.bench.driver import traces
from tools.bench.driver.model import Allocator
from tools.replay import replay

CHUNK = 1 << 16
HEADER = 64


class ReplayTest(tracing.TracingTest):
    def play(self, plan, library="", window=1000):
        environment = {"LD_PRELOAD": library} if library else {}
        finished = subprocess.run(
            [ways.files.player, str(plan), str(window)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=ways.SECONDS,
            check=False,
        )
        self.assertEqual(finished.returncode, 0, finished.stderr)
        return json.loads(finished.stdout)

    def check_replay(self, mode, window):
        self.record("static", mode)
        plan, summary = self.plan()
        self.assertEqual(summary["unknown_pointers"], 0)
        for library in ("", ways.files.library):
            played = self.play(plan, library, window)
            self.assertEqual(played["calls"], summary["calls"])
            self.assertIn(
                "memalloc.so" if library else "libc.so", played["malloc_from"]
            )
            self.assertEqual(
                len(played["rss_kib"]), len(summary["live_bytes"])
            )
        return summary

    def test_every_kind_of_call(self):
        summary = self.check_replay("kinds", 1000)
        self.assertTrue(all(summary["calls"]), "each was replayed")
        self.assertEqual(summary["failed"], 1)
        self.assertGreater(summary["peak_live_bytes"], 30 << 20)

    def test_threads_in_exact_order(self):
        summary = self.check_replay("threads", 0)
        self.assertEqual(summary["threads"], 11)

    def test_threads_at_once(self):
        self.assertEqual(self.check_replay("crowd", 1000)["threads"], 5)

    def test_memory_follows_what_is_alive(self):
        self.record("static", "kinds")
        plan, summary = self.plan(None, "--samples=100000")
        played = self.play(plan)
        live = summary["live_bytes"]
        top = live.index(max(live))
        self.assertGreater(played["rss_kib"][top], (25 << 20) / 1024)
        self.assertGreater(played["peak_rss_kib"], (25 << 20) / 1024)
        self.assertLess(played["final_rss_kib"], (5 << 20) / 1024)


class DamagedTraceTest(tracing.TracingTest):
    def setUp(self):
        super().setUp()
        self.record("static", "crowd")
        self.data = bytearray(self.trace.read_bytes())
        self.assertGreater(len(self.data), 6 * CHUNK)

    def refuse(self, expected, *flags):
        self.trace.write_bytes(self.data)
        finished = self.prepare(*flags, self.trace, self.folder / "plan")
        self.assertEqual(finished.returncode, 2)
        self.assertEqual(finished.stdout, "")
        self.assertEqual(finished.stderr.count("\n"), 1)
        self.assertIn(f"{self.trace}: ", finished.stderr)
        self.assertIn(expected, finished.stderr)

    def leave_out(self, *expected):
        """What is left of the trace can be replayed."""
        self.trace.write_bytes(self.data)
        plan = self.folder / "plan"
        finished = self.prepare("--skip_damaged", self.trace, plan)
        self.assertEqual(finished.returncode, 0, finished.stderr)
        for line in expected:
            self.assertIn("left out: " + line, finished.stderr)
        self.assertEqual(finished.stderr.count("\n"), len(expected))
        played = subprocess.run(
            [ways.files.player, plan, "100"],
            timeout=ways.SECONDS,
            capture_output=True,
            check=False,
        )
        self.assertEqual(played.returncode, 0, played.stderr)

    def test_no_trace(self):
        for self.data in (b"", b"ELF", bytes(CHUNK), b"memalloc trace"):
            self.refuse("this is no trace of memalloc")

    def test_another_version(self):
        self.data[16] = 77
        self.refuse("this trace has version 77 of the format")

    def test_no_file(self):
        finished = self.prepare(self.folder / "none", self.folder / "plan")
        self.assertEqual(finished.returncode, 2)
        self.assertIn("cannot be read", finished.stderr)

    def test_cut_off(self):
        del self.data[4 * CHUNK + 1000:]
        self.refuse("chunk 4 is damaged: the file ends in it")
        self.leave_out("chunk 4 is damaged: the file ends in it")

    def test_a_missing_end(self):
        del self.data[5 * CHUNK:]
        self.refuse("chunk 5 is damaged: the file ends in it")

    def test_another_beginning(self):
        self.data[3 * CHUNK] ^= 1
        self.refuse("chunk 3 is damaged: it does not begin as chunks do")

    def test_too_long(self):
        self.data[3 * CHUNK + 24 + 2] = 1
        self.refuse("chunk 3 is damaged: it claims to hold ")

    def test_overwritten_records(self):
        for byte in (0x00, 0x55, 0xff):
            here = 2 * CHUNK + HEADER
            self.data[here + 100:here + 500] = bytes([byte]) * 400
            self.trace.write_bytes(self.data)
            finished = self.prepare(
                "--skip_damaged", self.trace, self.folder / "plan"
            )
            # Some damage makes sense as calls; none is fatal.
            self.assertEqual(finished.returncode, 0, finished.stderr)
        self.refuse("chunk 2 is damaged: its record ")
        self.leave_out("chunk 2 is damaged: its record ")


class ShippedTracesTest(tracing.TracingTest):
    """tools/replay/traces."""

    def test_they_are_whole_and_small(self):
        found = []
        for path in sorted(Path("tools/replay/traces").glob("*.trace.gz")):
            found.append(path.name.split(".")[0])
            self.assertLess(path.stat().st_size, 300 << 10)
            self.trace.write_bytes(gzip.decompress(path.read_bytes()))
            _, summary = self.plan()
            self.assertTrue(summary["has_ended"])
            self.assertGreater(sum(summary["calls"]), 100000)
            self.assertEqual(summary["unknown_pointers"], 0)
            self.assertEqual(summary["lost_ends"], 0)
        self.assertEqual(found, ["redis", "sqlite3"])


class ToolTest(tracing.TracingTest):
    """tools/bazel run //tools:replay."""

    def replay(self, *arguments):
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output):
            with contextlib.redirect_stderr(errors):
                status = replay.main([*map(str, arguments)])
        return status, output.getvalue(), errors.getvalue()

    def test_a_table_and_a_picture(self):
        self.record("static", "crowd")
        packed = self.folder / "crowd.trace.gz"
        packed.write_bytes(gzip.compress(self.trace.read_bytes()))
        arguments = [packed, "--allocators", "memalloc", "libc", "--rounds=1"]
        expected = ["memory.csv", "memory.png", "memory.svg"]
        if not interpreter.has_matplotlib():
            print("without pictures: " + interpreter.ADVICE)
            arguments.append("--no-pictures")
            expected = ["memory.csv"]
        out = self.folder / "out"
        status, output, errors = self.replay(*arguments, "--out", out)
        self.assertEqual(status, 0, errors)
        self.assertRegex(
            output,
            r"\Acrowd: \d+ calls of trace_static \(pid \d+\) in 5 threads: .*\n"
            r"live: .*\n"
            r" +seconds .*\n"
            r"memalloc( +[\d.]+){5}\n"
            r"libc( +[\d.]+){5}\n",
        )
        self.assertEqual(
            sorted(path.name for path in out.iterdir()), expected
        )
        rows = (out / "memory.csv").read_text().splitlines()
        self.assertEqual(rows[0], "live_bytes,memalloc_rss_kib,libc_rss_kib")
        self.assertGreater(len(rows), 200)

    def test_what_cannot_be_replayed(self):
        self.record("static", "kinds")
        data = self.trace.read_bytes()
        self.trace.write_bytes(data[:-100])
        status, output, errors = self.replay(self.trace, "--no-pictures")
        self.assertEqual((status, output), (2, ""))
        self.assertRegex(
            errors, r"\Areplay: /.*/trace: chunk 1 is damaged: .*\n\Z"
        )
        self.trace.write_bytes(gzip.compress(data)[:-100])
        status, _, errors = self.replay(self.trace, "--no-pictures")
        self.assertEqual(status, 2)
        self.assertIn("it cannot be read: ", errors)

    def test_bench_takes_traces(self):
        self.record("static", "kinds")
        traced = traces.Traces(
            ways.files.prepare, ways.files.player
        )
        traced.add(str(self.trace))
        (job,) = traced.jobs()
        self.assertEqual(job.name, "trace:trace")
        for allocator in (
            Allocator("libc"),
            Allocator("memalloc", preload=ways.files.library),
        ):
            run = traced.run(job, allocator, 1, ways.SECONDS)
            self.assertEqual(run.failure, "")
            self.assertGreater(run.ops, 20)
            self.assertGreater(run.peak_rss_kib, 1024)
        # A preload that is none is seen.
        run = traced.run(
            job, Allocator("none", preload="/none.so"), 1, ways.SECONDS
        )
        self.assertNotEqual(run.failure, "")


if __name__ == "__main__":
    interpreter.prefer_matplotlib()
    tracing.main()
