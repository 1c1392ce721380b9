"""A program on memalloc in the hands of gdb, Valgrind, and as a core dump.

What docs/using.md promises of them: gdb may call malloc while the program
stands outside of it, and is told where it may not; memcheck puts its own
allocator in place and finds errors, or leaves memalloc alone when told to; a
core dump has the program's memory, and no more than that.

The programs come from BUILD: program.c linked with memalloc, linked statically,
and on libc, into which memalloc.so is preloaded. Tools that are missing, or not
allowed to work here, are skipped with the reason.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest

MIB = 1 << 20
REENTRY = (
    "memalloc: malloc or free was called again by the thread that is inside "
    "it (from a signal handler?); see docs/errors.md#reentry"
)
WAYS = ("linked", "static", "preloaded")
programs = argparse.Namespace()


def run(command, **options):
    """The finished command, with what it said on both streams."""
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,
    )


def program(way):
    return programs.libc if way == "preloaded" else getattr(programs, way)


def environment(way):
    if way != "preloaded":
        return dict(os.environ)
    return dict(os.environ, LD_PRELOAD=programs.library)


class DebuggingTestCase(unittest.TestCase):
    tool = ""

    def setUp(self):
        if shutil.which(self.tool) is None:
            self.skipTest(f"{self.tool} is not installed")


class GdbTest(DebuggingTestCase):
    tool = "gdb"

    def gdb(self, way, *commands):
        """What gdb prints; the program stands in stop_here before them."""
        command = ["gdb", "-batch", "-nx", "-ex", "set confirm off"]
        if way == "preloaded":
            set_preload = f"set environment LD_PRELOAD {programs.library}"
            command += ["-ex", set_preload]
        for line in ("break stop_here", "run work", *commands):
            command += ["-ex", line]
        said = run([*command, program(way)]).stdout
        if "ptrace: Operation not permitted" in said:
            self.skipTest("ptrace is not allowed here")
        self.assertIn("Breakpoint 1, ", said)
        return said

    def test_calls(self):
        for way in WAYS:
            with self.subTest(way):
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
        command = ["valgrind", *options, program(way), mode]
        return run(command, env=environment(way))

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

    def dump(self, way, folder):
        """The core dump of the program, a path."""
        with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as file:
            pattern = file.read()
        if "/" in pattern or "|" in pattern:
            self.skipTest(f"core dumps go elsewhere: {pattern}")
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        if hard != resource.RLIM_INFINITY:
            self.skipTest("RLIMIT_CORE is limited")
        result = run(
            [program(way), "dump"],
            env=environment(way),
            cwd=folder,
            preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_CORE, (hard, hard)
            ),
        )
        self.assertEqual(result.returncode, -6, result.stdout)
        files = os.listdir(folder)
        if not files:
            self.skipTest("the kernel left no core dump")
        return os.path.join(folder, files[0])

    def test_has_the_memory_and_no_more(self):
        with tempfile.TemporaryDirectory() as folder:
            libc = os.path.join(folder, "libc")
            os.mkdir(libc)
            expected = os.stat(self.dump("libc", libc))
            for way in WAYS:
                with self.subTest(way):
                    ours = os.path.join(folder, way)
                    os.mkdir(ours)
                    core = self.dump(way, ours)
                    said = run(
                        ["gdb", "-batch", "-nx", program(way), core]
                        + ["-ex", "print text", "-ex", "backtrace"]
                    ).stdout
                    self.assertRegex(said, r'= 0x\w+ "a block of the program"')
                    self.assertIn("in dump", said)
                    self.assertIn("in main", said)
                    # What was never touched is a hole of the file: the
                    # address map, and what the heap grew by in advance.
                    size = os.stat(core)
                    self.assertLess(
                        size.st_blocks * 512, expected.st_blocks * 512 + 2 * MIB
                    )
                    self.assertLess(size.st_size, expected.st_size + 32 * MIB)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("linked", "static", "libc", "library"):
        parser.add_argument(f"--{name}", type=os.path.abspath, required=True)
    parser.parse_args(namespace=programs)
    unittest.main(argv=sys.argv[:1], verbosity=2)


if __name__ == "__main__":
    main()
