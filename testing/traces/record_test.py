"""Traces of whole programs: every kind of call, threads, forks and untimely
ends."""

import signal
import struct

from testing.programs import ways
from testing.traces import tracing
from testing.traces.tracing import ODD_SIZE

HAS_ENDED = struct.Struct("<I")
HAS_ENDED_AT = 28


class RecordTest(tracing.TracingTest):
    def check_ended(self, expected, trace=None):
        """Whether the trace says that the process ended by exit."""
        data = (trace or self.trace).read_bytes()
        (found,) = HAS_ENDED.unpack_from(data, HAS_ENDED_AT)
        self.assertEqual(found, int(expected))

    @ways.each_way
    def test_every_kind_of_call(self, way):
        large, huge, moved = 200000, 20 << 20, 30 << 20
        _, errors = self.record(way, "kinds")
        self.assertEqual(errors, "")
        self.assertEqual(self.trace.stat().st_mode & 0o777, 0o600)
        self.check_ended(True)
        calls = self.calls_of_main()
        # The one that fails is looked at below.
        found = [c for c in self.own_calls(calls) if c[1] < 1 << 40]
        expected = [
            ("malloc", 1, 0), ("realloc", 2, 0), ("free", 2, 0),
            ("calloc", 3, 0), ("free", 3, 0),
            ("aligned", 4, 4096), ("free", 4, 0),
            ("aligned", 5, 64), ("free", 5, 0),
            ("aligned", 6, 128), ("free", 6, 0),
            ("malloc", 7, 0), ("sized_free", 7, 0),
            ("aligned", 8, 256), ("free", 8, 0),
            ("malloc", 9, 0), ("free", 9, 0),
            ("malloc", 9, 0), ("free", 9, 0),
            ("malloc", large, 0), ("free", large, 0),
            ("malloc", huge, 0), ("realloc", moved, 0),
            ("free", moved, 0),
        ]
        self.assertEqual(found, expected)
        failed = [c for c in calls if c.size > 1 << 60]
        self.assertEqual([c.kind for c in failed], ["malloc"])
        self.assertIsNone(failed[0].result)

    @ways.each_way
    def test_threads_hand_blocks_over(self, way):
        self.record(way, "threads")
        calls = self.calls_of_main()
        numbers = [call.number for call in calls]
        self.assertEqual(numbers, sorted(set(numbers)))
        made = {}
        for call in calls:
            if call.kind == "malloc" and call.size >= ODD_SIZE:
                made[call.result] = call
            elif call.kind == "free" and call.pointer in made:
                # The next thread's, or the first one's at the end.
                before = made.pop(call.pointer)
                self.assertNotEqual(before.thread, call.thread)
        self.assertEqual(made, {})
        self.assertEqual(len({c.thread for c in calls}), 11)
        # Each thread's chunk served the next one.
        self.assertLessEqual(self.trace.stat().st_size, 5 << 16)

    @ways.each_way
    def test_threads_at_once(self, way):
        self.record(way, "crowd")
        # That no address is had twice is looked at in there.
        calls = self.own_calls(self.calls_of_main())
        self.assertEqual(
            sum(call[0] == "malloc" and call[1] < 300 for call in calls),
            4 * 8000,
        )
        _, summary = self.plan()
        self.assertEqual(summary["lost_ends"], 0)

    @ways.each_way
    def test_a_forked_child_has_its_own(self, way):
        output, _ = self.record(way, "fork")
        child = self.folder / ("trace." + output.strip())
        self.assertEqual(
            self.own_calls(self.calls_of_main()),
            [("malloc", 1, 0), ("malloc", 3, 0), ("free", 3, 0),
             ("free", 1, 0)],
        )
        self.assertEqual(
            self.own_calls(self.calls(child)),
            [("malloc", 2, 0), ("free", 2, 0)],
        )
        self.check_ended(True, child)

    @ways.each_way
    def test_percent_p_is_the_process(self, way):
        output, _ = self.record(way, "fork", trace=self.folder / "of.%p")
        names = sorted(path.name for path in self.folder.iterdir())
        self.assertEqual(len(names), 2)
        self.assertIn("of." + output.strip(), names)

    def test_no_file_is_overwritten(self):
        self.trace.write_text("precious")
        self.record("static", "kinds")
        self.assertEqual(self.trace.read_text(), "precious")
        self.assertEqual(len(list(self.folder.iterdir())), 2)

    @ways.each_way
    def test_a_crash(self, way):
        self.record(way, "crash", -signal.SIGSEGV)
        self.check_ended(False)
        self.assertEqual(
            self.own_calls(self.calls_of_main()),
            [("malloc", 1, 0), ("malloc", 2, 0), ("free", 2, 0)],
        )

    @ways.each_way
    def test_the_call_that_ends_the_process_is_there(self, way):
        _, errors = self.record(way, "double_free", -signal.SIGABRT)
        self.assertIn("double free", errors)
        calls = self.calls()
        self.assertEqual([c.kind for c in calls[-2:]], ["free", "free"])
        self.assertEqual(calls[-1].pointer, calls[-2].pointer)

    @ways.each_way
    def test_kill_9(self, way):
        process = self.start_traced(way, "wait")
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.kill()
        process.wait(timeout=ways.SECONDS)
        self.check_ended(False)
        calls = self.own_calls(self.calls_of_main())
        self.assertEqual(
            calls.count(("malloc", 1, 0)), 300 + 1, "the last one as well"
        )
        self.assertEqual(len(calls), 60001)

    @ways.each_way
    def test_no_descriptor_is_needed(self, way):
        self.record(way, "close")
        calls = self.own_calls(self.calls_of_main())
        self.assertEqual(calls[-1], ("malloc", 2, 0))

    @ways.each_way
    def test_a_program_goes_on_without_its_trace(self, way):
        missing = self.folder / "none" / "trace"
        _, errors = self.record(way, "kinds", trace=missing)
        self.assertEqual(
            errors,
            f"memalloc: cannot write trace to {missing}: error 2; see "
            "docs/errors.md#cannot-write\n",
        )
        _, errors = self.record(way, "kinds", trace="stderr")
        self.assertIn("MEMALLOC_TRACE=stderr: wants an abs", errors)


if __name__ == "__main__":
    tracing.main()
