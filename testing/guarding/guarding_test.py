"""Guarded sampling: what each mistake is told as, and who else gets faults.

The program of this folder is run once for each case: linked with memalloc,
fully static, and with memalloc.so and memalloc_hardened.so preloaded.
"""

import os
import re
import signal
import subprocess
import sys
import unittest

SECONDS = 100
# By name: the program, and what is preloaded.
WAYS = {}

PAGE = os.sysconf("SC_PAGESIZE")
SIZE = 100
ROOM = 112  # with alignment

# The case: the call, the mistake, where it is, and which stacks are told.
OFTEN = ("done", "allocated")
LATE = ("noticed", "allocated")
FREED = ("done", "allocated", "freed")
ACCESSES = {
    "read_after_free": ("read", "use after free", "4 bytes into", FREED),
    "write_after_free": ("write", "use after free", "99 bytes into", FREED),
    "read_beyond": ("read", "overflow", "12 bytes behind the end of", OFTEN),
    "write_beyond": ("write", "overflow", "62 bytes behind the end of", OFTEN),
    "write_before": ("write", "underflow", "1 byte before", OFTEN),
    "read_after_free_by_other": (
        "read",
        "use after free",
        "0 bytes into",
        FREED,
    ),
    "read_after_free_by_both": (
        "read",
        "use after free",
        "4 bytes into",
        FREED,
    ),
    "read_on_alternate_stack": (
        "read",
        "use after free",
        "4 bytes into",
        FREED,
    ),
}
CALLS = {
    "write_beyond_a_little": (
        "free",
        "overflow (noticed late)",
        "0 bytes behind the end of",
        LATE,
    ),
    "write_before_a_little": (
        "free",
        "underflow (noticed late)",
        "8 bytes before",
        LATE,
    ),
    "double_free": ("free", "double free", "0 bytes into", FREED),
    "wrong_free": (
        "free",
        "not the start of an allocation",
        "16 bytes into",
        OFTEN,
    ),
    "realloc_after_free": ("realloc", "use after free", "0 bytes into", FREED),
    "check_heap_after_overflow": (
        "heap",
        "overflow (noticed late)",
        "0 bytes behind the end of",
        LATE,
    ),
    "double_free_in_child": ("free", "double free", "0 bytes into", FREED),
}
# How the process ends, and what it says on stdout.
OTHERS = {
    "null_pointer": (-signal.SIGSEGV, ""),
    "null_pointer_while_ignored": (-signal.SIGSEGV, ""),
    "sent_signal": (-signal.SIGSEGV, ""),
    "sent_signal_that_is_ignored": (0, "survived\n"),
    "handler_before": (5, "handled\n"),
    "plain_handler_before": (5, "handled\n"),
    "one_shot_handler_before": (-signal.SIGSEGV, "handled\n"),
    "handler_after": (5, "handled\n"),
    "threads": (0, "survived\n"),
    "forks_while_threads_run": (0, "survived\n"),
}
ELSEWHERE = ("wrong_size", "handler_before_sees_mistakes")
# These turn it on themselves.
BY_CALL = re.compile("handler_before|ignored")

# The innermost function of the program in each stack.
FUNCTIONS = {
    "allocated": "AllocateHere",
    "freed": "FreeHere",
    "read": "ReadHere",
    "write": "WriteHere",
    "free": "FreeHere",
}

FIRST = re.compile(
    r"memalloc: (\w+)\(0x([0-9a-f]+)\): (.*?), (\d+ bytes? [a-z ]+) the 100 "
    r"bytes at 0x([0-9a-f]+); see docs/errors\.md#guarded-allocation"
)
HEAD = re.compile(r"  (\w+) by thread (\d+):")
FRAME = re.compile(
    r"    #(\d+) 0x[0-9a-f]+( \S+\+0x[0-9a-f]+)?( \(.*\+0x[0-9a-f]+\))?"
)


