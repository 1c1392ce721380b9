"""Each kind of misuse ends a program on the hardened build, with its line.

Each case runs testing/hardened/corruptions.cc in a process of its own with
memalloc_hardened.so preloaded, and compares signal and message word for word:
the lines are an interface (docs/errors.md).
"""

import os
import signal
import subprocess
import unittest

PROGRAM = os.path.realpath(os.environ["PROGRAM"])
LIBRARY = os.path.realpath(os.environ["LIBRARY"])

# As the allocator says it: what, and the entry of docs/errors.md.
DOUBLE_FREE = ("double free", "double-free")
OVERFLOW = (
    "somebody wrote beyond the end of the allocation",
    "buffer-overflow",
)
WRITE = ("somebody wrote to memory after freeing it", "write-after-free")
INTERIOR = ("not the start of an allocation", "interior-pointer")
FOREIGN = ("not a pointer from memalloc", "foreign-pointer")
NO_ALLOCATION = (
    "no allocation stands here (freed before?)",
    "no-allocation",
)

# Cells: the smallest, exactly filled ones, with slack, medium, the largest.
CELLS = (1, 8, 24, 40, 100, 1000, 1016, 5000, 40000, 65528)
LARGE = (65529, 100000, 5000000)
HUGE = (20000000,)
WHOLE = LARGE + HUGE


def run(case, size, **environment):
    return subprocess.run(
        [PROGRAM, case, str(size)],
        env={"LD_PRELOAD": LIBRARY, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


class CorruptionTest(unittest.TestCase):
    def expect_line(self, case, sizes, what, call="free", **environment):
        for size in sizes:
            with self.subTest(case=case, size=size):
                result = run(case, size, **environment)
                pointer = result.stdout.split()[-1]
                self.assertEqual(
                    result.stderr,
                    f"memalloc: {call}({pointer}): {what[0]}; "
                    f"see docs/errors.md#{what[1]}\n",
                )
                self.assertEqual(result.returncode, -signal.SIGABRT)

    def expect_fault(self, case, sizes, **environment):
        for size in sizes:
            with self.subTest(case=case, size=size):
                result = run(case, size, **environment)
                self.assertEqual(result.stderr, "")
                self.assertEqual(result.returncode, -signal.SIGSEGV)

    def test_double_free(self):
        for case in ("double-free", "double-free-later", "double-free-reused"):
            self.expect_line(case, CELLS, DOUBLE_FREE)
        self.expect_line("double-free", LARGE, NO_ALLOCATION)
        self.expect_line(
            "double-free", WHOLE, DOUBLE_FREE, MEMALLOC_QUARANTINE="1G"
        )

    def test_other_calls_with_a_freed_pointer(self):
        self.expect_line("realloc-freed", CELLS, DOUBLE_FREE, "realloc")
        self.expect_line(
            "usable-size-freed", CELLS, DOUBLE_FREE, "malloc_usable_size"
        )

    def test_write_after_free(self):
        held_back = [size for size in CELLS if size <= 32768]
        self.expect_line("write-after-free-start", held_back, WRITE)
        inside = [size for size in CELLS if size > 20]
        for size in inside:
            with self.subTest(size=size):
                result = run("write-after-free-middle", size)
                pointer = result.stdout.split()[-1]
                self.assertRegex(
                    result.stderr,
                    rf"memalloc: (malloc|free)\({pointer}\): {WRITE[0]}; "
                    rf"see docs/errors.md#{WRITE[1]}\n",
                )
                self.assertEqual(result.returncode, -signal.SIGABRT)

    def test_access_to_whole_blocks_that_are_held_back(self):
        for case in ("write-after-free-start", "write-after-free-middle"):
            self.expect_fault(case, WHOLE, MEMALLOC_QUARANTINE="1G")

    def test_wrong_size_in_sized_delete(self):
        for size in CELLS + WHOLE:
            what = f"the size is {size + 1}, but the allocation has {size} "
            self.expect_line(
                "wrong-size",
                (size,),
                (what + "bytes", "size-mismatch"),
                "operator delete",
            )

    def test_overflow(self):
        for case in ("overflow-by-zero", "overflow-by-one"):
            self.expect_line(case, CELLS + WHOLE, OVERFLOW)
        self.expect_line("overflow-by-words", (24, 40, 100, 5000), OVERFLOW)

    def test_overflow_into_a_guard(self):
        self.expect_fault("overflow-by-pages", WHOLE)

    def test_guards_can_be_switched_off(self):
        self.expect_line(
            "overflow-by-words",
            (100000, 131064),
            OVERFLOW,
            MEMALLOC_GUARD_PAGES="0",
        )

    def test_underflow_reaches_the_neighbour(self):
        for size in (24, 40, 100, 1000):
            with self.subTest(size=size):
                result = run("underflow", size)
                self.assertRegex(
                    result.stderr,
                    rf"memalloc: free\(0x[0-9a-f]+\): ({OVERFLOW[0]}|"
                    rf"{WRITE[0]}); see docs/errors.md#"
                    rf"({OVERFLOW[1]}|{WRITE[1]})\n",
                )
                self.assertEqual(result.returncode, -signal.SIGABRT)

    def test_header_tables_are_guarded(self):
        self.expect_fault("overwrite-start", (24,) + WHOLE)

    def test_pointers_that_are_none(self):
        self.expect_line("interior", CELLS[2:] + WHOLE, INTERIOR)
        self.expect_line("misaligned", CELLS + WHOLE, INTERIOR)
        self.expect_line("free-global", (0,), FOREIGN)
        self.expect_line("free-wild", (0,), FOREIGN)


if __name__ == "__main__":
    unittest.main()
