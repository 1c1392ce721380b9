"""Reading snapshots: what is one, and what is said of others."""

import json
import unittest

from tools.heap_map import html, snapshot

HEAD = {
    "memalloc_heap_map": 1,
    "pid": 1,
    "program": "p",
    "page": 4096,
    "granule": 65536,
    "arena_bytes": 16777216,
    "hardened": False,
    "classes": [16, 32],
}
HEAP = {"heap": "0x5010000", "state": "in use", "thread": "0x7000"}
ARENA = {"arena": "0x5000000", "kind": "break", "granules": 4, "resident": 1}
SMALL = {
    "at": 1,
    "n": 1,
    "is": "small",
    "resident": 2,
    "cell": 32,
    "place": "current",
    "used": 3,
    "carved": 4,
    "capacity": 2048,
    "purged": 0,
    "owner": "0x5010000",
}
FREE = {"at": 2, "n": 2, "is": "clean", "resident": 0}
HUGE = {
    "huge": "0x7f0000010000",
    "mapping": "0x7f0000000000",
    "bytes": 4096,
    "mapped": 4096,
    "cached": False,
    "resident": None,
}
END = {"end": True, "arenas": 1, "blocks": 2, "huge": 1}
ALL = (HEAD, HEAP, ARENA, SMALL, FREE, HUGE, END)


def parse(*lines):
    return snapshot.parse(map(json.dumps, lines), "map")


class SnapshotTest(unittest.TestCase):
    def refuse(self, what, *lines):
        with self.assertRaisesRegex(snapshot.SnapshotError, what):
            parse(*lines)

    def test_a_whole_one(self):
        found = parse(*ALL)
        self.assertEqual(found.heaps[0]["heap"], 0x5010000)
        (arena,) = found.arenas
        self.assertEqual(arena.start, 0x5000000)
        self.assertEqual([b["is"] for b in arena.blocks], ["small", "clean"])
        self.assertEqual(found.huge[0]["mapping"], 0x7F0000000000)

    def test_cut_short(self):
        self.refuse("map: empty")
        self.refuse("map: cut short", *ALL[:-1])
        self.refuse("map:6: .*lines are missing", *ALL[:4], HUGE, END)

    def test_no_heap_map(self):
        self.refuse("map:1: not a line of a heap map", {"else": 1})
        self.refuse("of a version", dict(HEAD, memalloc_heap_map=2))
        with self.assertRaisesRegex(snapshot.SnapshotError, "map:1: "):
            snapshot.parse(["memalloc: live 1 B"], "map")

    def test_blocks_lie_side_by_side(self):
        hole = dict(FREE, at=3, n=1)
        self.refuse("map:5: .*the block before", *ALL[:4], hole)
        long = dict(FREE, n=3)
        self.refuse("map:5: .*beyond its arena", *ALL[:4], long)
        self.refuse("map:2: .*without an arena", HEAD, SMALL)
        self.refuse("of no kind", *ALL[:4], dict(FREE, **{"is": "new"}))


class PageTest(unittest.TestCase):
    def test_text_from_outside_stays_text(self):
        evil = dict(HEAD, program="</script><b>&")
        page = html.page([parse(evil, *ALL[1:])])
        self.assertNotIn("</script><b>", page)
        self.assertIn("<title>Heap map: &lt;/script>&lt;b>&amp;</title>", page)

    def test_asks_for_nothing(self):
        page = html.page([parse(*ALL)])
        for name in ("http:", "https:", "src=", "@import", "fetch("):
            self.assertNotIn(name, page)


if __name__ == "__main__":
    unittest.main(verbosity=2)
