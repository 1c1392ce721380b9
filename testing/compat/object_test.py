"""memalloc_compat.so: its names, and what it needs.

Arguments: memalloc_compat.so.
"""

import subprocess
import sys
import unittest

OBJECT = None

NAMES = frozenset(
    """
    mallocx rallocx xallocx sallocx nallocx dallocx sdallocx
    mallctl mallctlnametomib mallctlbymib malloc_stats_print
    malloc_good_size memalloc_read_report
    """.split()
)


def output_of(*command):
    return subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def symbols(*flags):
    """{name: kind} of the dynamic symbols, without versions."""
    found = {}
    for line in output_of("nm", "--dynamic", *flags, OBJECT).splitlines():
        *_, kind, name = line.split()
        found[name.split("@")[0]] = kind
    return found


class ObjectTest(unittest.TestCase):
    def test_exports_names_of_other_allocators_only(self):
        defined = symbols("--defined-only")
        others = {n for n in defined if not n.startswith("MallocExtension_")}
        self.assertEqual(others, NAMES)
        self.assertGreater(len(defined), len(NAMES) + 15)

    def test_leaves_malloc_to_the_allocator(self):
        undefined = symbols("--undefined-only")
        self.assertEqual(undefined["malloc"], "U")
        # Any program runs with it, on memalloc or not.
        ours = {n: k for n, k in undefined.items() if n.startswith("memalloc_")}
        self.assertIn("memalloc_get_statistics", ours)
        self.assertEqual(set(ours.values()), {"w"})
        self.assertEqual(undefined["free_sized"], "w")

    def test_needs_libc_alone(self):
        needed = [
            line.split()[-1]
            for line in output_of("readelf", "-d", OBJECT).splitlines()
            if "(NEEDED)" in line
        ]
        self.assertTrue(needed)
        for library in needed:
            self.assertRegex(library, r"\[(libc\.so|ld-linux).*\]")


if __name__ == "__main__":
    OBJECT = sys.argv.pop()
    unittest.main(verbosity=2)
