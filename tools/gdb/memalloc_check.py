"""Looks for damage in a heap that memalloc_heap.py reads.

The same invariants as memalloc_check_heap() walks, for a program that cannot be
called into: a core dump, or one that stands inside of malloc. What a thread
works on may be between two steps: blocks of heaps that are in use are only
looked at when all threads stand outside, which nobody can know here, so their
free lists are told as doubtful rather than wrong.
"""

from memalloc_heap import HeapError


class Finding:
    """What is wrong, and where. `is_sure`: not just a thread at work."""

    def __init__(self, address, text, is_sure=True):
        self.address = address
        self.text = text
        self.is_sure = is_sure

    def __str__(self):
        doubt = "" if self.is_sure else " (or its thread is at work on it)"
        return f"{self.address:#x}: {self.text}{doubt}"


def check(heap):
    """Yields a Finding for each thing that is wrong."""
    for arena in heap.arenas:
        yield from _check_arena(heap, arena)
    for mapping in heap.huge:
        if mapping.kind != "huge":
            yield Finding(mapping.table, "a huge mapping of a wrong kind")
        elif mapping.huge_bytes > mapping.huge_mapped:
            yield Finding(mapping.table, "a huge block beyond its mapping")


def _check_arena(heap, arena):
    count = heap.layout["kArenaSize"] // heap.layout["kGranuleSize"]
    first = heap.block_at(arena, 0)
    if first.status != "arenatable" or arena.limit > count:
        yield Finding(arena.table, "the arena's own header is broken")
        return
    after_free = False
    granule = 1
    while granule < arena.limit:
        block = heap.block_at(arena, granule)
        end = granule + block.granules
        if block.granules == 0 or end > arena.limit:
            yield Finding(block.start, "a block of a wrong length")
            return
        last = heap.block_at(arena, end - 1)
        if last.granules != block.granules:
            yield Finding(block.start, "a block whose ends do not agree")
        is_free = block.status == "free"
        if is_free and after_free:
            yield Finding(block.start, "two free runs that touch")
        if is_free and last.status != "free":
            yield Finding(block.start, "a free run with a wrong end")
        if block.status in ("none", "inside", "arenatable", "huge"):
            yield Finding(block.start, f"a block begins as {block.status}")
        if block.status == "small":
            yield from _check_small(heap, block)
        after_free = is_free
        granule = end


def _check_small(heap, block):
    owner = heap.heap_at(block.owner)
    is_sure = owner is None or owner.state != "in use"
    if block.cell_size == 0 or block.carved > block.capacity:
        yield Finding(block.start, "a block with wrong counts")
        return
    if block.capacity * block.cell_size > block.bytes:
        yield Finding(block.start, "more cells than fit")
        return
    if block.free_cells + block.purged_cells > block.carved:
        yield Finding(block.start, "more free cells than carved", is_sure)
        return
    try:
        cells = heap.free_list(block)
        heap.bin_of(block)
    except HeapError as error:
        yield Finding(block.start, str(error), is_sure)
        return
    if len(cells) != block.free_cells:
        yield Finding(
            block.start,
            f"the free list has {len(cells)} cells, the header says "
            f"{block.free_cells}",
            is_sure,
        )
    for i in range(1, block.granules):
        inside = heap.block_at(block.arena, block.granule + i)
        # What is purged_cells for a first granule is the way back to it.
        if inside.status != "inside" or inside.purged_cells != i:
            yield Finding(inside.start, "a granule that is not of its block")
