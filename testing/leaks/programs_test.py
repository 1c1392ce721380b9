"""Leak reports of real programs are sane: they lose next to nothing.

redis-server and python3 are stripped and preloaded with memalloc; SQLite is
linked into a fully static program, which allocates so often that only samples
are taken. Of the others every allocation is recorded.
"""

import os
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from testing.leaks.leak_report import LeakReport

SECONDS = 200
LIBRARY = None
SQLITE = None


class ProgramsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.file = self.folder / "leaks.txt"

    def start(self, *command, preload=True, interval=1):
        environment = dict(os.environ)
        environment["MEMALLOC_LEAKS"] = str(self.file)
        environment["MEMALLOC_LEAKS_REACHABLE"] = "1"
        environment["MEMALLOC_SAMPLE_INTERVAL"] = str(interval)
        if preload:
            environment["LD_PRELOAD"] = LIBRARY
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.kill)
        return process

    def report(self, process):
        _, errors = process.communicate(timeout=SECONDS)
        self.assertEqual(process.returncode, 0, errors)
        return LeakReport(self.file)

    def test_redis(self):
        socket = self.folder / "socket"
        server = self.start(
            "redis-server",
            *("--port", "0", "--unixsocket", str(socket)),
            *("--save", "", "--enable-debug-command", "local"),
        )
        end = time.monotonic() + SECONDS
        while not socket.exists():
            self.assertLess(time.monotonic(), end, "redis does not start")
            self.assertIsNone(server.poll())
            time.sleep(0.02)
        for command in ("debug populate 10000 key 100", "shutdown nosave"):
            subprocess.run(
                ["redis-cli", "-s", str(socket), *command.split()],
                stdout=subprocess.DEVNULL,
                timeout=SECONDS,
                check=True,
            )
        report = self.report(server)
        self.assertGreater(report.of("debugCommand", "Still")[1], 20000)
        self.assertLess(report.lost[0], 1000, report.text[:3000])

    def test_python(self):
        report = self.report(
            self.start(
                "/usr/bin/python3",
                *("-c", "import json; print(json.dumps([1, 2, 3]))"),
            )
        )
        self.assertGreater(report.reachable[1], 10)
        self.assertLess(report.lost[0], 10000, report.text[:3000])

    def test_python_loses(self):
        code = (
            "import ctypes; libc = ctypes.CDLL(None)\n"
            "libc.malloc.restype = ctypes.c_size_t\n"
            "for i in range(50): libc.malloc(100000) and None\n"
        )
        report = self.report(self.start("/usr/bin/python3", "-c", code))
        self.assertGreaterEqual(report.lost[0], 45 * 100000)

    def test_static_sqlite(self):
        report = self.report(
            self.start(SQLITE, ":memory:", preload=False, interval=16384)
        )
        self.assertIn("one in 16384 bytes", report.text)
        self.assertLess(report.lost[0], 1000, report.text[:3000])


if __name__ == "__main__":
    LIBRARY, SQLITE = map(os.path.abspath, sys.argv[1:])
    unittest.main(argv=sys.argv[:1], verbosity=2)
