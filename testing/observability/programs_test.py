"""Every report and tool of docs/observability.md, on real programs.

redis-server and python3, which are stripped, run below memalloc_run; SQLite is
linked into a fully static program, which memalloc's variables ask. FEATURES has
a row for each report: what asks for it, both ways, and what is to be in it. gdb
looks at each program as it ends.
"""

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple

from testing.debugging import debugger
from testing.leaks.leak_report import LeakReport
from testing.profile import pprof
from tools.heap_map import heap_map, snapshot
from tools.replay import replay

SECONDS = 120
files = argparse.Namespace()


class Program(NamedTuple):
    command: List[str]
    is_static: bool
    # Functions that allocate, and those that call them, as patterns.
    allocate: List[str]
    callers: List[str]


def programs():
    return {
        "redis": Program(
            # It is told on a socket what to do.
            ["redis-server", "--port", "0", "--unixsocket", "socket"]
            + ["--save", "", "--enable-debug-command", "local"],
            False,
            [r"zmalloc\w*"],
            ["debugCommand", "dictAddRaw", "main"],
        ),
        "python": Program(
            ["/usr/bin/python3", "-c", "x = [[i] * 99 for i in range(9999)]"],
            False,
            [r"PyObject_Malloc|_?PyMem_\w+|PyList_\w+"],
            ["Py_BytesMain"],
        ),
        "static_sqlite": Program(
            [files.sqlite, ":memory:", "5000"],
            True,
            ["sqlite3MemMalloc"],
            ["sqlite3VdbeExec", "main"],
        ),
    }


class Feature(NamedTuple):
    # The report's name in the folder; FILE below is its path.
    file: str
    flags: List[str]  # of memalloc_run
    options: Dict[str, str]  # of memalloc, that ask for the same
    check: Callable  # told the test, the program and the report's path
    more: Dict[str, str] = {}  # of memalloc, in both cases


def check_statistics(test, program, path):
    found = json.loads(path.read_text())
    test.assertEqual(found["program"], Path(program.command[0]).name)
    for kind in ("bytes", "resident"):
        test.assertEqual(
            found["total"][kind],
            sum(part[kind] for part in found["parts"].values()),
        )
    test.assertGreater(found["parts"]["live_cells"]["resident"], 1000)
    test.assertGreater(found["all"]["allocations"], 1000)


def check_profile(test, program, path):
    sample = "-sample_index=alloc_space"
    flat = pprof.run(path, "-top", sample, "-nodecount=9")
    for name in program.allocate:
        # With something in the column for the function itself.
        test.assertRegex(flat, rf"(?m)^ *[\d.]+[kM]?B .* ({name})\b")
    all_callers = pprof.run(path, "-top", sample, "-cum")
    for name in program.callers:
        test.assertRegex(all_callers, rf"\b{name}\b")


def check_guard(test, program, path):
    check_statistics(test, program, path)
    parts = json.loads(path.read_text())["parts"]
    test.assertGreater(parts["guarded"]["resident"], 0)


def check_heap_map(test, program, path):
    shot = snapshot.read(path)
    test.assertEqual(shot.head["program"], Path(program.command[0]).name)
    cells = sum(
        block.get("used", 0) for arena in shot.arenas for block in arena.blocks
    )
    test.assertGreater(cells, 10)
    page = path.with_suffix(".html")
    with contextlib.redirect_stdout(io.StringIO()):
        test.assertEqual(heap_map.main([str(path), "--out", str(page)]), 0)
    test.assertIn("</html>", page.read_text())


def check_leaks(test, _, path):
    report = LeakReport(path)
    test.assertGreater(report.reachable[1], 0)
    # Of the megabytes that they use.
    test.assertLess(report.lost[0], 10000, report.text[:3000])


def check_trace(test, _, path):
    output, errors = io.StringIO(), io.StringIO()
    arguments = [str(path), "--allocators", "memalloc", "libc"]
    arguments += ["--rounds=1", "--no-pictures"]
    arguments += ["--out", str(path.with_suffix(".replay"))]
    with contextlib.redirect_stdout(output):
        with contextlib.redirect_stderr(errors):
            status = replay.main(arguments)
    test.assertEqual(status, 0, errors.getvalue())
    test.assertRegex(output.getvalue(), r"(?m)^memalloc( +[\d.]+){5}$")
    test.assertRegex(output.getvalue(), r"(?m)^libc( +[\d.]+){5}$")


