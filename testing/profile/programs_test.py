"""Profiles of real programs name the functions that allocate.

redis-server and python3 are stripped and preloaded with memalloc; SQLite is
linked into a fully static program.
"""

import os
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from testing.profile import pprof

SECONDS = 120
LIBRARY = None
SQLITE = None


class ProgramsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.file = self.folder / "of.pb.gz"

    def start(self, *command, preload=True):
        environment = dict(os.environ)
        environment["MEMALLOC_PROFILE"] = str(self.file)
        environment["MEMALLOC_SAMPLE_INTERVAL"] = "16K"
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

    def finish(self, process):
        _, errors = process.communicate(timeout=SECONDS)
        self.assertEqual(process.returncode, 0, errors)

    def top(self, *options):
        return pprof.run(self.file, "-top", *options)

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
        for command in ("debug populate 100000 key 100", "shutdown nosave"):
            subprocess.run(
                ["redis-cli", "-s", str(socket), *command.split()],
                stdout=subprocess.DEVNULL,
                timeout=SECONDS,
                check=True,
            )
        self.finish(server)
        text = self.top("-cum")
        for function in ("zmalloc", "debugCommand", "dictAddRaw", "main"):
            self.assertRegex(text, rf"\b{function}\b")

    def test_python(self):
        self.finish(
            self.start(
                "/usr/bin/python3", "-c", "x = [[i] * 100 for i in range(9999)]"
            )
        )
        text = self.top("-sample_index=alloc_space", "-cum")
        self.assertRegex(text, r"\bPyObject_Malloc\b|\b_?PyMem_|\bPyList_")
        self.assertRegex(text, r"\bPy_BytesMain\b")

    def test_static_sqlite(self):
        self.finish(self.start(SQLITE, ":memory:", preload=False))
        text = self.top("-sample_index=alloc_space", "-cum")
        for function in ("sqlite3MemMalloc", "sqlite3VdbeExec", "main"):
            self.assertRegex(text, rf"\b{function}\b")


if __name__ == "__main__":
    LIBRARY, SQLITE = map(os.path.abspath, sys.argv[1:])
    unittest.main(argv=sys.argv[:1], verbosity=2)
