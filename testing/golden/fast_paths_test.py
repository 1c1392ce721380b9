"""Golden counts of malloc's and free's fast paths, in what was built.

A change of the fast paths shows in fast_paths.txt, and so in review. To take
the new counts over:

    tools/bazel run //testing/golden:fast_paths_test -- --update

How things are counted is written in fast_paths.py. docs/design.md shows the
fast paths of an executable: it must show what was built.
"""

import os
import re
import sys
import unittest
from pathlib import Path

from testing.golden import fast_paths

UPDATE = "tools/bazel run //testing/golden:fast_paths_test -- --update"
TABLE = "testing/golden/fast_paths.txt"
DESIGN = "docs/design.md"
SHOWN_COMPILER = "gcc-12"
HEAD = """\
# What the fast paths execute: see fast_paths.py for what is counted. Update by
#   {update}
# compiler  binary       function         instructions loads stores branches
""".format(update=UPDATE)

FUNCTIONS = {
    "malloc": "malloc",
    "free": "free",
    "operator-new": "_Znwm",
    "sized-delete": "_ZdlPvm",
}
# Where they are looked at: name and the variable that leads to the file.
BINARIES = {
    "executable": "PROGRAM",
    "memalloc.so": "LIBRARY",
    "aarch64": "AARCH64_PROGRAM",  # an executable too
}


def row(compiler, binary, function, counts):
    """A line of the table."""
    names = f"{compiler:<11} {binary:<12} {function:<16} "
    return names + "{:>12} {:>5} {:>6} {:>8}".format(*counts)


def measure():
    """The table's lines for what was built, and the paths behind them."""
    rows, paths = [], []
    for binary, variable in BINARIES.items():
        file = os.environ[variable]
        compiler = fast_paths.compiler(file)
        # The cross compiler is gcc, whatever the other files are built with.
        if compiler != fast_paths.compiler(os.environ["PROGRAM"]):
            continue
        for function, symbol in FUNCTIONS.items():
            path = fast_paths.straight_path(fast_paths.function(file, symbol))
            rows.append(row(compiler, binary, function, fast_paths.count(path)))
            lines = "\n".join(f"    {one.text}" for one in path)
            paths.append(f"{binary}: {function}\n{lines}")
    return rows, paths


def read_table(path):
    """The rows of the table."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def update():
    """Writes the counts into the workspace's table."""
    path = Path(os.environ["BUILD_WORKSPACE_DIRECTORY"]) / TABLE
    new, _ = measure()
    compiler = new[0].split()[0]
    others = [line for line in read_table(path) if line.split()[0] != compiler]
    text = HEAD + "\n".join(sorted(others + new)) + "\n"
    path.write_text(text, encoding="utf-8")
    print(text, end="")


class FastPathsTest(unittest.TestCase):
    """The built binaries against the table."""

    maxDiff = None

    def test_counts_are_those_of_the_table(self):
        if not fast_paths.is_x86_64(os.environ["PROGRAM"]):
            self.skipTest("the counts are those of x86-64")
        compiler = fast_paths.compiler(os.environ["PROGRAM"])
        golden = [
            line for line in read_table(TABLE) if line.split()[0] == compiler
        ]
        if not golden:
            self.skipTest(f"{TABLE} has no counts for {compiler}")
        rows, paths = measure()
        if sorted(golden) == sorted(rows):
            return
        print("\n\n".join(paths))
        print(f"\nThe new rows of {TABLE}:\n\n" + "\n".join(sorted(rows)))
        print(f"\nIf this is wanted: {UPDATE}\n", flush=True)
        self.assertMultiLineEqual(
            "\n".join(sorted(golden)) + "\n",
            "\n".join(sorted(rows)) + "\n",
            "the fast paths changed (- golden, + built)",
        )


class ShownTest(unittest.TestCase):
    """The fast paths as the design shows them, with notes, against the built
    ones."""

    maxDiff = None

    def shown(self, name):
        """What stands behind "`name`, N instructions:": N, and the lines."""
        text = Path(DESIGN).read_text(encoding="utf-8")
        found = re.search(
            rf"`{name}`, (\d+) instructions:\n\n```asm\n(.*?)^```$",
            text,
            re.DOTALL | re.MULTILINE,
        )
        self.assertTrue(found, f"{DESIGN} does not show {name}")
        return int(found[1]), found[2].splitlines()

    def straight(self, lines):
        """The shown path up to ret, without its notes."""
        labels = [line[:-1] for line in lines if line.endswith(":")]
        path = []
        for line in lines:
            instruction, *operands = line.split()[:2]
            if instruction == "ret":
                return path + ["ret"]
            if instruction.startswith("j"):
                self.assertIn(operands[0], labels)
                operands = []
            path.append(self.plain(" ".join([instruction, *operands])))
        self.fail("it shows no ret")

    def plain(self, text):
        """The instruction without addresses that the linker chooses."""
        name, *operands = text.split()
        if name.startswith("j"):
            return name
        text = " ".join([name, *operands])
        text = re.sub(r"\b\w+\(%rip\)", "(%rip)", text)
        return re.sub(r"%fs:\w+", "%fs:t_heap", text)

    def test_shows_what_was_built(self):
        program = os.environ["PROGRAM"]
        if not fast_paths.is_x86_64(program):
            self.skipTest("the paths of x86-64 are shown")
        if fast_paths.compiler(program) != SHOWN_COMPILER:
            self.skipTest(f"the paths by {SHOWN_COMPILER} are shown")
        for name in ("malloc", "free"):
            with self.subTest(name):
                number, lines = self.shown(name)
                path = fast_paths.straight_path(
                    fast_paths.function(program, name)
                )
                built = [
                    self.plain(one.text)
                    for one in path
                    if one.text != "endbr64"
                ]
                self.assertMultiLineEqual(
                    "\n".join(self.straight(lines)), "\n".join(built)
                )
                self.assertEqual(number, len(built))


