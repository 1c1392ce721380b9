"""Runs one program of this folder on libc's malloc and on memalloc.

The same source is linked four times: on libc and on memalloc, dynamic and
fully static. The libc build's standard output is the reference; the memalloc
builds must print the same bytes, must say on standard error that malloc and
the embedded library's own blocks are memalloc's and that the heap is
consistent, and must leave a statistics line that shows the work was done on
memalloc's heap. libc's malloc must be absent from the static link. The static
libc build is the control that keeps that last check honest: the symbols looked
for must be there.

Programs and their arguments come from BUILD; "{scratch}" in an argument stands
for a fresh folder, one for each run. Run by the py_tests of BUILD.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import unittest

# Functions and data of glibc's malloc.o that nothing else defines.
LIBC_MALLOC_SYMBOLS = {"main_arena", "_int_malloc", "_int_free", "sysmalloc"}

CONFIG = argparse.Namespace()


def run_program(program, environment=None):
    """Returns the finished process of `program` with the configured args."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [program]
        command += [a.replace("{scratch}", scratch) for a in CONFIG.arguments]
        result = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
            check=False,
        )
    if result.returncode != 0:
        raise AssertionError(
            f"{command} ended with {result.returncode}:\n{result.stderr}"
        )
    return result


def libc_malloc_symbols(program):
    """Which of LIBC_MALLOC_SYMBOLS the linked file contains."""
    listing = subprocess.run(
        ["nm", program], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    names = {line.split()[-1] for line in listing.splitlines()}
    return LIBC_MALLOC_SYMBOLS & names


def needs_interpreter(program):
    """Whether the ELF file asks for a dynamic loader."""
    headers = subprocess.run(
        ["readelf", "--program-headers", "--wide", program],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return "INTERP" in headers


class ProgramTest(unittest.TestCase):
    """One program, four links; the libc run is made once."""

    @classmethod
    def setUpClass(cls):
        cls.reference = run_program(CONFIG.libc)

    def check_on_memalloc(self, program):
        with tempfile.TemporaryDirectory() as folder:
            stats = os.path.join(folder, "stats")
            result = run_program(program, {"MEMALLOC_STATS_FILE": stats})
            self.assertEqual(result.stdout, self.reference.stdout)
            self.assertEqual(
                result.stderr, "allocator: memalloc, heap consistent\n"
            )
            with open(stats, encoding="utf-8") as file:
                lines = file.read().splitlines()
        self.assertEqual(len(lines), 1, lines)
        fields = dict(field.split("=", 1) for field in lines[0].split(" "))
        self.assertEqual(fields["program"], os.path.basename(program))
        # Both programs hold several megabytes at their peak.
        self.assertGreater(int(fields["peak_bytes"]), 2**22, lines[0])

    def test_reference_ran_on_libc(self):
        self.assertEqual(self.reference.stderr, "allocator: libc\n")
        self.assertGreater(len(self.reference.stdout.splitlines()), 5)

    def test_dynamic(self):
        self.assertTrue(needs_interpreter(CONFIG.memalloc))
        self.check_on_memalloc(CONFIG.memalloc)

    def test_static(self):
        self.assertFalse(needs_interpreter(CONFIG.memalloc_static))
        self.check_on_memalloc(CONFIG.memalloc_static)

    def test_static_link_leaves_out_libc_malloc(self):
        self.assertEqual(libc_malloc_symbols(CONFIG.memalloc_static), set())

    def test_control_static_link_on_libc_has_its_malloc(self):
        self.assertEqual(
            libc_malloc_symbols(CONFIG.libc_static), LIBC_MALLOC_SYMBOLS
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--libc", required=True)
    parser.add_argument("--libc_static", required=True)
    parser.add_argument("--memalloc", required=True)
    parser.add_argument("--memalloc_static", required=True)
    parser.add_argument("arguments", nargs="*")
    parser.parse_args(namespace=CONFIG)
    unittest.main(argv=sys.argv[:1], verbosity=2)


if __name__ == "__main__":
    main()
