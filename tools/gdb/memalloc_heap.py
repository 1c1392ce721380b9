"""The heap of a program on memalloc, read out of its memory.

Knows no debugger: a Memory reads bytes and finds symbols, and a table in the
library (memalloc/heap/debug_layout.h) says where everything is, so that no
debug information is needed. Nothing is called in the program and nothing in it
is changed: it may be a core dump, and may have died inside of malloc.

The words are those of memalloc/README.md.
"""

import struct

VERSION = 1
WORD = struct.Struct("<Q")
NUMBERS = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}


class HeapError(Exception):
    """There is no heap, or not one that can be read."""


class Layout:
    """The library's table: `layout["BlockHeader.owner"]`."""

    ENTRY = struct.Struct("<32sI")
    ENTRIES = 80

    def __init__(self, memory):
        table = memory.symbol("memalloc_debug_layout")
        roots = memory.symbol("memalloc_debug_roots")
        if not table or not roots:
            raise HeapError("the program has no memalloc, or none of its names")
        text = memory.read(table, self.ENTRY.size * self.ENTRIES)
        self._values = {
            name.rstrip(b"\0").decode(): value
            for name, value in self.ENTRY.iter_unpack(text)
        }
        if self["version"] != VERSION:
            raise HeapError(
                f"memalloc's layout has version {self['version']}, this script "
                f"knows {VERSION}"
            )
        self.central, self.address_map, key, secret = struct.unpack(
            "<4Q", memory.read(roots, 32)
        )
        self.key = WORD.unpack(memory.read(key, 8))[0]
        self.secret = struct.unpack("<2Q", memory.read(secret, 16)) if (
            secret
        ) else None

    def __getitem__(self, name):
        try:
            return self._values[name]
        except KeyError:
            raise HeapError(f"memalloc's layout has no {name}") from None

    def name_of(self, enum, value):
        """The enumerator's name, "kSmall" as "small"."""
        for name, number in self._values.items():
            if name.startswith(enum + ".k") and number == value:
                return name[len(enum) + 2 :].lower()
        return "none"


class Block:
    """A block or free run, as the header of its first granule has it."""

    FIELDS = (
        ("owner", 8),
        ("free_list", 8),
        ("countdown", 4),
        ("free_base", 4),
        ("status", 1),
        ("size_class", 1),
        ("place", 1),
        ("orphan_list", 1),
        ("granules", 2),
        ("purged_cells", 2),
        ("capacity", 2),
        ("carved", 2),
        ("cell_size", 4),
        ("link_key", 8),
    )

    def __init__(self, layout, arena, granule, header):
        for name, size in self.FIELDS:
            at = layout["BlockHeader." + name]
            value = struct.unpack_from(NUMBERS[size], header, at)[0]
            setattr(self, name, value)
        self.arena = arena
        self.granule = granule
        self.status = layout.name_of("BlockStatus", self.status)
        self.place = layout.name_of("BlockPlace", self.place)
        self.start = arena.start + granule * layout["kGranuleSize"]
        self.bytes = self.granules * layout["kGranuleSize"]

    @property
    def free_cells(self):
        return (self.free_base - self.countdown) & 0xFFFFFFFF

    @property
    def used(self):
        """Cells handed out, those in bins and on their way among them."""
        return self.carved - self.purged_cells - self.free_cells

    @property
    def is_large(self):
        return self.status == "large" and self.place != "kept"

    def cell_number(self, address):
        return (address - self.start) // self.cell_size

    def has_cell(self, address):
        offset = address - self.start
        return 0 <= offset < self.bytes and offset % self.cell_size == 0

    def where(self):
        """Current, partial, ...; what has no owner is in none of these."""
        if self.owner == 0:
            return "orphan" if self.orphan_list else "detached"
        return self.place