FEATURES = {
    "statistics": Feature(
        "of.json",
        ["--stats=json:FILE"],
        {"STATS": "FILE"},
        check_statistics,
    ),
    "profile": Feature(
        "of.pb.gz",
        ["--profile=FILE"],
        {"PROFILE": "FILE"},
        check_profile,
        {"SAMPLE_INTERVAL": "16K"},
    ),
    "guard": Feature(
        "guarded.json",
        ["--guard=100", "--stats=json:FILE"],
        {"GUARD_SAMPLE_RATE": "100", "STATS": "FILE"},
        check_guard,
    ),
    # The static program allocates so often that samples must do.
    "leaks": Feature(
        "leaks.txt",
        ["--leaks=exact:FILE"],
        {"LEAKS": "FILE", "SAMPLE_INTERVAL": "16K"},
        check_leaks,
    ),
    "heap_map": Feature(
        "of.map",
        ["--heap-map=FILE"],
        {"HEAP_MAP": "FILE"},
        check_heap_map,
    ),
    "trace": Feature(
        "of.trace",
        ["--trace=FILE"],
        {"TRACE": "FILE"},
        check_trace,
    ),
}


class ProgramsTest(unittest.TestCase):
    """The test cases are added by add_cases."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def start(self, command, options=None):
        environment = dict(os.environ)
        for name, value in (options or {}).items():
            environment[f"MEMALLOC_{name}"] = value
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.kill)
        return process

    def finish(self, program, process):
        """Has it work and end; what it says on standard output and error."""
        if program.command[0] == "redis-server":
            self.talk_to_redis(process)
        output, errors = process.communicate(timeout=SECONDS)
        self.assertEqual(process.returncode, 0, errors)
        return output, errors

    def talk_to_redis(self, process):
        socket = self.folder / "socket"
        end = time.monotonic() + SECONDS
        while not socket.exists():
            self.assertLess(time.monotonic(), end, "redis does not start")
            self.assertIsNone(process.poll())
            time.sleep(0.02)
        for command in ("debug populate 100000 key 100", "shutdown nosave"):
            subprocess.run(
                ["redis-cli", "-s", str(socket), *command.split()],
                stdout=subprocess.DEVNULL,
                timeout=SECONDS,
                check=True,
            )

    def check_feature(self, program, feature):
        path = self.folder / feature.file
        if program.is_static:
            command = program.command
            options = {**feature.options, **feature.more}
        else:
            command = [files.memalloc_run, *feature.flags, *program.command]
            options = feature.more
        process = self.start(
            [part.replace("FILE", str(path)) for part in command],
            {k: text.replace("FILE", str(path)) for k, text in options.items()},
        )
        _, errors = self.finish(program, process)
        self.assertNotIn("memalloc: ", errors)
        if not program.is_static:
            self.assertRegex(errors, rf"(?m)^memalloc_run: .* {path}\b")
        feature.check(self, program, path)

    def check_gdb(self, program):
        command = debugger.gdb_command(
            *("--args", *program.command),
            commands=[
                f"source {files.gdb_script}",
                "catch syscall exit_group",
                "run",
                "memalloc heap",
                "memalloc check",
                "kill",
            ],
            preload=None if program.is_static else files.library,
        )
        said, errors = self.finish(program, self.start(command))
        debugger.check_allowed(said + errors)
        self.assertRegex(said, r"(?m)^small: [\d.]+ [KM]iB live$", errors)
        self.assertRegex(said, r"\d+ huge blocks: sound\n", errors)


def add_cases():
    """A case for each feature of each program."""

    def add(name, check, *arguments):
        method = lambda self: check(self, *arguments)
        setattr(ProgramsTest, f"test_{name}", method)

    for name, program in programs().items():
        add(f"gdb_on_{name}", ProgramsTest.check_gdb, program)
        for what, feature in FEATURES.items():
            case = f"{what}_of_{name}"
            add(case, ProgramsTest.check_feature, program, feature)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("library", "memalloc_run", "gdb_script", "sqlite"):
        parser.add_argument(f"--{name}", type=os.path.abspath, required=True)
    _, rest = parser.parse_known_args(namespace=files)
    add_cases()
    unittest.main(argv=sys.argv[:1] + rest, verbosity=2)


if __name__ == "__main__":
    main()
