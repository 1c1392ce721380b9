"""Reads a heap map, the report of docs/observability.md#heap-map.

A line of JSON for each thing: what the process is, its thread heaps, each arena
and what lies in it, mappings of huge blocks, and an end that counts them. A
Snapshot is checked: an arena's blocks lie side by side from granule 1 on.
"""

import dataclasses
import json
from typing import Any, Dict, List

VERSION = 1
KINDS = (
    "small",
    "large",
    "kept",
    "dirty",
    "clean",
    "purging",
    "metadata",
    "foreign",
)


class SnapshotError(Exception):
    """The file is no heap map, or not a whole one."""


@dataclasses.dataclass
class Arena:
    start: int
    kind: str
    granules: int
    resident: int  # pages of the table's granule; None: not known
    blocks: List[Dict[str, Any]]


@dataclasses.dataclass
class Snapshot:
    name: str
    head: Dict[str, Any]
    heaps: List[Dict[str, Any]]
    arenas: List[Arena]
    huge: List[Dict[str, Any]]


def read(path):
    """The Snapshot in the file; a SnapshotError says what is wrong with it."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return parse(file, str(path))


def parse(lines, name):
    """The Snapshot in the lines, for messages and the page called `name`."""
    reader = _Reader(name)
    for number, line in enumerate(lines, 1):
        try:
            reader.take(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise SnapshotError(
                f"{name}:{number}: not a line of a heap map: {error}"
            ) from error
    return reader.finished()


class _Reader:
    """Builds a snapshot line by line."""

    def __init__(self, name):
        self._name = name
        self._snapshot = None
        self._has_end = False

    def take(self, line):
        if self._snapshot is None:
            if line["memalloc_heap_map"] != VERSION:
                raise ValueError(f"of a version that is not {VERSION}")
            self._snapshot = Snapshot(self._name, line, [], [], [])
        elif self._has_end:
            raise ValueError("behind the end")
        elif line.get("end"):
            self._take_end(line)
        elif "heap" in line:
            line["heap"] = int(line["heap"], 16)
            self._snapshot.heaps.append(line)
        elif "arena" in line:
            self._snapshot.arenas.append(
                Arena(
                    int(line["arena"], 16),
                    line["kind"],
                    line["granules"],
                    line["resident"],
                    [],
                )
            )
        elif "at" in line:
            self._take_block(line)
        elif "huge" in line:
            line["huge"] = int(line["huge"], 16)
            line["mapping"] = int(line["mapping"], 16)
            self._snapshot.huge.append(line)
        else:
            raise ValueError("of no kind that is known")

    def _take_block(self, line):
        if not self._snapshot.arenas:
            raise ValueError("a block without an arena")
        arena = self._snapshot.arenas[-1]
        last = arena.blocks[-1] if arena.blocks else {"at": 0, "n": 1}
        if line["at"] != last["at"] + last["n"] or line["n"] < 1:
            raise ValueError("not where the block before it ends")
        if line["at"] + line["n"] > arena.granules:
            raise ValueError("beyond its arena")
        if line["is"] not in KINDS:
            raise ValueError(f"of no kind that is known: {line['is']}")
        arena.blocks.append(line)

    def _take_end(self, line):
        snapshot = self._snapshot
        found = (
            len(snapshot.arenas),
            sum(len(arena.blocks) for arena in snapshot.arenas),
            len(snapshot.huge),
        )
        if found != (line["arenas"], line["blocks"], line["huge"]):
            raise ValueError("lines are missing before it")
        self._has_end = True

    def finished(self):
        if self._snapshot is None:
            raise SnapshotError(f"{self._name}: empty; no heap map")
        if not self._has_end:
            raise SnapshotError(f"{self._name}: cut short; it has no end")
        self._snapshot.arenas.sort(key=lambda arena: arena.start)
        self._snapshot.huge.sort(key=lambda huge: huge["mapping"])
        return self._snapshot
