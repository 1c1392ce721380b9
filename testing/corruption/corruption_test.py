"""Each case of misuse: how it ends, and what it says, to the letter.

The program of this folder is run once for each case, linked with memalloc and
with memalloc.so preloaded. It prints the pointer that the line must name. On
libc it runs too: whatever happens there, it is not what memalloc does.
"""

import os
import signal
import subprocess
import sys
import unittest

LIBRARY = LINKED = PLAIN = ""

DOUBLE_FREE = ("double free", "double-free")
FREE_CELL = ("the cell is free", "double-free")
NO_ALLOCATION = ("no allocation stands here (freed before?)", "no-allocation")
FOREIGN = ("not a pointer from memalloc", "foreign-pointer")
INTERIOR = ("not the start of an allocation", "interior-pointer")
FREED_INTERIOR = (
    "not the start of an allocation, but it was freed",
    "interior-pointer",
)
OVERWRITTEN = (
    "a free cell was written to (its link is overwritten)",
    "write-after-free",
)
ALIGNMENT = ("not aligned as the call says", "size-mismatch")


def size(told, bytes_):
    what = "the size is %d, but the allocation has %d bytes" % (told, bytes_)
    return (what, "size-mismatch")


MIB = 1 << 20

# The case: the call that the line names, and what it says.
NOTICED = {
    "double_free": ("free", DOUBLE_FREE),
    "double_free_of_nothing": ("free", DOUBLE_FREE),
    "double_free_of_a_medium_cell": ("free", DOUBLE_FREE),
    "double_free_of_a_large_block": ("free", NO_ALLOCATION),
    "double_free_of_a_huge_block": ("free", NO_ALLOCATION),
    "double_free_of_an_unmapped_block": ("free", FOREIGN),
    "double_free_after_other_frees": ("free", DOUBLE_FREE),
    "double_free_in_the_bin": ("free", DOUBLE_FREE),
    "double_free_by_another_thread": ("free", DOUBLE_FREE),
    "double_free_after_another_thread": ("free", DOUBLE_FREE),
    "double_free_twice_by_another_thread": ("free", DOUBLE_FREE),
    "double_free_in_a_magazine": ("free", DOUBLE_FREE),
    "double_delete": ("free", DOUBLE_FREE),
    "free_after_realloc": ("free", DOUBLE_FREE),
    "realloc_after_free": ("realloc", FREE_CELL),
    "realloc_after_free_large": ("realloc", NO_ALLOCATION),
    "realloc_after_free_huge": ("realloc", NO_ALLOCATION),
    "usable_size_after_free": ("malloc_usable_size", FREE_CELL),
    "usable_size_after_free_large": ("malloc_usable_size", NO_ALLOCATION),
    "free_of_the_stack": ("free", FOREIGN),
    "free_of_a_global": ("free", FOREIGN),
    "free_of_a_literal": ("free", FOREIGN),
    "free_of_code": ("free", FOREIGN),
    "free_of_libcs_memory": ("free", FOREIGN),
    "free_of_libcs_mapping": ("free", FOREIGN),
    "free_of_an_unmapped_page": ("free", FOREIGN),
    "free_in_the_null_page": ("free", FOREIGN),
    "free_of_minus_one": ("free", FOREIGN),
    "free_non_canonical": ("free", FOREIGN),
    "free_in_the_kernels_half": ("free", FOREIGN),
    "delete_of_a_global": ("operator delete", FOREIGN),
    "realloc_of_a_global": ("realloc", FOREIGN),
    "realloc_non_canonical": ("realloc", FOREIGN),
    "usable_size_of_a_global": ("malloc_usable_size", FOREIGN),
    "foreign_in_all_calls": ("free", FOREIGN),
    "interior_of_a_large_block": ("free", INTERIOR),
    "interior_in_a_later_granule": ("free", NO_ALLOCATION),
    "interior_of_a_huge_block": ("free", INTERIOR),
    "interior_in_a_later_slot": ("free", INTERIOR),
    "interior_by_another_thread": ("free", INTERIOR),
    "misaligned_by_another_thread": ("free", INTERIOR),
    "misaligned_seen_later": ("malloc", FREED_INTERIOR),
    "interior_seen_later": ("malloc", FREED_INTERIOR),
    "realloc_of_interior": ("realloc", INTERIOR),
    "realloc_of_interior_large": ("realloc", INTERIOR),
    "usable_size_of_interior": ("malloc_usable_size", INTERIOR),
    "usable_size_of_misaligned": ("malloc_usable_size", INTERIOR),
    "usable_size_of_interior_large": ("malloc_usable_size", INTERIOR),
    "overwritten_in_the_bin": ("malloc", OVERWRITTEN),
    "overwritten_in_the_free_list": ("malloc", OVERWRITTEN),
    "overwritten_with_null": ("malloc", OVERWRITTEN),
    "overwritten_with_a_pointer": ("malloc", OVERWRITTEN),
    "overwritten_in_a_batch": ("malloc", OVERWRITTEN),
    "overwritten_behind_a_batch": ("malloc", OVERWRITTEN),
    "overwritten_in_a_magazine": ("malloc", OVERWRITTEN),
    "delete_of_a_base_class": ("operator delete", size(16, 64)),
    "delete_of_a_derived_class": ("operator delete", size(64, 16)),
    "delete_of_an_array": ("operator delete", size(16, 160)),
    "delete_of_a_large_block": ("operator delete", size(2 * MIB, MIB)),
    "delete_of_a_huge_block": ("operator delete", size(21 * MIB, 20 * MIB)),
    "delete_array_of_too_much": ("operator delete[]", size(200, 112)),
    "free_sized_too_much": ("free_sized", size(1025, 1024)),
    "free_sized_too_little": ("free_sized", size(500, 1024)),
    "free_sized_of_nothing": ("free_sized", size(0, 112)),
    "free_aligned_sized_too_much": ("free_aligned_sized", size(320, 256)),
    "free_aligned_sized_too_little": ("free_aligned_sized", size(64, 256)),
    "delete_of_another_alignment": ("operator delete", ALIGNMENT),
    "sized_delete_of_another_alignment": ("operator delete", ALIGNMENT),
}

