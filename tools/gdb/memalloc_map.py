"""Writes the heap that memalloc_heap.py reads as a heap map.

The same lines as the report "heap_map" (docs/observability.md), for
tools/heap_map: so a core dump can be drawn as well. Which pages were resident
is not known here.
"""

import json


def lines(heap, process, program):
    """Yields the map's lines."""
    layout = heap.layout
    blocks = 0
    yield _line(
        memalloc_heap_map=1,
        pid=process,
        program=program,
        page=heap.memory.page_size,
        granule=layout["kGranuleSize"],
        arena_bytes=layout["kArenaSize"],
        hardened=bool(layout["kIsHardened"]),
        classes=heap.cell_sizes(),
    )
    for one in heap.heaps:
        yield _line(
            heap=hex(one.address), state=one.state, thread=hex(one.thread)
        )
    for arena in heap.arenas:
        yield _line(
            arena=hex(arena.start),
            kind=arena.kind,
            granules=arena.limit,
            huge_pages=arena.huge_pages,
            resident=None,
        )
        for block in heap.blocks(arena):
            for line in _block_lines(block):
                blocks += 1
                yield line
    for mappings, is_cached in ((heap.huge, False), (heap.cached, True)):
        for mapping in mappings:
            yield _line(
                huge=hex(mapping.huge_start),
                mapping=hex(mapping.start),
                bytes=mapping.huge_bytes,
                mapped=mapping.huge_mapped,
                cached=is_cached,
                resident=None,
            )
    yield _line(
        end=True,
        arenas=len(heap.arenas),
        blocks=blocks,
        huge=len(heap.huge) + len(heap.cached),
    )


def _line(**fields):
    return json.dumps(fields, separators=(",", ":")) + "\n"


def _block_lines(block):
    if block.status == "free":
        yield from _free_lines(block)
        return
    fields = {"at": block.granule, "n": block.granules, "resident": None}
    if block.status == "small":
        fields.update(
            cell=block.cell_size,
            place=block.where(),
            used=max(0, block.used),
            carved=block.carved,
            capacity=block.capacity,
            purged=block.purged_cells,
        )
        if block.owner:
            fields["owner"] = hex(block.owner)
        yield _line(**{"is": "small"}, **fields)
    elif block.status == "large":
        kind = "large" if block.is_large else "kept"
        yield _line(**{"is": kind}, bytes=block.cell_size, **fields)
    else:
        yield _line(**{"is": block.status}, **fields)


def _free_lines(block):
    """A line for each part of a run that is dirty, or not."""
    dirty = block.arena.dirty
    at, end = block.granule, block.granule + block.granules
    while at < end:
        part = 1
        while at + part < end and dirty >> at + part & 1 == dirty >> at & 1:
            part += 1
        kind = "dirty" if dirty >> at & 1 else "clean"
        yield _line(**{"is": kind}, at=at, n=part, resident=None)
        at += part
