"""Traces replayed: under libc's malloc and ours, whole and damaged."""

import json
import os
import subprocess
import unittest

from testing.traces import tracing

CHUNK = 1 << 16
HEADER = 64


class ReplayTest(tracing.TracingTest):
    def play(self, plan, library="", window=1000):
        environment = {"LD_PRELOAD": library} if library else {}
        finished = subprocess.run(
            [tracing.path_of("PLAYER"), str(plan), str(window)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=tracing.SECONDS,
            check=False,
        )
        self.assertEqual(finished.returncode, 0, finished.stderr)
        return json.loads(finished.stdout)

    def check_replay(self, mode, window):
        self.record("static", mode)
        plan, summary = self.plan()
        self.assertEqual(summary["unknown_pointers"], 0)
        for library in ("", tracing.path_of("LIBRARY")):
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
            [tracing.path_of("PLAYER"), plan, "100"],
            timeout=tracing.SECONDS,
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


if __name__ == "__main__":
    unittest.main(verbosity=2)