class Arena:
    """An arena, or the mapping of a huge block, which looks like one."""

    def __init__(self, layout, table, header):
        def field(name, size):
            at = layout["ArenaHeader." + name]
            return struct.unpack_from(NUMBERS[size], header, at)[0]

        self.table = table
        self.start = table - table % layout["kArenaSize"]
        self.next = field("next", 8)
        self.kind = layout.name_of("ArenaKind", field("kind", 1))
        self.limit = field("limit", 2)
        self.huge_pages = field("huge_pages", 1) != 0
        # A bit for each granule that may hold something; not of a mapping.
        at = layout["ArenaHeader.dirty"]
        granules = layout["kArenaSize"] // layout["kGranuleSize"]
        bits = header[at : at + granules // 8]
        self.dirty = int.from_bytes(bits, "little")
        self.huge_start = field("huge.start", 8)
        self.huge_bytes = field("huge.bytes", 8)
        self.huge_mapped = field("huge.mapped", 8)


class ThreadHeap:
    def __init__(self, number, address, state, thread):
        self.number = number
        self.address = address
        self.state = state
        self.thread = thread


class Heap:
    """All of it. What was read once is kept: make a new one each time."""

    def __init__(self, memory):
        self.memory = memory
        self.layout = Layout(memory)
        self.arenas = self._chain("CentralHeap.arenas_")
        self.huge = self._chain("CentralHeap.huge_")
        self.cached = self._cached()
        self.heaps = self._thread_heaps()
        self._tables = {}

    # ---- reading ----

    def word(self, address):
        return WORD.unpack(self.memory.read(address, 8))[0]

    def _central(self, name):
        return self.layout.central + self.layout[name]

    def _arena(self, table):
        size = self.layout["sizeof BlockHeader"]
        return Arena(self.layout, table, self.memory.read(table, size))

    def _chain(self, name):
        """The arenas of a list; HeapError if it does not end."""
        arenas = []
        seen = set()
        table = self.word(self._central(name))
        while table != 0:
            if table in seen:
                raise HeapError(f"{name} has a loop at {table:#x}")
            seen.add(table)
            arenas.append(self._arena(table))
            table = arenas[-1].next
        return sorted(arenas, key=lambda arena: arena.start)

    def _cached(self):
        at = self._central("CentralHeap.huge_cache_")
        entries = at + self.layout["HugeCache.entries_"]
        count = self.word(at + self.layout["HugeCache.count_"])
        return [self._arena(self.word(entries + 8 * i)) for i in range(count)]

    def _thread_heaps(self):
        field = self.layout.__getitem__
        parked = set()
        at = self.word(self._central("CentralHeap.parked_heaps_"))
        while at != 0 and at not in parked:
            parked.add(at)
            at = self.word(at + field("ThreadHeap.next_free_"))
        heaps = []
        at = self.word(self._central("CentralHeap.heaps_"))
        while at != 0 and at not in (heap.address for heap in heaps):
            in_use = self.memory.read(at + field("ThreadHeap.in_use_"), 1)
            state = "idle"
            if in_use != b"\0":
                state = "in use"
            elif at in parked:
                state = "parked"
            thread = self.word(at + field("ThreadHeap.thread_"))
            heaps.append(ThreadHeap(len(heaps), at, state, thread))
            at = self.word(at + field("ThreadHeap.next_"))
        return heaps

    def headers(self, arena):
        """The arena's table of headers, as bytes."""
        if arena.table not in self._tables:
            count = self.layout["kArenaSize"] // self.layout["kGranuleSize"]
            size = count * self.layout["sizeof BlockHeader"]
            self._tables[arena.table] = self.memory.read(arena.table, size)
        return self._tables[arena.table]

    def block_at(self, arena, granule):
        """What the header of a granule says."""
        size = self.layout["sizeof BlockHeader"]
        table = self.headers(arena)
        header = table[granule * size : (granule + 1) * size]
        return Block(self.layout, arena, granule, header)

    def blocks(self, arena):
        """The arena's blocks and free runs in order, behind its table."""
        granule = 1
        while granule < arena.limit:
            block = self.block_at(arena, granule)
            yield block
            granule += max(1, block.granules)

    def all_blocks(self):
        for arena in self.arenas:
            yield from self.blocks(arena)

    def small_blocks(self, size_class=None):
        for block in self.all_blocks():
            if block.status == "small" and size_class in (
                None,
                block.size_class,
            ):
                yield block

    def contents(self, block):
        """The block's bytes, up to what was carved."""
        return self.memory.read(block.start, block.carved * block.cell_size)

    def cell_sizes(self):
        """Of the size classes: steps of 16 to 256, then eights of doublings."""
        cells = [self.layout["kMinAlignment"]]
        while len(cells) < self.layout["kNumSizeClasses"]:
            last = cells[-1]
            doubling = 1 << last.bit_length() - 1
            cells.append(last + max(cells[0], doubling // 8))
        return cells

    def class_of(self, size):
        """The class that serves a request; None if none does."""
        for i, cell in enumerate(self.cell_sizes()):
            if size <= cell:
                return i
        return None

    # ---- from an address ----

    def arena_of(self, address):
        for arena in self.arenas:
            end = arena.start + arena.limit * self.layout["kGranuleSize"]
            if arena.start <= address < end:
                return arena
        return None

    def huge_of(self, address):
        """The mapping that has the address, and whether a block has it."""
        for mappings, is_live in ((self.huge, True), (self.cached, False)):
            for arena in mappings:
                end = arena.huge_start + arena.huge_mapped
                if arena.start <= address < end:
                    return arena, is_live
        return None, False

    def block_of(self, arena, address):
        """The block, or None for the table of the arena."""
        granule = (address - arena.start) // self.layout["kGranuleSize"]
        block = None
        for candidate in self.blocks(arena):
            if candidate.granule > granule:
                break
            block = candidate
        return block if granule > 0 else None

    def neighbours(self, block):
        """The blocks before and behind it in its arena; None at an end."""
        before = None
        for other in self.blocks(block.arena):
            if other.granule > block.granule:
                return before, other
            if other.granule < block.granule:
                before = other
        return before, None

    def heap_at(self, address):
        for heap in self.heaps:
            if heap.address == address:
                return heap
        return None

    # ---- cells ----

    def decoded(self, link, key):
        return link ^ key if self.layout["kHasChecks"] else link

    def _follow(self, block, cell, key, what):
        """The cells of a list from `cell` on; HeapError where it is broken."""
        contents = self.contents(block)
        seen = set()
        before = "its beginning"
        while cell != 0:
            if not block.has_cell(cell) or (
                block.cell_number(cell) >= block.carved
            ):
                raise HeapError(
                    f"{what} leads from {before} to {cell:#x}, which is no "
                    "cell: somebody wrote there after free"
                )
            if cell in seen:
                raise HeapError(f"{what} has {cell:#x} twice")
            seen.add(cell)
            before = hex(cell)
            link = WORD.unpack_from(contents, cell - block.start)[0]
            cell = link ^ key if self.layout["kHasChecks"] else link
        return seen

    def free_list(self, block):
        """The cells of the block's free list."""
        return self._follow(
            block, block.free_list, block.link_key, "the free list"
        )

    def bin_of(self, block):
        """The cells that wait in its owner's bin, of a current block."""
        if block.where() != "current" or not self.heap_at(block.owner):
            return set()
        offset = block.owner + 8 * block.size_class
        first = self.word(offset + self.layout["ThreadHeap.bins_"])
        key = self.word(offset + self.layout["ThreadHeap.keys_"])
        if not block.start <= first < block.start + block.bytes:
            return set()  # empty: it points at a constant
        return self._follow(block, first, key, "the bin")

    def magazines(self):
        """Pairs of a cell and the thread heap in whose magazine it is."""
        field = self.layout.__getitem__
        first = field("kFirstMagazineClass")
        size = field("sizeof Magazine")
        count = field("kNumSizeClasses") - first
        for heap in self.heaps:
            at = heap.address + field("ThreadHeap.magazines_")
            text = self.memory.read(at, count * size)
            for i in range(0, count * size, size):
                cells = WORD.unpack_from(text, i + field("Magazine.count"))[0]
                for j in range(min(cells, field("kMagazineCells"))):
                    place = i + field("Magazine.cells") + 8 * j
                    yield WORD.unpack_from(text, place)[0], heap

    def purged_pages(self, block):
        """Numbers of the block's pages whose cells are free, but not listed."""
        if block.purged_cells == 0:
            return set()
        granule_size = self.layout["kGranuleSize"]
        table = len(self.headers(block.arena))
        behind = (block.arena.table + table) % granule_size
        marks = block.arena.start + behind
        marks += self.layout["sizeof FreeGranules"]
        size = self.layout["sizeof PurgedPages"]
        text = self.memory.read(
            marks + block.granule * size, block.granules * size
        )
        per_granule = granule_size // self.memory.page_size
        return {
            i * per_granule + bit
            for i in range(block.granules)
            for bit in range(per_granule)
            if struct.unpack_from("<H", text, i * size)[0] >> bit & 1
        }

    def looks_free(self, block, cell, word):
        """Whether the cell's first word is a link to a cell of the block."""
        if word >> self.layout["kFreeTagShift"] != self.layout["kFreeTag"]:
            return False
        target = word ^ block.link_key
        return target == 0 or block.has_cell(target)

    def size_asked_for(self, block, cell):
        """In the hardened build, of a live cell; None of a freed one."""
        end = cell + block.cell_size - 8
        secret, factor = self.layout.secret
        canary = ((cell ^ secret) * factor) & (1 << 64) - 1
        slack = self.word(end) ^ canary
        if slack > block.cell_size - 8:
            return None
        return block.cell_size - 8 - slack

    def live_cells(self, block):
        """Addresses of the block's cells that the program has."""
        contents = self.contents(block)
        pages = self.purged_pages(block)
        free = set()
        if not self.layout["kHasChecks"]:
            free = self.free_list(block) | self.bin_of(block)
        for i in range(block.carved):
            cell = block.start + i * block.cell_size
            if (cell - block.start) // self.memory.page_size in pages:
                continue
            word = WORD.unpack_from(contents, cell - block.start)[0]
            if cell in free or self.looks_free(block, cell, word):
                continue
            if self.layout.secret and (
                self.size_asked_for(block, cell) is None
            ):
                continue
            yield cell
