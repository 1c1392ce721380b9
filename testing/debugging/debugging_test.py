"""A program on memalloc in the hands of gdb, Valgrind, and as a core dump.

What docs/using.md promises of them: gdb may call malloc while the program
stands outside of it, and is told where it may not; memcheck puts its own
allocator in place and finds errors, or leaves memalloc alone when told to; a
core dump has the program's memory, and no more than that.

The programs come from BUILD: program.c linked with memalloc, linked statically,
and on libc, into which memalloc.so is preloaded. Tools that are missing, or not
allowed to work here, are skipped with the reason.
"""

import os
import resource
import shutil
import unittest

from testing.debugging import debugger
from testing.programs import ways

MIB = 1 << 20
REENTRY = (
    "memalloc: malloc or free was called again by the thread that is inside "
    "it (from a signal handler?); see docs/errors.md#reentry"
)


def environment(way):
    return {**os.environ, **ways.environment(way)}


class DebuggingTestCase(ways.TestCase):
    tool = ""

    def setUp(self):
        if shutil.which(self.tool) is None:
            self.skipTest(f"{self.tool} is not installed")
        super().setUp()


class GdbTest(DebuggingTestCase):
    tool = "gdb"

    def gdb(self, way, *commands):
        """What gdb prints; the program stands in stop_here before them."""
        said = debugger.gdb(
            ways.path_of(way),
            commands=["break stop_here", "run work", *commands],
            preload=ways.preload_of(way),
        )
        self.assertIn("Breakpoint 1, ", said)
        return said

    @ways.each_way
    def test_calls(self, way):
        said = self.gdb(
            way,
            "print (char *)malloc(40)",
            "print (int)memalloc_owns($1)",
            "print copy_text($1)",
            "call (void)free($1)",
            "print (int)memalloc_check_heap()",
            "call (void)malloc_stats()",
            "continue",
        )
        self.assertIn("$2 = 1\n", said)
        self.assertRegex(said, r'\$3 = 0x\w+ "a block of the program"')
        self.assertIn("$4 = 1\n", said)
        self.assertRegex(said, r"(?m)^memalloc: ")
        self.assertIn("\nmemalloc\n", said)
        self.assertIn("exited normally", said)

    def test_a_call_inside_of_malloc_is_named(self):
        """The heap grows under its lock; the debugger stops it there."""
        said = self.gdb(
            "linked",
            "catch syscall brk",
            "continue",
            "print (char *)malloc(1 << 22)",
        )
        self.assertIn(REENTRY, said)
        self.assertIn("SIGABRT", said)


class ValgrindTest(DebuggingTestCase):
    tool = "valgrind"

    def valgrind(self, way, mode, *options):
        command = ["valgrind", *options, ways.path_of(way), mode]
        return debugger.run(command, env=environment(way))

    def test_memcheck_finds_errors(self):
        for way in ("linked", "preloaded"):
            with self.subTest(way):
                result = self.valgrind(
                    way, "bad", "--leak-check=full", "--error-exitcode=9"
                )
                self.assertEqual(result.returncode, 9, result.stdout)
                self.assertIn("Invalid read of size 1", result.stdout)
                self.assertIn("definitely lost: 123 bytes", result.stdout)

    def test_memcheck_serves_memory(self):
        for way in ("linked", "preloaded"):
            with self.subTest(way):
                result = self.valgrind(way, "work", "-q")
                self.assertEqual(result.stdout, "another\n")

    def test_runs_on_memalloc(self):
        """Told to leave malloc alone, or not able to replace it."""
        leave = "--soname-synonyms=somalloc=nouserintercepts"
        for way, *options in (
            ("linked", leave),
            ("preloaded", leave),
            ("static",),
            ("linked", "--tool=none"),
            ("preloaded", "--tool=none"),
        ):
            with self.subTest(way, options=options):
                result = self.valgrind(way, "work", "-q", *options)
                # Beside what memcheck cannot know of a static program.
                self.assertRegex(result.stdout, r"(?m)^memalloc$")
                self.assertEqual(result.returncode, 0)


class CoreDumpTest(DebuggingTestCase):
    tool = "gdb"

    def dump(self, way, variables):
        """The core dump of the program, a path."""
        with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as file:
            pattern = file.read()
        if "/" in pattern or "|" in pattern:
            self.skipTest(f"core dumps go elsewhere: {pattern}")
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        if hard != resource.RLIM_INFINITY:
            self.skipTest("RLIMIT_CORE is limited")
        result = debugger.run(
            [ways.path_of(way), "dump"],
            env=variables,
            cwd=self.folder,
            preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_CORE, (hard, hard)
            ),
        )
        self.assertEqual(result.returncode, -6, result.stdout)
        for core in self.folder.iterdir():
            return core
        return self.skipTest("the kernel left no core dump")

    @ways.each_way
    def test_has_the_memory_and_no_more(self, way):
        on_libc = self.dump("preloaded", {}).stat()
        self.new_folder()
        core = self.dump(way, ways.environment(way))
        said = debugger.gdb(
            ways.path_of(way), core, commands=["print text", "backtrace"]
        )
        self.assertRegex(said, r'= 0x\w+ "a block of the program"')
        self.assertIn("in dump", said)
        self.assertIn("in main", said)
        # What was never touched is a hole of the file: the address map, and
        # what the heap grew by in advance.
        size = core.stat()
        self.assertLess(
            size.st_blocks * 512, on_libc.st_blocks * 512 + 2 * MIB
        )
        self.assertLess(size.st_size, on_libc.st_size + 32 * MIB)


if __name__ == "__main__":
    ways.main()