class CountingTest(unittest.TestCase):
    """The rules, on disassembly written down here."""

    def path(self, *texts):
        lines = (f"  {16 + i:x}:\t{text}" for i, text in enumerate(texts))
        return fast_paths.straight_path(fast_paths.parse("\n".join(lines)))

    def count(self, *texts):
        return tuple(fast_paths.count(self.path(*texts, "ret")))

    def test_instructions_end_with_ret(self):
        self.assertEqual(self.count("mov %rdi,%rax"), (2, 0, 0, 0))
        self.assertEqual(self.count(), (1, 0, 0, 0))
        self.assertEqual(self.count("endbr64"), (1, 0, 0, 0))
        path = self.path("ret", "mov (%rax),%rax")
        self.assertEqual(len(path), 1)

    def test_conditional_jumps_are_not_taken(self):
        path = self.path(
            "test %rax,%rax", "je 13 <f+0x3>", "ret", "mov $1,%rax"
        )
        self.assertEqual(tuple(fast_paths.count(path)), (3, 0, 0, 1))

    def test_jumps_within_the_function_are_followed(self):
        path = self.path("jmp 12 <f+0x2>", "mov (%rax),%rax", "ret")
        self.assertEqual(tuple(fast_paths.count(path)), (2, 0, 0, 0))

    def test_loads(self):
        for text in (
            "mov (%rax),%rcx",
            "mov %fs:0xfffffffffffffff0,%rax",
            "mov 0x1234(%rip),%rax        # 5678 <g_link_key>",
            "movzbl 0x280(%rax,%rdx,1),%r8d",
            "xor (%rcx),%rdx",
            "cmp %rax,0x8(%rcx)",
            "cmpb $0x1,(%rcx,%rdx,1)",
            "testb $0x1,0x3(%rcx)",
        ):
            with self.subTest(text):
                self.assertEqual(self.count(text), (2, 1, 0, 0))

    def test_stores(self):
        for text in (
            "mov %rax,(%rcx)",
            "movq $0x0,(%rcx)",
            "mov %rdx,(%rax,%r8,8)",
            "sete 0x8(%rax)",
        ):
            with self.subTest(text):
                self.assertEqual(self.count(text), (2, 0, 1, 0))

    def test_changes_of_memory_are_both(self):
        for text in ("subl $0x1,0x10(%rsi)", "dec (%rax)", "add %rax,(%rcx)"):
            with self.subTest(text):
                self.assertEqual(self.count(text), (2, 1, 1, 0))

    def test_aarch64(self):
        for text, counts in {
            "ldr x0, [x1, #8]": (2, 1, 0, 0),
            "ldp x0, x1, [x2]": (2, 1, 0, 0),
            "ldrb w3, [x3, x1]": (2, 1, 0, 0),
            "str xzr, [x0]": (2, 0, 1, 0),
            "b.hi 4a18 <f+0x58>  // b.pmore": (2, 0, 0, 1),
            "cbz w0, 4ab8 <f+0x98>": (2, 0, 0, 1),
            "mov x0, #0x9d5b                // #40283": (2, 0, 0, 0),
            "prfm pstl1keep, [x1]": (2, 0, 0, 0),
            "mrs x2, tpidr_el0": (2, 0, 0, 0),
        }.items():
            with self.subTest(text):
                self.assertEqual(self.count(text), counts)
        for text in ("bl 500 <g>", "b 500 <g>", "br x1"):
            with self.subTest(text):
                with self.assertRaises(fast_paths.NotStraight):
                    self.path(text)

    def test_addresses_are_not_accesses(self):
        self.assertEqual(self.count("lea 0xf(%rdi),%rdx"), (2, 0, 0, 0))
        self.assertEqual(self.count("nopw 0x0(%rax,%rax,1)"), (2, 0, 0, 0))

    def test_what_leaves_the_function_is_an_error(self):
        for texts in (
            ("call 500 <g>", "ret"),
            ("jmp 500 <g>", "ret"),
            ("jmp *%rax", "ret"),
            ("mov %rax,%rcx",),
            ("jmp 10 <f>", "ret"),
        ):
            with self.subTest(texts):
                with self.assertRaises(fast_paths.NotStraight):
                    self.path(*texts)


if __name__ == "__main__":
    if "--update" in sys.argv[1:]:
        update()
    else:
        unittest.main(verbosity=2)
