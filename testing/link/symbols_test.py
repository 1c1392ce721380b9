"""Reads what the built library and memalloc.so define, export and need.

Weak definitions would link without a word and leave libc's malloc in use; a
name that is missing brings libc's malloc.o into a static link; one too many in
memalloc.so takes the place of a program's own function. A preload object must
not need libraries that the program does not have, must not be unloaded while
its memory is in use, and must not allocate in order to find its thread-local
data.

The archives, the shared object, and docs/compatibility.md, which lists all of
it, come from BUILD.
"""

import argparse
import collections
import re
import sys
import unittest
from pathlib import Path

import symbol_set


class ArchiveTest(unittest.TestCase):
    """What a program gets from //memalloc."""

    archives = ()

    def definitions(self):
        """All that the archives define for others, as (name, type)."""
        return [
            symbol
            for archive in self.archives
            for symbol in symbol_set.symbols(
                archive, "--defined-only", "--extern-only"
            )
        ]

    def test_each_name_is_defined_once_and_strongly(self):
        kinds = collections.defaultdict(list)
        for name, kind in self.definitions():
            kinds[name].append(kind)
        for name in sorted(symbol_set.INTERPOSED):
            with self.subTest(name):
                self.assertEqual(kinds[name], ["T"])

    def test_other_names_are_memallocs(self):
        names = {name for name, kind in self.definitions() if kind not in "VW"}
        others = {
            name
            for name in names - symbol_set.INTERPOSED
            if not name.startswith("memalloc_")
            # Names in namespace memalloc, and in its unnamed namespace.
            and not re.match(r"_Z(TV|TS|TI|GV)?NK?8memalloc", name)
        }
        self.assertIn("memalloc_owns", names)
        self.assertEqual(others, set())

    def test_needs_no_dynamic_thread_local_storage(self):
        for archive in self.archives:
            undefined = dict(symbol_set.symbols(archive, "--undefined-only"))
            self.assertNotIn("__tls_get_addr", undefined)


class ObjectTest(unittest.TestCase):
    """Test cases that read memalloc.so."""

    preload_object = ""

    @classmethod
    def setUpClass(cls):
        cls.dynamic = symbol_set.dynamic_section(cls.preload_object)
        cls.defined = dict(
            symbol_set.symbols(
                cls.preload_object, "--dynamic", "--defined-only", "-g"
            )
        )
        cls.undefined = dict(
            symbol_set.symbols(
                cls.preload_object, "--dynamic", "--undefined-only"
            )
        )


class PreloadObjectTest(ObjectTest):
    """What a program gets from LD_PRELOAD=memalloc.so."""

    def flags(self, wanted):
        return " ".join(value for tag, value in self.dynamic if tag == wanted)

    def test_exports_the_set_strongly(self):
        for name in sorted(symbol_set.INTERPOSED):
            with self.subTest(name):
                self.assertEqual(self.defined.get(name), "T")

    def test_exports_nothing_else(self):
        others = self.defined.keys() - symbol_set.INTERPOSED
        self.assertIn("memalloc_owns", others)
        self.assertEqual(
            {name for name in others if not name.startswith("memalloc_")},
            set(),
        )

    def test_is_never_unloaded(self):
        self.assertIn("NODELETE", self.flags("FLAGS_1"))

    def test_binds_nothing_later(self):
        """A symbol bound at its first call may be bound inside malloc."""
        self.assertIn("NOW", self.flags("FLAGS_1"))

    def test_code_is_shared(self):
        self.assertNotIn("TEXTREL", [tag for tag, _ in self.dynamic])

    def test_thread_local_storage_is_initial_exec(self):
        self.assertIn("STATIC_TLS", self.flags("FLAGS"))
        self.assertNotIn("__tls_get_addr", self.undefined)
        relocations = symbol_set.output_of(
            "readelf", "--relocs", "--wide", self.preload_object
        )
        # The models that call the loader: general dynamic and descriptors.
        self.assertNotRegex(relocations, r"DTPMOD|DTPREL|TLSDESC")

    def test_thread_local_storage_is_small(self):
        """All objects loaded later share about 1.5 KiB of static TLS."""
        headers = symbol_set.output_of(
            "readelf", "--program-headers", "--wide", self.preload_object
        )
        sizes = re.findall(
            r"^ *TLS +\S+ +\S+ +\S+ +\S+ +(0x[0-9a-f]+) ", headers, re.M
        )
        self.assertEqual(len(sizes), 1, headers)
        self.assertLessEqual(int(sizes[0], 16), 128)

    def test_needs_libc_alone(self):
        needed = [value for tag, value in self.dynamic if tag == "NEEDED"]
        self.assertEqual(len(needed), len(set(needed)))
        self.assertTrue(needed)
        for library in needed:
            self.assertRegex(library, r"\[(libc\.so|ld-linux).*\]")

    def test_takes_from_the_program_only_what_may_be_missing(self):
        """libstdc++ is in C++ programs only: its names must be weak."""
        path = symbol_set.output_of("g++", "-print-file-name=libc.so.6")
        in_libc = {
            name.split("@")[0]
            for name, _ in symbol_set.symbols(
                path.strip(), "--dynamic", "--defined-only"
            )
        }
        self.assertIn("memcpy", in_libc)
        missing = {
            name
            for name, kind in self.undefined.items()
            if kind == "U" and name.split("@")[0] not in in_libc
        }
        self.assertEqual(missing, set())


class DocumentTest(ObjectTest):
    """What docs/compatibility.md says of memalloc.so."""

    document = ""

    def text(self):
        return Path(self.document).read_text(encoding="utf-8")

    def test_lists_the_names(self):
        table = re.search(
            r"<!-- names -->(.*)<!-- /names -->", self.text(), re.DOTALL
        )
        names = re.findall(r"`(\w+)`", table[1])
        exported = {
            name for name in self.defined if not name.startswith("memalloc_")
        }
        self.assertEqual(sorted(names), sorted(exported))
        self.assertIn(f"\n{len(names)} names of libc", self.text())

    def test_tells_the_oldest_libc(self):
        wanted = re.findall(r"@GLIBC_2\.(\d+)", " ".join(self.undefined))
        self.assertIn(
            f"needs glibc 2.{max(map(int, wanted))} or newer", self.text()
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archives", nargs="+", required=True)
    parser.add_argument("--preload_object", required=True)
    parser.add_argument("--document", required=True)
    arguments = parser.parse_args()
    ArchiveTest.archives = arguments.archives
    ObjectTest.preload_object = arguments.preload_object
    DocumentTest.document = arguments.document
    unittest.main(argv=sys.argv[:1], verbosity=2)


if __name__ == "__main__":
    main()
