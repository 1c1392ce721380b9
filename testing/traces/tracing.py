"""What the tests of traces share: programs that are traced, and what is read
of their traces."""

import collections
import json
import re
import subprocess

from testing.programs import ways

# See trace_program.cc.
ODD_SIZE = 1237
MARKER = 1236

Call = collections.namedtuple(
    "Call", "number thread kind pointer size alignment result"
)
_LINE = re.compile(
    r"(\d+) thread=(\d+) (\w+)(?: (0x\w+))?(?: size=(\d+))?"
    r"(?: alignment=(\d+))?(?: = (0x\w+)| (failed))?$"
)


def parse(line):
    """A call out of a line of `prepare --text`."""
    match = _LINE.match(line)
    number, thread, kind, pointer, size, alignment, result, _ = match.groups()
    return Call(
        int(number), int(thread), kind, pointer, int(size or 0),
        int(alignment or 0), result,
    )


class TracingTest(ways.TestCase):
    """A folder for traces, and programs to make them."""

    @property
    def trace(self):
        return self.folder / "trace"

    def start_traced(self, way, mode, trace=None):
        return self.start(way, mode, TRACE=trace or self.trace)

    def record(self, way, mode, status=0, trace=None):
        """Runs the program to its end; its output and its errors."""
        process = self.start_traced(way, mode, trace)
        return self.finish(process, status=status)

    def prepare(self, *arguments):
        return subprocess.run(
            [ways.files.prepare, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=ways.SECONDS,
            check=False,
        )

    def calls(self, trace=None):
        """All calls of the trace."""
        finished = self.prepare("--text", trace or self.trace)
        self.assertEqual(finished.returncode, 0, finished.stderr)
        self.assertEqual(finished.stderr, "")
        return [parse(line) for line in finished.stdout.splitlines()]

    def calls_of_main(self, trace=None):
        """Those behind the program's marker."""
        calls = self.calls(trace)
        marks = [i for i, call in enumerate(calls) if call.size == MARKER]
        self.assertEqual(len(marks), 1)
        self.assertEqual(calls[marks[0] + 1].pointer, calls[marks[0]].result)
        return calls[marks[0] + 2:]

    def own_calls(self, calls):
        """(kind, size beyond ODD_SIZE, alignment) of what the program did, and
        of frees of that; each free must be of what is there."""
        live, found = {}, []
        for call in calls:
            size = call.size
            if call.pointer:
                if call.pointer not in live:
                    continue
                size = size or live[call.pointer]
                if call.kind != "realloc" or call.result:
                    del live[call.pointer]
            elif size < ODD_SIZE:
                continue
            if call.result:
                self.assertNotIn(call.result, live)
                live[call.result] = size
            found.append((call.kind, size - ODD_SIZE, call.alignment))
        return found

    def plan(self, trace=None, *flags):
        """A plan of the trace, and what it says of itself."""
        plan = self.folder / "plan"
        finished = self.prepare(*flags, trace or self.trace, plan)
        self.assertEqual(finished.returncode, 0, finished.stderr)
        return plan, json.loads(finished.stdout)


def main():
    ways.main("player", "prepare")
