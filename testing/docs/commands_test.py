"""Runs the commands that the documents show.

Each block that names no test runs as a script of bash, in a folder of its own,
which has what the commands speak of: the tree's files, programs of users such
as ./app, and a stand-in for tools/bazel. Absolute paths (/tmp, /usr/local/lib,
/path/to) lead into that folder.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from testing.docs import commands

ROOT = Path("WORKSPACE").resolve().parent
SECONDS = 300
OPTIONS = None

# Paths of users' machines, and where they are in the folder.
PLACES = {
    "/tmp": "tmp",
    "/usr/local/lib": "lib",
    "/path/to": "path",
}
USERS_PROGRAMS = ("app", "job", "program", "server", "service")
PROGRAM = "#include <stdlib.h>\nint main() { free(malloc(1)); }\n"
FILES = {
    "app.cc": PROGRAM,
    "server.cc": PROGRAM,
    "big.txt": "b\na\n",
    "script.pl": "print 1\n",
    "script.py": "print(1)\n",
}
# Of the tree, as they are.
LINKS = ("tools/gdb", "tools/replay")


class Folder:
    """Where a block runs."""

    def __init__(self, path):
        self.path = path
        for name, text in FILES.items():
            (path / name).write_text(text, encoding="utf-8")
        for name in set(PLACES.values()):
            (path / name).mkdir()
        for name in USERS_PROGRAMS:
            self._link(name, OPTIONS.app)
        for name in LINKS:
            self._link(name, ROOT / name)
        self._link("tools/bazel", ROOT / "testing/docs/bazel_stand_in.py")
        for built in OPTIONS.built:
            self._link(f"bazel-bin/{built}", built)
        for name in ("lib", "path"):
            shutil.copyfile(OPTIONS.memalloc, path / name / "memalloc.so")

    def _link(self, name, target):
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).symlink_to(Path(target).absolute())

    def run(self, script):
        """Runs it; (exit status, what it printed)."""
        for place, name in PLACES.items():
            script = script.replace(place, f"{self.path}/{name}")
        programs = []
        for program in OPTIONS.program:
            # A script has its source among its files.
            label, _, paths = program.partition("=")
            path = next(p for p in paths.split() if not p.endswith(".py"))
            programs.append(f"{label}={Path(path).absolute()}")
        with subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.path,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.path),
                "LANG": "C.UTF-8",
                "COMMANDS_PROGRAMS": "\n".join(programs),
                "COMMANDS_BAZELRC": str(ROOT / ".bazelrc"),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return "it hangs", process.communicate()[0]
        return process.returncode, output


class CommandsTest(unittest.TestCase):
    def run_block(self, text):
        folder = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
        self.addCleanup(shutil.rmtree, folder)
        return Folder(Path(folder)).run(text)

    def test_every_block_can_be_run(self):
        # What is shown more than once is run once.
        blocks = {block.commands(): block for block in commands.to_run(ROOT)}
        self.assertGreater(len(blocks), 20)
        for script, block in blocks.items():
            with self.subTest(block.place()):
                status, output = self.run_block(script)
                self.assertEqual(status, 0, f"{block.text}\n{output}")

    def test_a_command_that_nobody_tries_fails(self):
        for text in (
            "tools/bazel run //tools:nothing -- a",
            "tools/bazel test --config=none //testing/...",
            "tools/bazel test --tset_output=all //testing/...",
            "tools/bazel tset //...",
            "false\ntrue",
            "no_such_program | cat",
        ):
            with self.subTest(text):
                self.assertNotEqual(self.run_block(text)[0], 0)


def main():
    global OPTIONS
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--app", required=True)
    parser.add_argument("--memalloc", required=True)
    parser.add_argument("--built", nargs="+", required=True)
    parser.add_argument("--program", action="append", metavar="LABEL=PATHS")
    OPTIONS = parser.parse_args()
    unittest.main(argv=sys.argv[:1], verbosity=2)


if __name__ == "__main__":
    main()
