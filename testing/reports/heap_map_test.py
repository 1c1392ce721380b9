"""The heap map of whole programs: that it has what the program allocated.

heap_map_program.c makes known allocations, linked with memalloc, fully static,
and with memalloc.so or memalloc_hardened.so preloaded.
"""

import os

from testing.programs import ways
from tools.heap_map import snapshot

MIB = 1 << 20


class HeapMapTest(ways.TestCase):
    def snapshots(self, way):
        """The maps before and after the program's change, and its id."""
        paths = [self.folder / name for name in ("before", "after")]
        # Nothing goes back to the system meanwhile.
        process = self.start(way, *paths, PURGE_DELAY="1h")
        self.finish(process)
        return [snapshot.read(path) for path in paths], process.pid

    @staticmethod
    def blocks(shot, **wanted):
        return [
            block
            for arena in shot.arenas
            for block in arena.blocks
            if all(block.get(key) == value for key, value in wanted.items())
        ]

    def used(self, shot, cell):
        """Cells in use; what waits in a bin is among them, a page's worth."""
        return sum(b["used"] for b in self.blocks(shot, cell=cell))

    def check_arenas(self, shot):
        self.assertGreater(len(shot.arenas), 0)
        for arena in shot.arenas:
            self.assertEqual(arena.start % shot.head["arena_bytes"], 0)
            last = arena.blocks[-1]
            self.assertEqual(last["at"] + last["n"], arena.granules)
            for block in arena.blocks:
                pages = block["n"] * shot.head["granule"] // shot.head["page"]
                self.assertLessEqual(block["resident"], pages)
                if block["is"] == "small":
                    self.assertLessEqual(block["used"], block["carved"])
                    self.assertLessEqual(block["carved"], block["capacity"])

    def check_head(self, way, shot, pid):
        head = shot.head
        self.assertEqual(head["pid"], pid)
        self.assertRegex(head["program"], r"\w+")
        self.assertEqual(head["hardened"], way == "hardened")
        self.assertEqual(head["page"], os.sysconf("SC_PAGE_SIZE"))
        self.assertEqual(len(head["classes"]), 80)

    @ways.each_way
    def test_has_all_that_was_allocated(self, way):
        (before, after), pid = self.snapshots(way)
        for shot in (before, after):
            self.check_head(way, shot, pid)
            self.check_arenas(shot)
        self.check_before(way, before)
        self.check_after(way, before, after)

    def check_before(self, way, shot):
        # Also with the hardened build's word more.
        cell = 768
        self.assertIn(self.used(shot, cell), range(1000, 1100))
        large = [
            b
            for b in self.blocks(shot, **{"is": "large"})
            if b["bytes"] >= 2 * MIB
        ]
        self.assertEqual(len(large), 10)
        page = shot.head["page"]
        for block in large:
            self.assertGreaterEqual(block["resident"] * page, 2 * MIB)
        (huge,) = shot.huge
        self.assertFalse(huge["cached"])
        self.assertIn(huge["bytes"], range(20 * MIB, 21 * MIB))
        self.assertIn(huge["resident"] * page, range(20 * MIB, 21 * MIB))
        owners, others = (
            {b["owner"] for b in self.blocks(shot, cell=size) if "owner" in b}
            for size in (cell, 2048)
        )
        self.assertEqual(len(owners | others), 2, "two threads")
        heaps = {
            hex(heap["heap"]): heap["thread"]
            for heap in shot.heaps
            if heap["state"] == "in use"
        }
        self.assertEqual(set(heaps), owners | others)
        self.assertEqual(len(set(heaps.values())), 2)
        if way != "hardened":
            self.assertGreaterEqual(self.used(shot, 2048), 50)

    def check_after(self, way, before, after):
        # The hardened build adds a word.
        cell = 256 if way == "hardened" else 240
        self.assertGreaterEqual(self.used(after, cell), 3000)
        self.assertLess(self.used(before, cell), 100)
        huge = [h for h in after.huge if not h["cached"]]
        if way == "hardened":  # holds freed memory back
            self.assertIn(len(huge), (1, 2))
            return
        self.assertIn(self.used(after, 768), range(500, 600))
        large = [
            b
            for b in self.blocks(after, **{"is": "large"})
            if b["bytes"] >= 2 * MIB
        ]
        self.assertEqual(len(large), 5)
        dirty = self.blocks(after, **{"is": "dirty"})
        freed = sum(b["n"] for b in dirty) * after.head["granule"]
        # Of ten megabytes; the new cells have some of it.
        self.assertIn(freed, range(9 * MIB, 12 * MIB))
        self.assertEqual([h["bytes"] >> 20 for h in huge], [40])


if __name__ == "__main__":
    ways.main()
