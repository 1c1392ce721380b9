"""A program in each way that memalloc comes into it: tests of ways.bzl.

Such a test ends in `ways.main()`, as Bazel tells it where the programs and
memalloc.so are. Its cases are marked by `@ways.each_way`.
"""

import argparse
import functools
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SECONDS = 120

# How the program is linked, and which of `files` is preloaded.
WAYS = {
    "linked": ("linked", None),
    "static": ("static", None),
    "preloaded": ("plain", "library"),
}
# What the flags of the test name.
files = argparse.Namespace()
# By name, then by how it is linked.
_programs = {}


def path_of(way, program=None):
    """The file of the program, of the first one if none is named."""
    return _programs[program or next(iter(_programs))][WAYS[way][0]]


def preload_of(way):
    """The library; None if nothing is preloaded."""
    _, library = WAYS[way]
    return library and getattr(files, library)


def environment(way, preload=None, **options):
    """What to run the program with; the options are those of memalloc."""
    variables = {
        f"MEMALLOC_{name}": str(value) for name, value in options.items()
    }
    preloads = [path for path in (preload_of(way), preload) if path]
    if preloads:
        variables["LD_PRELOAD"] = ":".join(preloads)
    return variables


def each_way(test=None, *, but=()):
    """A case that is run in each way but some, and told which."""
    if test is None:
        return functools.partial(each_way, but=but)

    @functools.wraps(test)
    def run(self):
        for way in WAYS:
            if way in but:
                continue
            with self.subTest(way):
                self.new_folder()
                test(self, way)

    return run


class TestCase(unittest.TestCase):
    """Runs programs, and has an empty folder: another one in each way."""

    def setUp(self):
        self.new_folder()

    def new_folder(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def start(self, way, *arguments, program=None, **options):
        """The program as a process that reads and writes pipes. The options
        are those of `environment`."""
        process = subprocess.Popen(
            [path_of(way, program), *map(str, arguments)],
            env=environment(way, **options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for pipe in (process.stdin, process.stdout, process.stderr):
            self.addCleanup(pipe.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def finish(self, process, line=None, status=0):
        """Gives it the line; what it says on standard output and error."""
        output, errors = process.communicate(line, timeout=SECONDS)
        self.assertEqual(process.returncode, status, errors)
        return output, errors

    def run_program(self, way, *arguments, status=0, **options):
        """What it says on standard output and on standard error."""
        return self.finish(
            self.start(way, *arguments, **options), status=status
        )


def main(*flags):
    """Runs the tests, which want these files too."""
    parser = argparse.ArgumentParser()
    for flag in ("library", *flags):
        parser.add_argument(f"--{flag}", type=os.path.abspath, required=True)
    parser.add_argument("--hardened", type=os.path.abspath)
    parser.add_argument("programs", nargs="+", type=os.path.abspath)
    parser.parse_args(namespace=files)
    if files.hardened:
        WAYS["hardened"] = ("plain", "hardened")
    for path in files.programs:
        name, _, linked = Path(path).name.rpartition("_")
        _programs.setdefault(name, {})[linked] = path
    unittest.main(argv=sys.argv[:1], verbosity=2)
