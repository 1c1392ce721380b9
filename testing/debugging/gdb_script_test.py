"""The commands of tools/gdb, on a process that stands still and on core dumps.

allocations.c keeps where its allocations are; the commands must find each, in a
program that is linked with memalloc, in one linked statically, and in one into
which memalloc.so is preloaded, without debug information in any. The core dumps
are gdb's.
"""

import re
import shutil
import tempfile
import unittest
from pathlib import Path

from testing.debugging import debugger
from testing.programs import ways
from tools.heap_map import snapshot

# Variables of the program.
PLACES = ("live", "inside", "freed", "kept", "large", "kept_large", "huge")
PLACES += ("cached", "others", "foreign")


class GdbScriptTest(ways.TestCase):
    stripped = {}  # by the path of the original

    @classmethod
    def setUpClass(cls):
        for tool in ("gdb", "strip"):
            if shutil.which(tool) is None:
                raise unittest.SkipTest(f"{tool} is not installed")
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        # No debug information in programs, and no symbols in the libraries but
        # those that a loader needs.
        for way in ways.WAYS:
            for path, what in (
                (ways.path_of(way), "--strip-debug"),
                (ways.preload_of(way), "--strip-all"),
            ):
                if path and path not in cls.stripped:
                    stripped = f"{folder.name}/{Path(path).name}"
                    debugger.run(["strip", what, "-o", stripped, path])
                    cls.stripped[path] = stripped

    def program(self, way):
        return self.stripped[ways.path_of(way)]

    def commands(self, *more):
        """For gdb: what holds each place, and more."""
        lines = [f"source {ways.files.script}"]
        for place in PLACES:
            value = f"*(unsigned long *)&place_{place}"
            lines += [f"echo @{place}\\n", f"printf \"%#lx\\n\", {value}"]
            lines += [f"memalloc block {value}"]
        return [*lines, "echo @more\\n", *more]

    def sorted_out(self, said):
        """What was said of each place, and where it is."""
        parts = re.split(r"^@(\w+)\n", said, flags=re.MULTILINE)
        self.assertEqual(tuple(parts[1::2]), PLACES + ("more",), said)
        return dict(zip(parts[1::2], parts[2::2]))

    def on_process(self, way, mode, *more):
        """The answers where the program stops."""
        begin = ["break stop_here", f"run {mode}"]
        said = debugger.gdb(
            self.program(way),
            commands=begin + self.commands(*more),
            preload=self.stripped.get(ways.preload_of(way)),
        )
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

    @ways.each_way
    def test_on_a_process(self, way):
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
        begin = ["break stop_here", "run"]
        said = debugger.gdb(
            self.program("preloaded"), commands=begin + self.commands()
        )
        self.assertIn("the program has no memalloc", said)

    @ways.each_way
    def test_on_a_core_dump(self, way):
        core = self.folder / "core"
        made = self.on_process(way, "", f"generate-core-file {core}")
        self.assertTrue(core.exists(), made["more"])
        commands = self.commands("memalloc check", f"memalloc map {core}.map")
        said = self.sorted_out(
            debugger.gdb(self.program(way), core, commands=commands)
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


if __name__ == "__main__":
    ways.main("script")