# How the process ends.
NOT_NOTICED = {
    "unnoticed_interior_of_an_own_cell": 0,
    "unnoticed_double_free_after_reuse": 0,
    "unnoticed_free_before_malloc": 0,
    "unnoticed_write_behind_the_link": 0,
    "unnoticed_read_after_free": 0,
    "unnoticed_write_beyond_the_end": 0,
    "unnoticed_size_of_the_upper_half": 0,
    "unnoticed_size_of_a_large_block": 0,
    "unnoticed_size_of_a_roomy_class": 0,
    "unnoticed_size_of_half_the_space": 0,
    "unnoticed_upper_bits": -signal.SIGSEGV,
}


def run(program, case, preload="", **options):
    """The finished program; the options are MEMALLOC_ variables."""
    variables = {"MEMALLOC_" + name: text for name, text in options.items()}
    if preload:
        variables["LD_PRELOAD"] = preload
    return subprocess.run(
        [program, case] if case else [program],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        timeout=30,
        check=False,
    )


def both_ways(case, **options):
    yield "linked", run(LINKED, case, **options)
    yield "preloaded", run(PLAIN, case, LIBRARY, **options)


def line(call, pointer, says, end="see"):
    what, anchor = says
    where = f"docs/errors.md#{anchor}"
    return f"memalloc: {call}({pointer}): {what}; {end} {where}\n"


class CorruptionTest(unittest.TestCase):
    def test_every_case_is_in_a_table(self):
        cases = run(PLAIN, "").stdout.split()
        self.assertEqual(sorted(cases), sorted([*NOTICED, *NOT_NOTICED]))

    def test_what_is_noticed(self):
        for case, (call, says) in NOTICED.items():
            for way, result in both_ways(case):
                with self.subTest(case, way=way):
                    pointer = result.stdout.strip()
                    self.assertRegex(pointer, r"\A0x[0-9a-f]+\Z")
                    self.assertEqual(
                        (result.stderr, result.returncode),
                        (line(call, pointer, says), -signal.SIGABRT),
                    )

    def test_what_is_not_noticed(self):
        for case, status in NOT_NOTICED.items():
            for way, result in both_ways(case):
                with self.subTest(case, way=way):
                    self.assertEqual(
                        (result.stdout, result.stderr, result.returncode),
                        ("" if status else "survived\n", "", status),
                    )

    def test_libc_does_otherwise(self):
        """The line and the end are memalloc's, not those of libc."""
        for case in NOTICED:
            if case.startswith(("free_sized", "free_aligned_sized")):
                continue  # libc has no such functions
            with self.subTest(case):
                self.assertNotIn("memalloc", run(PLAIN, case).stderr)

    def test_foreign_pointers_are_warned_of(self):
        end = "it is ignored, see"
        for way, result in both_ways(
            "foreign_in_all_calls", FOREIGN_POINTERS="warn"
        ):
            with self.subTest(way):
                pointer, returned, _ = result.stdout.split("\n", 2)
                # C23's functions are the linked program's or memalloc.so's.
                lines = [
                    line(call, pointer, FOREIGN, end)
                    for call in (
                        "free",
                        "free_sized",
                        "malloc_usable_size",
                        "realloc",
                    )
                ]
                self.assertEqual(returned, "0 0 (nil) ENOMEM")
                self.assertEqual(
                    (result.stderr, result.returncode), ("".join(lines), 0)
                )

    def test_foreign_pointers_are_ignored(self):
        for case in NOTICED:
            if NOTICED[case][1] != FOREIGN:
                continue
            for way, result in both_ways(case, FOREIGN_POINTERS="ignore"):
                with self.subTest(case, way=way):
                    self.assertEqual(
                        (result.stderr, result.returncode), ("", 0)
                    )
                    self.assertTrue(result.stdout.endswith("survived\n"))

    def test_other_mistakes_are_not_ignored(self):
        for case in ("double_free", "interior_of_a_large_block"):
            for way, result in both_ways(case, FOREIGN_POINTERS="ignore"):
                with self.subTest(case, way=way):
                    self.assertEqual(result.returncode, -signal.SIGABRT)


if __name__ == "__main__":
    LIBRARY, LINKED, PLAIN = map(os.path.realpath, sys.argv[1:4])
    unittest.main(argv=sys.argv[:1], verbosity=2)
