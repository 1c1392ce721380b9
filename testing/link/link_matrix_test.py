"""Links all_names.cc with the library in every way that users do.

Compilers gcc and clang, linkers bfd, gold and lld, modes static, static-pie,
PIE and non-PIE; each with the whole archive (what alwayslink does), with the
plain archive and --gc-sections, and with link-time optimisation of the
program. Each program must run and find that all memory is memalloc's, must
define all the names itself, and must hand those that its shared libraries call
on to them; a static one must not contain libc's malloc.o.

The archives come from BUILD's memalloc_archives. One test case a way; a way
that this toolchain cannot link for any program is skipped and says so.
"""

import argparse
import itertools
import shutil
import sys
import tempfile
import unittest

import linking
import symbol_set


class LinkMatrixTest(linking.LinkTestCase):
    """The test cases are added by add_ways."""

    archives = ()
    one_name = ()
    c23_library = ""
    c23_program = ()

    def library(self, whole):
        if whole:
            return [
                "-Wl,--whole-archive",
                *self.archives,
                "-Wl,--no-whole-archive",
            ]
        # A weak reference alone takes no member out of an archive.
        return [
            "-Wl,-u,memalloc_owns",
            "-Wl,--start-group",
            *self.archives,
            "-Wl,--end-group",
        ]

    def check_way(self, way, whole):
        program, link_map = self.link_or_skip(way, self.library(whole))
        self.check_on_memalloc(way, program, link_map)
        # References to hidden symbols in libc.a make some definitions local.
        kinds = "Tt" if linking.is_static(way) else "T"
        names = symbol_set.symbols(program)
        defined = {name for name, kind in names if kind in kinds}
        self.assertEqual(symbol_set.INTERPOSED - defined, set())

    def test_one_name_is_enough(self):
        """Whichever name a program uses, it gets all of the allocator.

        libc's malloc.o comes in whole for any of its names, and with it
        functions that are defined already; or it serves unnoticed.
        """
        for name in sorted(symbol_set.INTERPOSED):
            with self.subTest(name):
                way = linking.Way(
                    "gcc", "bfd", "static", link_options=(f"-Wl,-u,{name}",)
                )
                plain = ["-Wl,--start-group", *self.archives, "-Wl,--end-group"]
                program, link_map = self.workshop.link(
                    way, self.one_name, plain
                )
                self.check_libc_malloc_is_absent(program, link_map)
                self.assertEqual(
                    linking.run([program]).stdout, "allocated inside libc\n"
                )

    def check_names_that_libc_lacks(self, linker):
        """They reach libraries that are loaded later if the link says so."""
        if shutil.which(f"ld.{linker}") is None:
            self.skipTest(f"ld.{linker} is not installed")
        library = self.workshop.shared_library(self.c23_library, "gcc")
        way = linking.Way("gcc", linker, "pie")
        export = ("-Wl,--export-dynamic-symbol=free_sized",)
        offered = symbol_set.offered_by_libraries()
        for options, expected in (
            ((), "freed" if "free_sized" in offered else "undefined symbol"),
            (export, "freed"),
        ):
            program, _ = self.workshop.link(
                way._replace(link_options=options),
                self.c23_program,
                self.library(whole=True) + ["-ldl"],
            )
            result = linking.run([program, library])
            self.assertIn(expected, result.stdout)

    def check_control(self, linker):
        """A link that has libc's malloc.o must be recognised as one."""
        way = linking.Way("gcc", linker, "static")
        program, link_map = self.workshop.link(way, self.control, [])
        self.assertTrue(linking.has_libc_malloc(link_map))
        with self.assertRaises(AssertionError):
            self.check_libc_malloc_is_absent(program, "")
        self.assertEqual(linking.run([program]).returncode, 0)

    def test_c_program(self):
        """Objects of C; on libc the same program must say so."""
        way = linking.Way("gcc", "bfd", "static")
        for library, allocator in (
            ([], "libc"),
            (self.library(whole=False), "memalloc"),
            (self.library(whole=True), "memalloc"),
        ):
            program, _ = self.workshop.link(way, self.c_program, library)
            self.assertEqual(linking.run([program]).stdout, f"{allocator}\n")


def add_ways():
    """Gives LinkMatrixTest a method for each way and each control."""

    def add(name, check, *arguments):
        method = lambda self: check(self, *arguments)
        setattr(LinkMatrixTest, f"test_{name}".replace("-", "_"), method)

    for linker in linking.LINKERS:
        add(f"control_{linker}", LinkMatrixTest.check_control, linker)
        add(
            f"names_that_libc_lacks_{linker}",
            LinkMatrixTest.check_names_that_libc_lacks,
            linker,
        )
    check = LinkMatrixTest.check_way
    for compiler, linker, mode in itertools.product(
        linking.COMPILERS, linking.LINKERS, linking.MODES
    ):
        if linker == "gold" and mode == "static-pie":
            continue  # gold has no --no-dynamic-linker.
        name = f"{compiler}_{linker}_{mode}"
        way = linking.Way(compiler, linker, mode)
        collect = way._replace(link_options=("-Wl,--gc-sections",))
        add(f"{name}_whole_archive", check, way, True)
        add(f"{name}_gc_sections", check, collect, False)
        if compiler == "gcc" and linker == "lld":
            continue  # lld does not read gcc's intermediate code.
        optimise = collect._replace(options=linking.LTO[compiler])
        add(f"{name}_lto", check, optimise, True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all_names", nargs="+", required=True)
    parser.add_argument("--control", nargs="+", required=True)
    parser.add_argument("--c_program", nargs="+", required=True)
    parser.add_argument("--one_name", nargs="+", required=True)
    parser.add_argument("--c23_library", required=True)
    parser.add_argument("--c23_program", nargs="+", required=True)
    parser.add_argument("--archives", nargs="+", required=True)
    parser.parse_args(namespace=LinkMatrixTest)
    add_ways()
    with tempfile.TemporaryDirectory() as folder:
        LinkMatrixTest.workshop = linking.Workshop(folder)
        unittest.main(argv=sys.argv[:1], verbosity=2)


if __name__ == "__main__":
    main()
