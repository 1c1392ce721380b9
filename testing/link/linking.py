"""Compiles and links the programs of this folder in all the ways there are.

A way is a compiler, a linker, a mode (static, static-pie, pie, no-pie) and
options that go to compiler and linker. Objects are kept, because many ways
share them. A way that does not link is tried again with the control program,
which uses nothing of memalloc: if that fails as well the toolchain is at fault
and the test is skipped with its message, otherwise memalloc is.

Used by link_matrix_test.py and lto_test.py, one process each; all files go to
a scratch folder of the process.
"""

import collections
import os
import re
import shutil
import subprocess
import unittest

import symbol_set

COMPILERS = {"gcc": ("gcc", "g++"), "clang": ("clang", "clang++")}
LINKERS = ("bfd", "gold", "lld")
LTO = {"gcc": ("-flto",), "clang": ("-flto=thin",)}
MODES = ("static", "static-pie", "pie", "no-pie")

LANGUAGE_OPTIONS = {
    ".c": ["-std=c11", "-D_GNU_SOURCE"],
    ".cc": ["-std=c++17", "-fsized-deallocation"],
}
WARNINGS = ["-Wall", "-Wextra", "-Werror"]

# `options` is a tuple of those for both compiler and linker, -flto and the
# like; `link_options` are the linker's alone.
Way = collections.namedtuple(
    "Way", "compiler linker mode options link_options", defaults=((), ())
)


class LinkFailure(Exception):
    """The linker failed; the message is what it said."""


def run(command, **options):
    return subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        **options,
    )


def is_static(way):
    return way.mode.startswith("static")


class Workshop:
    """Makes objects and programs in `folder`; the sources are under cwd."""

    def __init__(self, folder):
        self.folder = folder
        self._objects = {}

    def compile(self, source, compiler, options):
        """Returns the object, compiling it if this is the first time."""
        key = (source, compiler, tuple(options))
        if key not in self._objects:
            target = os.path.join(self.folder, f"{len(self._objects)}.o")
            is_c = source.endswith(".c")
            command = [COMPILERS[compiler][0 if is_c else 1], "-c", source]
            command += LANGUAGE_OPTIONS[".c" if is_c else ".cc"]
            command += ["-O2", "-I.", *WARNINGS, *options, "-o", target]
            result = run(command)
            if result.returncode != 0:
                raise AssertionError(f"{command}:\n{result.stderr}")
            self._objects[key] = target
        return self._objects[key]

    def shared_library(self, source, compiler):
        """Returns a shared library made of one source."""
        made = os.path.join(self.folder, "library.so")
        compiled = self.compile(source, compiler, ["-fPIC"])
        driver = COMPILERS[compiler][0]
        result = run([driver, "-shared", compiled, "-o", made])
        if result.returncode != 0:
            raise AssertionError(result.stderr)
        return made

    def link(self, way, sources, library):
        """Returns (program, text of the linker's map); or LinkFailure."""
        pie = "-fPIE" if way.mode in ("pie", "static-pie") else "-fno-pie"
        options = [pie, "-ffunction-sections", *way.options]
        objects = [self.compile(s, way.compiler, options) for s in sources]
        program = os.path.join(self.folder, "program")
        link_map = os.path.join(self.folder, "map")
        command = [COMPILERS[way.compiler][1], "-O2", *objects, *library]
        command += [f"-fuse-ld={way.linker}", f"-{way.mode}", "-pthread"]
        command += [*way.options, *way.link_options]
        command += [f"-Wl,-Map={link_map}", "-o", program]
        result = run(command)
        if result.returncode != 0:
            raise LinkFailure(f"{' '.join(command)}:\n{result.stderr}")
        with open(link_map, encoding="utf-8", errors="replace") as file:
            return program, file.read()


class LinkTestCase(unittest.TestCase):
    """Checks of one program on memalloc. Subclasses set workshop and others."""

    workshop = None
    all_names = ()
    control = ()

    def link_or_skip(self, way, library):
        """Links all_names, or skips when not even the control links."""
        for tool in (COMPILERS[way.compiler][1], f"ld.{way.linker}"):
            if shutil.which(tool) is None:
                self.skipTest(f"{tool} is not installed")
        try:
            return self.workshop.link(way, self.all_names, library)
        except LinkFailure as failure:
            message = str(failure)
        try:
            self.workshop.link(way, self.control, [])
        except LinkFailure as failure:
            self.skipTest(f"no program links in this way: {failure}")
        self.fail(message)

    def check_on_memalloc(self, way, program, link_map):
        """The program runs, on memalloc, and so do its shared libraries."""
        result = run([program])
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertRegex(result.stdout, r"\Aok: \d+ blocks are memalloc's\n\Z")

        self.check_libc_malloc_is_absent(program, link_map)
        if not is_static(way):
            exported = symbol_set.strong_functions(program, "--dynamic")
            wanted = symbol_set.INTERPOSED & symbol_set.offered_by_libraries()
            self.assertIn("malloc", wanted)
            self.assertIn("_Znwm", wanted)
            self.assertEqual(wanted - exported, set())

    def check_libc_malloc_is_absent(self, program, link_map):
        self.assertFalse(has_libc_malloc(link_map), "libc.a(malloc.o) is in")
        names = {name for name, _ in symbol_set.symbols(program)}
        self.assertEqual(names & symbol_set.LIBC_MALLOC_INTERNALS, set())


def has_libc_malloc(link_map):
    """Whether the linker's map names libc's malloc.o."""
    return re.search(r"libc\.a\(malloc\.o\)", link_map) is not None
