"""Compiles the library itself in other ways than Bazel does, and links it.

With link-time optimisation the compiler sees malloc's definition and all its
callers at once: it must not take libc's malloc for granted, drop the
definitions that only libc.a or shared libraries call, or bring libc's malloc.o
in late. Compiled by clang the library must do what it does when compiled by
gcc. The program is all_names.cc, compiled alike, static and PIE.

The sources and their options come from BUILD's memalloc_sources. One test case
a way; skipped, saying so, where this toolchain cannot link any program so.
"""

import argparse
import json
import sys
import tempfile
import unittest

import linking

# Name of the way: compiler, linker, options of compiler and linker.
WAYS = {
    "gcc_bfd_lto": ("gcc", "bfd", linking.LTO["gcc"]),
    "gcc_gold_lto": ("gcc", "gold", linking.LTO["gcc"]),
    "clang_lld_lto": ("clang", "lld", linking.LTO["clang"]),
    "clang_lld_full_lto": ("clang", "lld", ("-flto=full",)),
    "clang_lld": ("clang", "lld", ()),
}


class LtoTest(linking.LinkTestCase):
    """The test cases are added by add_ways."""

    compilations = ()

    def check_way(self, way):
        library = [
            self.workshop.compile(
                item["source"],
                way.compiler,
                ["-fPIE", *item["options"], *way.options],
            )
            for item in self.compilations
        ]
        program, link_map = self.link_or_skip(way, library)
        self.check_on_memalloc(way, program, link_map)


def add_ways():
    """Gives LtoTest a method for each way, static and not."""

    def add(name, way):
        method = lambda self: self.check_way(way)
        setattr(LtoTest, f"test_{name}", method)

    for name, (compiler, linker, options) in WAYS.items():
        for mode in ("static", "pie"):
            way = linking.Way(compiler, linker, mode, options)
            add(f"{name}_{mode}", way)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all_names", nargs="+", required=True)
    parser.add_argument("--control", nargs="+", required=True)
    parser.add_argument("--sources", required=True)
    arguments = parser.parse_args(namespace=LtoTest)
    with open(arguments.sources, encoding="utf-8") as file:
        LtoTest.compilations = json.load(file)
    add_ways()
    with tempfile.TemporaryDirectory() as folder:
        LtoTest.workshop = linking.Workshop(folder)
        unittest.main(argv=sys.argv[:1], verbosity=2)


if __name__ == "__main__":
    main()