def run(way, case, **options):
    """The finished program; the options are MEMALLOC_ variables."""
    program, preload = WAYS[way]
    variables = {"MEMALLOC_" + name: text for name, text in options.items()}
    if preload:
        variables["LD_PRELOAD"] = preload
    return subprocess.run(
        [program, case] if case else [program],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def each_way(cases):
    """(case, way, the finished program)."""
    for case in cases:
        for way in WAYS:
            rate = {} if BY_CALL.search(case) else {"GUARD_SAMPLE_RATE": "1"}
            yield case, way, run(way, case, **rate)


def stacks(lines):
    """(what, thread, functions) of each stack."""
    found = []
    for line in lines:
        head = HEAD.fullmatch(line)
        if head:
            found.append((head[1], int(head[2]), []))
            continue
        frame = FRAME.fullmatch(line)
        if not frame or int(frame[1]) != len(found[-1][2]):
            raise ValueError(line)
        found[-1][2].append((frame[2] or "").strip().partition("+")[0])
    return found


class GuardingTest(unittest.TestCase):
    def check_report(self, way, errors, call, what, where, told):
        first, *rest = errors.splitlines()
        line = FIRST.fullmatch(first)
        self.assertTrue(line, first)
        self.assertEqual((line[1], line[3], line[4]), (call, what, where))
        distance = int(where.split()[0])
        pointer, start = int(line[2], 16), int(line[5], 16)
        if where.endswith("before"):
            self.assertEqual(pointer, start - distance)
        else:
            end = SIZE if where.endswith("of") else 0
            self.assertEqual(pointer, start + end + distance)
        self.assertIn(start % PAGE, (0, PAGE - ROOM))
        found = stacks(rest)
        self.assertEqual(tuple(stack[0] for stack in found), told)
        if way != "static":  # which exports no names
            for what, _, functions in found:
                wanted = FUNCTIONS.get(call if what == told[0] else what)
                self.assertEqual(functions[0], wanted or functions[0])
        return found

    def test_every_case_is_in_a_table(self):
        cases = run("linked", "").stdout.split()
        self.assertEqual(
            sorted(cases), sorted([*ACCESSES, *CALLS, *OTHERS, *ELSEWHERE])
        )

    def test_accesses(self):
        for case, way, result in each_way(ACCESSES):
            with self.subTest(case, way=way):
                self.assertEqual(result.returncode, -signal.SIGSEGV)
                self.assertEqual(result.stdout, "")
                found = self.check_report(way, result.stderr, *ACCESSES[case])
                self.assertEqual(
                    len({thread for _, thread, _ in found}),
                    2 if case.startswith("read_after_free_by_") else 1,
                )

    def test_calls(self):
        for case, way, result in each_way(CALLS):
            with self.subTest(case, way=way):
                self.check_report(way, result.stderr, *CALLS[case])
                if case == "double_free_in_child":
                    self.assertEqual(result.stdout, "child aborted\nsurvived\n")
                else:
                    self.assertEqual(result.returncode, -signal.SIGABRT)
                    self.assertEqual(result.stdout, "")

    def test_wrong_size(self):
        for case, way, result in each_way(["wrong_size"]):
            with self.subTest(case, way=way):
                self.assertEqual(result.returncode, -signal.SIGABRT)
                self.assertRegex(
                    result.stderr,
                    r"\Amemalloc: free_sized\(0x[0-9a-f]+\): the size is 101, "
                    r"but the allocation has 100 bytes; see docs/errors\.md"
                    r"#size-mismatch\n\Z",
                )

    def test_what_is_not_ours(self):
        for case, way, result in each_way(OTHERS):
            with self.subTest(case, way=way):
                self.assertEqual(
                    (result.returncode, result.stdout, result.stderr),
                    (*OTHERS[case], ""),
                )

    def test_a_handler_that_was_there_is_called_after_the_report(self):
        for case, way, result in each_way(["handler_before_sees_mistakes"]):
            with self.subTest(case, way=way):
                self.assertEqual(result.returncode, 5)
                self.assertEqual(result.stdout, "handled\n")
                self.check_report(
                    way, result.stderr, *ACCESSES["read_after_free"]
                )


if __name__ == "__main__":
    library, hardened, linked, static, plain = map(
        os.path.realpath, sys.argv[1:]
    )
    WAYS.update(
        {
            "linked": (linked, ""),
            "static": (static, ""),
            "preloaded": (plain, library),
            "hardened": (plain, hardened),
        }
    )
    unittest.main(argv=sys.argv[:1], verbosity=2)
