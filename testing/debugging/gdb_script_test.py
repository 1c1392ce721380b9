"""The commands of tools/gdb, on a process that stands still and on core dumps.

allocations.c keeps where its allocations are; the commands must find each, in a
program that is linked with memalloc, in one linked statically, and in one into
which memalloc.so is preloaded, without debug information in any. The core dumps
are gdb's.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from tools.heap_map import snapshot

SECONDS = 120
WAYS = ("linked", "static", "preloaded", "hardened")
# Variables of the program.
PLACES = ("live", "inside", "freed", "kept", "large", "kept_large", "huge")
PLACES += ("cached", "others", "foreign")
files = argparse.Namespace()


def run(command, **options):
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=SECONDS,
        **options,
    )


class GdbScriptTest(unittest.TestCase):
    folder = None

    @classmethod
    def setUpClass(cls):
        for tool in ("gdb", "strip"):
            if shutil.which(tool) is None:
                raise unittest.SkipTest(f"{tool} is not installed")
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        # No debug information in programs, and no symbols in the libraries but
        # those that a loader needs.
        for name, what in (
            ("linked", "--strip-debug"),
            ("static", "--strip-debug"),
            ("libc", "--strip-debug"),
            ("library", "--strip-all"),
            ("hardened_library", "--strip-all"),
        ):
            stripped = os.path.join(cls.folder, name)
            run(["strip", what, "-o", stripped, getattr(files, name)])

    def path(self, name):
        return os.path.join(self.folder, name)

    def program(self, way):
        return self.path("libc" if way in ("preloaded", "hardened") else way)

    def preload(self, way):
        library = {"preloaded": "library", "hardened": "hardened_library"}
        return self.path(library[way]) if way in library else None

    def gdb(self, *arguments):
        command = ["gdb", "-batch", "-nx", "-ex", "set confirm off"]
        said = run([*command, *arguments]).stdout
        if "ptrace: Operation not permitted" in said:
            self.skipTest("ptrace is not allowed here")
        return said

    def commands(self, *more):
        """Arguments for gdb: what holds each place, and more commands."""
        lines = [f"source {files.script}"]
        for place in PLACES:
            value = f"*(unsigned long *)&place_{place}"
            lines += [f"echo @{place}\\n", f"printf \"%#lx\\n\", {value}"]
            lines += [f"memalloc block {value}"]
        lines += ["echo @more\\n", *more]
        return [part for line in lines for part in ("-ex", line)]

    def sorted_out(self, said):
        """What was said of each place, and where it is."""
        parts = re.split(r"^@(\w+)\n", said, flags=re.MULTILINE)
        self.assertEqual(tuple(parts[1::2]), PLACES + ("more",), said)
        return dict(zip(parts[1::2], parts[2::2]))

    def on_process(self, way, mode, *more):
        """The answers where the program stops."""
        lines = ["break stop_here", f"run {mode}"]
        if self.preload(way):
            lines.insert(0, f"set environment LD_PRELOAD {self.preload(way)}")
        begin = [part for line in lines for part in ("-ex", line)]
        said = self.gdb(*begin, *self.commands(*more), self.program(way))
        return self.sorted_out(said)

    def check_blocks(self, way, said):
        places = {name: said[name].split()[0] for name in PLACES}
        size = ", 500 bytes were asked for" if way == "hardened" else ""
        self.assertIn(f"{places['live']}: live{size}\n", said["live"])
        self.assertIn(f"cell {places['live']}, 512 bytes", said["live"])
        self.assertRegex(said["live"], r"owner thread heap 1 of thread 1\b")
        self.assertIn("before: ", said["live"])
        self.assertIn("behind: ", said["live"])
        self.assertIn(": live", said["inside"])
        self.assertIn(", 100 bytes in", said["inside"])
        where = " in a quarantine" if way == "hardened" else ""
        self.assertRegex(said["freed"], f": free:?{where}\n")
        self.assertIn(": free", said["kept"])
        self.assertIn(": live", said["large"])
        self.assertIn(f"large block {places['large']}", said["large"])
        self.assertIn(": live", said["huge"])
        self.assertIn(f"huge block {places['huge']}", said["huge"])
        self.assertRegex(said["others"], r"owner thread heap 0 of thread 2\b")
        self.assertIn(": live", said["others"])
        self.assertIn("not in memory of memalloc", said["foreign"])
        if way != "hardened":
            self.assertIn(" cells in use, current\n", said["live"])
            self.assertIn("kept for reuse", said["cached"])
            self.assertIn("free, kept by its thread", said["kept_large"])
        return places

    def test_on_a_process(self):
        for way in WAYS:
            with self.subTest(way):
                said = self.on_process(
                    way,
                    "",
                    "memalloc heap",
                    "memalloc find 500",
                    "memalloc find --max 0 20971520",
                    "memalloc find --max 0 --class 2",
                    "memalloc check",
                )
                places = self.check_blocks(way, said)
                self.check_more(way, said["more"], places)

    def check_more(self, way, said, places):
        if way != "hardened":
            # One cell is in the block's list, others wait in the bin.
            self.assertRegex(said, r"(?m)^    512 +1 +99 +128 +77% +50688$")
            self.assertRegex(said, r"(?m)^   5120 +1 +0 ")
        self.assertRegex(said, r"(?m)^large: 3\.\d MiB in \d$")
        self.assertRegex(said, r"(?m)^huge: 20\.0 MiB in 1$")
        self.assertRegex(said, r'(?m)^thread heap 1 of thread 1 "\w+", at 0x')
        self.assertRegex(said, r'(?m)^thread heap 0 of thread 2 "\w+", at 0x')
        first, huge, cells = re.findall(r"(?m)^(\d+) allocations$", said)
        self.assertEqual((first, huge), ("99", "1"))
        self.assertLess(int(cells), 10)
        self.assertIn("and 79 more (--max 99)\n", said)
        self.assertIn(" 1 huge blocks: sound\n", said)

    def test_finds_damage(self):
        said = self.on_process("preloaded", "damage", "memalloc check")
        freed = said["freed"].split()[0]
        wrote = (
            f"leads from {freed} to 0x[0-9a-f]+, which is no cell: somebody "
            "wrote there after free"
        )
        self.assertRegex(said["freed"], "not known: .*" + wrote)
        self.assertRegex(said["more"], wrote)
        self.assertIn("1 findings", said["more"])

    def test_without_memalloc(self):
        begin = ["-ex", "break stop_here", "-ex", "run"]
        said = self.gdb(*begin, *self.commands(), self.path("libc"))
        self.assertIn("the program has no memalloc", said)

    def test_on_a_core_dump(self):
        for way in WAYS:
            with self.subTest(way):
                core = self.path(f"core-of-{way}")
                made = self.on_process(way, "", f"generate-core-file {core}")
                self.assertTrue(os.path.exists(core), made["more"])
                said = self.sorted_out(
                    self.gdb(
                        self.program(way),
                        core,
                        *self.commands(
                            "memalloc check", f"memalloc map {core}.map"
                        ),
                    )
                )
                places = self.check_blocks(way, said)
                self.assertIn(" 1 huge blocks: sound\n", said["more"])
                self.check_map(places, snapshot.read(f"{core}.map"))

    def check_map(self, places, shot):
        """The heap map that was written of a core dump."""
        large = [
            arena.start + block["at"] * shot.head["granule"]
            for arena in shot.arenas
            for block in arena.blocks
            if block["is"] == "large"
        ]
        self.assertIn(int(places["large"], 16), large)
        huge = [one["huge"] for one in shot.huge if not one["cached"]]
        self.assertEqual(huge, [int(places["huge"], 16)])
        cells = sum(
            block["used"]
            for arena in shot.arenas
            for block in arena.blocks
            if block.get("cell") == 512
        )
        self.assertIn(cells, range(99, 120))
        self.assertEqual(shot.head["classes"][:17], [*range(16, 257, 16), 288])
        self.assertEqual(shot.head["classes"][-1], 65536)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in (
        "linked",
        "static",
        "libc",
        "library",
        "hardened-library",
        "script",
    ):
        parser.add_argument(f"--{name}", type=os.path.abspath, required=True)
    parser.parse_args(namespace=files)
    unittest.main(argv=sys.argv[:1], verbosity=2)


if __name__ == "__main__":
    main()
